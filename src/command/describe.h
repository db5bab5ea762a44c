/* describe.h - what an open descriptor is, on one line. */
#ifndef FERRY_COMMAND_DESCRIBE_H
#define FERRY_COMMAND_DESCRIBE_H

#include "base/bytes.h"

/* Appends number, type, access mode, size or peer, and what /proc/self/fd says of it:
 *     3  notes.txt  file  read  6 bytes  /tmp/notes.txt
 * Nothing is read from it: it came from somebody else and may block.
 *   name  as its sender calls it; escaped */
void describe_descriptor(int fd, const char *name, struct bytes *text);

#endif
