/* store.h - descriptors that outlive this process: the service manager keeps them under a name, and
 * passes them to the next one like those of socket activation.
 *
 * A descriptor stays in the store although it was claimed, until it is removed. The store is
 * emptied when the service stops for good; `systemctl restart` keeps it.
 */
#ifndef FERRY_PROCESS_STORE_H
#define FERRY_PROCESS_STORE_H

#include "process/activation.h"
#include "process/notify.h"

struct store {
    const struct notify *notify;   /* borrowed; who keeps */
    struct activation *activation; /* borrowed; what was passed back, until the routes stand */
    size_t count;                  /* passed back or put, and not removed */
    bool stuck; /* the manager did not read in time: until it does nothing waits for it */
};

/* Puts a copy of a descriptor into the store.
 * Returns 0, -ENOBUFS (STORE_MAX are kept already), or -errno: it could not be told. Whether there
 * is room in the store the manager does not say. */
int store_put(struct store *store, const char *name, int fd);
/* Takes it out again. */
void store_remove(struct store *store, const char *name);
/* Waits until the manager has done all that: what was removed is closed there too. */
void store_settle(struct store *store);

#endif
