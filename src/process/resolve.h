/* resolve.h - names to addresses without blocking: the hosts file, then name servers (c-ares). */
#ifndef FERRY_PROCESS_RESOLVE_H
#define FERRY_PROCESS_RESOLVE_H

#include <ferry/loop.h>

struct resolve;

/* What was found: numeric hosts, IPv4 and IPv6, the likeliest to answer first (RFC 6724); borrowed
 * for the call.
 *   code    0; -ENOENT (no such name), -ETIMEDOUT (no name server answers), -EAGAIN (they cannot
 *           say now), or another -errno; `count` is 0 then
 *   reason  in words, static */
typedef void (*resolve_done)(
    int code, const char *const *hosts, size_t count, const char *reason, void *data);

/* Starts to look a name up.
 *   host     borrowed for the call
 *   servers  "ADDRESS[:PORT],..." or NULL: those of /etc/resolv.conf
 *   done     called once, from the loop, never from here; the resolve is gone after it
 * Returns 0, -EINVAL, -ENOMEM, or as ferry_loop_timer(). */
int resolve_start(struct ferry_loop *loop, const char *host, const char *servers, resolve_done done,
    void *data, struct resolve **ret_resolve);

/* Ends it without calling done. NULL is allowed. */
void resolve_stop(struct resolve *resolve);

#endif
