/* lanes.c - by what the connections of an auto: socket send, and why: told by what their senders
 * leave in the memory of their rings (ferry/auto.h), which is looked for by who has it open.
 *
 * Connections without rings leave nothing; of its own a ferry tells (ferry.c).
 *
 * Whoever wrote it is not believed further than to be quoted: a note counts for the connection
 * whose socket it names only if the process that has the ring open has that socket too.
 */
#include "base/cleanup.h"
#include "base/clock.h"
#include "command/calibration.h"
#include "command/table.h"
#include "command/times.h"
#include "command/view/names.h"
#include "command/why/why.h"

#include <fcntl.h>
#include <ferry/auto.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static bool is_ring(const struct ferry_endpoint *endpoint)
{
    return endpoint->kind == FERRY_ENDPOINT_MEMFD && endpoint->name &&
           strcmp(endpoint->name, "ferry-ring") == 0;
}

static bool has_open(const struct ferry_endpoint *endpoint, pid_t pid)
{
    for (unsigned i = 0; i < endpoint->owner_count; i++)
        if (endpoint->owners[i].process->pid == pid)
            return true;
    return false;
}

/* Whether it is memory, and not what only has its name, or its place by now: to open that, or to
 * ask its owner for more than the kernel knows already, could do anything. */
static bool is_memory(int place, uint64_t inode)
{
    AUTO_FD int memory = memfd_create("ferry-why", MFD_CLOEXEC);
    struct stat known; /* all memory is on one device */
    struct statx status;

    return memory >= 0 && fstat(memory, &known) == 0 &&
           statx(place, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_INO, &status) ==
               0 &&
           status.stx_ino == inode &&
           makedev(status.stx_dev_major, status.stx_dev_minor) == known.st_dev;
}

static bool note_read(const struct ferry_endpoint *ring, const struct ferry_owner *owner,
    struct ferry_auto_note *ret_note)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)owner->process->pid, owner->fd);
    AUTO_FD int place = open(path, O_PATH | O_CLOEXEC);
    if (place < 0 || !is_memory(place, ring->inode))
        return false;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", place);
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd >= 0 && ferry_auto_read_note(fd, ret_note) == 0;
}

/* The connection whose sender left that note in a ring, if it is one of those that were asked
 * about. NULL: it isn't. */
static const struct ferry_endpoint *note_find(
    const struct why *why, const struct ferry_endpoint *ring, struct ferry_auto_note *ret_note)
{
    bool is_read = false;
    for (unsigned i = 0; i < ring->owner_count && !is_read; i++)
        is_read = note_read(ring, &ring->owners[i], ret_note);
    if (!is_read)
        return NULL;
    const struct ferry_endpoint *endpoint =
        ferry_endpoints_find(why->table, ret_note->socket_inode);
    if (!endpoint || !endpoint->peer)
        return NULL;
    bool asked = view_target_matches(&why->target, endpoint) ||
                 view_target_matches(&why->target, endpoint->peer);
    bool holds = false;
    for (unsigned i = 0; i < ring->owner_count; i++)
        holds |= has_open(endpoint, ring->owners[i].process->pid);
    return asked && holds ? endpoint : NULL;
}

static void print_counts(const struct ferry_auto_note *note, struct bytes *text)
{
    char rate[24];

    number_print(note->rate_per_s, rate);
    bytes_print(text, "%s messages/s of %.0f bytes", rate, note->mean_size);
    int64_t ago_ms = (clock_now_ns() - note->measured_ns) / NS_PER_MS;
    if (ago_ms >= 1000)
        bytes_print(text, ", measured %lld s ago", (long long)ago_ms / 1000);
    bytes_print(text,
        "; until then %llu by the ring, %llu by the socket; moves: %llu, wake-ups: %llu",
        (unsigned long long)note->ring_messages, (unsigned long long)note->socket_messages,
        (unsigned long long)note->moves, (unsigned long long)note->wakes);
}

static void say_lane(
    struct why *why, const struct ferry_endpoint *endpoint, const struct ferry_auto_note *note)
{
    AUTO_BYTES struct bytes from = BYTES_EMPTY, to = BYTES_EMPTY, counts = BYTES_EMPTY;

