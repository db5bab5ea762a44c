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

/* Of the heading (endpoint NULL) or of a cell; NULL: none. */
static const char *cell_colour(
    const struct ls_rows *rows, size_t index, const struct ferry_endpoint *endpoint)
{
    if (!rows->colour)
        return NULL;
    if (!endpoint)
        return VIEW_BOLD;
    return strcmp(rows->columns->chosen[index]->name, "state") == 0 ? view_state_colour(endpoint)
                                                                    : NULL;
}

/* --- for a file ------------------------------------------------------------------------------- */

static void line_print(
    const struct ls_rows *rows, const struct ferry_endpoint *endpoint, struct bytes *text)
{
    const struct ls_columns *columns = rows->columns;

    for (size_t i = 0; i < columns->count; i++) {
        const char *colour = cell_colour(rows, i, endpoint);
        if (colour)
            bytes_append_text(text, colour);
        if (endpoint)
            ls_cell_print(columns->chosen[i], endpoint, text);
        else
            bytes_append_text(text, columns->chosen[i]->heading);
        if (colour)
            bytes_append_text(text, VIEW_PLAIN);
        bytes_append_char(text, i + 1 < columns->count ? '\t' : '\n');
    }
}

static int print_lines(
    const struct ls_rows *rows, const struct ferry_endpoint *const *endpoints, size_t count)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;
    int code = 0;

    if (rows->header)
        line_print(rows, NULL, &text);
    for (size_t row = 0; row < count && code == 0; row++) {
        if (row + LS_ROWS_AHEAD < count)
            __builtin_prefetch(endpoints[row + LS_ROWS_AHEAD]);
        line_print(rows, endpoints[row], &text);
        if (text.size >= LS_WRITE_SIZE)
            code = ls_write(&text);
    }
    return code < 0 || !text.size ? code : ls_write(&text);
}

/* --- for a terminal --------------------------------------------------------------------------- */

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
                cell_fit(&fitting, i, cell,
                    cell_colour(rows, i, row > 0 ? endpoints[row - 1] : NULL), &text);
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
