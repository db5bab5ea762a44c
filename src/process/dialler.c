/* dialler.c - the program's side of the dialler: asking, and what comes back.
 *
 * Every call has a socket pair of its own: one end goes along with the request and is held by
 * nobody but the child that dials, so an answer can only be that of this call, and the child's end
 * without an answer is seen as the end of the socket. If the dialler is gone, calls fail: nothing
 * is ever dialled as the program itself instead.
 */
#include "process/dialler.h"
#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "loop/child.h"
#include "process/dialler_process.h"
#include "process/limits.h"
#include "wire/profile.h"

#include <errno.h>
#include <ferry/ferry.h>
#include <signal.h>
#include <string.h>

struct dialler {
    struct ferry_loop *loop;
    struct ferry_channel *requests; /* NULL: it has ended */
    struct ferry_inbox *inbox;      /* for answers */
    struct ferry_source *child;
    pid_t pid;
    struct dialler_options options; /* its users are ours */
    struct run_as *users;
    size_t call_count; /* under way; it lives as long as they do */
    bool stopped;
};

struct dialler_call {
    struct dialler *dialler;
    struct ferry_channel *reply;
    struct ferry_source *source;
    struct ferry_address *address;
    bool refuse_descriptors;
    const struct ferry_profile *profile;
    dialler_done done;
    void *data;
};

static void dialler_release(struct dialler *dialler)
{
    if (!dialler->stopped || dialler->call_count)
        return;
    for (size_t i = 0; dialler->users && i < dialler->options.user_count; i++)
        run_as_fini(&dialler->users[i]);
    free(dialler->users);
    ferry_inbox_free(dialler->inbox);
    free(dialler);
}

/* --- life ------------------------------------------------------------------------------------- */

static void on_child_ended(struct ferry_source *source, int code, int status, void *data)
{
    struct dialler *dialler = data;
    (void)source, (void)code, (void)status;
    dialler->child = NULL;
    dialler->pid = 0;
    ferry_channel_close(TAKE(dialler->requests));
    dialler->options.on_ended(dialler->options.data);
}

static int dialler_fork(struct dialler *dialler, struct ferry_channel *theirs)
{
    fflush(NULL);
    dialler->pid = fork();
    if (dialler->pid < 0)
        return -errno;
    if (dialler->pid == 0)
        dialler_process_run(ferry_channel_fd(theirs, FERRY_RECEIVE), &dialler->options);
    return ferry_loop_child(dialler->loop, dialler->pid, on_child_ended, dialler, &dialler->child);
}

/* For the process and for us: what was asked for may be gone by the next reload. */
static int dialler_copy_users(struct dialler *dialler, const struct dialler_options *options)
{
    dialler->options.user_count = 0;
    dialler->options.users = dialler->users =
        calloc(options->user_count + 1, sizeof(struct run_as));
    if (!dialler->users)
        return -ENOMEM;
    for (size_t i = 0; i < options->user_count; i++) {
        int r = run_as_copy(&options->users[i], &dialler->users[i]);
        if (r < 0)
            return r;
        dialler->options.user_count++;
    }
    return 0;
}

int dialler_start(struct ferry_loop *loop, const struct dialler_options *options,
    struct dialler **ret_dialler, struct ferry_error *error)
{
    struct dialler *dialler = calloc(1, sizeof(*dialler));
    struct ferry_channel *theirs = NULL;
    if (!dialler)
        return error_set_errno(error, -ENOMEM, "the dialler", NULL);
    dialler->loop = loop;
    dialler->options = *options;
    int r = dialler_copy_users(dialler, options);
    if (r == 0)
        r = ferry_inbox_new(sizeof(struct dialler_answer), 1, &dialler->inbox);
    if (r == 0)
        r = ferry_channel_pair(FERRY_UNIX_SEQ, &dialler->requests, &theirs);
    if (r == 0)
        r = dialler_fork(dialler, theirs);
    ferry_channel_close(theirs);
    if (r < 0) {
        dialler_stop(dialler);
        return error_set_errno(error, r, "the dialler", NULL);
    }
    *ret_dialler = dialler;
    return 0;
}

