/* sender.h - messages to a receiver, in order, as it takes them; what it answers is dropped. */
#ifndef FERRY_COMMAND_REPLAY_SENDER_H
#define FERRY_COMMAND_REPLAY_SENDER_H

#include "command/limits.h"
#include "command/replay/messages.h"

#include <ferry/channel.h>

/* What is to be sent, and what became of it. */
struct sender {
    const char *file, *address; /* for those who read what went wrong; borrowed */
    struct messages *source;    /* what comes after the batch; borrowed */
    struct ferry_channel *channel;
    struct ferry_inbox *inbox;
    bool bytes;      /* the receiver takes bytes: frames go along */
    bool is_output;  /* the receiver is standard output */
    bool hears;      /* it may still answer */
    bool keep_going; /* what it refuses is left out */
    bool finishing;  /* everything was sent */
    int64_t timeout_ns;
    int64_t heard_ns; /* when the receiver last answered */
    int signal_fd;    /* readable: it is to end */
    struct message messages[REPLAY_BATCH];
    struct iovec buffers[REPLAY_BATCH][2];
    struct ferry_outgoing outgoings[REPLAY_BATCH];
    size_t first, count; /* of the batch: the first that has not gone; items */
    uint64_t sent_count, sent_size, refused_count;
    struct ferry_error refusal; /* of the first that was refused */
    /* Called before each wait and after each batch. */
    void (*progress)(void *data);
    void *data;
};

/* Dials. Fill what is borrowed, `keep_going` and `timeout_ns` first, and zero the rest.
 * From here on SIGINT and SIGTERM are taken as requests to end. Returns 0 or -errno. */
int sender_open(struct sender *sender, bool json, struct ferry_error *error);
void sender_close(struct sender *sender);

/* Adds a message to the batch, which has room for REPLAY_BATCH. */
void sender_add(struct sender *sender, const struct message *message);
/* Sends the batch. Returns 0, -EINTR (a signal), -ETIMEDOUT, or another -errno. */
int sender_flush(struct sender *sender, struct ferry_error *error);
/* Waits until a point in time, and for what is to be read from `fd` (-1: for nothing). Returns 0,
 * perhaps earlier, or as sender_flush(). */
int sender_wait(struct sender *sender, int fd, int64_t until_ns, struct ferry_error *error);
/* Tells the receiver that this was all, where that can be told, and waits for its end. */
int sender_finish(struct sender *sender, struct ferry_error *error);
/* The first message that was not sent; false: there is none. */
bool sender_unsent(const struct sender *sender, uint64_t *ret_number, uint64_t *ret_offset);

#endif
