/* selection.c - the endpoints that a word means, and those at their other ends. */
#include "command/show/selection.h"
#include "base/cleanup.h"

#include <string.h>

static int compare_pointers(const void *one, const void *other)
{
    const struct ferry_endpoint *a = *(const struct ferry_endpoint *const *)one;
    const struct ferry_endpoint *b = *(const struct ferry_endpoint *const *)other;

    return ((uintptr_t)a > (uintptr_t)b) - ((uintptr_t)a < (uintptr_t)b);
}

static size_t endpoints_find(const struct ferry_endpoints *table, const struct view_target *target,
    bool listen, const struct ferry_endpoint **ret_endpoints)
{
    size_t count = 0;

    for (size_t i = 0; i < ferry_endpoints_count(table); i++) {
        const struct ferry_endpoint *endpoint = ferry_endpoints_get(table, i);
        if ((endpoint->state == FERRY_STATE_LISTENING) == listen &&
            view_target_matches(target, endpoint))
            ret_endpoints[count++] = endpoint;
    }
    return count;
}

/* Two or more may have one peer, as the senders to a datagram server have. */
static void peers_find(struct selection *selection, const struct ferry_endpoint **sorted)
{
    size_t count = 0, kept = 0, size = sizeof(struct ferry_endpoint *);

    if (!selection->count)
        return;
    memcpy(sorted, selection->endpoints, selection->count * size);
    qsort(sorted, selection->count, size, compare_pointers);
    for (size_t i = 0; i < selection->count; i++) {
        const struct ferry_endpoint *peer = selection->endpoints[i]->peer;
        if (peer && !bsearch(&peer, sorted, selection->count, size, compare_pointers))
            selection->peers[count++] = peer;
    }
    if (count)
        qsort(selection->peers, count, size, compare_pointers);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || selection->peers[i] != selection->peers[i - 1])
            selection->peers[kept++] = selection->peers[i];
    selection->peer_count = kept;
}

int selection_make(const struct ferry_endpoints *table, const struct view_target *target,
    struct selection *ret_selection)
{
    size_t total = ferry_endpoints_count(table) + 1;
    AUTO_FREE const struct ferry_endpoint **sorted = calloc(total, sizeof(*sorted));
    struct selection selection = { .endpoints = calloc(total, sizeof(*sorted)),
        .peers = calloc(total, sizeof(*sorted)) };

    if (!sorted || !selection.endpoints || !selection.peers) {
        selection_fini(&selection);
        return -ENOMEM;
    }
    selection.count = endpoints_find(table, target, true, selection.endpoints);
    selection.count += endpoints_find(table, target, false, selection.endpoints + selection.count);
    peers_find(&selection, sorted);
    *ret_selection = selection;
    return 0;
}

void selection_fini(struct selection *selection)
{
    free(selection->endpoints);
    free(selection->peers);
    *selection = (struct selection){ 0 };
}
