/* take.c - `ferry take`: listens, admits one peer, and receives descriptors until its end.
 *
 * The peer's bytes are names, one line for each descriptor in their order; other senders' bytes are
 * welcome too: a descriptor without a line is called "fd". What is received is bounded in number.
 * Then the descriptors are listed, or a command takes this process's place with them at 3 and above
 * and the variables of sd_listen_fds(3), so that whatever supports socket activation can use them.
 */
#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "command/argument.h"
#include "command/command.h"
#include "command/describe.h"
#include "command/limits.h"
#include "command/rules.h"
#include "process/activation.h"
#include "route/event.h"
#include "wire/address.h"

#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <ferry/ferry.h>
#include <string.h>
#include <sys/resource.h>

struct take {
    const char *address;
    char **command; /* NULL-terminated, of argv; NULL: list */
    bool stdin_too;
    int64_t timeout_ms; /* -1: none */
    struct rules rules;
    struct rlimit limit; /* as it was: a command must not inherit ours */
    int *descriptors;    /* owned, TAKE_DESCRIPTORS_MAX of them */
    size_t count;
    struct bytes names;
};

enum { KEY_STDIN = 0x400, KEY_ONCE, KEY_TIMEOUT };

static const struct argp_option options[] = {
    { "once", KEY_ONCE, NULL, 0, "End after the first peer that is admitted (always so)", 0 },
    { "stdin", KEY_STDIN, NULL, 0, "Make the first descriptor the command's standard input too",
        0 },
    { "timeout", KEY_TIMEOUT, "SPAN", 0, "Give up after so long (never)", 0 },
    { 0 },
};

static error_t take_parse(int key, char *argument, struct argp_state *state)
{
    struct take *take = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &take->rules;
        return 0;
    case KEY_ONCE:
        return 0;
    case KEY_STDIN:
        take->stdin_too = true;
        return 0;
    case KEY_TIMEOUT:
        take->timeout_ms = argument_span_ms(state, argument, 0, INT64_MAX);
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num > 0)
            return ARGP_ERR_UNKNOWN; /* the command, all of it below */
        take->address = argument;
        return 0;
    case ARGP_KEY_ARGS:
        take->command = state->argv + state->next;
        return 0;
    case ARGP_KEY_END:
        if (!take->address)
            argp_error(state, "an address to listen on is needed");
        if (take->stdin_too && !take->command)
            argp_error(state, "--stdin needs a command");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = { { &rules_argp, 0, NULL, 0 }, { 0 } };

static const struct argp argp = {
    .options = options,
    .parser = take_parse,
    .children = children,
    .args_doc = "ADDRESS [-- COMMAND [ARGUMENT...]]",
    .doc = "Listen on ADDRESS (a unix socket, mode 0600 unless it says otherwise), take the "
           "descriptors that one peer passes, and list them: number, name, type, access, size or "
           "peer, and where they lead. With COMMAND, start it with them from number 3 on, and "
           "LISTEN_FDS, LISTEN_PID and LISTEN_FDNAMES set.\v"
           "EXAMPLES\n"
           "  ferry take unix:/tmp/t.sock\n"
           "  ferry take unix:/tmp/t.sock --stdin -- wc -c\n"
           "  ferry take unix:/tmp/t.sock -- sh -c 'cat <&3'\n"
           "  ferry take unix:/tmp/t.sock,mode=0660,group=dev --allow group:dev\n",
};

/* Room for as many descriptors as may come. */
static void limit_raise(struct take *take)
{
    if (getrlimit(RLIMIT_NOFILE, &take->limit) < 0)
        return;
    struct rlimit most = { take->limit.rlim_max, take->limit.rlim_max };
    (void)setrlimit(RLIMIT_NOFILE, &most);
}

/* --- who is admitted -------------------------------------------------------------------------- */

static bool peer_admitted(struct ferry_channel *channel, struct ferry_policy *policy)
{
    struct ferry_identity *identity = NULL; /* out of memory: nothing is known */
    struct ferry_verdict verdict;
    (void)!ferry_channel_identity(channel, &identity);
    ferry_policy_decide(policy, identity, &verdict);
    if (!verdict.allowed) {
        AUTO_BYTES struct bytes who = BYTES_EMPTY;
        struct event_who peer = event_who_of(identity);
        event_print_who(&peer, NULL, &who);
        fprintf(stderr, "ferry take: %s is refused: %s\n", bytes_failed(&who) ? "a peer" : who.data,
            verdict.text);
    }
    return verdict.allowed;
}

