/* session_sender.h - what a datagram session knows of its sender beyond its key: the process
 * itself, and its label. Had only where the listening was asked to (message_pidfd, message_label).
 *
 * Whoever gets the number and the address of a process that has gone must not get its session, or
 * what was learnt and decided about the one would hold for the other.
 */
#ifndef FERRY_TRANSPORT_SESSION_SENDER_H
#define FERRY_TRANSPORT_SESSION_SENDER_H

#include "transport/inbox.h"

struct session_sender {
    int pidfd;   /* owned; -1: unknown, and so is all that would follow from it */
    char *label; /* owned; NULL: unknown, or out of memory */
};

/* Takes the pidfd out of what came with the first message.
 *   keep_pidfd  false: it is more than its uid may hold of our descriptors, and is closed */
void session_sender_init(
    struct session_sender *sender, struct control_facts *facts, bool keep_pidfd);
void session_sender_fini(struct session_sender *sender);

/* Whether a later message with the same key is of the same process under the same label. */
bool session_sender_is(const struct session_sender *sender, const struct control_facts *facts);

/* Adds what is known to what a message in a slot says: a copy of the pidfd (*facts must be made an
 * identity of, or its pidfd closed), and the label, which is laid into the slot. */
void session_sender_tell(
    const struct session_sender *sender, struct inbox_slot *slot, struct control_facts *facts);
/* The same for the session's identity, one fact at a time. */
void session_sender_gather(
    const struct session_sender *sender, enum ferry_fact fact, struct ferry_identity *identity);

#endif
