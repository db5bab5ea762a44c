/* ready.c - select, poll, epoll and io_uring beside each other, with few and with many descriptors.
 *
 * A descriptor costs select and poll at each call, the others once. Their sets are made before
 * anything is measured, select's copied for each call, as every caller has to.
 */
#include "command/bench/ready.h"
#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "command/bench/cpu.h"
#include "command/bench/ready_uring.h"
#include "command/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <unistd.h>

const size_t ready_steps[READY_STEP_COUNT] = { 10, 100, 1000, 10000, 100000 };

static const char *const names[READY_WAY_COUNT] = { [READY_SELECT] = "select",
    [READY_POLL] = "poll",
    [READY_EPOLL] = "epoll",
    [READY_EPOLL_EDGE] = "epoll, edge",
    [READY_URING] = "io_uring" };

const char *ready_way_name(enum ready_way way)
{
    return names[way];
}

/* What one number of descriptors is watched by. The one that will be ready is its own: being in an
 * epoll set makes writing dearer. */
struct stage {
    size_t watched;
    int active_fd;
    fd_set *set, *asked; /* as large as the largest descriptor needs; NULL: no room for all here */
    size_t set_size;
    struct pollfd *polled;
    int level_fd, edge_fd; /* epoll sets; -1: there are none */
    struct ready_uring *uring;
    int uring_code; /* why there is none */
};

struct ready {
    int bare_fd; /* in no set */
    int *idle;
    size_t idle_count, idle_capacity;
    struct stage stages[READY_STEP_COUNT];
    pid_t children[READY_CHILDREN_MAX];
    size_t child_count;
};

/* --- descriptors ------------------------------------------------------------------------------ */

/* As many as this process may have from here on. */
static size_t descriptors_raise(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 0;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    return (size_t)limit.rlim_cur;
}

static int idle_open(struct ready *ready, size_t count)
{
    while (ready->idle_count < count) {
        if (!array_reserve(
                &ready->idle, ready->idle_count, &ready->idle_capacity, sizeof(*ready->idle)))
            return -ENOMEM;
        int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (fd < 0) /* what others left open takes room, too */
            return errno == EMFILE ? 0 : -errno;
        ready->idle[ready->idle_count++] = fd;
    }
    return 0;
}

static int epoll_watch(int set, int fd, unsigned events)
{
    struct epoll_event event = { .events = events, .data = { .fd = fd } };
    return epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int stage_watch(const struct stage *stage, int fd)
{
    int code = epoll_watch(stage->level_fd, fd, EPOLLIN);
    return code < 0 ? code : epoll_watch(stage->edge_fd, fd, EPOLLIN | EPOLLET);
}

/* --- children that hold what one process may not ---------------------------------------------- */

/* Says how it went, and stays until it is killed. */
static void child_hold(const struct stage *stage, size_t count, int said_fd)
{
    int code = 0;

    while (count-- > 0 && code == 0) {
        int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        code = fd < 0 ? -errno : stage_watch(stage, fd);
    }
    if (write(said_fd, &code, sizeof(code)) == sizeof(code) && code == 0)
        for (;;)
            pause();
    _exit(1);
}

/* Returns 0 once the child has all of them watched, -EMFILE, -ENOSPC (max_user_watches of
 * epoll(7)), -errno. */
static int child_start(struct ready *ready, const struct stage *stage, size_t count)
{
    int said[2], told = -ECHILD;
    pid_t parent = getpid();

    if (ready->child_count == READY_CHILDREN_MAX)
        return -EMFILE;
    if (pipe2(said, O_CLOEXEC) < 0)
        return -errno;
    pid_t pid = fork();
    int code = pid < 0 ? -errno : 0;
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
        /* What came with the fork counts for it, too. */
        for (size_t i = 0; i < ready->idle_count; i++)
            close(ready->idle[i]);
        close(said[0]);
        child_hold(stage, count, said[1]);
    }
    close(said[1]);
    if (code == 0) {
        ready->children[ready->child_count++] = pid;
        code = read(said[0], &told, sizeof(told)) == sizeof(told) ? told : -ECHILD;
    }
    close(said[0]);
    return code;
}

/* --- stages ----------------------------------------------------------------------------------- */

