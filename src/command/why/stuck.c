/* stuck.c - connections that do not move: somebody does not read, or the network does not answer.
 *
 * A unix socket's sender pays for what is not read: it is stuck when poll(2) would not call it
 * writable (more than a quarter of SO_SNDBUF is taken) and not a byte was read between the looks.
 * Less than that keeps nobody waiting. TCP: bytes unsent or unacknowledged, none acknowledged
 * between the looks, and the kernel's timer says why: it probes a closed window (the other side
 * does not read), or sends again (nothing answers).
 */
#include "base/cleanup.h"
#include "command/limits.h"
#include "command/view/names.h"
#include "command/why/server.h"
#include "command/why/why.h"

#include <sys/socket.h>

static bool is_unix_stuck(const struct why *why, const struct ferry_endpoint *sender)
{
    const struct look *look = looks_find(&why->looks, sender);
    uint32_t used = sender->memory[FERRY_MEMORY_SEND_USED];

    return look && sender->has_memory && used == look->send_used &&
           (uint64_t)used * 4 > sender->memory[FERRY_MEMORY_SEND_SIZE];
}

static bool is_unread(const struct why *why, const struct ferry_endpoint *reader)
{
    const struct look *look = reader ? looks_find(&why->looks, reader) : NULL;

    return look && reader->receive_queue > 0 && reader->receive_queue == look->receive_queue;
}

/* The window may be closed before a probe is due: then the reader's queue tells. */
static bool is_tcp_stuck(
    const struct why *why, const struct ferry_endpoint *sender, const struct ferry_endpoint *reader)
{
    const struct look *look = looks_find(&why->looks, sender);
    bool unmoved = look && sender->send_queue > 0 && sender->send_queue >= look->send_queue &&
                   view_tcp_value(sender->inet, "bytes_acked") == look->bytes_acked;

    return unmoved && (sender->inet->timer == VIEW_TIMER_PROBE || is_unread(why, reader));
}

static bool is_unanswered(const struct ferry_endpoint *sender)
{
    unsigned enough = sender->state == FERRY_STATE_SYN_SENT ? 1 : WHY_RETRANSMITS_MIN;

    return sender->inet->timer == VIEW_TIMER_RETRANSMISSION && sender->inet->retransmits >= enough;
}

/* A reader whose sender is on another machine: its buffer is full, and stays so. */
static bool is_reader_full(const struct why *why, const struct ferry_endpoint *reader)
{
    return is_unread(why, reader) && reader->has_memory &&
           (uint64_t)reader->memory[FERRY_MEMORY_RECEIVE_USED] * 4 >
               (uint64_t)reader->memory[FERRY_MEMORY_RECEIVE_SIZE] * 3;
}

static void print_holder(
    const struct ferry_endpoint *endpoint, const char *none, struct bytes *text)
{
    size_t before = text->size;

    if (endpoint)
        view_print_owners(endpoint, text);
    if (text->size == before)
        bytes_append_text(text, none);
}

/* What is not read, in bytes. The sender of a unix socket is charged memory, which is more: of a
 * connection its reader's queue tells the bytes, of datagrams only the first one's. */
static void prove_unmoved(struct finding *finding, const struct ferry_endpoint *sender,
    const struct ferry_endpoint *reader, const char *from, const char *to)
{
    bool local = sender && sender->family == AF_UNIX;

    if (local && (!reader || reader->kind == FERRY_ENDPOINT_UNIX_DATAGRAM))
        finding_prove(finding, "what is on its way from %s to %s has not moved within %d ms", from,
            to, LOOKS_APART_MS);
    else
        finding_prove(finding, "%u bytes from %s to %s have not moved within %d ms",
            sender && !local ? sender->send_queue : reader->receive_queue, from, to,
            LOOKS_APART_MS);
}

