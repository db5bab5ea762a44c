/* detail.c - one row in full. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/proc.h"
#include "command/limits.h"
#include "command/table.h"
#include "command/top/cells.h"
#include "command/top/words.h"
#include "command/view/backlog.h"
#include "command/view/names.h"

#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>

static void print_owners(const struct ferry_endpoint *endpoint, struct bytes *text)
{
    for (unsigned i = 0; i < endpoint->owner_count; i++) {
        bytes_append_text(text, "  held by      ");
        view_print_process(endpoint->owners[i].process, text);
        bytes_print(text, " as descriptor %d\n", endpoint->owners[i].fd);
    }
    if (!endpoint->owner_count)
        bytes_append_text(text, "  held by      nobody that can be seen\n");
}

static void print_address(const char *word, const struct ferry_endpoint *endpoint,
    void (*print)(const struct ferry_endpoint *, struct bytes *), struct bytes *text)
{
    size_t size;

    bytes_print(text, "  %-12s ", word);
    size = text->size;
    print(endpoint, text);
    bytes_append_text(text, text->size == size ? "-\n" : "\n");
}

static void print_age(int64_t age_ns, bool older, struct bytes *text)
{
    char span[24];

    span_print(age_ns / NS_PER_MS, span);
    bytes_print(text, "  seen for     %s%s\n", older ? "more than " : "", span);
}

/* Used and size of one direction's buffer. */
static void print_buffer(const char *word, uint32_t used, uint32_t size, struct bytes *text)
{
    bytes_print(text, "  %-12s %u of %u bytes\n", word, used, size);
}

static void print_queues(const struct ferry_endpoint *endpoint, struct bytes *text)
{
    const uint32_t *memory = endpoint->memory;

    if (endpoint->state == FERRY_STATE_LISTENING) {
        bytes_print(text, "  waiting      %u of %" PRIu64 " in its backlog\n",
            endpoint->receive_queue, view_backlog_room(endpoint));
        return;
    }
    bytes_print(text, "  to be read   %u bytes\n", endpoint->receive_queue);
    bytes_print(text, "  not taken    %u bytes by the other side\n", endpoint->send_queue);
    if (!endpoint->has_memory)
        return;
    print_buffer(
        "receive", memory[FERRY_MEMORY_RECEIVE_USED], memory[FERRY_MEMORY_RECEIVE_SIZE], text);
    print_buffer("send", memory[FERRY_MEMORY_SEND_USED], memory[FERRY_MEMORY_SEND_SIZE], text);
    if (memory[FERRY_MEMORY_DROPS])
        bytes_print(text, "  dropped      %u packets\n", memory[FERRY_MEMORY_DROPS]);
}

static void print_rates(
    const struct top_model *model, const struct ferry_endpoint *endpoint, struct bytes *text)
{
    const struct top_past_item *past = top_past_find(&model->past, endpoint);
    const struct top_listener *listener = endpoint->state == FERRY_STATE_LISTENING
                                              ? top_listeners_find(&model->listeners, endpoint)
                                              : NULL;

    if (listener && listener->shared)
        bytes_append_text(text, "  connections  not told: another listens at this address\n");
    else if (listener && listener->made_rate >= 0)
        bytes_print(text, "  connections  %u; made %.1f a second, closed %.1f a second\n",
            listener->count, listener->made_rate, listener->closed_rate);
    else if (listener)
        bytes_print(text, "  connections  %u\n", listener->count);
    else if (past && past->in >= 0)
        bytes_print(text, "  bytes/s      in %.0f, out %.0f\n", past->in, past->out);
    else if (endpoint->family == AF_UNIX)
        bytes_append_text(text, "  bytes/s      - (the kernel counts none of unix sockets)\n");
}

static void print_waiting(const struct ferry_endpoint *listener, struct bytes *text)
{
    for (const struct ferry_endpoint *at = listener->clients; at; at = at->next) {
        bytes_append_text(text, "  client       ");
        size_t size = text->size;
        view_print_owners(at, text);
        bytes_append_text(text, text->size == size ? "?\n" : "\n");
    }
}

static void print_field(const struct ferry_tcp_field *field, struct bytes *text)
{
    static const char *const units[] = { "", "", "us", "ms", "/s", "", "" };

    if (field->unit == FERRY_TCP_STATE)
        bytes_print(text, "%s=%s", field->name,
            ferry_endpoint_state_name((enum ferry_endpoint_state)field->value));
    else if (field->unit == FERRY_TCP_BYTES_S && field->value == UINT64_MAX)
        bytes_print(text, "%s=unlimited", field->name);
    else
        bytes_print(text, "%s=%" PRIu64 "%s", field->name, field->value,
            (size_t)field->unit < COUNT_OF(units) ? units[field->unit] : "");
}

