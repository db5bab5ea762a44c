/* credentials.h - as whom something is sent, from the command line's words. */
#ifndef FERRY_COMMAND_CREDENTIALS_H
#define FERRY_COMMAND_CREDENTIALS_H

#include <ferry/channel.h>

/* "self", or any of pid:NUMBER, uid:NUMBER, user:NAME, gid:NUMBER, group:NAME with commas between;
 * what is left out is our own.
 * Returns 0, -EINVAL, -ENOENT (no such user or group). */
int credentials_parse(
    const char *text, struct ferry_credentials *ret_credentials, struct ferry_error *error);

#endif
