/* test_log.c - lines that go out whole, and a log that never blocks. */
#include "route/log.h"
#include "suite.h"

#include <check.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

static int ends[2];
static char input[1 << 20];

static void setup(void)
{
    ck_assert_int_eq(pipe(ends), 0);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
}

static void teardown(void)
{
    close(ends[0]);
    close(ends[1]);
}

/* What has arrived so far, and now. */
static char *drain_more(int fd)
{
    size_t size = strlen(input);
    struct pollfd polled = { .fd = fd, .events = POLLIN };
    while (poll(&polled, 1, 100) > 0) { /* a terminal hands on what it has a little later */
        ssize_t got = read(fd, input + size, sizeof(input) - 1 - size);
        ck_assert_int_gt(got, 0);
        size += (size_t)got;
    }
    input[size] = '\0';
    return input;
}

/* What has arrived now. */
static char *drain(int fd)
{
    input[0] = '\0';
    return drain_more(fd);
}

static size_t count_lines(const char *text)
{
    size_t count = 0;
    for (; (text = strchr(text, '\n')); text++)
        count++;
    return count;
}

static void emit(struct log *log, const char *reason)
{
    struct event event = { .kind = EVENT_TROUBLE, .time_ns = 1, .reason = reason };
    log_event(&event, log);
}

START_TEST(test_formats)
{
    struct log log;
    log_init(&log, ends[1], LOG_TEXT);
    emit(&log, "one");
    ck_assert_ptr_nonnull(strstr(drain(ends[0]), " trouble  one\n"));
    log.format = LOG_JSON;
    emit(&log, "two");
    json_t *line = json_loads(drain(ends[0]), 0, NULL);
    ck_assert_str_eq(json_string_value(json_object_get(line, "reason")), "two");
    json_decref(line);
    log.format = LOG_NONE;
    emit(&log, "three");
    ck_assert_str_eq(drain(ends[0]), "");
    log_fini(&log);
}
END_TEST

START_TEST(test_flags_of_others_are_left_alone)
{
    struct log log;
    int before = fcntl(ends[1], F_GETFL);
    log_init(&log, ends[1], LOG_TEXT);
    ck_assert_int_eq(fcntl(ends[1], F_GETFL), before);
    log_fini(&log);
    ck_assert_int_eq(fcntl(ends[1], F_GETFL), before);
}
END_TEST

static const char LONG[] = "a reason that is long enough to fill a buffer soon";
/* More than any pipe or socket buffer holds. */
enum { FLOOD = 20000 };

/* Every line is one of those that were meant, from its time to its end. Returns how many events
 * they account for: each its own, or as many as it says were not written. */
static size_t account(char *text)
{
    size_t events = 0, lost;
    for (char *line, *rest = text; (line = strsep(&rest, "\n")) && rest;) {
        ck_assert_msg(strlen(line) > 18 && memcmp(line + 8, " trouble  ", 10) == 0, "%s", line);
        const char *reason = line + 18;
        if (strcmp(reason, LONG) == 0 || strcmp(reason, "last") == 0)
            events++;
        else if (sscanf(reason, "%zu events not written", &lost) == 1)
            events += lost;
        else
            ck_abort_msg("%s", line);
    }
    return events;
}

static void flood(int to, int from)
{
    struct log log;
    log_init(&log, to, LOG_TEXT);
    for (int i = 0; i < FLOOD; i++)
        emit(&log, LONG);
    ck_assert_uint_gt(log.lost, 0);
    ck_assert_uint_gt(strlen(drain(from)), 0);
    emit(&log, "last");
    char *text = drain_more(from);
    ck_assert_ptr_nonnull(strstr(text, "trouble  last\n"));
    ck_assert_uint_eq(log.lost, 0);
    ck_assert_uint_eq(account(text), FLOOD + 1);
    log_fini(&log);
}

START_TEST(test_a_full_pipe_loses_lines_not_time)
{
    flood(ends[1], ends[0]);
}
END_TEST

