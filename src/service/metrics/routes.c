/* routes.c - what ferry itself carries and refuses, as series.
 *
 * A route that was changed or removed leaves slowly, beside the one that has its name now: figures
 * are summed by name.
 */
#include "service/metrics/routes.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "service/limits.h"
#include "service/metrics/sums.h"

#include <ferry/ferry.h>
#include <sys/resource.h>

enum route_family {
    ROUTE_ADMITTED,
    ROUTE_REFUSED,
    ROUTE_WOULD_REFUSE,
    ROUTE_FAILED,
    ROUTE_ENDED,
    ROUTE_CONNECTIONS,
    ROUTE_BYTES,
    ROUTE_DESCRIPTORS,
    ROUTE_DROPPED,
    RULE_HITS,
    RULE_REFUSED,
    ROUTE_FAMILY_COUNT
};

static const struct family families[ROUTE_FAMILY_COUNT] = {
    [ROUTE_ADMITTED] = { "ferry_route_admitted_total", "counter", "Peers that were admitted." },
    [ROUTE_REFUSED] = { "ferry_route_refused_total", "counter",
        "Peers that were turned away, by rules and by limits per user." },
    [ROUTE_WOULD_REFUSE] = { "ferry_route_would_refuse_total", "counter",
        "Of those admitted, who was so for a dry run only." },
    [ROUTE_FAILED] = { "ferry_route_failed_total", "counter",
        "Connections that ended otherwise than they should." },
    [ROUTE_ENDED] = { "ferry_route_ended_total", "counter",
        "Connections that ended as they should." },
    [ROUTE_CONNECTIONS] = { "ferry_route_connections", "gauge", "Connections now." },
    [ROUTE_BYTES] = { "ferry_route_bytes_total", "counter",
        "Bytes that passed: in from peers, out to peers." },
    [ROUTE_DESCRIPTORS] = { "ferry_route_descriptors_total", "counter",
        "Descriptors that were passed, both ways." },
    [ROUTE_DROPPED] = { "ferry_route_dropped_total", "counter",
        "Messages that could not be delivered." },
    [RULE_HITS] = { "ferry_rule_hits_total", "counter",
        "Peers that a rule decided about; begins anew when its route is changed." },
    [RULE_REFUSED] = { "ferry_rule_refused_total", "counter",
        "Peers that a rule turned away; rule 0: no rule admitted them." },
};

/* --- routes ----------------------------------------------------------------------------------- */

static void add(struct sums *sums, const struct route *route, uint64_t value)
{
    AUTO_BYTES struct bytes labels = BYTES_EMPTY;

    label_add_text(&labels, "route", route->settings->name);
    sums_add(sums, &labels, value, 1);
}

static void add_bytes(
    struct sums *sums, const struct route *route, const char *direction, uint64_t value)
{
    AUTO_BYTES struct bytes labels = BYTES_EMPTY;

    label_add_text(&labels, "direction", direction);
    label_add_text(&labels, "route", route->settings->name);
    sums_add(sums, &labels, value, 1);
}

static size_t connections_count(const struct route *route)
{
    const struct list *node;
    size_t count = 0;

    list_each (node, &route->connections)
        count++;
    return count;
}

static void add_route(struct sums *sums, const struct route *route)
{
    struct route_totals totals;

    route_get_totals(route, &totals);
    add(&sums[ROUTE_ADMITTED], route, route->admitted);
    add(&sums[ROUTE_REFUSED], route, route->refused);
    add(&sums[ROUTE_WOULD_REFUSE], route, route->would_refuse);
    add(&sums[ROUTE_FAILED], route, route->failed);
    add(&sums[ROUTE_ENDED], route, route->ended);
    add(&sums[ROUTE_CONNECTIONS], route, connections_count(route));
    add_bytes(&sums[ROUTE_BYTES], route, "in", totals.bytes_in);
    add_bytes(&sums[ROUTE_BYTES], route, "out", totals.bytes_out);
    add(&sums[ROUTE_DESCRIPTORS], route, totals.descriptors);
    add(&sums[ROUTE_DROPPED], route, totals.dropped);
}

static void add_rule(struct sums *sums, const struct route *route, size_t index)
{
    AUTO_BYTES struct bytes labels = BYTES_EMPTY;
    uint64_t hits = 0;
    const char *text = index ? ferry_policy_rule(route->policy, index, &hits) : "";
    char number[24];

    snprintf(number, sizeof(number), "%zu", index);
    label_add_text(&labels, "route", route->settings->name);
    label_add_text(&labels, "rule", number);
    label_add_text(&labels, "text", text);
    if (index)
        sums_add(&sums[RULE_HITS], &labels, hits, 1);
    sums_add(&sums[RULE_REFUSED], &labels, ferry_policy_refusals(route->policy, index), 1);
}

