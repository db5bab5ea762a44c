/* ready_uring.c - one ring, asked for one descriptor at a time.
 *
 * Who wrote is the one who waits here, so that the kernel has completed the poll by the time that
 * write(2) returns, and waiting is a look into the ring without a call.
 * Linked from the archive: a few kilobytes, and no library more that every ferry would load.
 */
#include "command/bench/ready_uring.h"
#include "command/limits.h"

#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>

struct ready_uring {
    struct io_uring ring;
};

static int watch(struct io_uring *ring, int fd)
{
    struct io_uring_sqe *entry = io_uring_get_sqe(ring);

    if (!entry) { /* as many as the ring has room for */
        int submitted = io_uring_submit(ring);
        if (submitted < 0)
            return submitted;
        entry = io_uring_get_sqe(ring);
    }
    if (!entry)
        return -EBUSY;
    io_uring_prep_poll_multishot(entry, fd, POLLIN);
    io_uring_sqe_set_data64(entry, (__u64)fd);
    return 0;
}

int ready_uring_new(const int *fds, size_t count, struct ready_uring **ret_uring)
{
    struct ready_uring *uring = calloc(1, sizeof(*uring));

    if (!uring)
        return -ENOMEM;
    int code = io_uring_queue_init(READY_URING_ENTRIES, &uring->ring, 0);
    if (code < 0) {
        free(uring);
        return code;
    }
    for (size_t i = 0; i < count && code >= 0; i++)
        code = watch(&uring->ring, fds[i]);
    if (code >= 0)
        code = io_uring_submit(&uring->ring);
    if (code < 0) {
        ready_uring_free(uring);
        return code;
    }
    *ret_uring = uring;
    return 0;
}

void ready_uring_free(struct ready_uring *uring)
{
    if (!uring)
        return;
    io_uring_queue_exit(&uring->ring);
    free(uring);
}

int ready_uring_wait(struct ready_uring *uring)
{
    struct io_uring_cqe *done;
    int code = io_uring_wait_cqe(&uring->ring, &done);

    if (code < 0)
        return code;
    int fd = (int)io_uring_cqe_get_data64(done), result = done->res;
    bool stays = done->flags & IORING_CQE_F_MORE;
    io_uring_cqe_seen(&uring->ring, done);
    if (result < 0)
        return result;
    if (!stays) { /* the kernel had no room to say so once, and took the poll off */
        code = watch(&uring->ring, fd);
        if (code == 0)
            code = io_uring_submit(&uring->ring);
    }
    return code < 0 ? code : fd;
}
