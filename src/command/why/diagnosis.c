/* diagnosis.c - what is wrong, gathered and said. */
#include "command/why/diagnosis.h"
#include "base/cleanup.h"
#include "command/view/json.h"

#include <stdarg.h>
#include <string.h>

const char *verdict_id(enum verdict verdict)
{
    static const char *const ids[] = {
        [VERDICT_OTHER_ROOT] = "other-root",
        [VERDICT_ORPHANED] = "orphaned",
        [VERDICT_NO_PATH] = "no-such-path",
        [VERDICT_NO_SEARCH] = "no-search-permission",
        [VERDICT_NOT_SOCKET] = "not-a-socket",
        [VERDICT_NO_PERMISSION] = "no-permission",
        [VERDICT_NO_QUEUE] = "no-such-queue",
        [VERDICT_WRONG_TYPE] = "wrong-type",
        [VERDICT_REPLACED] = "replaced",
        [VERDICT_NOT_LISTENING] = "not-listening",
        [VERDICT_STALE] = "stale",
        [VERDICT_NOT_SEEN] = "not-seen",
        [VERDICT_OTHER_NAMESPACE] = "other-namespace",
        [VERDICT_OTHER_ADDRESS] = "other-address",
        [VERDICT_TIME_WAIT] = "time-wait",
        [VERDICT_NOTHING_LISTENS] = "nothing-listens",
        [VERDICT_OTHER_MACHINE] = "other-machine",
        [VERDICT_NO_READER] = "no-reader",
        [VERDICT_NO_WRITER] = "no-writer",
        [VERDICT_REFUSED_BY_RULE] = "refused-by-rule",
        [VERDICT_BACKLOG_FULL] = "backlog-full",
        [VERDICT_QUEUE_FULL] = "queue-full",
        [VERDICT_FIFO_FULL] = "fifo-full",
        [VERDICT_EXHAUSTED] = "descriptors-exhausted",
        [VERDICT_STOPPED] = "server-stopped",
        [VERDICT_NOT_ACCEPTING] = "not-accepting",
        [VERDICT_SERVER_NOT_READING] = "server-not-reading",
        [VERDICT_CLIENT_NOT_READING] = "client-not-reading",
        [VERDICT_NO_ANSWER] = "no-answer",
        [VERDICT_TRY_FAILED] = "connect-failed",
        [VERDICT_HEALTHY] = "healthy",
    };
    return ids[verdict];
}

static void finding_fini(struct finding *finding)
{
    bytes_fini(&finding->headline);
    bytes_fini(&finding->client);
    bytes_fini(&finding->evidence);
    bytes_fini(&finding->remedy);
}

void diagnosis_fini(struct diagnosis *diagnosis)
{
    for (size_t i = 0; i < COUNT_OF(diagnosis->items); i++)
        finding_fini(&diagnosis->items[i]);
    bytes_fini(&diagnosis->checked);
    bytes_fini(&diagnosis->notes);
}

bool diagnosis_failed(const struct diagnosis *diagnosis)
{
    bool failed = bytes_failed(&diagnosis->checked) || bytes_failed(&diagnosis->notes);

    for (size_t i = 0; i < diagnosis->count; i++) {
        const struct finding *finding = &diagnosis->items[i];
        failed = failed || bytes_failed(&finding->headline) || bytes_failed(&finding->client) ||
                 bytes_failed(&finding->evidence) || bytes_failed(&finding->remedy);
    }
    return failed;
}

const struct finding *diagnosis_first(const struct diagnosis *diagnosis)
{
    const struct finding *first = NULL;

    for (size_t i = 0; i < diagnosis->count; i++)
        if (!first || diagnosis->items[i].verdict < first->verdict)
            first = &diagnosis->items[i];
    return first;
}

struct finding *diagnosis_find(struct diagnosis *diagnosis, enum verdict verdict)
{
    for (size_t i = 0; i < diagnosis->count; i++)
        if (diagnosis->items[i].verdict == verdict)
            return &diagnosis->items[i];
    return NULL;
}

/* --- filling ---------------------------------------------------------------------------------- */

static void append(struct bytes *text, const char *format, va_list arguments)
{
    AUTO_FREE char *words = NULL;

    if (vasprintf(&words, format, arguments) < 0) {
        words = NULL;
        text->failed = true;
        return;
    }
    bytes_append_escaped(text, words, strlen(words));
}

#define APPEND(text, format)                                                                       \
    do {                                                                                           \
        va_list arguments_;                                                                        \
        va_start(arguments_, format);                                                              \
        append(text, format, arguments_);                                                          \
        va_end(arguments_);                                                                        \
    } while (0)

