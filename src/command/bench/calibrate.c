/* calibrate.c - the costs of struct choice_costs, measured.
 *
 * Each is the least of what the rounds came to: what else the machine has to do makes a message
 * dearer, never cheaper.
 */
#include "command/bench/calibrate.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/date.h"
#include "command/bench/cases.h"
#include "command/limits.h"
#include "wire/limits.h"

#include <errno.h>
#include <string.h>

struct slot {
    enum choice_place place;
    enum choice_mechanism mechanism;
    size_t size; /* index of choice_sizes */
    enum { SLOT_ASLEEP, SLOT_LOOKS_OUT, SLOT_RESTED } what;
    int code;                 /* -errno: why it could not be measured */
    struct choice_cost least; /* all 0: not yet */
};

#define SLOTS_MAX (CHOICE_PLACES * ((CHOICE_MECHANISMS + 1) * CHOICE_SIZES + 1))

struct calibrate {
    const struct bench_method *method;
    const int *cpus;
    struct slot *slots;
    size_t count;
    struct bench_case *one; /* under way */
};

/* It takes two processors that we may use, or one that both ends can be put on. */
static bool is_measured(const struct calibrate *calibrate, enum choice_place place)
{
    const int *cpus = calibrate->cpus;
    return place == CHOICE_APART ? cpus[0] < 0 || cpus[0] != cpus[1] : cpus[0] >= 0;
}

static void slots_make(struct calibrate *calibrate)
{
    for (unsigned place = 0; place < CHOICE_PLACES; place++) {
        if (!is_measured(calibrate, place))
            continue;
        calibrate->slots[calibrate->count++] =
            (struct slot){ .place = place, .mechanism = CHOICE_SOCKET, .what = SLOT_RESTED };
        for (size_t size = 0; size < CHOICE_SIZES; size++) {
            for (unsigned i = 0; i < CHOICE_MECHANISMS; i++)
                calibrate->slots[calibrate->count++] =
                    (struct slot){ .place = place, .mechanism = i, .size = size };
            if (place == CHOICE_APART)
                calibrate->slots[calibrate->count++] = (struct slot){
                    .place = place, .mechanism = CHOICE_RING, .size = size, .what = SLOT_LOOKS_OUT
                };
        }
    }
}

/* --- a slice ---------------------------------------------------------------------------------- */

static double each(int64_t amount, uint64_t count)
{
    return count > 0 ? (double)amount / (double)count : 0;
}

/* Of who has rested, what it costs one way. */
static struct choice_cost sample_make(const struct bench_case *one, const struct slot *slot)
{
    double cpu_ns = each(one->trips.cpu_ns, one->trips.messages);
    double trip_ns = (double)times_quantile(&one->times, 500);

    if (slot->what == SLOT_RESTED)
        return (struct choice_cost){ .asleep_ns = each(one->one_way.cpu_ns, one->one_way.messages),
            .trip_ns = 2 * (double)times_quantile(&one->ways, 500) };
    if (slot->what == SLOT_LOOKS_OUT)
        return (struct choice_cost){ .spun_ns = cpu_ns, .spun_trip_ns = trip_ns };
    return (struct choice_cost){ .busy_ns = each(one->one_way.cpu_ns, one->one_way.messages),
        .way_ns = each(one->one_way.time_ns, one->one_way.messages),
        .asleep_ns = cpu_ns,
        .trip_ns = trip_ns };
}

/* Of the numbers that one of both lacks, the other's. */
static void lower(double *number, double sample)
{
    if (sample > 0 && (*number <= 0 || sample < *number))
        *number = sample;
}

static void cost_lower(struct choice_cost *cost, const struct choice_cost *sample)
{
    lower(&cost->busy_ns, sample->busy_ns);
    lower(&cost->way_ns, sample->way_ns);
    lower(&cost->asleep_ns, sample->asleep_ns);
    lower(&cost->trip_ns, sample->trip_ns);
    lower(&cost->spun_ns, sample->spun_ns);
    lower(&cost->spun_trip_ns, sample->spun_trip_ns);
}

static void slot_run(struct calibrate *calibrate, struct slot *slot)
{
    struct bench_case *one = calibrate->one;

    if (slot->code < 0)
        return;
    memset(one, 0, sizeof(*one));
    one->crossing = (struct crossing){ .mechanism = mechanism_find(choice_name(slot->mechanism)),
        .wait = slot->what == SLOT_LOOKS_OUT ? BENCH_ADAPTIVE : BENCH_SLEEP,
        .size = choice_sizes[slot->size],
        .rate = slot->what == SLOT_RESTED ? (double)NS_PER_S / CHOICE_RESTED_NS : 0,
        .span_ns = calibrate->method->slice_ms * NS_PER_MS,
        .cpus = { calibrate->cpus[0], calibrate->cpus[slot->place == CHOICE_APART ? 1 : 0] } };
    bench_case_run(one);
    slot->code = one->code;
    if (one->code < 0)
        return;
    struct choice_cost sample = sample_make(one, slot);
    cost_lower(&slot->least, &sample);
}

