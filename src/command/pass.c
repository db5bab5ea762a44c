/* pass.c - `ferry pass`: opens files and passes their descriptors.
 *
 * With each descriptor goes one line, its name, so that a taker can tell them apart. One message
 * carries at most FERRY_DESCRIPTORS_MAX; as many follow as are needed. Then our half is closed and
 * the taker's end awaited: it says that all was taken, and an error there that it was not. What the
 * taker answers goes to standard output.
 */
#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "command/argument.h"
#include "command/command.h"
#include "command/limits.h"
#include "wire/address.h"

#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <ferry/ferry.h>
#include <string.h>

struct pass {
    const char *address;
    char **files;
    size_t file_count;
    bool write;
    int64_t timeout_ms;
    int *descriptors;
    struct ferry_channel *channel;
};

enum { KEY_TIMEOUT = 0x400 };

static const struct argp_option options[] = {
    { "write", 'w', NULL, 0, "Open for appending, and make what is missing (else for reading)", 0 },
    { "timeout", KEY_TIMEOUT, "SPAN", 0,
        "Give up connecting, sending, and waiting for the taker "
        "after so long (10s)",
        0 },
    { 0 },
};

static error_t pass_parse(int key, char *argument, struct argp_state *state)
{
    struct pass *pass = state->input;
    switch (key) {
    case 'w':
        pass->write = true;
        return 0;
    case KEY_TIMEOUT:
        pass->timeout_ms = argument_span_ms(state, argument, 0, INT64_MAX);
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num > 0)
            return ARGP_ERR_UNKNOWN; /* the files, all at once below */
        pass->address = argument;
        return 0;
    case ARGP_KEY_ARGS:
        pass->files = state->argv + state->next;
        pass->file_count = (size_t)(state->argc - state->next);
        return 0;
    case ARGP_KEY_END:
        if (pass->file_count == 0)
            argp_error(state, "an address and at least one file are needed");
        if (pass->file_count > PASS_FILES_MAX)
            argp_error(state, "more than %u files", PASS_FILES_MAX);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = options,
    .parser = pass_parse,
    .args_doc = "ADDRESS FILE...",
    .doc = "Open files and pass their descriptors to the process that listens on ADDRESS (a unix "
           "socket). The taker needs no right to the files: what passes is the open file itself. "
           "fd:N passes a descriptor that was inherited.\v"
           "EXAMPLES\n"
           "  ferry take unix:/tmp/t.sock &\n"
           "  ferry pass unix:/tmp/t.sock notes.txt\n"
           "  sudo ferry pass unix:/tmp/t.sock /etc/shadow\n"
           "  ferry pass -w unix:/tmp/t.sock app.log fd:1\n",
};

/* fd:N gives a copy, so that all of the array can be closed alike. */
static int file_open(const char *file, bool writing)
{
    unsigned number;
    int used = 0;
    if (sscanf(file, "fd:%9u%n", &number, &used) == 1 && file[used] == '\0') {
        int copy = fcntl((int)number, F_DUPFD_CLOEXEC, 0);
        return copy < 0 ? -errno : copy;
    }
    int flags = writing ? O_WRONLY | O_APPEND | O_CREAT : O_RDONLY;
    /* A FIFO without its other end would block here for ever. */
    int fd = open(file, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0666);
    if (fd < 0)
        return -errno;
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    return fd;
}

static int files_open(struct pass *pass)
{
    pass->descriptors = calloc(pass->file_count, sizeof(int));
    if (!pass->descriptors)
        return command_fail_errno("pass", "files", -ENOMEM);
    for (size_t i = 0; i < pass->file_count; i++)
        pass->descriptors[i] = -1;
    for (size_t i = 0; i < pass->file_count; i++) {
        pass->descriptors[i] = file_open(pass->files[i], pass->write);
        if (pass->descriptors[i] < 0)
            return command_fail_path("pass", pass->files[i], pass->descriptors[i]);
    }
    return EXIT_DONE;
}

/* The last part of a path, on one line whatever is in it; fd:3 becomes fd3. */
static void name_print(const char *file, struct bytes *text)
{
    const char *slash = strrchr(file, '/');
    const char *name = slash && slash[1] ? slash + 1 : file;
    if (strncmp(file, "fd:", 3) == 0)
        bytes_print(text, "fd%s", file + 3);
    else
        bytes_append_escaped(text, name, strlen(name));
    bytes_append_char(text, '\n');
}