/* One finding for all of a kind: the first says all, the rest are lines of it. */
static void add_stuck(struct why *why, enum verdict verdict, const struct ferry_endpoint *sender,
    const struct ferry_endpoint *reader)
{
    AUTO_BYTES struct bytes to = BYTES_EMPTY, from = BYTES_EMPTY;
    struct finding *finding = diagnosis_find(&why->diagnosis, verdict);
    bool first = !finding;

    print_holder(reader, "the other machine", &to);
    print_holder(sender, "the other machine", &from);
    if (first) {
        finding = finding_add(&why->diagnosis, verdict, "%s does not read what %s sends",
            to.data ? to.data : "", from.data ? from.data : "");
        finding_set_client(finding, verdict == VERDICT_SERVER_NOT_READING
                                        ? "it is connected, and its writes hang, or say EAGAIN"
                                        : "it is connected, and has not taken what it was sent");
    }
    if (finding->connections++ >= WHY_NAMES_MAX)
        return;
    prove_unmoved(finding, sender, reader, from.data ? from.data : "", to.data ? to.data : "");
    if (sender && sender->family == AF_UNIX)
        finding_prove(finding, "its send buffer: %u of %u bytes of memory taken",
            sender->memory[FERRY_MEMORY_SEND_USED], sender->memory[FERRY_MEMORY_SEND_SIZE]);
    if (sender && sender->inet && sender->inet->timer == VIEW_TIMER_PROBE)
        finding_prove(finding, "the window is closed: the kernel probes it");
    uint64_t limited_us = sender ? view_tcp_value(sender->inet, "rwnd_limited") : 0;
    if (limited_us)
        finding_prove(finding, "the reader's window has held the sender up for %llu ms in all",
            (unsigned long long)limited_us / 1000);
    if (!first)
        return;
    if (!reader || !reader->owner_count) {
        finding_set_remedy(finding, "look there: what reads %s", to.data ? to.data : "");
        return;
    }
    struct server server;
    server_look(why->table, reader, &server);
    server_prove(&server, finding);
    server_fini(&server);
}

static void add_unanswered(struct why *why, const struct ferry_endpoint *sender)
{
    AUTO_BYTES struct bytes remote = BYTES_EMPTY, who = BYTES_EMPTY;
    struct finding *finding = diagnosis_find(&why->diagnosis, VERDICT_NO_ANSWER);

    view_print_remote(sender, &remote);
    print_holder(sender, "somebody", &who);
    if (!finding) {
        finding = finding_add(&why->diagnosis, VERDICT_NO_ANSWER, "%s answers nothing",
            remote.data ? remote.data : "");
        finding_set_client(finding, "%s",
            sender->state == FERRY_STATE_SYN_SENT
                ? "connect(2) hangs, until ETIMEDOUT (Connection timed out)"
                : "it is connected, and hangs, until ETIMEDOUT (Connection timed out)");
        finding_set_remedy(finding,
            "is that machine there, and does a firewall drop its packets? "
            "ferry ping tcp:%s",
            remote.data ? remote.data : "");
    }
    if (finding->connections++ >= WHY_NAMES_MAX)
        return;
    finding_prove(finding, "%s sent to %s for the %u. time, and nothing came back",
        who.data ? who.data : "", remote.data ? remote.data : "", sender->inet->retransmits + 1u);
}

static void judge_way(struct why *why, const struct ferry_endpoint *sender,
    const struct ferry_endpoint *reader, enum verdict verdict)
{
    if (sender && sender->state == FERRY_STATE_WAITING)
        return; /* the listener's matter */
    if (sender && sender->family == AF_UNIX) {
        if (is_unix_stuck(why, sender))
            add_stuck(why, verdict, sender, reader);
        return;
    }
    if (sender && sender->inet && is_unanswered(sender)) {
        /* One that waits for a place in a backlog of ours is no riddle. */
        if (!diagnosis_find(&why->diagnosis, VERDICT_BACKLOG_FULL))
            add_unanswered(why, sender);
    } else if (sender && sender->inet ? is_tcp_stuck(why, sender, reader)
                                      : is_reader_full(why, reader))
        add_stuck(why, verdict, sender, reader);
}

void why_connection(
    struct why *why, const struct ferry_endpoint *server, const struct ferry_endpoint *client)
{
    if (server && server->state == FERRY_STATE_WAITING)
        return;
    judge_way(why, server, client, VERDICT_CLIENT_NOT_READING);
    judge_way(why, client, server, VERDICT_SERVER_NOT_READING);
}

void why_count_connections(struct why *why)
{
    for (size_t i = 0; i < why->diagnosis.count; i++) {
        struct finding *finding = &why->diagnosis.items[i];
        if (finding->connections > WHY_NAMES_MAX)
            finding_prove(finding, "it is %u connections in all", finding->connections);
    }
}
