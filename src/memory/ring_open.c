/* ring_open.c - making a ring, and attaching to one that somebody else made.
 *
 * Whoever attaches trusts nothing: the constants are read by a system call before anything is
 * mapped, and used from that copy alone; the size is sealed; what should wake us is a bell, which
 * does nothing else.
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/machine.h"
#include "base/sized.h"
#include "memory/bell.h"
#include "memory/limits.h"
#include "memory/memfd.h"
#include "memory/ring.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

static const char thing[] = "ring"; /* what errors name */

static bool capacity_is_legal(size_t capacity)
{
    return capacity >= RING_CAPACITY_MIN && capacity <= RING_CAPACITY_MAX &&
           (capacity & (capacity - 1)) == 0;
}

static size_t map_size(size_t capacity)
{
    return RING_DATA_OFFSET + capacity;
}

/* On one processor, looking out for the peer keeps it from doing what we look out for. */
static int64_t spin_max_ns(const struct ferry_ring_options *options)
{
    if (machine_is_single())
        return 0;
    if (options->spin_max_ns > RING_SPIN_NS_MAX)
        return RING_SPIN_NS_MAX;
    return options->spin_max_ns ? options->spin_max_ns : RING_SPIN_NS;
}

static struct ferry_ring *ring_alloc(
    enum ferry_direction direction, const struct ferry_ring_options *options)
{
    struct ferry_ring *ring = calloc(1, sizeof(*ring));
    if (!ring)
        return NULL;
    ring->direction = direction;
    ring->spin_max_ns = ring->spin_ns = spin_max_ns(options);
    for (size_t i = 0; i < COUNT_OF(ring->fds); i++)
        ring->fds[i] = -1;
    return ring;
}

/* The memory is one's own, or was checked. Returns 0, -EPROTO. */
static int ring_start(struct ferry_ring *ring, void *memory, uint32_t capacity)
{
    ring->shared = memory;
    ring->map_size = map_size(capacity);
    ring->data = (unsigned char *)memory + RING_DATA_OFFSET;
    ring->capacity = capacity;
    ring->record_max = capacity / RING_RECORD_SHARE;
    ring->side = &ring->shared->sides[ring->direction];
    ring->other = &ring->shared->sides[!ring->direction];
    ring->own = ring->published = ring->seen = shared_load_32(&ring->side->position);
    /* Sleeps go on being counted, lest the peer take a new one for the last it ended. */
    ring->sleep = (uint32_t)(shared_load_64(&ring->side->bell) >> 32);
    ring->rung = (uint32_t)(shared_load_64(&ring->other->bell) >> 32) - 1;
    if (ring->own % RING_HEAD_SIZE || ring_look(ring) < 0)
        return -EPROTO;
    /* A predecessor may have died before it woke a peer that sleeps. */
    uint64_t bell = shared_load_64(&ring->other->bell);
    if ((uint32_t)bell)
        ring_wake_peer(ring, bell);
    return 0;
}

void ferry_ring_free(struct ferry_ring *ring)
{
    if (!ring)
        return;
    if (ring->fan_in)
        ferry_fan_in_remove(ring->fan_in, ring);
    if (ring->shared)
        munmap(ring->shared, ring->map_size);
    for (size_t i = 0; i < COUNT_OF(ring->fds); i++)
        fd_close(&ring->fds[i]);
    free(ring);
}

void ferry_ring_get_descriptors(
    const struct ferry_ring *ring, int ret_descriptors[FERRY_RING_DESCRIPTORS])
{
    for (size_t i = 0; i < COUNT_OF(ring->fds); i++)
        ret_descriptors[i] = ring->fds[i];
}

/* --- making ----------------------------------------------------------------------------------- */

