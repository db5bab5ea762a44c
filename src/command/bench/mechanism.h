/* mechanism.h - by what two processes reach each other, all in one form.
 *
 * A link is made by one process that then forks twice; each of the two takes an end. No mechanism
 * leaves anything behind: what needs a name loses it as soon as it is open.
 */
#ifndef FERRY_COMMAND_BENCH_MECHANISM_H
#define FERRY_COMMAND_BENCH_MECHANISM_H

#include "command/bench/roudi.h"

#include <ferry/auto.h>
#include <ferry/channel.h>
#include <ferry/listener.h>
#include <ferry/ring.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum bench_wait {
    BENCH_SLEEP,    /* poll(2), or a ring's bell */
    BENCH_SPIN,     /* ask again until it works */
    BENCH_ADAPTIVE, /* where there is a ring: look out for a while, then sleep */
    BENCH_WAIT_COUNT
};

/* Bytes at the front of a message that are looked at when it has come. */
#define BENCH_LOOKED_AT sizeof(uint64_t)

/* By enum ferry_lane. */
#define BENCH_LANES 2

/* "sleep", ... */
const char *bench_wait_name(enum bench_wait wait);

struct mechanism;

/* What is to be measured, once. */
struct crossing {
    const struct mechanism *mechanism;
    enum bench_wait wait;
    size_t size;         /* bytes of a message */
    size_t buffer;       /* bytes of the kernel's buffers each way; 0: as they come */
    const char *profile; /* that tunes it, of TCP (tuned.h); NULL: as everything else is measured */
    int64_t span_ns;     /* how long it goes on */
    double rate;         /* messages, or round trips, a second, evenly; 0: as many as can be */
    int cpus[2];         /* where the two processes run; -1: anywhere */
};

struct bench_link {
    struct crossing crossing;
    int pairs[2][2]; /* of each side: what it receives from, what it sends by; -1: none */
    struct ferry_ring *rings[2]; /* of one direction each: from side 0, to side 0 */
    struct ferry_listener *listener;
    char name[48];   /* for what has one and leaves nothing behind; "": none */
    char folder[32]; /* of BENCH_SOCKET_NAME; "": none */
    struct roudi roudi;
};

/* What one process has of a link. */
struct bench_end {
    const struct mechanism *mechanism;
    enum bench_wait wait;
    int receive_fd, send_fd;
    int filled_fd; /* what there was no room for yet, as memory; -1: nothing */
    struct ferry_ring *receive_ring, *send_ring;
    struct ferry_channel *channel;
    struct ferry_inbox *inbox;
    int64_t give_up_ns; /* whoever has heard nothing by then is stuck */
    int64_t moved_ns;   /* since when what it sends has gone by a ring; 0: not now */
    struct peer *peer;  /* what another library has there; its own kind of thing */
};

struct mechanism {
    const char *name, *help;
    bool is_stream;   /* bytes: a message may come in parts */
    bool may_lose;    /* a sender is not held up by a receiver that is slower */
    bool is_adaptive; /* knows BENCH_ADAPTIVE */
    bool is_forced;   /* to be what it might not be, which is measured when it is named */
    bool is_peer;     /* another library, which is measured when it is asked for */
    bool has_threads; /* that do its work */
    unsigned late_ms; /* about so long it takes, besides, until anything is measured */
    /* Makes both ends. 0, -EMSGSIZE (no message is so large), -EPERM (no buffer), -errno. */
    int (*open)(struct bench_link *link);
    /* What the end of that side has besides descriptors; NULL: nothing. 0, -errno. */
    int (*join)(struct bench_link *link, unsigned side, struct bench_end *end);
    /* One try. Bytes that went or came, or -errno; -EAGAIN: not now. */
    ssize_t (*send)(struct bench_end *end, const void *data, size_t size);
    ssize_t (*receive)(struct bench_end *end, void *data, size_t size);
    /* What moves by itself while it is in use (both NULL: nothing does): whether what this end
     * sends goes as it will go on, and how many messages it has sent by each lane. */
    bool (*is_settled)(struct bench_end *end);
    void (*count)(const struct bench_end *end, uint64_t ret_counts[BENCH_LANES]);
    /* All of these may be NULL. Ends the process with that status, where _exit(2) would leave
     * something behind; takes names away that are no longer needed, again and again; ends what
     * `open` has started. */
    void (*leave)(struct bench_end *end, int status);
    void (*unname)(struct bench_link *link);
    void (*close)(struct bench_link *link);
};

extern const struct mechanism bench_mechanisms[];
extern const size_t bench_mechanism_count;
/* NULL: none has that name. */
const struct mechanism *mechanism_find(const char *name);

/* The file in a link's folder. */
#define BENCH_SOCKET_NAME "socket"

/* Makes a link. 0, -EMSGSIZE, -EPERM (no buffer may be so large), -errno. */
int bench_link_open(struct bench_link *link, const struct crossing *crossing);
/* Takes the end of that side (0: who measures, 1: who answers) in a process of its own, which it
 * ends with; the other one is closed here. 0, -errno. */
int bench_link_take(struct bench_link *link, unsigned side, struct bench_end *ret_end);
/* Takes away what has a file: once both ends are connected, and by closing. */
void bench_link_unname(struct bench_link *link);
void bench_link_close(struct bench_link *link);

/* Waits until a receive may work. 0, -ETIMEDOUT, -errno. */
int bench_end_wait_receive(struct bench_end *end, int64_t deadline_ns);
int bench_end_wait_send(struct bench_end *end, int64_t deadline_ns);

#endif
