/* probe.c - how far away one address is, asked again and again.
 *
 * A question is dialled, connected, sent, awaited. probe_step() goes on from wherever it is, and is
 * called by the start, by the timer (a backlog or queue that was full), and by a connection that is
 * decided. Once a message is on its way, only what is received ends the question, or its time-out.
 *
 * Invariants: `ready` watches for writability while the channel connects and for readability ever
 * after, so its interest tells which. A channel that has not sent does not outlive its question;
 * one that has is kept, because the next question needs it, and because late echoes come by it.
 * done() comes last in whatever ends a question, but receiving goes on behind it: what was in the
 * same batch is counted.
 */
#include "command/ping/probe.h"
#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "wire/address.h"
#include "wire/capabilities.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

const struct ferry_address *ping_probe_target(const struct ping_probe *probe)
{
    return probe->host_count ? probe->hosts[probe->host] : probe->address;
}

uint64_t ping_probe_answered(const struct ping_probe *probe)
{
    return probe->times.count;
}

/* Errors of a network without connections say something about one message only. */
static bool is_connectionless(const struct ping_probe *probe)
{
    return probe->address->scheme == FERRY_ICMP || probe->address->scheme == FERRY_UDP;
}

static void channel_close(struct ping_probe *probe)
{
    ferry_source_remove(TAKE(probe->ready));
    ferry_channel_close(TAKE(probe->channel));
    probe->received_size = 0;
}

/* --- the end of a question -------------------------------------------------------------------- */

static void probe_finish(struct ping_probe *probe, enum ping_outcome outcome, int64_t time_ns)
{
    assert(probe->busy);
    probe->busy = false;
    ferry_source_set_deadline(probe->timer, FERRY_NEVER);
    probe->asked++;
    probe->refused += outcome == PING_REFUSED;
    probe->failed += outcome == PING_FAILED;
    probe->lost += outcome == PING_LOST;
    if (outcome == PING_FAILED)
        memcpy(probe->failure, probe->result.reason, sizeof(probe->failure));
    if (outcome == PING_ANSWERED || outcome == PING_REFUSED)
        times_add(&probe->times, time_ns);
    /* What is kept open serves the next question, and brings late echoes. */
    bool broken = outcome == PING_FAILED && !is_connectionless(probe);
    if (probe->method != PING_ECHO || !probe->sent || broken)
        channel_close(probe);
    probe->result.outcome = outcome;
    probe->result.number = probe->number;
    probe->result.time_ns = time_ns;
    probe->done(probe, probe->data);
}

static void probe_fail_error(struct ping_probe *probe, int code, const struct ferry_error *error)
{
    probe->result.code = code;
    snprintf(probe->result.reason, sizeof(probe->result.reason), "%s%s%s", error->reason,
        error->remedy[0] ? "; " : "", error->remedy);
    probe_finish(probe, PING_FAILED, 0);
}

static void probe_fail(struct ping_probe *probe, int code, const char *reason)
{
    struct ferry_error error;
    error_set(&error, code, "", NULL, "%s", reason);
    probe_fail_error(probe, code, &error);
}

/* In the words of the network, where they are others than errno's. */
static const char *network_words(int code)
{
    switch (code) {
    case -EHOSTUNREACH:
        return "the host is unreachable";
    case -ENETUNREACH:
        return "the network is unreachable";
    case -ETIME:
        return "its time to live was exceeded on the way";
    case -ECONNREFUSED:
        return "nobody listens there";
    case -EPROTO:
        return "what came back is not what was sent";
    default:
        return strerrordesc_np(-code);
    }
}

static void probe_lost(struct ping_probe *probe)
{
    if (!probe->sent && probe->last.reason[0]) {
        probe_fail_error(probe, -ETIMEDOUT, &probe->last);
        return;
    }
    snprintf(probe->result.reason, sizeof(probe->result.reason), "no answer within %lld ms",
        (long long)probe->timeout_ms);
    probe_finish(probe, PING_LOST, 0);
}

/* --- echoes ----------------------------------------------------------------------------------- */

/* The number in a stamp; false: it is none of ours.
 *   size  at least PING_SIZE_MIN of a whole message, less of one that was quoted */
static bool stamp_read(
    const struct ping_probe *probe, const uint8_t *data, size_t size, uint64_t *ret_number)
{
    uint64_t number;
    if (size < PING_SIZE_MIN || memcmp(data, probe->mark, sizeof(probe->mark)) != 0)
        return false;
    memcpy(&number, data + sizeof(probe->mark), sizeof(number));
    *ret_number = be64toh(number);
    return *ret_number > 0 && *ret_number <= probe->number;
}

