/* log.h - the sink that writes events to a descriptor, one line each, and never blocks the loop.
 *
 * A reader that does not keep up (a pager, a stopped terminal, a stuck collector) costs lines, not
 * service: lines that cannot be written now are counted, and the count is the first thing written
 * when there is room again.
 */
#ifndef FERRY_ROUTE_LOG_H
#define FERRY_ROUTE_LOG_H

#include "route/event.h"
#include "route/limits.h"
#include "route/settings.h"

#include <stdbool.h>

struct log {
    enum log_format format; /* may be changed at any time */
    int fd;
    bool owned;              /* fd is ours to close: another opening of what was given */
    bool socket;             /* sent with MSG_DONTWAIT */
    bool polled;             /* may block, so it is asked first */
    uint64_t lost;           /* events since the last line that was written */
    char rest[LOG_LINE_MAX]; /* of a line that went in part */
    size_t rest_size;
    struct bytes line; /* where lines are made; what there is to say of lack of memory needs none */
};

/* The format of that name; false: there is none. */
bool log_format_parse(const char *text, enum log_format *ret_format);

/* fd is borrowed and must outlive the log; its flags, which others share, are left alone. */
void log_init(struct log *log, int fd, enum log_format format);
void log_fini(struct log *log);

/* An event_sink; data is the struct log. */
void log_event(const struct event *event, void *data);

#endif
