/* state.h - files in which ferry keeps what it found out, from one run to the next.
 *
 * They lie in $XDG_STATE_HOME/ferry, which is ~/.local/state/ferry where that is not set; of a
 * program that runs with more rights than its caller has, nowhere. They are read as what anybody
 * may have put there, and written by replacing them whole.
 */
#ifndef FERRY_BASE_STATE_H
#define FERRY_BASE_STATE_H

#include "base/bytes.h"

/* Where a file is.
 *   variable  of the environment that has its path if it is set; "": there is no file
 *   ret_path  free() it
 * Returns 0, -ENOENT (no file, or no home), -ENOMEM. */
int state_path(const char *variable, const char *name, char **ret_path);

/* Reads a file.
 *   size_max  bytes
 *   ret_text  bytes_fini() it
 * Returns 0, -ENOENT, -EPERM (neither ours nor root's, or others may write it), -ENODATA (no
 * regular file), -EFBIG, -ENOMEM, ... */
int state_read(const char *path, size_t size_max, struct bytes *ret_text);

/* Finds a file and reads it: the two above, one after the other.
 *   ret_path  free() it, on failure too; NULL: nowhere */
int state_load(const char *variable, const char *name, size_t size_max, char **ret_path,
    struct bytes *ret_text);

/* Writes a file that only we may read, all of it or nothing; folders that are missing are made.
 * Returns 0, -ENAMETOOLONG, -EACCES, -ENOSPC, ... */
int state_write(const char *path, const void *data, size_t size);

#endif
