/* cells.h - columns: their names and what stands in a row's cell, the same on a screen, in a pipe
 * and for the filter.
 */
#ifndef FERRY_COMMAND_TOP_CELLS_H
#define FERRY_COMMAND_TOP_CELLS_H

#include "base/bytes.h"
#include "command/top/model.h"

enum top_column {
    TOP_KIND,
    TOP_STATE,
    TOP_AGE,
    TOP_RECEIVE,
    TOP_SEND,
    TOP_FILL,
    TOP_IN,
    TOP_OUT,
    TOP_LOCAL,
    TOP_REMOTE,
    TOP_PROCESS,
    TOP_PEER,
    TOP_ENDPOINTS,
    TOP_LISTENERS,
    TOP_WAITING,
    TOP_CHURN, /* no column of its own: to sort by */
    TOP_COLUMN_COUNT
};

struct top_column_facts {
    const char *heading; /* begins with '>' if figures stand at the right, as table_init() has it */
    const char *name;    /* for --sort */
};

extern const struct top_column_facts top_columns[TOP_COLUMN_COUNT];

/* The columns of rows of endpoints, or of processes; TOP_COLUMN_COUNT ends them. */
const enum top_column *top_columns_of(bool by_process);
/* Of a name of --sort; TOP_COLUMN_COUNT: there is none. */
enum top_column top_column_find(const char *name);

/* Appends a row's cell, control characters escaped; "-" for what is not known or does not apply.
 *   people  figures in short ("1.2M"), else in full */
void top_cell_print(
    const struct top_row *row, enum top_column column, bool people, struct bytes *text);
/* 1234567 as "1.2M": at most five characters. */
void top_short_print(double number, char text[16]);

#endif
