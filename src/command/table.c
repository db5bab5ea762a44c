/* table.c - columns for people. */
#include "command/table.h"
#include "base/cleanup.h"

#include <assert.h>
#include <string.h>

void table_init(struct table *table, const char *const *headings)
{
    *table = (struct table){ 0 };
    for (; *headings; headings++) {
        assert(table->column_count < TABLE_COLUMNS_MAX);
        table->right[table->column_count++] = **headings == '>';
        table_add(table, *headings + (**headings == '>'));
    }
}

void table_fini(struct table *table)
{
    bytes_fini(&table->cells);
}

void table_add(struct table *table, const char *text)
{
    if (text)
        bytes_append_escaped(&table->cells, text, strlen(text));
    bytes_append_char(&table->cells, '\0');
}

/* Characters, not bytes: what continues a UTF-8 sequence takes no room. */
static size_t cell_width(const char *cell)
{
    size_t width = 0;
    for (; *cell; cell++)
        width += ((unsigned char)*cell & 0xc0) != 0x80;
    return width;
}

static void cell_print(const char *cell, size_t width, bool right, bool last, struct bytes *text)
{
    int pad = (int)(width - cell_width(cell));
    if (right)
        bytes_print(text, "%*s%s", pad, "", cell);
    else
        bytes_print(text, "%s%*s", cell, last ? 0 : pad, "");
    bytes_append_text(text, last ? "\n" : "  ");
}

void table_print(const struct table *table, struct bytes *text)
{
    size_t widths[TABLE_COLUMNS_MAX] = { 0 };
    const char *end = table->cells.data + table->cells.size;
    size_t column = 0;
    if (bytes_failed(&table->cells)) {
        text->failed = true;
        return;
    }
    for (const char *cell = table->cells.data; cell < end; cell += strlen(cell) + 1) {
        size_t width = cell_width(cell);
        if (width > widths[column])
            widths[column] = width;
        column = (column + 1) % table->column_count;
    }
    column = 0;
    for (const char *cell = table->cells.data; cell < end; cell += strlen(cell) + 1) {
        bool last = column + 1 == table->column_count;
        cell_print(cell, widths[column], table->right[column], last, text);
        column = (column + 1) % table->column_count;
    }
}

void size_print(bool people, unsigned long long size, char text[24])
{
    static const char units[] = "KMGTPE";
    if (!people || size < 1024) {
        snprintf(text, 24, "%llu", size);
        return;
    }
    double scaled = (double)size / 1024;
    size_t unit = 0;
    while (scaled >= 1023.95 && units[unit + 1]) {
        scaled /= 1024;
        unit++;
    }
    snprintf(text, 24, "%.1f%c", scaled, units[unit]);
}

void span_print(long long span_ms, char text[24])
{
    long long second = span_ms / 1000;
    if (span_ms < 1000)
        snprintf(text, 24, "%lldms", span_ms);
    else if (second < 60)
        snprintf(text, 24, "%llds", second);
    else if (second < 3600)
        snprintf(text, 24, "%lldm%02llds", second / 60, second % 60);
    else if (second < 86400)
        snprintf(text, 24, "%lldh%02lldm", second / 3600, second / 60 % 60);
    else
        snprintf(text, 24, "%lldd%02lldh", second / 86400, second / 3600 % 24);
}

void number_print(double number, char text[24])
{
    static const char *const units[] = { "", "k", "M", "G", "T" };
    size_t unit = 0;

    for (; number >= 999.5 && unit + 1 < COUNT_OF(units); unit++)
        number /= 1000;
    snprintf(text, 24, "%.*f%s",
        number >= 99.95   ? 0
        : number >= 9.995 ? 1
                          : 2,
        number, units[unit]);
}
