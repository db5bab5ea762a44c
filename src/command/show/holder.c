/* holder.c - processes for people. */
#include "command/show/holder.h"
#include "base/cleanup.h"
#include "command/limits.h"
#include "command/show/print.h"
#include "command/show/process.h"
#include "command/table.h"
#include "command/view/blocked.h"
#include "command/view/names.h"

#include <inttypes.h>
#include <string.h>

void ancestors_print(pid_t pid, struct bytes *text)
{
    struct ancestor ancestors[SHOW_ANCESTORS_MAX];
    unsigned count = process_ancestors(pid, ancestors);

    for (unsigned i = 0; i < count; i++) {
        bytes_append_text(text, i ? " < " : "");
        bytes_append_escaped(text, ancestors[i].name, strlen(ancestors[i].name));
        bytes_print(text, "[%d]", (int)ancestors[i].pid);
    }
    if (!count)
        bytes_append_text(text, "nobody that can be seen");
}

static void print_thread(const struct ferry_endpoints *table, const struct blocked *blocked,
    const struct blocked_thread *thread, struct bytes *text)
{
    blocked_print_thread(thread, table, text);
    if (blocked->count > 1)
        bytes_print(
            text, " (one of %zu%s threads)", blocked->count, blocked->cut ? " and more" : "");
    bytes_append_char(text, '\n');
}

/* What the process does; of its threads, one that waits for this endpoint tells most. */
static void print_holder_now(const struct ferry_endpoints *table, const struct ferry_owner *owners,
    unsigned count, struct bytes *text)
{
    const struct blocked_thread *thread = NULL;
    struct blocked blocked;

    if (blocked_look(owners->process->pid, &blocked) == 0 && blocked_main(&blocked)) {
        for (unsigned i = 0; i < count && !thread; i++)
            thread = blocked_find_waiting(&blocked, owners[i].fd);
        print_label(text, "");
        bytes_append_text(text, thread ? "waits for it: " : "now: ");
        print_thread(table, &blocked, thread ? thread : blocked_main(&blocked), text);
    }
    blocked_fini(&blocked);
}

static void print_process_now(const struct ferry_endpoints *table, pid_t pid, struct bytes *text)
{
    struct blocked blocked;

    if (blocked_look(pid, &blocked) == 0 && blocked_main(&blocked)) {
        print_label(text, "now");
        print_thread(table, &blocked, blocked_main(&blocked), text);
    }
    blocked_fini(&blocked);
}

/* --- who holds it ----------------------------------------------------------------------------- */

static void add_hostile(struct bytes *text, const char *before, const char *hostile)
{
    if (!hostile)
        return;
    bytes_append_text(text, before);
    bytes_append_escaped(text, hostile, strlen(hostile));
}

static void holder_print(const struct ferry_process *process, struct bytes *text)
{
    bytes_append_text(text, "; started ");
    print_start(text, process->start_ticks);
    bytes_append_char(text, '\n');
    print_label(text, "");
    bytes_append_text(text, "user ");
    print_user(text, process->uid);
    bytes_append_text(text, ", group ");
    print_group(text, process->gid);
    add_hostile(text, ", unit ", process->unit);
    add_hostile(text, ", container ", process->container);
    add_hostile(text, ", runs ", process->executable);
    bytes_append_char(text, '\n');
    print_label(text, "");
    bytes_append_text(text, "child of ");
    ancestors_print(process->pid, text);
    bytes_append_char(text, '\n');
}

void holders_print(
    const struct ferry_endpoints *table, const struct ferry_endpoint *endpoint, struct bytes *text)
{
    static const char *const ends[] = { "", " (reads)", " (writes)", "" };
    const char *label = "held by";

    if (!endpoint->owner_count) {
        print_line(text, label, "%s",
            endpoint->inode || !endpoint->cookie     ? "nobody that can be seen"
            : endpoint->state == FERRY_STATE_WAITING ? "nobody yet: it waits to be accepted"
                                                     : "no process: the kernel finishes it");
        return;
    }
    for (unsigned i = 0; i < endpoint->owner_count;) {
        const struct ferry_process *process = endpoint->owners[i].process;
        unsigned first = i;
        print_label(text, label);
        view_print_process(process, text);
        for (; i < endpoint->owner_count && endpoint->owners[i].process == process; i++)
            bytes_print(
                text, " fd %d%s", endpoint->owners[i].fd, ends[endpoint->owners[i].ends & 3]);
        holder_print(process, text);
        print_holder_now(table, &endpoint->owners[first], i - first, text);
        label = "";
    }
}

