/* test_timer.c - the heap, and that no timer fires twice in a turn. */
#include "suite.h"
#include "support.h"

#include <signal.h>
#include <sys/wait.h>

#define TIMER_COUNT 1000

struct log {
    int64_t last_ns;
    int fired;
};

struct entry {
    struct log *log;
    struct ferry_source *source;
    int64_t deadline_ns;
    int fired;
};

static void log_timer(struct ferry_source *source, void *data)
{
    (void)source;
    struct entry *entry = data;
    ck_assert_int_ge(entry->deadline_ns, entry->log->last_ns); /* in order */
    ck_assert_int_ge(clock_now_ns(), entry->deadline_ns);      /* never early */
    entry->log->last_ns = entry->deadline_ns;
    entry->log->fired++;
    entry->fired++;
}

static void entry_set(struct entry *entry, int64_t deadline_ns)
{
    entry->deadline_ns = deadline_ns;
    ferry_source_set_deadline(entry->source, deadline_ns);
}

START_TEST(test_order_after_much_change)
{
    struct ferry_loop *loop = loop_make(FERRY_EPOLL);
    static struct entry entries[TIMER_COUNT];
    struct log log = { 0 };
    int64_t now_ns = clock_now_ns();
    srand(7);
    for (int i = 0; i < TIMER_COUNT; i++) {
        entries[i] = (struct entry){ .log = &log, .deadline_ns = now_ns - rand() % 100000 };
        ck_assert_int_eq(ferry_loop_timer(loop, entries[i].deadline_ns, log_timer, &entries[i],
                             &entries[i].source),
            0);
    }
    for (int i = 0; i < 5000; i++)
        entry_set(&entries[rand() % TIMER_COUNT], now_ns - rand() % 100000);
    for (int i = 0; i < TIMER_COUNT; i += 3)
        entry_set(&entries[i], CLOCK_NEVER);
    for (int i = 1; i < TIMER_COUNT; i += 3)
        ferry_source_remove(entries[i].source);
    ck_assert_int_eq(ferry_loop_turn(loop, -1), TIMER_COUNT / 3);
    ck_assert_int_eq(log.fired, TIMER_COUNT / 3);
    for (int i = 2; i < TIMER_COUNT; i += 3)
        ck_assert_int_eq(entries[i].fired, 1);
    ck_assert_int_eq(ferry_loop_turn(loop, 0), 0);
    ferry_loop_free(loop);
}
END_TEST

START_TEST(test_never_early)
{
    struct ferry_loop *loop = loop_make(_i);
    struct log log = { 0 };
    struct entry entry = { .log = &log, .deadline_ns = clock_now_ns() + 3 * NS_PER_MS / 2 };
    ck_assert_int_eq(
        ferry_loop_timer(loop, entry.deadline_ns, log_timer, &entry, &entry.source), 0);
    ck_assert_int_eq(ferry_loop_turn(loop, -1), 1); /* one turn: the wait is rounded up */
    ck_assert_int_eq(entry.fired, 1);
    ferry_loop_free(loop);
}
END_TEST

static void past_timer(struct ferry_source *source, void *data)
{
    struct seen *seen = data;
    seen->count++;
    ferry_source_set_deadline(source, 0);
}

START_TEST(test_set_to_the_past_runs_next_turn)
{
    struct ferry_loop *loop = loop_make(FERRY_EPOLL);
    struct seen seen = { 0 };
    struct ferry_source *source;
    ck_assert_int_eq(ferry_loop_timer(loop, 0, past_timer, &seen, &source), 0);
    for (int i = 1; i <= 5; i++) {
        ck_assert_int_eq(ferry_loop_turn(loop, -1), 1);
        ck_assert_int_eq(seen.count, i);
    }
    ferry_loop_free(loop);
}
END_TEST

/* The first to run deals with the second, which is due in the same turn. */
struct pair {
    struct ferry_source *other;
    int64_t set_ns; /* 0: remove it */
    int count;
};

static void first_timer(struct ferry_source *source, void *data)
{
    struct pair *pair = data;
    pair->count++;
    if (pair->set_ns)
        ferry_source_set_deadline(pair->other, pair->set_ns);
    else
        ferry_source_remove(pair->other);
    ferry_source_remove(source);
}

static void seen_timer(struct ferry_source *source, void *data)
{
    seen_ready(source, 0, data);
}

START_TEST(test_due_timer_set_off_or_removed_does_not_fire)
{
    struct ferry_loop *loop = loop_make(FERRY_EPOLL);
    struct pair pair = { .set_ns = _i ? CLOCK_NEVER : 0 };
    struct seen second = { 0 };
    struct ferry_source *first;
    ck_assert_int_eq(ferry_loop_timer(loop, 1, first_timer, &pair, &first), 0);
    ck_assert_int_eq(ferry_loop_timer(loop, 2, seen_timer, &second, &pair.other), 0);
    ck_assert_int_eq(ferry_loop_turn(loop, -1), 1);
    ck_assert_int_eq(ferry_loop_turn(loop, 0), 0);
    ck_assert_int_eq(pair.count, 1);
    ck_assert_int_eq(second.count, 0);
    ferry_loop_free(loop);
}
END_TEST

static void repeat_timer(struct ferry_source *source, void *data)
{
    struct seen *seen = data;
    seen->count++;
    ferry_source_set_deadline(source, ferry_deadline(10));
}

/* In a child that is stopped for many of its timer's periods. */
static void stopped_child(int report)
{
    struct ferry_loop *loop = loop_make(FERRY_EPOLL);
    struct seen seen = { 0 };
    struct ferry_source *source;
    ck_assert_int_eq(ferry_loop_timer(loop, ferry_deadline(10), repeat_timer, &seen, &source), 0);
    raise(SIGSTOP);
    int before = seen.count;
    ck_assert_int_eq(ferry_loop_turn(loop, 0), 1);
    char fired = (char)(seen.count - before);
    ck_assert_int_eq(ferry_loop_turn(loop, 0), 0);
    ck_assert_int_eq(write(report, &fired, 1), 1);
    _exit(0);
}

START_TEST(test_stop_makes_no_burst)
{
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0)
        stopped_child(ends[1]);
    close(ends[1]);
    ck_assert_int_eq(waitpid(pid, NULL, WUNTRACED), pid);
    usleep(100000);
    kill(pid, SIGCONT);
    char fired = 0;
    ck_assert_int_eq(read(ends[0], &fired, 1), 1);
    ck_assert_int_eq(fired, 1);
    waitpid(pid, NULL, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("loop/timer");
    TCase *timers = tcase_create("timers");
    tcase_set_timeout(timers, 10);
    tcase_add_test(timers, test_order_after_much_change);
    tcase_add_loop_test(timers, test_never_early, 0, ENGINE_COUNT);
    tcase_add_test(timers, test_set_to_the_past_runs_next_turn);
    tcase_add_loop_test(timers, test_due_timer_set_off_or_removed_does_not_fire, 0, 2);
    tcase_add_test(timers, test_stop_makes_no_burst);
    suite_add_tcase(suite, timers);
    return suite_run(suite);
}
