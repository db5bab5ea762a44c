/* connect.c - `ferry connect`: standard input and output to an address, netcat's job.
 *
 * A relay between `-` and the address. The end of standard input half-closes, and output goes on
 * until the peer ends. Where an end cannot be told to the other side (a datagram peer; the
 * keyboard, once the peer has ended) silence ends it, after --wait.
 *
 * With --sha256 the relay shows what comes to the digest, and standard output is /dev/null until
 * the digest is printed; a file is looked at through a window instead, and input is left alone.
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "command/argument.h"
#include "command/command.h"
#include "command/credentials.h"
#include "command/digest.h"
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
    bool sha256, json;
    struct digest *digest; /* of what is received; NULL: it is passed on */
    bool is_input;         /* what is connected to is standard input itself */
    int output;            /* standard output, while it is /dev/null; -1: it is where it belongs */
    struct ferry_loop *loop;
    struct ferry_relay_pool *pool;
    int status;
};

enum { KEY_TIMEOUT = 0x400, KEY_WAIT, KEY_FRAME, KEY_AS, KEY_SHA256, KEY_JSON };

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
    { "sha256", KEY_SHA256, NULL, 0,
        "Print the SHA-256 of what is received instead of that, as sha256sum does", 0 },
    { "json", KEY_JSON, NULL, 0, "With --sha256: print it as JSON, with the number of bytes", 0 },
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
    case KEY_SHA256:
        connect->sha256 = true;
        return 0;
    case KEY_JSON:
        connect->json = true;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num > 0)
            return ARGP_ERR_UNKNOWN;
        connect->address = argument;
        return 0;
    case ARGP_KEY_END:
        if (!connect->address)
            argp_error(state, "an address is needed");
        if (connect->json && !connect->sha256)
            argp_error(state, "--json goes with --sha256");
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
           "  ferry connect auto:/tmp/a.sock --frame lf < lines.txt\n"
           "  echo hello | ferry connect unix-dgram:/dev/log --as user:nobody\n"
           "  ferry connect --sha256 file:/etc/hostname\n",
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
    if (strstr(text, "no auto: peer"))
        return command_both_auto;
    return target && (code == -ECONNRESET || code == -EPIPE) ? refused : NULL;
}

/* What had nowhere to go is not lost in silence. */
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
    if (stats.back.way == FERRY_WAY_DISCARD && stats.back.bytes)
        return error_set(error, -EBADF, "standard output", NULL,
            "is not open for writing; what came was dropped");
    if (stats.forth.way != FERRY_WAY_DISCARD || !stats.forth.bytes)
        return 0;
    return error_set(error, -EOPNOTSUPP, connect->address,
        strncmp(connect->address, "file:", 5) == 0 ? "add ,append to write" : NULL,
        "takes no input; what came was dropped");
}

/* --- the digest ------------------------------------------------------------------------------- */

static void digest_tap(
    struct ferry_relay *relay, bool forth, const struct ferry_message *message, void *data)
{
    struct connect *connect = data;
    (void)relay;
    if (!forth)
        digest_add(connect->digest, message->data, message->size);
}

/* Standard output is for the digest alone, and input that is to be digested for nobody else; the
 * peer has its own copies already. */
static int stdio_hide(struct connect *connect)
{
    AUTO_FD int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0)
        return -errno;
    AUTO_FD int output = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (output < 0 || dup2(null, STDOUT_FILENO) < 0)
        return -errno;
    if (connect->is_input && dup2(null, STDIN_FILENO) < 0)
        return -errno;
    connect->output = fd_take(&output);
    return 0;
}

static int connect_print_digest(struct connect *connect, struct ferry_error *error)
{
    if (connect->output >= 0 && dup2(connect->output, STDOUT_FILENO) < 0)
        return error_set_errno(error, -errno, "standard output", NULL);
    return digest_print(connect->digest, connect->address, connect->json, error);
}

/* Takes the peer, which is a file. */
static int connect_look(struct connect *connect, struct ferry_channel *peer,
    struct ferry_window *window, struct ferry_error *error)
{
    struct ferry_piece piece;
    int r;

    while ((r = ferry_window_next(window, 0, &piece)) > 0)
        digest_add(connect->digest, piece.data, piece.size);
    ferry_window_close(window);
    ferry_channel_close(peer);
    return r < 0 ? error_set_errno(error, r, connect->address, NULL) : 0;
}

/* --- the relay -------------------------------------------------------------------------------- */

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
    struct connect *connect, struct ferry_channel **ret_channel, struct ferry_error *error)
{
    struct ferry_address *address;
    struct ferry_dial_options dial_options = { .struct_size = sizeof(dial_options),
        .credentials = connect->as };
    int code = ferry_address_parse(connect->address, NULL, &address, error);
    if (code < 0)
        return code;
    connect->is_input = ferry_address_scheme(address) == FERRY_STDIO;
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
        .tap = connect->digest ? digest_tap : NULL,
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

/* Takes the peer. Returns 0 or -errno with *error; what ends the relay is in `status`. */
static int connect_carry(
    struct connect *connect, struct ferry_channel *peer, struct ferry_error *error)
{
    int code = connect->digest ? stdio_hide(connect) : 0;
    if (code == 0)
        code = ferry_loop_new(FERRY_EPOLL, &connect->loop);
    if (code == 0)
        code = ferry_relay_pool_new(&connect->pool);
    if (code < 0) {
        ferry_channel_close(peer);
        return error_set_errno(error, code, connect->address, NULL);
    }
    return connect_relay(connect, peer, error);
}

/* Takes the peer. */
static int connect_digest(
    struct connect *connect, struct ferry_channel *peer, struct ferry_error *error)
{
    struct ferry_window *window;

    if (!(ferry_channel_capabilities(peer) & FERRY_CAN_RECEIVE)) {
        ferry_channel_close(peer);
        return error_set(error, -EOPNOTSUPP, connect->address, "name what sends something",
            "nothing can come from there");
    }
    int code = ferry_channel_open_window(peer, NULL, &window, error);
    if (code == 0)
        code = connect_look(connect, peer, window, error);
    else if (code == -EOPNOTSUPP)
        code = connect_carry(connect, peer, error);
    else
        ferry_channel_close(peer);
    if (code < 0 || connect->status != EXIT_DONE)
        return code;
    return connect_print_digest(connect, error);
}

static int connect_run(struct connect *connect, struct ferry_error *error)
{
    struct ferry_channel *peer;
    int code = connect->sha256 ? digest_new(&connect->digest, error) : 0;
    if (code == 0)
        code = dial(connect, &peer, error);
    if (code < 0)
        return code;
    return connect->digest ? connect_digest(connect, peer, error)
                           : connect_carry(connect, peer, error);
}

int command_connect(int argc, char **argv)
{
    struct connect connect = {
        .frame = "none", .timeout_ms = CONNECT_TIMEOUT_MS, .wait_ms = CONNECT_WAIT_MS, .output = -1
    };
    struct ferry_error error = { 0 };
    if (argument_parse("connect", &argp, argc, argv, 0, &connect) != EXIT_DONE)
        return EXIT_FAILED;
    signal(SIGPIPE, SIG_IGN); /* a failure to write is said, not died of */
    if (connect_run(&connect, &error) < 0)
        connect.status = command_fail("connect", &error);
    ferry_relay_pool_free(connect.pool);
    ferry_loop_free(connect.loop);
    digest_free(connect.digest);
    fd_close(&connect.output);
    return connect.status;
}
