/* watch.c - a channel in a loop. */
#include "channel/watch.h"
#include "base/clock.h"
#include "channel/channel.h"
#include "channel/limits.h"
#include "loop/loop.h"

#include <string.h>

/* A pending source runs without events: what it has is something to receive. Of two descriptors the
 * sending one tells that the peer is gone; a hang-up of the other is only the end of receiving. */
static void watch_ready(struct ferry_source *source, unsigned events, void *data)
{
    struct watch *watch = data;
    if (watch->send && source == watch->receive)
        events &= ~(unsigned)FERRY_HANGUP;
    watch->handler(watch, events ? events : FERRY_READABLE);
}

static void watch_retry(struct ferry_source *source, void *data)
{
    struct watch *watch = data;
    (void)source;
    watch->retrying = false;
    watch->handler(watch, FERRY_WRITABLE);
}

/* A session may have something pending; or a shutdown is about to close the sending descriptor. */
static void watch_changed(void *data)
{
    struct watch *watch = data;
    if (watch->send && ferry_channel_fd(watch->channel, FERRY_SEND) < 0) {
        ferry_source_remove(watch->send);
        watch->send = NULL;
    }
    watch_set(watch, watch->interest);
}

static void watch_follow(struct watch *watch)
{
    watch->channel->link.on_change = watch_changed;
    watch->channel->link.on_change_data = watch;
}

static int watch_descriptors(struct watch *watch, struct ferry_loop *loop)
{
    int receive_fd = ferry_channel_fd(watch->channel, FERRY_RECEIVE);
    int send_fd = ferry_channel_fd(watch->channel, FERRY_SEND);

    if (receive_fd >= 0) {
        int r = ferry_loop_watch(loop, receive_fd, 0, watch_ready, watch, &watch->receive);
        if (r < 0)
            return r;
    }
    if (send_fd >= 0 && send_fd != receive_fd) {
        int r = ferry_loop_watch(loop, send_fd, 0, watch_ready, watch, &watch->send);
        if (r < 0) {
            watch_stop(watch);
            return r;
        }
    }
    return 0;
}

int watch_start(struct watch *watch, struct ferry_loop *loop, struct ferry_channel *channel,
    void (*handler)(struct watch *watch, unsigned events))
{
    *watch = (struct watch){ .channel = channel, .handler = handler, .retry_ms = SESSION_RETRY_MS };
    int r = channel->link.flags & LINK_SESSION
                ? ferry_loop_watch_pending(loop, watch_ready, watch, &watch->receive)
                : watch_descriptors(watch, loop);
    if (r == 0)
        watch_follow(watch);
    return r;
}

/* Waits for room that no descriptor tells of: asks again after a pause that doubles. A pause that
 * runs is left alone, or messages coming in would put it off for ever. */
static void watch_wait_blindly(struct watch *watch, bool waits)
{
    if (!waits) {
        watch->retry_ms = SESSION_RETRY_MS;
        watch->retrying = false;
        if (watch->retry)
            ferry_source_set_deadline(watch->retry, CLOCK_NEVER);
        return;
    }
    if (watch->retrying)
        return;
    struct ferry_source *source = watch->receive ? watch->receive : watch->send;
    if (!watch->retry &&
        ferry_loop_timer(source->loop, CLOCK_NEVER, watch_retry, watch, &watch->retry) < 0) {
        /* Without a timer the loop's turns are the retry: dearer, but nothing is lost. */
        ferry_source_set_pending(source, true);
        return;
    }
    watch->retrying = true;
    ferry_source_set_deadline(
        watch->retry, clock_after(clock_now_ns(), watch->retry_ms * NS_PER_MS));
    if (watch->retry_ms < SESSION_RETRY_MS_MAX)
        watch->retry_ms *= 2;
}

void watch_set(struct watch *watch, unsigned interest)
{
    bool pending = (interest & FERRY_READABLE) && ferry_channel_pending(watch->channel);

    watch->interest = (uint8_t)interest;
    if (watch->receive)
        ferry_source_set_pending(watch->receive, pending);
    bool session = watch->channel->link.flags & LINK_SESSION;
    if (session || watch->balks) {
        watch_wait_blindly(watch, interest & FERRY_WRITABLE);
        interest &= ~(unsigned)FERRY_WRITABLE;
    }
    if (session)
        return;
    if (watch->send) {
        ferry_source_set_interest(watch->send, interest & (FERRY_WRITABLE | FERRY_HANGUP));
        interest &= ~(unsigned)(FERRY_WRITABLE | FERRY_HANGUP);
    }
    if (watch->receive)
        ferry_source_set_interest(watch->receive, interest);
}

void watch_set_balks(struct watch *watch, bool balks)
{
    if (watch->balks == balks)
        return;
    watch->balks = balks;
    watch_wait_blindly(watch, false);
}

void watch_stop(struct watch *watch)
{
    if (watch->channel) {
        watch->channel->link.on_change = NULL;
        watch->channel->link.on_change_data = NULL;
    }
    ferry_source_remove(watch->receive);
    ferry_source_remove(watch->send);
    ferry_source_remove(watch->retry);
    memset(watch, 0, sizeof(*watch));
}
