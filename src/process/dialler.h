/* dialler.h - a small process that dials as somebody else, and hands the descriptors back.
 *
 * It is forked while the program is still root, and stays root while the program may become
 * somebody harmless. For every dial it forks a child that first becomes the user, for good, and
 * then dials: so the target's own check of credentials sees the user, paths and modes hold for the
 * user, nothing that reads an address or a peer's bytes runs as root, and a path that hangs holds
 * up one child.
 *
 * Who the caller is, the dialler is not told: it is handed the caller's socket, and asks the kernel
 * itself, which must be of one that connected, not of a service that was connected to. Users that
 * routes name it knows from its start. So a program that has been taken over can become neither
 * root nor anybody else unless he has connected to it.
 */
#ifndef FERRY_PROCESS_DIALLER_H
#define FERRY_PROCESS_DIALLER_H

#include "process/run_as.h"

#include <ferry/address.h>
#include <ferry/channel.h>
#include <ferry/loop.h>

struct dialler;
struct dialler_call;

struct dialler_options {
    bool commands; /* it will run programs (exec:) */
    bool sandbox;  /* no_new_privs, fewest capabilities, and a filter of its system calls */
    const struct run_as *users; /* as whom it may be asked to dial, besides callers; borrowed */
    size_t user_count;
    /* It has ended without being asked to, and nothing more is dialled. From the loop. */
    void (*on_ended)(void *data);
    void *data;
};

/* Forks it. Before threads are started. Returns 0 or -errno. */
int dialler_start(struct ferry_loop *loop, const struct dialler_options *options,
    struct dialler **ret_dialler, struct ferry_error *error);
/* Ends it, and waits for that. Calls that are under way fail. NULL is allowed. */
void dialler_stop(struct dialler *dialler);
/* 0: it has ended. */
pid_t dialler_pid(const struct dialler *dialler);
/* Whether it was started for this. */
bool dialler_runs_commands(const struct dialler *dialler);
bool dialler_knows(const struct dialler *dialler, const struct run_as *user);

/* Borrowed for the call. */
struct dialler_request {
    const struct ferry_address *address; /* without a name to look up */
    const struct run_as *run_as;         /* NULL: as the caller at the other end of ... */
    int peer_fd;                         /* ... this socket; -1 with run_as */
    bool refuse_descriptors;
    const struct ferry_profile *profile; /* outlives the call; NULL: none */
    const char *const *variables; /* exec: as struct ferry_dial_options has them; NULL: none */
    int64_t timeout_ms;           /* for which it may be at work at most */
};

/* Called once, from the loop; the call is gone then.
 *   code     0: dialled, and *channel is the callee's, perhaps still connecting; -EAGAIN: not now,
 *            try again; or another -errno, with *error */
typedef void (*dialler_done)(
    int code, const struct ferry_error *error, struct ferry_channel *channel, void *data);

/* Asks for a dial. Never waits.
 * Returns 0, -EAGAIN (it is busy, try again), -EPIPE (it has ended), -EMSGSIZE, -EMFILE, ... */
int dialler_dial(struct dialler *dialler, const struct dialler_request *request, dialler_done done,
    void *data, struct dialler_call **ret_call, struct ferry_error *error);
/* Lets go of it without calling done: what it dials is closed. NULL is allowed. */
void dialler_cancel(struct dialler_call *call);

#endif
