/* ownership.h - mode, owner and group that an address asks for, and giving them to what we made. */
#ifndef FERRY_TRANSPORT_OWNERSHIP_H
#define FERRY_TRANSPORT_OWNERSHIP_H

#include "wire/address.h"

#include <sys/types.h>

struct ownership {
    bool stated; /* the address says something about it */
    unsigned mode;
    uid_t owner; /* (uid_t)-1: as it is */
    gid_t group; /* (gid_t)-1: as it is */
};

/* Reads mode= (0600 if absent), owner= and group=, which may be looked up in files or by the name
 * service. Returns 0, -ENOENT (no such user or group), -ENOMEM, ... */
int ownership_read(const struct ferry_address *address, struct ownership *ret_ownership,
    struct ferry_error *error);

/* Applies it to an open file; whatever the umask. Owner first, so that nobody is let in by a mode
 * that was meant for another owner. Returns 0 or -errno. */
int ownership_apply(int fd, const struct ownership *ownership);

#endif
