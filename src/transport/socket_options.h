/* socket_options.h - socket options by name: one table, from which they are set and read back. */
#ifndef FERRY_TRANSPORT_SOCKET_OPTIONS_H
#define FERRY_TRANSPORT_SOCKET_OPTIONS_H

#include "base/bytes.h"
#include "transport/transport.h"
#include "wire/address.h"

#include <ferry/profile.h>
#include <sys/socket.h>
#include <sys/time.h>

/* What a socket is, as far as its options go. */
enum socket_sort {
    SORT_NONE = 0, /* no socket, or of a family that is not ours */
    SORT_TCP = 1 << 0,
    SORT_TCP_LISTENER = 1 << 1,
    SORT_UDP = 1 << 2,
    SORT_UNIX = 1 << 3,
};

/* How a value looks to the kernel. */
enum option_form {
    FORM_FLAG,
    FORM_NUMBER,
    FORM_SIZE,
    FORM_BUFFER, /* a size that the kernel doubles and cuts */
    FORM_SECONDS,
    FORM_MILLISECONDS,
    FORM_LINGER,
    FORM_TIMEVAL,
    FORM_TOS,
    FORM_WORD,
};

struct socket_option {
    const char *key;
    unsigned sorts; /* which sockets have it */
    int level, name;
    enum option_form form;
    /* Sorts of listener whose connections the kernel does not let inherit it: it is set again on
     * every one. */
    unsigned not_inherited;
    bool ready;             /* set once the socket listens or connects: before, it would be lost */
    const char *limit;      /* the sysctl that cuts it, or lists what there is; or NULL */
    const char *capability; /* what -EPERM means */
    const char *why;        /* why the kernel may have another value than the one it was given */
};

/* The rows in order; NULL: there are no more. */
const struct socket_option *socket_option_get(size_t index);

/* Where options are asked for. Everything is borrowed. */
struct option_source {
    const struct ferry_address *address;
    const struct ferry_profile *profile; /* or NULL */
    enum address_verb verb;
};

/* What is asked for an option: the address's value, else the profile's; NULL: nothing. */
const char *option_asked(
    const struct option_source *source, const struct socket_option *option, bool *ret_from_profile);

/* What of enum link_flag follows from options: LINK_LINGERS if closing the socket would wait,
 * LINK_ZERO_COPY. */
uint16_t options_link_flags(int fd, const struct option_source *source);

enum socket_sort socket_sort(int fd, enum address_verb verb);

enum option_moment {
    MOMENT_MADE = 1 << 0,  /* the socket is neither bound nor connected */
    MOMENT_READY = 1 << 1, /* it listens, is connected, or is being connected */
};

/* Sets what is asked for, of the options whose moment this is. The profile's that the socket cannot
 * have, or the kernel does not know, are left out; the address's fail.
 * Returns 0, or -errno with *error. */
int socket_options_apply(
    int fd, unsigned moments, const struct option_source *source, struct ferry_error *error);

/* A value as the kernel takes it. */
struct option_value {
    union {
        int number;
        struct linger linger;
        struct timeval time;
        char word[16];
    };
    socklen_t size;
};

/* What must be set on each accepted socket; without any, accepting costs nothing more. */
struct accept_options {
    size_t count;
    struct {
        const struct socket_option *option;
        struct option_value value;
    } items[4];
};

void accept_options_make(
    int fd, const struct option_source *source, struct accept_options *ret_options);
void accept_options_apply(const struct accept_options *options, int fd);

/* A sysctl's value on one line; "" when it cannot be read. */
void sysctl_read(const char *name, char *text, size_t size);

/* Reads an option back.
 *   asked     as it was asked for, or NULL
 *   ret_text  appended to: the value, as an address would have it
 *   ret_note  appended to: why it is so
 * Returns 1 when it differs from what was asked in a way that matters, 0 when not, -ENODATA when
 * the socket does not have it. */
int socket_option_read(int fd, enum socket_sort sort, const struct socket_option *option,
    const char *asked, struct bytes *ret_text, struct bytes *ret_note);

/* A socket as the address would have it, with the options that every socket of ours has, neither
 * bound nor connected. -EOPNOTSUPP: it would be none. */
int socket_for_trial(const struct option_source *source, int *ret_fd);

#endif