/* --- one process ------------------------------------------------------------------------------ */

static void print_descriptors(const struct process_facts *facts, struct bytes *text)
{
    print_label(text, "descriptors");
    if (facts->descriptor_count < 0)
        bytes_append_text(text, "may not be seen (CAP_SYS_PTRACE would show them)");
    else
        bytes_print(text, "%" PRId64 " open", facts->descriptor_count);
    if (facts->descriptors_soft == INT64_MAX)
        bytes_append_text(text, ", unlimited");
    else if (facts->descriptors_soft >= 0)
        bytes_print(text, " of %" PRId64, facts->descriptors_soft);
    if (facts->descriptors_soft != INT64_MAX && facts->descriptors_hard == INT64_MAX)
        bytes_append_text(text, ", which it may raise without end");
    else if (facts->descriptors_hard > facts->descriptors_soft)
        bytes_print(text, ", which it may raise to %" PRId64, facts->descriptors_hard);
    bytes_append_char(text, '\n');
}

static void print_facts(
    const struct process_facts *facts, const char *container, struct bytes *text)
{
    bytes_append_text(text, "process ");
    bytes_append_escaped(text, facts->stat.name, strlen(facts->stat.name));
    bytes_print(text, "[%d]\n", (int)facts->pid);
    print_hostile(text, "command", facts->command);
    print_hostile(text, "executable", facts->executable);
    print_line(text, "state", "%s", process_state_word(facts->stat.state));
    print_label(text, "user");
    print_user(text, facts->uid);
    bytes_append_text(text, ", group ");
    print_group(text, facts->gid);
    bytes_append_char(text, '\n');
    print_label(text, "started");
    print_start(text, facts->stat.start_ticks);
    bytes_append_char(text, '\n');
    print_hostile(text, "unit", facts->unit);
    print_hostile(text, "container", container);
    print_hostile(text, "cgroup", facts->cgroup);
    print_label(text, "child of");
    ancestors_print(facts->pid, text);
    bytes_append_char(text, '\n');
    print_descriptors(facts, text);
}

static void add_cell(struct table *cells, const struct ferry_endpoint *endpoint,
    void (*print)(const struct ferry_endpoint *, struct bytes *))
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;

    print(endpoint, &text);
    table_add(cells, text.size && !bytes_failed(&text) ? text.data : "-");
}

static void add_number(struct table *cells, int64_t number)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRId64, number);
    table_add(cells, text);
}

static void add_row(
    struct table *cells, const struct ferry_owner *owner, const struct ferry_endpoint *endpoint)
{
    add_number(cells, owner->fd);
    table_add(cells, ferry_endpoint_kind_name(endpoint->kind));
    table_add(cells, ferry_endpoint_state_name(endpoint->state));
    add_number(cells, endpoint->receive_queue);
    add_number(cells, endpoint->send_queue);
    add_cell(cells, endpoint, view_print_local);
    add_cell(cells, endpoint, view_print_remote);
    add_number(cells, (int64_t)endpoint->inode);
    add_cell(cells, endpoint, view_print_peer);
}

static void print_endpoints(const struct ferry_endpoints *table, pid_t pid, struct bytes *text)
{
    static const char *const headings[] = { ">FD", "KIND", "STATE", ">RECV-Q", ">SEND-Q", "LOCAL",
        "REMOTE", ">INODE", "PEER", NULL };
    struct table cells;
    bool any = false;

    table_init(&cells, headings);
    for (size_t i = 0; i < ferry_endpoints_count(table); i++) {
        const struct ferry_endpoint *endpoint = ferry_endpoints_get(table, i);
        for (unsigned k = 0; k < endpoint->owner_count; k++) {
            if (endpoint->owners[k].process->pid != pid)
                continue;
            add_row(&cells, &endpoint->owners[k], endpoint);
            any = true;
        }
    }
    bytes_append_char(text, '\n');
    if (any)
        table_print(&cells, text);
    else
        bytes_append_text(text, "no endpoint of it can be seen\n");
    table_fini(&cells);
}

int process_print(const struct ferry_endpoints *table, pid_t pid, struct bytes *text)
{
    const struct ferry_process *known = ferry_endpoints_find_process(table, pid);
    struct process_facts facts;

    int code = process_facts_read(pid, &facts);
    if (code < 0)
        return code;
    print_facts(&facts, known ? known->container : NULL, text);
    print_process_now(table, pid, text);
    print_endpoints(table, pid, text);
    process_facts_fini(&facts);
    return 0;
}
