/* line.c - a cache line there and back between two processors.
 *
 * One process writes odd numbers into a word, the other the even ones that follow. The least of
 * several batches is what the processors do; what takes longer was interrupted.
 */
#include "command/bench/line.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/processor.h"
#include "command/bench/cpu.h"
#include "command/limits.h"

#include <signal.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct line {
    alignas(2 * CACHE_LINE) _Atomic uint32_t number;
};

/* Until it is there. False: it does not come. */
static bool line_await(struct line *line, uint32_t number, int64_t until_ns)
{
    for (unsigned looks = 1; atomic_load_explicit(&line->number, memory_order_acquire) != number;
         looks++) {
        if (looks % BENCH_TRIES_A_LOOK == 0 && clock_now_ns() >= until_ns)
            return false;
        processor_relax();
    }
    return true;
}

/* Writes every second number, from this one on, `count` times, each after the one before it. */
static bool line_pass(struct line *line, uint32_t number, unsigned count, int64_t until_ns)
{
    for (; count > 0; count--, number += 2) {
        if (!line_await(line, number - 1, until_ns))
            return false;
        atomic_store_explicit(&line->number, number, memory_order_release);
    }
    return true;
}

static int64_t line_measure(struct line *line, int64_t until_ns)
{
    int64_t least_ns = 0;

    for (uint32_t i = 0; i < BENCH_LINE_BATCHES; i++) {
        int64_t before_ns = clock_now_ns();
        if (!line_pass(line, 1 + 2 * BENCH_LINE_TRIPS * i, BENCH_LINE_TRIPS, until_ns))
            break;
        int64_t each_ns = (clock_now_ns() - before_ns) / BENCH_LINE_TRIPS;
        if (least_ns == 0 || each_ns < least_ns)
            least_ns = each_ns;
    }
    return least_ns;
}

static void answer(struct line *line, int cpu, pid_t parent, int64_t until_ns)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    cpu_pin(cpu);
    if (getppid() == parent)
        line_pass(line, 2, BENCH_LINE_TRIPS * BENCH_LINE_BATCHES, until_ns);
    _exit(0);
}

static int64_t line_between(struct line *line, const int cpus[2])
{
    int64_t until_ns = clock_after(clock_now_ns(), BENCH_LINE_MS * NS_PER_MS);
    pid_t parent = getpid(), child = fork();
    cpu_set_t before;

    if (child < 0)
        return 0;
    if (child == 0)
        answer(line, cpus[1], parent, until_ns);
    bool known = sched_getaffinity(0, sizeof(before), &before) == 0;
    if (known)
        cpu_pin(cpus[0]);
    int64_t each_ns = known ? line_measure(line, until_ns) : 0;
    if (known)
        (void)sched_setaffinity(0, sizeof(before), &before);
    kill(child, SIGKILL);
    (void)waitpid(child, NULL, 0);
    return each_ns;
}

int64_t line_ns(const int cpus[2])
{
    if (cpus[0] < 0 || cpus[0] == cpus[1])
        return 0;
    struct line *line =
        mmap(NULL, sizeof(*line), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (line == MAP_FAILED)
        return 0;
    int64_t each_ns = line_between(line, cpus);
    munmap(line, sizeof(*line));
    return each_ns;
}
