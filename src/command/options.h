/* options.h - socket options as a table for people: asked, in effect, why. */
#ifndef FERRY_COMMAND_OPTIONS_H
#define FERRY_COMMAND_OPTIONS_H

#include "base/bytes.h"
#include "command/table.h"

#include <jansson.h>

/* One line of it. Texts are borrowed; NULL: there is none. */
struct options_line {
    const char *key, *asked, *by, *effective, *note;
    bool differs; /* marked with an exclamation mark */
};

void options_table_init(struct table *table);
void options_table_add(struct table *table, const struct options_line *line);
/* Appends the table to *text, and ends it. */
void options_table_finish(struct table *table, struct bytes *text);

/* Appends the options of every route and connection in the reply of a running ferry. */
void options_report_print(const json_t *report, struct bytes *text);

#endif
