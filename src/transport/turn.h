/* turn.h - a place that one link at a time has: a FIFO, a queue.
 *
 * These know no connections: whoever reads gets what anyone wrote. So while a link from there lives
 * the listening must be quiet, and wake when the link is gone. The listening's descriptor is an
 * epoll that watches either the place itself, or one end of a pipe whose other end, the token, the
 * link owns: the kernel tells when that is closed, on whatever thread or in whatever process the
 * link ended, and neither needs to know whether the other still exists.
 */
#ifndef FERRY_TRANSPORT_TURN_H
#define FERRY_TRANSPORT_TURN_H

#include <stdbool.h>

struct turn {
    int epoll_fd;   /* readable: accept is worth a try */
    int watched_fd; /* borrowed; the place while nobody has it, else -1 */
    int token_fd;   /* our end while a link has the token, else -1 */
};

#define TURN_NONE                                                                                  \
    (struct turn)                                                                                  \
    {                                                                                              \
        -1, -1, -1                                                                                 \
    }

/* Returns 0 or -errno. */
int turn_init(struct turn *turn);
/* Safe on TURN_NONE. */
void turn_fini(struct turn *turn);

/* Whether the place is free; takes note when the token has come back. */
bool turn_is_free(struct turn *turn);
/* Watches the place, which must be free, by this descriptor from now on. -ENOMEM, -ENOSPC. */
int turn_watch(struct turn *turn, int fd);
/* Stops watching the place, which must be free and watched, and hands out the token. Returns 0, or
 * -errno and nothing has changed. */
int turn_give(struct turn *turn, int *ret_token);

#endif
