/* ready_uring.h - io_uring as a way to be told what is ready: a poll of each descriptor that stays
 * (multishot), and one call that waits for the next completion.
 */
#ifndef FERRY_COMMAND_BENCH_READY_URING_H
#define FERRY_COMMAND_BENCH_READY_URING_H

#include <stddef.h>

struct ready_uring;

/* Watches them for reading. 0, -ENOPKG (not built in), -EPERM, -ENOSYS (the kernel refuses),
 * -ENOMEM, -errno.
 *   ret_uring  free with ready_uring_free() */
int ready_uring_new(const int *fds, size_t count, struct ready_uring **ret_uring);
/* NULL is allowed. */
void ready_uring_free(struct ready_uring *uring);
/* Waits for the next one. Its descriptor, -errno. */
int ready_uring_wait(struct ready_uring *uring);

#endif
