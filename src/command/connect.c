/* connect.c - `ferry connect`: standard input and output to an address, netcat's job.
 *
 * A relay between `-` and the address. The end of standard input half-closes, and output goes on
 * until the peer ends. Where an end cannot be told to the other side (a datagram peer; the
 * keyboard, once the peer has ended) silence ends it, after --wait.
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "command/argument.h"
#include "command/command.h"
#include "command/credentials.h"
#include "command/limits.h"
#include "wire/frame.h"

#include <argp.h>
#include <errno.h>
#include <ferry/ferry.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>

struct connect {
    const char *address;
    const char *frame; /* how messages are told apart on standard input and output */
    const struct ferry_credentials *as; /* NULL: as the kernel says */
    struct ferry_credentials credentials;
    int64_t timeout_ms, wait_ms;
    struct ferry_loop *loop;
    struct ferry_relay_pool *pool;
    int status;
};

enum { KEY_TIMEOUT = 0x400, KEY_WAIT, KEY_FRAME, KEY_AS };

static const struct argp_option options[] = {
    { "timeout", KEY_TIMEOUT, "SPAN", 0, "Give up connecting after so long (10s)", 0 },
    { "wait", KEY_WAIT, "SPAN", 0,
        "Silence that ends it once one side has ended and the other cannot be told (500ms)", 0 },
    { "frame", KEY_FRAME, "FRAME", 0,
        "Where the peer takes messages: lf, a line is one; length; none, what one read brings is "
        "one (none)",
        0 },
    { "as", KEY_AS, "WHO", 0,
        "Send with these credentials to a unix socket: self, or pid:N, uid:N, user:NAME, gid:N, "
        "group:NAME, commas between; others than one's own need root",
        0 },
    { 0 },
};

static error_t connect_parse_as(
    struct connect *connect, const char *argument, struct argp_state *state)
{
    struct ferry_error error;
    if (credentials_parse(argument, &connect->credentials, &error) < 0)
        argp_error(state, "--as: %s: %s", error.thing, error.reason);
    connect->as = &connect->credentials;
    return 0;
}

