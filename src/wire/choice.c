/* choice.c - what a message will cost by each mechanism, and in which order that puts them.
 *
 * One way, at even distances `gap`, by a mechanism whose receiver takes `wake` from being woken
 * until it has the message (half of a round trip asleep): whoever comes meanwhile needs no wake-up
 * of its own, so one wake-up serves 1 + wake/gap messages, and those that come in the midst wait
 * for half of it on average. A receiver that is busy for a share of the time does not sleep in that
 * share. A ring's receiver looks out for a while before it sleeps: messages that are no further
 * apart never wake it, but its processor is busy all of the time.
 *
 * Requests that are answered: both sides wait for each other each time, and are woken, unless they
 * look out and the client's pause between an answer and its next request is shorter than that.
 */
#include "wire/choice.h"
#include "base/cleanup.h"
#include "wire/limits.h"

#include <assert.h>

#define NS_A_S 1e9

const size_t choice_sizes[CHOICE_SIZES] = { 64, 4 << 10, 64 << 10, 1 << 20, 4 << 20 };

static const char *const names[CHOICE_MECHANISMS] = { [CHOICE_PIPE] = "pipe",
    [CHOICE_QUEUE] = "mq",
    [CHOICE_SOCKET] = "unix",
    [CHOICE_MEMFD] = "memfd",
    [CHOICE_RING] = "ring",
    [CHOICE_TCP] = "tcp" };

const char *choice_name(enum choice_mechanism mechanism)
{
    return names[mechanism];
}

/* --- costs of any size ------------------------------------------------------------------------ */

/* Where chance let a large message cost less than a small one, a larger one costs the same. */
static double between(double from, double to, double share)
{
    return share > 1 && to < from ? to : from + (to - from) * share;
}

/* On the line through two of the measured sizes; false: the mechanism has none. */
bool choice_cost_at(
    const struct choice_cost costs[CHOICE_SIZES], size_t size, struct choice_cost *ret_cost)
{
    size_t right = 0, last = CHOICE_SIZES;

    while (last > 0 && !(costs[last - 1].busy_ns > 0))
        last--;
    if (last == 0)
        return false;
    while (right + 1 < last && choice_sizes[right] < size)
        right++;
    size_t left = right > 0 ? right - 1 : 0;
    const struct choice_cost *from = &costs[left], *to = &costs[right];
    double share = left == right ? 0
                                 : (double)(size - choice_sizes[left]) /
                                       (double)(choice_sizes[right] - choice_sizes[left]);
    *ret_cost = (struct choice_cost){ .busy_ns = between(from->busy_ns, to->busy_ns, share),
        .way_ns = between(from->way_ns, to->way_ns, share),
        .asleep_ns = between(from->asleep_ns, to->asleep_ns, share),
        .trip_ns = between(from->trip_ns, to->trip_ns, share),
        .spun_ns = between(from->spun_ns, to->spun_ns, share),
        .spun_trip_ns = between(from->spun_trip_ns, to->spun_trip_ns, share) };
    return true;
}

/* --- predictions ------------------------------------------------------------------------------ */

static bool can_look_out(const struct choice_cost *cost)
{
    return cost->spun_trip_ns > 0 && cost->spun_trip_ns < cost->trip_ns;
}

static void predict_flood(const struct choice_cost *cost, struct choice_prediction *prediction)
{
    prediction->cpu_ns = cost->busy_ns;
    prediction->wait_ns = cost->way_ns;
}

/* How much of it is added after so long a sleep. */
static double rested_share(double slept_ns)
{
    return slept_ns < CHOICE_RESTED_NS ? slept_ns / CHOICE_RESTED_NS : 1;
}

