/* listener.c - a listener's backlog, and those who wait in it.
 *
 * The kernel lets one connection more than the backlog in. A client of a unix socket that comes
 * then hangs in connect(2), or gets EAGAIN; a TCP client's SYN is dropped and sent again, so that
 * it hangs too, until ETIMEDOUT.
 *
 * Full for a moment is a burst. Said to be wrong is: full in both looks; or somebody that waited in
 * both, while nobody was accepted in between; or nobody that could accept.
 */
#include "base/cleanup.h"
#include "command/view/backlog.h"
#include "command/view/names.h"
#include "command/view/proc.h"
#include "command/why/server.h"
#include "command/why/why.h"

#include <inttypes.h>
#include <sys/socket.h>

struct backlog {
    const struct ferry_endpoint *listener;
    struct server server;
    unsigned accepted; /* between the looks */
    bool full;         /* in both */
    bool still;        /* somebody waits, and nobody was accepted */
    bool unix_socket;
};

static void backlog_look(
    const struct why *why, const struct ferry_endpoint *listener, struct backlog *ret_backlog)
{
    const struct look *look = looks_find(&why->looks, listener);
    struct backlog backlog = { .listener = listener,
        .accepted = looks_accepted(&why->looks, listener),
        .unix_socket = listener->family == AF_UNIX };

    server_look(why->table, listener, &backlog.server);
    backlog.full = look && view_backlog_is_full(listener) &&
                   look->receive_queue >= view_backlog_room(listener);
    /* Of very many the kernel does not tell who waits; then only who could not accept them counts.
     */
    bool told = listener->client_count > 0 || server_is_away(&backlog.server);
    backlog.still = told && look && listener->receive_queue > 0 && backlog.accepted == 0 &&
                    listener->receive_queue >= look->receive_queue;
    *ret_backlog = backlog;
}

/* --- words ------------------------------------------------------------------------------------ */

/* Who waits, each once. */
struct waiting {
    const struct ferry_endpoint *client;
    const struct ferry_process *process; /* NULL: it can't be seen */
    unsigned count;
};

/* A waiting TCP client's own socket is the peer. */
static const struct ferry_process *process_of(const struct ferry_endpoint *client)
{
    const struct ferry_endpoint *own = client->owner_count ? client : client->peer;

    return own && own->owner_count ? own->owners[0].process : NULL;
}

static void print_waiting(const struct waiting *waiting, struct bytes *text)
{
    if (waiting->process)
        view_print_process(waiting->process, text);
    else if (waiting->client->family != AF_UNIX)
        view_print_remote(waiting->client, text);
    else
        bytes_append_text(text, "some that can't be seen");
    if (waiting->count > 1)
        bytes_print(text, " (%u)", waiting->count);
}

/* False: there is no room for one more. */
static bool waiting_add(
    struct waiting all[WHY_NAMES_MAX], unsigned *count, const struct ferry_endpoint *client)
{
    const struct ferry_process *process = process_of(client);
    bool alike = process || client->family == AF_UNIX;

    for (unsigned i = 0; alike && i < *count; i++)
        if (all[i].process == process) {
            all[i].count++;
            return true;
        }
    if (*count == WHY_NAMES_MAX)
        return false;
    all[(*count)++] = (struct waiting){ client, process, 1 };
    return true;
}

static void prove_clients(struct finding *finding, const struct ferry_endpoint *listener)
{
    AUTO_BYTES struct bytes names = BYTES_EMPTY;
    struct waiting all[WHY_NAMES_MAX];
    unsigned count = 0, left = 0;

    for (const struct ferry_endpoint *at = listener->clients; at; at = at->next)
        left += !waiting_add(all, &count, at);
    for (unsigned i = 0; i < count; i++) {
        bytes_append_text(&names, i ? ", " : "");
        print_waiting(&all[i], &names);
    }
    if (left)
        bytes_print(&names, " and %u more", left);
    if (count && !bytes_failed(&names))
        finding_prove(finding, "in the backlog, the longest first: %s", names.data);
}

static void set_client_full(const struct backlog *backlog, struct finding *finding)
{
    if (backlog->unix_socket)
        finding_set_client(finding, "connect(2) hangs until there is room; without blocking it "
                                    "says EAGAIN (Resource temporarily unavailable)");
    else
        finding_set_client(finding, "connect(2) hangs, since its SYN is dropped and sent again, "
                                    "until ETIMEDOUT (Connection timed out)");
}

static void prove_speed(const struct backlog *backlog, struct finding *finding)
{
    if (backlog->accepted)
        finding_prove(finding, "%u accepted within %d ms", backlog->accepted, LOOKS_APART_MS);
    else
        finding_prove(finding, "nobody was accepted within %d ms", LOOKS_APART_MS);
}

