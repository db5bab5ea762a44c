/* ferries.c - asking running ferries what they carry. */
#include "command/top/ferries.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"
#include "command/top/past.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

void top_ferry_fini(struct top_ferry *ferry)
{
    asking_close(&ferry->asking);
    free(ferry->path);
    free(ferry->flows);
    json_decref(ferry->reply);
    *ferry = (struct top_ferry){ 0 };
}

void top_ferries_fini(struct top_ferries *ferries)
{
    for (size_t i = 0; i < ferries->count; i++)
        top_ferry_fini(&ferries->items[i]);
    ferries->count = 0;
}

/* --- finding ---------------------------------------------------------------------------------- */

static bool is_control(const struct ferry_endpoint *endpoint)
{
    static const char end[] = "control.sock";
    size_t size = sizeof(end) - 1;

    return endpoint->kind == FERRY_ENDPOINT_UNIX_STREAM &&
           endpoint->state == FERRY_STATE_LISTENING && endpoint->name_size >= size &&
           endpoint->name[0] == '/' &&
           memcmp(endpoint->name + endpoint->name_size - size, end, size) == 0 &&
           endpoint->owner_count && strcmp(endpoint->owners[0].process->name, "ferry") == 0;
}

static void ferry_note(struct top_ferries *ferries, const struct ferry_endpoint *endpoint)
{
    for (size_t i = 0; i < ferries->count; i++) {
        if (ferries->items[i].cookie == endpoint->cookie) {
            ferries->items[i].there = true;
            ferries->items[i].listener = endpoint;
            return;
        }
    }
    if (ferries->count == TOP_FERRIES_MAX)
        return;
    char *path = strndup(endpoint->name, endpoint->name_size);
    if (path)
        ferries->items[ferries->count++] = (struct top_ferry){ .cookie = endpoint->cookie,
            .pid = endpoint->owners[0].process->pid,
            .path = path,
            .listener = endpoint,
            .there = true };
}

/* Listeners come first among the sockets of a kind. */
static void ferries_find(struct top_ferries *ferries, const struct ferry_endpoints *table)
{
    size_t kept = 0;

    for (size_t i = 0; i < ferries->count; i++)
        ferries->items[i].there = false;
    for (size_t i = 0; i < ferry_endpoints_count(table); i++) {
        const struct ferry_endpoint *endpoint = ferry_endpoints_get(table, i);
        if (endpoint->kind != FERRY_ENDPOINT_UNIX_STREAM ||
            endpoint->state != FERRY_STATE_LISTENING)
            break;
        if (is_control(endpoint))
            ferry_note(ferries, endpoint);
    }
    for (size_t i = 0; i < ferries->count; i++) {
        if (ferries->items[i].there)
            ferries->items[kept++] = ferries->items[i];
        else
            top_ferry_fini(&ferries->items[i]);
    }
    ferries->count = kept;
}

/* --- flows ------------------------------------------------------------------------------------ */

static uint64_t number_of(const json_t *report, const char *key)
{
    json_int_t number = json_integer_value(json_object_get(report, key));
    return number > 0 ? (uint64_t)number : 0;
}

static const char *text_of(const json_t *report, const char *key)
{
    const char *text = json_string_value(json_object_get(report, key));
    return text ? text : "";
}

static void flow_set(struct top_flow *flow, const json_t *report, bool is_route)
{
    *flow = (struct top_flow){ .report = report,
        .is_route = is_route,
        .id = is_route ? 0 : number_of(report, "started_ns"),
        .in = number_of(report, "bytes_in"),
        .out = number_of(report, "bytes_out"),
        .in_rate = TOP_UNKNOWN,
        .out_rate = TOP_UNKNOWN };
}

static size_t flows_count(const json_t *routes)
{
    size_t count = json_array_size(routes), index;
    json_t *route;

    json_array_foreach(routes, index, route) count +=
        json_array_size(json_object_get(route, "connections"));
    return count;
}

static struct top_flow *flows_make(const json_t *routes, size_t *ret_count)
{
    struct top_flow *flows = calloc(flows_count(routes) + 1, sizeof(*flows));
    size_t count = 0, index, place;
    json_t *route, *connection;

