/* socket_send.c - outgoings into sockets, as few system calls as they take.
 *
 * Invariants: descriptors go with an outgoing's first byte, and only while nothing of it has been
 * sent, so a partial send can never pass them twice. On a stream each outgoing with descriptors
 * opens a sendmsg of its own, because one call carries one set of them, at its first byte.
 * Credentials hold for all bytes of a call: outgoings of different ones never share any.
 */
#include "base/error.h"
#include "transport/outgoing.h"
#include "transport/segments.h"
#include "transport/socket.h"
#include "transport/zero_copy.h"

#include <errno.h>
#include <stdint.h>

static const int send_flags = MSG_DONTWAIT | MSG_NOSIGNAL;

union control_buffer {
    struct cmsghdr align;
    char bytes[CONTROL_SEND_SIZE];
};

/* What a failed call means: nothing more goes now, or an error, unless something went before. */
static int send_outcome(int done, int code)
{
    if (done > 0)
        return done;
    return error_is_retry(code) ? -EAGAIN : code;
}

static ssize_t send_once(int fd, const struct msghdr *header)
{
    ssize_t sent;
    do
        sent = sendmsg(fd, header, send_flags);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : sent;
}

static const struct ferry_credentials *credentials_of(
    const struct link *link, const struct ferry_outgoing *outgoing)
{
    return outgoing->credentials ? outgoing->credentials : link->credentials;
}

/* A socket that is not unix would take them and pass nothing on. */
static int check_descriptors(const struct link *link, const struct ferry_outgoing *outgoing)
{
    if (outgoing->descriptor_count > 0 && !(link->capabilities & FERRY_HAS_DESCRIPTORS))
        return -EOPNOTSUPP;
    return outgoing->descriptor_count > FERRY_DESCRIPTORS_MAX ? -EINVAL : 0;
}

/* --- streams ---------------------------------------------------------------------------------- */

/* How many outgoings one sendmsg may hold: up to the next that brings descriptors, or is sent as
 * somebody else. */
static size_t stream_run(const struct ferry_outgoing *batch, size_t count)
{
    size_t length = 1;
    while (length < count &&
           !(batch[length].descriptor_count > 0 && batch[length].sent_size == 0) &&
           batch[length].credentials == batch[0].credentials)
        length++;
    return length;
}

/* One sendmsg from the front of the batch.
 *   ret_full  the kernel took less than it was given
 * Returns how many outgoings it completed, or -errno. */
static int stream_send_once(
    const struct link *link, struct ferry_outgoing *batch, size_t count, bool *ret_full)
{
    struct iovec buffers[STREAM_BUFFERS_MAX];
    union control_buffer control;
    struct msghdr header = { .msg_iov = buffers };
    size_t run = stream_run(batch, count), offered;

    int r = check_descriptors(link, &batch[0]);
    if (r < 0)
        return r;
    if (batch[0].descriptor_count > 0 && outgoing_size(&batch[0]) == 0)
        return -EINVAL; /* nothing of its own that they could travel with */
    header.msg_iovlen =
        outgoing_gather(batch, run, SIZE_MAX, buffers, STREAM_BUFFERS_MAX, &offered);
    control_put(&header, control.bytes, batch[0].descriptors,
        batch[0].sent_size == 0 ? batch[0].descriptor_count : 0, credentials_of(link, &batch[0]));
    ssize_t sent = offered > 0 ? send_once(link->send_fd, &header) : 0;
    if (sent < 0)
        return (int)sent;
    *ret_full = (size_t)sent < offered;
    return (int)outgoing_book(batch, run, (size_t)sent);
}

int socket_send_copied(struct link *link, struct ferry_outgoing *batch, size_t count)
{
    size_t done = 0;

    while (done < count && batch[done].complete)
        done++;
    while (done < count) {
        bool full = false;
        int r = stream_send_once(link, batch + done, count - done, &full);
        if (r < 0)
            return send_outcome((int)done, r);
        done += (size_t)r;
        if (full)
            return send_outcome((int)done, -EAGAIN);
    }
    return (int)done;
}

int socket_send_stream(struct link *link, struct ferry_outgoing *batch, size_t count)
{
    return link->flags & LINK_ZERO_COPY ? zero_copy_send(link, batch, count)
                                        : socket_send_copied(link, batch, count);
}

/* --- messages --------------------------------------------------------------------------------- */

static void header_fill(struct msghdr *header, const void *name, socklen_t name_size,
    const struct ferry_outgoing *outgoing)
{
    *header = (struct msghdr){
        .msg_name = (void *)(uintptr_t)name,
        .msg_namelen = name_size,
        .msg_iov = (struct iovec *)(uintptr_t)outgoing->buffers,
        .msg_iovlen = outgoing->buffer_count,
    };
}

static int send_one_message(
    const struct link *link, const void *name, socklen_t name_size, struct ferry_outgoing *outgoing)
{
    union control_buffer control;
    struct msghdr header;

    int r = check_descriptors(link, outgoing);
    if (r < 0)
        return r;
    header_fill(&header, name, name_size, outgoing);
    control_put(&header, control.bytes, outgoing->descriptors, outgoing->descriptor_count,
        credentials_of(link, outgoing));
    ssize_t sent = send_once(link->send_fd, &header);
    return sent < 0 ? (int)sent : 1;
}

/* How many from the front can go by one sendmmsg. */
static size_t run_length(const struct link *link, const struct ferry_outgoing *batch, size_t count)
{
    size_t length = 0;
    while (length < count && length < SEND_BATCH_MAX && batch[length].descriptor_count == 0 &&
           !credentials_of(link, &batch[length]))
        length++;
    return length;
}

int socket_send_messages(struct link *link, const void *name, socklen_t name_size,
    struct ferry_outgoing *batch, size_t count)
{
    size_t done = 0;

    while (done < count && batch[done].complete)
        done++;
    while (done < count) {
        size_t run = run_length(link, batch + done, count - done);
        int r = run > 1 ? segments_send(link, name, name_size, batch + done, run)
                        : send_one_message(link, name, name_size, &batch[done]);
        if (r < 0)
            return send_outcome((int)done, r);
        for (int i = 0; i < r; i++, done++) {
            batch[done].sent_size = outgoing_size(&batch[done]);
            batch[done].complete = true;
        }
    }
    return (int)done;
}
