/* inbox.h - memory that messages are received into: `count` slots of `size` bytes and, per slot,
 * room for the control data, its descriptors and the sender's address.
 *
 * One anonymous mapping, untouched pages cost nothing. A stream uses all of slot 0 only. Owned by
 * one thread.
 */
#ifndef FERRY_TRANSPORT_INBOX_H
#define FERRY_TRANSPORT_INBOX_H

#include "transport/identity.h"
#include "wire/control.h"

#include <ferry/channel.h>
#include <sys/un.h>

struct inbox_slot {
    struct iovec buffer; /* the slot's bytes: constant base and size */
    int descriptors[FERRY_DESCRIPTORS_MAX];
    struct {
        _Alignas(struct cmsghdr) char bytes[CONTROL_RECEIVE_SIZE];
    } control;
    struct sockaddr_storage name;
    struct ferry_identity sender; /* cleared when the slot is filled again */
    void *mapped;                 /* what lies elsewhere: a message in a memfd; NULL */
    size_t mapped_size;           /* bytes */
};

struct ferry_inbox {
    size_t size;         /* bytes in a slot */
    size_t count;        /* slots */
    size_t mapped_count; /* of them that have something mapped */
    void *mapping;
    size_t mapping_size;
    struct inbox_slot *slots;
    struct mmsghdr *headers; /* count of them, for recvmmsg */
};

/* Maps a file of that size as what lies in a slot, until the next receive.
 * Returns 0, -ENOMEM. */
int inbox_map(struct ferry_inbox *inbox, size_t index, int fd, size_t size, const void **ret_data);
void inbox_unmap(struct ferry_inbox *inbox);
/* Prepares headers[0..count) for recvmmsg/recvmsg into the slots.
 *   with_name, with_control  whether to receive those */
void inbox_prepare(struct ferry_inbox *inbox, size_t count, bool with_name, bool with_control);

#endif