static void stamp_write(struct ping_probe *probe)
{
    uint64_t number = htobe64(probe->number);
    memcpy(probe->message, probe->mark, sizeof(probe->mark));
    memcpy(probe->message + sizeof(probe->mark), &number, sizeof(number));
}

/* A whole message has come. False: it is no echo of ours. */
static bool echo_take(struct ping_probe *probe, const uint8_t *data, size_t size, int64_t now_ns)
{
    uint64_t number;
    if (size != probe->setup->size || !stamp_read(probe, data, size, &number) ||
        memcmp(data + PING_SIZE_MIN, probe->message + PING_SIZE_MIN, size - PING_SIZE_MIN) != 0) {
        probe->foreign++;
        return false;
    }
    bool kept = number + PING_NUMBERS_KEPT > probe->number;
    bool *seen = &probe->seen[number % PING_NUMBERS_KEPT];
    if (kept && *seen)
        probe->twice++;
    else if (!probe->busy || !probe->sent || number != probe->number)
        probe->late++;
    else
        probe_finish(probe, PING_ANSWERED, now_ns - probe->start_ns);
    if (kept)
        *seen = true;
    return true;
}

/* Bytes of a stream: a message is as long as what was sent. False: the stream is out of step. */
static bool stream_take(struct ping_probe *probe, const uint8_t *data, size_t size, int64_t now_ns)
{
    while (size) {
        size_t room = probe->setup->size - probe->received_size;
        size_t taken = size < room ? size : room;
        memcpy(probe->received + probe->received_size, data, taken);
        probe->received_size += taken;
        data += taken;
        size -= taken;
        if (probe->received_size < probe->setup->size)
            continue;
        probe->received_size = 0;
        if (!echo_take(probe, probe->received, probe->setup->size, now_ns))
            return false;
    }
    return true;
}

/* Receiving failed, of icmp with what came back of the message that it is about. */
static void receive_failed(
    struct ping_probe *probe, int code, const struct ferry_message *quoted, int64_t now_ns)
{
    uint64_t number;
    if (quoted->data && stamp_read(probe, quoted->data, quoted->size, &number) &&
        number != probe->number)
        return; /* about one that was given up */
    if (!probe->busy || !probe->sent) {
        if (!is_connectionless(probe))
            channel_close(probe);
        return;
    }
    if (code == -ECONNREFUSED && probe->address->scheme == FERRY_UDP) {
        snprintf(probe->result.reason, sizeof(probe->result.reason), "port unreachable");
        probe_finish(probe, PING_REFUSED, now_ns - probe->start_ns);
        return;
    }
    probe_fail(probe, code, network_words(code));
}

static void receive_ended(struct ping_probe *probe)
{
    if (probe->busy)
        probe_fail(probe, -ECONNRESET, "the peer ended the connection");
    else
        channel_close(probe);
}

/* Takes in what has come; the channel may be closed after it. */
static void probe_receive(struct ping_probe *probe)
{
    bool messages = ferry_channel_capabilities(probe->channel) & FERRY_HAS_BOUNDARIES;
    int r = 0;

    for (unsigned i = 0; i < PING_RECEIVES && probe->channel && r != -EAGAIN; i++) {
        struct ferry_message message = { 0 };
        r = ferry_channel_try_receive(probe->channel, probe->setup->inbox, &message, 1);
        int64_t now_ns = clock_now_ns();
        if (r == 0)
            receive_ended(probe);
        else if (r < 0 && r != -EAGAIN)
            receive_failed(probe, r, &message, now_ns);
        if (r <= 0)
            continue;
        ferry_message_fini(&message);
        if (messages)
            echo_take(probe, message.data, message.size, now_ns);
        else if (!stream_take(probe, message.data, message.size, now_ns))
            receive_failed(probe, -EPROTO, &(struct ferry_message){ 0 }, now_ns);
    }
    if (probe->ready)
        ferry_source_set_pending(probe->ready, ferry_channel_pending(probe->channel));
}

/* --- asking ----------------------------------------------------------------------------------- */

static void probe_step(struct ping_probe *probe);

static void on_ready(struct ferry_source *source, unsigned events, void *data)
{
    struct ping_probe *probe = data;
    (void)events;
    if (ferry_source_get_interest(source) & FERRY_WRITABLE)
        probe_step(probe); /* connected, or not */
    else
        probe_receive(probe);
}

