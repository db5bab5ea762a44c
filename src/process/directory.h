/* directory.h - a folder in which nobody else can put or replace a socket of ours. */
#ifndef FERRY_PROCESS_DIRECTORY_H
#define FERRY_PROCESS_DIRECTORY_H

#include <ferry/error.h>
#include <sys/types.h>

/* Makes sure that `path` is such a folder: makes its last part with `mode` if it is missing, and
 * refuses one that is a symbolic link, belongs to another user, or can be written by others, or
 * that stands where others could replace it.
 * Returns 0, -EPERM (not safe), -ENOTDIR, -ENOENT (the folder above is missing), ... */
int directory_make(const char *path, mode_t mode, struct ferry_error *error);

/* The runtime directory: the first of $RUNTIME_DIRECTORY (systemd made it); for root /run/ferry
 * with mode 0755, so that others can reach sockets in it whose own mode admits them; else
 * $XDG_RUNTIME_DIR/ferry with mode 0700. Made if missing.
 *   ret_path  free() it
 * Returns 0, -ENOENT (no $XDG_RUNTIME_DIR), -ENOMEM, or as directory_make(). */
int directory_runtime(char **ret_path, struct ferry_error *error);

#endif
