/* snapshot.h - what `ferry ls --json` wrote once, read back as endpoints.
 *
 * The file may come from anybody: it is bounded, every type in it is checked, and what it says only
 * ever stands beside what the kernel says. Endpoints of a snapshot have what identifies and
 * describes them (kind, state, inode, cookie, local and remote address, owners, peer, listener,
 * namespace); figures are left out, except those that tell a connection's ends apart.
 *
 * Ownership: everything is the snapshot's until snapshot_free().
 */
#ifndef FERRY_COMMAND_LS_SNAPSHOT_H
#define FERRY_COMMAND_LS_SNAPSHOT_H

#include <ferry/endpoints.h>
#include <jansson.h>

struct snapshot;

/* Reads a file. Returns 0, -EINVAL (no snapshot, or of another boot or schema), -EFBIG, -ENOMEM,
 * -errno, with *error. */
int snapshot_read(const char *path, struct snapshot **ret_snapshot, struct ferry_error *error);
/* NULL is allowed. */
void snapshot_free(struct snapshot *snapshot);
/* Which kinds it was asked for, 1 << kind. */
unsigned snapshot_kinds(const struct snapshot *snapshot);
size_t snapshot_count(const struct snapshot *snapshot);
const struct ferry_endpoint *snapshot_get(const struct snapshot *snapshot, size_t index);
/* All of them, snapshot_count(). */
const struct ferry_endpoint *const *snapshot_list(const struct snapshot *snapshot);
/* The same endpoint then: by the cookie if it has one, else by kind, inode and end; NULL: it was
 * not there. */
const struct ferry_endpoint *snapshot_find(
    const struct snapshot *snapshot, const struct ferry_endpoint *endpoint);
/* What the file says of one of its endpoints; borrowed. */
json_t *snapshot_json(const struct snapshot *snapshot, const struct ferry_endpoint *endpoint);
/* Orders endpoints by what identifies them; 0: the same. */
int snapshot_compare(const struct ferry_endpoint *one, const struct ferry_endpoint *other);

#endif
