/* descriptor.h - one descriptor of a process, whatever it leads to. */
#ifndef FERRY_COMMAND_SHOW_DESCRIPTOR_H
#define FERRY_COMMAND_SHOW_DESCRIPTOR_H

#include "base/bytes.h"

#include <ferry/error.h>
#include <jansson.h>
#include <sys/stat.h>

struct descriptor_facts {
    pid_t pid;
    int fd;
    char *link;   /* what /proc/PID/fd/N leads to, as it says */
    char *fdinfo; /* /proc/PID/fdinfo/N; NULL: it may not be read */
    bool has_status;
    struct stat status;
};

/* Looks at it; descriptor_fini() it.
 * Returns 0, -EBADF (it is not open), -ESRCH (no such process), -EACCES, -ENOMEM, with *error. */
int descriptor_look(
    pid_t pid, int fd, struct descriptor_facts *ret_facts, struct ferry_error *error);
void descriptor_fini(struct descriptor_facts *facts);
void descriptor_print(const struct descriptor_facts *facts, struct bytes *text);
/* {pid, fd, link, type, mode, uid, gid, size, inode, device, fdinfo: {key: text}} */
json_t *descriptor_json(const struct descriptor_facts *facts);

#endif