/* --- all of them ------------------------------------------------------------------------------ */

/* Without these nothing is compared. */
static int check(const struct calibrate *calibrate)
{
    for (size_t i = 0; i < calibrate->count; i++) {
        const struct slot *slot = &calibrate->slots[i];
        bool needed = slot->mechanism == CHOICE_SOCKET || slot->mechanism == CHOICE_RING;
        if (needed && slot->size == 0 && slot->code < 0)
            return slot->code;
    }
    return 0;
}

static void slot_settle(const struct slot *slot, struct choice_costs *costs)
{
    struct choice_rest *rested = &costs->rested[slot->place];

    if (slot->what == SLOT_RESTED)
        *rested = (struct choice_rest){ slot->least.asleep_ns, slot->least.trip_ns / 2 };
    else
        cost_lower(&costs->of[slot->place][slot->mechanism][slot->size], &slot->least);
}

/* What a message costs at most a smaller one costs too, if the rest was chance. */
static void sizes_settle(struct choice_cost costs[CHOICE_SIZES])
{
    for (size_t i = CHOICE_SIZES - 1; i-- > 0;)
        if (costs[i].busy_ns > 0)
            cost_lower(&costs[i], &costs[i + 1]);
}

static double above(double whole, double part)
{
    return whole > part ? whole - part : 0;
}

/* Of what it costs to wake who has rested, what is added to what it costs anyway. */
static void rest_settle(struct choice_rest *rested, const struct choice_cost *cost)
{
    rested->cpu_ns = above(rested->cpu_ns, cost->asleep_ns);
    rested->wait_ns = above(rested->wait_ns, cost->trip_ns / 2);
}

/* What could not be measured here is as it is built in. */
static void place_settle(enum choice_place place, bool measured, struct choice_costs *costs)
{
    if (!measured) {
        costs->rested[place] = choice_costs_built_in.rested[place];
        memcpy(costs->of[place], choice_costs_built_in.of[place], sizeof(costs->of[place]));
        return;
    }
    for (unsigned i = 0; i < CHOICE_MECHANISMS; i++)
        sizes_settle(costs->of[place][i]);
    rest_settle(&costs->rested[place], &costs->of[place][CHOICE_SOCKET][0]);
}

static void settle(const struct calibrate *calibrate, struct choice_costs *costs)
{
    memset(costs, 0, sizeof(*costs));
    for (size_t i = 0; i < calibrate->count; i++)
        if (calibrate->slots[i].code == 0)
            slot_settle(&calibrate->slots[i], costs);
    for (unsigned place = 0; place < CHOICE_PLACES; place++)
        place_settle(place, is_measured(calibrate, place), costs);
}

/* False: the time is over, which the last round did not wait for. */
static bool round_run(struct calibrate *calibrate, unsigned round, struct slices *slices)
{
    for (size_t i = 0; i < calibrate->count; i++) {
        if (!slices_step(slices, "calibration"))
            return false;
        slot_run(calibrate, &calibrate->slots[round % 2 ? calibrate->count - 1 - i : i]);
    }
    return true;
}

int calibrate_run(
    const struct bench_method *method, struct slices *slices, struct calibrate_result *ret_result)
{
    AUTO_FREE struct slot *slots = calloc(SLOTS_MAX, sizeof(*slots));
    AUTO_FREE struct bench_case *one = calloc(1, sizeof(*one));
    struct calibrate calibrate = {
        .method = method, .cpus = method->cpus, .slots = slots, .one = one
    };
    int64_t before_ns = clock_now_ns();
    double load = 0;
    unsigned round = 0;

    if (!slots || !one)
        return -ENOMEM;
    (void)getloadavg(&load, 1);
    slots_make(&calibrate);
    size_t all = method->rounds * calibrate.count;
    slices_begin(slices, all, (int64_t)all * 2 * (method->slice_ms + BENCH_LATE_MS), CALIBRATE_MS);
    slices_part(slices, all, CALIBRATE_MS);
    while (round < method->rounds && round_run(&calibrate, round, slices))
        round++;
    int code = check(&calibrate);
    if (code < 0)
        return code;
    *ret_result = (struct calibrate_result){ .rounds = round,
        .time_ns = clock_now_ns() - before_ns,
        .load = load,
        .found = { .time_s = date_now_ns() / NS_PER_S } };
    machine_read(&ret_result->found.machine);
    settle(&calibrate, &ret_result->found.costs);
    return 0;
}
