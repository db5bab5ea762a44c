/* probe.h - how far away one address is, asked again and again.
 *
 * The method follows from what the channel can do, never more than the address asks for:
 *     echo     messages without an end (icmp, udp, unix-dgram), or an address with reply=: a
 *              stamped message is sent and awaited back
 *     connect  the time until it is connected; then it is closed, nothing is sent
 *     open     a FIFO or queue without a way back: opened and closed, nothing is sent
 *
 * A probe owns its channel and sources. It asks one question at a time: ping_probe_start(), then
 * done() once, which may be called before that returns. An echo that comes after its time is told
 * from the one that is awaited by the stamp: random bytes of this probe's own, and the question's
 * number.
 */
#ifndef FERRY_COMMAND_PING_PROBE_H
#define FERRY_COMMAND_PING_PROBE_H

#include "command/limits.h"
#include "command/times.h"

#include <ferry/ferry.h>

enum ping_method { PING_UNDECIDED, PING_ECHO, PING_CONNECT, PING_OPEN };

enum ping_outcome {
    PING_ANSWERED,
    PING_REFUSED, /* udp: nobody is at the port, and the host said so: it is there */
    PING_FAILED,  /* with a reason */
    PING_LOST,    /* silence */
};

struct ping_result {
    enum ping_outcome outcome;
    uint64_t number; /* of the question, from 1 */
    int64_t time_ns; /* answered, refused */
    int code;        /* failed: -errno */
    char reason[sizeof(struct ferry_error)];
};

/* What all probes of a run share. */
struct ping_setup {
    struct ferry_loop *loop;
    struct ferry_inbox *inbox;
    enum ping_method method; /* of all, or PING_UNDECIDED */
    int64_t timeout_ms;      /* of an address that does not state its own */
    size_t size;             /* of a message, PING_SIZE_MIN to PING_SIZE_MAX bytes */
};

struct ping_probe {
    const struct ping_setup *setup;
    struct ferry_address *address; /* as given */
    struct ferry_address **hosts;  /* of its name, when it has one */
    size_t host_count, host;       /* how many, and which of them is asked */
    int64_t timeout_ms;
    enum ping_method method;
    struct ferry_channel *channel;
    struct ferry_source *ready; /* of the channel */
    struct ferry_source *timer;
    /* the question that is open */
    bool busy, sent;
    uint64_t number;
    int64_t start_ns, deadline_ns, pause_ms;
    struct ferry_error last; /* why it could not be dialled yet; its reason is "" if it could */
    /* echo */
    uint8_t mark[8];                 /* begins every message of this probe */
    uint8_t message[PING_SIZE_MAX];  /* what is sent */
    uint8_t received[PING_SIZE_MAX]; /* what has come of a stream */
    size_t received_size;
    bool seen[PING_NUMBERS_KEPT]; /* whether the echo of one of the last numbers has come */
    /* what came of all questions */
    struct times times;
    uint64_t asked, refused, failed, lost;
    uint64_t late, twice, foreign; /* echoes: after their time, again, of nobody's question */
    struct ping_result result;     /* the last */
    char failure[sizeof(struct ferry_error)]; /* the reason of the last that failed */
    void (*done)(struct ping_probe *probe, void *data);
    void *data;
};

/* Takes the address.
 *   done  called once for each question; `result` says what came of it
 * Returns 0; -EOPNOTSUPP: such an address has no distance; or another -errno. After a failure only
 * ping_probe_fini() is legal. */
int ping_probe_init(struct ping_probe *probe, const struct ping_setup *setup,
    struct ferry_address *address, void (*done)(struct ping_probe *probe, void *data), void *data,
    struct ferry_error *error);
void ping_probe_fini(struct ping_probe *probe);
/* Gives it the numbers of its name. 0 or -ENOMEM. */
int ping_probe_set_hosts(struct ping_probe *probe, const char *const *hosts, size_t count);

/* The address that is dialled: as given, or with the number of a host. */
const struct ferry_address *ping_probe_target(const struct ping_probe *probe);
/* Asks the next question. */
void ping_probe_start(struct ping_probe *probe);
/* Before anything has been answered: forgets the question and turns to the next host of the name.
 * False: there is none. */
bool ping_probe_next_host(struct ping_probe *probe);
/* Questions that were answered, refused ones included. */
uint64_t ping_probe_answered(const struct ping_probe *probe);

#endif
