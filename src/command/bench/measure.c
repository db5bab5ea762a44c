/* measure.c - which cases there are, and all of them measured.
 *
 * Claims are no measurement: they are judged by messages and descriptors, which are measured for
 * them where they are not asked for.
 */
#include "command/bench/measure.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "command/bench/tuned.h"

#include <errno.h>
#include <string.h>

static int cases_reserve(struct bench_cases *cases, size_t count)
{
    cases->list = calloc(count, sizeof(*cases->list));
    return cases->list ? 0 : -ENOMEM;
}

static void cases_add(
    struct bench_cases *cases, const struct bench_method *method, struct crossing crossing)
{
    crossing.span_ns = method->slice_ms * NS_PER_MS;
    crossing.rate = method->rate;
    memcpy(crossing.cpus, method->cpus, sizeof(crossing.cpus));
    cases->list[cases->count++].crossing = crossing;
}

/* --- crossings -------------------------------------------------------------------------------- */

static bool is_wanted(const struct bench_choice *choice, const struct bench_method *method,
    const struct mechanism *mechanism, unsigned wait)
{
    bool shared = method->cpus[0] >= 0 && method->cpus[0] == method->cpus[1];

    bool named = choice->mechanisms & 1u << (mechanism - bench_mechanisms);

    if (!named &&
        (mechanism->is_peer ? !choice->peers : mechanism->is_forced || choice->mechanisms != 0))
        return false;
    if (choice->waits && !(choice->waits & 1u << wait))
        return false;
    /* Who spins where the other is to run waits for itself. */
    return wait == BENCH_SLEEP || (!shared && (wait == BENCH_SPIN || mechanism->is_adaptive));
}

static void size_add(
    const struct bench_choice *choice, size_t size, struct bench_findings *findings)
{
    for (size_t i = 0; i < bench_mechanism_count; i++)
        for (unsigned wait = 0; wait < BENCH_WAIT_COUNT; wait++)
            if (is_wanted(choice, &findings->method, &bench_mechanisms[i], wait))
                cases_add(&findings->crossings, &findings->method,
                    (struct crossing){
                        .mechanism = &bench_mechanisms[i], .wait = wait, .size = size });
}

/* One kind of message for a table, and a row of them where curves are drawn. */
static int crossings_make(const struct bench_choice *choice, struct bench_findings *findings)
{
    static const size_t usual[] = { 64, 1 << 10, 64 << 10, 1 << 20 };
    static const size_t row[] = { 64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20,
        4 << 20 };
    bool drawn = findings->parts != 1u << BENCH_CROSSINGS;
    const size_t *sizes = choice->size_count ? choice->sizes : drawn ? row : usual;
    size_t count = choice->size_count ? choice->size_count
                   : drawn            ? COUNT_OF(row)
                                      : COUNT_OF(usual);
    int code = cases_reserve(
        &findings->crossings, count * bench_mechanism_count * (size_t)BENCH_WAIT_COUNT);

    for (size_t i = 0; i < count && code == 0; i++)
        size_add(choice, sizes[i], findings);
    return code < 0 || findings->crossings.count ? code : -EINVAL;
}

static int claims_make(struct bench_findings *findings)
{
    int code = cases_reserve(&findings->crossings, CLAIM_CASE_COUNT);

    if (code < 0)
        return code;
    claims_cases(
        findings->method.slice_ms * NS_PER_MS, findings->method.cpus, findings->crossings.list);
    findings->crossings.count = CLAIM_CASE_COUNT;
    return 0;
}

/* --- buffers ---------------------------------------------------------------------------------- */