static int pass_connect(struct pass *pass, int64_t deadline_ns)
{
    struct ferry_address *address = NULL;
    struct ferry_error error;
    int code = ferry_address_parse(pass->address, NULL, &address, &error);
    if (code == 0)
        code = address_refuse_weather(address, "pass", &error);
    if (code == 0)
        code = ferry_dial(address, NULL, deadline_ns, &pass->channel, &error);
    ferry_address_free(address);
    if (code < 0)
        return command_fail("pass", &error);
    if (ferry_channel_capabilities(pass->channel) & FERRY_HAS_DESCRIPTORS)
        return EXIT_DONE;
    error_set(&error, -EOPNOTSUPP, pass->address,
        "use unix:, unix-seq:, auto: or unix-dgram: (see ferry-address(7))",
        "cannot pass descriptors");
    return command_fail("pass", &error);
}

static int pass_send(struct pass *pass, int64_t deadline_ns)
{
    for (size_t at = 0; at < pass->file_count;) {
        AUTO_BYTES struct bytes names = BYTES_EMPTY;
        size_t count = pass->file_count - at;
        if (count > FERRY_DESCRIPTORS_MAX)
            count = FERRY_DESCRIPTORS_MAX;
        for (size_t i = 0; i < count; i++)
            name_print(pass->files[at + i], &names);
        if (bytes_failed(&names))
            return -ENOMEM;
        struct iovec buffer = { names.data, names.size };
        struct ferry_outgoing outgoing = {
            .buffers = &buffer,
            .buffer_count = 1,
            .descriptors = pass->descriptors + at,
            .descriptor_count = count,
        };
        int code = ferry_channel_send(pass->channel, &outgoing, deadline_ns);
        if (code < 0)
            return code;
        at += count;
    }
    int code = ferry_channel_shutdown(pass->channel);
    return code == -EOPNOTSUPP ? 0 : code;
}

/* Waits for the taker's end. A taker that stays is no failure: the descriptors are on their way. */
static int pass_await(struct pass *pass, int64_t deadline_ns)
{
    struct ferry_inbox *inbox = NULL;
    struct ferry_message message;
    if (!(ferry_channel_capabilities(pass->channel) & FERRY_HAS_END))
        return 0;
    int code = ferry_inbox_new(0, 1, &inbox);
    while (code >= 0) {
        code = ferry_channel_receive(pass->channel, inbox, &message, deadline_ns);
        if (code <= 0)
            break;
        fwrite(message.data, 1, message.size, stdout);
        ferry_message_fini(&message);
    }
    ferry_inbox_free(inbox);
    return code == -ETIMEDOUT ? 0 : code;
}

static int pass_run(struct pass *pass)
{
    int64_t deadline_ns = ferry_deadline(pass->timeout_ms);
    int status = files_open(pass);
    if (status == EXIT_DONE)
        status = pass_connect(pass, deadline_ns);
    if (status != EXIT_DONE)
        return status;
    int code = pass_send(pass, deadline_ns);
    if (code == 0)
        code = pass_await(pass, deadline_ns);
    if (code == 0)
        return EXIT_DONE;
    struct ferry_error error;
    if (error_is_peer_gone(code) && code != -ETIMEDOUT)
        error_set(&error, code, pass->address, "its own messages say why",
            "the taker closed before it had taken everything");
    else if (code == -EPERM)
        error_set(&error, code, pass->address, "pass to what does",
            "what listens there takes no descriptors");
    else
        command_set_error(&error, code, pass->address);
    return command_fail("pass", &error);
}

int command_pass(int argc, char **argv)
{
    struct pass pass = { .timeout_ms = CONNECT_TIMEOUT_MS };
    if (argument_parse("pass", &argp, argc, argv, 0, &pass) != EXIT_DONE)
        return EXIT_FAILED;
    int status = pass_run(&pass);
    for (size_t i = 0; pass.descriptors && i < pass.file_count; i++)
        fd_close(&pass.descriptors[i]);
    free(pass.descriptors);
    ferry_channel_close(pass.channel);
    return status;
}
