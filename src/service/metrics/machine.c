/* machine.c - what this machine has open, as series. */
#include "service/metrics/machine.h"
#include "base/cleanup.h"
#include "base/error.h"

#include <inttypes.h>
#include <linux/tcp.h>
#include <string.h>

static const struct family families[MACHINE_FAMILY_COUNT] = {
    [MACHINE_ENDPOINTS] = { "ferry_endpoints", "gauge",
        "Sockets, pipes, FIFOs, queues and memfds that are open, by kind and state." },
    [MACHINE_QUEUE_BYTES] = { "ferry_endpoint_queue_bytes", "gauge",
        "Bytes in the queues of sockets that do not listen; of what unix sockets have sent, "
        "the memory that it takes." },
    [MACHINE_WAITING] = { "ferry_listener_waiting", "gauge",
        "Connections that wait to be accepted." },
    [MACHINE_BACKLOG] = { "ferry_listener_backlog", "gauge",
        "Connections that may wait to be accepted, as listen(2) was told." },
    [MACHINE_DESCRIPTORS] = { "ferry_command_descriptors", "gauge",
        "Descriptors by which processes of that name hold endpoints." },
    [MACHINE_PATHS] = { "ferry_paths", "gauge",
        "Unix sockets that others reach by their path, by what has become of it: missing and "
        "replaced are orphaned." },
    [MACHINE_ORPHANED] = { "ferry_path_orphaned", "gauge",
        "Unix sockets whose path is missing, or leads to something else." },
    [MACHINE_MESSAGES] = { "ferry_queue_messages", "gauge", "Messages in a POSIX message queue." },
    [MACHINE_MESSAGES_MAX] = { "ferry_queue_messages_max", "gauge",
        "Messages that a POSIX message queue takes." },
    [MACHINE_DROPS] = { "ferry_socket_drops_total", "counter",
        "Packets that IP sockets had to drop, by the address where others reach them; without "
        "one, of all that are connected." },
    [MACHINE_TCP_RETRANSMITS] = { "ferry_tcp_retransmits_total", "counter",
        "Segments sent again. Port is that of the listener; without one, of connections that "
        "were made from here." },
    [MACHINE_TCP_SEGMENTS] = { "ferry_tcp_sent_segments_total", "counter", "Segments sent." },
    [MACHINE_TCP_SENT] = { "ferry_tcp_acknowledged_bytes_total", "counter",
        "Bytes sent that the other side has acknowledged." },
    [MACHINE_TCP_RECEIVED] = { "ferry_tcp_received_bytes_total", "counter", "Bytes received." },
};

void machine_fini(struct machine *machine)
{
    ferry_endpoints_free(machine->table);
    for (size_t i = 0; i < MACHINE_FAMILY_COUNT; i++)
        sums_fini(&machine->sums[i]);
    free(machine->before);
    free(machine->now);
    bytes_fini(&machine->labels);
}

/* --- labels ----------------------------------------------------------------------------------- */

/* An endpoint has one command, its first owner's, so that its figures are counted once. */
static const char *command_of(const struct ferry_endpoint *endpoint)
{
    return endpoint->owner_count ? endpoint->owners[0].process->name : "";
}

/* Their memory is used again: there are several for each endpoint. */
static void begin_labels(struct machine *machine)
{
    machine->labels.size = 0;
    machine->labels.failed = false;
}

static void set_kind(struct machine *machine, const struct ferry_endpoint *endpoint)
{
    begin_labels(machine);
    label_add_text(&machine->labels, "kind", ferry_endpoint_kind_name(endpoint->kind));
}

static void add_label(struct machine *machine, const char *name, const char *value)
{
    label_add_text(&machine->labels, name, value);
}

static void add_address(struct machine *machine, const struct ferry_endpoint *endpoint)
{
    char address[1024];

    ferry_endpoint_print_local(endpoint, address, sizeof(address));
    label_add_text(&machine->labels, "address", address);
}

static void add_to(struct machine *machine, enum machine_family family, uint64_t value)
{
    sums_add(&machine->sums[family], &machine->labels, value, machine->look);
}

/* --- gauges ----------------------------------------------------------------------------------- */

static bool is_socket(const struct ferry_endpoint *endpoint)
{
    return (1u << endpoint->kind) & FERRY_ENDPOINTS_SOCKETS;
}

static void count_state(struct machine *machine, const struct ferry_endpoint *endpoint)
{
    set_kind(machine, endpoint);
    if (endpoint->state != FERRY_STATE_NONE)
        add_label(machine, "state", ferry_endpoint_state_name(endpoint->state));
    add_to(machine, MACHINE_ENDPOINTS, 1);
}

