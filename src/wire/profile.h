/* profile.h (wire) - a named set of socket options, as values that have been checked. */
#ifndef FERRY_WIRE_PROFILE_H
#define FERRY_WIRE_PROFILE_H

#include "wire/address.h"

#include <ferry/profile.h>

/* The names of the built-in profiles; NULL-terminated. */
extern const char *const profile_names[];

/* Returns 0, -ENOMEM. */
int profile_copy(const struct ferry_profile *profile, struct ferry_profile **ret_copy);
/* Appends "KEY=VALUE" for each option that it sets, each with its NUL. */
void profile_print(const struct ferry_profile *profile, struct bytes *text);
/* Whether both set the same options to the same values; either may be NULL: an empty one. */
bool profile_equal(const struct ferry_profile *one, const struct ferry_profile *other);

#endif
