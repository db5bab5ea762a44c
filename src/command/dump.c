/* dump.c - what passes, for eyes. The head line is socat's, so that habits and scripts fit. */
#include "command/dump.h"
#include "base/clock.h"
#include "command/limits.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

static void dump_head(struct bytes *text, bool forth, int64_t time_ns, uint64_t from, size_t size,
    size_t descriptor_count)
{
    time_t second = time_ns / NS_PER_S;
    struct tm local;
    char stamp[32];
    localtime_r(&second, &local);
    strftime(stamp, sizeof(stamp), "%Y/%m/%d %H:%M:%S", &local);
    bytes_print(text, "%c %s.%06d length=%zu from=%" PRIu64 " to=%" PRIu64, forth ? '>' : '<',
        stamp, (int)(time_ns % NS_PER_S / 1000), size, from, size ? from + size - 1 : from);
    if (descriptor_count)
        bytes_print(text, " descriptors=%zu", descriptor_count);
    bytes_append_char(text, '\n');
}

static void dump_row(struct bytes *text, const unsigned char *data, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    char row[DUMP_WIDTH * 4 + 4];
    memset(row, ' ', sizeof(row));
    char *characters = row + DUMP_WIDTH * 3 + 2;
    for (size_t i = 0; i < size; i++) {
        row[i * 3 + 1] = digits[data[i] >> 4];
        row[i * 3 + 2] = digits[data[i] & 15];
        characters[i] = data[i] >= 0x20 && data[i] < 0x7f ? (char)data[i] : '.';
    }
    characters[size] = '\n';
    bytes_append(text, row, (size_t)(characters - row) + size + 1);
}

void dump_print(struct bytes *text, bool forth, int64_t time_ns, uint64_t from, const void *data,
    size_t size, size_t descriptor_count)
{
    size_t shown = size < DUMP_SIZE_MAX ? size : DUMP_SIZE_MAX;
    dump_head(text, forth, time_ns, from, size, descriptor_count);
    for (size_t i = 0; i < shown; i += DUMP_WIDTH)
        dump_row(
            text, (const unsigned char *)data + i, shown - i < DUMP_WIDTH ? shown - i : DUMP_WIDTH);
    if (shown < size)
        bytes_print(text, " and %zu bytes more\n", size - shown);
}
