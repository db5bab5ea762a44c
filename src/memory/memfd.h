/* memfd.h - memory to share with a process that is not trusted.
 *
 * It has no name and leaves nothing behind. Its size is sealed, so that no access beyond it can
 * raise SIGBUS, and all of it is allocated by who made it, so that none fails for want of memory.
 * Punching holes into it stays legal: what is in it may turn to zeroes at any time, and the next
 * access allocates anew, for whoever makes it; where memory is not overcommitted
 * (vm.overcommit_memory=2) and used up, it is SIGBUS then.
 */
#ifndef FERRY_MEMORY_MEMFD_H
#define FERRY_MEMORY_MEMFD_H

#include <stdbool.h>
#include <stddef.h>

/* An empty one that can be sealed, and not be executed where the kernel knows of that (6.3).
 * Returns the descriptor, or -errno. */
int memfd_open(const char *name);
/* Makes one of `size` bytes, zeroed. `name` is for people who look into /proc.
 * Returns 0, -ENOSPC, -ENOMEM, -EFBIG (RLIMIT_FSIZE), -EMFILE, ... */
int memfd_new(const char *name, size_t size, int *ret_fd);
/* Seals what was written into one that nobody has mapped for writing: its size and its bytes are
 * final. Returns 0, -EAGAIN (the kernel has some of its pages in hand and has waited 150 ms for
 * them; a moment later, or with a new one, it will do), or another -errno. */
int memfd_freeze(int fd);
/* Whether to write so much would cost the process its life (SIGXFSZ): RLIMIT_FSIZE. */
bool memfd_exceeds_limit(size_t size);
/* Whether a descriptor of somebody else's is such memory, and has `size` bytes at least, allocated.
 * Returns 0, -EPROTO. */
int memfd_check(int fd, size_t size);
/* Maps its first `size` bytes for reading and writing; see to it before that it has them.
 * Returns 0, -ENOMEM, -EPERM (sealed against writing), ... */
int memfd_map(int fd, size_t size, void **ret_memory);

#endif
