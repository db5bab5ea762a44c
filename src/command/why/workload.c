/* workload.c - a workload that somebody describes: nothing is looked at, all of it is predicted
 * from what mechanisms were measured to cost, by `ferry bench --calibrate` or when ferry was built.
 */
#include "command/why/workload.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/number.h"
#include "command/calibration.h"
#include "command/command.h"
#include "command/limits.h"
#include "command/table.h"
#include "command/times.h"
#include "command/view/json.h"
#include "wire/address.h"

#include <errno.h>
#include <string.h>

/* --- what is given ---------------------------------------------------------------------------- */

static bool *flag_find(struct workload *workload, const char *word)
{
    const struct {
        const char *word;
        bool *flag;
    } flags[] = {
        { "reliable", &workload->reliable },
        { "descriptors", &workload->descriptors },
        { "remote", &workload->remote },
        { "answered", &workload->answered },
        { "one-cpu", &workload->one_processor },
    };
    for (size_t i = 0; i < COUNT_OF(flags); i++)
        if (strcmp(flags[i].word, word) == 0)
            return flags[i].flag;
    return NULL;
}

/* "20000", "20k", "1M", "max", in thousands; -1: it is none. */
static double rate_parse(const char *text)
{
    char digits[16];
    size_t size = strspn(text, "0123456789");
    double factor = text[size] == 'k' ? 1e3 : text[size] == 'M' ? 1e6 : text[size] ? -1 : 1;

    if (strcmp(text, "max") == 0)
        return 0;
    if (factor < 0 || size >= sizeof(digits) || (text[size] && text[size + 1]))
        return -1;
    memcpy(digits, text, size);
    digits[size] = '\0';
    int64_t number = number_parse(digits, 10, WORKLOAD_RATE_MAX);
    return number > 0 && (double)number * factor <= WORKLOAD_RATE_MAX ? (double)number * factor
                                                                      : -1;
}

static int word_parse(
    const char *word, struct workload *workload, double *rate_per_s, struct ferry_error *error)
{
    bool *flag = flag_find(workload, word);
    bool is_size = strncmp(word, "size=", 5) == 0, is_rate = strncmp(word, "rate=", 5) == 0;

    if (flag) {
        *flag = true;
        return 0;
    }
    if ((is_size && workload->size > 0) || (is_rate && *rate_per_s >= 0))
        return error_set(error, -EINVAL, word, "ask for one workload at a time",
            "there is a %s already", is_size ? "size" : "rate");
    if (is_size) {
        int64_t size = address_parse_size(word + 5, WORKLOAD_SIZE_MAX);
        workload->size = size > 0 ? (size_t)size : 0;
        return size > 0 ? 0
                        : error_set(error, -EINVAL, word, NULL,
                              "bytes from 1 to 1G are expected, as 64 or 4k");
    }
    if (is_rate) {
        *rate_per_s = rate_parse(word + 5);
        return *rate_per_s >= 0 ? 0
                                : error_set(error, -EINVAL, word, NULL,
                                      "messages a second are expected, as 500 or 20k, or max");
    }
    return error_set(error, -EINVAL, word,
        "size=, rate=, reliable, descriptors, answered, remote, one-cpu",
        "is nothing that a workload has");
}

int workload_parse(const char *text, struct workload *ret_workload, struct ferry_error *error)
{
    AUTO_FREE char *copy = strdup(text);
    struct workload workload = { .size = 0 };
    double rate_per_s = -1;
    char *rest = NULL;
    int code = copy ? 0 : error_set_errno(error, -ENOMEM, "memory", NULL);

    for (char *word = copy ? strtok_r(copy, ",", &rest) : NULL; word && code == 0;
         word = strtok_r(NULL, ",", &rest))
        code = word_parse(word, &workload, &rate_per_s, error);
    if (code < 0)
        return code;
    if (workload.size == 0 || rate_per_s < 0)
        return error_set(error, -EINVAL, "--workload",
            "as size=4k,rate=20k, or rate=max for as many as can be",
            "a size and a rate are needed");
    workload.rate_per_s = rate_per_s;
    *ret_workload = workload;
    return 0;
}

/* --- for people ------------------------------------------------------------------------------- */

