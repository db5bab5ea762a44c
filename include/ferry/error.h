/* error.h - how libferry says what went wrong.
 *
 * Every function returns 0 or a positive number on success and -errno on failure. Calls whose
 * failure a person will read also fill a struct ferry_error: the thing, the reason, the remedy.
 */
#ifndef FERRY_ERROR_H
#define FERRY_ERROR_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define FERRY_PUBLIC __attribute__((visibility("default")))
#define FERRY_CHECK  __attribute__((warn_unused_result))
#else
#define FERRY_PUBLIC
#define FERRY_CHECK
#endif

/* A failure in words. Caller-owned, plain data; every string is NUL-terminated, printable (control
 * characters escaped) and cut at its array's size. Untouched on success. */
struct ferry_error {
    int code;         /* the -errno that the call returned */
    char thing[256];  /* what failed: an address, a path, a key */
    char reason[256]; /* why */
    char remedy[256]; /* what would mend it; may be empty */
};

/* Writes "thing: reason; remedy" on one line.
 *   error   borrowed, filled by a failed call
 *   text    array of `size` bytes that receives the NUL-terminated line, cut if it does not fit
 *   size    bytes, at least 1
 * Returns the length of the whole line in bytes, as snprintf(3) does. */
FERRY_PUBLIC int ferry_error_format(const struct ferry_error *error, char *text, size_t size);

#ifdef __cplusplus
}
#endif
#endif
