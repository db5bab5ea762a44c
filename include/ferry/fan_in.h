/* fan_in.h - records from many processes to one: a ring for each, and one place to wait for all.
 *
 * Each sender has a ring (ring.h) to itself, attaches to it as to any other, and need not know that
 * there are more. The receiver's ends stand in a fan-in, which says whose turn it is and sleeps
 * until somebody sends:
 *
 *     ferry_fan_in_new(), ferry_fan_in_add() for each sender's ring
 *     for (;;) {
 *         while ((ring = ferry_fan_in_next(fan_in, &data)))
 *             ... ferry_ring_try_receive(ring, ...), once
 *         ferry_fan_in_wait(), or ferry_fan_in_prepare_sleep() and a loop of one's own
 *     }
 *
 * Senders share nothing, neither memory nor what wakes: one that dies halfway, stops, breaks its
 * ring, sends without end or wakes for nothing costs itself its ring or its turn, and the others
 * no more than that turn. Records of one sender keep their order; between two there is none.
 *
 * Not so one that sets out to do harm, since what wakes is an open file of both: one that has it
 * watched by very many epoll(7) sets makes each wake-up take as long as there are sets (400,000: 60
 * ms), which holds for sockets as well.
 *
 * It belongs to one thread at a time, the rings in it included. Nothing here starts threads, logs,
 * or changes signals.
 */
#ifndef FERRY_FAN_IN_H
#define FERRY_FAN_IN_H

#include <ferry/ring.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ferry_fan_in;

/*   ret_fan_in  free with ferry_fan_in_free()
 * Returns 0, -EMFILE, -ENFILE, -ENOMEM. */
FERRY_PUBLIC FERRY_CHECK int ferry_fan_in_new(struct ferry_fan_in **ret_fan_in);
/* The rings that are in it stay the caller's, and open. NULL is allowed. */
FERRY_PUBLIC void ferry_fan_in_free(struct ferry_fan_in *fan_in);

/* Lets a ring take its turns.
 *   ring  one that receives, in no fan-in yet; borrowed, until it is removed or freed
 *   data  the caller's, given back by ferry_fan_in_next()
 * Returns 0, -ENOMEM, -ENOSPC (fs.epoll.max_user_watches of epoll(7)). */
FERRY_PUBLIC FERRY_CHECK int ferry_fan_in_add(
    struct ferry_fan_in *fan_in, struct ferry_ring *ring, void *data);
/* Takes a ring out that is in it, at any time; ferry_ring_free() does so too. */
FERRY_PUBLIC void ferry_fan_in_remove(struct ferry_fan_in *fan_in, struct ferry_ring *ring);

/* The next ring, in turn, that has something to receive or has ended: each that has gets one turn
 * before any gets another. How much a turn is the caller says, by receiving (or borrowing) from it
 * once, so much as one call brings; a ring whose receive says -EPIPE or -EPROTO is to be removed,
 * or its turns never end, and so is one whose record has no room (-EMSGSIZE): it stays where it is.
 * Have room for ferry_ring_record_max(), which whoever made the ring has chosen. One whose sender
 * breaks the rules may have nothing (-EAGAIN): that was its turn. Each ring in it is looked at,
 * some 5 ns a ring. While somebody sends without end there is always a next: who has other things
 * to do than to receive does them every so many turns.
 *   ret_data  what was given when it was added; may be NULL
 * Returns a borrowed ring, NULL: none has anything. */
FERRY_PUBLIC struct ferry_ring *ferry_fan_in_next(struct ferry_fan_in *fan_in, void **ret_data);

/* The descriptor to wait for in a loop of one's own, always for POLLIN, after
 * ferry_fan_in_prepare_sleep() has allowed it. Borrowed: poll it, nothing else. */
FERRY_PUBLIC int ferry_fan_in_fd(const struct ferry_fan_in *fan_in);

/* Ask before each sleep: any other call ends the permission, but the release of a ring. True:
 * don't, some ring has something to receive or has ended. False: sleep, whoever sends will wake
 * ferry_fan_in_fd(), which is quiet from here on until somebody does. Then ask ferry_fan_in_next().
 * It does not look out for senders first, as a ring alone does: there is no telling for which. */
FERRY_PUBLIC FERRY_CHECK bool ferry_fan_in_prepare_sleep(struct ferry_fan_in *fan_in);

/* Waits until ferry_fan_in_prepare_sleep() would say true.
 *   other_fd  a descriptor that ends the wait too when it becomes readable: for the deaths of many
 *             senders an epoll(7) of their sockets or pidfds; -1: none
 * Returns 0, 1 (other_fd has something, and no ring has), -ETIMEDOUT, or another -errno. */
FERRY_PUBLIC FERRY_CHECK int ferry_fan_in_wait(
    struct ferry_fan_in *fan_in, int other_fd, int64_t deadline_ns);

#ifdef __cplusplus
}
#endif
#endif