static int admit_one(struct ferry_listener *listener, struct ferry_policy *policy,
    int64_t deadline_ns, struct ferry_channel **ret_channel)
{
    for (;;) {
        struct ferry_channel *channel;
        int code = ferry_listener_accept(listener, deadline_ns, &channel);
        if (code < 0)
            return code;
        if (peer_admitted(channel, policy)) {
            *ret_channel = channel;
            return 0;
        }
        ferry_channel_close(channel);
    }
}

/* --- receiving -------------------------------------------------------------------------------- */

static int message_keep(struct take *take, struct ferry_message *message)
{
    if (message->size > TAKE_NAMES_SIZE_MAX - take->names.size ||
        message->descriptor_count > TAKE_DESCRIPTORS_MAX - take->count)
        return -E2BIG;
    bytes_append(&take->names, message->data, message->size);
    for (size_t i = 0; i < message->descriptor_count; i++)
        take->descriptors[take->count++] = ferry_message_take(message, i);
    return 0;
}

/* Until the peer's end; where there is none (datagrams), until it is silent. */
static int take_receive(struct take *take, struct ferry_channel *channel, int64_t deadline_ns)
{
    struct ferry_inbox *inbox;
    struct ferry_message message;
    bool has_end = ferry_channel_capabilities(channel) & FERRY_HAS_END;
    int code = ferry_inbox_new(0, 1, &inbox);
    if (code < 0)
        return code;
    do {
        int64_t silent_ns = ferry_deadline(CONNECT_WAIT_MS);
        bool silence = !has_end && silent_ns < deadline_ns;
        code = ferry_channel_receive(channel, inbox, &message, silence ? silent_ns : deadline_ns);
        if (code > 0) {
            int kept = message_keep(take, &message);
            ferry_message_fini(&message);
            code = kept < 0 ? kept : code;
        } else if (code == -ETIMEDOUT && silence) {
            code = 0;
        }
    } while (code > 0);
    ferry_inbox_free(inbox);
    return code;
}

static int take_run(struct take *take, struct ferry_error *error)
{
    struct ferry_address *address = NULL;
    struct ferry_policy *policy = NULL;
    struct ferry_listener *listener = NULL;
    struct ferry_channel *channel = NULL;
    int64_t deadline_ns = ferry_deadline(take->timeout_ms);
    /* Who is refused is told here. */
    const struct ferry_listen_options listen = { .struct_size = sizeof(listen), .admit_all = true };
    int code = ferry_address_parse(take->address, NULL, &address, error);
    if (code == 0)
        code = address_refuse_weather(address, "take", error);
    if (code == 0)
        code = ferry_listen(address, &listen, &listener, error);
    if (code == 0)
        code = rules_make_policy(&take->rules, address, &policy, error);
    if (code == 0 && !(ferry_listener_capabilities(listener) & FERRY_HAS_DESCRIPTORS))
        code = error_set(error, -EOPNOTSUPP, take->address,
            "use unix:, unix-seq:, auto: or unix-dgram: (see ferry-address(7))",
            "descriptors cannot come that way");
    else if (code == 0) {
        code = admit_one(listener, policy, deadline_ns, &channel);
        if (code == 0)
            code = take_receive(take, channel, deadline_ns);
        if (code == -E2BIG)
            error_set(error, code, take->address, "pass them in parts",
                "more than %u descriptors, or names too long", TAKE_DESCRIPTORS_MAX);
        else if (code < 0)
            command_set_error(error, code, take->address);
        else if (take->count == 0)
            code = error_set(error, -ENODATA, take->address, "pass some: ferry pass ADDRESS FILE",
                "the peer passed no descriptor");
    }
    ferry_channel_close(channel);
    ferry_listener_close(listener);
    ferry_policy_free(policy);
    ferry_address_free(address);
    return code;
}

/* --- names ------------------------------------------------------------------------------------ */

