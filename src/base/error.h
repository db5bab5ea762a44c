/* error.h (base) - filling a struct ferry_error, and the one place where errno values are classed.
 */
#ifndef FERRY_BASE_ERROR_H
#define FERRY_BASE_ERROR_H

#include <ferry/error.h>
#include <stdbool.h>

/* Fills *error (NULL allowed) and returns `code`, so that a failing function can end with
 * `return error_set(...)`.
 *   code    -errno
 *   thing   what failed; control characters are escaped
 *   remedy  NULL or "" for none
 *   reason  printf format */
__attribute__((format(printf, 5, 6))) int error_set(struct ferry_error *error, int code,
    const char *thing, const char *remedy, const char *reason, ...);

/* The same with strerror(-code) as the reason. */
int error_set_errno(struct ferry_error *error, int code, const char *thing, const char *remedy);
/* The same of a path that somebody named, with what mends most that goes wrong with one. */
int error_set_path(struct ferry_error *error, int code, const char *path);

/* The classes that every caller needs (design: retry, peer gone, out of resources). `code` is
 * -errno. */
bool error_is_retry(int code);     /* -EAGAIN, -EWOULDBLOCK, -EINTR, -ETOOMANYREFS: not now */
bool error_is_peer_gone(int code); /* -EPIPE, -ECONNRESET, -ECONNABORTED, -ENOTCONN, ... */
bool error_is_out_of_resources(int code); /* -EMFILE, -ENFILE, -ENOBUFS, -ENOMEM */

#endif
