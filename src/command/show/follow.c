/* follow.c - `show --follow`: rates from two looks at the kernel's counters.
 *
 * Only TCP counts bytes. A unix socket has no counter whatever: its queues and their change are all
 * there is, and that is said instead of a rate. An endpoint is known again by the kernel's cookie,
 * which is never used twice, others by inode and end. The first look has nothing to compare with.
 */
#include "command/show/follow.h"
#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/date.h"
#include "base/error.h"
#include "command/show/endpoint.h"
#include "command/show/selection.h"
#include "command/show/tcp.h"
#include "command/view/json.h"
#include "command/view/names.h"

#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum counter { BYTES_SENT, BYTES_ACKED, BYTES_RECEIVED, SEGS_OUT, SEGS_IN, COUNTER_COUNT };
static const char *const counter_names[] = { "bytes_sent", "bytes_acked", "bytes_received",
    "segs_out", "segs_in" };

/* What an endpoint was at a look. */
struct sample {
    uint64_t cookie, inode;
    unsigned char kind, ends;
    bool told[COUNTER_COUNT]; /* this kernel counts it, of this endpoint */
    uint64_t counters[COUNTER_COUNT];
    uint32_t receive_queue, send_queue;
    char *heading; /* owned */
    bool found;    /* it is there at the next look too */
};

struct samples {
    struct sample *items;
    size_t count;
    int64_t time_ns;
};

static void samples_fini(struct samples *samples)
{
    for (size_t i = 0; i < samples->count; i++)
        free(samples->items[i].heading);
    free(samples->items);
    *samples = (struct samples){ 0 };
}

/* Its heading is NULL when memory is out. */
static struct sample sample_of(const struct ferry_endpoint *endpoint)
{
    struct sample sample = { .cookie = endpoint->cookie,
        .inode = endpoint->inode,
        .kind = endpoint->kind,
        .ends = endpoint->ends,
        .receive_queue = endpoint->receive_queue,
        .send_queue = endpoint->send_queue };
    struct bytes heading = BYTES_EMPTY;

    endpoint_print_heading(endpoint, &heading);
    sample.heading = bytes_take(&heading);
    if (endpoint->state == FERRY_STATE_LISTENING)
        return sample;
    for (size_t i = 0; i < COUNTER_COUNT; i++)
        sample.told[i] = view_tcp_find(endpoint->inet, counter_names[i], &sample.counters[i]);
    return sample;
}

static bool same(const struct sample *one, const struct sample *other)
{
    return one->cookie || other->cookie
               ? one->cookie == other->cookie
               : one->inode == other->inode && one->kind == other->kind && one->ends == other->ends;
}

/* It stands where it stood or near: the table's order changes little. */
static struct sample *samples_find(
    const struct samples *samples, const struct sample *sample, size_t hint)
{
    for (size_t i = 0; i < samples->count; i++) {
        struct sample *item = &samples->items[(hint + i) % samples->count];
        if (same(item, sample))
            return item;
    }
    return NULL;
}

/* A second's worth; what cannot be told is negative: at the first look, or without a counter. */
static double rate_of(
    const struct sample *now, const struct sample *before, enum counter counter, int64_t span_ns)
{
    if (!before || !now->told[counter] || !before->told[counter] || span_ns <= 0 ||
        now->counters[counter] < before->counters[counter])
        return -1;
    return (double)(now->counters[counter] - before->counters[counter]) * 1e9 / (double)span_ns;
}

static bool has_counters(const struct ferry_endpoint *endpoint)
{
    return endpoint->kind == FERRY_ENDPOINT_TCP && endpoint->state != FERRY_STATE_LISTENING &&
           endpoint->inet && endpoint->inet->tcp_info_size;
}

/* Why there is no rate. */
static const char *no_counter(const struct ferry_endpoint *endpoint)
{
    if (has_counters(endpoint))
        return NULL;
    if ((1u << endpoint->kind) & FERRY_ENDPOINTS_UNIX)
        return "no byte counter exists for unix sockets";
    if (endpoint->state == FERRY_STATE_LISTENING)
        return "a listener carries no bytes";
    return endpoint->kind == FERRY_ENDPOINT_TCP ? "the kernel tells nothing of TCP in this state"
                                                : "no byte counter exists for this kind";
}

/* --- for people ------------------------------------------------------------------------------- */

