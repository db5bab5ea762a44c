/* ring_under_test.c - the ring as it is, and what only tests may do to it. */
#define RING_TEST

#include "memory/fan_in.c"
#include "memory/ring.c"
#include "memory/ring_open.c"
#include "memory/ring_wait.c"

#include "ring_under_test.h"

static void loaded_quietly(void *word, size_t size)
{
    (void)word, (void)size;
}

static void step_quietly(enum ring_step step)
{
    (void)step;
}

void (*ring_test_loaded)(void *word, size_t size) = loaded_quietly;
void (*ring_test_step)(enum ring_step step) = step_quietly;

struct ferry_ring *ring_twin(const struct ferry_ring *ring)
{
    const struct ferry_ring_options options = { .struct_size = sizeof(options) };
    struct ferry_ring *twin = ring_alloc(!ring->direction, &options);
    if (!twin)
        abort();
    for (size_t i = 0; i < COUNT_OF(twin->fds); i++)
        twin->fds[i] = fcntl(ring->fds[i], F_DUPFD_CLOEXEC, 0);
    if (ring_start(twin, ring->shared, ring->capacity) < 0)
        abort();
    return twin;
}

void ring_twin_free(struct ferry_ring *twin)
{
    twin->shared = NULL; /* the other's */
    ferry_ring_free(twin);
}

void ring_begin_at(struct ferry_ring *ring, uint32_t position)
{
    for (size_t i = 0; i < COUNT_OF(ring->shared->sides); i++)
        atomic_store(&ring->shared->sides[i].position, position);
    ring->state = RING_AWAKE;
    ring->lent = false;
    ring->need = 0;
    if (ring_start(ring, ring->shared, ring->capacity) < 0)
        abort();
}
