/* control.c - control messages: laid out for sending, walked after receiving.
 *
 * The walk trusts no length: what the kernel writes is well formed, but a walk that stays inside
 * its buffer whatever stands there needs no argument about that.
 */
#include "wire/control.h"

#include <assert.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>

static void *put(void *at, int type, const void *data, size_t size)
{
    struct cmsghdr message = {
        .cmsg_len = CMSG_LEN(size), .cmsg_level = SOL_SOCKET, .cmsg_type = type
    };

    /* The padding is sent too: none of our memory shall be in it. */
    memset(at, 0, CMSG_SPACE(size));
    memcpy(at, &message, sizeof(message));
    memcpy((char *)at + CMSG_LEN(0), data, size);
    return (char *)at + CMSG_SPACE(size);
}

void control_put(struct msghdr *header, void *buffer, const int *descriptors, size_t count,
    const struct ferry_credentials *credentials)
{
    void *end = buffer;

    assert(count <= FERRY_DESCRIPTORS_MAX);
    if (credentials) {
        const struct ucred sent = { credentials->pid, credentials->uid, credentials->gid };
        end = put(end, SCM_CREDENTIALS, &sent, sizeof(sent));
    }
    if (count > 0)
        end = put(end, SCM_RIGHTS, descriptors, count * sizeof(int));
    header->msg_controllen = (size_t)((char *)end - (char *)buffer);
    header->msg_control = header->msg_controllen > 0 ? buffer : NULL;
}

struct walk {
    int *descriptors;
    size_t room;
    void (*surplus)(int fd);
    struct control_facts facts;
};

static void walk_descriptors(struct walk *walk, const unsigned char *data, size_t size)
{
    for (size_t at = 0; at + sizeof(int) <= size; at += sizeof(int)) {
        int fd;
        memcpy(&fd, data + at, sizeof(fd));
        if (walk->facts.descriptor_count < walk->room)
            walk->descriptors[walk->facts.descriptor_count++] = fd;
        else
            walk->surplus(fd);
    }
}

static void walk_pidfd(struct walk *walk, const unsigned char *data, size_t size)
{
    int fd;

    if (size < sizeof(fd))
        return;
    memcpy(&fd, data, sizeof(fd));
    /* A negative one says why there is none: the sender is gone, or we are out of descriptors. */
    if (fd < 0)
        return;
    if (walk->facts.pidfd >= 0)
        walk->surplus(walk->facts.pidfd);
    walk->facts.pidfd = fd;
}

static void walk_segment_size(struct walk *walk, const unsigned char *data, size_t size)
{
    int segment;

    if (size < sizeof(segment))
        return;
    memcpy(&segment, data, sizeof(segment));
    if (segment > 0)
        walk->facts.segment_size = (size_t)segment;
}

static void walk_message(
    struct walk *walk, const struct cmsghdr *message, const unsigned char *data, size_t size)
{
    walk->facts.any = true;
    if (message->cmsg_level == IPPROTO_UDP && message->cmsg_type == UDP_GRO)
        walk_segment_size(walk, data, size);
    if (message->cmsg_level != SOL_SOCKET)
        return;
    if (message->cmsg_type == SCM_RIGHTS) {
        walk_descriptors(walk, data, size);
    } else if (message->cmsg_type == SCM_PIDFD) {
        walk_pidfd(walk, data, size);
    } else if (message->cmsg_type == SCM_CREDENTIALS && size >= sizeof(struct ucred)) {
        memcpy(&walk->facts.credentials, data, sizeof(struct ucred));
        walk->facts.has_credentials = true;
    } else if (message->cmsg_type == SCM_SECURITY && size > 0) {
        walk->facts.label = (const char *)data;
        walk->facts.label_size = size;
    }
}

void control_walk(struct msghdr *header, int *descriptors, size_t room, void (*surplus)(int fd),
    struct control_facts *ret_facts)
{
    struct walk walk = { descriptors, room, surplus, { .pidfd = -1 } };
    const unsigned char *control = header->msg_control;
    size_t left = control ? header->msg_controllen : 0;

    walk.facts.truncated = header->msg_flags & MSG_CTRUNC;
    while (left >= CMSG_LEN(0)) {
        struct cmsghdr message;
        memcpy(&message, control, sizeof(message));
        if (message.cmsg_len < CMSG_LEN(0))
            break;
        size_t size = message.cmsg_len < left ? message.cmsg_len : left;
        walk_message(&walk, &message, control + CMSG_LEN(0), size - CMSG_LEN(0));
        size_t step = CMSG_ALIGN(size) < left ? CMSG_ALIGN(size) : left;
        control += step;
        left -= step;
    }
    *ret_facts = walk.facts;
}
