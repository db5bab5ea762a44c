/* bare_relay.c - what a relay costs at least: the system calls alone, in one direction, one
 * connection after the other.
 *
 *     bench-bare-relay copy|splice LISTEN TARGET
 *
 * LISTEN and TARGET are "unix:PATH" or "tcp:PORT" on 127.0.0.1. `copy`: recvmsg(2) and
 * sendmsg(2) with 64 KiB and room for descriptors, as whoever passes those on has to; `splice`:
 * splice(2) in and out of a pipe.
 */
#include "ends.h"

#include <fcntl.h>

#define BLOCK_SIZE 65536

static bool copy_block(int from, int to)
{
    static char block[BLOCK_SIZE];
    char control[CMSG_SPACE(sizeof(int) * 253)];
    struct iovec piece = { block, sizeof(block) };
    struct msghdr message = { .msg_iov = &piece,
        .msg_iovlen = 1,
        .msg_control = control,
        .msg_controllen = sizeof(control) };
    ssize_t size = recvmsg(from, &message, MSG_CMSG_CLOEXEC);
    struct msghdr out = { .msg_iov = &piece, .msg_iovlen = 1 };

    for (piece.iov_len = size > 0 ? (size_t)size : 0; piece.iov_len > 0;) {
        ssize_t sent = sendmsg(to, &out, MSG_NOSIGNAL);
        if (sent < 0)
            fail("sendmsg");
        piece.iov_base = (char *)piece.iov_base + sent;
        piece.iov_len -= (size_t)sent;
    }
    return size > 0;
}

static bool splice_block(int from, int to, const int pipe_fds[2])
{
    ssize_t size = splice(from, NULL, pipe_fds[1], NULL, BLOCK_SIZE, SPLICE_F_MOVE);

    for (ssize_t left = size; left > 0;) {
        ssize_t sent = splice(pipe_fds[0], NULL, to, NULL, (size_t)left, SPLICE_F_MOVE);
        if (sent < 0)
            fail("splice");
        left -= sent;
    }
    return size > 0;
}

int main(int argc, char **argv)
{
    int pipe_fds[2];

    if (argc != 4 || pipe(pipe_fds) < 0) {
        fprintf(stderr, "usage: bench-bare-relay copy|splice LISTEN TARGET\n");
        return 2;
    }
    bool copies = strcmp(argv[1], "copy") == 0;
    int listener = place_listen(argv[2]);
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        int from = accept(listener, NULL, NULL);
        int to = place_connect(argv[3]);
        while (copies ? copy_block(from, to) : splice_block(from, to, pipe_fds))
            ;
        close(from);
        close(to);
    }
}
