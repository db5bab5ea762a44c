/* machine_checks.h - what is looked at, one file a subject; and what they share.
 *
 * A queue that is full for a moment is nothing bad. So there are two looks, LOOKS_APART_MS from
 * each other: what looked bad in the first is noted (suspects), and only what still does in the
 * second is a finding. What does not move between two looks is called so, and no more.
 */
#ifndef FERRY_COMMAND_WHY_MACHINE_CHECKS_H
#define FERRY_COMMAND_WHY_MACHINE_CHECKS_H

#include "command/why/machine_findings.h"

#include <ferry/endpoints.h>

/* Something that looked bad in the first look. */
struct suspect {
    uint64_t key;   /* cookie, or inode of what has none */
    uint64_t value; /* what must not have moved */
};

struct suspects {
    struct suspect *data;
    size_t count, capacity;
};

struct machine {
    struct ferry_endpoints *table;
    struct ferry_endpoints_gaps gaps;
    struct suspects suspects; /* sorted by key */
    bool hidden;              /* there are processes or namespaces that can't be seen */
    struct findings findings;
    struct bytes unseen; /* what could not be looked at, in words, a comma between */
};

/* Adds to the words about what could not be looked at. */
__attribute__((format(printf, 2, 3))) void machine_unseen(
    struct machine *machine, const char *format, ...);
/* "perhaps " where somebody that can't be seen may be the reason why nobody is; "". */
const char *machine_perhaps(const struct machine *machine);
/* Whether `part` is at least `percent` of `whole`. */
bool machine_reaches(uint64_t part, uint64_t whole, unsigned percent);
/* "3 processes": the right word for one. */
const char *machine_plural(uint64_t count, const char *one, const char *more);
/* Says in which network an endpoint is, if not in ours. */
void machine_say_network(struct finding *finding, const struct ferry_endpoint *endpoint);

/* Notes what looks bad; call it with the first look. Returns 0, -ENOMEM. */
int machine_suspect(struct machine *machine);
/* Whether an endpoint of the second look was bad in the first too, and has not moved. */
bool machine_is_suspect(const struct machine *machine, const struct ferry_endpoint *endpoint);

/* Whether it is a datagram socket with messages, whose queue is full, or perhaps is. */
bool machine_datagrams_wait(const struct ferry_endpoint *endpoint);

/* What each finds goes to machine->findings. Each returns 0, or -ENOMEM. */
int check_backlogs(struct machine *machine);
int check_datagrams(struct machine *machine); /* unix datagram queues */
int check_paths(struct machine *machine);     /* orphaned listeners, who may write */
int check_stale(struct machine *machine);     /* socket files of nobody */
int check_queues(struct machine *machine);    /* POSIX message queues */
int check_processes(struct machine *machine); /* descriptors, /dev/shm */
int check_sysv(struct machine *machine);
int check_network(struct machine *machine); /* TCP, UDP */

#endif
