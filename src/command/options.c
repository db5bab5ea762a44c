/* options.c - socket options as tables for people. */
#include "command/options.h"
#include "base/cleanup.h"
#include "command/end.h"

#include <stdio.h>
#include <string.h>

void options_table_init(struct table *table)
{
    static const char *const headings[] = { "  OPTION", "ASKED", "BY", "IN EFFECT", "WHY", NULL };
    table_init(table, headings);
}

static void add_text(struct table *table, const char *text)
{
    table_add(table, text && *text ? text : "-");
}

void options_table_add(struct table *table, const struct options_line *line)
{
    char key[40];
    snprintf(key, sizeof(key), "%s %s", line->differs ? "!" : " ", line->key ? line->key : "-");
    table_add(table, key);
    add_text(table, line->asked);
    add_text(table, line->by);
    add_text(table, line->effective);
    table_add(table, line->note);
}

void options_table_finish(struct table *table, struct bytes *text)
{
    table_print(table, text);
    table_fini(table);
}

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* The options of one socket. */
static void options_print(const json_t *options, struct bytes *text)
{
    struct table table;
    size_t index;
    json_t *option;
    options_table_init(&table);
    json_array_foreach(options, index, option)
    {
        options_table_add(
            &table, &(struct options_line){ .key = text_of(option, "key"),
                        .asked = text_of(option, "asked"),
                        .by = text_of(option, "by"),
                        .effective = text_of(option, "effective"),
                        .note = text_of(option, "note"),
                        .differs = json_is_true(json_object_get(option, "differs")) });
    }
    options_table_finish(&table, text);
}

/* Whoever answers may be no ferry: nothing of it goes to a terminal as it came. */
static void print_escaped(const char *raw, struct bytes *text)
{
    if (raw)
        bytes_append_escaped(text, raw, strlen(raw));
}

static void end_options_print(
    const char *route, const char *heading, const json_t *end, struct bytes *text)
{
    const json_t *options = json_object_get(end, "options");
    AUTO_BYTES struct bytes who = BYTES_EMPTY;
    if (!json_array_size(options))
        return;
    end_print(end, &who);
    bytes_append_char(text, '\n');
    print_escaped(route, text);
    bytes_print(text, " %s", heading);
    if (!bytes_failed(&who) && who.size)
        print_escaped(who.data, text);
    bytes_append_char(text, '\n');
    options_print(options, text);
}

void options_report_print(const json_t *report, struct bytes *text)
{
    size_t index, place;
    json_t *route, *connection;
    json_array_foreach(json_object_get(report, "routes"), index, route)
    {
        const char *name = text_of(route, "name"), *listen = text_of(route, "listen");
        const char *profile = text_of(route, "profile");
        const json_t *options = json_object_get(route, "options");
        bytes_append_text(text, index ? "\n" : "");
        print_escaped(name, text);
        bytes_append_text(text, " listens on ");
        print_escaped(listen, text);
        bytes_append_text(text, profile ? ", profile " : "");
        print_escaped(profile, text);
        bytes_print(text, "%s\n", json_array_size(options) ? "" : ": no socket options");
        if (json_array_size(options))
            options_print(options, text);
        json_array_foreach(json_object_get(route, "connections"), place, connection)
        {
            end_options_print(name, "from ", json_object_get(connection, "peer"), text);
            end_options_print(name, "to ", json_object_get(connection, "target"), text);
        }
    }
}