static void print_clock(struct bytes *text)
{
    char time[DATE_SIZE];
    bytes_print(text, "%s ", date_time(date_now_ns(), time));
}

static void print_queue(struct bytes *text, const char *name, uint32_t now, const uint32_t *before)
{
    bytes_print(text, ", %s %" PRIu32, name, now);
    if (before)
        bytes_print(text, " (%+" PRId64 ")", (int64_t)now - (int64_t)*before);
}

static void print_rates(
    struct bytes *text, const struct sample *now, const struct sample *before, int64_t span_ns)
{
    static const char *const words[] = { "sent", "acknowledged", "received", "segments out",
        "segments in" };

    for (unsigned i = 0; i < COUNTER_COUNT; i++) {
        double rate = rate_of(now, before, i, span_ns);
        bytes_print(text, ", %s ", words[i]);
        if (rate < 0)
            bytes_append_text(text, "-");
        else if (i < SEGS_OUT)
            print_rate(rate, text);
        else
            bytes_print(text, "%.0f/s", rate);
    }
}

static void print_window(struct bytes *text, const struct ferry_inet *inet)
{
    uint64_t value;

    if (view_tcp_find(inet, "rtt", &value)) {
        bytes_append_text(text, ", rtt ");
        print_span_us(value, text);
    }
    if (view_tcp_find(inet, "snd_cwnd", &value))
        bytes_print(text, ", cwnd %" PRIu64, value);
    if (view_tcp_find(inet, "total_retrans", &value))
        bytes_print(text, ", retransmitted %" PRIu64, value);
}

static void print_endpoint(struct bytes *text, const struct ferry_endpoint *endpoint,
    const struct sample *now, const struct sample *before, int64_t span_ns)
{
    bool listens = endpoint->state == FERRY_STATE_LISTENING;

    print_clock(text);
    bytes_append_text(text, now->heading);
    if (has_counters(endpoint)) {
        print_rates(text, now, before, span_ns);
        print_window(text, endpoint->inet);
    }
    print_queue(text, listens ? "waiting" : "receive queue", now->receive_queue,
        before ? &before->receive_queue : NULL);
    if (!listens)
        print_queue(text, "send queue", now->send_queue, before ? &before->send_queue : NULL);
    if (!before && no_counter(endpoint))
        bytes_print(text, "; %s", no_counter(endpoint));
    bytes_append_char(text, '\n');
}

/* --- for programs ----------------------------------------------------------------------------- */

static json_t *event_json(const char *event)
{
    json_t *object = json_object();

    view_json_set_number(object, "schema", VIEW_SCHEMA);
    json_object_set_new(object, "event", json_string(event));
    view_json_set_number(object, "time_ms", (uint64_t)(date_now_ns() / NS_PER_MS));
    return object;
}

static json_t *gone_json(const struct sample *before)
{
    json_t *object = event_json("gone");
    char cookie[20];

    json_object_set_new(object, "kind", json_string(ferry_endpoint_kind_name(before->kind)));
    view_json_set_number(object, "inode", (int64_t)before->inode);
    snprintf(cookie, sizeof(cookie), "%" PRIx64, before->cookie);
    if (before->cookie)
        json_object_set_new(object, "cookie", json_string(cookie));
    return object;
}

/* The endpoint itself, and what has changed. */
static json_t *endpoint_json(const struct ferry_endpoint *endpoint, const struct sample *now,
    const struct sample *before, int64_t span_ns)
{
    json_t *object = event_json(before ? "change" : "first"), *rates = json_object();
    char key[32];

    json_object_set_new(object, "endpoint", view_json_endpoint(endpoint));
    if (no_counter(endpoint))
        json_object_set_new(object, "no_rates", json_string(no_counter(endpoint)));
    for (unsigned i = 0; i < COUNTER_COUNT; i++) {
        double rate = rate_of(now, before, i, span_ns);
        snprintf(key, sizeof(key), "%s_s", counter_names[i]);
        if (rate >= 0)
            json_object_set_new(rates, key, json_real(rate));
    }
    if (json_object_size(rates))
        json_object_set_new(object, "rates", json_incref(rates));
    json_decref(rates);
    if (before) {
        view_json_set_number(object, "span_ns", span_ns);
        view_json_set_number(
            object, "receive_queue_change", (int64_t)now->receive_queue - before->receive_queue);
        view_json_set_number(
            object, "send_queue_change", (int64_t)now->send_queue - before->send_queue);
    }
    return object;
}

