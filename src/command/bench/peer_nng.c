/* peer_nng.c - nng: its pair protocol over an abstract unix socket. */
#include "base/cleanup.h"
#include "command/bench/peer.h"
#include "command/limits.h"

#include <errno.h>
#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>
#include <stdio.h>

struct peer {
    nng_socket socket;
};

static struct {
    __typeof__(&nng_pair0_open) open;
    __typeof__(&nng_setopt_size) set_size;
    __typeof__(&nng_setopt_int) set_int;
    __typeof__(&nng_setopt_ms) set_ms;
    __typeof__(&nng_listen) listen;
    __typeof__(&nng_dial) dial;
    __typeof__(&nng_send) send;
    __typeof__(&nng_recv) receive;
} nng;

static int load(void)
{
    const struct peer_symbol symbols[] = {
        { "nng_pair0_open", &nng.open },
        { "nng_setopt_size", &nng.set_size },
        { "nng_setopt_int", &nng.set_int },
        { "nng_setopt_ms", &nng.set_ms },
        { "nng_listen", &nng.listen },
        { "nng_dial", &nng.dial },
        { "nng_send", &nng.send },
        { "nng_recv", &nng.receive },
    };
    return peer_load("libnng.so.1", symbols, COUNT_OF(symbols));
}

static int code_of(int error)
{
    switch (error) {
    case 0:
        return 0;
    case NNG_EAGAIN:
        return -EAGAIN;
    case NNG_ETIMEDOUT:
        return -ETIMEDOUT;
    case NNG_ENOMEM:
        return -ENOMEM;
    case NNG_EMSGSIZE:
        return -EMSGSIZE;
    default:
        return -EPIPE;
    }
}

int peer_nng_join(struct bench_link *link, unsigned side, struct bench_end *end)
{
    static struct peer peer;
    char address[80];
    int code = load(), depth = peer_depth(link->crossing.size);

    if (code < 0)
        return code;
    snprintf(address, sizeof(address), "abstract://%s", link->name);
    int error = nng.open(&peer.socket);
    if (!error)
        error = nng.set_size(peer.socket, NNG_OPT_RECVMAXSZ, 0);
    if (!error)
        error = nng.set_int(peer.socket, NNG_OPT_SENDBUF, depth);
    if (!error)
        error = nng.set_int(peer.socket, NNG_OPT_RECVBUF, depth);
    if (!error)
        error = nng.set_ms(peer.socket, NNG_OPT_RECONNMINT, PEER_RETRY_MS);
    if (!error)
        error = nng.set_ms(peer.socket, NNG_OPT_RECVTIMEO, BENCH_STUCK_MS);
    if (!error)
        error = nng.set_ms(peer.socket, NNG_OPT_SENDTIMEO, BENCH_STUCK_MS);
    if (!error)
        error = side == 1 ? nng.listen(peer.socket, address, NULL, 0)
                          : nng.dial(peer.socket, address, NULL, NNG_FLAG_NONBLOCK);
    end->peer = &peer;
    return code_of(error);
}

static int flags_of(const struct bench_end *end)
{
    return end->wait == BENCH_SPIN ? NNG_FLAG_NONBLOCK : 0;
}

ssize_t peer_nng_send(struct bench_end *end, const void *data, size_t size)
{
    int error = nng.send(end->peer->socket, (void *)(uintptr_t)data, size, flags_of(end));
    return error ? code_of(error) : (ssize_t)size;
}

ssize_t peer_nng_receive(struct bench_end *end, void *data, size_t size)
{
    int error = nng.receive(end->peer->socket, data, &size, flags_of(end));
    return error ? code_of(error) : (ssize_t)size;
}
