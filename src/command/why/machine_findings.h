/* machine_findings.h - what was found: collected, the worst of each kind kept, sorted, said.
 *
 * A finding owns its texts. They are made of what processes choose: whoever writes them escapes
 * (shell_quote(), bytes_append_escaped()), so that none holds a control character.
 *
 * Of one kind and severity FINDINGS_SHOWN_MAX are kept, the weightiest; the rest is counted. So the
 * memory is bounded whatever the machine looks like.
 */
#ifndef FERRY_COMMAND_WHY_MACHINE_FINDINGS_H
#define FERRY_COMMAND_WHY_MACHINE_FINDINGS_H

#include "base/bytes.h"
#include "command/quote.h"

#include <jansson.h>
#include <stdint.h>

enum severity { BREAKS_NOW, WILL_BREAK, RISK, NOTE, SEVERITY_COUNT };

/* In the order in which they are said, within one severity. */
enum finding_kind {
    FINDING_BACKLOG,
    FINDING_STOPPED,
    FINDING_ORPHAN_LISTENER,
    FINDING_DESCRIPTORS,
    FINDING_FILES,
    FINDING_DATAGRAMS_FULL,
    FINDING_QUEUE_FULL,
    FINDING_QUEUE_LIMIT,
    FINDING_IN_FLIGHT,
    FINDING_PORTS,
    FINDING_STUCK,
    FINDING_NOT_CLOSED,
    FINDING_REPLACEABLE,
    FINDING_WORLD_WRITABLE,
    FINDING_STALE_SOCKET,
    FINDING_ORPHAN_QUEUE,
    FINDING_ORPHAN_MEMORY,
    FINDING_SYSV_MEMORY,
    FINDING_SYSV_QUEUE,
    FINDING_SYSV_SEMAPHORES,
    FINDING_SYSV_LIMIT,
    FINDING_OVERFLOWS,
    FINDING_DROPS,
    FINDING_KIND_COUNT
};

struct finding {
    enum finding_kind kind;
    enum severity severity;
    uint64_t weight;       /* among its kind and severity: the larger the worse */
    struct bytes headline; /* one line */
    struct bytes evidence; /* lines */
    struct bytes remedy;   /* a command, perhaps with words behind it; one line */
    json_t *facts;         /* members of its JSON object */
};

struct findings {
    struct finding *data;
    size_t count, capacity;
    uint64_t totals[FINDING_KIND_COUNT][SEVERITY_COUNT]; /* those that are not kept too */
    bool failed;                                         /* out of memory */
};

void findings_fini(struct findings *findings);
/* Room for one more, empty, lent until the next call; NULL: it is counted only, since worse ones of
 * its kind fill the room, or memory has run out (`failed`). */
struct finding *findings_add(
    struct findings *findings, enum finding_kind kind, enum severity severity, uint64_t weight);
/* Appends a line of evidence. */
__attribute__((format(printf, 2, 3))) void finding_evidence(
    struct finding *finding, const char *format, ...);
void finding_fact_number(struct finding *finding, const char *key, uint64_t number);
void finding_fact_text(struct finding *finding, const char *key, const char *text);
/* The worst first. */
void findings_sort(struct findings *findings);
/* Whether there is something worse than a note. */
bool findings_bite(const struct findings *findings);
const char *severity_name(enum severity severity);
const char *finding_kind_name(enum finding_kind kind);

/* All of them, sorted, for people. */
void findings_print(const struct findings *findings, struct bytes *text);
/* [{id, severity, headline, evidence, remedy, ...facts}] */
json_t *findings_json(const struct findings *findings);
/* [{id, severity, count}]: how many were found and are not among them. */
json_t *findings_more_json(const struct findings *findings);

#endif