void choice_predict_one_way(const struct choice_cost *cost, const struct choice_rest *rested,
    double gap_ns, struct choice_prediction *prediction)
{
    double rest = rested_share(gap_ns), asleep_ns = cost->asleep_ns + rest * rested->cpu_ns;
    double wake_ns = cost->trip_ns / 2 + rest * rested->wait_ns, shared = 1 + wake_ns / gap_ns;

    if (cost->way_ns >= gap_ns) {
        predict_flood(cost, prediction);
        prediction->is_late = cost->way_ns > gap_ns;
        return;
    }
    if (can_look_out(cost) && gap_ns <= CHOICE_LOOK_OUT_NS) {
        prediction->looks_out = true;
        prediction->cpu_ns = cost->busy_ns / 2 + gap_ns;
        /* Copied in and copied out, one after the other; a trip may be too long to look out for. */
        double copied_ns = cost->busy_ns + CHOICE_HAND_OVER_NS;
        prediction->wait_ns =
            copied_ns < cost->spun_trip_ns / 2 ? copied_ns : cost->spun_trip_ns / 2;
        return;
    }
    double idle = 1 - cost->way_ns / gap_ns;
    prediction->wakes = idle / shared;
    prediction->cpu_ns = asleep_ns * prediction->wakes + cost->busy_ns * (1 - prediction->wakes);
    prediction->wait_ns =
        idle * wake_ns * (1 + wake_ns / gap_ns / 2) / shared + (1 - idle) * cost->way_ns;
}

/*   pause_ns  between an answer and the next request */
void choice_predict_answered(const struct choice_cost *cost, const struct choice_rest *rested,
    double pause_ns, struct choice_prediction *prediction)
{
    double rest = rested_share(pause_ns);

    if (can_look_out(cost) && pause_ns <= CHOICE_LOOK_OUT_NS) {
        prediction->looks_out = true;
        /* Two messages; in the pause it is the server who looks out. */
        prediction->cpu_ns = cost->spun_ns + pause_ns / 2;
        prediction->wait_ns = cost->spun_trip_ns;
        return;
    }
    prediction->wakes = 1;
    /* Only the server has slept long, and of two messages one wakes it. */
    prediction->cpu_ns = cost->asleep_ns + rest * rested->cpu_ns / 2;
    prediction->wait_ns = cost->trip_ns + rest * rested->wait_ns;
}

/* What is left of the distance between requests once one is answered; the one who looks out is
 * answered sooner. */
static void predict_requests(const struct choice_cost *cost, const struct choice_rest *rested,
    double gap_ns, struct choice_prediction *prediction)
{
    double trip_ns = can_look_out(cost) && gap_ns <= cost->spun_trip_ns + CHOICE_LOOK_OUT_NS
                         ? cost->spun_trip_ns
                         : cost->trip_ns;

    choice_predict_answered(cost, rested, gap_ns > trip_ns ? gap_ns - trip_ns : 0, prediction);
    prediction->is_late = prediction->wait_ns > gap_ns;
}

static void predict(const struct workload *workload, const struct choice_cost *cost,
    const struct choice_rest *rested, struct choice_prediction *prediction)
{
    double gap_ns = workload->rate_per_s > 0 ? NS_A_S / workload->rate_per_s : 0;

    if (workload->answered && gap_ns > 0)
        predict_requests(cost, rested, gap_ns, prediction);
    else if (workload->answered)
        choice_predict_answered(cost, rested, 0, prediction);
    else if (gap_ns > 0)
        choice_predict_one_way(cost, rested, gap_ns, prediction);
    else
        predict_flood(cost, prediction);
    prediction->most_per_s = NS_A_S / (workload->answered ? prediction->wait_ns : cost->way_ns);
}

/* --- the order -------------------------------------------------------------------------------- */

static const char *why_not(const struct workload *workload, enum choice_mechanism mechanism)
{
    if (workload->remote && mechanism != CHOICE_TCP)
        return "the other end is on another machine";
    if (workload->descriptors && mechanism == CHOICE_RING)
        return "memory passes no descriptors; an auto: channel sends what has some by its socket";
    if (workload->descriptors && mechanism != CHOICE_SOCKET && mechanism != CHOICE_MEMFD)
        return "only a unix socket passes descriptors";
    if (mechanism == CHOICE_QUEUE && workload->size > CHOICE_QUEUE_SIZE_MAX)
        return "a message of a queue has 8 KiB at most (fs.mqueue.msgsize_max)";
    if (mechanism == CHOICE_RING && workload->size > CHOICE_RING_SIZE_MAX)
        return "a record has an eighth of its ring, whose largest is 1 GiB";
    return NULL;
}

