/* ping.c - `ferry ping`: how far away addresses are, whatever carries them, side by side.
 *
 * One after the other in each round, so that no question disturbs another's time; each round begins
 * with the next address, so that none is always the first after the pause. Names are looked up
 * once, before the first round.
 *
 * Invariant: what goes on is started by one timer from the loop, never from within a probe's or a
 * look-up's own call.
 */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "command/argument.h"
#include "command/command.h"
#include "command/ping/report.h"
#include "process/resolve.h"
#include "wire/address.h"

#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <string.h>

struct ping {
    const char *words[PING_ADDRESSES_MAX]; /* as given */
    size_t count;
    uint64_t round_count; /* 0: until a signal */
    int64_t interval_ms;
    bool quiet, json, histogram;
    struct ping_setup setup;
    struct ping_probe *probes[PING_ADDRESSES_MAX];
    size_t named; /* whose names are known */
    size_t turn;  /* of this round */
    uint64_t round;
    int64_t round_ns; /* when it began */
    struct ferry_source *step, *signals[2];
    struct resolve *resolve;
    bool failed;
    struct ferry_error error; /* if it has */
};

enum { KEY_JSON = 0x400, KEY_HISTOGRAM, KEY_METHOD };

static const struct argp_option options[] = {
    { "count", 'c', "COUNT", 0, "End after so many rounds (else: until interrupted)", 0 },
    { "interval", 'i', "SPAN", 0, "From one round to the next (1s; below 2ms as root only)", 0 },
    { "timeout", 'W', "SPAN", 0, "Wait so long for an answer (1s)", 0 },
    { "size", 's', "BYTES", 0, "Bytes of a message that is echoed, 16 to 65507 (56)", 0 },
    { "method", KEY_METHOD, "METHOD", 0,
        "echo: send a message and await it back, over a connection too; connect: only connect "
        "(else as the address allows)",
        0 },
    { "histogram", KEY_HISTOGRAM, NULL, 0, "Show how the times are spread", 0 },
    { "json", KEY_JSON, NULL, 0, "One JSON object a line; the last has everything", 0 },
    { "quiet", 'q', NULL, 0, "Only the end", 0 },
    { 0 },
};

static void parse_interval(struct argp_state *state, struct ping *ping, const char *argument)
{
    ping->interval_ms = argument_span_ms(state, argument, 0, PING_SPAN_MS_MAX);
    if (ping->interval_ms < PING_INTERVAL_MS_MIN && geteuid() != 0)
        argp_error(state, "only root may ask more often than every %d ms", PING_INTERVAL_MS_MIN);
}

static enum ping_method parse_method(struct argp_state *state, const char *argument)
{
    if (strcmp(argument, "echo") == 0)
        return PING_ECHO;
    if (strcmp(argument, "connect") != 0)
        argp_error(state, "--method: echo or connect is expected");
    return PING_CONNECT;
}

static error_t ping_parse(int key, char *argument, struct argp_state *state)
{
    struct ping *ping = state->input;
    switch (key) {
    case 'c':
        ping->round_count = (uint64_t)argument_number(state, argument, 1, UINT32_MAX);
        return 0;
    case 'i':
        parse_interval(state, ping, argument);
        return 0;
    case 'W':
        ping->setup.timeout_ms = argument_span_ms(state, argument, 0, PING_SPAN_MS_MAX);
        return 0;
    case 's':
        ping->setup.size = (size_t)argument_number(state, argument, PING_SIZE_MIN, PING_SIZE_MAX);
        return 0;
    case 'q':
        ping->quiet = true;
        return 0;
    case KEY_METHOD:
        ping->setup.method = parse_method(state, argument);
        return 0;
    case KEY_HISTOGRAM:
        ping->histogram = true;
        return 0;
    case KEY_JSON:
        ping->json = true;
        return 0;
    case ARGP_KEY_ARG:
        if (ping->count == PING_ADDRESSES_MAX)
            argp_error(state, "%u addresses at most", PING_ADDRESSES_MAX);
        ping->words[ping->count++] = argument;
        return 0;
    case ARGP_KEY_END:
        if (!ping->count)
            argp_error(state, "an address is needed");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = options,
    .parser = ping_parse,
    .args_doc = "ADDRESS...",
    .doc = "Ask again and again how far away addresses are, and compare: ICMP, UDP, TCP, unix "
           "sockets, queues, FIFOs. What can be connected is connected and closed; where messages "
           "pass, one is sent and its echo awaited (the other side must echo); a FIFO or queue "
           "without reply= is only opened.\v"
           "EXAMPLES\n"
           "  ferry ping icmp:router.example tcp:router.example:22\n"
           "  ferry relay udp:7007 echo &\n"
           "  ferry ping -c 100 -i 10ms --histogram icmp:127.0.0.1 udp:7007 unix:app.sock\n"
           "  ferry ping -q --json -c 5 tcp:db:5432 | jq '.addresses[].median_ns'\n",
};

/* --- saying ----------------------------------------------------------------------------------- */

static void ping_say(struct bytes *text)
{
    if (!bytes_failed(text) && text->size)
        fwrite(text->data, 1, text->size, stdout);
    fflush(stdout);
}

static void ping_say_result(const struct ping *ping, const struct ping_probe *probe)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;
    if (ping->quiet)
        return;
    if (ping->json)
        ping_report_result_json(probe, &text);
    else
        ping_report_result(probe, &text);
    ping_say(&text);
}

