/* changes.c - what has become of endpoints between two looks.
 *
 * An endpoint is the same as before if the kernel's cookie is the same; of what has none, if it is
 * the same end of the same file. An IP socket without an inode belongs to no process: it waits to
 * be accepted, or its process has closed it and the kernel sees the rest through, which is not
 * told.
 */
#include "command/ls/changes.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "command/ls/owners.h"
#include "command/view/backlog.h"
#include "command/view/names.h"

#include <assert.h>
#include <string.h>
#include <sys/socket.h>

struct ls_pulse {
    int64_t moved_ns; /* when its queues were seen to move last */
    uint64_t queues, passed;
    uint64_t owners;  /* as they were told last: ls_owners_sum() */
    bool stuck, full; /* has been told */
};

struct look {
    const struct ferry_endpoints *before, *now;
    uint32_t *index; /* of `before`, by identity: row + 1, open addressing */
    size_t index_size;
    unsigned char *met;                      /* rows of `before` that are still there */
    const struct ferry_endpoint **listeners; /* of both */
    size_t listener_count;
};

const char *ls_event_name(enum ls_event event)
{
    static const char *const names[] = { "made", "accepted", "bound", "listening", "waiting",
        "connected", "state", "peer", "peer-gone", "owners", "shutdown", "backlog", "stuck",
        "path-lost", "closed" };
    static_assert(COUNT_OF(names) == LS_EVENT_COUNT, "each has a name");
    return (size_t)event < COUNT_OF(names) ? names[event] : "unknown";
}

/* --- the same as before ----------------------------------------------------------------------- */

static bool is_same(const struct ferry_endpoint *one, const struct ferry_endpoint *other)
{
    if (one->cookie || other->cookie)
        return one->cookie == other->cookie;
    return one->inode == other->inode && one->device == other->device && one->kind == other->kind &&
           one->ends == other->ends;
}

static size_t slot_of(const struct look *look, const struct ferry_endpoint *endpoint)
{
    uint64_t key = endpoint->cookie ? endpoint->cookie : endpoint->inode ^ endpoint->device << 40;
    return (size_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (look->index_size - 1);
}

static int index_fill(struct look *look)
{
    size_t count = look->before ? ferry_endpoints_count(look->before) : 0;

    look->index_size = 64;
    while (look->index_size < count * 2)
        look->index_size *= 2;
    look->index = calloc(look->index_size, sizeof(*look->index));
    look->met = calloc(count + 1, 1);
    if (!look->index || !look->met)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        size_t slot = slot_of(look, ferry_endpoints_get(look->before, i));
        while (look->index[slot])
            slot = (slot + 1) & (look->index_size - 1);
        look->index[slot] = (uint32_t)(i + 1);
    }
    return 0;
}

/* The row it was; SIZE_MAX: it was not there. */
static size_t row_before(const struct look *look, const struct ferry_endpoint *endpoint)
{
    for (size_t slot = slot_of(look, endpoint); look->index[slot];
         slot = (slot + 1) & (look->index_size - 1)) {
        size_t row = look->index[slot] - 1;
        if (is_same(ferry_endpoints_get(look->before, row), endpoint))
            return row;
    }
    return SIZE_MAX;
}

/* --- whose it was ----------------------------------------------------------------------------- */

static void listeners_add(struct look *look, const struct ferry_endpoints *table)
{
    for (size_t i = 0; table && i < ferry_endpoints_count(table); i++)
        if (ferry_endpoints_get(table, i)->state == FERRY_STATE_LISTENING)
            look->listeners[look->listener_count++] = ferry_endpoints_get(table, i);
}

static size_t listeners_count(const struct ferry_endpoints *table)
{
    size_t count = 0;

    for (size_t i = 0; table && i < ferry_endpoints_count(table); i++)
        count += ferry_endpoints_get(table, i)->state == FERRY_STATE_LISTENING;
    return count;
}

/* Both looks' listeners: one may have been closed at once, or made just before. */
static int listeners_fill(struct look *look)
{
    size_t count = listeners_count(look->before) + listeners_count(look->now);

    look->listeners = calloc(count + 1, sizeof(*look->listeners));
    if (!look->listeners)
        return -ENOMEM;
    listeners_add(look, look->before);
    listeners_add(look, look->now);
    return 0;
}

/* What was accepted has its listener's name or port; a client has another. */
static bool is_of_listener(const struct ferry_endpoint *endpoint, const struct ferry_endpoint *at)
{
    if (at->kind != endpoint->kind)
        return false;
    if (at->inet)
        return at->inet->local_port == endpoint->inet->local_port;
    return at->name_size && at->name_size == endpoint->name_size &&
           memcmp(at->name, endpoint->name, at->name_size) == 0;
}

