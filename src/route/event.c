/* event.c - the one trace that whatever crosses leaves, and its two renderings.
 *
 * For people: time, kind, route, then who, by which rule, why, figures, way, always in this order,
 * so that `grep 'refused  docker'` or `grep 'uid 1000'` finds what it should. For machines: all
 * keys always, null where a fact is unknown, so that a reader needs no cases.
 */
#include "route/event.h"
#include "base/cleanup.h"
#include "base/date.h"
#include "process/user.h"
#include "route/limits.h"

#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

const char *event_kind_name(enum event_kind kind)
{
    static const char *const names[] = {
        [EVENT_STARTED] = "started",
        [EVENT_STOPPED] = "stopped",
        [EVENT_REFUSED] = "refused",
        [EVENT_WOULD_REFUSE] = "would-refuse",
        [EVENT_CLOSED] = "closed",
        [EVENT_FAILED] = "failed",
        [EVENT_KEPT] = "kept",
        [EVENT_MOVED] = "moved",
        [EVENT_RESUMED] = "resumed",
        [EVENT_RELOADED] = "reloaded",
        [EVENT_TROUBLE] = "trouble",
    };
    return names[kind];
}

void events_add(struct events *events, event_sink sink, void *data)
{
    assert(events->count < COUNT_OF(events->sinks));
    events->sinks[events->count].sink = sink;
    events->sinks[events->count].data = data;
    events->count++;
}

void event_emit(struct events *events, const struct event *event)
{
    struct event stamped = *event;
    events->counts[event->kind]++;
    if (!stamped.time_ns)
        stamped.time_ns = date_now_ns();
    for (size_t i = 0; i < events->count; i++)
        events->sinks[i].sink(&stamped, events->sinks[i].data);
}

struct event_who event_who_of(struct ferry_identity *identity)
{
    return (struct event_who){ ferry_identity_pid(identity), ferry_identity_uid(identity),
        ferry_identity_gid(identity) };
}

/* --- for people ------------------------------------------------------------------------------- */

static void print_escaped(struct bytes *text, const char *raw)
{
    bytes_append_escaped(text, raw, strlen(raw));
}

void event_print_who(const struct event_who *who, const char *name, struct bytes *text)
{
    size_t before = text->size;
    if (who && who->pid > 0) {
        bytes_print(text, "pid %d", who->pid);
        if (name && name[0]) {
            bytes_append_text(text, " (");
            print_escaped(text, name);
            bytes_append_char(text, ')');
        }
    }
    if (who && who->uid != (uid_t)-1) {
        const char *user = user_name(who->uid);
        bytes_print(text, "%suid %u", text->size > before ? " " : "", who->uid);
        if (user) {
            bytes_append_text(text, " (");
            print_escaped(text, user);
            bytes_append_char(text, ')');
        }
    }
    if (text->size == before)
        bytes_append_text(text, "unknown");
}

static bool has_ended(enum event_kind kind)
{
    return kind == EVENT_CLOSED || kind == EVENT_FAILED || kind == EVENT_KEPT;
}

static bool is_of_peer(enum event_kind kind)
{
    return kind >= EVENT_REFUSED && kind <= EVENT_RESUMED;
}

/* "SEPARATOR LABEL VALUE" if there is a value. */
static void print_fact(
    struct bytes *text, const char *separator, const char *label, const char *value)
{
    if (!value || !value[0])
        return;
    bytes_append_text(text, separator);
    bytes_append_text(text, label);
    print_escaped(text, value);
}

static void print_peer(const struct event *event, struct bytes *text)
{
    event_print_who(event->who, event->name, text);
    print_fact(text, " ", "running ", event->executable);
    print_fact(text, " ", "in ", event->unit);
    print_fact(text, " ", "at ", event->peer);
    print_fact(text, " ", "by ", event->verdict);
    print_fact(text, "; ", "", event->reason);
    if (has_ended(event->kind)) {
        bytes_print(
            text, "; in %" PRIu64 " out %" PRIu64 " bytes", event->bytes_in, event->bytes_out);
        if (event->descriptors)
            bytes_print(text, ", %" PRIu64 " descriptor%s", event->descriptors,
                event->descriptors == 1 ? "" : "s");
        if (event->dropped)
            bytes_print(text, ", %" PRIu64 " dropped", event->dropped);
        bytes_print(
            text, " in %" PRId64 ".%03d s", event->age_ms / 1000, (int)(event->age_ms % 1000));
    }
    print_fact(text, "; ", "", event->via);
    print_fact(text, " -> ", "", event->to);
}

static void print_route(const struct event *event, struct bytes *text)
{
    size_t before = text->size;
    print_fact(text, "", "", event->via);
    print_fact(text, " -> ", "", event->to);
    print_fact(text, text->size > before ? "; " : "", "", event->reason);
}

void event_print_text(const struct event *event, struct bytes *text)
{
    char time[DATE_SIZE];
    bytes_print(text, "%s ", date_time(event->time_ns, time));
    event_print_message(event, text);
}

void event_print_message(const struct event *event, struct bytes *text)
{
    bytes_print(text, "%-8s ", event_kind_name(event->kind));
    if (event->route) {
        print_escaped(text, event->route);
        bytes_append_text(text, ": ");
    }
    if (is_of_peer(event->kind))
        print_peer(event, text);
    else
        print_route(event, text);
}

/* --- for machines ----------------------------------------------------------------------------- */

/* A string that is valid UTF-8 without control characters, whatever the peer sent. */
static json_t *json_fact(const char *raw)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;
    if (!raw)
        return json_null();
    print_escaped(&text, raw);
    return bytes_failed(&text) ? NULL : json_stringn(text.data, text.size);
}

static json_t *json_id(int64_t id, bool known)
{
    return known ? json_integer(id) : json_null();
}

void event_print_json(const struct event *event, struct bytes *text)
{
    static const struct event_who nobody = { 0, (uid_t)-1, (gid_t)-1 };
    const struct event_who *who = event->who ? event->who : &nobody;
    char time[DATE_SIZE];
    json_t *line = json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o,"
                             " s:I, s:I, s:I, s:I, s:I, s:o, s:o}",
        "time", date_utc(event->time_ns, time), "event", event_kind_name(event->kind), "route",
        json_fact(event->route), "pid", json_id(who->pid, who->pid > 0), "uid",
        json_id(who->uid, who->uid != (uid_t)-1), "gid", json_id(who->gid, who->gid != (gid_t)-1),
        "name", json_fact(event->name), "executable", json_fact(event->executable), "unit",
        json_fact(event->unit), "peer", json_fact(event->peer), "via", json_fact(event->via), "to",
        json_fact(event->to), "bytes_in", (json_int_t)event->bytes_in, "bytes_out",
        (json_int_t)event->bytes_out, "descriptors", (json_int_t)event->descriptors, "dropped",
        (json_int_t)event->dropped, "age_ms", (json_int_t)event->age_ms, "verdict",
        json_fact(event->verdict), "reason", json_fact(event->reason));
    char *dumped = line ? json_dumps(line, JSON_COMPACT) : NULL;
    if (dumped)
        bytes_append_text(text, dumped);
    else
        text->failed = true;
    free(dumped);
    json_decref(line);
}
