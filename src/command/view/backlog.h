/* backlog.h - how many may wait at a listener, and whether they do: the same in every verb. */
#ifndef FERRY_COMMAND_VIEW_BACKLOG_H
#define FERRY_COMMAND_VIEW_BACKLOG_H

#include <ferry/endpoints.h>

/* The kernel turns the next one away when more than the backlog wait: there is room for one more,
 * of unix sockets as of TCP. A backlog of 0 takes one. */
static inline uint64_t view_backlog_room(const struct ferry_endpoint *listener)
{
    return (uint64_t)listener->send_queue + 1;
}

static inline bool view_backlog_is_full(const struct ferry_endpoint *listener)
{
    return listener->receive_queue >= view_backlog_room(listener);
}

#endif
