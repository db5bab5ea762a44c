/* markup.c - text within HTML and SVG. */
#include "command/bench/markup.h"
#include "base/cleanup.h"

#include <string.h>

static const char *entity(char character)
{
    switch (character) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    default:
        return NULL;
    }
}

void markup_text(struct bytes *page, const char *text)
{
    AUTO_BYTES struct bytes plain = BYTES_EMPTY;

    bytes_append_escaped(&plain, text, strlen(text));
    if (bytes_failed(&plain))
        page->failed = true;
    for (size_t i = 0; i < plain.size; i++) {
        const char *instead = entity(plain.data[i]);
        if (instead)
            bytes_append_text(page, instead);
        else
            bytes_append_char(page, plain.data[i]);
    }
}

void markup_element(struct bytes *page, const char *name, const char *text)
{
    bytes_print(page, "<%s>", name);
    markup_text(page, text);
    bytes_print(page, "</%s>", name);
}

static void cell_add(
    struct bytes *page, const struct table *table, size_t row, size_t column, const char *cell)
{
    const char *scope = row == 0 ? " scope=\"col\"" : column == 0 ? " scope=\"row\"" : "";
    const char *name = *scope ? "th" : "td";

    bytes_print(page, "<%s%s%s>", name, scope, table->right[column] ? " class=\"figure\"" : "");
    markup_text(page, cell);
    bytes_print(page, "</%s>", name);
}

void markup_table(struct bytes *page, const char *caption, struct table *table)
{
    const char *cell = table->cells.data, *end = cell + table->cells.size;
    size_t count = 0;

    if (bytes_failed(&table->cells))
        page->failed = true;
    bytes_append_text(page, "<div class=\"wide\"><table>");
    markup_element(page, "caption", caption);
    for (; !page->failed && cell < end; cell += strlen(cell) + 1, count++) {
        size_t column = count % table->column_count;
        if (column == 0)
            bytes_append_text(page, "<tr>");
        cell_add(page, table, count / table->column_count, column, cell);
        if (column + 1 == table->column_count)
            bytes_append_text(page, "</tr>\n");
    }
    bytes_append_text(page, "</table></div>\n");
    table_fini(table);
}

static void binary_print(double amount, const char *unit, char text[32])
{
    static const char *const prefixes[] = { "", "Ki", "Mi", "Gi" };
    size_t prefix = 0;

    for (; amount >= 1024 && prefix + 1 < COUNT_OF(prefixes); prefix++)
        amount /= 1024;
    snprintf(text, 32, "%.3g %s%s", amount, prefixes[prefix], unit);
}

void amount_print(double amount, const char *unit, bool is_binary, char text[32])
{
    static const char *const prefixes[] = { "p", "n", "µ", "m", "", "k", "M", "G", "T" };
    size_t prefix = 4;

    if (is_binary) {
        binary_print(amount, unit, text);
        return;
    }
    for (; amount >= 999.5 && prefix + 1 < COUNT_OF(prefixes); prefix++)
        amount /= 1000;
    for (; amount > 0 && amount < 0.9995 && prefix > 0; prefix--)
        amount *= 1000;
    const char *gap = *unit || *prefixes[prefix] ? " " : "";
    snprintf(text, 32, "%.3g%s%s%s", amount, gap, prefixes[prefix], unit);
}