static void ping_say_summary(const struct ping *ping)
{
    enum { BAR_WIDTH = 50 };
    AUTO_BYTES struct bytes text = BYTES_EMPTY;
    if (ping->json) {
        ping_report_summary_json(ping->probes, ping->count, &text);
    } else {
        if (!ping->quiet)
            bytes_append_char(&text, '\n');
        ping_report_summary(ping->probes, ping->count, &text);
        if (ping->histogram)
            ping_report_histograms(ping->probes, ping->count, BAR_WIDTH, &text);
    }
    ping_say(&text);
}

/* --- rounds ----------------------------------------------------------------------------------- */

static void ping_fail(struct ping *ping)
{
    ping->failed = true;
    ferry_loop_stop(ping->setup.loop);
}

static void ping_step_at(struct ping *ping, int64_t when_ns)
{
    ferry_source_set_deadline(ping->step, when_ns);
}

/* A round that took longer than the interval is followed at once, and nothing is caught up. */
static void round_end(struct ping *ping)
{
    ping->turn = 0;
    ping->round++;
    if (ping->round == ping->round_count) {
        ferry_loop_stop(ping->setup.loop);
        return;
    }
    int64_t next_ns = clock_after(ping->round_ns, ping->interval_ms * NS_PER_MS);
    int64_t now_ns = clock_now_ns();
    ping->round_ns = next_ns > now_ns ? next_ns : now_ns;
    ping_step_at(ping, ping->round_ns);
}

static struct ping_probe *ping_next(const struct ping *ping)
{
    return ping->probes[(ping->round + ping->turn) % ping->count];
}

static void on_done(struct ping_probe *probe, void *data)
{
    struct ping *ping = data;
    const struct ping_result *result = &probe->result;
    bool silent = result->outcome == PING_FAILED || result->outcome == PING_LOST;

    /* No host is to blame: every question would end so. */
    bool forbidden = result->code == -EPERM && probe->address->scheme == FERRY_ICMP;
    if (probe->last.reason[0] && (result->code == -EOPNOTSUPP || forbidden)) {
        error_set(&ping->error, result->code, ferry_address_text(probe->address),
            probe->last.remedy, "%s", probe->last.reason);
        ping_fail(ping);
        return;
    }
    if (silent && ping_probe_next_host(probe)) {
        ping_step_at(ping, 0);
        return;
    }
    ping_say_result(ping, probe);
    ping->turn++;
    if (ping->turn == ping->count)
        round_end(ping);
    else
        ping_step_at(ping, 0);
}

/* --- names ------------------------------------------------------------------------------------ */

static void on_resolved(
    int code, const char *const *hosts, size_t count, const char *reason, void *data)
{
    struct ping *ping = data;
    struct ping_probe *probe = ping->probes[ping->named];
    const char *thing = ferry_address_text(probe->address);

    ping->resolve = NULL;
    if (code < 0) {
        error_set(&ping->error, code, thing, "check the name with getent ahosts", "%s: %s",
            probe->address->rest, reason);
        ping_fail(ping);
        return;
    }
    if (ping_probe_set_hosts(probe, hosts, count) < 0) {
        error_set_errno(&ping->error, -ENOMEM, thing, NULL);
        ping_fail(ping);
        return;
    }
    ping->named++;
    ping_step_at(ping, 0);
}

