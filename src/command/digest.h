/* digest.h - the SHA-256 of bytes that come piece by piece. */
#ifndef FERRY_COMMAND_DIGEST_H
#define FERRY_COMMAND_DIGEST_H

#include <ferry/error.h>
#include <stdbool.h>

struct digest;

/*   ret_digest  free with digest_free()
 * Returns 0, -EOPNOTSUPP (libcrypto is not there), -ENOMEM. */
int digest_new(struct digest **ret_digest, struct ferry_error *error);
void digest_free(struct digest *digest); /* NULL is allowed */
/* A failure is told by digest_print(). */
void digest_add(struct digest *digest, const void *data, size_t size);
/* Ends it, and prints it as sha256sum(1) does, or as one line of JSON.
 *   address  of what it is the digest of; a file is named by its path, so that sha256sum -c can
 *            check it, unless only a part of it was read
 * Returns 0, -EIO, -ENOMEM. */
int digest_print(struct digest *digest, const char *address, bool json, struct ferry_error *error);

#endif
