/* plain.h - links by read(2) and write(2): pipes, FIFOs, terminals, devices, files. */
#ifndef FERRY_TRANSPORT_PLAIN_H
#define FERRY_TRANSPORT_PLAIN_H

#include "transport/transport.h"

enum plain_kind {
    PLAIN_NONE,
    PLAIN_FILE, /* always ready */
    PLAIN_PIPE,
    PLAIN_TERMINAL,
    PLAIN_SOCKET, /* a stream: one of two descriptors, the other being something else */
    PLAIN_NULL,   /* /dev/null: always ready, takes all */
    PLAIN_OTHER,
};

/* The state of every plain link, or its first member. */
struct plain {
    enum plain_kind receive, send;
};

/* What a descriptor is. -EBADF, -EISDIR. */
int plain_kind_of(int fd, enum plain_kind *ret_kind);

/* Fills a link that has `plain` as its state, with the operations below.
 *   receive_fd, send_fd  may be equal, either may be -1; the link's only on success
 *   flags                LINK_SHARED or 0: then the descriptors are non-blocking already
 * Returns 0, -EBADF, -EISDIR, -EPROTOTYPE (a socket that is no stream). */
int plain_fill(
    struct plain *plain, int receive_fd, int send_fd, unsigned flags, struct link *ret_link);
/* The same with a state of its own; takes the descriptors, closes them on failure. */
int plain_link(int receive_fd, int send_fd, unsigned flags, struct link *ret_link);

/* The operations; plain_close() frees the state. */
int plain_send(struct link *link, struct ferry_outgoing *batch, size_t count);
int plain_receive(
    struct link *link, struct ferry_inbox *inbox, struct ferry_message *batch, size_t count);
int plain_shutdown(struct link *link);
void plain_close(struct link *link);

#endif
