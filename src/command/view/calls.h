/* calls.h - system calls that processes wait in, by their number on this architecture. */
#ifndef FERRY_COMMAND_VIEW_CALLS_H
#define FERRY_COMMAND_VIEW_CALLS_H

/* What a call's arguments say it waits for. */
enum call_shape {
    CALL_PLAIN,   /* for no descriptor */
    CALL_FD,      /* the first is a descriptor */
    CALL_WRITE,   /* the first is a descriptor, into which it writes */
    CALL_CONNECT, /* the first is a descriptor, then an address and its size */
    CALL_POLL,    /* struct pollfd *, count */
    CALL_SELECT,  /* count, three sets */
    CALL_EPOLL,   /* the first is an epoll descriptor */
    CALL_OPEN,    /* path, flags */
    CALL_OPENAT,  /* folder, path, flags */
    CALL_OPAQUE,  /* for something that its arguments do not tell */
};

struct call {
    long number;
    const char *name;
    enum call_shape shape;
    const char *meaning; /* in words, where the name alone says too little; NULL */
};

/* NULL: none of those known here. */
const struct call *call_find(long number);

#endif
