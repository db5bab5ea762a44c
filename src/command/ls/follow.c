/* follow.c - `ls --follow`: looks again and again, and tells what has changed.
 *
 * There are two tables: the last look, and the one before it, which becomes the next. What is born
 * and dies between two looks is not seen: the kernel tells of no socket by itself.
 */
#include "command/ls/follow.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "command/command.h"
#include "command/ls/changes.h"
#include "command/ls/report.h"
#include "command/ls/rows.h"
#include "command/view/gaps.h"

#include <ferry/loop.h>
#include <signal.h>

struct follower {
    const struct ls_follow *asked;
    struct ferry_loop *loop;
    struct ferry_source *timer;
    struct ferry_endpoints *tables[2];
    unsigned last; /* the table that was made last */
    uint64_t looks;
    struct ls_changes changes;
    struct bytes text;
    int status;
};

static void on_change(const struct ls_change *change, void *data)
{
    struct follower *follower = data;
    struct ls_filter *filter = follower->asked->filter;

    if (!ls_filter_wants(change->endpoint, filter) &&
        !(change->before && ls_filter_wants(change->before, filter)))
        return;
    if (follower->asked->json)
        ls_report_json(change, &follower->text);
    else
        ls_report_text(change, follower->asked->colour, &follower->text);
}

static void follower_fail(struct follower *follower, int status)
{
    follower->status = status;
    ferry_loop_stop(follower->loop);
}

/* A reader that has gone ends it, as it ends every filter. */
static void follower_write(struct follower *follower)
{
    int code = follower->text.size || bytes_failed(&follower->text) ? ls_write(&follower->text) : 0;

    if (code == 0 && fflush(stdout) != 0)
        code = -errno;
    if (code < 0)
        follower_fail(follower, error_is_peer_gone(code)
                                    ? EXIT_FAILED
                                    : command_fail_errno("ls", "standard output", code));
}

static int table_renew(struct follower *follower, unsigned which, struct ferry_error *error)
{
    return follower->tables[which]
               ? ferry_endpoints_refresh(follower->tables[which], error)
               : ferry_endpoints_new(&follower->asked->asked, &follower->tables[which], error);
}

static void on_timer(struct ferry_source *source, void *data)
{
    struct follower *follower = data;
    unsigned next = !follower->last;
    int64_t began_ns = clock_now_ns();
    struct ferry_error error;

    int code = table_renew(follower, next, &error);
    if (code == 0)
        code = ls_changes_find(
            &follower->changes, follower->tables[follower->last], follower->tables[next]);
    if (code == -ENOMEM)
        error_set_errno(&error, code, "memory", NULL);
    if (code < 0) {
        follower_fail(follower, command_fail("ls", &error));
        return;
    }
    follower->last = next;
    follower_write(follower);
    if (++follower->looks == follower->asked->count)
        ferry_loop_stop(follower->loop);
    ferry_source_set_deadline(
        source, clock_after(began_ns, follower->asked->interval_ms * NS_PER_MS));
}

static void on_signal(struct ferry_source *source, const struct signalfd_siginfo *info, void *data)
{
    struct follower *follower = data;
    (void)source;
    (void)info;
    ferry_loop_stop(follower->loop);
}

/* What is there now is not told, but for what is wrong with it. */
static int follower_look_first(struct follower *follower, struct ferry_error *error)
{
    size_t count = 0;
    int code = table_renew(follower, 0, error);

    if (code < 0)
        return code;
    struct ferry_endpoints *table = follower->tables[0];
    ls_filter_begin(follower->asked->filter, table);
    for (size_t i = 0; i < ferry_endpoints_count(table); i++)
        count += ls_filter_wants(ferry_endpoints_get(table, i), follower->asked->filter);
    view_say_gaps("ls", table, FERRY_ENDPOINTS_ALL);
    ls_report_start(count, follower->asked->json, &follower->text);
    code = ls_changes_find(&follower->changes, NULL, table);
    if (code < 0)
        return error_set_errno(error, code, "memory", NULL);
    follower_write(follower);
    return 0;
}

static int follower_init(struct follower *follower, struct ferry_error *error)
{
    struct ferry_source *source;
    int code = ferry_loop_new(FERRY_EPOLL, &follower->loop);

    if (code == 0)
        code = ferry_loop_signal(follower->loop, SIGINT, on_signal, follower, &source);
    if (code == 0)
        code = ferry_loop_signal(follower->loop, SIGTERM, on_signal, follower, &source);
    if (code == 0)
        code = ferry_loop_timer(follower->loop,
            clock_after(clock_now_ns(), follower->asked->interval_ms * NS_PER_MS), on_timer,
            follower, &follower->timer);
    return code < 0 ? error_set_errno(error, code, "the loop", NULL)
                    : follower_look_first(follower, error);
}

int ls_follow(const struct ls_follow *follow)
{
    struct follower follower = { .asked = follow, .text = BYTES_EMPTY, .status = EXIT_DONE };
    struct ferry_error error;

    follower.changes = (struct ls_changes){ .percent = follow->percent,
        .stuck_ms = follow->stuck_ms,
        .handler = on_change,
        .data = &follower };
    int code = follower_init(&follower, &error);
    if (code == 0) {
        code = ferry_loop_run(follower.loop);
        if (code < 0)
            error_set_errno(&error, code, "the loop", NULL);
    }
    if (code < 0)
        follower.status = command_fail("ls", &error);
    ls_changes_fini(&follower.changes);
    ferry_endpoints_free(follower.tables[0]);
    ferry_endpoints_free(follower.tables[1]);
    ferry_loop_free(follower.loop);
    bytes_fini(&follower.text);
    return follower.status;
}
