/* whole.c - writing all of something, however little each write(2) takes. */
#include "base/whole.h"

#include <errno.h>
#include <unistd.h>

int whole_write(int fd, const void *data, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t written = write(fd, (const char *)data + done, size - done);
        if (written < 0 && errno != EINTR)
            return -errno;
        done += written > 0 ? (size_t)written : 0;
    }
    return 0;
}