/* Three to a line of 80, fewer where they are long: there are some sixty. */
static void print_tcp_info(const struct ferry_inet *inet, struct bytes *text)
{
    enum { WIDTH = 25, LINE = 78 };
    AUTO_BYTES struct bytes cell = BYTES_EMPTY;
    struct ferry_tcp_field field;
    size_t used = 0, pad = 0; /* what parts it from the one before: no blanks end a line */

    bytes_append_text(text, "TCP_INFO\n");
    for (size_t i = 0; ferry_tcp_field(inet->tcp_info, inet->tcp_info_size, i, &field); i++) {
        cell.size = 0;
        print_field(&field, &cell);
        size_t width = (cell.size / WIDTH + 1) * WIDTH;
        if (used && used + cell.size > LINE) {
            bytes_append_char(text, '\n');
            used = 0;
        }
        bytes_print(text, "%*s%s", used ? (int)pad : 2, "", bytes_failed(&cell) ? "?" : cell.data);
        pad = width - cell.size;
        used += width;
    }
    bytes_append_char(text, '\n');
}

static void print_tcp(const struct ferry_inet *inet, struct bytes *text)
{
    if (inet->congestion)
        bytes_print(text, "  congestion   %s\n", inet->congestion);
    if (inet->timer)
        bytes_print(text, "  timer        expires in %ums; %u retransmissions\n", inet->timer_ms,
            inet->retransmits);
    if (inet->tcp_info_size)
        print_tcp_info(inet, text);
}

static void print_end(
    const struct top_model *model, const struct ferry_endpoint *endpoint, struct bytes *text)
{
    const struct top_past_item *past = top_past_find(&model->past, endpoint);
    int64_t seen_ns = past ? past->seen_ns : endpoint->seen_ns;

    bytes_print(text, "%s %s, inode %" PRIu64 "\n", ferry_endpoint_kind_name(endpoint->kind),
        ferry_endpoint_state_name(endpoint->state), endpoint->inode);
    print_address("local", endpoint, view_print_local, text);
    print_address("remote", endpoint, view_print_remote, text);
    print_owners(endpoint, text);
    if (past || (endpoint->cookie && endpoint->inode))
        print_age(model->time_ns - seen_ns, seen_ns == model->first_ns, text);
    print_queues(endpoint, text);
    print_rates(model, endpoint, text);
    if (endpoint->network && !endpoint->network->own)
        bytes_print(text, "  network      namespace %" PRIu64 "\n", endpoint->network->inode);
    if (endpoint->shutdown)
        bytes_print(text, "  shut down    %s%s\n",
            endpoint->shutdown & FERRY_SHUT_RECEIVE ? "receive " : "",
            endpoint->shutdown & FERRY_SHUT_SEND ? "send" : "");
    if (endpoint->peer_gone)
        bytes_append_text(text, "  the other end is closed\n");
    print_waiting(endpoint, text);
    if (endpoint->kind == FERRY_ENDPOINT_TCP)
        print_tcp(endpoint->inet, text);
}

void top_print_detail(
    const struct top_model *model, const struct ferry_endpoint *endpoint, struct bytes *text)
{
    print_end(model, endpoint, text);
    if (endpoint->peer) {
        bytes_append_text(text, "\nThe other end: ");
        print_end(model, endpoint->peer, text);
    }
    if (endpoint->listener) {
        bytes_append_text(text, "\nIt waits for: ");
        print_end(model, endpoint->listener, text);
    }
}

static bool is_held(const struct ferry_endpoint *endpoint, const struct ferry_process *process)
{
    for (unsigned i = 0; i < endpoint->owner_count; i++)
        if (endpoint->owners[i].process == process)
            return true;
    return false;
}

/* As it is now; 0: it has gone, or may not be looked at. */
static char state_of(const struct ferry_process *process)
{
    AUTO_FD int folder = proc_open(process->pid);
    struct proc_stat now;

    return proc_stat_read(folder, &now) == 0 && now.start_ticks == process->start_ticks ? now.state
                                                                                        : 0;
}

void top_print_process(
    const struct top_model *model, const struct ferry_process *process, struct bytes *text)
{
    size_t count = ferry_endpoints_count(model->table), shown = 0;
    char state = state_of(process);

    view_print_process(process, text);
    bytes_print(text, ", parent %d", (int)process->parent);
    if (state)
        bytes_print(text, ", state %c", state);
    bytes_print(text, ", %u sockets\n", process->endpoint_count);
    for (size_t i = 0; i < count && shown < TOP_SOCKETS_SHOWN; i++) {
        const struct ferry_endpoint *endpoint = ferry_endpoints_get(model->table, i);
        const struct top_row row = { .main = endpoint };
        if (!is_held(endpoint, process))
            continue;
        shown++;
        bytes_print(text, "  %-6s %-10s ", ferry_endpoint_kind_name(endpoint->kind),
            ferry_endpoint_state_name(endpoint->state));
        top_cell_print(&row, TOP_LOCAL, true, text);
        bytes_append_text(text, " - ");
        top_cell_print(&row, TOP_REMOTE, true, text);
        bytes_append_char(text, ' ');
        top_cell_print(&row, TOP_PEER, true, text);
        bytes_append_char(text, '\n');
    }
    if (shown < process->endpoint_count)
        bytes_print(text, "  and %zu more\n", process->endpoint_count - shown);
}
