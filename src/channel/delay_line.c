/* delay_line.c - what is on its way through bad weather, in a heap by the time of its arrival.
 *
 * A heap, not a list: jitter lets datagrams overtake each other. What arrives at the same time
 * keeps the order in which it came.
 */
#include "channel/delay_line.h"
#include "base/array.h"
#include "base/clock.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

/* One allocation: its head, its descriptors, its bytes. */
struct parcel {
    int64_t arrival_ns;
    uint64_t number; /* in the order in which they came */
    size_t size;     /* bytes */
    unsigned priority;
    size_t descriptor_count;
    int descriptors[];
};

struct delay_line {
    struct weather weather;
    struct departures departures;
    struct ferry_relay_pool *pool;
    bool datagrams;
    bool ended;
    int64_t end_ns;         /* the end arrives, once ended */
    struct parcel **heap;   /* NULL while nothing is on the way */
    size_t count, capacity; /* of the heap */
    size_t size, descriptor_count;
    uint64_t number, lost;
    struct parcel *lent[FLOW_MESSAGES];
    size_t lent_count;
};

struct delay_line *delay_line_new(
    const struct weather *weather, bool datagrams, struct ferry_relay_pool *pool)
{
    struct delay_line *line = calloc(1, sizeof(*line));
    if (!line)
        return NULL;
    line->weather = *weather;
    line->datagrams = datagrams;
    line->pool = pool;
    /* Flows that start in the same moment still throw dice of their own. */
    if (getrandom(&line->departures.random, sizeof(line->departures.random), GRND_NONBLOCK) < 0)
        line->departures.random = (uint64_t)clock_now_ns() ^ (uintptr_t)line;
    return line;
}

void delay_line_free(struct delay_line *line)
{
    if (!line)
        return;
    delay_line_clear(line);
    free(line);
}

/* --- parcels ---------------------------------------------------------------------------------- */

static char *parcel_bytes(struct parcel *parcel)
{
    return (char *)&parcel->descriptors[parcel->descriptor_count];
}

static size_t parcel_weight(const struct parcel *parcel)
{
    return sizeof(*parcel) + parcel->descriptor_count * sizeof(int) + parcel->size;
}

/* A part of a message; the descriptors go with its first. NULL: out of memory, nothing moved. */
static struct parcel *parcel_new(struct ferry_message *message, size_t at, size_t size)
{
    size_t count = at == 0 ? message->descriptor_count : 0;
    struct parcel *parcel = malloc(sizeof(*parcel) + count * sizeof(int) + size);
    if (!parcel)
        return NULL;
    parcel->size = size;
    parcel->priority = message->priority;
    parcel->descriptor_count = count;
    if (count) {
        memcpy(parcel->descriptors, message->descriptors, count * sizeof(int));
        message->descriptor_count = 0;
    }
    if (size)
        memcpy(parcel_bytes(parcel), (const char *)message->data + at, size);
    return parcel;
}

static void parcel_free(struct parcel *parcel)
{
    for (size_t i = 0; i < parcel->descriptor_count; i++)
        fd_close(&parcel->descriptors[i]);
    free(parcel);
}

/* --- the heap --------------------------------------------------------------------------------- */

static bool parcel_before(const struct parcel *one, const struct parcel *other)
{
    if (one->arrival_ns != other->arrival_ns)
        return one->arrival_ns < other->arrival_ns;
    return one->number < other->number;
}

/* There must be room. */
static void heap_add(struct delay_line *line, struct parcel *parcel)
{
    size_t slot = line->count++;
    for (; slot > 0 && parcel_before(parcel, line->heap[(slot - 1) / 2]); slot = (slot - 1) / 2)
        line->heap[slot] = line->heap[(slot - 1) / 2];
    line->heap[slot] = parcel;
    line->size += parcel_weight(parcel);
    line->descriptor_count += parcel->descriptor_count;
    pool_add_held(line->pool, parcel_weight(parcel));
}

static struct parcel *heap_take_first(struct delay_line *line)
{
    struct parcel *first = line->heap[0], *last = line->heap[--line->count];
    size_t slot = 0;
    for (;;) {
        size_t child = 2 * slot + 1;
        if (child + 1 < line->count && parcel_before(line->heap[child + 1], line->heap[child]))
            child++;
        if (child >= line->count || !parcel_before(line->heap[child], last))
            break;
        line->heap[slot] = line->heap[child];
        slot = child;
    }
    line->heap[slot] = last;
    line->size -= parcel_weight(first);
    line->descriptor_count -= first->descriptor_count;
    pool_remove_held(line->pool, parcel_weight(first));
    if (!line->count) {
        free(TAKE(line->heap));
        line->capacity = 0;
    }
    return first;
}

