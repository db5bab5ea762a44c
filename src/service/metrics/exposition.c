/* exposition.c - Prometheus' text format. */
#include "service/metrics/exposition.h"
#include "base/cleanup.h"

#include <inttypes.h>
#include <string.h>

static void append_quoted(struct bytes *labels, const struct bytes *value)
{
    for (size_t i = 0; i < value->size; i++) {
        char character = value->data[i];
        if (character == '\\' || character == '"')
            bytes_append_char(labels, '\\');
        bytes_append_char(labels, character);
    }
}

void label_add(struct bytes *labels, const char *name, const void *value, size_t size)
{
    AUTO_BYTES struct bytes safe = BYTES_EMPTY;

    bytes_append_escaped(&safe, value, size);
    if (bytes_failed(&safe)) {
        labels->failed = true;
        return;
    }
    if (labels->size)
        bytes_append_char(labels, ',');
    bytes_append_text(labels, name);
    bytes_append_text(labels, "=\"");
    append_quoted(labels, &safe);
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