static int buffers_make(struct bench_findings *findings)
{
    static const char *const mechanisms[] = { "pipe", "unix", "tcp" };
    int code = cases_reserve(&findings->buffers, COUNT_OF(mechanisms) * BUFFER_STEP_COUNT);

    for (size_t i = 0; i < BUFFER_STEP_COUNT && code == 0; i++)
        for (size_t j = 0; j < COUNT_OF(mechanisms); j++)
            cases_add(&findings->buffers, &findings->method,
                (struct crossing){ .mechanism = mechanism_find(mechanisms[j]),
                    .wait = BENCH_SLEEP,
                    .size = BUFFER_MESSAGE_SIZE,
                    .buffer = (size_t)BUFFER_STEP_MIN << 2 * i });
    return code;
}

/* --- profiles --------------------------------------------------------------------------------- */

static int profiles_make(struct bench_findings *findings)
{
    static const size_t sizes[] = { PROFILE_SIZE_SMALL, PROFILE_SIZE_LARGE };
    int code = cases_reserve(&findings->profiles, COUNT_OF(sizes) * TUNED_COUNT);

    for (size_t i = 0; i < COUNT_OF(sizes) && code == 0; i++)
        for (size_t j = 0; j < TUNED_COUNT; j++)
            cases_add(&findings->profiles, &findings->method,
                (struct crossing){ .mechanism = mechanism_find("tcp"),
                    .wait = BENCH_SLEEP,
                    .size = sizes[i],
                    .profile = tuned_profiles[j] });
    return code;
}

/* --- all of it -------------------------------------------------------------------------------- */

static int parts_make(const struct bench_choice *choice, struct bench_findings *findings)
{
    int code = 0;

    if (bench_has(findings, BENCH_CROSSINGS))
        code = crossings_make(choice, findings);
    else if (bench_has(findings, BENCH_CLAIMS))
        code = claims_make(findings);
    if (code == 0 && bench_has(findings, BENCH_BUFFERS))
        code = buffers_make(findings);
    if (code == 0 && bench_has(findings, BENCH_PROFILES))
        code = profiles_make(findings);
    return code;
}

/* --- how long it takes ------------------------------------------------------------------------ */

/* What there is of one kind. */
struct load {
    size_t cases;    /* each of which is a slice, as the slices has them, of a round */
    size_t ways;     /* of all cases: so often something is measured in a round */
    int64_t late_ms; /* that a round takes besides */
    int64_t once_ms; /* that all rounds take besides */
};

static struct load cases_load(const struct bench_cases *cases)
{
    struct load load = { .cases = cases->count, .ways = 2 * cases->count };

    for (size_t i = 0; i < cases->count; i++) {
        const struct crossing *crossing = &cases->list[i].crossing;
        load.late_ms += 2 * (BENCH_LATE_MS + (int64_t)(crossing->size / BENCH_LATE_BYTES) +
                                crossing->mechanism->late_ms);
    }
    return load;
}

static struct load ready_load(const struct bench_findings *findings)
{
    bool needed = bench_has(findings, BENCH_READY) || bench_has(findings, BENCH_CLAIMS);
    size_t cases = needed ? READY_CASE_COUNT : 0;
    return (struct load){ cases, cases, 0, needed ? READY_LATE_MS : 0 };
}

static struct load steps_load(const struct bench_findings *findings)
{
    size_t cases = bench_has(findings, BENCH_STEPS) ? STEP_COUNT : 0;
    return (struct load){ .cases = cases, .ways = cases };
}

static struct load load_sum(const struct bench_findings *findings)
{
    const struct load loads[] = { cases_load(&findings->crossings), cases_load(&findings->buffers),
        cases_load(&findings->profiles), ready_load(findings), steps_load(findings) };
    struct load sum = { 0 };

    for (size_t i = 0; i < COUNT_OF(loads); i++) {
        sum.cases += loads[i].cases;
        sum.ways += loads[i].ways;
        sum.late_ms += loads[i].late_ms;
        sum.once_ms += loads[i].once_ms;
    }
    return sum;
}

static int64_t load_ms(const struct load *load, const struct bench_method *method)
{
    return load->once_ms +
           method->rounds * (load->late_ms + (int64_t)load->ways * method->slice_ms);
}