static bool was_accepted(const struct look *look, const struct ferry_endpoint *endpoint)
{
    if (endpoint->state == FERRY_STATE_LISTENING || endpoint->state == FERRY_STATE_CLOSED ||
        endpoint->state == FERRY_STATE_WAITING)
        return false;
    for (size_t i = 0; i < look->listener_count; i++)
        if (is_of_listener(endpoint, look->listeners[i]))
            return true;
    return false;
}

static bool is_processless(const struct ferry_endpoint *endpoint)
{
    return endpoint->inet && !endpoint->inode && endpoint->state != FERRY_STATE_WAITING;
}

/* --- events ----------------------------------------------------------------------------------- */

static void tell(const struct ls_changes *changes, enum ls_event event,
    const struct ferry_endpoint *endpoint, const struct ferry_endpoint *before)
{
    changes->handler(&(struct ls_change){ .event = event, .endpoint = endpoint, .before = before },
        changes->data);
}

static bool is_bound(const struct ferry_endpoint *endpoint)
{
    return endpoint->inet ? endpoint->inet->local_port != 0 : endpoint->name != NULL;
}

static void tell_new(const struct ls_changes *changes, const struct look *look,
    const struct ferry_endpoint *endpoint)
{
    bool socket = view_is_socket(endpoint);

    if (was_accepted(look, endpoint)) {
        tell(changes, LS_ACCEPTED, endpoint, NULL);
        return;
    }
    if (endpoint->inode)
        tell(changes, LS_MADE, endpoint, NULL);
    if (endpoint->state == FERRY_STATE_LISTENING)
        tell(changes, LS_LISTENING, endpoint, NULL);
    else if (endpoint->state == FERRY_STATE_WAITING)
        tell(changes, LS_WAITING, endpoint, NULL);
    else if (socket && endpoint->state == FERRY_STATE_CLOSED && is_bound(endpoint))
        tell(changes, LS_BOUND, endpoint, NULL);
    else if (socket && endpoint->state == FERRY_STATE_ESTABLISHED)
        tell(changes, LS_CONNECTED, endpoint, NULL);
}

static enum ls_event event_of_state(
    const struct ferry_endpoint *endpoint, const struct ferry_endpoint *before)
{
    switch (endpoint->state) {
    case FERRY_STATE_LISTENING:
        return LS_LISTENING;
    case FERRY_STATE_WAITING:
        return LS_WAITING;
    case FERRY_STATE_ESTABLISHED:
        return before->inode || !endpoint->inode ? LS_CONNECTED : LS_ACCEPTED;
    default:
        return before->state == FERRY_STATE_WAITING && !before->inode ? LS_ACCEPTED : LS_STATE;
    }
}

static void tell_peer(const struct ls_changes *changes, const struct ferry_endpoint *endpoint,
    const struct ferry_endpoint *before)
{
    bool gone = endpoint->peer_gone || (endpoint->inet && !endpoint->peer);
    bool was_gone = before->peer_gone || (before->inet && !before->peer);

    if (gone && !was_gone)
        tell(changes, LS_PEER_GONE, endpoint, before);
    else if (!gone && endpoint->peer && before->peer && !is_same(endpoint->peer, before->peer))
        tell(changes, LS_PEER, endpoint, before);
}

static void tell_owners(const struct ls_changes *changes, const struct ferry_endpoint *endpoint,
    const struct ferry_endpoint *before, struct ls_pulse *pulse)
{
    if (ls_owners_same(endpoint, before))
        return;
    uint64_t owners = ls_owners_ask(endpoint, before);
    if (owners == pulse->owners)
        return;
    pulse->owners = owners;
    tell(changes, LS_OWNERS, endpoint, before);
}

/* Of whom others would find by it; what was accepted has its listener's path, and needs none. */
static bool has_lost_path(const struct ferry_endpoint *endpoint)
{
    bool found = endpoint->state == FERRY_STATE_LISTENING || endpoint->state == FERRY_STATE_CLOSED;

    return found && endpoint->path &&
           (endpoint->path->state == FERRY_PATH_MISSING ||
               endpoint->path->state == FERRY_PATH_REPLACED);
}

static void tell_changed(const struct ls_changes *changes, const struct ferry_endpoint *endpoint,
    const struct ferry_endpoint *before, struct ls_pulse *pulse)
{
    enum ls_event event = LS_EVENT_COUNT;

    if (is_bound(endpoint) && !is_bound(before) && endpoint->state != FERRY_STATE_ESTABLISHED)
        tell(changes, LS_BOUND, endpoint, before);
    if (endpoint->state != before->state) {
        event = event_of_state(endpoint, before);
        tell(changes, event, endpoint, before);
    } else if (endpoint->state == FERRY_STATE_LISTENING &&
               endpoint->send_queue != before->send_queue)
        tell(changes, LS_LISTENING, endpoint, before);
    if (event != LS_CONNECTED && event != LS_ACCEPTED)
        tell_peer(changes, endpoint, before);
    if (event == LS_ACCEPTED)
        pulse->owners = ls_owners_sum(endpoint);
    else
        tell_owners(changes, endpoint, before, pulse);
    if (endpoint->family == AF_UNIX && endpoint->shutdown != before->shutdown &&
        !endpoint->peer_gone)
        tell(changes, LS_SHUTDOWN, endpoint, before);
    if (has_lost_path(endpoint) && !has_lost_path(before))
        tell(changes, LS_PATH_LOST, endpoint, before);
}

