/* letter.h - received messages that wait in a session's queue, copied out of the inbox. */
#ifndef FERRY_TRANSPORT_LETTER_H
#define FERRY_TRANSPORT_LETTER_H

#include "base/list.h"
#include "transport/inbox.h"

struct letter;

/* A queue. Owns its letters, and they their descriptors. */
struct letters {
    struct list list;
    size_t count;
    size_t size; /* bytes in all */
    size_t descriptor_count;
};

void letters_init(struct letters *letters);
void letters_fini(struct letters *letters);

/* Copies a message's bytes and moves its descriptors over.
 *   code  0, or why the message is lost (-EMSGSIZE, -EBADMSG): then only its true size is kept
 * NULL: out of memory, nothing has been moved. */
struct letter *letter_new(struct ferry_message *message, int code);
/* Takes the letter. */
void letters_add(struct letters *letters, struct letter *letter);

/* Whether the first letter, which must exist, can't be had whole in `room` bytes. */
bool letters_first_is_lost(const struct letters *letters, size_t room);
/* Moves the first letter, which must exist, into a slot; the message's sender is left unknown.
 * Returns 0, or why it is lost: ret_message->size is then its true size. */
int letters_take(
    struct letters *letters, struct inbox_slot *slot, struct ferry_message *ret_message);

#endif