static int sets_make(struct ready *ready, struct stage *stage)
{
    size_t others = stage->watched - 1;
    size_t bits = 8 * sizeof(fd_set);
    int largest = stage->active_fd;

    for (size_t i = 0; i < others; i++)
        if (ready->idle[i] > largest)
            largest = ready->idle[i];
    stage->set_size = ((size_t)largest / bits + 1) * sizeof(fd_set);
    stage->set = calloc(1, stage->set_size);
    stage->asked = calloc(1, stage->set_size);
    stage->polled = calloc(stage->watched, sizeof(*stage->polled));
    if (!stage->set || !stage->asked || !stage->polled)
        return -ENOMEM;
    for (size_t i = 0; i < stage->watched; i++) {
        int fd = i < others ? ready->idle[i] : stage->active_fd;
        stage->polled[i] = (struct pollfd){ .fd = fd, .events = POLLIN };
        ((unsigned char *)stage->set)[fd / 8] |= (unsigned char)(1u << fd % 8);
    }
    return 0;
}

/* That there is no io_uring here is no reason to go without the others. */
static int uring_make(const struct ready *ready, struct stage *stage)
{
    size_t others = stage->watched - 1;
    AUTO_FREE int *fds = calloc(stage->watched, sizeof(*fds));

    if (!fds)
        return -ENOMEM;
    memcpy(fds, ready->idle, others * sizeof(*fds));
    fds[others] = stage->active_fd;
    stage->uring_code = ready_uring_new(fds, stage->watched, &stage->uring);
    return 0;
}

static int stage_open(struct stage *stage, size_t watched)
{
    *stage = (struct stage){ .watched = watched,
        .uring_code = -EMFILE,
        .active_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
        .level_fd = epoll_create1(EPOLL_CLOEXEC),
        .edge_fd = epoll_create1(EPOLL_CLOEXEC) };
    return stage->active_fd < 0 || stage->level_fd < 0 || stage->edge_fd < 0 ? -errno : 0;
}

/* Has everything watched: what this process does not have, children have. */
static int stage_fill(struct ready *ready, struct stage *stage)
{
    size_t others = stage->watched - 1, most = ready->idle_count;
    size_t here = others < most ? others : most;
    int code = stage_watch(stage, stage->active_fd);

    for (size_t i = 0; i < here && code == 0; i++)
        code = stage_watch(stage, ready->idle[i]);
    if (code == 0 && here == others) {
        code = sets_make(ready, stage);
        return code < 0 ? code : uring_make(ready, stage);
    }
    for (size_t left = others - here; left > 0 && code == 0;) {
        size_t part = left < most ? left : most;
        code = part ? child_start(ready, stage, part) : -EMFILE;
        left -= part;
    }
    return code;
}

static void stage_fini(struct stage *stage)
{
    free(stage->set);
    free(stage->asked);
    free(stage->polled);
    ready_uring_free(TAKE(stage->uring));
    fd_close(&stage->active_fd);
    fd_close(&stage->level_fd);
    fd_close(&stage->edge_fd);
}

/* --- measuring -------------------------------------------------------------------------------- */

static bool is_told_by_select(const struct stage *stage)
{
    int active_fd = stage->active_fd;

    memcpy(stage->asked, stage->set, stage->set_size);
    return select((int)(stage->set_size * 8), stage->asked, NULL, NULL, NULL) == 1 &&
           ((unsigned char *)stage->asked)[active_fd / 8] & 1u << active_fd % 8;
}

/* Whether it is told that this one is ready, and no other. */
static bool is_told(const struct stage *stage, enum ready_way way)
{
    struct epoll_event event;

    switch (way) {
    case READY_SELECT:
        return is_told_by_select(stage);
    case READY_POLL:
        return poll(stage->polled, stage->watched, -1) == 1 &&
               stage->polled[stage->watched - 1].revents == POLLIN;
    case READY_URING:
        return ready_uring_wait(stage->uring) == stage->active_fd;
    default:
        return epoll_wait(way == READY_EPOLL ? stage->level_fd : stage->edge_fd, &event, 1, -1) ==
                   1 &&
               event.data.fd == stage->active_fd;
    }
}

/* One slice; stage NULL: without waiting. */
static void slice_run(const struct stage *stage, enum ready_way way, int active_fd, int64_t span_ns,
    struct ready_figure *figure)
{
    int64_t before_ns = cpu_used_ns(), end_ns = clock_now_ns() + span_ns;
    uint64_t events = 0, value = 1;

