/* messages.h - the messages of a file, one after the other, in the memory of REPLAY_PIECE_SIZE. */
#ifndef FERRY_COMMAND_REPLAY_MESSAGES_H
#define FERRY_COMMAND_REPLAY_MESSAGES_H

#include "wire/frame.h"

#include <ferry/error.h>
#include <stdbool.h>
#include <stdint.h>

struct messages;

/* Borrowed, until more is fetched. */
struct message {
    uint64_t number;           /* in the file, from 1 */
    uint64_t offset;           /* in the file, of its frame */
    const char *data, *framed; /* without its frame, and with it */
    size_t size, framed_size;  /* bytes */
    bool complete;             /* but the last line, which may lack its line feed */
};

/*   path   "-": standard input; borrowed
 *   frame  FRAME_LF or FRAME_LENGTH
 *   ret_messages  close with messages_close()
 * Returns 0 or -errno. */
int messages_open(
    const char *path, enum frame frame, struct messages **ret_messages, struct ferry_error *error);
void messages_close(struct messages *messages); /* NULL is allowed */

/* The next of what was fetched.
 * Returns 1, 0 (none is complete: fetch, unless messages_ended()), -EPROTO (a frame that is too
 * long or breaks off; it stays the next). */
int messages_next(
    struct messages *messages, struct message *ret_message, struct ferry_error *error);
/* Fetches more, after which none of the messages before is there any more. Of what is no file it
 * takes what is there.
 * Returns 0 (perhaps with nothing new: messages_ended()), -EAGAIN (nothing is there yet, see
 * messages_fd()), -ESTALE (the file was shortened), or another -errno. */
int messages_fetch(struct messages *messages, struct ferry_error *error);
/* All was fetched. */
bool messages_ended(const struct messages *messages);
/* Begins anew. Returns 0, -ESPIPE (it is no file), or as messages_open(). */
int messages_rewind(struct messages *messages, struct ferry_error *error);

/* To be polled when nothing is there yet. */
int messages_fd(const struct messages *messages);
/* Where the next is: its number, and its offset in the file. */
uint64_t messages_number(const struct messages *messages);
uint64_t messages_offset(const struct messages *messages);
/* How much of the file has been cut into messages, from 0 to 1; 0 where its size is unknown. */
double messages_share(const struct messages *messages);

#endif
