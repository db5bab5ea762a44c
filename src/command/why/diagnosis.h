/* diagnosis.h - what is wrong, how that is known, and what would mend it.
 *
 * Texts are escaped as they come in: names of files and processes are whatever somebody chose.
 * The order of enum verdict is the order of importance: what keeps a client out stands before what
 * makes it wait, and that before what makes it slow; the first is the answer, the rest is said
 * after it.
 */
#ifndef FERRY_COMMAND_WHY_DIAGNOSIS_H
#define FERRY_COMMAND_WHY_DIAGNOSIS_H

#include "base/bytes.h"
#include "command/limits.h"

#include <ferry/endpoints.h>
#include <jansson.h>

enum verdict {
    /* There is no way to it. */
    VERDICT_OTHER_ROOT,
    VERDICT_ORPHANED,
    VERDICT_NO_PATH,
    VERDICT_NO_SEARCH,
    VERDICT_NOT_SOCKET,
    VERDICT_NO_PERMISSION,
    VERDICT_NO_QUEUE,
    /* Nobody is there who answers. */
    VERDICT_WRONG_TYPE,
    VERDICT_REPLACED,
    VERDICT_NOT_LISTENING,
    VERDICT_STALE,
    VERDICT_NOT_SEEN,
    VERDICT_OTHER_NAMESPACE,
    VERDICT_OTHER_ADDRESS,
    VERDICT_TIME_WAIT,
    VERDICT_NOTHING_LISTENS,
    VERDICT_OTHER_MACHINE,
    VERDICT_NO_READER,
    VERDICT_NO_WRITER,
    VERDICT_REFUSED_BY_RULE,
    /* Somebody is, and does not answer. */
    VERDICT_BACKLOG_FULL,
    VERDICT_QUEUE_FULL,
    VERDICT_FIFO_FULL,
    VERDICT_EXHAUSTED,
    VERDICT_STOPPED,
    VERDICT_NOT_ACCEPTING,
    /* Connections that are stuck. */
    VERDICT_SERVER_NOT_READING,
    VERDICT_CLIENT_NOT_READING,
    VERDICT_NO_ANSWER,
    /* Found by trying only. */
    VERDICT_TRY_FAILED,
    VERDICT_HEALTHY,
};

/* "backlog-full": what --json and tests know it by. */
const char *verdict_id(enum verdict verdict);

struct finding {
    enum verdict verdict;
    const char *cause;     /* a word, of what stands behind it: "stopped"; NULL */
    struct bytes headline; /* one line, without the address */
    struct bytes client;   /* what a client sees */
    struct bytes evidence; /* lines, each ended by '\n' */
    struct bytes remedy;   /* a command, or what to do */
    unsigned connections;  /* it is of so many, if it is of connections */
};

struct diagnosis {
    struct finding items[FINDINGS_MAX + 1]; /* the last is a spare, for what is too much */
    size_t count;
    const struct ferry_endpoint
        *endpoint;        /* whom it is about, of a table that outlives this; NULL */
    struct bytes checked; /* lines: what was looked at and is good */
    struct bytes notes;   /* lines: what is worth knowing and nothing wrong */
};

void diagnosis_fini(struct diagnosis *diagnosis);
/* Whether memory ran out on the way. */
bool diagnosis_failed(const struct diagnosis *diagnosis);
/* The most important; NULL: nothing is wrong. */
const struct finding *diagnosis_first(const struct diagnosis *diagnosis);
/* One with this verdict; NULL. */
struct finding *diagnosis_find(struct diagnosis *diagnosis, enum verdict verdict);

/* A new one, with its headline. Never NULL. */
__attribute__((format(printf, 3, 4))) struct finding *finding_add(
    struct diagnosis *diagnosis, enum verdict verdict, const char *format, ...);
/* One more line of evidence. */
__attribute__((format(printf, 2, 3))) void finding_prove(
    struct finding *finding, const char *format, ...);
/* What a client sees; what mends it. The last word counts. */
__attribute__((format(printf, 2, 3))) void finding_set_client(
    struct finding *finding, const char *format, ...);
__attribute__((format(printf, 2, 3))) void finding_set_remedy(
    struct finding *finding, const char *format, ...);
__attribute__((format(printf, 2, 3))) void diagnosis_check(
    struct diagnosis *diagnosis, const char *format, ...);
__attribute__((format(printf, 2, 3))) void diagnosis_note(
    struct diagnosis *diagnosis, const char *format, ...);

/* For people; `word` is what was asked. */
void diagnosis_print(const struct diagnosis *diagnosis, const char *word, struct bytes *text);
/* {schema, target, verdict, cause, headline, client, evidence, remedy, also, checked, notes,
 * endpoint} */
json_t *diagnosis_json(const struct diagnosis *diagnosis, const char *word);

#endif