    do {
        for (unsigned i = 0; i < READY_EVENTS_A_LOOK; i++, events++) {
            if (write(active_fd, &value, sizeof(value)) != sizeof(value) ||
                (stage && !is_told(stage, way)) ||
                read(active_fd, &value, sizeof(value)) != sizeof(value)) {
                figure->code = -EIO;
                return;
            }
        }
    } while (clock_now_ns() < end_ns);
    int64_t used_ns = cpu_used_ns() - before_ns;
    double each_ns = (double)used_ns / (double)events;
    if (!figure->events || each_ns < figure->fastest_ns)
        figure->fastest_ns = each_ns;
    if (each_ns > figure->slowest_ns)
        figure->slowest_ns = each_ns;
    figure->events += events;
    figure->cpu_ns += used_ns;
}

/* Of a case its number; the last one waits for nothing. */
static void case_run(
    const struct ready *ready, size_t number, int64_t span_ns, struct ready_result *result)
{
    size_t step = number / READY_WAY_COUNT;
    enum ready_way way = number % READY_WAY_COUNT;

    if (step == READY_STEP_COUNT) {
        slice_run(NULL, way, ready->bare_fd, span_ns, &result->bare);
        return;
    }
    struct ready_figure *figure = &result->figures[step][way];
    if (figure->code == 0)
        slice_run(&ready->stages[step], way, ready->stages[step].active_fd, span_ns, figure);
}

/* There was no time for it, this time. */
static void case_miss(size_t number, struct ready_result *result)
{
    size_t step = number / READY_WAY_COUNT;
    struct ready_figure *figure =
        step == READY_STEP_COUNT ? &result->bare : &result->figures[step][number % READY_WAY_COUNT];
    if (figure->code == 0 && !figure->events)
        figure->code = -ETIME;
}

/* Without what is to be taken off the others are no figures. */
static void bare_check(struct ready_result *result)
{
    if (result->bare.code < 0)
        for (size_t i = 0; i < READY_STEP_COUNT; i++)
            for (unsigned way = 0; way < READY_WAY_COUNT; way++)
                result->figures[i][way].code = result->bare.code;
}

static int way_code(const struct stage *stage, enum ready_way way)
{
    if (way == READY_URING)
        return stage->uring_code;
    return !stage->set && way < READY_EPOLL ? -EMFILE : 0;
}

/* What can't be made here has its reason, and the rest is measured. */
static int ready_start(struct ready *ready, struct ready_result *result)
{
    size_t wanted = ready_steps[READY_STEP_COUNT - 1] - 1, most = descriptors_raise();
    int code = ready->bare_fd < 0 ? -errno : 0;

    result->descriptors_max = most;
    most = most > READY_SPARE ? most - READY_SPARE : 0;
    for (size_t i = 0; i < READY_STEP_COUNT && code == 0; i++)
        code = stage_open(&ready->stages[i], ready_steps[i]);
    if (code == 0)
        code = idle_open(ready, wanted < most ? wanted : most);
    for (size_t i = 0; i < READY_STEP_COUNT && code == 0; i++) {
        const struct stage *stage = &ready->stages[i];
        int filled = stage_fill(ready, &ready->stages[i]);
        for (unsigned way = 0; way < READY_WAY_COUNT; way++)
            result->figures[i][way].code = filled < 0 ? filled : way_code(stage, way);
        code = filled == -ENOMEM ? filled : 0;
    }
    return code;
}

static void ready_fini(struct ready *ready)
{
    for (size_t i = 0; i < ready->child_count; i++) {
        kill(ready->children[i], SIGKILL);
        while (waitpid(ready->children[i], NULL, 0) < 0 && errno == EINTR)
            ;
    }
    for (size_t i = 0; i < READY_STEP_COUNT; i++)
        stage_fini(&ready->stages[i]);
    for (size_t i = 0; i < ready->idle_count; i++)
        close(ready->idle[i]);
    free(ready->idle);
    fd_close(&ready->bare_fd);
}

int ready_run(
    int64_t span_ns, unsigned rounds, struct slices *slices, struct ready_result *ret_result)
{
    const size_t cases = READY_CASE_COUNT;
    struct ready ready = { .bare_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };

    for (size_t i = 0; i < READY_STEP_COUNT; i++)
        ready.stages[i].active_fd = ready.stages[i].level_fd = ready.stages[i].edge_fd = -1;
    *ret_result = (struct ready_result){ 0 };
    int code = ready_start(&ready, ret_result);
    for (unsigned round = 0; round < rounds && code == 0; round++) {
        for (size_t i = 0; i < cases; i++) {
            size_t number = round % 2 ? cases - 1 - i : i;
            if (slices_step(slices, "descriptors that are ready"))
                case_run(&ready, number, span_ns, ret_result);
            else
                case_miss(number, ret_result);
        }
    }
    bare_check(ret_result);
    ready_fini(&ready);
    return code;
}
