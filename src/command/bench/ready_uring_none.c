/* ready_uring_none.c - io_uring where it was not built in. */
#include "command/bench/ready_uring.h"

#include <errno.h>

int ready_uring_new(const int *fds, size_t count, struct ready_uring **ret_uring)
{
    (void)fds;
    (void)count;
    (void)ret_uring;
    return -ENOPKG;
}

void ready_uring_free(struct ready_uring *uring)
{
    (void)uring;
}

int ready_uring_wait(struct ready_uring *uring)
{
    (void)uring;
    return -ENOPKG;
}
