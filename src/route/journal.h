/* journal.h - the sink that gives events to systemd's journal, each fact a field of its own:
 *     journalctl FERRY_ROUTE=db FERRY_EVENT=refused
 *
 * The native protocol, https://systemd.io/JOURNAL_NATIVE_PROTOCOL: one datagram an event. Never
 * blocks: what the journal's queue has no room for is counted, and the count is the first thing
 * told when there is room again.
 */
#ifndef FERRY_ROUTE_JOURNAL_H
#define FERRY_ROUTE_JOURNAL_H

#include "route/event.h"
#include "route/settings.h"

#include <stdbool.h>

struct journal {
    const char *path; /* of its socket; borrowed */
    int fd;           /* -1 until the first event */
    uint64_t lost;    /* events since the last that was taken */
};

/* path: NULL for the journal of this machine. Opens nothing yet. */
void journal_init(struct journal *journal, const char *path);
void journal_fini(struct journal *journal);

/* Appends the datagram that an event is. */
void journal_print(const struct event *event, struct bytes *record);
/* Gives it an event. False: there is no journal, so it has to be told elsewhere. */
bool journal_event(struct journal *journal, const struct event *event);

/* How events are written unless somebody says: to the journal when that reads our standard error
 * anyway ($JOURNAL_STREAM), else as text. */
enum log_format journal_default_format(void);

#endif
