/* fixture.h - a registry in a loop, in a folder of its own, with the events that it emitted. */
#ifndef TESTS_ROUTE_FIXTURE_H
#define TESTS_ROUTE_FIXTURE_H

#include "base/bytes.h"
#include "base/clock.h"
#include "route/registry.h"

#include <check.h>

#define EVENT_KINDS (EVENT_TROUBLE + 1)

extern struct ferry_loop *loop;
extern struct registry registry;
extern char folder[];                 /* where relative paths start */
extern unsigned emitted[EVENT_KINDS]; /* how many of each kind */
extern char lines[EVENT_KINDS][2048]; /* the last of each kind, for people */
extern char summary[256], problem[1024];
extern int ended; /* how often on_ended was called */

void fixture_setup(void);
void fixture_teardown(void);

/* Reads a configuration, which must be right, and applies it: what registry_apply() returns. */
int apply(const char *text);

/* A client's socket, connected to a path in the folder; blocking with a time limit. */
int dial(const char *name, int type);
/* A socket that listens there. */
int serve(const char *name, int backlog);
/* Sends a text and turns the loop until the same number of bytes has come back. */
void exchange(int fd, const char *text, const char *wanted);
/* Turns the loop until the peer has closed; what it sent before is dropped. */
void expect_closed(int fd);

struct route *route_called(const char *name);
unsigned open_descriptors(void);

/* Turns the loop until something is so, at most five seconds. */
#define TURN_UNTIL(fact)                                                                           \
    do {                                                                                           \
        bool so_ = false;                                                                          \
        int64_t end_ = clock_now_ns() + 5 * NS_PER_S;                                              \
        while (!(so_ = (fact)) && clock_now_ns() < end_)                                           \
            ck_assert_int_ge(ferry_loop_turn(loop, 20), 0);                                        \
        ck_assert_msg(so_, "%s did not happen", #fact);                                            \
    } while (0)

#endif