static void print_routes(const struct registry *registry, struct bytes *text)
{
    const struct list *lists[] = { &registry->routes, &registry->leaving };
    struct sums sums[ROUTE_FAMILY_COUNT] = { 0 };
    const struct list *node;

    for (size_t i = 0; i < COUNT_OF(sums); i++)
        sums[i].max = ROUTE_SERIES_MAX;
    for (size_t i = 0; i < COUNT_OF(lists); i++)
        list_each (node, lists[i])
            add_route(sums, LIST_ENTRY(node, struct route, node));
    list_each (node, &registry->routes) {
        const struct route *route = LIST_ENTRY(node, struct route, node);
        for (size_t i = 0; route->policy && i <= ferry_policy_count(route->policy); i++)
            add_rule(sums, route, i);
    }
    for (size_t i = 0; i < COUNT_OF(sums); i++) {
        sums_print(&sums[i], &families[i], text);
        sums_fini(&sums[i]);
    }
}

/* --- this process ----------------------------------------------------------------------------- */

static void print_events(const struct events *events, struct bytes *text)
{
    static const struct family family = { "ferry_events_total", "counter",
        "Events, as in the log." };

    family_begin(text, &family);
    for (int kind = 0; kind < EVENT_KIND_COUNT; kind++) {
        AUTO_BYTES struct bytes labels = BYTES_EMPTY;
        label_add_text(&labels, "kind", event_kind_name((enum event_kind)kind));
        if (bytes_failed(&labels))
            text->failed = true;
        else
            family_sample(text, &family, labels.data, events->counts[kind]);
    }
}

/* What is unknown is left out. */
static void print_memory(struct bytes *text)
{
    static const struct family family = { "process_resident_memory_bytes", "gauge",
        "Memory of this process that is in RAM." };
    AUTO_FILE FILE *file = fopen("/proc/self/statm", "re");
    unsigned long long pages;

    if (!file || fscanf(file, "%*u %llu", &pages) != 1)
        return;
    family_begin(text, &family);
    family_sample(text, &family, "", pages * (unsigned long long)sysconf(_SC_PAGESIZE));
}

static void print_cpu(struct bytes *text)
{
    static const struct family family = { "process_cpu_seconds_total", "counter",
        "Processor time of this process, its own and the kernel's for it." };
    struct rusage usage;

    if (getrusage(RUSAGE_SELF, &usage) < 0)
        return;
    family_begin(text, &family);
    family_sample_seconds(text, &family, "",
        (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
            (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
}

static void print_descriptors(struct bytes *text)
{
    static const struct family open_ones = { "process_open_fds", "gauge",
        "Descriptors that this process has open." };
    static const struct family most = { "process_max_fds", "gauge",
        "Descriptors that this process may have open." };
    AUTO_DIR DIR *folder = opendir("/proc/self/fd");
    struct rlimit limit;
    uint64_t count = 0;

    for (struct dirent *entry; folder && (entry = readdir(folder));)
        count += entry->d_name[0] != '.';
    if (folder) {
        family_begin(text, &open_ones);
        family_sample(text, &open_ones, "", count - 1); /* without the one that counts */
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        family_begin(text, &most);
        family_sample(text, &most, "", limit.rlim_cur);
    }
}

static void print_self(const struct registry *registry, struct bytes *text)
{
    static const struct family build = { "ferry_build_info", "gauge",
        "Which ferry this is; always 1." };
    static const struct family uptime = { "ferry_uptime_seconds", "gauge",
        "How long this ferry has run." };
    char version[48];

    snprintf(
        version, sizeof(version), "version=\"%d.%d\"", FERRY_VERSION_MAJOR, FERRY_VERSION_MINOR);
    family_begin(text, &build);
    family_sample(text, &build, version, 1);
    family_begin(text, &uptime);
    family_sample_seconds(
        text, &uptime, "", (double)(clock_now_ns() - registry->started_ns) / (double)NS_PER_S);
}

void routes_print(const struct registry *registry, struct bytes *text)
{
    print_self(registry, text);
    print_routes(registry, text);
    print_events(registry->events, text);
    print_memory(text);
    print_cpu(text);
    print_descriptors(text);
}
