/* store.c - descriptors that outlive this process.
 *
 * Thousands of connections are put one after the other: a manager that is stuck is waited for once,
 * not for each.
 */
#include "process/store.h"
#include "process/limits.h"

#include <errno.h>

static int store_told(struct store *store, int r)
{
    store->stuck = r == -EAGAIN;
    return r;
}

int store_put(struct store *store, const char *name, int fd)
{
    if (store->count >= STORE_MAX)
        return -ENOBUFS;
    int r = store_told(store, notify_store(store->notify, name, fd, !store->stuck));
    if (r < 0)
        return r;
    store->count++;
    return 0;
}

void store_remove(struct store *store, const char *name)
{
    (void)store_told(store, notify_forget(store->notify, name, !store->stuck));
    if (store->count)
        store->count--;
}

void store_settle(struct store *store)
{
    (void)notify_barrier(store->notify);
}
