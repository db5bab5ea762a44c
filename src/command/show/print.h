/* print.h - how `show` lays out what it tells: a heading, then a label and its text on each line.
 */
#ifndef FERRY_COMMAND_SHOW_PRINT_H
#define FERRY_COMMAND_SHOW_PRINT_H

#include "base/bytes.h"

#include <stdint.h>
#include <sys/types.h>

/* Appends "  label       ", to which the caller adds its text and a line feed. "" indents what goes
 * on from the line before. */
void print_label(struct bytes *text, const char *label);
/* The same, the text formatted and the line ended; what processes chose must be escaped. */
__attribute__((format(printf, 3, 4))) void print_line(
    struct bytes *text, const char *label, const char *format, ...);
/* The same of a text that a process chose; NULL: nothing is printed. */
void print_hostile(struct bytes *text, const char *label, const char *hostile);

/* Items that are broken into lines of SHOW_WIDTH: begin, add, end. */
struct print_list {
    struct bytes *text;
    const char *label;
    size_t column;
};
void print_list_begin(struct print_list *list, struct bytes *text, const char *label);
void print_list_add(struct print_list *list, const struct bytes *item);
void print_list_end(struct print_list *list);

/* Appends "www-data (33)", or the number alone. */
void print_user(struct bytes *text, uid_t uid);
void print_group(struct bytes *text, gid_t gid);
/* Appends "2026-11-29 00:12:00, 2h03m ago". */
void print_start(struct bytes *text, uint64_t start_ticks);

#endif
