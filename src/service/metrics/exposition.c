/* exposition.c - Prometheus' text format. */
#include "service/metrics/exposition.h"
#include "base/cleanup.h"

#include <inttypes.h>
#include <string.h>

/* The format's own escapes, put into what stands from `start` on. Most texts need none. */
static void quote_from(struct bytes *labels, size_t start)
{
    AUTO_BYTES struct bytes rest = BYTES_EMPTY;

    if (bytes_failed(labels) || !strpbrk(labels->data + start, "\\\""))
        return;
    bytes_append(&rest, labels->data + start, labels->size - start);
    if (bytes_failed(&rest)) {
        labels->failed = true;
        return;
    }
    labels->size = start;
    for (size_t i = 0; i < rest.size; i++) {
        if (rest.data[i] == '\\' || rest.data[i] == '"')
            bytes_append_char(labels, '\\');
        bytes_append_char(labels, rest.data[i]);
    }
}

void label_add(struct bytes *labels, const char *name, const void *value, size_t size)
{
    if (labels->size)
        bytes_append_char(labels, ',');
    bytes_append_text(labels, name);
    bytes_append_text(labels, "=\"");
    size_t start = labels->size;
    bytes_append_escaped(labels, value, size);
    quote_from(labels, start);
    bytes_append_char(labels, '"');
}

void label_add_text(struct bytes *labels, const char *name, const char *value)
{
    label_add(labels, name, value, strlen(value));
}

void family_begin(struct bytes *text, const struct family *family)
{
    bytes_print(text, "# HELP %s %s\n# TYPE %s %s\n", family->name, family->help, family->name,
        family->type);
}

static void sample_begin(struct bytes *text, const struct family *family, const char *labels)
{
    bytes_append_text(text, family->name);
    if (!*labels)
        return;
    bytes_append_char(text, '{');
    bytes_append_text(text, labels);
    bytes_append_char(text, '}');
}

void family_sample(
    struct bytes *text, const struct family *family, const char *labels, uint64_t value)
{
    sample_begin(text, family, labels);
    bytes_print(text, " %" PRIu64 "\n", value);
}

void family_sample_seconds(
    struct bytes *text, const struct family *family, const char *labels, double seconds)
{
    sample_begin(text, family, labels);
    bytes_print(text, " %.6f\n", seconds);
}
