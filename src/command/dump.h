/* dump.h - what passes, for eyes: a line that says what, then sixteen bytes a line, hexadecimal and
 * as characters. */
#ifndef FERRY_COMMAND_DUMP_H
#define FERRY_COMMAND_DUMP_H

#include "base/bytes.h"

#include <stdint.h>

/* Appends one message:
 *     > 2024/02/29 23:59:58.123456 length=6 from=0 to=5 descriptors=1
 *      68 65 6c 6c 6f 0a                                hello.
 *   forth    true: '>', from the client; false: '<', to it
 *   from     how many bytes went before in this direction
 *   time_ns  CLOCK_REALTIME
 * Above DUMP_SIZE_MAX bytes the rest is only counted. */
void dump_print(struct bytes *text, bool forth, int64_t time_ns, uint64_t from, const void *data,
    size_t size, size_t descriptor_count);

#endif
