/* choice.h - by which mechanism messages had best cross: predicted from what each was measured to
 * cost.
 *
 * What a message costs follows from whether its receiver sleeps: if so, it is woken, which costs
 * several times more than all else and hardly depends on what carries the message; if not, only
 * the carrying is left, and there memory is an order of magnitude ahead. Messages that come while
 * the receiver is being woken share the one wake-up. So few messages cost the same by any mechanism
 * and many do not. Two things are added up: the processor time of both sides, and the time that
 * somebody waits; a nanosecond of the one counts as much as one of the other.
 *
 * Pure: what the figures are, and where they are kept, is calibration.h's business.
 */
#ifndef FERRY_WIRE_CHOICE_H
#define FERRY_WIRE_CHOICE_H

#include "base/bytes.h"

#include <stdint.h>

enum choice_mechanism {
    CHOICE_PIPE,
    CHOICE_QUEUE,
    CHOICE_SOCKET,
    CHOICE_MEMFD, /* each message a sealed memfd that goes over a unix socket */
    CHOICE_RING,
    CHOICE_TCP,
    CHOICE_MECHANISMS
};

/* "pipe", "mq", "unix", "memfd", "ring", "tcp": what `ferry bench` calls them. */
const char *choice_name(enum choice_mechanism mechanism);

/* --- what a channel decides by ---------------------------------------------------------------- */

/* Sizes in classes, each four times the one before: up to 64 bytes, 256, 1k, 4k, 16k, 64k, 256k,
 * 1M, and all that is larger. */
#define CHOICE_CLASSES 9u

/* The class of a size. Some instructions, no loop. */
static inline unsigned choice_class(size_t size)
{
    if (size <= 64)
        return 0;
    unsigned bits = 64u - (unsigned)__builtin_clzll((unsigned long long)size - 1);
    return bits >= 22 ? CHOICE_CLASSES - 1 : (bits - 5) / 2;
}

/* The largest size of a class; SIZE_MAX for the last. */
size_t choice_class_size_max(unsigned class);

#define CHOICE_NEVER UINT32_MAX

/* When a channel moves. A rate is that of messages one way, a second; `back` is always less than
 * half of `from`, so that a rate that wavers moves nothing. Where answers follow requests the side
 * that waits can look out for them, and a ring pays much sooner. */
struct choice_thresholds {
    struct choice_move {
        uint32_t from_per_s; /* from here on the ring; CHOICE_NEVER: stay on the socket */
        uint32_t back_per_s; /* below, back; 0 where `from` is CHOICE_NEVER */
    } one_way[CHOICE_CLASSES], answered[CHOICE_CLASSES];
    /* From so many bytes on a message on the socket had better be a sealed memfd; SIZE_MAX: never.
     */
    size_t memfd_size_min;
};

/* Where a channel had better be, by what it has carried lately.
 *   on_ring         where it is
 *   size            bytes of a message, on average
 *   sent, received  messages a second: within a factor of two of each other, one answers the other
 * Returns whether on the ring. */
bool choice_is_for_ring(const struct choice_thresholds *thresholds, bool on_ring, size_t size,
    uint32_t sent_per_s, uint32_t received_per_s);

/* --- what it follows from --------------------------------------------------------------------- */

/* Sizes at which costs were measured; between them they are interpolated, and beyond the last they
 * grow as they did up to it. */
#define CHOICE_SIZES 5u
extern const size_t choice_sizes[CHOICE_SIZES];

/* What a message of one size costs by one mechanism, in nanoseconds; busy_ns 0: none is so large.
 */
struct choice_cost {
    double busy_ns;   /* processor time of both sides, while neither sleeps */
    double way_ns;    /* what it takes of the time then: 1 / throughput */
    double asleep_ns; /* processor time of both, if it wakes its receiver */
    double trip_ns;   /* until the answer comes, both asleep while they wait */
    /* The last two where both look out before they sleep, as a ring does; 0: nobody does. */
    double spun_ns, spun_trip_ns;
};

