/* choice_thresholds.c - from which rates on a ring pays, by the size of messages.
 *
 * A channel is on the socket or on the ring; which of them is cheaper at a rate is what choice.c
 * predicts. A threshold is the lowest rate from which on the ring wins at it and at all higher
 * ones, so that more traffic never is a reason to go back.
 */
#include "wire/choice.h"
#include "wire/limits.h"

#define NS_A_S 1e9

size_t choice_class_size_max(unsigned class)
{
    return class + 1 < CHOICE_CLASSES ? (size_t)64 << 2 * class : SIZE_MAX;
}

struct pair {
    const struct choice_rest *rested;
    struct choice_cost socket, ring;
};

static bool is_worth(
    const struct choice_prediction *socket, const struct choice_prediction *ring, double rate_per_s)
{
    double before = choice_score(socket), after = choice_score(ring);

    return after <= before * CHOICE_WORTH_SHARE &&
           (before - after) * rate_per_s >= CHOICE_WORTH_NS_PER_S;
}

/* What the socket can't carry at all is worth it anyway. */
static bool one_way_is_worth(const struct pair *pair, double rate_per_s)
{
    struct choice_prediction socket = { 0 }, ring = { 0 };

    choice_predict_one_way(&pair->socket, pair->rested, NS_A_S / rate_per_s, &socket);
    choice_predict_one_way(&pair->ring, pair->rested, NS_A_S / rate_per_s, &ring);
    if (socket.is_late || ring.is_late)
        return pair->ring.way_ns <= pair->socket.way_ns * CHOICE_WORTH_SHARE;
    return is_worth(&socket, &ring, rate_per_s);
}

/* By the rate that is seen on the socket, where the client's pause follows from it. Whoever asks as
 * soon as it is answered asks more often by the ring, so the pause is what both have in common. */
static bool answered_is_worth(const struct pair *pair, double rate_per_s)
{
    struct choice_prediction socket = { 0 }, ring = { 0 };
    double pause_ns = NS_A_S / rate_per_s - pair->socket.trip_ns;

    if (pause_ns < 0)
        pause_ns = 0;
    choice_predict_answered(&pair->socket, pair->rested, pause_ns, &socket);
    choice_predict_answered(&pair->ring, pair->rested, pause_ns, &ring);
    return is_worth(&socket, &ring, rate_per_s);
}

static struct choice_move move_make(
    const struct pair *pair, bool (*is_worth_at)(const struct pair *pair, double rate_per_s))
{
    double rate_per_s = 1, from_per_s = 0;

    for (unsigned i = 0; i < CHOICE_RATE_STEPS; i++, rate_per_s *= CHOICE_RATE_STEP) {
        if (!is_worth_at(pair, rate_per_s))
            from_per_s = 0;
        else if (from_per_s <= 0)
            from_per_s = rate_per_s;
    }
    if (from_per_s <= 0)
        return (struct choice_move){ .from_per_s = CHOICE_NEVER };
    uint32_t from = (uint32_t)from_per_s;
    return (struct choice_move){ .from_per_s = from, .back_per_s = from / 2 };
}

/* The size from which on a memfd is cheaper than the socket, for a message that comes alone. */
static size_t memfd_size(const struct choice_cost (*costs)[CHOICE_SIZES])
{
    size_t found = SIZE_MAX;

    for (size_t size = CHOICE_MEMFD_SIZE_MIN; size <= CHOICE_MEMFD_SIZE_MAX; size *= 2) {
        struct choice_cost socket, memory;
        if (!choice_cost_at(costs[CHOICE_SOCKET], size, &socket) ||
            !choice_cost_at(costs[CHOICE_MEMFD], size, &memory))
            return SIZE_MAX;
        bool is_cheaper = memory.asleep_ns + memory.trip_ns / 2 <=
                          (socket.asleep_ns + socket.trip_ns / 2) * CHOICE_WORTH_SHARE;
        if (!is_cheaper)
            found = SIZE_MAX;
        else if (found == SIZE_MAX)
            found = size;
    }
    return found;
}

void choice_thresholds_make(
    const struct choice_costs *costs, enum choice_place place, struct choice_thresholds *ret)
{
    const struct choice_cost(*here)[CHOICE_SIZES] = costs->of[place];
    static const struct choice_move never = { .from_per_s = CHOICE_NEVER };

    for (unsigned class = 0; class < CHOICE_CLASSES; class ++) {
        size_t size = choice_class_size_max(class);
        struct pair pair = { .rested = &costs->rested[place] };
        if (size == SIZE_MAX)
            size = choice_sizes[CHOICE_SIZES - 1];
        bool are_known = choice_cost_at(here[CHOICE_SOCKET], size, &pair.socket) &&
                         choice_cost_at(here[CHOICE_RING], size, &pair.ring);
        ret->one_way[class] = are_known ? move_make(&pair, one_way_is_worth) : never;
        ret->answered[class] = are_known ? move_make(&pair, answered_is_worth) : never;
    }
    ret->memfd_size_min = memfd_size(here);
}

/* Within a factor of two of each other. */
static bool are_alike(uint32_t one, uint32_t other)
{
    return one > 0 && other > 0 && one / 2 <= other && other / 2 <= one;
}

bool choice_is_for_ring(const struct choice_thresholds *thresholds, bool on_ring, size_t size,
    uint32_t sent_per_s, uint32_t received_per_s)
{
    unsigned class = choice_class(size);
    uint32_t rate_per_s = sent_per_s > received_per_s ? sent_per_s : received_per_s;
    const struct choice_move *one_way = &thresholds->one_way[class];
    const struct choice_move *answered = &thresholds->answered[class];
    const struct choice_move *move =
        are_alike(sent_per_s, received_per_s) && answered->from_per_s < one_way->from_per_s
            ? answered
            : one_way;

    return move->from_per_s != CHOICE_NEVER &&
           rate_per_s >= (on_ring ? move->back_per_s : move->from_per_s);
}