static void count_queues(struct machine *machine, const struct ferry_endpoint *endpoint)
{
    const struct {
        const char *direction;
        uint64_t bytes;
    } queues[] = { { "receive", endpoint->receive_queue }, { "send", endpoint->send_queue } };

    for (size_t i = 0; i < COUNT_OF(queues); i++) {
        set_kind(machine, endpoint);
        add_label(machine, "direction", queues[i].direction);
        add_label(machine, "command", command_of(endpoint));
        add_to(machine, MACHINE_QUEUE_BYTES, queues[i].bytes);
    }
}

static void count_listener(struct machine *machine, const struct ferry_endpoint *endpoint)
{
    set_kind(machine, endpoint);
    add_address(machine, endpoint);
    add_label(machine, "command", command_of(endpoint));
    add_to(machine, MACHINE_WAITING, endpoint->receive_queue);
    add_to(machine, MACHINE_BACKLOG, endpoint->send_queue);
}

static void count_owners(struct machine *machine, const struct ferry_endpoint *endpoint)
{
    for (unsigned i = 0; i < endpoint->owner_count; i++) {
        set_kind(machine, endpoint);
        add_label(machine, "command", endpoint->owners[i].process->name);
        add_to(machine, MACHINE_DESCRIPTORS, 1);
    }
}

/* What is accepted has its listener's path, and is not reached by it. */
static void count_path(struct machine *machine, const struct ferry_endpoint *endpoint)
{
    enum ferry_path_state state = endpoint->path ? endpoint->path->state : FERRY_PATH_NONE;
    bool reached =
        endpoint->state == FERRY_STATE_LISTENING || endpoint->kind == FERRY_ENDPOINT_UNIX_DATAGRAM;

    if (!reached || state == FERRY_PATH_NONE)
        return;
    begin_labels(machine);
    add_label(machine, "state", ferry_path_state_name(state));
    add_to(machine, MACHINE_PATHS, 1);
    if (state != FERRY_PATH_MISSING && state != FERRY_PATH_REPLACED)
        return;
    set_kind(machine, endpoint);
    add_address(machine, endpoint);
    add_label(machine, "command", command_of(endpoint));
    add_label(machine, "path", ferry_path_state_name(state));
    add_to(machine, MACHINE_ORPHANED, 1);
}

static void count_messages(struct machine *machine, const struct ferry_endpoint *endpoint)
{
    if (!endpoint->messages_max || !endpoint->name)
        return;
    begin_labels(machine);
    label_add(&machine->labels, "name", endpoint->name, endpoint->name_size);
    add_to(machine, MACHINE_MESSAGES, endpoint->messages);
    add_to(machine, MACHINE_MESSAGES_MAX, endpoint->messages_max);
}

/* --- counters --------------------------------------------------------------------------------- */

static bool listens_on(const struct machine *machine, uint16_t port)
{
    return machine->listening[port / 8] & 1u << port % 8;
}

static int compare_pasts(const void *one, const void *other)
{
    const struct past *a = one, *b = other;

    return (a->cookie > b->cookie) - (a->cookie < b->cookie);
}

/* A field of TCP_INFO; 0 of what this kernel's does not have. */
static uint64_t tcp_count(const struct ferry_inet *inet, size_t offset, size_t size)
{
    uint32_t narrow;
    uint64_t wide;

    if (offset + size > inet->tcp_info_size)
        return 0;
    const char *field = (const char *)inet->tcp_info + offset;
    if (size == sizeof(wide)) {
        memcpy(&wide, field, sizeof(wide));
        return wide;
    }
    memcpy(&narrow, field, sizeof(narrow));
    return narrow;
}

#define TCP_COUNT(inet, field)                                                                     \
    tcp_count(inet, offsetof(struct tcp_info, field), sizeof(((struct tcp_info *)0)->field))

static void past_read(const struct ferry_endpoint *endpoint, struct past *ret_past)
{
    const struct ferry_inet *inet = endpoint->inet;

    *ret_past = (struct past){ .cookie = endpoint->cookie };
    if (endpoint->has_memory)
        ret_past->counts[PAST_DROPS] = endpoint->memory[FERRY_MEMORY_DROPS];
    if (!inet->tcp_info_size || endpoint->state == FERRY_STATE_LISTENING)
        return;
    ret_past->counts[PAST_RETRANSMITS] = TCP_COUNT(inet, tcpi_total_retrans);
    ret_past->counts[PAST_SEGMENTS] = TCP_COUNT(inet, tcpi_segs_out);
    ret_past->counts[PAST_SENT] = TCP_COUNT(inet, tcpi_bytes_acked);
    ret_past->counts[PAST_RECEIVED] = TCP_COUNT(inet, tcpi_bytes_received);
}

