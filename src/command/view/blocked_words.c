/* blocked_words.c - what a thread is blocked in, in words. */
#include "base/cleanup.h"
#include "command/limits.h"
#include "command/view/blocked.h"
#include "command/view/calls.h"
#include "command/view/names.h"

#include <string.h>

static const struct ferry_endpoint *endpoint_of(
    const struct ferry_endpoints *table, pid_t pid, int fd)
{
    for (size_t i = 0; table && i < ferry_endpoints_count(table); i++) {
        const struct ferry_endpoint *endpoint = ferry_endpoints_get(table, i);
        for (unsigned j = 0; j < endpoint->owner_count; j++)
            if (endpoint->owners[j].process->pid == pid && endpoint->owners[j].fd == fd)
                return endpoint;
    }
    return NULL;
}

static void print_endpoint(const struct ferry_endpoint *endpoint, struct bytes *text)
{
    AUTO_BYTES struct bytes name = BYTES_EMPTY, with = BYTES_EMPTY;

    bytes_append_text(text, ferry_endpoint_kind_name(endpoint->kind));
    if (endpoint->state == FERRY_STATE_LISTENING)
        bytes_append_text(text, " listener");
    view_print_local(endpoint, &name);
    if (name.size)
        bytes_print(text, " %s", name.data);
    if (endpoint->peer && endpoint->peer->inode != endpoint->inode)
        view_print_owners(endpoint->peer, &with);
    else if (endpoint->peer && endpoint->kind == FERRY_ENDPOINT_PIPE)
        view_print_owners(endpoint->peer, &with);
    if (with.size)
        bytes_print(text, " with %s", with.data);
}

void blocked_print_descriptor(
    pid_t pid, int fd, const struct ferry_endpoints *table, struct bytes *text)
{
    const struct ferry_endpoint *endpoint = endpoint_of(table, pid, fd);
    char path[64], link[512];

    bytes_print(text, "%d", fd);
    if (endpoint) {
        bytes_append_text(text, " = ");
        print_endpoint(endpoint, text);
        return;
    }
    snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, fd);
    ssize_t length = readlink(path, link, sizeof(link));
    if (length <= 0)
        return;
    bytes_append_text(text, " = ");
    bytes_append_escaped(text, link, (size_t)length);
}

static void print_set(
    const struct blocked_thread *thread, const struct ferry_endpoints *table, struct bytes *text)
{
    size_t shown = thread->fd_count < BLOCKED_FDS_SHOWN ? thread->fd_count : BLOCKED_FDS_SHOWN;

    if (thread->epoll >= 0)
        bytes_print(text, " on %d", thread->epoll);
    if (!thread->fd_count)
        bytes_append_text(
            text, thread->fds_whole ? ", for no descriptor" : ", for descriptors not told");
    for (size_t i = 0; i < shown; i++) {
        bytes_append_text(text, i ? ", " : thread->epoll >= 0 ? ": " : " on ");
        blocked_print_descriptor(thread->pid, thread->fds[i], table, text);
    }
    if (thread->fd_count > shown)
        bytes_print(text, " and %zu more", thread->fd_count - shown);
}

static void print_call(
    const struct blocked_thread *thread, const struct ferry_endpoints *table, struct bytes *text)
{
    const struct call *call = thread->call ? call_find(thread->number) : NULL;

    if (!call) {
        bytes_print(text, "system call %ld", thread->number);
        return;
    }
    bytes_append_text(text, call->name);
    if (thread->sets) {
        print_set(thread, table, text);
    } else if (thread->fd_count) {
        bytes_append_text(text, " on ");
        blocked_print_descriptor(thread->pid, thread->fds[0], table, text);
    } else if (thread->path) {
        bytes_append_text(text, " of ");
        bytes_append_escaped(text, thread->path, strlen(thread->path));
    }
    if (call->meaning)
        bytes_print(text, " (%s)", call->meaning);
}

void blocked_print_thread(
    const struct blocked_thread *thread, const struct ferry_endpoints *table, struct bytes *text)
{
    switch (thread->state) {
    case 'T':
        bytes_append_text(text, "stopped by a signal (state T)");
        return;
    case 't':
        bytes_append_text(text, "stopped by its tracer (state t)");
        return;
    case 'Z':
        bytes_append_text(text, "a zombie: it has ended, and its parent has not waited for it");
        return;
    case 'R':
        bytes_append_text(text, "running");
        return;
    default:
        break;
    }
    if (thread->state == 'D')
        bytes_append_text(text, "uninterruptible (state D) in ");
    if (!thread->told)
        bytes_append_text(text, thread->state == 'D' ? "the kernel" : "asleep; in what is hidden");
    else if (thread->number < 0)
        bytes_append_text(text, thread->place[0] ? "no system call" : "between system calls");
    else
        print_call(thread, table, text);
    if (thread->place[0] && (thread->state == 'D' || thread->number < 0))
        bytes_print(text, ", at %s", thread->place);
}