static void on_timer(struct ferry_source *source, void *data)
{
    struct ping_probe *probe = data;
    (void)source;
    if (clock_now_ns() >= probe->deadline_ns)
        probe_lost(probe);
    else
        probe_step(probe);
}

/* Not now: the backlog or queue is full, or nobody reads yet. */
static void probe_retry_later(struct ping_probe *probe)
{
    int64_t later_ns = clock_after(clock_now_ns(), probe->pause_ms * NS_PER_MS);
    probe->pause_ms =
        probe->pause_ms * 2 < PING_PAUSE_MS_MAX ? probe->pause_ms * 2 : PING_PAUSE_MS_MAX;
    ferry_source_set_deadline(
        probe->timer, later_ns < probe->deadline_ns ? later_ns : probe->deadline_ns);
}

static int probe_watch(struct ping_probe *probe, enum ferry_direction direction)
{
    ferry_source_remove(TAKE(probe->ready));
    return ferry_loop_watch(probe->setup->loop, ferry_channel_fd(probe->channel, direction),
        direction == FERRY_SEND ? FERRY_WRITABLE : FERRY_READABLE, on_ready, probe, &probe->ready);
}

/* -EOPNOTSUPP with probe->last filled: the method that is asked for would tell nothing. */
static int method_choose(struct ping_probe *probe)
{
    unsigned can = ferry_channel_capabilities(probe->channel);
    enum ping_method asked = probe->setup->method;
    bool returns = (can & FERRY_CAN_SEND) && (can & FERRY_CAN_RECEIVE);
    bool endless = capabilities_are_endless(can);

    if (asked == PING_ECHO && !returns)
        return error_set(&probe->last, -EOPNOTSUPP, "", "give reply=, or leave --method out",
            "nothing comes back from there");
    if (asked == PING_CONNECT && returns && endless)
        return error_set(&probe->last, -EOPNOTSUPP, "", "leave --method out",
            "nothing is connected there, only an echo tells");
    if (!returns)
        probe->method = PING_OPEN;
    else if (asked != PING_UNDECIDED)
        probe->method = asked;
    else
        probe->method =
            endless || ferry_address_option(probe->address, "reply") ? PING_ECHO : PING_CONNECT;
    return 0;
}

/* Returns 0 (there is a channel), -EAGAIN (later), or another -errno; then probe->last is filled.
 */
static int probe_dial(struct ping_probe *probe)
{
    int r = ferry_try_dial(ping_probe_target(probe), NULL, &probe->channel, &probe->last);
    if (r < 0)
        return r;
    probe->last.reason[0] = '\0';
    return method_choose(probe);
}

/* Returns 0 (connected), -EAGAIN (it is watched), or another -errno with probe->last filled. */
static int probe_connect(struct ping_probe *probe)
{
    int r = ferry_channel_connected(probe->channel);
    if (r == -EAGAIN && (probe->ready || probe_watch(probe, FERRY_SEND) == 0))
        return -EAGAIN;
    if (r < 0)
        return error_set(&probe->last, r, "", NULL, "%s", network_words(r));
    return 0;
}

/* Returns 0 (it is on its way), -EAGAIN, or another -errno. */
static int probe_send(struct ping_probe *probe)
{
    struct iovec buffer = { probe->message, probe->setup->size };
    struct ferry_outgoing outgoing = { .buffers = &buffer, .buffer_count = 1 };

    stamp_write(probe);
    probe->start_ns = clock_now_ns();
    int r = ferry_channel_try_send(probe->channel, &outgoing, 1);
    /* The network may still tell the fate of the one before. */
    if (r < 0 && r != -EAGAIN && is_connectionless(probe)) {
        probe->start_ns = clock_now_ns();
        r = ferry_channel_try_send(probe->channel, &outgoing, 1);
    }
    if (r == -EAGAIN && outgoing.sent_size > 0)
        return -EMSGSIZE; /* a stream that takes no whole message of ours at once */
    return r < 0 ? r : 0;
}