double choice_score(const struct choice_prediction *prediction)
{
    return prediction->cpu_ns + prediction->wait_ns;
}

/* A ring is to be better by more than chance: it takes memory, and its receiver looks out in vain
 * for what comes too late. */
static double rank(const struct choice_prediction *prediction)
{
    double score = choice_score(prediction);
    return prediction->mechanism == CHOICE_RING ? score / CHOICE_CHANCE_SHARE : score;
}

/* Whoever keeps up stands before whoever does not: there the queue only grows. */
static bool is_before(const struct choice_prediction *one, const struct choice_prediction *other)
{
    if (!one->excluded != !other->excluded)
        return !one->excluded;
    if (one->excluded)
        return false;
    if (one->is_late != other->is_late)
        return !one->is_late;
    return one->is_late ? one->most_per_s > other->most_per_s : rank(one) < rank(other);
}

bool choice_is_held_back(const struct choice *choice, size_t place)
{
    const struct choice_prediction *one = &choice->ranking[place];

    if (one->mechanism != CHOICE_RING || one->excluded || one->is_late || place == 0)
        return false;
    return choice_score(one) < choice_score(&choice->ranking[place - 1]);
}

static void ranking_add(struct choice *choice, size_t count, struct choice_prediction prediction)
{
    size_t place = count;

    for (; place > 0 && is_before(&prediction, &choice->ranking[place - 1]); place--)
        choice->ranking[place] = choice->ranking[place - 1];
    choice->ranking[place] = prediction;
    choice->candidates += !prediction.excluded;
}

enum choice_place choice_place_of(const struct workload *workload)
{
    return workload->one_processor ? CHOICE_TOGETHER : CHOICE_APART;
}

void choice_make(
    const struct workload *workload, const struct choice_costs *costs, struct choice *ret_choice)
{
    *ret_choice = (struct choice){ .candidates = 0 };
    for (unsigned i = 0; i < CHOICE_MECHANISMS; i++) {
        struct choice_prediction prediction = { .mechanism = i, .excluded = why_not(workload, i) };
        struct choice_cost cost;
        if (choice_cost_at(costs->of[choice_place_of(workload)][i], workload->size, &cost))
            predict(workload, &cost, &costs->rested[choice_place_of(workload)], &prediction);
        else if (!prediction.excluded)
            prediction.excluded = "it could not be measured here";
        ranking_add(ret_choice, i, prediction);
    }
}

const struct choice_prediction *choice_find(
    const struct choice *choice, enum choice_mechanism mechanism)
{
    size_t i = 0;

    while (choice->ranking[i].mechanism != mechanism)
        i++;
    return &choice->ranking[i];
}

enum choice_mechanism choice_rule(const struct workload *workload)
{
    if (workload->size >= CHOICE_RULE_SIZE)
        return CHOICE_RING;
    if (workload->rate_per_s <= 0 || workload->rate_per_s > CHOICE_RULE_PER_S)
        return workload->reliable ? CHOICE_SOCKET : CHOICE_PIPE;
    return CHOICE_QUEUE;
}

/* --- built in --------------------------------------------------------------------------------- */

