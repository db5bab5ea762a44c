/* socket.h - what the socket mechanisms share: system calls on batches, and their outcomes. */
#ifndef FERRY_TRANSPORT_SOCKET_H
#define FERRY_TRANSPORT_SOCKET_H

#include "transport/inbox.h"
#include "transport/limits.h"
#include "transport/transport.h"

#include <sys/socket.h>

/* --- socket_send.c: both return as ferry_channel_try_send() --- */

int socket_send_stream(struct link *link, struct ferry_outgoing *batch, size_t count);
/* The same, whatever LINK_ZERO_COPY says. */
int socket_send_copied(struct link *link, struct ferry_outgoing *batch, size_t count);
/* Whole messages.
 *   name  whom to, or NULL when connected */
int socket_send_messages(struct link *link, const void *name, socklen_t name_size,
    struct ferry_outgoing *batch, size_t count);

/* --- socket_receive.c --- */

/* A stream's bytes without and with descriptors, as ferry_channel_try_receive(). */
int socket_receive_bytes(
    struct link *link, struct ferry_inbox *inbox, struct ferry_message *batch, size_t count);
int socket_receive_stream(
    struct link *link, struct ferry_inbox *inbox, struct ferry_message *batch, size_t count);
/* Whole messages of a connected socket; link->state is a struct socket_losses. */
int socket_receive_messages(
    struct link *link, struct ferry_inbox *inbox, struct ferry_message *batch, size_t count);

/* Messages that were lost on receiving and are still to be reported, oldest first. The good ones
 * that came in the same batch are delivered before, since the inbox is gone after that. */
struct socket_losses {
    size_t count;
    struct socket_loss {
        int code;
        size_t size; /* bytes, the message's true size */
    } losses[RECEIVE_BATCH_MAX];
};

/* Receives up to `count` messages into the inbox's slots; returns how many headers are filled, or
 * -errno. */
int socket_receive_batch(int fd, struct ferry_inbox *inbox, size_t count, bool with_name);
/* The same into headers that were prepared. */
int socket_receive_prepared(int fd, struct ferry_inbox *inbox, size_t count);
void socket_descriptor_close(int fd);
/* What was lost, to be said later, and saying it: at most RECEIVE_BATCH_MAX at a time. */
void socket_loss_add(struct socket_losses *losses, int code, size_t size);
int socket_loss_report(struct socket_losses *losses, struct ferry_message *message);
/* The message in a filled slot, and what its control data said; the pidfd is now the caller's.
 *   refuse  its descriptors are not wanted: they are closed
 * Returns 0, -EMSGSIZE or -EBADMSG as ferry_channel_try_receive() (the descriptors are closed,
 * ret_message->size is the true size). */
int socket_read_slot(struct ferry_inbox *inbox, size_t index, bool refuse,
    struct ferry_message *ret_message, struct control_facts *ret_facts);

/* --- socket_identity.c --- */

/* link_ops.identity of a connected unix socket, and of one of the internet. */
void socket_identity(struct link *link, enum ferry_fact fact, struct ferry_identity *identity);
void socket_identity_inet(struct link *link, enum ferry_fact fact, struct ferry_identity *identity);
/* The pid, uid and gid that came with a message. */
void socket_identity_from_message(
    const struct control_facts *facts, struct ferry_identity *identity);
/* The sender of a message, kept in its slot; NULL: nobody vouches. Takes the pidfd. */
struct ferry_identity *socket_sender(struct control_facts *facts, struct inbox_slot *slot);

/* --- socket.c --- */

/* Of a socket that listens: struct listening_ops. */
int socket_accept(struct listening *listening, struct link *ret_link);
void socket_listening_close(struct listening *listening);
int socket_listening_socket(const struct listening *listening);
/* Closes what every listening has: descriptor, path, bound address. */
void listening_fini(struct listening *listening);
/* Options that a socket of ours has before anything can arrive.
 *   ret_refused  whether the kernel keeps descriptors away */
int socket_prepare(int fd, int family, int type, bool refuse_descriptors, bool *ret_refused);
/* Its address family and type. */
int socket_kind(int fd, int *ret_family, int *ret_type);

#endif
