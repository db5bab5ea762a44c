/* claim.c - which memory which connection of this process uses.
 *
 * The memory of a connection is for its two ends. A peer that offered the same in two connections,
 * or in one what we have made for another, would have what we send by the one come in by the other,
 * for ever, while it sleeps. So each end books its memory in, and who attaches finds that nobody
 * has it, or only the end that made it: the very one at the other end of its socket, as where a
 * program dials itself.
 *
 * Who makes rings pays for them, and where it carries what others send it is these who make it pay:
 * so all that a process has made at a time have a bound.
 *
 * Rings belong to one thread each, but the list to all: it is locked, for as long as it takes to go
 * through it. That memory is in use in another process can't be seen.
 */
#include "base/cleanup.h"
#include "transport/auto/auto.h"
#include "transport/auto/seal.h"

#include <limits.h>
#include <pthread.h>
#include <sys/stat.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct list claims = { &claims, &claims };
static unsigned makers; /* of them, by ends that made their memory */

#ifndef AUTO_TEST
static unsigned made_max(void)
{
    uint64_t size = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t max = size / AUTO_MADE_SHARE / (2 * AUTO_RING_CAPACITY);
    return max < AUTO_MADE_MIN ? AUTO_MADE_MIN : max < UINT_MAX ? (unsigned)max : UINT_MAX;
}
#endif

bool auto_may_make(void)
{
    pthread_mutex_lock(&lock);
    unsigned count = makers;
    pthread_mutex_unlock(&lock);
    return count < made_max();
}

static int memory_number(const struct ferry_ring *ring, uint64_t *ret_number)
{
    struct stat status;
    if (fstat(ring_memory_fd(ring), &status) < 0)
        return -errno;
    *ret_number = status.st_ino;
    return 0;
}

static bool shares_memory(const struct auto_claim *one, const struct auto_claim *other)
{
    for (size_t i = 0; i < COUNT_OF(one->memory); i++)
        if (one->memory[i] == other->memory[0] || one->memory[i] == other->memory[1])
            return true;
    return false;
}

/* Those that have any of it already.
 *   ret_maker  the number of the socket of who made it, if there is one */
static unsigned claims_count(const struct auto_claim *claim, uint32_t *ret_maker)
{
    struct list *node;
    unsigned count = 0;

    list_each (node, &claims) {
        const struct auto_claim *other = LIST_ENTRY(node, struct auto_claim, node);
        if (!shares_memory(claim, other))
            continue;
        count++;
        if (other->end->dialled)
            *ret_maker = (uint32_t)other->end->inode;
    }
    return count;
}

static int claim_new(const struct auto_end *end, struct auto_claim **ret_claim)
{
    AUTO_FREE struct auto_claim *claim = malloc(sizeof(*claim));
    if (!claim)
        return -ENOMEM;
    *claim = (struct auto_claim){ .end = end, .owner = fork_mark() };
    for (size_t i = 0; i < COUNT_OF(claim->memory); i++) {
        int r = memory_number(end->ring[i], &claim->memory[i]);
        if (r < 0)
            return r;
    }
    *ret_claim = TAKE(claim);
    return 0;
}

int auto_claim(struct auto_end *end)
{
    uint32_t maker = 0, partner = 0;
    struct auto_claim *claim;

    int r = claim_new(end, &claim);
    if (r < 0)
        return r;
    pthread_mutex_lock(&lock);
    unsigned count = claims_count(claim, &maker);
    list_add_last(&claims, &claim->node);
    makers += end->dialled;
    pthread_mutex_unlock(&lock);
    end->claim = claim;
    if (claim->memory[0] == claim->memory[1])
        return -EPROTO;
    bool is_partner =
        maker && seal_peer_number(end->fd, &partner) == 0 && partner == maker && !end->dialled;
    return count == 0 || is_partner ? 0 : -EPROTO;
}

void auto_unclaim(struct auto_end *end)
{
    if (!end->claim)
        return;
    pthread_mutex_lock(&lock);
    makers -= end->dialled;
    list_remove(&end->claim->node);
    pthread_mutex_unlock(&lock);
    free(TAKE(end->claim));
}