static void probe_echo(struct ping_probe *probe)
{
    bool watched = probe->ready && !(ferry_source_get_interest(probe->ready) & FERRY_WRITABLE);
    int r = watched ? 0 : probe_watch(probe, FERRY_RECEIVE);
    if (r == 0)
        r = probe_send(probe);
    if (r == -EAGAIN) {
        error_set(&probe->last, r, "", NULL, "its queue stays full");
        probe_retry_later(probe);
        return;
    }
    if (r < 0) {
        probe_fail(probe, r, network_words(r));
        return;
    }
    probe->sent = true;
    ferry_source_set_deadline(probe->timer, probe->deadline_ns);
    probe_receive(probe); /* the kernel may have answered already */
}

/* Goes on as far as it can now: until the question is answered, or waits. */
static void probe_step(struct ping_probe *probe)
{
    int r = probe->channel ? 0 : probe_dial(probe);
    if (r == -EAGAIN || (!probe->channel && error_is_out_of_resources(r))) {
        probe_retry_later(probe);
        return;
    }
    if (r == 0)
        r = probe_connect(probe);
    if (r == -EAGAIN) {
        ferry_source_set_deadline(probe->timer, probe->deadline_ns);
        return;
    }
    if (r < 0)
        probe_fail_error(probe, r, &probe->last);
    else if (probe->method == PING_ECHO && !probe->sent)
        probe_echo(probe);
    else if (probe->method != PING_ECHO)
        probe_finish(probe, PING_ANSWERED, clock_now_ns() - probe->start_ns);
}

void ping_probe_start(struct ping_probe *probe)
{
    assert(!probe->busy);
    probe->busy = true;
    probe->sent = false;
    probe->number++;
    probe->seen[probe->number % PING_NUMBERS_KEPT] = false;
    probe->pause_ms = PING_PAUSE_MS;
    probe->last.reason[0] = '\0';
    probe->result.reason[0] = '\0';
    probe->result.code = 0;
    probe->start_ns = clock_now_ns();
    probe->deadline_ns = ferry_deadline(probe->timeout_ms);
    probe_step(probe);
}

bool ping_probe_next_host(struct ping_probe *probe)
{
    if (probe->asked != 1 || ping_probe_answered(probe) || probe->host + 1 >= probe->host_count)
        return false;
    channel_close(probe);
    probe->host++;
    probe->number = probe->asked = probe->refused = probe->failed = probe->lost = 0;
    return true;
}

/* --- life ------------------------------------------------------------------------------------- */

static int address_check(const struct ferry_address *address, struct ferry_error *error)
{
    switch (address->scheme) {
    case FERRY_FD:
    case FERRY_EXEC:
    case FERRY_FILE:
    case FERRY_STDIO:
        return error_set(error, -EOPNOTSUPP, ferry_address_text(address), NULL,
            "nobody is there who could be near or far");
    default:
        return address_check_verb(address, ADDRESS_DIAL, error);
    }
}

int ping_probe_init(struct ping_probe *probe, const struct ping_setup *setup,
    struct ferry_address *address, void (*done)(struct ping_probe *probe, void *data), void *data,
    struct ferry_error *error)
{
    probe->setup = setup;
    probe->address = address;
    probe->timeout_ms = address_get_span_ms(address, "timeout", setup->timeout_ms);
    probe->done = done;
    probe->data = data;
    for (size_t i = 0; i < setup->size; i++)
        probe->message[i] = (uint8_t)i;
    int r = address_check(address, error);
    if (r == 0)
        r = address_refuse_weather(address, "ping", error);
    if (r < 0)
        return r;
    r = getrandom(probe->mark, sizeof(probe->mark), 0) < 0 ? -errno : 0;
    if (r == 0)
        r = ferry_loop_timer(setup->loop, FERRY_NEVER, on_timer, probe, &probe->timer);
    return r < 0 ? error_set_errno(error, r, ferry_address_text(address), NULL) : 0;
}

void ping_probe_fini(struct ping_probe *probe)
{
    channel_close(probe);
    ferry_source_remove(TAKE(probe->timer));
    for (size_t i = 0; i < probe->host_count; i++)
        ferry_address_free(probe->hosts[i]);
    free(TAKE(probe->hosts));
    ferry_address_free(TAKE(probe->address));
}

int ping_probe_set_hosts(struct ping_probe *probe, const char *const *hosts, size_t count)
{
    probe->hosts = calloc(count, sizeof(*probe->hosts));
    if (!probe->hosts)
        return -ENOMEM;
    for (; probe->host_count < count; probe->host_count++) {
        struct ferry_address *address = address_with_host(probe->address, hosts[probe->host_count]);
        if (!address)
            return -ENOMEM;
        probe->hosts[probe->host_count] = address;
    }
    return 0;
}
