/* calibrate_report.c - the thresholds that were measured, beside those that were in use. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "command/bench/calibrate.h"
#include "command/limits.h"
#include "command/table.h"

#include <jansson.h>
#include <string.h>

static const char *const places[CHOICE_PLACES] = {
    [CHOICE_APART] = "apart", [CHOICE_TOGETHER] = "together"
};

/* --- for people ------------------------------------------------------------------------------- */

static void add_rate(struct table *table, uint32_t rate_per_s)
{
    char text[24];

    if (rate_per_s == CHOICE_NEVER) {
        table_add(table, "never");
        return;
    }
    number_print(rate_per_s, text);
    table_add(table, text);
}

static void add_class(struct table *table, unsigned class)
{
    char size[24], text[40];

    size_print(true, choice_class_size_max(class + 1 < CHOICE_CLASSES ? class : class - 1), size);
    snprintf(text, sizeof(text), "%s %s", class + 1 < CHOICE_CLASSES ? "to" : "above", size);
    table_add(table, text);
}

static void memfd_print(size_t size, struct bytes *text)
{
    char number[24];

    if (size == SIZE_MAX) {
        bytes_append_text(text, "none");
        return;
    }
    size_print(true, size, number);
    bytes_print(text, "from %s", number);
}

static void place_report(const struct choice_thresholds *now,
    const struct choice_thresholds *before, const char *title, struct bytes *text)
{
    static const char *const headings[] = { "BYTES", ">ONE-WAY", ">BEFORE", ">ANSWERED", ">BEFORE",
        NULL };
    struct table table;

    bytes_print(text, "\n%s\n", title);
    table_init(&table, headings);
    for (unsigned class = 0; class < CHOICE_CLASSES; class ++) {
        add_class(&table, class);
        add_rate(&table, now->one_way[class].from_per_s);
        add_rate(&table, before->one_way[class].from_per_s);
        add_rate(&table, now->answered[class].from_per_s);
        add_rate(&table, before->answered[class].from_per_s);
    }
    table_print(&table, text);
    table_fini(&table);
    bytes_append_text(text, "Messages on the socket that go as a sealed memfd: ");
    memfd_print(now->memfd_size_min, text);
    bytes_append_text(text, "; before: ");
    memfd_print(before->memfd_size_min, text);
    bytes_append_char(text, '\n');
}

void calibrate_report(const struct calibrate_result *result, const struct calibration *before,
    const char *path, struct bytes *text)
{
    static const char *const titles[CHOICE_PLACES] = {
        [CHOICE_APART] = "A processor for each end: messages a second from which on a ring pays",
        [CHOICE_TOGETHER] = "One processor for both ends"
    };
    const struct machine *machine = &result->found.machine;

    bytes_print(text, "Linux %s, %u x %s; %u round%s in %.1f s\nbefore: ", machine->kernel,
        machine->processors, machine->processor, result->rounds, result->rounds == 1 ? "" : "s",
        (double)result->time_ns / (double)NS_PER_S);
    calibration_name(before, text);
    bytes_append_char(text, '\n');
    for (unsigned place = 0; place < CHOICE_PLACES; place++) {
        struct choice_thresholds now, then;
        choice_thresholds_make(&result->found.costs, place, &now);
        choice_thresholds_make(&before->costs, place, &then);
        place_report(&now, &then, titles[place], text);
    }
    if (result->load > CALIBRATE_LOAD_MAX)
        bytes_print(text,
            "\nThe machine had other things to do (load %.1f): measure again when it has none.\n",
            result->load);
    bytes_append_text(text, "\nkept in ");
    bytes_append_escaped(text, path, strlen(path));
    bytes_append_char(text, '\n');
}

/* --- JSON ------------------------------------------------------------------------------------- */

/* null: never, none. */
static json_t *rate_json(uint32_t rate_per_s)
{
    return rate_per_s == CHOICE_NEVER ? json_null() : json_integer(rate_per_s);
}

static json_t *size_json(size_t size)
{
    return size == SIZE_MAX ? json_null() : json_integer((json_int_t)size);
}

static json_t *move_json(const struct choice_move *move)
{
    return json_pack(
        "{s:o, s:i}", "from", rate_json(move->from_per_s), "back", (int)move->back_per_s);
}

static json_t *thresholds_json(const struct choice_costs *costs)
{
    json_t *object = json_object();

    for (unsigned place = 0; place < CHOICE_PLACES; place++) {
        struct choice_thresholds thresholds;
        json_t *classes = json_array();
        choice_thresholds_make(costs, place, &thresholds);
        for (unsigned class = 0; class < CHOICE_CLASSES; class ++)
            json_array_append_new(classes,
                json_pack("{s:o, s:o, s:o}", "size_max", size_json(choice_class_size_max(class)),
                    "one_way", move_json(&thresholds.one_way[class]), "answered",
                    move_json(&thresholds.answered[class])));
        json_object_set_new(object, places[place],
            json_pack("{s:o, s:o}", "classes", classes, "memfd_size_min",
                size_json(thresholds.memfd_size_min)));
    }
    return object;
}

void calibrate_report_json(const struct calibrate_result *result, const struct calibration *before,
    const char *path, struct bytes *text)
{
    const struct machine *machine = &result->found.machine;
    AUTO_BYTES struct bytes name = BYTES_EMPTY;

    calibration_name(before, &name);
    json_t *document = json_pack("{s:s, s:s, s:I, s:i, s:f, s:f, s:I, s:s?, s:s?, s:o, s:o}",
        "kernel", machine->kernel, "processor", machine->processor, "processors",
        (json_int_t)machine->processors, "rounds", (int)result->rounds, "seconds",
        (double)result->time_ns / (double)NS_PER_S, "load", result->load, "time",
        (json_int_t)result->found.time_s, "path", path, "before", name.data, "thresholds",
        thresholds_json(&result->found.costs), "thresholds_before",
        thresholds_json(&before->costs));
    char *dumped = document ? json_dumps(document, JSON_COMPACT | JSON_REAL_PRECISION(6)) : NULL;
    if (dumped)
        bytes_print(text, "%s\n", dumped);
    else
        text->failed = true;
    free(dumped);
    json_decref(document);
}
