/* quota.c - a bound on what the relays of one holder have received and not sent yet. */
#include "channel/quota.h"

#include <assert.h>
#include <errno.h>

struct ferry_relay_quota {
    struct ferry_relay_quota *above;
    size_t bytes, bytes_max;
    size_t descriptors, descriptors_max;
    struct list waiters;
};

int ferry_relay_quota_new(size_t bytes_max, size_t descriptors_max, struct ferry_relay_quota *above,
    struct ferry_relay_quota **ret_quota)
{
    struct ferry_relay_quota *quota = calloc(1, sizeof(*quota));
    if (!quota)
        return -ENOMEM;
    quota->above = above;
    quota->bytes_max = bytes_max ? bytes_max : SIZE_MAX;
    quota->descriptors_max = descriptors_max ? descriptors_max : SIZE_MAX;
    list_init(&quota->waiters);
    *ret_quota = quota;
    return 0;
}

void ferry_relay_quota_free(struct ferry_relay_quota *quota)
{
    if (!quota)
        return;
    assert(quota->bytes == 0 && quota->descriptors == 0 && list_empty(&quota->waiters));
    free(quota);
}

void ferry_relay_quota_get(
    const struct ferry_relay_quota *quota, size_t *ret_bytes, size_t *ret_descriptors)
{
    *ret_bytes = quota->bytes;
    *ret_descriptors = quota->descriptors;
}

static bool quota_is_full(const struct ferry_relay_quota *quota)
{
    return quota->bytes >= quota->bytes_max || quota->descriptors >= quota->descriptors_max;
}

struct ferry_relay_quota *quota_get_full(struct ferry_relay_quota *quota)
{
    while (quota && !quota_is_full(quota))
        quota = quota->above;
    return quota;
}

/* Whoever is told may find it full again, and waits again: at the end of another list by then. */
static void quota_tell(struct ferry_relay_quota *quota)
{
    struct list told;
    list_init(&told);
    list_splice_last(&told, &quota->waiters);
    while (!list_empty(&told)) {
        struct list *node = told.next;
        list_remove(node);
        relay_on_room(LIST_ENTRY(node, struct quota_waiter, node));
    }
}

void quota_charge(struct ferry_relay_quota *quota, struct charge *charge, struct charge now)
{
    struct charge before = *charge;
    if (now.bytes == before.bytes && now.descriptors == before.descriptors)
        return;
    *charge = now;
    for (; quota; quota = quota->above) {
        bool was_full = quota_is_full(quota);
        quota->bytes += (size_t)now.bytes - before.bytes;
        quota->descriptors += (size_t)now.descriptors - before.descriptors;
        if (was_full && !quota_is_full(quota))
            quota_tell(quota);
    }
}

void quota_wait(struct ferry_relay_quota *full, struct quota_waiter *waiter)
{
    list_remove(&waiter->node);
    list_add_last(&full->waiters, &waiter->node);
}