static void print_json(struct bytes *text, json_t *object)
{
    AUTO_FREE char *line = object ? json_dumps(object, JSON_COMPACT) : NULL;

    json_decref(object);
    if (line)
        bytes_print(text, "%s\n", line);
    else
        text->failed = true;
}

/* --- the looks -------------------------------------------------------------------------------- */

static void say_gone(const struct follow *follow, const struct samples *before, struct bytes *text)
{
    for (size_t i = 0; i < before->count; i++) {
        if (before->items[i].found)
            continue;
        if (follow->json) {
            print_json(text, gone_json(&before->items[i]));
        } else {
            print_clock(text);
            bytes_print(text, "%s is gone\n", before->items[i].heading);
        }
    }
}

static void say_endpoints(const struct follow *follow, const struct selection *selection,
    const struct samples *before, struct samples *after, struct bytes *text)
{
    int64_t span_ns = after->time_ns - before->time_ns;

    for (size_t i = 0; i < selection->count; i++) {
        const struct ferry_endpoint *endpoint = selection->endpoints[i];
        struct sample *now = &after->items[after->count];
        *now = sample_of(endpoint);
        struct sample *then = samples_find(before, now, after->count++);
        if (then)
            then->found = true;
        if (!now->heading)
            text->failed = true;
        else if (follow->json)
            print_json(text, endpoint_json(endpoint, now, then, span_ns));
        else
            print_endpoint(text, endpoint, now, then, span_ns);
    }
}

static int write_out(const struct bytes *text)
{
    if (bytes_failed(text))
        return -ENOMEM;
    if (text->size && fwrite(text->data, 1, text->size, stdout) != text->size)
        return errno ? -errno : -EIO;
    return fflush(stdout) == 0 ? 0 : -errno;
}

/* Says what is there now, and what of `before` is not; *before becomes what is there now. Returns
 * how many there are, -errno. */
static int look(
    const struct follow *follow, const struct ferry_endpoints *table, struct samples *before)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;
    struct selection selection;
    struct samples after = { .time_ns = ferry_endpoints_time_ns(table) };

    int code = selection_make(table, follow->target, &selection);
    if (code < 0)
        return code;
    after.items = calloc(selection.count + 1, sizeof(*after.items));
    if (after.items)
        say_endpoints(follow, &selection, before, &after, &text);
    else
        text.failed = true;
    say_gone(follow, before, &text);
    selection_fini(&selection);
    samples_fini(before);
    *before = after;
    code = write_out(&text);
    return code < 0 ? code : (int)after.count;
}

static void end_signals(sigset_t *ret_signals)
{
    sigemptyset(ret_signals);
    sigaddset(ret_signals, SIGINT);
    sigaddset(ret_signals, SIGTERM);
    sigaddset(ret_signals, SIGHUP);
    sigprocmask(SIG_BLOCK, ret_signals, NULL);
}

/* Until the next look; true: a signal says that it is enough. */
static bool wait_for_end(const sigset_t *signals, int64_t until_ns)
{
    for (;;) {
        int64_t left_ns = until_ns - clock_now_ns();
        left_ns = left_ns > 0 ? left_ns : 0;
        struct timespec span = { left_ns / NS_PER_S, left_ns % NS_PER_S };
        if (sigtimedwait(signals, NULL, &span) > 0)
            return true;
        if (errno == EAGAIN)
            return false;
    }
}

int follow_run(
    const struct follow *follow, struct ferry_endpoints *table, struct ferry_error *error)
{
    struct samples before = { 0 };
    sigset_t signals;
    int code = 0;

    end_signals(&signals);
    int64_t next_ns = clock_now_ns();
    for (uint64_t round = 1;; round++) {
        code = look(follow, table, &before);
        if (code < 0)
            error_set_errno(error, code, follow->target->word, NULL);
        /* Nothing is left: what was followed has gone. */
        if (code <= 0 || (follow->count && round == follow->count))
            break;
        /* A look that took longer than the interval is followed at once, and not made up for. */
        next_ns += follow->interval_ms * NS_PER_MS;
        if (next_ns < clock_now_ns())
            next_ns = clock_now_ns();
        if (wait_for_end(&signals, next_ns))
            break;
        code = ferry_endpoints_refresh(table, error);
        if (code < 0)
            break;
    }
    samples_fini(&before);
    return code < 0 ? code : 0;
}