/* --- in --------------------------------------------------------------------------------------- */

static bool line_is_full(const struct delay_line *line)
{
    if (!line->count)
        return false; /* one receive always, or nothing would ever move */
    return line->size >= weather_held_size(&line->weather) ||
           line->descriptor_count >= WEATHER_DESCRIPTORS_MAX ||
           pool_held(line->pool) >= WEATHER_POOL_SIZE_MAX;
}

bool delay_line_has_room(const struct delay_line *line)
{
    return line->datagrams || !line_is_full(line);
}

/* 1: on its way; 0: lost; -ENOMEM. */
static int line_add(
    struct delay_line *line, struct ferry_message *message, size_t at, size_t size, int64_t now_ns)
{
    int64_t arrival_ns;
    if (line->datagrams && line_is_full(line))
        return 0;
    if (!departures_next(&line->departures, &line->weather, size, now_ns, &arrival_ns))
        return 0;
    if (!array_reserve(&line->heap, line->count, &line->capacity, sizeof(struct parcel *)))
        return -ENOMEM;
    struct parcel *parcel = parcel_new(message, at, size);
    if (!parcel)
        return -ENOMEM;
    parcel->arrival_ns = arrival_ns;
    parcel->number = line->number++;
    heap_add(line, parcel);
    return 1;
}

/* A stream's bytes, in pieces. */
static int line_add_bytes(struct delay_line *line, struct ferry_message *message, int64_t now_ns)
{
    size_t piece = weather_piece_size(&line->weather);
    for (size_t at = 0; at < message->size; at += piece) {
        size_t left = message->size - at;
        int r = line_add(line, message, at, left < piece ? left : piece, now_ns);
        if (r < 0)
            return r;
    }
    return 1;
}

int delay_line_take(
    struct delay_line *line, struct batch *batch, int64_t now_ns, uint64_t *ret_lost)
{
    bool bytes = batch->room == 1;
    for (size_t i = 0; i < batch->count; i++) {
        struct ferry_message *message = &batch->messages[i];
        int r = bytes ? line_add_bytes(line, message, now_ns)
                      : line_add(line, message, 0, message->size, now_ns);
        if (r < 0 && !line->datagrams)
            return r;
        if (r <= 0) {
            line->lost++;
            ++*ret_lost;
        }
    }
    return 0;
}

void delay_line_end(struct delay_line *line, int64_t now_ns)
{
    line->ended = true;
    line->end_ns = departures_end(&line->departures, &line->weather, now_ns);
}

/* --- out -------------------------------------------------------------------------------------- */

int64_t delay_line_next_ns(const struct delay_line *line)
{
    if (line->count)
        return line->heap[0]->arrival_ns;
    return line->ended ? line->end_ns : CLOCK_NEVER;
}

bool delay_line_is_over(const struct delay_line *line, int64_t now_ns)
{
    return line->ended && !line->count && now_ns >= line->end_ns;
}

bool delay_line_is_due(const struct delay_line *line, int64_t now_ns)
{
    return line->count && line->heap[0]->arrival_ns <= now_ns;
}

size_t delay_line_lend(struct delay_line *line, struct batch *batch, int64_t now_ns)
{
    delay_line_sent(line);
    while (batch->count < FLOW_MESSAGES && delay_line_is_due(line, now_ns)) {
        struct parcel *parcel = heap_take_first(line);
        line->lent[line->lent_count++] = parcel;
        batch->messages[batch->count++] = (struct ferry_message){ .data = parcel_bytes(parcel),
            .size = parcel->size,
            .descriptors = parcel->descriptors,
            .descriptor_count = parcel->descriptor_count,
            .priority = parcel->priority };
    }
    return batch->count;
}

void delay_line_sent(struct delay_line *line)
{
    while (line->lent_count)
        parcel_free(line->lent[--line->lent_count]);
}

size_t delay_line_clear(struct delay_line *line)
{
    size_t count = line->count;
    delay_line_sent(line);
    while (line->count)
        parcel_free(heap_take_first(line));
    return count;
}

size_t delay_line_size(const struct delay_line *line)
{
    return line->size;
}

size_t delay_line_descriptors(const struct delay_line *line)
{
    return line->descriptor_count;
}

uint64_t delay_line_lost(const struct delay_line *line)
{
    return line->lost;
}
