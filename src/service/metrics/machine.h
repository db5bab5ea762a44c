/* machine.h - what this machine has open, as series: a look at the table of endpoints, summed.
 *
 * A connection has no series of its own: they come and go, and would be as many names. Figures are
 * summed by command, by listening port, by bound address; each family has at most SERIES_MAX, and
 * says how much found no room.
 *
 * A counter may not go down when a socket is closed. So of each IP socket the figures of the last
 * look are kept, by its cookie, and only what came since is added. What a socket did after the last
 * look that saw it is lost.
 */
#ifndef FERRY_SERVICE_METRICS_MACHINE_H
#define FERRY_SERVICE_METRICS_MACHINE_H

#include "service/metrics/sums.h"

#include <ferry/endpoints.h>

enum machine_family {
    MACHINE_ENDPOINTS,
    MACHINE_QUEUE_BYTES,
    MACHINE_WAITING,
    MACHINE_BACKLOG,
    MACHINE_DESCRIPTORS,
    MACHINE_PATHS,
    MACHINE_ORPHANED,
    MACHINE_MESSAGES,
    MACHINE_MESSAGES_MAX,
    MACHINE_GAUGE_COUNT, /* those before are made anew for each look */
    MACHINE_DROPS = MACHINE_GAUGE_COUNT,
    MACHINE_TCP_RETRANSMITS,
    MACHINE_TCP_SEGMENTS,
    MACHINE_TCP_SENT,
    MACHINE_TCP_RECEIVED,
    MACHINE_FAMILY_COUNT
};

enum { PAST_DROPS, PAST_RETRANSMITS, PAST_SEGMENTS, PAST_SENT, PAST_RECEIVED, PAST_COUNT };

/* What a socket had counted at a look. */
struct past {
    uint64_t cookie;
    uint64_t counts[PAST_COUNT];
};

struct machine {
    struct ferry_endpoints *table; /* owned; NULL before the first look */
    struct sums sums[MACHINE_FAMILY_COUNT];
    struct past *before, *now; /* by cookie; while it is made, in the order of the table */
    size_t before_count, now_count;
    struct bytes labels;                /* of the series that is being added to */
    unsigned char listening[65536 / 8]; /* TCP ports, a bit each */
    struct ferry_endpoints_gaps gaps;
    size_t process_count;
    unsigned look; /* how many there were */
    uint64_t failures;
    bool seen; /* the last look succeeded */
};

void machine_fini(struct machine *machine);
/* Looks. On failure (-errno, with *error) the gauges are empty, and counters as they were. */
int machine_look(struct machine *machine, struct ferry_error *error);
void machine_print(const struct machine *machine, struct bytes *text);

#endif
