/* whole.h - writing all of something, however little each write(2) takes. */
#ifndef FERRY_BASE_WHOLE_H
#define FERRY_BASE_WHOLE_H

#include <stddef.h>

/* Writes to a file, which never says that it would have to wait. Returns 0 or -errno. */
int whole_write(int fd, const void *data, size_t size);

#endif
