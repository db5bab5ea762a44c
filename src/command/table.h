/* table.h - columns for people: every cell as wide as the widest of its column, nothing cut. */
#ifndef FERRY_COMMAND_TABLE_H
#define FERRY_COMMAND_TABLE_H

#include "base/bytes.h"
#include "command/limits.h"

struct table {
    struct bytes cells; /* NUL-terminated, row after row */
    size_t column_count;
    bool right[TABLE_COLUMNS_MAX]; /* figures stand at the right */
};

/* The headings make the columns; one that begins with '>' is a column of figures.
 *   headings  NULL-terminated, at most TABLE_COLUMNS_MAX */
void table_init(struct table *table, const char *const *headings);
void table_fini(struct table *table);
/* Appends the next cell, control characters escaped; NULL is an empty one. */
void table_add(struct table *table, const char *text);
/* Appends the rows to *text, two blanks between columns, none at the end of lines. */
void table_print(const struct table *table, struct bytes *text);

/* 1234567 as "1234567", or for people as "1.2M" (powers of 1024, one digit after the point). */
void size_print(bool people, unsigned long long size, char text[24]);
/* 1234567 as "1.23M": powers of a thousand, three digits. */
void number_print(double number, char text[24]);
/* 90061000 ms as "1d01h"; two units at most. */
void span_print(long long span_ms, char text[24]);

#endif
