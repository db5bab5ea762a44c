/* inbox.c - memory that messages are received into, and the messages that lie in it.
 *
 * One anonymous mapping holds the headers, the slots and their bytes, in this order. It is not
 * reserved, so that what is never touched costs address space only. The slots' bytes do not start
 * at multiples of a page: sixteen short messages would then compete for the same cache lines.
 */
#include "transport/inbox.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "base/proc.h"
#include "transport/limits.h"

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

static size_t round_up(size_t size)
{
    return (size + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1);
}

/* A sender may raise its buffer to wmem_max, which the kernel doubles; no message is larger. */
static size_t inbox_default_size(void)
{
    char text[32];
    size_t size = 0;

    if (proc_read(AT_FDCWD, "/proc/sys/net/core/wmem_max", text, sizeof(text)) > 0)
        size = 2 * (size_t)strtoul(text, NULL, 10);
    if (size < INBOX_SIZE_FLOOR)
        return INBOX_SIZE_FLOOR;
    return size < INBOX_SIZE_CEILING ? size : INBOX_SIZE_CEILING;
}

/* Lays headers, slots and bytes into the mapping. */
static void inbox_lay_out(
    struct ferry_inbox *inbox, size_t slots_offset, size_t bytes_offset, size_t stride)
{
    char *start = inbox->mapping;

    inbox->headers = inbox->mapping;
    inbox->slots = (struct inbox_slot *)(void *)(start + slots_offset);
    for (size_t i = 0; i < inbox->count; i++)
        inbox->slots[i].buffer =
            (struct iovec){ .iov_base = start + bytes_offset + i * stride, .iov_len = inbox->size };
}

int ferry_inbox_new(size_t message_size, size_t message_count, struct ferry_inbox **ret_inbox)
{
    size_t size = message_size ? message_size : inbox_default_size();
    size_t count = message_count ? message_count : INBOX_COUNT_DEFAULT;
    size_t slots_offset, bytes_offset, stride;

    if (count > INBOX_COUNT_MAX || size > SIZE_MAX / INBOX_COUNT_MAX / 2)
        return -EINVAL;
    stride = round_up(size) + CACHE_LINE;
    slots_offset = round_up(count * sizeof(struct mmsghdr));
    bytes_offset = round_up(slots_offset + count * sizeof(struct inbox_slot));

    AUTO_FREE struct ferry_inbox *inbox = calloc(1, sizeof(*inbox));
    if (!inbox)
        return -ENOMEM;
    inbox->size = size;
    inbox->count = count;
    inbox->mapping_size = bytes_offset + count * stride;
    inbox->mapping = mmap(NULL, inbox->mapping_size, PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (inbox->mapping == MAP_FAILED)
        return -ENOMEM;
    inbox_lay_out(inbox, slots_offset, bytes_offset, stride);
    *ret_inbox = TAKE(inbox);
    return 0;
}

void ferry_inbox_free(struct ferry_inbox *inbox)
{
    if (!inbox)
        return;
    inbox_unmap(inbox);
    for (size_t i = 0; i < inbox->count; i++)
        identity_clear(&inbox->slots[i].sender);
    munmap(inbox->mapping, inbox->mapping_size);
    free(inbox);
}

int inbox_map(struct ferry_inbox *inbox, size_t index, int fd, size_t size, const void **ret_data)
{
    struct inbox_slot *slot = &inbox->slots[index];

    /* Private: before Linux 6.7 what is sealed against writing can't be mapped otherwise. */
    void *mapped = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (mapped == MAP_FAILED)
        return -errno;
    slot->mapped = mapped;
    slot->mapped_size = size;
    inbox->mapped_count++;
    *ret_data = mapped;
    return 0;
}

void inbox_unmap(struct ferry_inbox *inbox)
{
    for (size_t i = 0; inbox->mapped_count > 0; i++) {
        struct inbox_slot *slot = &inbox->slots[i];
        if (!slot->mapped)
            continue;
        munmap(slot->mapped, slot->mapped_size);
        slot->mapped = NULL;
        inbox->mapped_count--;
    }
}

void inbox_prepare(struct ferry_inbox *inbox, size_t count, bool with_name, bool with_control)
{
    inbox_unmap(inbox);
    for (size_t i = 0; i < count; i++) {
        struct inbox_slot *slot = &inbox->slots[i];
        inbox->headers[i] =
            (struct mmsghdr){ .msg_hdr = {
                                  .msg_name = with_name ? &slot->name : NULL,
                                  .msg_namelen = with_name ? sizeof(slot->name) : 0,
                                  .msg_iov = &slot->buffer,
                                  .msg_iovlen = 1,
                                  .msg_control = with_control ? slot->control.bytes : NULL,
                                  .msg_controllen = with_control ? sizeof(slot->control.bytes) : 0,
                              } };
    }
}

void ferry_message_fini(struct ferry_message *message)
{
    if (message->descriptor_count == 0) /* as nearly always, and then nothing is saved for more */
        return;
    for (size_t i = 0; i < message->descriptor_count; i++)
        fd_close(&message->descriptors[i]);
    message->descriptor_count = 0;
}

int ferry_message_take(struct ferry_message *message, size_t index)
{
    if (index >= message->descriptor_count || message->descriptors[index] < 0)
        return -EBADF;
    return fd_take(&message->descriptors[index]);
}