/* Looks up the next name. False: there is none any more. */
static bool ping_resolve(struct ping *ping)
{
    while (ping->named < ping->count && !address_host_is_name(ping->probes[ping->named]->address))
        ping->named++;
    if (ping->named == ping->count)
        return false;
    const struct ferry_address *address = ping->probes[ping->named]->address;
    int r = resolve_start(ping->setup.loop, address->rest, NULL, on_resolved, ping, &ping->resolve);
    if (r < 0) {
        error_set_errno(&ping->error, r, ferry_address_text(address), NULL);
        ping_fail(ping);
    }
    return true;
}

static void on_step(struct ferry_source *source, void *data)
{
    struct ping *ping = data;
    (void)source;
    if (ping->named < ping->count) {
        if (ping_resolve(ping))
            return;
        ping->round_ns = clock_now_ns();
    }
    ping_probe_start(ping_next(ping));
}

/* --- all of it -------------------------------------------------------------------------------- */

static void on_signal(struct ferry_source *source, const struct signalfd_siginfo *info, void *data)
{
    struct ping *ping = data;
    (void)source;
    (void)info;
    ferry_loop_stop(ping->setup.loop);
}

static int ping_add(struct ping *ping, size_t index)
{
    struct ferry_address *address;
    int r = ferry_address_parse(ping->words[index], NULL, &address, &ping->error);
    if (r < 0)
        return r;
    ping->probes[index] = calloc(1, sizeof(*ping->probes[index]));
    if (!ping->probes[index]) {
        ferry_address_free(address);
        return error_set_errno(&ping->error, -ENOMEM, ping->words[index], NULL);
    }
    return ping_probe_init(ping->probes[index], &ping->setup, address, on_done, ping, &ping->error);
}

static int ping_init(struct ping *ping)
{
    int r = ferry_loop_new(FERRY_EPOLL, &ping->setup.loop);
    if (r == 0)
        r = ferry_inbox_new(PING_SIZE_MAX + 1, 1, &ping->setup.inbox);
    if (r == 0)
        r = ferry_loop_timer(ping->setup.loop, 0, on_step, ping, &ping->step);
    if (r == 0)
        r = ferry_loop_signal(ping->setup.loop, SIGINT, on_signal, ping, &ping->signals[0]);
    if (r == 0)
        r = ferry_loop_signal(ping->setup.loop, SIGTERM, on_signal, ping, &ping->signals[1]);
    if (r < 0)
        return error_set_errno(&ping->error, r, "the loop", NULL);
    for (size_t i = 0; i < ping->count && r == 0; i++)
        r = ping_add(ping, i);
    return r;
}

static void ping_fini(struct ping *ping)
{
    resolve_stop(ping->resolve);
    for (size_t i = 0; i < ping->count; i++) {
        if (ping->probes[i])
            ping_probe_fini(ping->probes[i]);
        free(ping->probes[i]);
    }
    ferry_inbox_free(ping->setup.inbox);
    ferry_loop_free(ping->setup.loop);
}

/* All have answered at least once. */
static bool ping_all_answered(const struct ping *ping)
{
    for (size_t i = 0; i < ping->count; i++)
        if (!ping_probe_answered(ping->probes[i]))
            return false;
    return true;
}

int command_ping(int argc, char **argv)
{
    struct ping ping = { .interval_ms = PING_INTERVAL_MS,
        .setup = { .timeout_ms = PING_TIMEOUT_MS, .size = PING_SIZE_DEFAULT } };
    if (argument_parse("ping", &argp, argc, argv, 0, &ping) != EXIT_DONE)
        return EXIT_FAILED;
    int r = ping_init(&ping), status = EXIT_FAILED;
    if (r == 0) {
        r = ferry_loop_run(ping.setup.loop);
        if (r < 0)
            error_set_errno(&ping.error, r, "the loop", NULL);
    }
    if (r < 0 || ping.failed) {
        command_fail("ping", &ping.error);
    } else {
        ping_say_summary(&ping);
        status = ping_all_answered(&ping) ? EXIT_DONE : EXIT_FAILED;
    }
    ping_fini(&ping);
    return status;
}
