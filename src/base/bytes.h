/* bytes.h - growable bytes, and text made safe to print.
 *
 * A struct bytes owns its memory. Once an append has failed for want of memory the bytes are
 * marked failed and later appends do nothing: check once, at the end, with bytes_failed().
 */
#ifndef FERRY_BASE_BYTES_H
#define FERRY_BASE_BYTES_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct bytes {
    char *data; /* NUL-terminated when not NULL; the NUL is not counted */
    size_t size;
    size_t capacity;
    bool failed;
};

#define BYTES_EMPTY                                                                                \
    (struct bytes)                                                                                 \
    {                                                                                              \
        NULL, 0, 0, false                                                                          \
    }

void bytes_fini(struct bytes *bytes);
void bytes_append(struct bytes *bytes, const void *data, size_t size);
void bytes_append_text(struct bytes *bytes, const char *text);
void bytes_append_char(struct bytes *bytes, char character);
/* In decimal; several times as fast as bytes_print(), for tables of many rows. */
void bytes_append_number(struct bytes *bytes, unsigned long long number);
__attribute__((format(printf, 2, 3))) void bytes_print(
    struct bytes *bytes, const char *format, ...);
__attribute__((format(printf, 2, 0))) void bytes_vprint(
    struct bytes *bytes, const char *format, va_list arguments);
/* Appends with control characters escaped as text_escape() does. */
void bytes_append_escaped(struct bytes *bytes, const void *data, size_t size);
/* Drops the first `size` bytes. */
void bytes_consume(struct bytes *bytes, size_t size);
/* Hands the memory over ("" at least); NULL when failed. */
char *bytes_take(struct bytes *bytes);
static inline bool bytes_failed(const struct bytes *bytes)
{
    return bytes->failed;
}

#define AUTO_BYTES __attribute__((cleanup(bytes_fini)))

/* Writes `data` NUL-terminated into text[size], C0, DEL and C1 controls, and those that turn the
 * direction of text round, as \xHH, cut at a whole character if it does not fit. UTF-8 passes.
 * Returns the length written. */
size_t text_escape(const void *data, size_t data_size, char *text, size_t size);

#endif
