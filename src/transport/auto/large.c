/* large.c - a message too large for the lanes, in a memfd of its own.
 *
 * The sender writes it once and seals it: from then on nobody can change it, nor make it shorter,
 * so the receiver maps it and reads it where it lies, without a copy and without a doubt. What has
 * no room in the memory of the machine is an error of the sender's.
 */
#include "base/cleanup.h"
#include "base/whole.h"
#include "memory/memfd.h"
#include "transport/auto/auto.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define STAT_BLOCK 512 /* bytes: stat(2) */

int auto_large_new(const struct ferry_outgoing *outgoing, size_t size)
{
    if (memfd_exceeds_limit(size))
        return -EFBIG;
    AUTO_FD int fd = memfd_open("ferry-message");
    if (fd < 0)
        return fd;
    for (size_t i = 0; i < outgoing->buffer_count; i++) {
        int r = whole_write(fd, outgoing->buffers[i].iov_base, outgoing->buffers[i].iov_len);
        if (r < 0)
            return r;
    }
    int r = memfd_freeze(fd);
    return r < 0 ? r : fd_take(&fd);
}

int auto_large_map(
    int fd, size_t size, struct ferry_inbox *inbox, size_t index, const void **ret_data)
{
    struct stat status;
    struct statfs filesystem;
    int seals = fcntl(fd, F_GET_SEALS);

    /* What is a hole would be made when it is read, and the reader would pay for it. */
    if (seals < 0 || (seals & (F_SEAL_SHRINK | F_SEAL_WRITE)) != (F_SEAL_SHRINK | F_SEAL_WRITE) ||
        fstat(fd, &status) < 0 || status.st_size != (off_t)size ||
        (uint64_t)status.st_blocks * STAT_BLOCK < size || fstatfs(fd, &filesystem) < 0 ||
        filesystem.f_type != TMPFS_MAGIC)
        return -EPROTO;
    return inbox_map(inbox, index, fd, size, ret_data);
}
