/* machine_findings.c - what was found: collected, the worst of each kind kept, sorted, said. */
#include "command/why/machine_findings.h"
#include "base/array.h"
#include "base/cleanup.h"
#include "command/limits.h"
#include "command/view/json.h"

#include <stdarg.h>
#include <string.h>

static const char *const severity_names[SEVERITY_COUNT] = { "breaks now", "will break", "risk",
    "note" };

static const char *const kind_names[FINDING_KIND_COUNT] = {
    [FINDING_BACKLOG] = "backlog",
    [FINDING_STOPPED] = "stopped",
    [FINDING_ORPHAN_LISTENER] = "orphaned-listener",
    [FINDING_DESCRIPTORS] = "descriptors",
    [FINDING_FILES] = "files",
    [FINDING_DATAGRAMS_FULL] = "datagram-queue-full",
    [FINDING_QUEUE_FULL] = "queue-full",
    [FINDING_QUEUE_LIMIT] = "queue-limit",
    [FINDING_IN_FLIGHT] = "descriptors-in-flight",
    [FINDING_PORTS] = "ports",
    [FINDING_STUCK] = "stuck",
    [FINDING_NOT_CLOSED] = "not-closed",
    [FINDING_REPLACEABLE] = "replaceable-socket",
    [FINDING_WORLD_WRITABLE] = "world-writable-socket",
    [FINDING_STALE_SOCKET] = "stale-socket",
    [FINDING_ORPHAN_QUEUE] = "orphaned-queue",
    [FINDING_ORPHAN_MEMORY] = "orphaned-memory",
    [FINDING_SYSV_MEMORY] = "sysv-memory",
    [FINDING_SYSV_QUEUE] = "sysv-queue",
    [FINDING_SYSV_SEMAPHORES] = "sysv-semaphores",
    [FINDING_SYSV_LIMIT] = "sysv-limit",
    [FINDING_OVERFLOWS] = "listen-overflows",
    [FINDING_DROPS] = "datagrams-dropped",
};

const char *severity_name(enum severity severity)
{
    return severity_names[severity];
}

const char *finding_kind_name(enum finding_kind kind)
{
    return kind_names[kind];
}

/* --- collecting ------------------------------------------------------------------------------- */

static void finding_fini(struct finding *finding)
{
    bytes_fini(&finding->headline);
    bytes_fini(&finding->evidence);
    bytes_fini(&finding->remedy);
    json_decref(finding->facts);
}

void findings_fini(struct findings *findings)
{
    for (size_t i = 0; i < findings->count; i++)
        finding_fini(&findings->data[i]);
    free(findings->data);
    *findings = (struct findings){ 0 };
}

/* The place of the lightest of the kind and severity. */
static struct finding *find_lightest(
    struct findings *findings, enum finding_kind kind, enum severity severity)
{
    struct finding *lightest = NULL;

    for (size_t i = 0; i < findings->count; i++) {
        struct finding *at = &findings->data[i];
        if (at->kind == kind && at->severity == severity &&
            (!lightest || at->weight < lightest->weight))
            lightest = at;
    }
    return lightest;
}

static struct finding *find_room(struct findings *findings)
{
    if (!array_reserve(
            &findings->data, findings->count, &findings->capacity, sizeof(*findings->data)))
        return NULL;
    return &findings->data[findings->count++];
}

struct finding *findings_add(
    struct findings *findings, enum finding_kind kind, enum severity severity, uint64_t weight)
{
    json_t *facts = json_object();
    struct finding *finding;

    if (++findings->totals[kind][severity] <= FINDINGS_SHOWN_MAX) {
        finding = facts ? find_room(findings) : NULL;
        findings->failed |= !finding;
    } else {
        finding = find_lightest(findings, kind, severity);
        if (finding && finding->weight >= weight)
            finding = NULL;
        else if (finding)
            finding_fini(finding);
    }
    if (!finding) {
        json_decref(facts);
        return NULL;
    }
    *finding =
        (struct finding){ .kind = kind, .severity = severity, .weight = weight, .facts = facts };
    return finding;
}

void finding_evidence(struct finding *finding, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    bytes_vprint(&finding->evidence, format, arguments);
    va_end(arguments);
    bytes_append_char(&finding->evidence, '\n');
}

void finding_fact_number(struct finding *finding, const char *key, uint64_t number)
{
    view_json_set_number(finding->facts, key, number);
}

