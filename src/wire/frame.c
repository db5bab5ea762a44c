/* frame.c - the three frames. The head of `length` is big-endian, as on every wire. */
#include "wire/frame.h"
#include "wire/limits.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum frame frame_from_name(const char *name)
{
    if (strcmp(name, "lf") == 0)
        return FRAME_LF;
    if (strcmp(name, "length") == 0)
        return FRAME_LENGTH;
    return strcmp(name, "none") == 0 ? FRAME_NONE : FRAME_ABSENT;
}

static int find_line(
    const char *data, size_t size, size_t *ret_body, size_t *ret_size, size_t *ret_next)
{
    /* No further than a line may reach, so that a peer cannot make us search what we refuse. */
    size_t reach = size <= FRAME_SIZE_MAX ? size : FRAME_SIZE_MAX + 1;
    const char *end = reach ? memchr(data, '\n', reach) : NULL;

    if (!end)
        return size > FRAME_SIZE_MAX ? -EPROTO : 0;
    *ret_body = 0;
    *ret_size = (size_t)(end - data);
    *ret_next = *ret_size + 1;
    return 1;
}

static int find_length(
    const char *data, size_t size, size_t *ret_body, size_t *ret_size, size_t *ret_next)
{
    uint32_t head;

    if (size < sizeof(head))
        return 0;
    memcpy(&head, data, sizeof(head));
    head = be32toh(head);
    if (head > FRAME_SIZE_MAX)
        return -EPROTO;
    if (size - sizeof(head) < head)
        return 0;
    *ret_body = sizeof(head);
    *ret_size = head;
    *ret_next = sizeof(head) + head;
    return 1;
}

int frame_find(enum frame frame, const char *data, size_t size, size_t *ret_body, size_t *ret_size,
    size_t *ret_next)
{
    if (frame == FRAME_LF)
        return find_line(data, size, ret_body, ret_size, ret_next);
    if (frame == FRAME_LENGTH)
        return find_length(data, size, ret_body, ret_size, ret_next);
    if (!size)
        return 0;
    *ret_body = 0;
    *ret_size = *ret_next = size;
    return 1;
}

int frame_find_last(enum frame frame, const char *data, size_t size, size_t *ret_body,
    size_t *ret_size, size_t *ret_next)
{
    int r = frame_find(frame, data, size, ret_body, ret_size, ret_next);

    if (r != 0 || !size)
        return r;
    if (frame != FRAME_LF)
        return -EPROTO;
    *ret_body = 0;
    *ret_size = *ret_next = size;
    return 1;
}

int frame_wrap(enum frame frame, size_t size, char head[FRAME_HEAD_MAX], size_t *ret_head_size,
    char tail[FRAME_TAIL_MAX], size_t *ret_tail_size)
{
    bool bounded = frame == FRAME_LF || frame == FRAME_LENGTH;

    if (bounded && size > FRAME_SIZE_MAX)
        return -EMSGSIZE;
    if (frame == FRAME_LENGTH) {
        uint32_t length = htobe32((uint32_t)size);
        memcpy(head, &length, sizeof(length));
    } else if (frame == FRAME_LF) {
        tail[0] = '\n';
    }
    *ret_head_size = frame == FRAME_LENGTH ? sizeof(uint32_t) : 0;
    *ret_tail_size = frame == FRAME_LF ? 1 : 0;
    return 0;
}

int frame_fits(enum frame frame, const char *data, size_t size)
{
    return frame == FRAME_LF && size && memchr(data, '\n', size) ? -EINVAL : 0;
}
