/* memfd.c - memory to share with a process that is not trusted. */
#include "memory/memfd.h"
#include "base/cleanup.h"
#include "memory/limits.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>

/* Not in Debian 12's headers. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#define STAT_BLOCK 512 /* bytes of st_blocks, stat(2) */
#define SEALS      (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#define FINAL      (SEALS | F_SEAL_WRITE)

/* In slices: a signal makes the kernel take back what a call has done so far. */
static int memfd_allocate(int fd, size_t size)
{
    for (size_t done = 0; done < size;) {
        size_t slice = size - done < MEMFD_SLICE ? size - done : MEMFD_SLICE;
        if (fallocate(fd, 0, (off_t)done, (off_t)slice) == 0)
            done += slice;
        else if (errno != EINTR)
            return -errno;
    }
    return 0;
}

bool memfd_exceeds_limit(size_t size)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_FSIZE, &limit) == 0 && size > limit.rlim_cur;
}

int memfd_open(const char *name)
{
    const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    int fd = memfd_create(name, flags | MFD_NOEXEC_SEAL);
    if (fd < 0 && errno == EINVAL)
        fd = memfd_create(name, flags);
    return fd < 0 ? -errno : fd;
}

int memfd_new(const char *name, size_t size, int *ret_fd)
{
    if (memfd_exceeds_limit(size))
        return -EFBIG;
    AUTO_FD int fd = memfd_open(name);
    if (fd < 0)
        return fd;
    int r = memfd_allocate(fd, size);
    if (r < 0)
        return r;
    if (fcntl(fd, F_ADD_SEALS, SEALS) < 0)
        return -errno;
    *ret_fd = fd_take(&fd);
    return 0;
}

/* A page that was just made stands in a list of the processor's for a while, and counts as somebody
 * else's meanwhile. The kernel has such lists emptied, looks again four times and gives up
 * (memfd_wait_for_pins() in mm/memfd.c; one to three of 20,000 on 6.18); whoever asks again then
 * gets it at once. */
int memfd_freeze(int fd)
{
    if (fcntl(fd, F_ADD_SEALS, FINAL) == 0)
        return 0;
    return errno == EBUSY ? -EAGAIN : -errno;
}

int memfd_check(int fd, size_t size)
{
    struct stat status;
    struct statfs filesystem;
    int seals = fcntl(fd, F_GET_SEALS);

    if (seals < 0 || (seals & SEALS) != SEALS || fstat(fd, &status) < 0 ||
        (size_t)status.st_size < size)
        return -EPROTO;
    /* To allocate it would take a lock that whoever else has it open can hold for ever (by a write
     * from memory that never comes, userfaultfd(2)), and what it takes would be charged to us. */
    if ((uint64_t)status.st_blocks * STAT_BLOCK < size)
        return -EPROTO;
    /* Large pages can be sealed too, but are had or not had at the moment of the access. */
    if (fstatfs(fd, &filesystem) < 0 || filesystem.f_type != TMPFS_MAGIC)
        return -EPROTO;
    return 0;
}

int memfd_map(int fd, size_t size, void **ret_memory)
{
    /* It is there: the first access to each page need not ask the kernel for it. */
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (memory == MAP_FAILED)
        return -errno;
    *ret_memory = memory;
    return 0;
}
