/* control.h - control messages (cmsg(3)) of unix sockets, and of udp ones what they need, built and
 * walked without I/O.
 *
 * Invariants: the receive buffer has room for FERRY_DESCRIPTORS_MAX descriptors and all the
 * kernel's own messages, so MSG_CTRUNC can only mean that this process is out of descriptors or
 * that the peer broke the rules; CMSG_SPACE of one int admits two, therefore every message is
 * walked to its end and every descriptor reported.
 */
#ifndef FERRY_WIRE_CONTROL_H
#define FERRY_WIRE_CONTROL_H

#include "wire/limits.h"

#include <ferry/channel.h>
#include <sys/socket.h>

#define CONTROL_SEND_SIZE                                                                          \
    (CMSG_SPACE(FERRY_DESCRIPTORS_MAX * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred)))
/* descriptors, SCM_CREDENTIALS, SCM_PIDFD, SCM_SECURITY, timestamps */
#define CONTROL_RECEIVE_SIZE                                                                       \
    (CMSG_SPACE((FERRY_DESCRIPTORS_MAX + 1) * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred)) +    \
        CMSG_SPACE(sizeof(int)) + CMSG_SPACE(CONTROL_LABEL_SIZE) + CMSG_SPACE(64))

/* Not in Debian 12's headers. */
#ifndef SCM_SECURITY
#define SCM_SECURITY 0x03
#endif
#ifndef SCM_PIDFD
#define SCM_PIDFD 0x04
#endif
#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76
#endif
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif
#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

/* Points *header at `buffer` (CONTROL_SEND_SIZE bytes, aligned as struct cmsghdr) filled with the
 * descriptors and credentials; with neither the header gets no control data.
 *   credentials  NULL: none */
void control_put(struct msghdr *header, void *buffer, const int *descriptors, size_t count,
    const struct ferry_credentials *credentials);

struct control_facts {
    size_t descriptor_count; /* written to the array given to control_walk() */
    bool any;                /* at least one control message came: on a seqpacket socket with
                                SO_PASSCRED, what tells an empty message from the end */
    bool truncated;          /* MSG_CTRUNC */
    bool has_credentials;
    struct ucred credentials;
    size_t segment_size; /* UDP_GRO: the bytes are datagrams of this size, the last may be shorter;
                            0: one */
    int pidfd;           /* SCM_PIDFD, or -1; now the caller's to close */
    const char *label;   /* SCM_SECURITY, in the control data, with or without a NUL; or NULL */
    size_t label_size;   /* bytes */
};

/* Walks the control data of a received message.
 *   descriptors  array of `room` ints that receives every descriptor
 * Descriptors beyond `room` are reported through `surplus` (called for each; it closes). */
void control_walk(struct msghdr *header, int *descriptors, size_t room, void (*surplus)(int fd),
    struct control_facts *ret_facts);

#endif