static void describe(const struct workload *workload, struct bytes *text)
{
    char size[24], rate[24];

    size_print(true, workload->size, size);
    bytes_print(text, "Messages of %s bytes, ", size);
    if (workload->rate_per_s > 0) {
        number_print(workload->rate_per_s, rate);
        bytes_print(text, "%s a second", rate);
    } else {
        bytes_append_text(text, "as many as can be");
    }
    bytes_append_text(text, workload->answered ? ", each answered" : ", one way");
    if (workload->descriptors)
        bytes_append_text(text, ", each with a descriptor");
    if (workload->reliable)
        bytes_append_text(text, "; all must arrive");
    if (workload->remote)
        bytes_append_text(text, "; to another machine");
    if (workload->one_processor)
        bytes_append_text(text, "; both ends on one processor");
    bytes_append_char(text, '\n');
}

static void add_time(struct table *table, double time_ns)
{
    char text[24];

    time_print((int64_t)(time_ns + 0.5), text);
    table_add(table, text);
}

static void add_number(struct table *table, const char *format, double number)
{
    char text[24];

    snprintf(text, sizeof(text), format, number);
    table_add(table, text);
}

static void add_prediction(struct table *table, const struct choice *choice, size_t place)
{
    const struct choice_prediction *prediction = &choice->ranking[place];
    char most[24];

    table_add(table, choice_name(prediction->mechanism));
    if (prediction->excluded) {
        for (unsigned column = 0; column < 5; column++)
            table_add(table, "-");
        table_add(table, prediction->excluded);
        return;
    }
    add_time(table, prediction->cpu_ns);
    add_time(table, prediction->wait_ns);
    add_time(table, choice_score(prediction));
    add_number(table, "%.2f", prediction->wakes);
    number_print(prediction->most_per_s, most);
    table_add(table, most);
    table_add(table, prediction->is_late                  ? "can't carry so many"
                     : choice_is_held_back(choice, place) ? "better by no more than chance, and "
                                                            "takes memory"
                     : prediction->looks_out ? "looks out, so that nobody has to be woken"
                                             : "");
}

static void rule_say(
    const struct workload *workload, const struct choice *choice, struct bytes *text)
{
    const struct choice_prediction *rule = choice_find(choice, choice_rule(workload));
    const char *name = choice_name(rule->mechanism);

    if (rule->excluded)
        bytes_print(text, "The fixed rule takes %s, which can't: %s.\n", name, rule->excluded);
    else if (rule == &choice->ranking[0])
        bytes_print(text, "The fixed rule takes %s too.\n", name);
    else if (rule->is_late)
        bytes_print(text, "The fixed rule takes %s, which can't carry so many.\n", name);
    else
        bytes_print(text, "The fixed rule takes %s: %.2f times as much.\n", name,
            choice_score(rule) / choice_score(&choice->ranking[0]));
}

/* When an auto: channel would be on its ring. */
static struct choice_move move_find(
    const struct workload *workload, const struct choice_costs *costs)
{
    struct choice_thresholds thresholds;
    unsigned class = choice_class(workload->size);

    if (workload->remote || workload->descriptors)
        return (struct choice_move){ .from_per_s = CHOICE_NEVER };
    choice_thresholds_make(costs, choice_place_of(workload), &thresholds);
    return workload->answered ? thresholds.answered[class] : thresholds.one_way[class];
}

static void auto_say(
    const struct workload *workload, const struct choice_costs *costs, struct bytes *text)
{
    struct choice_move move = move_find(workload, costs);
    char from[24], back[24];

    if (workload->remote)
        return;
    if (move.from_per_s == CHOICE_NEVER) {
        bytes_append_text(text, "An auto: channel stays on its unix socket.\n");
        return;
    }
    number_print(move.from_per_s, from);
    number_print(move.back_per_s, back);
    bytes_print(text,
        "An auto: channel begins on a unix socket, moves to a ring from %s a second on, and back "
        "below %s%s.\n",
        from, back, workload->answered ? "; it tries one from a quarter of that on" : "");
}

static void advice_say(const struct bytes *advice, struct bytes *text)
{
    if (advice->size)
        bytes_append_text(text, "Faster:\n");
    for (const char *from = advice->data; from && *from;) {
        size_t size = strcspn(from, "\n") + 1;
        bytes_print(text, "  %.*s", (int)size, from);
        from += size;
    }
}

