/* peer_nanomsg.c - nanomsg: a pair of sockets over a unix socket that has a path. */
#include "base/cleanup.h"
#include "command/bench/peer.h"
#include "command/limits.h"

#include <errno.h>
#include <nanomsg/nn.h>
#include <nanomsg/pair.h>
#include <stdio.h>

struct peer {
    int socket;
};

static struct {
    __typeof__(&nn_socket) socket;
    __typeof__(&nn_setsockopt) set;
    __typeof__(&nn_bind) bind;
    __typeof__(&nn_connect) connect;
    __typeof__(&nn_send) send;
    __typeof__(&nn_recv) receive;
} nanomsg;

static int load(void)
{
    const struct peer_symbol symbols[] = {
        { "nn_socket", &nanomsg.socket },
        { "nn_setsockopt", &nanomsg.set },
        { "nn_bind", &nanomsg.bind },
        { "nn_connect", &nanomsg.connect },
        { "nn_send", &nanomsg.send },
        { "nn_recv", &nanomsg.receive },
    };
    return peer_load("libnanomsg.so.5", symbols, COUNT_OF(symbols));
}

static int options_set(int socket)
{
    const struct {
        int option, value;
    } options[] = {
        { NN_RCVMAXSIZE, -1 },
        { NN_SNDTIMEO, BENCH_STUCK_MS },
        { NN_RCVTIMEO, BENCH_STUCK_MS },
        { NN_RECONNECT_IVL, PEER_RETRY_MS },
    };
    for (size_t i = 0; i < COUNT_OF(options); i++)
        if (nanomsg.set(socket, NN_SOL_SOCKET, options[i].option, &options[i].value, sizeof(int)) <
            0)
            return -errno;
    return 0;
}

int peer_nanomsg_join(struct bench_link *link, unsigned side, struct bench_end *end)
{
    static struct peer peer;
    char address[80];
    int code = load();

    if (code < 0)
        return code;
    snprintf(address, sizeof(address), "ipc://%s/" BENCH_SOCKET_NAME, link->folder);
    peer.socket = nanomsg.socket(AF_SP, NN_PAIR);
    if (peer.socket < 0)
        return -errno;
    code = options_set(peer.socket);
    if (code == 0)
        code =
            side == 1 ? nanomsg.bind(peer.socket, address) : nanomsg.connect(peer.socket, address);
    end->peer = &peer;
    return code < 0 ? -errno : 0;
}

static int flags_of(const struct bench_end *end)
{
    return end->wait == BENCH_SPIN ? NN_DONTWAIT : 0;
}

ssize_t peer_nanomsg_send(struct bench_end *end, const void *data, size_t size)
{
    int sent = nanomsg.send(end->peer->socket, data, size, flags_of(end));
    return sent < 0 ? -errno : sent;
}

ssize_t peer_nanomsg_receive(struct bench_end *end, void *data, size_t size)
{
    int received = nanomsg.receive(end->peer->socket, data, size, flags_of(end));
    return received < 0 ? -errno : received;
}