    view_print_holders(endpoint, &from);
    view_print_holders(endpoint->peer, &to);
    print_counts(note, &counts);
    if (bytes_failed(&from) || bytes_failed(&to) || bytes_failed(&counts))
        return;
    diagnosis_note(&why->diagnosis, "%s sends to %s by the %s: %s (%s)", from.data, to.data,
        ferry_lane_name((enum ferry_lane)note->lane),
        ferry_auto_reason_text((enum ferry_auto_reason)note->reason), counts.data);
}

static struct workload workload_of(const struct ferry_auto_note *note)
{
    double other = note->receive_rate_per_s;
    return (struct workload){ .size = note->mean_size >= 1 ? (size_t)note->mean_size : 1,
        .rate_per_s = note->rate_per_s,
        .reliable = true,
        .answered = other >= note->rate_per_s / 2 && other <= note->rate_per_s * 2 };
}

/* What who has both ends in his hands could do. */
static void say_faster(struct why *why, const struct workload *workload,
    const struct calibration *calibration, const struct choice *choice)
{
    AUTO_BYTES struct bytes advice = BYTES_EMPTY, line = BYTES_EMPTY;

    choice_advise(workload, &calibration->costs, choice, &advice);
    for (const char *from = advice.data; from && *from;) {
        size_t size = strcspn(from, "\n");
        bytes_print(&line, "%s%.*s", line.size ? "; " : "", (int)size, from);
        from += size + (from[size] == '\n');
    }
    if (!bytes_failed(&advice) && !bytes_failed(&line) && line.size)
        diagnosis_note(&why->diagnosis, "faster: %s", line.data);
}

/* What carrying such messages costs by each mechanism, as it was measured. */
static void say_costs(struct why *why, const struct ferry_auto_note *note)
{
    AUTO_BYTES struct bytes costs = BYTES_EMPTY, source = BYTES_EMPTY;
    AUTO_FREE char *path = NULL;
    struct workload workload = workload_of(note);
    struct calibration calibration;
    struct choice choice;

    if (note->rate_per_s <= 0)
        return;
    calibration_load(&calibration, &path);
    calibration_name(&calibration, &source);
    choice_make(&workload, &calibration.costs, &choice);
    for (size_t i = 0; i < choice.candidates; i++) {
        char time[24];
        time_print((int64_t)(choice.ranking[i].cpu_ns + 0.5), time);
        bytes_print(
            &costs, "%s%s %s", i ? ", " : "", choice_name(choice.ranking[i].mechanism), time);
    }
    if (!bytes_failed(&costs) && !bytes_failed(&source) && costs.size)
        diagnosis_note(&why->diagnosis,
            "processor time of such a message, %s, best first: %s (figures %s)",
            workload.answered ? "each answered" : "one way", costs.data, source.data);
    say_faster(why, &workload, &calibration, &choice);
}

/* Connections at the name that was asked about, by their accepted sockets. */
static unsigned connection_count(const struct why *why)
{
    unsigned count = 0;

    for (size_t i = 0; i < ferry_endpoints_count(why->table); i++) {
        const struct ferry_endpoint *endpoint = ferry_endpoints_get(why->table, i);
        count += endpoint->kind == FERRY_ENDPOINT_UNIX_SEQPACKET && endpoint->peer &&
                 view_target_matches(&why->target, endpoint);
    }
    return count;
}

static void say_others(struct why *why, unsigned without_rings)
{
    if (why->target.is_auto && without_rings > 0)
        diagnosis_note(&why->diagnosis,
            "%u connection%s on the socket and without rings: traffic for which they pay has not "
            "been measured (ferry why --workload), or an end has a reason that its program alone "
            "knows (ferry_auto_get_stats of libferry)",
            without_rings, without_rings == 1 ? " is" : "s are");
}

void why_lanes(struct why *why)
{
    const struct ferry_endpoint *said[LANES_MAX];
    unsigned connections = connection_count(why), count = 0;

    for (size_t i = 0; i < ferry_endpoints_count(why->table); i++) {
        const struct ferry_endpoint *ring = ferry_endpoints_get(why->table, i);
        struct ferry_auto_note note;
        const struct ferry_endpoint *one = is_ring(ring) ? note_find(why, ring, &note) : NULL;
        if (!one || count == LANES_MAX)
            continue;
        say_lane(why, one, &note);
        say_costs(why, &note);
        bool again = false;
        for (unsigned k = 0; k < count; k++)
            again |= said[k] == one || said[k] == one->peer;
        if (!again)
            said[count++] = one;
    }
    count += why->lanes_told;
    say_others(why, connections > count ? connections - count : 0);
}
