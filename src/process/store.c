/* store.c - descriptors that outlive this process. */
#include "process/store.h"
#include "process/limits.h"

#include <errno.h>

int store_put(struct store *store, const char *name, int fd)
{
    if (store->count >= STORE_MAX)
        return -ENOBUFS;
    int r = notify_store(store->notify, name, fd);
    if (r < 0)
        return r;
    store->count++;
    return 0;
}

void store_remove(struct store *store, const char *name)
{
    (void)notify_forget(store->notify, name);
    if (store->count)
        store->count--;
}

void store_settle(struct store *store)
{
    (void)notify_barrier(store->notify);
}