    if (!flows)
        return NULL;
    json_array_foreach(routes, index, route)
    {
        flow_set(&flows[count++], route, true);
        json_array_foreach(json_object_get(route, "connections"), place, connection)
            flow_set(&flows[count++], connection, false);
    }
    *ret_count = count;
    return flows;
}

/* A route that was made anew is younger than it was. */
static bool is_same(const struct top_flow *flow, const struct top_flow *old)
{
    if (flow->is_route != old->is_route || flow->in < old->in || flow->out < old->out)
        return false;
    if (flow->is_route)
        return strcmp(text_of(flow->report, "name"), text_of(old->report, "name")) == 0 &&
               number_of(flow->report, "age_ms") >= number_of(old->report, "age_ms");
    return flow->id && flow->id == old->id;
}

/* Of a route its name's hash, of a connection its own number. is_same() has the last word. */
static uint64_t key_of(const struct top_flow *flow)
{
    if (!flow->is_route)
        return flow->id;
    const char *name = text_of(flow->report, "name");
    return hash_add(HASH_EMPTY, name, strlen(name));
}

static void flows_rate(struct top_flow *flows, size_t count, const struct top_flow *old,
    size_t old_count, int64_t elapsed_ns)
{
    double seconds = (double)elapsed_ns / (double)NS_PER_S;
    struct top_map map = { 0 };
    int code = elapsed_ns > 0 ? 0 : -EINVAL;

    for (size_t i = 0; i < old_count && code == 0; i++)
        code = top_map_put(&map, key_of(&old[i]), (uint32_t)i);
    for (size_t i = 0; i < count && code == 0; i++) {
        uint32_t at = top_map_get(&map, key_of(&flows[i]));
        if (at == TOP_MAP_NONE || !is_same(&flows[i], &old[at]))
            continue;
        flows[i].in_rate = (double)(flows[i].in - old[at].in) / seconds;
        flows[i].out_rate = (double)(flows[i].out - old[at].out) / seconds;
    }
    top_map_fini(&map);
}

void top_ferry_answer(struct top_ferry *ferry, json_t *reply, int64_t now_ns)
{
    size_t count;
    struct top_flow *flows = flows_make(json_object_get(reply, "routes"), &count);

    if (!flows) {
        json_decref(reply);
        return;
    }
    ferry->elapsed_ns = ferry->flow_count ? now_ns - ferry->reply_ns : 0;
    flows_rate(flows, count, ferry->flows, ferry->flow_count, ferry->elapsed_ns);
    free(ferry->flows);
    json_decref(ferry->reply);
    ferry->flows = flows;
    ferry->flow_count = count;
    ferry->reply = reply;
    ferry->reply_ns = now_ns;
    ferry->failure[0] = '\0';
}

/* --- asking ----------------------------------------------------------------------------------- */

/* What it said is old now: nothing is shown of it. */
static void ferry_fail(struct top_ferry *ferry, const char *reason)
{
    snprintf(ferry->failure, sizeof(ferry->failure), "%s", reason);
    ferry->flow_count = 0;
}

/* Dials the listener itself, not whatever its path leads to. */
static int ferry_dial_it(struct top_ferry *ferry, int64_t deadline_ns, struct ferry_error *error)
{
    AUTO_FD int file = ask_open_file(ferry->path, ferry->listener);
    char address[48];

    if (file == -ESTALE)
        return error_set(error, -ESTALE, ferry->path, "", "its path leads to another file now");
    if (file < 0)
        return error_set_errno(error, file, ferry->path, NULL);
    snprintf(address, sizeof(address), "unix:/proc/self/fd/%d", file);
    int code = asking_open(address, deadline_ns, &ferry->asking, error);
    if (code == 0)
        asking_distrust(&ferry->asking);
    return code;
}

static void ferry_end(struct top_ferry *ferry, const char *reason)
{
    ferry->next_ns = clock_now_ns() + TOP_ASK_PAUSE_MS * NS_PER_MS;
    ferry_fail(ferry, reason);
    asking_close(&ferry->asking);
}