/* What came since the last look. The kernel's 32-bit counts begin anew after their last. */
static uint64_t past_since(const struct past *before, const struct past *now, unsigned which)
{
    uint64_t was = before ? before->counts[which] : 0;
    bool wide = which == PAST_SENT || which == PAST_RECEIVED;

    return wide ? now->counts[which] - was : (uint32_t)(now->counts[which] - was);
}

static void count_drops(
    struct machine *machine, const struct ferry_endpoint *endpoint, uint64_t count)
{
    bool reached = endpoint->state == FERRY_STATE_LISTENING ||
                   (endpoint->kind != FERRY_ENDPOINT_TCP && endpoint->state == FERRY_STATE_CLOSED);

    set_kind(machine, endpoint);
    if (reached)
        add_address(machine, endpoint);
    add_to(machine, MACHINE_DROPS, count);
}

static void count_tcp(struct machine *machine, const struct ferry_endpoint *endpoint,
    const struct past *before, const struct past *now)
{
    static const struct {
        enum machine_family family;
        unsigned which;
    } counters[] = { { MACHINE_TCP_RETRANSMITS, PAST_RETRANSMITS },
        { MACHINE_TCP_SEGMENTS, PAST_SEGMENTS }, { MACHINE_TCP_SENT, PAST_SENT },
        { MACHINE_TCP_RECEIVED, PAST_RECEIVED } };
    uint16_t port = endpoint->inet->local_port;
    char text[8];

    snprintf(text, sizeof(text), "%u", port);
    begin_labels(machine);
    add_label(machine, "command", command_of(endpoint));
    if (listens_on(machine, port))
        add_label(machine, "port", text);
    for (size_t i = 0; i < COUNT_OF(counters); i++)
        add_to(machine, counters[i].family, past_since(before, now, counters[i].which));
}

static void count_inet(struct machine *machine, const struct ferry_endpoint *endpoint)
{
    struct past *now;

    if (!endpoint->inet || !endpoint->cookie)
        return;
    now = &machine->now[machine->now_count++];
    past_read(endpoint, now);
    const struct past *before =
        machine->before_count
            ? bsearch(now, machine->before, machine->before_count, sizeof(*now), compare_pasts)
            : NULL;
    if (endpoint->has_memory)
        count_drops(machine, endpoint, past_since(before, now, PAST_DROPS));
    if (endpoint->inet->tcp_info_size && endpoint->state != FERRY_STATE_LISTENING)
        count_tcp(machine, endpoint, before, now);
}

/* --- a look ----------------------------------------------------------------------------------- */

static int table_look(struct machine *machine, struct ferry_error *error)
{
    const struct ferry_endpoints_options asked = { .struct_size = sizeof(asked),
        .kinds = FERRY_ENDPOINTS_ALL,
        .gather = FERRY_GATHER_OWNERS | FERRY_GATHER_PATHS | FERRY_GATHER_TCP_INFO |
                  FERRY_GATHER_MEMORY };

    return machine->table ? ferry_endpoints_refresh(machine->table, error)
                          : ferry_endpoints_new(&asked, &machine->table, error);
}

static void count_all(struct machine *machine)
{
    for (size_t i = 0; i < ferry_endpoints_count(machine->table); i++) {
        const struct ferry_endpoint *endpoint = ferry_endpoints_get(machine->table, i);
        bool listens = endpoint->state == FERRY_STATE_LISTENING;
        count_state(machine, endpoint);
        count_owners(machine, endpoint);
        count_path(machine, endpoint);
        count_inet(machine, endpoint);
        if (listens)
            count_listener(machine, endpoint);
        else if (is_socket(endpoint) && endpoint->state != FERRY_STATE_TIME_WAIT)
            count_queues(machine, endpoint);
        else if (endpoint->kind == FERRY_ENDPOINT_QUEUE)
            count_messages(machine, endpoint);
    }
}

/* The states that an alarm asks for are there when none is so. */
static void begin_paths(struct machine *machine)
{
    for (int state = FERRY_PATH_NONE + 1; state < FERRY_PATH_STATE_COUNT; state++) {
        begin_labels(machine);
        add_label(machine, "state", ferry_path_state_name((enum ferry_path_state)state));
        add_to(machine, MACHINE_PATHS, 0);
    }
}