struct finding *finding_add(
    struct diagnosis *diagnosis, enum verdict verdict, const char *format, ...)
{
    struct finding *finding = &diagnosis->items[diagnosis->count];

    if (diagnosis->count < FINDINGS_MAX)
        diagnosis->count++;
    else
        finding_fini(finding);
    *finding = (struct finding){ .verdict = verdict };
    APPEND(&finding->headline, format);
    return finding;
}

void finding_prove(struct finding *finding, const char *format, ...)
{
    APPEND(&finding->evidence, format);
    bytes_append_char(&finding->evidence, '\n');
}

void finding_set_client(struct finding *finding, const char *format, ...)
{
    bytes_fini(&finding->client);
    finding->client = BYTES_EMPTY;
    APPEND(&finding->client, format);
}

void finding_set_remedy(struct finding *finding, const char *format, ...)
{
    bytes_fini(&finding->remedy);
    finding->remedy = BYTES_EMPTY;
    APPEND(&finding->remedy, format);
}

void diagnosis_check(struct diagnosis *diagnosis, const char *format, ...)
{
    APPEND(&diagnosis->checked, format);
    bytes_append_char(&diagnosis->checked, '\n');
}

void diagnosis_note(struct diagnosis *diagnosis, const char *format, ...)
{
    APPEND(&diagnosis->notes, format);
    bytes_append_char(&diagnosis->notes, '\n');
}

/* --- saying ----------------------------------------------------------------------------------- */

/* Each line behind the label, which stands at the first only. */
static void print_lines(struct bytes *text, const char *label, const struct bytes *lines)
{
    for (const char *line = lines->data; line && *line;) {
        size_t size = strcspn(line, "\n");
        bytes_print(text, "  %-8s  ", label);
        bytes_append(text, line, size);
        bytes_append_char(text, '\n');
        line += size + (line[size] == '\n');
        label = "";
    }
}

static void print_finding(struct bytes *text, const struct finding *finding)
{
    print_lines(text, "client", &finding->client);
    print_lines(text, "because", &finding->evidence);
    print_lines(text, "mend", &finding->remedy);
}

void diagnosis_print(const struct diagnosis *diagnosis, const char *word, struct bytes *text)
{
    const struct finding *first = diagnosis_first(diagnosis);

    bytes_append_escaped(text, word, strlen(word));
    if (!first) {
        bytes_append_text(text, ": nothing wrong\n");
        print_lines(text, "checked", &diagnosis->checked);
        print_lines(text, "note", &diagnosis->notes);
        return;
    }
    bytes_print(text, ": %s\n", first->headline.data ? first->headline.data : "");
    print_finding(text, first);
    for (size_t i = 0; i < diagnosis->count; i++) {
        const struct finding *finding = &diagnosis->items[i];
        if (finding == first)
            continue;
        bytes_print(text, "also: %s\n", finding->headline.data ? finding->headline.data : "");
        print_finding(text, finding);
    }
    print_lines(text, "note", &diagnosis->notes);
}

static void set_bytes(json_t *object, const char *key, const struct bytes *text)
{
    if (text->size)
        view_json_set_text(object, key, text->data);
}

static void set_finding(json_t *object, const struct finding *finding)
{
    json_object_set_new(object, "verdict", json_string(verdict_id(finding->verdict)));
    if (finding->cause)
        json_object_set_new(object, "cause", json_string(finding->cause));
    set_bytes(object, "headline", &finding->headline);
    set_bytes(object, "client", &finding->client);
    json_object_set_new(object, "evidence", view_json_lines(&finding->evidence));
    set_bytes(object, "remedy", &finding->remedy);
}

json_t *diagnosis_json(const struct diagnosis *diagnosis, const char *word)
{
    const struct finding *first = diagnosis_first(diagnosis);
    json_t *document = json_object(), *also = json_array();

    json_object_set_new(document, "schema", json_integer(VIEW_SCHEMA));
    view_json_set_text(document, "target", word);
    if (first)
        set_finding(document, first);
    else
        json_object_set_new(document, "verdict", json_string(verdict_id(VERDICT_HEALTHY)));
    for (size_t i = 0; i < diagnosis->count; i++) {
        if (&diagnosis->items[i] == first)
            continue;
        json_t *object = json_object();
        set_finding(object, &diagnosis->items[i]);
        json_array_append_new(also, object);
    }
    json_object_set_new(document, "also", also);
    json_object_set_new(document, "checked", view_json_lines(&diagnosis->checked));
    json_object_set_new(document, "notes", view_json_lines(&diagnosis->notes));
    if (diagnosis->endpoint)
        json_object_set_new(document, "endpoint", view_json_endpoint(diagnosis->endpoint));
    return document;
}
