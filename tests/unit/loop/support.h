/* support.h - what the loop's tests share: a loop of each engine, pairs, counting handlers. */
#ifndef TESTS_UNIT_LOOP_SUPPORT_H
#define TESTS_UNIT_LOOP_SUPPORT_H

#include "base/cleanup.h"
#include "base/clock.h"
#include "suite.h"

#include <check.h>
#include <dirent.h>
#include <ferry/channel.h>
#include <ferry/loop.h>
#include <stdlib.h>
#include <sys/socket.h>

#define ENGINE_COUNT 3

/* What a handler saw. */
struct seen {
    int count;
    unsigned events; /* of the last call */
};

static inline struct ferry_loop *loop_make(int engine)
{
    struct ferry_loop *loop;
    ck_assert_int_eq(ferry_loop_new((enum ferry_loop_engine)engine, &loop), 0);
    return loop;
}

static inline void pair_make(int pair[2])
{
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
}

static inline void byte_send(int fd)
{
    ck_assert_int_eq(write(fd, "x", 1), 1);
}

static inline void byte_take(int fd)
{
    char byte;
    ck_assert_int_eq(read(fd, &byte, 1), 1);
}

static inline void seen_ready(struct ferry_source *source, unsigned events, void *data)
{
    (void)source;
    struct seen *seen = data;
    seen->count++;
    seen->events = events;
}

static inline struct ferry_source *watch(
    struct ferry_loop *loop, int fd, unsigned interest, ferry_ready_handler handler, void *data)
{
    struct ferry_source *source;
    ck_assert_int_eq(ferry_loop_watch(loop, fd, interest, handler, data, &source), 0);
    return source;
}

/* Nothing comes, and the kernel has nothing to say either: the time is waited out. */
static inline void quiet_check(struct ferry_loop *loop)
{
    int64_t before_ns = clock_now_ns();
    ck_assert_int_eq(ferry_loop_turn(loop, 20), 0);
    ck_assert_int_ge(clock_now_ns() - before_ns, 20 * NS_PER_MS);
}

static inline int descriptor_count(void)
{
    AUTO_DIR DIR *directory = opendir("/proc/self/fd");
    int count = 0;
    while (readdir(directory))
        count++;
    return count;
}

#endif
