/* moving.h - channels of auto:, which move between a socket and rings: one end dials, one accepts.
 *
 * Each end is opened by the process that goes on with it, or the two would take each other for
 * somebody who only passes on what others say, and have no rings. They receive by the calls of
 * ferry/channel.h: who sleeps polls the channel's descriptor, who spins tries again, and who adapts
 * leaves it to ferry_channel_receive().
 */
#ifndef FERRY_COMMAND_BENCH_MOVING_H
#define FERRY_COMMAND_BENCH_MOVING_H

#include "command/bench/mechanism.h"

/* As the operations of struct mechanism. */

/* Listens at a name without a file: by measure, or forced to one of the two. */
int moving_open(struct bench_link *link);
int moving_ring_open(struct bench_link *link);
int moving_socket_open(struct bench_link *link);
/* One of unix-seq:, which never moves. */
int moving_plain_open(struct bench_link *link);

int moving_join(struct bench_link *link, unsigned side, struct bench_end *end);
ssize_t moving_send(struct bench_end *end, const void *data, size_t size);
/* What has to be looked at of the data is copied, the rest lies in the inbox. */
ssize_t moving_receive(struct bench_end *end, void *data, size_t size);

/* It has tried the ring for long enough that it would have left it, or it stays on the socket. */
bool moving_is_settled(struct bench_end *end);
void moving_count(const struct bench_end *end, uint64_t ret_counts[BENCH_LANES]);

#endif