START_TEST(test_a_full_socket_loses_lines_not_time)
{
    int pair[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    fcntl(pair[1], F_SETFL, O_NONBLOCK);
    flood(pair[0], pair[1]);
    close(pair[0]);
    close(pair[1]);
}
END_TEST

/* A terminal takes as much of a line as it has room for: the rest must follow, not be lost. */
START_TEST(test_a_stopped_terminal_loses_lines_not_time)
{
    struct termios raw;
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    ck_assert_int_ge(master, 0);
    ck_assert_int_eq(grantpt(master), 0);
    ck_assert_int_eq(unlockpt(master), 0);
    int terminal = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    ck_assert_int_ge(terminal, 0);
    ck_assert_int_eq(tcgetattr(terminal, &raw), 0);
    cfmakeraw(&raw);
    ck_assert_int_eq(tcsetattr(terminal, TCSANOW, &raw), 0);
    flood(terminal, master);
    close(terminal);
    close(master);
}
END_TEST

START_TEST(test_lines_are_whole_and_short)
{
    static char path[8192];
    struct log log;
    memset(path, 'x', sizeof(path) - 1);
    struct event event = { .kind = EVENT_REFUSED,
        .time_ns = 1,
        .route = "r",
        .via = path,
        .to = path,
        .peer = path,
        .reason = "why" };
    log_init(&log, ends[1], LOG_JSON);
    log_event(&event, &log);
    const char *line = drain(ends[0]);
    ck_assert_uint_le(strlen(line), LOG_LINE_MAX);
    json_t *json = json_loads(line, 0, NULL);
    ck_assert_str_eq(json_string_value(json_object_get(json, "reason")), "why");
    json_decref(json);
    log.format = LOG_TEXT;
    log_event(&event, &log);
    line = drain(ends[0]);
    ck_assert_uint_le(strlen(line), LOG_LINE_MAX);
    ck_assert_uint_eq(count_lines(line), 1);
    log_fini(&log);
}
END_TEST

/* Whatever a peer is called and however long, that it was refused is written. */
START_TEST(test_nothing_is_too_long_to_be_told)
{
    static char letters[3][8192];
    memset(letters[0], 'x', sizeof(letters[0]) - 1);
    memset(letters[1], '"', sizeof(letters[1]) - 1);
    memset(letters[2], '\1', sizeof(letters[2]) - 1);
    for (size_t i = 0; i < 3; i++) {
        const char *text = letters[i];
        struct event program = {
            .kind = EVENT_REFUSED, .time_ns = 1, .route = "r", .executable = text
        };
        struct event all = { .kind = EVENT_REFUSED,
            .time_ns = 1,
            .route = text,
            .name = text,
            .executable = text,
            .unit = text,
            .peer = text,
            .via = text,
            .to = text,
            .verdict = text,
            .reason = text };
        struct log log;
        log_init(&log, ends[1], _i ? LOG_JSON : LOG_TEXT);
        log_event(&program, &log);
        ck_assert_uint_eq(count_lines(drain(ends[0])), 1);
        log_event(&all, &log);
        const char *line = drain(ends[0]);
        ck_assert_uint_le(strlen(line), LOG_LINE_MAX);
        ck_assert_uint_eq(count_lines(line), 1);
        ck_assert_uint_eq(log.lost, 0);
        log_fini(&log);
    }
}
END_TEST

/* A sanitizer's allocator has memory of its own, and ends the process when it gets no more. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
/* What is free already, too: blocks of every size, the large ones first. */
static void use_up_memory(void)
{
    const struct rlimit none = { 0, RLIM_INFINITY };
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &none), 0);
    for (size_t size = 1 << 20; size > 0; size /= 2)
        while (malloc(size))
            ;
}

START_TEST(test_without_memory_there_are_words_still)
{
    const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
    struct log log;
    log_init(&log, ends[1], LOG_TEXT);
    emit(&log, "before"); /* and the time zone has been read */
    use_up_memory();
    emit(&log, "out of memory");
    (void)setrlimit(RLIMIT_AS, &all); /* Check's assertions want some */
    char *line = drain(ends[0]);
    ck_assert_ptr_nonnull(strstr(line, " trouble  before\n"));
    ck_assert_ptr_nonnull(strstr(line, " trouble  out of memory\n"));
    log_fini(&log);
}
END_TEST
#endif

int main(void)
{
    Suite *suite = suite_create("route/log");
    TCase *cases = tcase_create("log");
    tcase_set_timeout(cases, 20);
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, test_formats);
    tcase_add_test(cases, test_flags_of_others_are_left_alone);
    tcase_add_test(cases, test_a_full_pipe_loses_lines_not_time);
    tcase_add_test(cases, test_a_full_socket_loses_lines_not_time);
    tcase_add_test(cases, test_a_stopped_terminal_loses_lines_not_time);
    tcase_add_test(cases, test_lines_are_whole_and_short);
    tcase_add_loop_test(cases, test_nothing_is_too_long_to_be_told, 0, 2);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    tcase_add_test(cases, test_without_memory_there_are_words_still);
#endif
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
