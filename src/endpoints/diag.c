/* diag.c - asking the kernel's socket diagnosis. */
#include "endpoints/diag.h"
#include "base/clock.h"
#include "endpoints/limits.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

int diag_open(struct diag *diag)
{
    struct timeval timeout = { .tv_sec = DIAG_TIMEOUT_MS / 1000 };

    diag->socket = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
    if (!diag->socket)
        return -errno;
    diag->buffer = malloc(DIAG_BUFFER_SIZE);
    if (!diag->buffer) {
        diag_close(diag);
        return -ENOMEM;
    }
    (void)setsockopt(
        mnl_socket_get_fd(diag->socket), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    return 0;
}

void diag_close(struct diag *diag)
{
    if (diag->socket)
        mnl_socket_close(diag->socket);
    free(diag->buffer);
    *diag = (struct diag){ 0 };
}

static int error_of(const struct nlmsghdr *answer)
{
    const struct nlmsgerr *error = mnl_nlmsg_get_payload(answer);

    if (answer->nlmsg_len < mnl_nlmsg_size(sizeof(*error)))
        return -EPROTO;
    return error->error;
}

/* How a dump ended: the number that NLMSG_DONE carries. 1: as it should. */
static int done_of(const struct nlmsghdr *answer)
{
    int code = 0;

    if (answer->nlmsg_len >= mnl_nlmsg_size(sizeof(code)))
        memcpy(&code, mnl_nlmsg_get_payload(answer), sizeof(code));
    return code < 0 ? code : 1;
}

/* What one datagram of the kernel's holds. Returns 1: that was the last, 0: more will come. */
static int answers_read(struct diag *diag, size_t size, bool one, diag_row row, void *data)
{
    const struct nlmsghdr *answer = (const struct nlmsghdr *)(const void *)diag->buffer;
    int left = (int)size;

    for (; mnl_nlmsg_ok(answer, left); answer = mnl_nlmsg_next(answer, &left)) {
        if (answer->nlmsg_type == NLMSG_DONE)
            return done_of(answer);
        if (answer->nlmsg_type == NLMSG_ERROR) {
            int code = error_of(answer);
            return code < 0 ? code : 1;
        }
        if (answer->nlmsg_type != SOCK_DIAG_BY_FAMILY)
            continue;
        int code = row(answer, data);
        if (code < 0)
            return code;
        if (one)
            return 1;
    }
    return 0;
}

/* The rest of a dump that is of no use any more must not be taken for the next one's. */
static void diag_drain(struct diag *diag)
{
    while (recv(mnl_socket_get_fd(diag->socket), diag->buffer, DIAG_BUFFER_SIZE, MSG_DONTWAIT) > 0)
        ;
}

int diag_ask(
    struct diag *diag, const void *request, size_t request_size, bool one, diag_row row, void *data)
{
    char message[256];
    struct nlmsghdr *header = mnl_nlmsg_put_header(message);
    int code = 0;

    header->nlmsg_type = SOCK_DIAG_BY_FAMILY;
    header->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | (one ? 0 : NLM_F_DUMP));
    memcpy(mnl_nlmsg_put_extra_header(header, request_size), request, request_size);
    if (mnl_socket_sendto(diag->socket, header, header->nlmsg_len) < 0)
        return -errno;
    while (code == 0) {
        ssize_t size = mnl_socket_recvfrom(diag->socket, diag->buffer, DIAG_BUFFER_SIZE);
        if (size < 0)
            code = errno == EINTR ? 0 : errno == EAGAIN ? -ETIMEDOUT : -errno;
        else
            code = answers_read(diag, (size_t)size, one, row, data);
    }
    if (code < 0)
        diag_drain(diag);
    return code < 0 ? code : 0;
}
