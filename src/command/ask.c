/* ask.c - asking a running ferry through its control socket. */
#include "command/ask.h"
#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "command/command.h"
#include "command/limits.h"
#include "process/directory.h"
#include "wire/address.h"

#include <errno.h>
#include <fcntl.h>
#include <ferry/ferry.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int ask_default_address(char **ret_address, struct ferry_error *error)
{
    AUTO_FREE char *folder = NULL;
    AUTO_BYTES struct bytes address = BYTES_EMPTY;
    int code = directory_runtime(&folder, error);
    if (code < 0)
        return code;
    bytes_append_text(&address, "unix:");
    address_print_escaped(&address, folder, strlen(folder));
    bytes_append_text(&address, "/control.sock");
    char *text = bytes_take(&address);
    if (!text)
        return error_set_errno(error, -ENOMEM, folder, NULL);
    *ret_address = text;
    return 0;
}

/* A plain path means the socket there. */
static int ask_find(const char *control, char **ret_address, struct ferry_error *error)
{
    if (!control)
        return ask_default_address(ret_address, error);
    bool path = control[0] == '/' || !strchr(control, ':');
    if (asprintf(ret_address, "%s%s", path ? "unix:" : "", control) < 0)
        return error_set_errno(error, -ENOMEM, control, NULL);
    return 0;
}

static int ask_dial(const char *text, int64_t deadline_ns, struct ferry_channel **ret_channel,
    struct ferry_error *error)
{
    struct ferry_address *address;
    int code = ferry_address_parse(text, NULL, &address, error);
    if (code < 0)
        return code;
    code = address_refuse_weather(address, "the control socket", error);
    if (code == 0)
        code = ferry_dial(address, NULL, deadline_ns, ret_channel, error);
    ferry_address_free(address);
    if (code == -ENOENT || code == -ECONNREFUSED)
        return error_set(error, code, text,
            "start it with `ferry up`, or name its control socket with -s",
            "no ferry listens there");
    return code;
}

/* One line. */
static int reply_receive(const struct asking *asking, int64_t deadline_ns, struct bytes *reply,
    struct ferry_inbox *inbox)
{
    for (bool ended = false; !ended;) {
        struct ferry_message message;
        int code = ferry_channel_receive(asking->channel, inbox, &message, deadline_ns);
        if (code <= 0)
            return code == 0 ? -ECONNRESET : code;
        ended = memchr(message.data, '\n', message.size);
        bytes_append(reply, message.data, message.size);
        ferry_message_fini(&message);
        if (bytes_failed(reply) || reply->size > asking->reply_size_max)
            return -EMSGSIZE;
    }
    return 0;
}

static int reply_read(
    const char *address, const struct bytes *text, json_t **ret_reply, struct ferry_error *error)
{
    json_t *reply = json_loadb(text->data, text->size, 0, NULL);
    bool good = json_is_true(json_object_get(reply, "ok"));
    if (!good && !json_is_string(json_object_get(reply, "error"))) {
        json_decref(reply);
        return error_set(error, -EPROTO, address, "name the control socket of a ferry with -s",
            "what answers there is no ferry");
    }
    *ret_reply = reply;
    return good ? ASK_DONE : ASK_REFUSED;
}

void ask_print_refusal(const char *verb, const json_t *reply, struct bytes *text)
{
    const char *line = json_string_value(json_object_get(reply, "error"));
    while (line && *line) {
        size_t size = strcspn(line, "\n");
        bytes_print(text, "ferry %s: ", verb);
        bytes_append_escaped(text, line, size);
        bytes_append_char(text, '\n');
        line += size + (line[size] == '\n');
    }
}

int ask_fail(const char *verb, json_t *reply)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;
    ask_print_refusal(verb, reply, &text);
    if (bytes_failed(&text))
        fprintf(stderr, "ferry %s: refused\n", verb);
    else
        fwrite(text.data, 1, text.size, stderr);
    json_decref(reply);
    return EXIT_FAILED;
}

/* Stacked file systems tell stat(2) another device than the kernel's diagnosis: then it must at
 * least be of the same user, so that nobody's file leads to anybody else's of the same number. */
int ask_open_file(const char *path, const struct ferry_endpoint *listener)
{
    AUTO_FD int file = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    struct stat status;

    if (file < 0 || fstat(file, &status) < 0)
        return -errno;
    if (!listener->path || !S_ISSOCK(status.st_mode) || status.st_ino != listener->path->inode ||
        (status.st_dev != listener->path->device && status.st_uid != listener->uid))
        return -ESTALE;
    return fd_take(&file);
}

int asking_open(
    const char *control, int64_t deadline_ns, struct asking *ret_asking, struct ferry_error *error)
{
    struct asking asking = { 0 };
    int code = ask_find(control, &asking.address, error);
    if (code < 0)
        return code;
    code = ask_dial(asking.address, deadline_ns, &asking.channel, error);
    if (code < 0) {
        free(asking.address);
        return code;
    }
    asking.reply_size_max = CONTROL_REPLY_SIZE_MAX;
    *ret_asking = asking;
    return 0;
}

void asking_distrust(struct asking *asking)
{
    struct ferry_identity *who = NULL;

    uid_t uid =
        ferry_channel_identity(asking->channel, &who) < 0 ? (uid_t)-1 : ferry_identity_uid(who);
    if (uid != 0 && uid != geteuid())
        asking->reply_size_max = STRANGER_REPLY_SIZE_MAX;
}

static int asking_fail(const struct asking *asking, int code, struct ferry_error *error)
{
    if (error_is_peer_gone(code) && code != -ETIMEDOUT)
        return error_set(error, code, asking->address, "it may refuse this user; its log says why",
            "it closed without an answer");
    return error_set_errno(error, code, asking->address, NULL);
}

int asking_send(
    struct asking *asking, const char *request, int64_t deadline_ns, struct ferry_error *error)
{
    AUTO_BYTES struct bytes line = BYTES_EMPTY;

    bytes_print(&line, "{\"do\":\"%s\"}\n", request);
    int code = bytes_failed(&line)
                   ? -ENOMEM
                   : ferry_channel_send_bytes(asking->channel, line.data, line.size, deadline_ns);
    return code < 0 ? asking_fail(asking, code, error) : 0;
}

int asking_receive(
    struct asking *asking, int64_t deadline_ns, json_t **ret_reply, struct ferry_error *error)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;
    struct ferry_inbox *inbox;
    int code = ferry_inbox_new(0, 1, &inbox);

    if (code == 0) {
        code = reply_receive(asking, deadline_ns, &text, inbox);
        ferry_inbox_free(inbox);
    }
    return code < 0 ? asking_fail(asking, code, error)
                    : reply_read(asking->address, &text, ret_reply, error);
}

int asking_ask(struct asking *asking, const char *request, int64_t deadline_ns, json_t **ret_reply,
    struct ferry_error *error)
{
    int code = asking_send(asking, request, deadline_ns, error);
    return code < 0 ? code : asking_receive(asking, deadline_ns, ret_reply, error);
}

void asking_close(struct asking *asking)
{
    ferry_channel_close(asking->channel);
    free(asking->address);
    *asking = (struct asking){ 0 };
}

int ask(const char *control, const char *request, json_t **ret_reply, struct ferry_error *error)
{
    struct asking asking;
    int code = asking_open(control, ferry_deadline(CONTROL_TIMEOUT_MS), &asking, error);
    if (code < 0)
        return code;
    code = asking_ask(&asking, request, ferry_deadline(CONTROL_TIMEOUT_MS), ret_reply, error);
    asking_close(&asking);
    return code;
}
