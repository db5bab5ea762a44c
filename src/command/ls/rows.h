/* rows.h - endpoints as rows of columns, on standard output.
 *
 * For a terminal: every column as wide as its widest cell; if all together are wider than the
 * screen, the widest texts are cut in the middle. For a file or a pipe: a TAB between cells,
 * nothing padded, nothing cut; no cell holds a TAB, for control characters are escaped.
 */
#ifndef FERRY_COMMAND_LS_ROWS_H
#define FERRY_COMMAND_LS_ROWS_H

#include "command/ls/columns.h"

struct ls_rows {
    const struct ls_columns *columns;
    size_t width; /* of the screen; 0: for a file */
    bool header;
    bool colour;
};

/* Returns 0, -ENOMEM, or the -errno of writing. */
int ls_rows_print(
    const struct ls_rows *rows, const struct ferry_endpoint *const *endpoints, size_t count);
/* Appends a cell, "-" if there is nothing in it. */
void ls_cell_print(
    const struct ls_column *column, const struct ferry_endpoint *endpoint, struct bytes *text);
/* Writes the text to standard output and empties it. */
int ls_write(struct bytes *text);

#endif
