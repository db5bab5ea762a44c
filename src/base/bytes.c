/* bytes.c - growable bytes, and text made safe to print. */
#include "base/bytes.h"
#include "base/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void bytes_fini(struct bytes *bytes)
{
    free(bytes->data);
    *bytes = BYTES_EMPTY;
}

/* Room for `more` bytes and a NUL; false marks the bytes failed. */
static bool bytes_reserve(struct bytes *bytes, size_t more)
{
    if (bytes->failed)
        return false;
    if (more < bytes->capacity - bytes->size)
        return true;
    size_t capacity = bytes->capacity ? bytes->capacity : 64;
    while (capacity - bytes->size <= more && capacity <= TEXT_SIZE_MAX)
        capacity *= 2;
    char *data = capacity > TEXT_SIZE_MAX ? NULL : realloc(bytes->data, capacity);
    if (!data) {
        bytes->failed = true;
        return false;
    }
    bytes->data = data;
    bytes->capacity = capacity;
    return true;
}

void bytes_append(struct bytes *bytes, const void *data, size_t size)
{
    if (!bytes_reserve(bytes, size))
        return;
    if (size)
        memcpy(bytes->data + bytes->size, data, size);
    bytes->size += size;
    bytes->data[bytes->size] = '\0';
}

void bytes_append_text(struct bytes *bytes, const char *text)
{
    bytes_append(bytes, text, strlen(text));
}

void bytes_append_char(struct bytes *bytes, char character)
{
    if (!bytes_reserve(bytes, 1))
        return;
    bytes->data[bytes->size++] = character;
    bytes->data[bytes->size] = '\0';
}

void bytes_append_number(struct bytes *bytes, unsigned long long number)
{
    char digits[20];
    size_t first = sizeof(digits);
    do
        digits[--first] = (char)('0' + number % 10);
    while (number /= 10);
    bytes_append(bytes, digits + first, sizeof(digits) - first);
}

void bytes_vprint(struct bytes *bytes, const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    int size = vsnprintf(NULL, 0, format, arguments);
    if (size >= 0 && bytes_reserve(bytes, (size_t)size)) {
        vsnprintf(bytes->data + bytes->size, (size_t)size + 1, format, again);
        bytes->size += (size_t)size;
    } else {
        bytes->failed = true;
    }
    va_end(again);
}

void bytes_print(struct bytes *bytes, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    bytes_vprint(bytes, format, arguments);
    va_end(arguments);
}

void bytes_consume(struct bytes *bytes, size_t size)
{
    if (!size)
        return; /* there may be no memory yet */
    bytes->size -= size;
    memmove(bytes->data, bytes->data + size, bytes->size);
    bytes->data[bytes->size] = '\0';
}

char *bytes_take(struct bytes *bytes)
{
    bytes_append(bytes, "", 0);
    char *data = bytes->failed ? NULL : bytes->data;
    if (data)
        *bytes = BYTES_EMPTY;
    return data;
}

/* U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069: they turn round what stands behind them, so
 * that a name could make a line say something else. Three bytes. */
static bool turns_text(const unsigned char *data)
{
    if (data[0] != 0xe2)
        return false;
    return data[1] == 0x80
               ? data[2] == 0x8e || data[2] == 0x8f || (data[2] >= 0xaa && data[2] <= 0xae)
               : data[1] == 0x81 && data[2] >= 0xa6 && data[2] <= 0xa9;
}

static bool is_plain(unsigned char byte)
{
    return byte >= 0x20 && byte < 0x7f;
}

/* How many bytes of data[0..size) make one printable UTF-8 character; 0: escape the first byte.
 * Overlong forms, surrogates, C1 controls and those of direction are not printable. */
static size_t printable_size(const unsigned char *data, size_t size)
{
    if (data[0] < 0x80)
        return is_plain(data[0]);
    size_t wanted = data[0] >= 0xf0 && data[0] < 0xf5   ? 4
                    : data[0] >= 0xe0 && data[0] < 0xf0 ? 3
                    : data[0] >= 0xc2 && data[0] < 0xe0 ? 2
                                                        : 0;
    if (!wanted || wanted > size)
        return 0;
    for (size_t i = 1; i < wanted; i++)
        if ((data[i] & 0xc0) != 0x80)
            return 0;
    bool c1 = data[0] == 0xc2 && data[1] < 0xa0;
    bool overlong = (data[0] == 0xe0 && data[1] < 0xa0) || (data[0] == 0xf0 && data[1] < 0x90);
    bool surrogate = data[0] == 0xed && data[1] >= 0xa0;
    bool beyond = data[0] == 0xf4 && data[1] >= 0x90;
    bool turning = wanted == 3 && turns_text(data);
    return c1 || overlong || surrogate || beyond || turning ? 0 : wanted;
}

size_t text_escape(const void *data, size_t data_size, char *text, size_t size)
{
    const unsigned char *from = data;
    size_t length = 0;
    for (size_t i = 0; i < data_size;) {
        if (is_plain(from[i]) && length + 1 < size) { /* most are */
            text[length++] = (char)from[i++];
            continue;
        }
        size_t whole = printable_size(from + i, data_size - i);
        if (length + (whole ? whole : 4) >= size)
            break;
        if (whole) {
            memcpy(text + length, from + i, whole);
            length += whole;
            i += whole;
        } else {
            length += (size_t)snprintf(text + length, size - length, "\\x%02x", from[i++]);
        }
    }
    text[length] = '\0';
    return length;
}

void bytes_append_escaped(struct bytes *bytes, const void *data, size_t size)
{
    if (!bytes_reserve(bytes, size * 4))
        return;
    bytes->size +=
        text_escape(data, size, bytes->data + bytes->size, bytes->capacity - bytes->size);
}