/* The next line of the names, or "fd" when there is none, escaped into name[size]. */
static void name_next(const struct bytes *names, size_t *at, char *name, size_t size)
{
    const char *line = *at < names->size ? names->data + *at : NULL;
    const char *feed = line ? memchr(line, '\n', names->size - *at) : NULL;
    if (!feed) {
        snprintf(name, size, "fd");
        return;
    }
    text_escape(line, (size_t)(feed - line), name, size);
    *at = (size_t)(feed - names->data) + 1;
}

static int take_list(const struct take *take)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;
    char name[256];
    size_t at = 0;
    for (size_t i = 0; i < take->count; i++) {
        name_next(&take->names, &at, name, sizeof(name));
        describe_descriptor(take->descriptors[i], name, &text);
    }
    if (bytes_failed(&text))
        return command_fail_errno("take", "list", -ENOMEM);
    if (text.size)
        fwrite(text.data, 1, text.size, stdout);
    return fflush(stdout) == 0 ? EXIT_DONE : command_fail_errno("take", "standard output", -errno);
}

/* --- the command ------------------------------------------------------------------------------ */

/* LISTEN_FDNAMES: names parted by colons, so no name has one. */
static int names_export(const struct take *take)
{
    AUTO_BYTES struct bytes list = BYTES_EMPTY;
    char name[256], number[16];
    size_t at = 0;
    for (size_t i = 0; i < take->count; i++) {
        name_next(&take->names, &at, name, sizeof(name));
        for (char *colon = name; (colon = strchr(colon, ':'));)
            *colon = '_';
        bytes_print(&list, "%s%s", i ? ":" : "", name);
    }
    bytes_append(&list, "", 0);
    if (bytes_failed(&list) || setenv("LISTEN_FDNAMES", list.data, 1) < 0)
        return -ENOMEM;
    snprintf(number, sizeof(number), "%zu", take->count);
    if (setenv("LISTEN_FDS", number, 1) < 0)
        return -ENOMEM;
    snprintf(number, sizeof(number), "%d", (int)getpid());
    return setenv("LISTEN_PID", number, 1) < 0 ? -ENOMEM : 0;
}

/* First out of the way of one another, then to their places, where they survive exec. */
static int descriptors_place(struct take *take)
{
    int floor = LISTEN_FDS_START + (int)take->count;
    for (size_t i = 0; i < take->count; i++) {
        int moved = fcntl(take->descriptors[i], F_DUPFD_CLOEXEC, floor);
        if (moved < 0)
            return -errno;
        fd_close(&take->descriptors[i]);
        take->descriptors[i] = moved;
    }
    for (size_t i = 0; i < take->count; i++)
        if (dup2(take->descriptors[i], LISTEN_FDS_START + (int)i) < 0)
            return -errno;
    if (take->stdin_too && dup2(take->descriptors[0], STDIN_FILENO) < 0)
        return -errno;
    return 0;
}

static int take_exec(struct take *take)
{
    int code = names_export(take);
    if (code == 0)
        code = descriptors_place(take);
    if (code < 0)
        return command_fail_errno("take", take->command[0], code);
    /* Never below what is open: the command may want to open more, and select(2) its 1024. */
    if (take->limit.rlim_cur > LISTEN_FDS_START + take->count)
        (void)setrlimit(RLIMIT_NOFILE, &take->limit);
    execvp(take->command[0], take->command);
    return command_fail_errno("take", take->command[0], -errno);
}

int command_take(int argc, char **argv)
{
    struct take take = { .timeout_ms = -1 };
    struct ferry_error error;
    /* In order: what follows the address is the command's, options too. */
    if (argument_parse("take", &argp, argc, argv, ARGP_IN_ORDER, &take) != EXIT_DONE)
        return EXIT_FAILED;
    limit_raise(&take);
    take.descriptors = calloc(TAKE_DESCRIPTORS_MAX, sizeof(int));
    if (!take.descriptors)
        return command_fail_errno("take", "memory", -ENOMEM);
    int code = take_run(&take, &error);
    int status = code < 0       ? command_fail("take", &error)
                 : take.command ? take_exec(&take)
                                : take_list(&take);
    for (size_t i = 0; i < take.count; i++)
        fd_close(&take.descriptors[i]);
    free(take.descriptors);
    bytes_fini(&take.names);
    return status;
}
