/* pool.c - batches and pipes that the flows of one thread share. */
#include "channel/pool.h"
#include "transport/inbox.h"

#include <errno.h>
#include <fcntl.h>
#include <ferry/relay.h>

struct spares {
    struct list batches;
    size_t count;
};

struct ferry_relay_pool {
    struct spares bytes, messages;
    struct pipe_pair pipes[POOL_SPARE_MAX];
    size_t pipe_count;
    size_t held; /* bytes in delay lines */
};

int ferry_relay_pool_new(struct ferry_relay_pool **ret_pool)
{
    struct ferry_relay_pool *pool = calloc(1, sizeof(*pool));
    if (!pool)
        return -ENOMEM;
    list_init(&pool->bytes.batches);
    list_init(&pool->messages.batches);
    *ret_pool = pool;
    return 0;
}

static void batch_free(struct batch *batch)
{
    ferry_inbox_free(batch->inbox);
    free(batch);
}

static void spares_free(struct spares *spares)
{
    struct list *node, *after;
    list_each_safe (node, after, &spares->batches)
        batch_free(LIST_ENTRY(node, struct batch, node));
}

void ferry_relay_pool_free(struct ferry_relay_pool *pool)
{
    if (!pool)
        return;
    spares_free(&pool->bytes);
    spares_free(&pool->messages);
    while (pool->pipe_count) {
        struct pipe_pair *pipe = &pool->pipes[--pool->pipe_count];
        fd_close(&pipe->read_fd);
        fd_close(&pipe->write_fd);
    }
    free(pool);
}

static int batch_new(bool boundaries, struct batch **ret_batch)
{
    AUTO_FREE struct batch *batch = calloc(1, sizeof(*batch));
    if (!batch)
        return -ENOMEM;
    batch->room = boundaries ? FLOW_MESSAGES : 1;
    /* Size 0: whatever a local socket can carry here. */
    int r = ferry_inbox_new(boundaries ? 0 : FLOW_STREAM_SIZE, batch->room, &batch->inbox);
    if (r < 0)
        return r;
    *ret_batch = TAKE(batch);
    return 0;
}

int pool_take_batch(struct ferry_relay_pool *pool, bool boundaries, struct batch **ret_batch)
{
    struct spares *spares = boundaries ? &pool->messages : &pool->bytes;
    if (list_empty(&spares->batches))
        return batch_new(boundaries, ret_batch);
    /* The last one given is the warmest. */
    struct batch *batch = LIST_ENTRY(spares->batches.previous, struct batch, node);
    list_remove(&batch->node);
    spares->count--;
    *ret_batch = batch;
    return 0;
}

void pool_give_batch(struct ferry_relay_pool *pool, struct batch *batch)
{
    struct spares *spares = batch->room > 1 ? &pool->messages : &pool->bytes;
    for (size_t i = 0; i < batch->count; i++)
        ferry_message_fini(&batch->messages[i]);
    batch->count = batch->sent = 0;
    inbox_unmap(batch->inbox); /* it is somebody else's memory */
    if (spares->count >= POOL_SPARE_MAX) {
        batch_free(batch);
        return;
    }
    list_add_last(&spares->batches, &batch->node);
    spares->count++;
}

int pool_take_pipe(struct ferry_relay_pool *pool, struct pipe_pair *ret_pipe)
{
    int fds[2];
    if (pool->pipe_count) {
        *ret_pipe = pool->pipes[--pool->pipe_count];
        return 0;
    }
    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
        return -errno;
    /* Refused above the user's pipe allowance (pipe(7)): the default size works as well. */
    (void)fcntl(fds[1], F_SETPIPE_SZ, FLOW_PIPE_SIZE);
    *ret_pipe = (struct pipe_pair){ .read_fd = fds[0], .write_fd = fds[1] };
    return 0;
}

void pool_give_pipe(struct ferry_relay_pool *pool, struct pipe_pair *pipe, bool empty)
{
    if (empty && pool->pipe_count < POOL_SPARE_MAX) {
        pool->pipes[pool->pipe_count++] = *pipe;
        *pipe = (struct pipe_pair){ -1, -1 };
        return;
    }
    fd_close(&pipe->read_fd);
    fd_close(&pipe->write_fd);
}

void pool_add_held(struct ferry_relay_pool *pool, size_t size)
{
    pool->held += size;
}

void pool_remove_held(struct ferry_relay_pool *pool, size_t size)
{
    pool->held -= size;
}

size_t pool_held(const struct ferry_relay_pool *pool)
{
    return pool->held;
}
