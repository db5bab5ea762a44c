/* peer_iceoryx.c - iceoryx: what is published in shared memory, one way each.
 *
 * Its daemon, which makes the memory, has pools for one size of messages (roudi.h). Who spins takes
 * what is there; who sleeps waits by a WaitSet. A publisher waits for a subscriber that is slower,
 * in publishing; so nothing is lost, and a send that does not wait is not to be had.
 *
 * The library says a lot on both outputs, ends the process where it fails, and waits for its daemon
 * for longer than anybody would: who has not come or gone by a deadline is ended by SIGALRM.
 */
#include "base/cleanup.h"
#include "base/clock.h"
#include "command/bench/peer.h"
#include "command/bench/roudi.h"
#include "command/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <iceoryx_binding_c/api.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct peer {
    iox_pub_storage_t publisher_storage;
    iox_sub_storage_t subscriber_storage;
    iox_ws_storage_t waiting_storage;
    iox_pub_t publisher;
    iox_sub_t subscriber;
    iox_ws_t waiting; /* NULL: it spins */
};

static struct {
    __typeof__(&iox_runtime_init) start;
    __typeof__(&iox_cfg_max_subscriber_queue_capacity) depth_max;
    __typeof__(&iox_pub_options_init) publisher_options;
    __typeof__(&iox_pub_init) publisher_new;
    __typeof__(&iox_pub_has_subscribers) has_subscribers;
    __typeof__(&iox_pub_loan_chunk) loan;
    __typeof__(&iox_pub_publish_chunk) publish;
    __typeof__(&iox_sub_options_init) subscriber_options;
    __typeof__(&iox_sub_init) subscriber_new;
    __typeof__(&iox_sub_get_subscription_state) state;
    __typeof__(&iox_sub_take_chunk) take;
    __typeof__(&iox_sub_release_chunk) release;
    __typeof__(&iox_ws_init) waiting_new;
    __typeof__(&iox_ws_attach_subscriber_state) attach;
    __typeof__(&iox_pub_release_chunk) give_back;
    __typeof__(&iox_ws_timed_wait) wait;
} iceoryx;

static int load(void)
{
    const struct peer_symbol symbols[] = {
        { "iox_runtime_init", &iceoryx.start },
        { "iox_cfg_max_subscriber_queue_capacity", &iceoryx.depth_max },
        { "iox_pub_options_init", &iceoryx.publisher_options },
        { "iox_pub_init", &iceoryx.publisher_new },
        { "iox_pub_has_subscribers", &iceoryx.has_subscribers },
        { "iox_pub_loan_chunk", &iceoryx.loan },
        { "iox_pub_publish_chunk", &iceoryx.publish },
        { "iox_sub_options_init", &iceoryx.subscriber_options },
        { "iox_sub_init", &iceoryx.subscriber_new },
        { "iox_sub_get_subscription_state", &iceoryx.state },
        { "iox_sub_take_chunk", &iceoryx.take },
        { "iox_sub_release_chunk", &iceoryx.release },
        { "iox_ws_init", &iceoryx.waiting_new },
        { "iox_ws_attach_subscriber_state", &iceoryx.attach },
        { "iox_pub_release_chunk", &iceoryx.give_back },
        { "iox_ws_timed_wait", &iceoryx.wait },
    };
    return peer_load("libiceoryx_binding_c.so.2", symbols, COUNT_OF(symbols));
}

/* --- both ends -------------------------------------------------------------------------------- */

/* The library knows how many may be under way once it is loaded, which who measures does not: so
 * many as PEER_DEPTH_MAX are never too few. */
int peer_iceoryx_open(struct bench_link *link)
{
    unsigned count = 2 * ((unsigned)peer_depth(link->crossing.size) + ROUDI_SPARE);
    int code = peer_open(link);

    return code < 0 ? code : roudi_start(link->name, link->crossing.size, count, &link->roudi);
}

void peer_iceoryx_unname(struct bench_link *link)
{
    roudi_users_unname(link->name);
}

void peer_iceoryx_close(struct bench_link *link)
{
    roudi_stop(&link->roudi);
}

static uint64_t depth_of(size_t size)
{
    uint64_t depth = (uint64_t)peer_depth(size), most = iceoryx.depth_max();
    return depth < most ? depth : most;
}

static int be_quiet(void)
{
    AUTO_FD int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

    if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
        return -errno;
    return 0;
}

static const char *direction(unsigned side)
{
    return side == 0 ? "there" : "back";
}