static void report(const struct workload *workload, const struct choice *choice,
    const struct calibration *calibration, struct bytes *text)
{
    static const char *const headings[] = { "MECHANISM", ">CPU/MSG", ">WAIT", ">BOTH", ">WAKES",
        ">MOST/S", "", NULL };
    AUTO_BYTES struct bytes advice = BYTES_EMPTY;
    struct table table;

    describe(workload, text);
    choice_explain(workload, choice, text);
    bytes_append_text(text, ".\n\n");
    table_init(&table, headings);
    for (size_t i = 0; i < CHOICE_MECHANISMS; i++)
        add_prediction(&table, choice, i);
    table_print(&table, text);
    table_fini(&table);
    bytes_append_char(text, '\n');
    if (workload->reliable && !workload->remote)
        bytes_append_text(text,
            "None of them loses a message while both ends live; only what a queue "
            "has outlives them.\n");
    rule_say(workload, choice, text);
    auto_say(workload, &calibration->costs, text);
    choice_advise(workload, &calibration->costs, choice, &advice);
    advice_say(&advice, text);
    bytes_append_text(text, "Figures: ");
    calibration_name(calibration, text);
    bytes_append_text(text, ".\n");
}

/* --- JSON ------------------------------------------------------------------------------------- */

static json_t *text_json(const struct bytes *text)
{
    return json_string(text->data ? text->data : "");
}

static json_t *prediction_json(const struct choice_prediction *prediction)
{
    const char *name = choice_name(prediction->mechanism);

    if (prediction->excluded)
        return json_pack("{s:s, s:s}", "mechanism", name, "excluded", prediction->excluded);
    return json_pack("{s:s, s:f, s:f, s:f, s:b, s:b, s:f}", "mechanism", name, "cpu_ns",
        prediction->cpu_ns, "wait_ns", prediction->wait_ns, "wakes", prediction->wakes, "looks_out",
        prediction->looks_out, "keeps_up", !prediction->is_late, "most_per_second",
        prediction->most_per_s);
}

static json_t *workload_json(const struct workload *workload)
{
    return json_pack("{s:I, s:o, s:b, s:b, s:b, s:b, s:b}", "size", (json_int_t)workload->size,
        "rate", workload->rate_per_s > 0 ? json_real(workload->rate_per_s) : json_null(),
        "reliable", workload->reliable, "descriptors", workload->descriptors, "answered",
        workload->answered, "remote", workload->remote, "one_cpu", workload->one_processor);
}

static json_t *lines_json(const struct bytes *text)
{
    json_t *lines = json_array();

    for (const char *from = text->data; from && *from;) {
        size_t size = strcspn(from, "\n");
        json_array_append_new(lines, json_stringn(from, size));
        from += size + 1;
    }
    return lines;
}

static json_t *document_make(const struct workload *workload, const struct choice *choice,
    const struct calibration *calibration)
{
    AUTO_BYTES struct bytes why = BYTES_EMPTY, advice = BYTES_EMPTY, name = BYTES_EMPTY;
    json_t *mechanisms = json_array(), *document = json_object();

    choice_explain(workload, choice, &why);
    choice_advise(workload, &calibration->costs, choice, &advice);
    calibration_name(calibration, &name);
    for (size_t i = 0; i < CHOICE_MECHANISMS; i++)
        json_array_append_new(mechanisms, prediction_json(&choice->ranking[i]));
    json_object_set_new(document, "schema", json_integer(VIEW_SCHEMA));
    json_object_set_new(document, "workload", workload_json(workload));
    json_object_set_new(document, "choice",
        choice->candidates ? json_string(choice_name(choice->ranking[0].mechanism)) : json_null());
    json_object_set_new(document, "why", text_json(&why));
    json_object_set_new(document, "faster", lines_json(&advice));
    json_object_set_new(document, "mechanisms", mechanisms);
    json_object_set_new(document, "rule", json_string(choice_name(choice_rule(workload))));
    struct choice_move move = move_find(workload, &calibration->costs);
    if (move.from_per_s != CHOICE_NEVER)
        json_object_set_new(document, "auto",
            json_pack("{s:I, s:I}", "from", (json_int_t)move.from_per_s, "back",
                (json_int_t)move.back_per_s));
    json_object_set_new(document, "figures", text_json(&name));
    return document;
}

/* --- all of it -------------------------------------------------------------------------------- */

int why_workload(const struct workload *workload, bool json)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;
    AUTO_FREE char *path = NULL;
    struct calibration calibration;
    struct choice choice;

    calibration_load(&calibration, &path);
    choice_make(workload, &calibration.costs, &choice);
    if (json) {
        json_t *document = document_make(workload, &choice, &calibration);
        json_dumpf(document, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
        json_decref(document);
        putchar('\n');
    } else {
        report(workload, &choice, &calibration, &text);
        if (bytes_failed(&text))
            return command_fail_errno("why", "memory", -ENOMEM);
        fwrite(text.data, 1, text.size, stdout);
    }
    return choice.candidates ? EXIT_DONE : EXIT_FAILED;
}
