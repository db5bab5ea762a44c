/* pool.h - batches and pipes that the flows of one thread share.
 *
 * A flow takes a batch to receive into and gives it back once everything in it has been sent, in
 * the normal case before it returns to the loop: so as many batches exist as flows are blocked at
 * one time, and the same warm memory serves all. The same holds for pipes.
 */
#ifndef FERRY_CHANNEL_POOL_H
#define FERRY_CHANNEL_POOL_H

#include "base/list.h"
#include "channel/limits.h"

#include <ferry/channel.h>

/* What one receive brought and how far it has been sent. */
struct batch {
    struct list node;
    struct ferry_inbox *inbox;
    size_t room;  /* messages it can hold: 1 for bytes */
    size_t count; /* messages received */
    size_t sent;  /* of them, from the front */
    struct ferry_message messages[FLOW_MESSAGES];
    struct iovec buffers[FLOW_MESSAGES];
    struct ferry_outgoing outgoings[FLOW_MESSAGES];
};

struct pipe_pair {
    int read_fd, write_fd;
};

struct ferry_relay_pool;

int pool_take_batch(struct ferry_relay_pool *pool, bool boundaries, struct batch **ret_batch);
/* Closes the descriptors of messages that were not sent. */
void pool_give_batch(struct ferry_relay_pool *pool, struct batch *batch);

int pool_take_pipe(struct ferry_relay_pool *pool, struct pipe_pair *ret_pipe);
/* An empty pipe is kept for the next, one with something left in it is closed. */
void pool_give_pipe(struct ferry_relay_pool *pool, struct pipe_pair *pipe, bool empty);

/* Bytes that the delay lines of all flows hold. */
void pool_add_held(struct ferry_relay_pool *pool, size_t size);
void pool_remove_held(struct ferry_relay_pool *pool, size_t size);
size_t pool_held(const struct ferry_relay_pool *pool);

#endif