static int ends_make(struct bench_link *link, unsigned side, struct peer *peer)
{
    iox_pub_options_t publisher;
    iox_sub_options_t subscriber;

    iceoryx.publisher_options(&publisher);
    publisher.subscriberTooSlowPolicy = ConsumerTooSlowPolicy_WAIT_FOR_CONSUMER;
    iceoryx.subscriber_options(&subscriber);
    subscriber.queueFullPolicy = QueueFullPolicy_BLOCK_PRODUCER;
    subscriber.queueCapacity = depth_of(link->crossing.size);
    peer->publisher = iceoryx.publisher_new(
        &peer->publisher_storage, "ferry-bench", link->name, direction(side), &publisher);
    peer->subscriber = iceoryx.subscriber_new(
        &peer->subscriber_storage, "ferry-bench", link->name, direction(!side), &subscriber);
    if (link->crossing.wait == BENCH_SPIN)
        return 0;
    peer->waiting = iceoryx.waiting_new(&peer->waiting_storage);
    return iceoryx.attach(peer->waiting, peer->subscriber, SubscriberState_HAS_DATA, 0, NULL) ==
                   WaitSetResult_SUCCESS
               ? 0
               : -EIO;
}

/* What is published before somebody has subscribed is lost. */
static int ends_meet(const struct peer *peer)
{
    int64_t deadline_ns = clock_after(clock_now_ns(), BENCH_STUCK_MS * NS_PER_MS);

    while (!iceoryx.has_subscribers(peer->publisher) ||
           iceoryx.state(peer->subscriber) != SubscribeState_SUBSCRIBED) {
        if (clock_now_ns() >= deadline_ns)
            return -ETIMEDOUT;
        clock_pause_ms(PEER_RETRY_MS);
    }
    return 0;
}

static sigjmp_buf no_room;

static void go_back(int number)
{
    (void)number;
    siglongjmp(no_room, 1);
}

/* Where the daemon ran before, it may have no room for a message of that size; whoever asks for it
 * nevertheless is ended by abort(3), which may be left by a jump. */
static int room_check(const struct peer *peer, size_t size)
{
    const struct sigaction caught = { .sa_handler = go_back }, usual = { .sa_handler = SIG_DFL };
    void *chunk;

    sigaction(SIGABRT, &caught, NULL);
    int code = sigsetjmp(no_room, 1) || iceoryx.loan(peer->publisher, &chunk, (uint32_t)size) !=
                                            AllocationResult_SUCCESS
                   ? -EMSGSIZE
                   : 0;
    sigaction(SIGABRT, &usual, NULL);
    if (code == 0)
        iceoryx.give_back(peer->publisher, chunk);
    return code;
}

int peer_iceoryx_join(struct bench_link *link, unsigned side, struct bench_end *end)
{
    static struct peer peer;
    char name[ROUDI_NAME_SIZE];
    int code = load();

    if (code == 0)
        code = be_quiet();
    if (code < 0)
        return code;
    roudi_user_print(link->name, side, name);
    /* Each of what follows waits for an answer of the daemon's, for ever where that has died. */
    (void)alarm(BENCH_STUCK_MS / 1000);
    iceoryx.start(name);
    end->peer = &peer;
    code = ends_make(link, side, &peer);
    if (code == 0)
        code = room_check(&peer, link->crossing.size);
    (void)alarm(0);
    return code < 0 ? code : ends_meet(&peer);
}

/* The library tells its daemon in a destructor that it goes, which exit(3) calls; to whom nobody
 * told it somebody is still there. What is on our outputs goes nowhere (be_quiet). */
void peer_iceoryx_leave(struct bench_end *end, int status)
{
    if (!end->peer)
        return;
    (void)alarm(BENCH_STUCK_MS / 1000);
    exit(status);
}

/* --- messages --------------------------------------------------------------------------------- */

ssize_t peer_iceoryx_send(struct bench_end *end, const void *data, size_t size)
{
    void *chunk;

    switch (iceoryx.loan(end->peer->publisher, &chunk, (uint32_t)size)) {
    case AllocationResult_SUCCESS:
        memcpy(chunk, data, size);
        iceoryx.publish(end->peer->publisher, chunk);
        return (ssize_t)size;
    case AllocationResult_RUNNING_OUT_OF_CHUNKS:
        return -ENOBUFS;
    default:
        return -EMSGSIZE;
    }
}

static enum iox_ChunkReceiveResult take(struct bench_end *end, const void **ret_chunk)
{
    const struct timespec patience = { .tv_sec = BENCH_STUCK_MS / 1000 };
    iox_notification_info_t told;
    uint64_t missed;
    enum iox_ChunkReceiveResult result = iceoryx.take(end->peer->subscriber, ret_chunk);

    if (result != ChunkReceiveResult_NO_CHUNK_AVAILABLE || !end->peer->waiting)
        return result;
    iceoryx.wait(end->peer->waiting, patience, &told, 1, &missed);
    return iceoryx.take(end->peer->subscriber, ret_chunk);
}

/* How much has come the binding tells nobody who has no header of its own: all are of one size. */
ssize_t peer_iceoryx_receive(struct bench_end *end, void *data, size_t size)
{
    const void *chunk;

    switch (take(end, &chunk)) {
    case ChunkReceiveResult_SUCCESS:
        memcpy(data, chunk, size);
        iceoryx.release(end->peer->subscriber, chunk);
        return (ssize_t)size;
    case ChunkReceiveResult_NO_CHUNK_AVAILABLE:
        return end->peer->waiting ? -ETIMEDOUT : -EAGAIN;
    default:
        return -EIO;
    }
}
