/* names.c - endpoints and their owners in words. */
#include "command/view/names.h"
#include "base/cleanup.h"
#include "process/user.h"

#include <limits.h>
#include <string.h>

void view_print_process(const struct ferry_process *process, struct bytes *text)
{
    bytes_append_escaped(text, process->name, strlen(process->name));
    bytes_append_char(text, '[');
    bytes_append_number(text, (unsigned)process->pid);
    bytes_append_char(text, ']');
}

unsigned view_owner_processes(const struct ferry_endpoint *endpoint)
{
    unsigned count = 0;

    /* By pid: the same process stands together. */
    for (unsigned i = 0; i < endpoint->owner_count; i++)
        count += i == 0 || endpoint->owners[i].process != endpoint->owners[i - 1].process;
    return count;
}

void view_print_owners(const struct ferry_endpoint *endpoint, struct bytes *text)
{
    unsigned count = view_owner_processes(endpoint);

    if (count) {
        view_print_process(endpoint->owners[0].process, text);
        if (count > 1)
            bytes_print(text, " +%u", count - 1);
    } else if (endpoint->listener && endpoint->listener->owner_count) {
        bytes_append_text(text, "waiting for ");
        view_print_process(endpoint->listener->owners[0].process, text);
    }
}

void view_print_holders(const struct ferry_endpoint *endpoint, struct bytes *text)
{
    size_t before = text->size;

    view_print_owners(endpoint, text);
    if (text->size == before)
        bytes_append_text(text, "somebody who can't be seen");
}

void view_print_user(uid_t uid, struct bytes *text)
{
    const char *name = user_name(uid);

    if (name)
        bytes_append_escaped(text, name, strlen(name));
    else
        bytes_append_number(text, uid);
}

static void print_address(const struct ferry_endpoint *endpoint,
    size_t (*print)(const struct ferry_endpoint *, char *, size_t), struct bytes *text)
{
    char address[PATH_MAX * 4]; /* each byte may be escaped as four */

    print(endpoint, address, sizeof(address));
    bytes_append_text(text, address);
}

void view_print_local(const struct ferry_endpoint *endpoint, struct bytes *text)
{
    print_address(endpoint, ferry_endpoint_print_local, text);
}

void view_print_remote(const struct ferry_endpoint *endpoint, struct bytes *text)
{
    print_address(endpoint, ferry_endpoint_print_remote, text);
}

static const char *client_word(const struct ferry_endpoint *endpoint)
{
    if (endpoint->state == FERRY_STATE_LISTENING)
        return " waiting";
    return endpoint->client_count == 1 ? " client" : " clients";
}

void view_print_peer(const struct ferry_endpoint *endpoint, struct bytes *text)
{
    size_t before = text->size;

    if (endpoint->peer)
        view_print_owners(endpoint->peer, text);
    else if (endpoint->listener) /* where it waits is the nearest to an other end that it has */
        view_print_owners(&(struct ferry_endpoint){ .listener = endpoint->listener }, text);
    if (text->size > before)
        return;
    if (endpoint->peer_inode) {
        bytes_append_text(text, "ino:");
        bytes_append_number(text, endpoint->peer_inode);
    } else if (endpoint->peer_gone) {
        bytes_append_text(text, "gone");
    } else if (endpoint->client_count) {
        bytes_append_number(text, endpoint->client_count);
        bytes_append_text(text, client_word(endpoint));
    }
}

bool view_is_socket(const struct ferry_endpoint *endpoint)
{
    return (1u << endpoint->kind) & FERRY_ENDPOINTS_SOCKETS;
}

bool view_tcp_find(const struct ferry_inet *inet, const char *name, uint64_t *ret_value)
{
    struct ferry_tcp_field field;

    if (!inet || !inet->tcp_info_size)
        return false;
    for (size_t i = 0; ferry_tcp_field(inet->tcp_info, inet->tcp_info_size, i, &field); i++) {
        if (strcmp(field.name, name) != 0)
            continue;
        *ret_value = field.value;
        return true;
    }
    return false;
}

uint64_t view_tcp_value(const struct ferry_inet *inet, const char *name)
{
    uint64_t value = 0;

    view_tcp_find(inet, name, &value);
    return value;
}

const char *view_timer_name(unsigned timer)
{
    static const char *const names[] = {
        [VIEW_TIMER_RETRANSMISSION] = "retransmission",
        [VIEW_TIMER_KEEPALIVE] = "keepalive",
        [VIEW_TIMER_TIME_WAIT] = "time-wait",
        [VIEW_TIMER_PROBE] = "window-probe",
    };
    return timer < COUNT_OF(names) ? names[timer] : "unknown";
}
