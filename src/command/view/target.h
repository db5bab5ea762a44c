/* target.h - what `ls`, `show` and `why` are asked about: PATH, ADDRESS, PID, PID:FD or inode. */
#ifndef FERRY_COMMAND_VIEW_TARGET_H
#define FERRY_COMMAND_VIEW_TARGET_H

#include "base/bytes.h"

#include <ferry/address.h>
#include <ferry/endpoints.h>

enum view_target_kind {
    VIEW_PATH,       /* a socket's path, or a FIFO */
    VIEW_ABSTRACT,   /* "@name" */
    VIEW_INET,       /* "tcp:host:port", "udp:...", "127.0.0.1:80", ":80" */
    VIEW_QUEUE,      /* "mq:/name" */
    VIEW_PROCESS,    /* "4711" */
    VIEW_DESCRIPTOR, /* "4711:3" */
    VIEW_INODE,      /* "ino:4711", "socket:[4711]", "pipe:[4711]"; a number that is no process */
};

struct view_target {
    enum view_target_kind kind;
    char *word; /* as it was given */
    /* VIEW_PATH: absolute; VIEW_ABSTRACT: without the '@'; VIEW_QUEUE: with the slash. */
    char *name;
    size_t name_size;
    uint64_t inode, device; /* VIEW_PATH: of the file, 0 if it can't be looked at; VIEW_INODE */
    unsigned kinds;         /* which kinds it can be, 1 << enum ferry_endpoint_kind */
    pid_t pid;
    int fd;
    bool is_auto;         /* it was given as auto: */
    unsigned char family; /* VIEW_INET: AF_INET, AF_INET6; 0: any address */
    unsigned char address[16];
    uint16_t port;
};

/* Reads a word. Names of hosts are not looked up: those that are no address are an error;
 * "localhost" is both loopbacks.
 *   ret_target  view_target_fini() it
 * Returns 0, -EINVAL, -ENOMEM, with *error. */
int view_target_parse(const char *word, struct view_target *ret_target, struct ferry_error *error);
void view_target_fini(struct view_target *target);
/* Whether an endpoint is meant: it is bound there, accepted there, connected there (tcp and udp),
 * or held by the process. */
bool view_target_matches(const struct view_target *target, const struct ferry_endpoint *endpoint);
/* Of a word that has led to nothing, and is a port or an address of IP by itself: how that is
 * written. Returns false, and appends nothing, of other words. */
bool view_target_print_meant(const struct view_target *target, struct bytes *text);

#endif
