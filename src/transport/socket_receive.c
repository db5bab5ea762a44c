/* socket_receive.c - what sockets bring, into the slots of an inbox.
 *
 * Invariants: every received descriptor is either in the message that is returned or closed; none
 * is ever looked at without being taken (MSG_PEEK would install a second one). A message that was
 * cut is never delivered as if it were whole.
 */
#include "base/cleanup.h"
#include "transport/socket.h"
#include "transport/zero_copy.h"

#include <errno.h>
#include <string.h>

static const int receive_flags = MSG_DONTWAIT | MSG_CMSG_CLOEXEC;

static void message_fill(
    struct ferry_message *message, struct inbox_slot *slot, size_t size, size_t descriptor_count)
{
    *message = (struct ferry_message){
        .data = slot->buffer.iov_base,
        .size = size,
        .descriptors = slot->descriptors,
        .descriptor_count = descriptor_count,
    };
}

static ssize_t receive_once(int fd, struct msghdr *header, int flags)
{
    ssize_t size;
    do
        size = recvmsg(fd, header, receive_flags | flags);
    while (size < 0 && errno == EINTR);
    return size < 0 ? -errno : size;
}

/* --- streams ---------------------------------------------------------------------------------- */

int socket_receive_bytes(
    struct link *link, struct ferry_inbox *inbox, struct ferry_message *batch, size_t count)
{
    struct inbox_slot *slot = &inbox->slots[0];
    ssize_t size;

    (void)count;
    do
        size = recv(link->receive_fd, slot->buffer.iov_base, slot->buffer.iov_len, MSG_DONTWAIT);
    while (size < 0 && errno == EINTR);
    if (size < 0 && errno == EAGAIN && link->flags & LINK_ZERO_COPY) {
        zero_copy_take(link); /* or whoever polls for something to receive would not sleep */
        return -EAGAIN;
    }
    if (size <= 0)
        return size < 0 ? -errno : 0;
    message_fill(&batch[0], slot, (size_t)size, 0);
    return 1;
}

int socket_receive_stream(
    struct link *link, struct ferry_inbox *inbox, struct ferry_message *batch, size_t count)
{
    struct control_facts facts;

    (void)count;
    inbox_prepare(inbox, 1, false, true);
    ssize_t size = receive_once(link->receive_fd, &inbox->headers[0].msg_hdr, 0);
    if (size <= 0)
        return (int)size;
    inbox->headers[0].msg_len = (unsigned)size;
    int r = socket_read_slot(inbox, 0, false, &batch[0], &facts);
    fd_close(&facts.pidfd);
    return r < 0 ? r : 1;
}

/* --- messages --------------------------------------------------------------------------------- */

int socket_receive_batch(int fd, struct ferry_inbox *inbox, size_t count, bool with_name)
{
    if (count > inbox->count)
        count = inbox->count;
    if (count > RECEIVE_BATCH_MAX)
        count = RECEIVE_BATCH_MAX;
    inbox_prepare(inbox, count, with_name, true);
    return socket_receive_prepared(fd, inbox, count);
}

int socket_receive_prepared(int fd, struct ferry_inbox *inbox, size_t count)
{
    int received;

    if (count == 1) {
        ssize_t size = receive_once(fd, &inbox->headers[0].msg_hdr, MSG_TRUNC);
        if (size < 0)
            return (int)size;
        inbox->headers[0].msg_len = (unsigned)size;
        return 1;
    }
    do
        received = recvmmsg(fd, inbox->headers, (unsigned)count, receive_flags | MSG_TRUNC, NULL);
    while (received < 0 && errno == EINTR);
    return received < 0 ? -errno : received;
}

void socket_descriptor_close(int fd)
{
    fd_close(&fd);
}

int socket_read_slot(struct ferry_inbox *inbox, size_t index, bool refuse,
    struct ferry_message *ret_message, struct control_facts *ret_facts)
{
    struct inbox_slot *slot = &inbox->slots[index];
    struct msghdr *header = &inbox->headers[index].msg_hdr;

    control_walk(header, slot->descriptors, refuse ? 0 : FERRY_DESCRIPTORS_MAX,
        socket_descriptor_close, ret_facts);
    message_fill(ret_message, slot, inbox->headers[index].msg_len, ret_facts->descriptor_count);
    if (header->msg_flags & MSG_TRUNC) {
        ferry_message_fini(ret_message);
        return -EMSGSIZE;
    }
    if (ret_facts->truncated && !refuse) {
        ferry_message_fini(ret_message);
        return -EBADMSG;
    }
    return 0;
}

/* The end of a seqpacket socket looks like an empty message, but without the credentials that
 * SO_PASSCRED puts on every true one. */
static bool slot_is_end(
    const struct link *link, const struct ferry_message *message, const struct control_facts *facts)
{
    return message->size == 0 && !facts->any && (link->capabilities & FERRY_HAS_END);
}

void socket_loss_add(struct socket_losses *losses, int code, size_t size)
{
    losses->losses[losses->count++] = (struct socket_loss){ code, size };
}

int socket_loss_report(struct socket_losses *losses, struct ferry_message *message)
{
    struct socket_loss first = losses->losses[0];

    losses->count--;
    memmove(losses->losses, losses->losses + 1, losses->count * sizeof(first));
    *message = (struct ferry_message){ .size = first.size };
    return first.code;
}

int socket_receive_messages(
    struct link *link, struct ferry_inbox *inbox, struct ferry_message *batch, size_t count)
{
    struct socket_losses *losses = link->state;
    bool refuse = !(link->capabilities & FERRY_HAS_DESCRIPTORS);
    int good = 0;

    if (losses->count > 0)
        return socket_loss_report(losses, &batch[0]);
    int received = socket_receive_batch(link->receive_fd, inbox, count, false);
    for (int i = 0; i < received; i++) {
        struct control_facts facts;
        struct ferry_message message;
        int r = socket_read_slot(inbox, (size_t)i, refuse, &message, &facts);
        if (r < 0) {
            fd_close(&facts.pidfd);
            socket_loss_add(losses, r, message.size);
            continue;
        }
        if (slot_is_end(link, &message, &facts))
            break;
        message.sender = socket_sender(&facts, &inbox->slots[i]);
        batch[good++] = message;
    }
    if (received < 0 || good > 0)
        return good > 0 ? good : received;
    return losses->count > 0 ? socket_loss_report(losses, &batch[0]) : 0;
}
