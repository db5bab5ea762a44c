/* markup.h - text within HTML and SVG, as XML has it: whatever is printed stays text. */
#ifndef FERRY_COMMAND_BENCH_MARKUP_H
#define FERRY_COMMAND_BENCH_MARKUP_H

#include "base/bytes.h"
#include "command/table.h"

/* Appends text: what means something to XML as its entity, control characters as \xHH. Fit for
 * attributes in double quotes, too. */
void markup_text(struct bytes *page, const char *text);
/* <NAME>text</NAME>. */
void markup_element(struct bytes *page, const char *name, const char *text);
/* Appends a table, its first column the heads of its rows, and finishes it.
 *   caption  borrowed */
void markup_table(struct bytes *page, const char *caption, struct table *table);

/* 0.0000123, "s" as "12.3 µs": three digits, a prefix of a thousand; "0" for 0. With is_binary
 * powers of 1024: "64 KiB". */
void amount_print(double amount, const char *unit, bool is_binary, char text[32]);

#endif