static void prove_overflows(const struct why *why, struct finding *finding)
{
    uint64_t now = proc_listen_overflows();

    if (now)
        finding_prove(finding,
            "of all TCP listeners here, %" PRIu64 " connections were dropped so "
            "since boot, %" PRIu64 " of them since the first look "
            "(ListenOverflows)",
            now, now - why->looks.overflows);
}

/* --- verdicts --------------------------------------------------------------------------------- */

static const char *doing_words(const struct backlog *backlog)
{
    if (backlog->server.exhausted)
        return "has no descriptor left to accept with";
    switch (backlog->server.doing) {
    case SERVER_STOPPED:
        return "is stopped by a signal";
    case SERVER_TRACED:
        return "is stopped by its tracer";
    case SERVER_STUCK:
        return "is stuck in the kernel";
    case SERVER_ELSEWHERE:
        return "waits for something else and accepts nobody";
    case SERVER_NOBODY:
        return "serves it"; /* behind "nobody that can be seen" */
    default:
        return backlog->accepted ? "accepts too slowly" : "accepts nobody";
    }
}

static void add_full(struct why *why, const struct backlog *backlog)
{
    AUTO_BYTES struct bytes who = BYTES_EMPTY;
    const struct ferry_endpoint *listener = backlog->listener;

    server_print(&backlog->server, &who);
    struct finding *finding = finding_add(&why->diagnosis, VERDICT_BACKLOG_FULL,
        "the backlog is full: %s %s", who.data ? who.data : "", doing_words(backlog));
    set_client_full(backlog, finding);
    finding_prove(finding, "%u wait, and the backlog is %u: the kernel lets one more in",
        listener->receive_queue, listener->send_queue);
    server_prove(&backlog->server, finding);
    prove_speed(backlog, finding);
    prove_clients(finding, listener);
    prove_hanging(why, finding, listener);
    if (!backlog->unix_socket && listener->network && listener->network->own)
        prove_overflows(why, finding);
    if (backlog->accepted && !backlog->server.exhausted) {
        finding->cause = "slow";
        finding_set_remedy(finding, "let it accept faster, or more at once: a larger backlog "
                                    "(listen(2), up to net.core.somaxconn), more workers");
    }
}

static void add_away(struct why *why, const struct backlog *backlog, enum verdict verdict)
{
    AUTO_BYTES struct bytes who = BYTES_EMPTY;
    uint32_t waiting = backlog->listener->receive_queue;

    server_print(&backlog->server, &who);
    struct finding *finding = finding_add(
        &why->diagnosis, verdict, "%s %s", who.data ? who.data : "", doing_words(backlog));
    if (verdict == VERDICT_NOT_ACCEPTING && backlog->server.doing == SERVER_WAITING)
        finding_prove(finding, "it waits for the listener, and is not woken: an edge-triggered "
                               "epoll tells once, and must be accepted from until EAGAIN");
    finding_set_client(finding, "connect(2) succeeds, and then nothing answers");
    if (waiting)
        finding_prove(finding, "%u wait%s in the backlog of %u", waiting, waiting == 1 ? "s" : "",
            backlog->listener->send_queue);
    server_prove(&backlog->server, finding);
    if (waiting) {
        prove_speed(backlog, finding);
        prove_clients(finding, backlog->listener);
    }
}

static void add_good(struct why *why, const struct backlog *backlog)
{
    AUTO_BYTES struct bytes who = BYTES_EMPTY;
    const struct ferry_endpoint *listener = backlog->listener;

    server_print(&backlog->server, &who);
    diagnosis_check(&why->diagnosis, "listener: %s, %u of %" PRIu64 " waiting in its backlog",
        who.data ? who.data : "", listener->receive_queue, view_backlog_room(listener));
    if (backlog->server.doing == SERVER_WAITING)
        diagnosis_check(&why->diagnosis, "server: waits for connections, %s",
            backlog->server.what.data ? backlog->server.what.data : "");
    else if (backlog->server.process)
        diagnosis_check(&why->diagnosis, "server: nobody waits for it at this moment; it is %s",
            backlog->server.what.data ? backlog->server.what.data : "");
    if (listener->receive_queue && backlog->accepted)
        diagnosis_check(&why->diagnosis, "queue: moves, %u accepted within %d ms",
            backlog->accepted, LOOKS_APART_MS);
}

void why_listener(struct why *why, const struct ferry_endpoint *listener)
{
    struct backlog backlog;

    why->diagnosis.endpoint = listener;
    backlog_look(why, listener, &backlog);
    bool stands = backlog.server.doing == SERVER_STOPPED || backlog.server.doing == SERVER_TRACED;
    if (backlog.full)
        add_full(why, &backlog);
    else if (backlog.server.exhausted)
        add_away(why, &backlog, VERDICT_EXHAUSTED);
    else if (stands)
        add_away(why, &backlog, VERDICT_STOPPED);
    else if (backlog.still)
        add_away(why, &backlog, VERDICT_NOT_ACCEPTING);
    else
        add_good(why, &backlog);
    server_fini(&backlog.server);
}