/* Two processes on two processors; on the same. */
enum choice_place { CHOICE_APART, CHOICE_TOGETHER, CHOICE_PLACES };

/* What is added, by whatever mechanism, to a message whose receiver has slept so long that its
 * processor does: CHOICE_RESTED_NS or more; less in proportion. */
struct choice_rest {
    double cpu_ns, wait_ns;
};

struct choice_costs {
    struct choice_rest rested[CHOICE_PLACES];
    struct choice_cost of[CHOICE_PLACES][CHOICE_MECHANISMS][CHOICE_SIZES];
};

/* At any size. False: the mechanism has no messages at all. */
bool choice_cost_at(
    const struct choice_cost costs[CHOICE_SIZES], size_t size, struct choice_cost *ret_cost);

/* From measurements on a virtual machine with two processors: right in what is dear and what is
 * cheap, for want of better. */
extern const struct choice_costs choice_costs_built_in;

void choice_thresholds_make(
    const struct choice_costs *costs, enum choice_place place, struct choice_thresholds *ret);

/* --- what is said of a workload --------------------------------------------------------------- */

struct workload {
    size_t size;        /* bytes of a message */
    double rate_per_s;  /* messages one way; 0: as many as can go */
    bool reliable;      /* each must arrive */
    bool descriptors;   /* each brings one */
    bool remote;        /* the other end is on another machine */
    bool answered;      /* each is a request whose sender waits for the answer */
    bool one_processor; /* for both ends */
};

struct choice_prediction {
    enum choice_mechanism mechanism;
    const char *excluded; /* why it is no candidate; NULL: it is one */
    double cpu_ns;        /* of both sides, a message */
    double wait_ns;       /* until it has come, or the answer has; of a flood: way_ns */
    double wakes;         /* wake-ups a message, 0 to 1 */
    bool looks_out;       /* its receiver need not be woken, because it looks out */
    bool is_late;         /* so many messages can't go: figures are those of as many as can */
    double most_per_s;    /* messages, or requests, that can */
};

/* All: candidates first, the best of them at the head. */
struct choice {
    struct choice_prediction ranking[CHOICE_MECHANISMS];
    size_t candidates; /* 0: nothing can, as descriptors to another machine */
};

void choice_make(
    const struct workload *workload, const struct choice_costs *costs, struct choice *ret_choice);
/* The sum by which they are ranked, but for a ring, which is to be better by a tenth. */
double choice_score(const struct choice_prediction *prediction);
/* Whether that place of the ranking has a ring that costs less than what stands before it: by no
 * more than chance, which is not enough for what takes memory. */
bool choice_is_held_back(const struct choice *choice, size_t place);
/* The one of a mechanism. */
const struct choice_prediction *choice_find(
    const struct choice *choice, enum choice_mechanism mechanism);

/* What the prediction is made of: at even distances, none of them 0; of requests, so long after the
 * answer. Both add to a prediction that has nothing else yet. */
void choice_predict_one_way(const struct choice_cost *cost, const struct choice_rest *rested,
    double gap_ns, struct choice_prediction *prediction);
void choice_predict_answered(const struct choice_cost *cost, const struct choice_rest *rested,
    double pause_ns, struct choice_prediction *prediction);

enum choice_place choice_place_of(const struct workload *workload);

/* Appends, in words, why the first is first: one line, without its end. */
void choice_explain(
    const struct workload *workload, const struct choice *choice, struct bytes *text);
/* Appends what would make it faster by a tenth at least: lines, none if nothing would. */
void choice_advise(const struct workload *workload, const struct choice_costs *costs,
    const struct choice *choice, struct bytes *text);

/* What the fixed rule takes that this is measured against: from 1 MB on memory; above 10,000
 * messages a second a socket if they must arrive, else a pipe; else a queue. It asks for nothing
 * else, so what it takes may be excluded. */
enum choice_mechanism choice_rule(const struct workload *workload);

#endif
