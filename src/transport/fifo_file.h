/* fifo_file.h - a FIFO in the file system: made or found, and removed if it was made. */
#ifndef FERRY_TRANSPORT_FIFO_FILE_H
#define FERRY_TRANSPORT_FIFO_FILE_H

#include "transport/ownership.h"

struct fifo_file {
    int fd;           /* while the listening lives: a read end that holds the lock, or O_PATH */
    int directory_fd; /* where it lies */
    char *name;       /* in the directory */
    dev_t device;     /* what it is, whatever its name leads to */
    ino_t inode;
    bool made;   /* by us: then it is removed at the end */
    pid_t maker; /* only by the process that made it */
};

#define FIFO_FILE_NONE                                                                             \
    (struct fifo_file)                                                                             \
    {                                                                                              \
        -1, -1, NULL, 0, 0, false, 0                                                               \
    }

/* Makes the FIFO, or takes an existing one that belongs to us, to root or to the stated owner; a
 * symbolic link or a file of another kind is left as it is. Until mode, owner and group are set
 * only we may open it; those of a FIFO that was there stay unless the address states them. thing
 * what errors name hold   keep a read end open and locked (hold.h); else only a reference that is
 * no reader Returns 0, -EEXIST (not a FIFO), -EPERM (somebody else's), -EADDRINUSE, -ENOENT,
 * -EACCES, ... */
int fifo_file_open(const char *path, const char *thing, const struct ownership *ownership,
    bool hold, struct fifo_file *ret_file, struct ferry_error *error);

/* Another open file description of the very same FIFO, whatever its path has become.
 *   flags  O_RDONLY, O_WRONLY, O_RDWR or O_PATH
 * Returns the descriptor, non-blocking; -ENXIO (O_WRONLY and nobody reads) or another -errno. */
int fifo_file_reopen(const struct fifo_file *file, int flags);

/* Removes it if we made it and it still is where it was. Safe on FIFO_FILE_NONE. */
void fifo_file_close(struct fifo_file *file);

#endif
