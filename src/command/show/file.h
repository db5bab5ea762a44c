/* file.h - the file behind a FIFO, queue or memfd: who may open it; whom a queue notifies. */
#ifndef FERRY_COMMAND_SHOW_FILE_H
#define FERRY_COMMAND_SHOW_FILE_H

#include <ferry/endpoints.h>
#include <stdbool.h>
#include <sys/types.h>

struct file_facts {
    mode_t mode;
    uid_t uid;
    gid_t gid;
    bool has_notify;  /* of a queue: it is known whom it notifies */
    pid_t notify_pid; /* mq_notify(3) was called by; 0: nobody waits to be told */
};

/* Looks at it without opening it; a queue's status is read where a queue file system is mounted.
 * Returns 0, -ENOENT: it can't be looked at, or the endpoint has no such file. */
int file_look(const struct ferry_endpoint *endpoint, struct file_facts *ret_facts);

#endif