static error_t connect_parse(int key, char *argument, struct argp_state *state)
{
    struct connect *connect = state->input;
    switch (key) {
    case KEY_TIMEOUT:
        connect->timeout_ms = argument_span_ms(state, argument, 0, INT64_MAX);
        return 0;
    case KEY_WAIT:
        connect->wait_ms = argument_span_ms(state, argument, 0, INT64_MAX);
        return 0;
    case KEY_FRAME:
        connect->frame = argument;
        if (frame_from_name(argument) == FRAME_ABSENT)
            argp_error(state, "--frame: lf, length or none is expected");
        return 0;
    case KEY_AS:
        return connect_parse_as(connect, argument, state);
    case ARGP_KEY_ARG:
        if (state->arg_num > 0)
            return ARGP_ERR_UNKNOWN;
        connect->address = argument;
        return 0;
    case ARGP_KEY_END:
        if (!connect->address)
            argp_error(state, "an address is needed");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = options,
    .parser = connect_parse,
    .args_doc = "ADDRESS",
    .doc = "Connect standard input and output to ADDRESS. The end of input is passed on, and "
           "output goes on until the peer ends. Quiet unless it fails.\v"
           "EXAMPLES\n"
           "  ferry connect tcp:8080\n"
           "  printf 'GET / HTTP/1.0\\r\\n\\r\\n' | ferry connect unix:/run/docker.sock\n"
           "  echo ping | ferry connect --wait 1s udp:9999\n"
           "  ferry connect unix-seq:/tmp/s.sock --frame lf < lines.txt\n"
           "  echo hello | ferry connect unix-dgram:/dev/log --as user:nobody\n",
};

/* A relay calls its first side the client: here that is what the shell has set up. */
static const char *connect_words(const char *text)
{
    static const char *const words[][2] = {
        { "the client takes no more", "standard output takes no more" },
        { "receiving from the client failed", "reading standard input failed" },
    };
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (strcmp(text, words[i][0]) == 0)
            return words[i][1];
    return text;
}

static const char refused[] = "it may have refused you: see the log of who serves it";

/* A peer that goes away at once has often refused us, and only its own log says why. */
static const char *connect_remedy(int code, const char *text)
{
    bool target = strstr(text, "the target") != NULL;
    return target && (code == -ECONNRESET || code == -EPIPE) ? refused : NULL;
}

/* Input that had nowhere to go is not lost in silence. */
static int connect_dropped(
    const struct connect *connect, const struct ferry_relay *relay, struct ferry_error *error)
{
    struct ferry_relay_stats stats;
    int left;
    ferry_relay_get_stats(relay, &stats);
    /* One that ends without a word while input waits has not answered it. */
    if (!stats.back.bytes && ioctl(STDIN_FILENO, FIONREAD, &left) == 0 && left > 0)
        return error_set(
            error, -ECONNRESET, connect->address, refused, "ended before it took the input");
    if (stats.forth.way != FERRY_WAY_DISCARD || !stats.forth.bytes)
        return 0;
    return error_set(error, -EOPNOTSUPP, connect->address,
        strncmp(connect->address, "file:", 5) == 0 ? "add ,append to write" : NULL,
        "takes no input; what came was dropped");
}

static void connect_done(struct ferry_relay *relay, int code, const char *text, void *data)
{
    struct connect *connect = data;
    struct ferry_error error;
    if (code < 0)
        error_set(&error, code, connect->address, connect_remedy(code, text), "%s: %s",
            connect_words(text), strerrordesc_np(-code));
    else
        code = connect_dropped(connect, relay, &error);
    if (code < 0)
        connect->status = command_fail("connect", &error);
    ferry_loop_stop(connect->loop);
}

static int dial(
    const struct connect *connect, struct ferry_channel **ret_channel, struct ferry_error *error)
{
    struct ferry_address *address;
    struct ferry_dial_options dial_options = { .struct_size = sizeof(dial_options),
        .credentials = connect->as };
    int code = ferry_address_parse(connect->address, NULL, &address, error);
    if (code < 0)
        return code;
    code =
        ferry_dial(address, &dial_options, ferry_deadline(connect->timeout_ms), ret_channel, error);
    ferry_address_free(address);
    return code;
}

/* Standard input and output as a channel, which takes messages if the peer does. */
static int open_stdio(const struct connect *connect, bool messages,
    struct ferry_channel **ret_channel, struct ferry_error *error)
{
    struct ferry_address *address;
    char text[64];
    snprintf(text, sizeof(text), messages ? "-,frame=%s" : "-", connect->frame);
    int code = ferry_address_parse(text, NULL, &address, error);
    if (code < 0)
        return code;
    code = ferry_dial(address, NULL, 0, ret_channel, error);
    ferry_address_free(address);
    return code;
}

/* Takes the peer. */
static int connect_relay(
    struct connect *connect, struct ferry_channel *peer, struct ferry_error *error)
{
    struct ferry_channel *own;
    struct ferry_relay *relay;
    struct ferry_relay_options relay_options = {
        .struct_size = sizeof(relay_options),
        .linger_timeout_ms = connect->wait_ms,
        .done = connect_done,
        .data = connect,
    };
    bool messages = ferry_channel_capabilities(peer) & FERRY_HAS_BOUNDARIES;
    int code = open_stdio(connect, messages, &own, error);
    if (code < 0) {
        ferry_channel_close(peer);
        return code;
    }
    code = ferry_relay_start(connect->loop, connect->pool, own, peer, &relay_options, &relay);
    if (code == 0)
        code = ferry_loop_run(connect->loop);
    return code < 0 ? error_set_errno(error, code, connect->address, NULL) : 0;
}

static int connect_run(struct connect *connect, struct ferry_error *error)
{
    struct ferry_channel *peer;
    int code = dial(connect, &peer, error);
    if (code < 0)
        return code;
    code = ferry_loop_new(FERRY_EPOLL, &connect->loop);
    if (code == 0)
        code = ferry_relay_pool_new(&connect->pool);
    if (code < 0) {
        ferry_channel_close(peer);
        return error_set_errno(error, code, connect->address, NULL);
    }
    return connect_relay(connect, peer, error);
}

int command_connect(int argc, char **argv)
{
    struct connect connect = {
        .frame = "none", .timeout_ms = CONNECT_TIMEOUT_MS, .wait_ms = CONNECT_WAIT_MS
    };
    struct ferry_error error = { 0 };
    if (argument_parse("connect", &argp, argc, argv, 0, &connect) != EXIT_DONE)
        return EXIT_FAILED;
    signal(SIGPIPE, SIG_IGN); /* a failure to write is said, not died of */
    if (connect_run(&connect, &error) < 0)
        connect.status = command_fail("connect", &error);
    ferry_relay_pool_free(connect.pool);
    ferry_loop_free(connect.loop);
    return connect.status;
}
