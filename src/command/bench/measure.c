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

static bool needs_ready(const struct bench_findings *findings)
{
    return bench_has(findings, BENCH_READY) || bench_has(findings, BENCH_CLAIMS);
}

static size_t slices_count(const struct bench_findings *findings)
{
    return findings->method.rounds *
           (findings->crossings.count + findings->buffers.count + findings->profiles.count +
               (needs_ready(findings) ? READY_CASE_COUNT : 0) +
               (bench_has(findings, BENCH_STEPS) ? STEP_COUNT : 0));
}

static int parts_run(struct bench_findings *findings)
{
    struct progress progress = { .all = slices_count(findings) };
    unsigned rounds = findings->method.rounds;
    int64_t span_ns = findings->method.slice_ms * NS_PER_MS;
    int code = 0;

    bench_cases_run(&findings->crossings, rounds, &progress);
    bench_cases_run(&findings->buffers, rounds, &progress);
    bench_cases_run(&findings->profiles, rounds, &progress);
    if (needs_ready(findings))
        code = ready_run(span_ns, rounds, &progress, &findings->ready);
    if (code == 0 && bench_has(findings, BENCH_STEPS))
        steps_run(span_ns, rounds, &progress, findings->steps);
    if (code == 0 && bench_has(findings, BENCH_CLAIMS))
        claims_judge(&findings->crossings, &findings->ready, findings->claims);
    progress_end();
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
    code = parts_run(findings);
    if (code < 0)
        *ret_thing = "descriptors that are watched";
    findings->took_ms = (clock_now_ns() - started_ns) / NS_PER_MS;
    return code;
}
