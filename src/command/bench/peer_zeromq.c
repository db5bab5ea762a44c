/* peer_zeromq.c - ZeroMQ: a pair of sockets over an abstract unix socket. */
#include "base/cleanup.h"
#include "command/bench/peer.h"
#include "command/limits.h"

#include <errno.h>
#include <stdio.h>
#include <zmq.h>

struct peer {
    void *socket;
};

static struct {
    __typeof__(&zmq_ctx_new) context_new;
    __typeof__(&zmq_socket) socket;
    __typeof__(&zmq_setsockopt) set;
    __typeof__(&zmq_bind) bind;
    __typeof__(&zmq_connect) connect;
    __typeof__(&zmq_send) send;
    __typeof__(&zmq_recv) receive;
} zeromq;

static int load(void)
{
    const struct peer_symbol symbols[] = {
        { "zmq_ctx_new", &zeromq.context_new },
        { "zmq_socket", &zeromq.socket },
        { "zmq_setsockopt", &zeromq.set },
        { "zmq_bind", &zeromq.bind },
        { "zmq_connect", &zeromq.connect },
        { "zmq_send", &zeromq.send },
        { "zmq_recv", &zeromq.receive },
    };
    return peer_load("libzmq.so.5", symbols, COUNT_OF(symbols));
}

static int options_set(void *socket, size_t size)
{
    const struct {
        int option, value;
    } options[] = {
        { ZMQ_SNDHWM, peer_depth(size) },
        { ZMQ_RCVHWM, peer_depth(size) },
        { ZMQ_SNDTIMEO, BENCH_STUCK_MS },
        { ZMQ_RCVTIMEO, BENCH_STUCK_MS },
        { ZMQ_RECONNECT_IVL, PEER_RETRY_MS },
    };
    for (size_t i = 0; i < COUNT_OF(options); i++)
        if (zeromq.set(socket, options[i].option, &options[i].value, sizeof(int)) < 0)
            return -errno;
    return 0;
}

int peer_zeromq_join(struct bench_link *link, unsigned side, struct bench_end *end)
{
    static struct peer peer;
    char address[80];
    int code = load();

    if (code < 0)
        return code;
    snprintf(address, sizeof(address), "ipc://@%s", link->name);
    void *context = zeromq.context_new();
    peer.socket = context ? zeromq.socket(context, ZMQ_PAIR) : NULL;
    if (!peer.socket)
        return -errno;
    code = options_set(peer.socket, link->crossing.size);
    if (code == 0)
        code = side == 1 ? zeromq.bind(peer.socket, address) : zeromq.connect(peer.socket, address);
    end->peer = &peer;
    return code < 0 ? -errno : 0;
}

static int flags_of(const struct bench_end *end)
{
    return end->wait == BENCH_SPIN ? ZMQ_DONTWAIT : 0;
}

/* Who sleeps is told EAGAIN once it has waited for long enough. */
static ssize_t failure(const struct bench_end *end)
{
    return errno == EAGAIN && end->wait != BENCH_SPIN ? -ETIMEDOUT : -errno;
}

ssize_t peer_zeromq_send(struct bench_end *end, const void *data, size_t size)
{
    int sent = zeromq.send(end->peer->socket, data, size, flags_of(end));
    return sent < 0 ? failure(end) : sent;
}

ssize_t peer_zeromq_receive(struct bench_end *end, void *data, size_t size)
{
    int received = zeromq.receive(end->peer->socket, data, size, flags_of(end));
    return received < 0 ? failure(end) : received;
}