static int ring_make_bells(struct ferry_ring *ring)
{
    for (size_t i = 1; i < COUNT_OF(ring->fds); i++) {
        int r = bell_new(&ring->fds[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

static int ring_make(struct ferry_ring *ring, uint32_t capacity)
{
    void *memory;
    int r = ring->call ? 0 : ring_make_bells(ring);
    if (r < 0)
        return r;
    r = memfd_new("ferry-ring", map_size(capacity), &ring->fds[0]);
    if (r == 0)
        r = memfd_map(ring->fds[0], map_size(capacity), &memory);
    if (r < 0)
        return r;
    struct ring_shared *shared = memory;
    shared->constants = (struct ring_constants){ RING_MAGIC, RING_VERSION, capacity };
    return ring_start(ring, memory, capacity);
}

static void ring_make_quiet(struct ferry_ring *ring, const struct ring_quiet *quiet)
{
    ring->spin_max_ns = ring->spin_ns = quiet->spin_max_ns;
    ring->call = quiet->call;
    ring->call_data = quiet->data;
    ring->spare = RING_HEAD_SIZE;
}

/*   quiet  NULL: it has descriptors that wake */
static int ring_new(enum ferry_direction direction, const struct ferry_ring_options *options,
    const struct ring_quiet *quiet, struct ferry_ring **ret_ring, struct ferry_error *error)
{
    size_t capacity = options->capacity ? options->capacity : RING_CAPACITY;
    if (!capacity_is_legal(capacity))
        return error_set(error, -EINVAL, thing, "take a power of two from 4096 to 1073741824",
            "a capacity of %zu bytes is none", capacity);
    struct ferry_ring *ring = ring_alloc(direction, options);
    if (ring && quiet)
        ring_make_quiet(ring, quiet);
    int r = ring ? ring_make(ring, (uint32_t)capacity) : -ENOMEM;
    if (r < 0) {
        ferry_ring_free(ring);
        return error_set(error, r, thing, r == -EMFILE ? "raise RLIMIT_NOFILE" : "ask for less",
            "%zu bytes of shared memory and what wakes its ends could not be had: %s",
            map_size(capacity), strerrordesc_np(-r));
    }
    *ret_ring = ring;
    return 0;
}

int ferry_ring_new(enum ferry_direction direction, const struct ferry_ring_options *options,
    struct ferry_ring **ret_ring, struct ferry_error *error)
{
    struct ferry_ring_options read;
    int r = options_read(options, &read, sizeof(read), thing, error);
    return r < 0 ? r : ring_new(direction, &read, NULL, ret_ring, error);
}

int ring_new_quiet(enum ferry_direction direction, size_t capacity, const struct ring_quiet *quiet,
    struct ferry_ring **ret_ring, struct ferry_error *error)
{
    const struct ferry_ring_options options = { .capacity = capacity };
    return ring_new(direction, &options, quiet, ret_ring, error);
}

int ring_memory_fd(const struct ferry_ring *ring)
{
    return ring->fds[0];
}

void *ring_note(const struct ferry_ring *ring)
{
    return (unsigned char *)ring->shared + RING_NOTE_OFFSET;
}

/* --- attaching -------------------------------------------------------------------------------- */

/* Reads what the ring says of itself, and whether that can be.
 *   capacity_max  bytes; 0: any */
static int constants_read(
    int fd, size_t capacity_max, uint32_t *ret_capacity, struct ferry_error *error)
{
    struct ring_constants constants;

    if (memfd_check(fd, RING_DATA_OFFSET) < 0)
        return error_set(error, -EPROTO, thing, "seal a memfd with F_SEAL_SHRINK, GROW and SEAL",
            "the first descriptor is no memory whose size is sealed");
    if (pread(fd, &constants, sizeof(constants), 0) != sizeof(constants) ||
        constants.magic != RING_MAGIC)
        return error_set(error, -EPROTO, thing, NULL, "the memory is no ring");
    if (constants.version != RING_VERSION)
        return error_set(error, -EPROTONOSUPPORT, thing, "update the older of the two",
            "it has version %u, and this library knows %u", constants.version, RING_VERSION);
    if (!capacity_is_legal(constants.capacity) || memfd_check(fd, map_size(constants.capacity)) < 0)
        return error_set(error, -EPROTO, thing, NULL, "it says to hold %u bytes, which it can't",
            constants.capacity);
    if (capacity_max && constants.capacity > capacity_max)
        return error_set(error, -E2BIG, thing, "let the peer make a smaller one",
            "it holds %u bytes, and at most %zu are accepted", constants.capacity, capacity_max);
    *ret_capacity = constants.capacity;
    return 0;
}

/* The descriptors are the ring's already. */
static int ring_join(struct ferry_ring *ring, size_t capacity_max, struct ferry_error *error)
{
    uint32_t capacity = 0;
    void *memory;

    for (size_t i = 0; i < (ring->call ? 1 : COUNT_OF(ring->fds)); i++)
        if (fcntl(ring->fds[i], F_SETFD, FD_CLOEXEC) < 0)
            return error_set_errno(error, -errno, thing, NULL);
    int r = constants_read(ring->fds[0], capacity_max, &capacity, error);
    if (r < 0)
        return r;
    if (!ring->call && !(bell_is(ring->fds[1]) && bell_is(ring->fds[2])))
        return error_set(error, -EPROTO, thing, NULL,
            "what should wake its ends is no timerfd, as far as /proc/self/fd tells");
    r = memfd_map(ring->fds[0], map_size(capacity), &memory);
    if (r < 0)
        return error_set(error, r, thing, NULL, "%zu bytes could not be mapped: %s",
            map_size(capacity), strerrordesc_np(-r));
    r = ring_start(ring, memory, capacity);
    if (r < 0)
        return error_set(error, r, thing, NULL, "its positions can't be");
    return 0;
}

int ferry_ring_attach(enum ferry_direction direction, const int descriptors[FERRY_RING_DESCRIPTORS],
    const struct ferry_ring_options *options, struct ferry_ring **ret_ring,
    struct ferry_error *error)
{
    struct ferry_ring_options read;
    struct ferry_ring *ring = NULL;
    int r = options_read(options, &read, sizeof(read), thing, error);

    if (r == 0 && !(ring = ring_alloc(direction, &read)))
        r = error_set_errno(error, -ENOMEM, thing, NULL);
    for (size_t i = 0; i < FERRY_RING_DESCRIPTORS; i++) {
        int fd = descriptors[i];
        if (ring)
            ring->fds[i] = fd;
        else
            fd_close(&fd);
    }
    if (r == 0)
        r = ring_join(ring, read.capacity, error);
    if (r < 0) {
        ferry_ring_free(ring);
        return r;
    }
    *ret_ring = ring;
    return 0;
}

int ring_attach_quiet(enum ferry_direction direction, int fd, size_t capacity_max,
    const struct ring_quiet *quiet, struct ferry_ring **ret_ring, struct ferry_error *error)
{
    AUTO_FD int owned = fd;
    const struct ferry_ring_options options = { 0 };
    struct ferry_ring *ring = ring_alloc(direction, &options);
    if (!ring)
        return error_set_errno(error, -ENOMEM, thing, NULL);
    ring_make_quiet(ring, quiet);
    ring->fds[0] = fd_take(&owned);
    int r = ring_join(ring, capacity_max, error);
    if (r < 0) {
        ferry_ring_free(ring);
        return r;
    }
    *ret_ring = ring;
    return 0;
}