/* Room for the figures of as many as there are, and which ports are listened on. */
static int begin_counters(struct machine *machine)
{
    size_t count = ferry_endpoints_count(machine->table);

    machine->now_count = 0;
    machine->now = malloc((count + 1) * sizeof(*machine->now));
    if (!machine->now)
        return -ENOMEM;
    memset(machine->listening, 0, sizeof(machine->listening));
    for (size_t i = 0; i < count; i++) {
        const struct ferry_endpoint *endpoint = ferry_endpoints_get(machine->table, i);
        if (endpoint->kind == FERRY_ENDPOINT_TCP && endpoint->state == FERRY_STATE_LISTENING)
            machine->listening[endpoint->inet->local_port / 8] |=
                (unsigned char)(1u << endpoint->inet->local_port % 8);
    }
    return 0;
}

static void end_counters(struct machine *machine)
{
    free(machine->before);
    machine->before = TAKE(machine->now);
    machine->before_count = machine->now_count;
    if (machine->before_count)
        qsort(machine->before, machine->before_count, sizeof(*machine->before), compare_pasts);
}

int machine_look(struct machine *machine, struct ferry_error *error)
{
    machine->look++;
    machine->seen = false;
    for (size_t i = 0; i < MACHINE_GAUGE_COUNT; i++)
        sums_clear(&machine->sums[i]);
    int code = table_look(machine, error);
    if (code == 0) {
        code = begin_counters(machine);
        if (code < 0)
            error_set_errno(error, code, "the endpoints of this machine", NULL);
    }
    if (code < 0) {
        machine->failures++;
        return code;
    }
    begin_paths(machine);
    count_all(machine);
    end_counters(machine);
    ferry_endpoints_get_gaps(machine->table, &machine->gaps);
    machine->process_count = ferry_endpoints_process_count(machine->table);
    machine->seen = true;
    return 0;
}

/* --- the text --------------------------------------------------------------------------------- */

static void print_one(
    struct bytes *text, const char *name, const char *type, const char *help, uint64_t value)
{
    const struct family family = { name, type, help };

    family_begin(text, &family);
    family_sample(text, &family, "", value);
}

static void print_gaps(const struct ferry_endpoints_gaps *gaps, struct bytes *text)
{
    static const struct family family = { "ferry_unseen", "gauge",
        "What the figures lack: the descriptors of so many processes, and queues that nobody has "
        "open, for want of privilege; backlogs and kinds of sockets, since the kernel does not "
        "tell. Other network namespaces are not looked at." };

    family_begin(text, &family);
    family_sample(text, &family, "what=\"backlogs\"", gaps->ambiguous_backlogs);
    family_sample(
        text, &family, "what=\"kinds\"", (uint64_t)__builtin_popcount(gaps->missing_kinds));
    family_sample(text, &family, "what=\"processes\"", gaps->hidden_processes);
    family_sample(text, &family, "what=\"queues\"", gaps->unlisted_queues);
}

static void print_left_out(const struct machine *machine, struct bytes *text)
{
    static const struct family family = { "ferry_series_left_out_total", "counter",
        "Figures that found no room, since the family had as many series as it may." };

    family_begin(text, &family);
    for (size_t i = 0; i < MACHINE_FAMILY_COUNT; i++) {
        AUTO_BYTES struct bytes labels = BYTES_EMPTY;
        label_add_text(&labels, "family", families[i].name);
        if (bytes_failed(&labels))
            text->failed = true;
        else
            family_sample(text, &family, labels.data, machine->sums[i].left_out);
    }
}

void machine_print(const struct machine *machine, struct bytes *text)
{
    for (size_t i = 0; i < MACHINE_FAMILY_COUNT; i++)
        sums_print(&machine->sums[i], &families[i], text);
    if (machine->seen) {
        print_one(text, "ferry_processes", "gauge", "Processes that hold an endpoint.",
            machine->process_count);
        print_gaps(&machine->gaps, text);
    }
    print_left_out(machine, text);
    print_one(text, "ferry_look_ok", "gauge", "Whether the last look at the machine succeeded.",
        machine->seen);
    print_one(text, "ferry_looks_total", "counter", "Looks at the machine.", machine->look);
    print_one(
        text, "ferry_look_failures_total", "counter", "Looks that failed.", machine->failures);
}