/* It ends when its socket does; what would not is stopped or hangs. */
static void dialler_wait(pid_t pid)
{
    struct child child;
    int code, status;
    if (child_open(pid, &child) < 0)
        return;
    if (child_wait(&child, ferry_deadline(DIALLER_END_MS), &code, &status) == -ETIMEDOUT &&
        child_signal(&child, SIGKILL) == 0)
        (void)child_wait(&child, ferry_deadline(DIALLER_END_MS), &code, &status);
    child_close(&child);
}

void dialler_stop(struct dialler *dialler)
{
    if (!dialler)
        return;
    ferry_channel_close(TAKE(dialler->requests));
    ferry_source_remove(TAKE(dialler->child));
    if (dialler->pid > 0)
        dialler_wait(dialler->pid);
    dialler->stopped = true;
    dialler_release(dialler);
}

pid_t dialler_pid(const struct dialler *dialler)
{
    return dialler->pid;
}

bool dialler_runs_commands(const struct dialler *dialler)
{
    return dialler->options.commands;
}

bool dialler_knows(const struct dialler *dialler, const struct run_as *user)
{
    for (size_t i = 0; i < dialler->options.user_count; i++)
        if (run_as_equal(user, &dialler->users[i]))
            return true;
    return false;
}

/* --- answers ---------------------------------------------------------------------------------- */

void dialler_cancel(struct dialler_call *call)
{
    if (!call)
        return;
    ferry_source_remove(call->source);
    ferry_channel_close(call->reply);
    ferry_address_free(call->address);
    call->dialler->call_count--;
    dialler_release(call->dialler);
    free(call);
}

/* The answer's descriptors, as a channel. What does not add up is a child that went wrong. */
static int answer_adopt(const struct dialler_call *call, const struct dialler_answer *answer,
    struct ferry_message *message, struct ferry_channel **ret_channel, struct ferry_error *error)
{
    const char *thing = ferry_address_text(call->address);
    bool receives = answer->receives, sends = answer->sends, same = answer->same;
    struct ferry_dial_options options = { .struct_size = sizeof(options),
        .refuse_descriptors = call->refuse_descriptors,
        .profile = call->profile };
    if ((!receives && !sends) || (same && !(receives && sends)) ||
        message->descriptor_count != (same ? 1 : (size_t)receives + sends))
        return error_set(error, -EPROTO, thing, NULL, "the dialler's answer makes no sense");
    int receive_fd = receives ? ferry_message_take(message, 0) : -1;
    int send_fd = same ? receive_fd : sends ? ferry_message_take(message, receives) : -1;
    int r = ferry_channel_adopt_dialled(
        call->address, &options, receive_fd, send_fd, ret_channel, error);
    return r;
}

static int answer_read(const struct dialler_call *call, struct ferry_message *message,
    struct ferry_channel **ret_channel, struct ferry_error *error)
{
    struct dialler_answer answer;
    const char *thing = ferry_address_text(call->address);
    if (message->size != sizeof(answer))
        return error_set(error, -EPROTO, thing, NULL, "the dialler's answer makes no sense");
    memcpy(&answer, message->data, sizeof(answer));
    if (answer.error.code == 0)
        return answer_adopt(call, &answer, message, ret_channel, error);
    answer.error.thing[sizeof(answer.error.thing) - 1] = '\0';
    answer.error.reason[sizeof(answer.error.reason) - 1] = '\0';
    answer.error.remedy[sizeof(answer.error.remedy) - 1] = '\0';
    int code = answer.error.code > 0 || answer.error.code < -4095 ? -EPROTO : answer.error.code;
    return error_set(
        error, code, answer.error.thing, answer.error.remedy, "%s", answer.error.reason);
}

static void on_answer(struct ferry_source *source, unsigned events, void *data)
{
    struct dialler_call *call = data;
    struct ferry_message message;
    struct ferry_channel *channel = NULL;
    struct ferry_error error = { 0 };
    (void)source, (void)events;

    int r = ferry_channel_try_receive(call->reply, call->dialler->inbox, &message, 1);
    if (r == -EAGAIN)
        return;
    if (r == 1) {
        r = answer_read(call, &message, &channel, &error);
        ferry_message_fini(&message);
    } else {
        r = error_set(&error, r < 0 ? r : -ECONNABORTED, ferry_address_text(call->address), NULL,
            "the process that dialled it ended without an answer");
    }
    dialler_done done = call->done;
    data = call->data;
    dialler_cancel(call);
    done(r, &error, channel, data);
}

