/* rows.c - endpoints as rows of columns. */
#include "command/ls/rows.h"
#include "base/cleanup.h"
#include "command/limits.h"
#include "command/view/screen.h"

#include <string.h>

int ls_write(struct bytes *text)
{
    if (bytes_failed(text))
        return -ENOMEM;
    errno = 0;
    bool written = fwrite(text->data, 1, text->size, stdout) == text->size;
    bytes_consume(text, text->size);
    return written ? 0 : errno ? -errno : -EIO;
}

void ls_cell_print(
    const struct ls_column *column, const struct ferry_endpoint *endpoint, struct bytes *text)
{
    size_t before = text->size;

    column->print(endpoint, text);
    if (text->size == before)
        bytes_append_char(text, '-');
}

/* --- for a file --------------------------------------------------------------------------------
 */

static char after(const struct ls_columns *columns, size_t column)
{
    return column + 1 < columns->count ? '\t' : '\n';
}

static int print_lines(
    const struct ls_rows *rows, const struct ferry_endpoint *const *endpoints, size_t count)
{
    const struct ls_columns *columns = rows->columns;
    AUTO_BYTES struct bytes text = BYTES_EMPTY;
    int code = 0;

    for (size_t i = 0; i < columns->count && rows->header; i++) {
        bytes_append_text(&text, columns->chosen[i]->heading);
        bytes_append_char(&text, after(columns, i));
    }
    for (size_t row = 0; row < count && code == 0; row++) {
        for (size_t i = 0; i < columns->count; i++) {
            ls_cell_print(columns->chosen[i], endpoints[row], &text);
            bytes_append_char(&text, after(columns, i));
        }
        if (text.size >= LS_WRITE_SIZE)
            code = ls_write(&text);
    }
    return code < 0 || !text.size ? code : ls_write(&text);
}

/* --- for a terminal ----------------------------------------------------------------------------
 */

struct fitting {
    const struct ls_rows *rows;
    const struct ferry_endpoint *const *endpoints;
    struct bytes cells; /* NUL-terminated, row after row, the headings first */
    size_t widths[LS_COLUMNS_MAX];
};

static void cells_fill(struct fitting *fitting, size_t count)
{
    const struct ls_columns *columns = fitting->rows->columns;
    struct bytes *cells = &fitting->cells;

    for (size_t row = 0; row <= count; row++) {
        for (size_t i = 0; i < columns->count; i++) {
            size_t before = cells->size;
            if (row > 0)
                ls_cell_print(columns->chosen[i], fitting->endpoints[row - 1], cells);
            else if (fitting->rows->header)
                bytes_append_text(cells, columns->chosen[i]->heading);
            if (bytes_failed(cells))
                return;
            size_t width = cells->size == before
                               ? 0
                               : view_text_width(cells->data + before, cells->size - before);
            if (width > fitting->widths[i])
                fitting->widths[i] = width;
            bytes_append_char(cells, '\0');
        }
    }
}

/* The widest texts give way first, down to the width of the next; short ones stay whole. */
static void widths_fit(struct fitting *fitting)
{
    const struct ls_columns *columns = fitting->rows->columns;
    size_t total = 2 * (columns->count - 1);

    for (size_t i = 0; i < columns->count; i++)
        total += fitting->widths[i];
    while (total > fitting->rows->width) {
        size_t widest = columns->count;
        for (size_t i = 0; i < columns->count; i++)
            if (columns->chosen[i]->cut &&
                (widest == columns->count || fitting->widths[i] >= fitting->widths[widest]))
                widest = i;
        if (widest == columns->count || fitting->widths[widest] <= LS_CUT_WIDTH_MIN)
            return;
        fitting->widths[widest]--;
        total--;
    }
}

static void pad(struct bytes *text, size_t count)
{
    while (count--)
        bytes_append_char(text, ' ');
}

static void cell_fit(const struct fitting *fitting, size_t index, const char *cell,
    const char *colour, struct bytes *text)
{
    const struct ls_columns *columns = fitting->rows->columns;
    const struct ls_column *column = columns->chosen[index];
    size_t size = strlen(cell), width = view_text_width(cell, size);
    size_t room = fitting->widths[index];
    size_t missing = width < room ? room - width : 0;
    bool last = index + 1 == columns->count;

    if (column->right)
        pad(text, missing);
    bytes_append_text(text, colour ? colour : "");
    view_append_cut(text, cell, size, room);
    bytes_append_text(text, colour ? VIEW_PLAIN : "");
    if (!column->right && !last)
        pad(text, missing);
    bytes_append_text(text, last ? "\n" : "  ");
}

static const char *cell_colour(const struct fitting *fitting, size_t row, size_t index)
{
    if (!fitting->rows->colour)
        return NULL;
    if (row == 0)
        return VIEW_BOLD;
    return strcmp(fitting->rows->columns->chosen[index]->name, "state") == 0
               ? view_state_colour(fitting->endpoints[row - 1])
               : NULL;
}

static int print_fitted(
    const struct ls_rows *rows, const struct ferry_endpoint *const *endpoints, size_t count)
{
    struct fitting fitting = { .rows = rows, .endpoints = endpoints };
    AUTO_BYTES struct bytes text = BYTES_EMPTY;
    int code = 0;

    cells_fill(&fitting, count);
    if (bytes_failed(&fitting.cells)) {
        bytes_fini(&fitting.cells);
        return -ENOMEM;
    }
    widths_fit(&fitting);
    const char *cell = fitting.cells.data;
    for (size_t row = 0; row <= count && code == 0; row++) {
        for (size_t i = 0; i < rows->columns->count; i++, cell += strlen(cell) + 1)
            if (row > 0 || rows->header)
                cell_fit(&fitting, i, cell, cell_colour(&fitting, row, i), &text);
        if (text.size >= LS_WRITE_SIZE)
            code = ls_write(&text);
    }
    bytes_fini(&fitting.cells);
    return code < 0 || !text.size ? code : ls_write(&text);
}

int ls_rows_print(
    const struct ls_rows *rows, const struct ferry_endpoint *const *endpoints, size_t count)
{
    return rows->width ? print_fitted(rows, endpoints, count) : print_lines(rows, endpoints, count);
}