static void spans_set(struct bench_cases *cases, int64_t slice_ms)
{
    for (size_t i = 0; i < cases->count; i++)
        cases->list[i].crossing.span_ns = slice_ms * NS_PER_MS;
}

/* Shorter slices, of a millisecond at least, and then fewer rounds: until it fits, or is the least
 * that there is. */
static void budget_fit(struct bench_findings *findings)
{
    struct bench_method *method = &findings->method;
    struct load all = load_sum(findings);
    int64_t round_ms = (method->budget_ms - all.once_ms) / method->rounds;
    int64_t slice_ms = (round_ms - all.late_ms) / (int64_t)all.ways;

    if (slice_ms < method->slice_ms)
        method->slice_ms = slice_ms > 1 ? slice_ms : 1;
    int64_t least_ms = all.late_ms + (int64_t)all.ways * method->slice_ms;
    int64_t rounds = (method->budget_ms - all.once_ms) / least_ms;
    if (rounds < method->rounds)
        method->rounds = rounds > 1 ? (unsigned)rounds : 1;
    spans_set(&findings->crossings, method->slice_ms);
    spans_set(&findings->buffers, method->slice_ms);
    spans_set(&findings->profiles, method->slice_ms);
}

/* --- all of it, in its turn ------------------------------------------------------------------- */

static void slices_start(struct slices *slices, struct bench_findings *findings)
{
    const struct bench_method *method = &findings->method;
    struct load all = load_sum(findings);

    findings->estimate_ms = load_ms(&all, method);
    slices_begin(slices, method->rounds * all.cases, findings->estimate_ms,
        method->budget_ms ? method->budget_ms
                          : BENCH_LIMIT_TIMES * findings->estimate_ms + BENCH_LIMIT_MS);
}

static void part_start(
    struct slices *slices, const struct bench_findings *findings, struct load load)
{
    const struct bench_method *method = &findings->method;
    slices_part(slices, method->rounds * load.cases, load_ms(&load, method));
}

static void cases_run(
    struct slices *slices, struct bench_findings *findings, struct bench_cases *cases)
{
    part_start(slices, findings, cases_load(cases));
    bench_cases_run(cases, findings->method.rounds, slices, &findings->lines);
}

static int parts_run(struct bench_findings *findings)
{
    struct slices slices;
    unsigned rounds = findings->method.rounds;
    int64_t span_ns = findings->method.slice_ms * NS_PER_MS;
    struct load ready = ready_load(findings), steps = steps_load(findings);
    int code = 0;

    slices_start(&slices, findings);
    cases_run(&slices, findings, &findings->crossings);
    cases_run(&slices, findings, &findings->buffers);
    cases_run(&slices, findings, &findings->profiles);
    part_start(&slices, findings, ready);
    if (ready.cases)
        code = ready_run(span_ns, rounds, &slices, &findings->ready);
    part_start(&slices, findings, steps);
    if (code == 0 && steps.cases)
        steps_run(span_ns, rounds, &slices, findings->steps);
    if (code == 0 && bench_has(findings, BENCH_CLAIMS))
        claims_judge(&findings->crossings, &findings->ready, findings->claims);
    slices_end();
    findings->is_cut = slices.is_cut;
    return code;
}

int measure(
    const struct bench_choice *choice, struct bench_findings *findings, const char **ret_thing)
{
    int64_t started_ns = clock_now_ns();

    if (findings->parts & ~(1u << BENCH_READY | 1u << BENCH_STEPS))
        bench_cpus(findings->method.cpus);
    if (choice->one_cpu)
        findings->method.cpus[1] = findings->method.cpus[0];
    int code = parts_make(choice, findings);
    if (code < 0) {
        *ret_thing = "memory";
        return code;
    }
    if (findings->method.budget_ms)
        budget_fit(findings);
    code = parts_run(findings);
    if (code < 0)
        *ret_thing = "descriptors that are watched";
    findings->took_ms = (clock_now_ns() - started_ns) / NS_PER_MS;
    return code;
}