const struct choice_costs choice_costs_built_in = {
    .rested = { [CHOICE_APART] = { 40000, 25000 }, [CHOICE_TOGETHER] = { 11000, 11000 } },
    .of = {
        [CHOICE_APART] = {
            [CHOICE_PIPE] = {
                { 1180, 730, 18500, 49100, 0, 0 },
                { 3170, 1920, 18700, 48700, 0, 0 },
                { 56200, 63400, 30200, 71300, 0, 0 },
                { 841000, 1150000, 795000, 2070000, 0, 0 },
                { 3910000, 5410000, 4060000, 9780000, 0, 0 },
            },
            [CHOICE_QUEUE] = {
                { 2560, 2970, 18200, 48400, 0, 0 },
                { 2970, 2440, 20000, 50800, 0, 0 },
            },
            [CHOICE_SOCKET] = {
                { 1690, 1160, 20600, 52900, 0, 0 },
                { 3240, 2180, 20900, 53200, 0, 0 },
                { 21600, 16000, 30800, 68200, 0, 0 },
                { 284000, 224000, 323000, 607000, 0, 0 },
                { 1260000, 1040000, 1260000, 1990000, 0, 0 },
            },
            [CHOICE_MEMFD] = {
                { 14800, 11100, 37600, 84600, 0, 0 },
                { 14400, 10900, 36800, 82300, 0, 0 },
                { 53800, 38800, 58000, 124000, 0, 0 },
                { 512000, 381000, 415000, 822000, 0, 0 },
                { 1950000, 1850000, 1540000, 3170000, 0, 0 },
            },
            [CHOICE_RING] = {
                { 48, 30.2, 19100, 52400, 605, 504 },
                { 572, 339, 18200, 49100, 2310, 2030 },
                { 8240, 5600, 25400, 61800, 25500, 61500 },
                { 125000, 82400, 211000, 434000, 204000, 413000 },
                { 866000, 685000, 973000, 1950000, 1020000, 2030000 },
            },
            [CHOICE_TCP] = {
                { 1170, 982, 21700, 53300, 0, 0 },
                { 4320, 3230, 21700, 53400, 0, 0 },
                { 18400, 13300, 34600, 76400, 0, 0 },
                { 401000, 339000, 462000, 746000, 0, 0 },
                { 1700000, 1610000, 1780000, 2900000, 0, 0 },
            },
        },
        [CHOICE_TOGETHER] = {
            [CHOICE_PIPE] = {
                { 425, 446, 1640, 2860, 0, 0 },
                { 1000, 1030, 1680, 2950, 0, 0 },
                { 9330, 9930, 8210, 14800, 0, 0 },
                { 155000, 171000, 188000, 367000, 0, 0 },
                { 711000, 760000, 837000, 1670000, 0, 0 },
            },
            [CHOICE_QUEUE] = {
                { 880, 935, 1740, 3120, 0, 0 },
                { 1270, 1310, 2050, 3590, 0, 0 },
            },
            [CHOICE_SOCKET] = {
                { 787, 819, 2110, 3670, 0, 0 },
                { 1250, 1250, 2450, 4260, 0, 0 },
                { 7080, 7170, 7420, 13600, 0, 0 },
                { 102000, 106000, 129000, 250000, 0, 0 },
                { 469000, 491000, 565000, 1120000, 0, 0 },
            },
            [CHOICE_MEMFD] = {
                { 11200, 12600, 14200, 26800, 0, 0 },
                { 11200, 12000, 14500, 27900, 0, 0 },
                { 38800, 40900, 31800, 61800, 0, 0 },
                { 339000, 366000, 333000, 636000, 0, 0 },
                { 1310000, 1450000, 1440000, 2840000, 0, 0 },
            },
            [CHOICE_RING] = {
                { 44, 44.5, 1470, 2500, 0, 0 },
                { 247, 262, 1760, 3000, 0, 0 },
                { 3710, 3880, 5490, 9650, 0, 0 },
                { 133000, 162000, 154000, 277000, 0, 0 },
                { 929000, 1160000, 886000, 1760000, 0, 0 },
            },
            [CHOICE_TCP] = {
                { 496, 542, 3190, 5610, 0, 0 },
                { 2360, 2480, 3410, 5910, 0, 0 },
                { 29100, 29300, 8450, 15400, 0, 0 },
                { 362000, 437000, 258000, 522000, 0, 0 },
                { 984000, 1200000, 1120000, 2760000, 0, 0 },
            },
        },
    },
};