/* --- requests --------------------------------------------------------------------------------- */

static void request_print(const struct dialler_request *request, struct bytes *ret_bytes)
{
    const char *text = ferry_address_text(request->address);
    AUTO_BYTES struct bytes variables = BYTES_EMPTY;
    AUTO_BYTES struct bytes profile = BYTES_EMPTY;
    const struct run_as *as = request->run_as;
    for (size_t i = 0; request->variables && request->variables[i]; i++)
        bytes_append(&variables, request->variables[i], strlen(request->variables[i]) + 1);
    if (request->profile)
        profile_print(request->profile, &profile);
    struct dialler_ask ask = {
        .uid = as ? as->uid : 0,
        .gid = as ? as->gid : 0,
        .group_count = as ? (uint32_t)as->group_count : 0,
        .address_size = (uint32_t)strlen(text) + 1,
        .variables_size = (uint32_t)variables.size,
        .profile_size = (uint32_t)profile.size,
        .timeout_ms = request->timeout_ms < 1           ? 1
                      : request->timeout_ms > INT32_MAX ? INT32_MAX
                                                        : (uint32_t)request->timeout_ms,
        .peer = !as,
        .refuse_descriptors = request->refuse_descriptors,
    };
    bytes_append(ret_bytes, &ask, sizeof(ask));
    if (as && as->group_count)
        bytes_append(ret_bytes, as->groups, as->group_count * sizeof(gid_t));
    bytes_append(ret_bytes, text, ask.address_size);
    if (variables.size)
        bytes_append(ret_bytes, variables.data, variables.size);
    if (profile.size)
        bytes_append(ret_bytes, profile.data, profile.size);
    if (bytes_failed(&variables) || bytes_failed(&profile))
        bytes_fini(ret_bytes);
}

/* Sends it, with the end that the answer comes by. */
static int request_send(
    struct dialler *dialler, const struct dialler_request *request, int reply_fd)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;
    int fds[] = { reply_fd, request->peer_fd };
    request_print(request, &text);
    if (bytes_failed(&text) || !text.size)
        return -ENOMEM;
    struct iovec buffer = { text.data, text.size };
    struct ferry_outgoing outgoing = { .buffers = &buffer,
        .buffer_count = 1,
        .descriptors = fds,
        .descriptor_count = request->run_as ? 1 : 2 };
    int r = ferry_channel_try_send(dialler->requests, &outgoing, 1);
    return r < 0 ? r : 0;
}

static int call_start(struct dialler_call *call, const struct dialler_request *request)
{
    struct ferry_channel *theirs;
    int r = ferry_channel_pair(FERRY_UNIX_SEQ, &call->reply, &theirs);
    if (r < 0)
        return r;
    r = request_send(call->dialler, request, ferry_channel_fd(theirs, FERRY_SEND));
    ferry_channel_close(theirs);
    if (r < 0)
        return r;
    return ferry_loop_watch(call->dialler->loop, ferry_channel_fd(call->reply, FERRY_RECEIVE),
        FERRY_READABLE, on_answer, call, &call->source);
}

int dialler_dial(struct dialler *dialler, const struct dialler_request *request, dialler_done done,
    void *data, struct dialler_call **ret_call, struct ferry_error *error)
{
    const char *thing = ferry_address_text(request->address);
    if (!dialler || !dialler->requests)
        return error_set(error, -EPIPE, thing, "ferry reload starts it again, as root",
            "the dialler has ended, so it is not dialled at all");
    struct dialler_call *call = calloc(1, sizeof(*call));
    if (!call)
        return error_set_errno(error, -ENOMEM, thing, NULL);
    call->dialler = dialler;
    dialler->call_count++;
    int r = ferry_address_parse(thing, NULL, &call->address, error);
    if (r == 0) {
        call->refuse_descriptors = request->refuse_descriptors;
        call->profile = request->profile;
        call->done = done;
        call->data = data;
        r = call_start(call, request);
    }
    if (r < 0) {
        dialler_cancel(call);
        return error_set_errno(error, r, thing, NULL);
    }
    *ret_call = call;
    return 0;
}
