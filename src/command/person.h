/* person.h - somebody made up, to ask a policy about: the WHO of `ferry check --as WHO`. */
#ifndef FERRY_COMMAND_PERSON_H
#define FERRY_COMMAND_PERSON_H

#include <ferry/identity.h>
#include <stdbool.h>

/* Reads "uid:1000,group:dev,...": the words of rules, parted by commas or blanks; each but gid: and
 * group: once, of which the first is the main group. A user's name brings its groups, as the name
 * service has them, unless groups are given. What is not said stays unknown.
 *   by_message  as one is known who sends a datagram: by its main group only
 *   ret_who     free it with ferry_identity_free()
 * Returns 0, -EINVAL, -ENOENT (no such user or group), -ENOMEM. */
int person_parse(
    const char *text, bool by_message, struct ferry_identity **ret_who, struct ferry_error *error);

#endif
