/* watch.h - a channel in a loop: one or two descriptors, what is pending, and datagram sessions,
 * which have no descriptor of their own, behind one interest and one handler.
 *
 * The owner embeds it; stop it before closing the channel.
 */
#ifndef FERRY_CHANNEL_WATCH_H
#define FERRY_CHANNEL_WATCH_H

#include <ferry/channel.h>
#include <ferry/loop.h>
#include <stdbool.h>
#include <stdint.h>

struct watch {
    struct ferry_channel *channel;
    struct ferry_source *receive; /* also sends, when both are one descriptor */
    struct ferry_source *send;    /* NULL when it is */
    struct ferry_source
        *retry; /* timer for a full peer that poll(2) cannot tell of; made when needed */
    void (*handler)(struct watch *watch, unsigned events);
    int retry_ms;
    uint8_t interest;
    bool retrying : 1; /* the timer runs */
    bool balks : 1;    /* writable by poll, yet it takes nothing: the retry waits instead */
};

/* Watches with interest 0.
 *   handler  gets FERRY_READABLE, FERRY_WRITABLE, FERRY_HANGUP; may stop the watch
 * Returns 0 or as ferry_loop_watch(). */
int watch_start(struct watch *watch, struct ferry_loop *loop, struct ferry_channel *channel,
    void (*handler)(struct watch *watch, unsigned events));
/* interest: of FERRY_READABLE, FERRY_WRITABLE, FERRY_HANGUP. Call it after every receive, also with
 * the same interest: it looks at what is pending. */
void watch_set(struct watch *watch, unsigned interest);
/* Says that the channel takes nothing although its descriptor is writable (the kernel's limit of
 * descriptors in flight, ETOOMANYREFS), or that it takes again. */
void watch_set_balks(struct watch *watch, bool balks);
void watch_stop(struct watch *watch);

#endif