static int ferry_dial_and_send(
    struct top_ferry *ferry, int64_t deadline_ns, struct ferry_error *error)
{
    int code = ferry_dial_it(ferry, deadline_ns, error);
    return code < 0 ? code : asking_send(&ferry->asking, "status", deadline_ns, error);
}

/* Whether a connection that was kept has been closed since, by a limit on idle ones: then another
 * is made. */
static bool was_closed(const struct top_ferry *ferry, int code)
{
    return ferry->kept && error_is_peer_gone(code) && code != -ETIMEDOUT;
}

static void ferry_ask(struct top_ferry *ferry, int64_t deadline_ns)
{
    struct ferry_error error = { .reason = "out of memory" };

    ferry->asked_ns = clock_now_ns();
    ferry->kept = ferry->asking.channel;
    int code = ferry->kept ? asking_send(&ferry->asking, "status", deadline_ns, &error) : -ENOTCONN;
    if (!ferry->kept || was_closed(ferry, code)) {
        asking_close(&ferry->asking);
        ferry->kept = false;
        code = ferry_dial_and_send(ferry, deadline_ns, &error);
    }
    ferry->asked = code == 0;
    if (code < 0)
        ferry_end(ferry, error.reason);
}

static void ferry_hear(struct top_ferry *ferry, int64_t deadline_ns)
{
    struct ferry_error error = { .reason = "out of memory" };
    json_t *reply = NULL;

    ferry->asked = false;
    int code = asking_receive(&ferry->asking, deadline_ns, &reply, &error);
    if (was_closed(ferry, code)) {
        asking_close(&ferry->asking);
        code = ferry_dial_and_send(ferry, deadline_ns, &error);
        if (code == 0)
            code = asking_receive(&ferry->asking, deadline_ns, &reply, &error);
    }
    if (code == ASK_DONE) {
        int64_t now_ns = clock_now_ns();
        top_ferry_answer(ferry, reply, now_ns);
        ferry->next_ns = now_ns + (now_ns - ferry->asked_ns) * TOP_ASK_REST;
        return;
    }
    ferry_end(ferry, code == ASK_REFUSED ? "it refuses to tell" : error.reason);
    if (code == ASK_REFUSED)
        json_decref(reply);
}

/* Waits until one of those that were asked says something, or it is too late. */
static void ferries_wait(struct top_ferries *ferries, int64_t end_ns)
{
    struct pollfd fds[TOP_FERRIES_MAX];
    int64_t left_ns = end_ns - clock_now_ns();

    for (size_t i = 0; i < ferries->count; i++) {
        const struct top_ferry *ferry = &ferries->items[i];
        fds[i] = (struct pollfd){
            .fd = ferry->asked ? ferry_channel_fd(ferry->asking.channel, FERRY_RECEIVE) : -1,
            .events = POLLIN
        };
    }
    bool late = left_ns <= 0 || poll(fds, ferries->count, (int)(left_ns / NS_PER_MS) + 1) <= 0;
    for (size_t i = 0; i < ferries->count; i++)
        if (ferries->items[i].asked && (late || fds[i].revents))
            ferry_hear(&ferries->items[i], end_ns);
}

static bool ferries_are_asked(const struct top_ferries *ferries)
{
    for (size_t i = 0; i < ferries->count; i++)
        if (ferries->items[i].asked)
            return true;
    return false;
}

/* All are asked before any is heard, so that one that does not answer costs the others nothing. */
void top_ferries_look(struct top_ferries *ferries, const struct ferry_endpoints *table)
{
    int64_t now_ns = clock_now_ns(), end_ns = now_ns + TOP_ASK_MS * NS_PER_MS;

    ferries_find(ferries, table);
    for (size_t i = 0; i < ferries->count; i++)
        if (ferries->items[i].next_ns <= now_ns)
            ferry_ask(&ferries->items[i], end_ns);
    while (ferries_are_asked(ferries))
        ferries_wait(ferries, end_ns);
}