/* --- what lasts ------------------------------------------------------------------------------- */

static uint64_t bytes_passed(const struct ferry_endpoint *endpoint)
{
    return view_tcp_value(endpoint->inet, "bytes_acked") +
           view_tcp_value(endpoint->inet, "bytes_received");
}

static void watch_backlog(const struct ls_changes *changes, const struct ferry_endpoint *endpoint,
    const struct ferry_endpoint *before, struct ls_pulse *pulse)
{
    uint64_t room = view_backlog_room(endpoint);
    bool full = (uint64_t)endpoint->receive_queue * 100 >= room * changes->percent;

    if (full && !pulse->full)
        tell(changes, LS_BACKLOG, endpoint, before);
    pulse->full = full;
}

static void watch_queues(const struct ls_changes *changes, const struct ferry_endpoint *endpoint,
    const struct ferry_endpoint *before, int64_t now_ns, struct ls_pulse *pulse)
{
    uint64_t queues = (uint64_t)endpoint->receive_queue << 32 | endpoint->send_queue;
    uint64_t passed = queues ? bytes_passed(endpoint) : 0;

    if (!before || queues == 0 || queues != pulse->queues || passed != pulse->passed) {
        pulse->moved_ns = now_ns;
        pulse->queues = queues;
        pulse->passed = passed;
        pulse->stuck = false;
        return;
    }
    int64_t still_ms = (now_ns - pulse->moved_ns) / NS_PER_MS;
    if (still_ms < changes->stuck_ms || pulse->stuck)
        return;
    pulse->stuck = true;
    changes->handler(&(struct ls_change){ LS_STUCK, endpoint, before, still_ms }, changes->data);
}

static void watch(const struct ls_changes *changes, const struct ferry_endpoint *endpoint,
    const struct ferry_endpoint *before, int64_t now_ns, struct ls_pulse *pulse)
{
    if (endpoint->state == FERRY_STATE_LISTENING)
        watch_backlog(changes, endpoint, before, pulse);
    else if (!is_processless(endpoint))
        watch_queues(changes, endpoint, before, now_ns, pulse);
}

/* --- all -------------------------------------------------------------------------------------- */

static void compare(
    struct ls_changes *changes, struct look *look, size_t row, struct ls_pulse *pulse)
{
    const struct ferry_endpoint *endpoint = ferry_endpoints_get(look->now, row);
    const struct ferry_endpoint *before = NULL;
    size_t was = look->before ? row_before(look, endpoint) : SIZE_MAX;

    if (was != SIZE_MAX) {
        before = ferry_endpoints_get(look->before, was);
        *pulse = changes->pulses[was];
        /* Its process has closed it: to be told as that. */
        look->met[was] = !is_processless(endpoint) || is_processless(before);
    }
    if (is_processless(endpoint))
        return;
    if (!before)
        pulse->owners = ls_owners_sum(endpoint);
    if (before)
        tell_changed(changes, endpoint, before, pulse);
    else if (look->before)
        tell_new(changes, look, endpoint);
    watch(changes, endpoint, before, ferry_endpoints_time_ns(look->now), pulse);
}

static void tell_closed(struct ls_changes *changes, const struct look *look)
{
    for (size_t i = 0; look->before && i < ferry_endpoints_count(look->before); i++) {
        const struct ferry_endpoint *endpoint = ferry_endpoints_get(look->before, i);
        if (!look->met[i] && !is_processless(endpoint))
            tell(changes, LS_CLOSED, endpoint, endpoint);
    }
}

int ls_changes_find(struct ls_changes *changes, const struct ferry_endpoints *before,
    const struct ferry_endpoints *now)
{
    struct look look = { .before = before, .now = now };
    size_t count = ferry_endpoints_count(now);
    struct ls_pulse *pulses = calloc(count + 1, sizeof(*pulses));
    int code = pulses ? index_fill(&look) : -ENOMEM;

    if (code == 0)
        code = listeners_fill(&look);
    if (code == 0) {
        for (size_t i = 0; i < count; i++)
            compare(changes, &look, i, &pulses[i]);
        tell_closed(changes, &look);
        free(changes->pulses);
        changes->pulses = TAKE(pulses);
    }
    free(pulses);
    free(look.index);
    free(look.met);
    free(look.listeners);
    return code;
}

void ls_changes_fini(struct ls_changes *changes)
{
    free(changes->pulses);
    changes->pulses = NULL;
}
