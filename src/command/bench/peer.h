/* peer.h - other libraries that carry messages between processes, beside which ours is measured:
 * as pairs of sockets over their local transport, or by what they publish in shared memory.
 *
 * They are loaded where they are measured, by dlopen(3): linked, they would be loaded by every
 * ferry that starts, which then takes 4.4 ms instead of 1.9 (libzmq alone brings the run-time
 * library of C++ and three kinds of cryptography). Their headers say what is called, so that one
 * whose header was not there when ferry was built is told to be not built in.
 */
#ifndef FERRY_COMMAND_BENCH_PEER_H
#define FERRY_COMMAND_BENCH_PEER_H

#include "command/bench/mechanism.h"

/* A function of a library, and the pointer to it that is to be set. */
struct peer_symbol {
    const char *name;
    void *pointer;
};

/* 0, -ELIBACC (the library is not there, or lacks one of them). */
int peer_load(const char *library, const struct peer_symbol *symbols, size_t count);

/* How many messages of that size may be under way: enough that a sender does not wait for each,
 * few enough for the memory of any machine. */
int peer_depth(size_t size);

/* As struct mechanism has them; who joins may fail with -ENOPKG: not built in. */

/* Gives the link its name. */
int peer_open(struct bench_link *link);
/* And a folder for a socket that has to have a file. */
int peer_open_folder(struct bench_link *link);

/* What stands for one that was not built in. */
int peer_absent_join(struct bench_link *link, unsigned side, struct bench_end *end);

#ifdef HAVE_NNG
int peer_nng_join(struct bench_link *link, unsigned side, struct bench_end *end);
ssize_t peer_nng_send(struct bench_end *end, const void *data, size_t size);
ssize_t peer_nng_receive(struct bench_end *end, void *data, size_t size);
#endif

#ifdef HAVE_ZEROMQ
int peer_zeromq_join(struct bench_link *link, unsigned side, struct bench_end *end);
ssize_t peer_zeromq_send(struct bench_end *end, const void *data, size_t size);
ssize_t peer_zeromq_receive(struct bench_end *end, void *data, size_t size);
#endif

#ifdef HAVE_NANOMSG
int peer_nanomsg_join(struct bench_link *link, unsigned side, struct bench_end *end);
ssize_t peer_nanomsg_send(struct bench_end *end, const void *data, size_t size);
ssize_t peer_nanomsg_receive(struct bench_end *end, void *data, size_t size);
#endif

#ifdef HAVE_ICEORYX
int peer_iceoryx_open(struct bench_link *link);
int peer_iceoryx_join(struct bench_link *link, unsigned side, struct bench_end *end);
ssize_t peer_iceoryx_send(struct bench_end *end, const void *data, size_t size);
ssize_t peer_iceoryx_receive(struct bench_end *end, void *data, size_t size);
void peer_iceoryx_leave(struct bench_end *end, int status);
void peer_iceoryx_unname(struct bench_link *link);
void peer_iceoryx_close(struct bench_link *link);
#endif

#endif
