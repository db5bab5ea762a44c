/* address.h - where something listens, or whom to dial: scheme:rest,key=value,...
 *
 * One grammar for every mechanism (ferry-address(7)). Listen or dial is the verb's business: an
 * address says only where. Immutable once parsed; may be shared between threads.
 */
#ifndef FERRY_ADDRESS_H
#define FERRY_ADDRESS_H

#include <ferry/error.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

enum ferry_scheme {
    FERRY_UNIX,       /* unix:PATH, unix:@NAME    stream, unix(7) */
    FERRY_UNIX_DGRAM, /* unix-dgram:PATH          datagrams, unix(7) */
    FERRY_UNIX_SEQ,   /* unix-seq:PATH            sequenced packets, unix(7) */
    FERRY_TCP,        /* tcp:[HOST:]PORT          tcp(7); no host is loopback */
    FERRY_UDP,        /* udp:[HOST:]PORT          udp(7) */
    FERRY_FIFO,       /* fifo:PATH[,reply=PATH]   fifo(7) */
    FERRY_MQ,         /* mq:/NAME[,reply=/NAME]   mq_overview(7) */
    FERRY_FD,         /* fd:NUMBER, fd:NAME       inherited; a name is one of LISTEN_FDNAMES */
    FERRY_EXEC,       /* exec:PROGRAM ARGUMENT... a command's standard input and output */
    FERRY_FILE,       /* file:PATH                a regular file or device */
    FERRY_STDIO,      /* -                        standard input and output */
    FERRY_ICMP,       /* icmp:HOST                echo requests, icmp(7); for dialling only */
    FERRY_AUTO,       /* auto:PATH, auto:@NAME    unix-seq: or shared memory, ferry/auto.h;
                         auto:HOST:PORT           is tcp:HOST:PORT,frame=length */
    FERRY_SCHEME_COUNT
};

struct ferry_address;

/* Parses an address.
 *   text         NUL-terminated; borrowed for the call
 *   base         directory that relative paths start from, or NULL to leave them relative to the
 *                process's working directory; with one, exec: takes no relative path to its
 *                program; borrowed for the call
 *   ret_address  receives a new address, to be freed with ferry_address_free()
 *   error        may be NULL; on failure its reason begins "column N:", counted in bytes from 1
 * Returns 0, -EINVAL (malformed), -ENAMETOOLONG, -ENOMEM. */
FERRY_PUBLIC FERRY_CHECK int ferry_address_parse(const char *text, const char *base,
    struct ferry_address **ret_address, struct ferry_error *error);

/* Frees an address; NULL is allowed. */
FERRY_PUBLIC void ferry_address_free(struct ferry_address *address);

/* The canonical text: parsing it gives an equal address. Borrowed, lives as long as the address. */
FERRY_PUBLIC const char *ferry_address_text(const struct ferry_address *address);

FERRY_PUBLIC enum ferry_scheme ferry_address_scheme(const struct ferry_address *address);

/* The value of an option, unescaped; "" for an option without a value; NULL when absent. Borrowed.
 */
FERRY_PUBLIC const char *ferry_address_option(const struct ferry_address *address, const char *key);

/* True when both mean the same place with the same options (options in any order). */
FERRY_PUBLIC bool ferry_address_equal(
    const struct ferry_address *one, const struct ferry_address *other);

#ifdef __cplusplus
}
#endif
#endif