void finding_fact_text(struct finding *finding, const char *key, const char *text)
{
    AUTO_BYTES struct bytes escaped = BYTES_EMPTY;

    bytes_append_escaped(&escaped, text, strlen(text));
    if (!bytes_failed(&escaped))
        view_json_set_text(finding->facts, key, escaped.data ? escaped.data : "");
}

/* --- saying ----------------------------------------------------------------------------------- */

static int compare_findings(const void *one, const void *other)
{
    const struct finding *a = one, *b = other;

    if (a->severity != b->severity)
        return a->severity < b->severity ? -1 : 1;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    if (a->weight != b->weight)
        return a->weight > b->weight ? -1 : 1;
    return strcmp(
        a->headline.data ? a->headline.data : "", b->headline.data ? b->headline.data : "");
}

void findings_sort(struct findings *findings)
{
    if (findings->count)
        qsort(findings->data, findings->count, sizeof(*findings->data), compare_findings);
}

bool findings_bite(const struct findings *findings)
{
    for (unsigned kind = 0; kind < FINDING_KIND_COUNT; kind++)
        for (unsigned severity = 0; severity < NOTE; severity++)
            if (findings->totals[kind][severity])
                return true;
    return false;
}

static uint64_t more_count(const struct findings *findings, unsigned kind, unsigned severity)
{
    uint64_t total = findings->totals[kind][severity];
    return total > FINDINGS_SHOWN_MAX ? total - FINDINGS_SHOWN_MAX : 0;
}

static void print_lines(struct bytes *text, const struct bytes *lines)
{
    const char *at = lines->data ? lines->data : "";

    for (size_t length; *at; at += length + 1) {
        length = strcspn(at, "\n");
        bytes_append_text(text, "            ");
        bytes_append(text, at, length);
        bytes_append_char(text, '\n');
    }
}

static void print_finding(const struct finding *finding, struct bytes *text)
{
    bytes_print(text, "%-10s  %s\n", severity_name(finding->severity),
        finding->headline.data ? finding->headline.data : "");
    print_lines(text, &finding->evidence);
    if (finding->remedy.size)
        bytes_print(text, "            mend: %s\n", finding->remedy.data);
}

static bool is_last_of_its_kind(const struct findings *findings, size_t index)
{
    const struct finding *at = &findings->data[index];
    return index + 1 == findings->count || at[1].kind != at->kind || at[1].severity != at->severity;
}

void findings_print(const struct findings *findings, struct bytes *text)
{
    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *finding = &findings->data[i];
        uint64_t more = more_count(findings, finding->kind, finding->severity);
        text->failed |= bytes_failed(&finding->headline) || bytes_failed(&finding->evidence) ||
                        bytes_failed(&finding->remedy);
        print_finding(finding, text);
        if (more && is_last_of_its_kind(findings, i))
            bytes_print(text, "%-10s  and %llu more of this kind (%s)\n",
                severity_name(finding->severity), (unsigned long long)more,
                finding_kind_name(finding->kind));
    }
}

json_t *findings_json(const struct findings *findings)
{
    json_t *array = json_array();

    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *finding = &findings->data[i];
        json_t *object = json_object();
        json_object_set_new(object, "id", json_string(finding_kind_name(finding->kind)));
        json_object_set_new(object, "severity", json_string(severity_name(finding->severity)));
        view_json_set_text(
            object, "headline", finding->headline.data ? finding->headline.data : "");
        json_object_set_new(object, "evidence", view_json_lines(&finding->evidence));
        if (finding->remedy.size)
            view_json_set_text(object, "remedy", finding->remedy.data);
        json_object_update(object, finding->facts);
        json_array_append_new(array, object);
    }
    return array;
}

json_t *findings_more_json(const struct findings *findings)
{
    json_t *array = json_array();

    for (unsigned severity = 0; severity < SEVERITY_COUNT; severity++)
        for (unsigned kind = 0; kind < FINDING_KIND_COUNT; kind++) {
            uint64_t more = more_count(findings, kind, severity);
            if (!more)
                continue;
            json_t *object = json_object();
            json_object_set_new(object, "id", json_string(finding_kind_name(kind)));
            json_object_set_new(object, "severity", json_string(severity_name(severity)));
            json_object_set_new(object, "count", json_integer((json_int_t)more));
            json_array_append_new(array, object);
        }
    return array;
}
