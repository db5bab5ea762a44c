/* event.c - what must hold of an event, whatever a peer is called: in a line of text, in one of
 * JSON, in the log, in the journal's datagram. */
#include "route/event.h"
#include "base/cleanup.h"
#include "properties.h"
#include "require.h"
#include "route/journal.h"
#include "route/limits.h"
#include "route/log.h"

#include <jansson.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { TEXTS = 9 };

static const char *const text_keys[TEXTS] = { "name", "executable", "unit", "peer", "route", "via",
    "to", "verdict", "reason" };
static const char *const field_names[TEXTS] = { "FERRY_PEER_NAME", "FERRY_PEER_EXECUTABLE",
    "FERRY_PEER_UNIT", "FERRY_PEER", "FERRY_ROUTE", "FERRY_VIA", "FERRY_TO", "FERRY_VERDICT",
    "FERRY_REASON" };

/* The bytes that its figures are made of; texts follow, each ended by a NUL. */
struct sample {
    uint8_t kind;
    uint8_t has_who;
    uint16_t texts; /* 1 << place of those that there are */
    uint32_t seconds;
    uint32_t nanoseconds;
    int32_t pid;
    uint32_t uid, gid;
    uint64_t bytes_in, bytes_out, descriptors, dropped, age_ms;
};

/* Makes an event; texts stand in `rest`, which is NUL-terminated. */
static void event_read(const struct sample *sample, char *rest, size_t size, struct event_who *who,
    struct event *event)
{
    const char **texts[TEXTS] = { &event->name, &event->executable, &event->unit, &event->peer,
        &event->route, &event->via, &event->to, &event->verdict, &event->reason };
    /* Some that have a name, one that has none, and nobody's. */
    static const unsigned ids[] = { 0, 1, 2, 4123456789, UINT32_MAX };
    const char *end = rest + size;

    *who = (struct event_who){ sample->pid, ids[sample->uid % COUNT_OF(ids)],
        ids[sample->gid % COUNT_OF(ids)] };
    *event = (struct event){ .kind = sample->kind % EVENT_KIND_COUNT,
        .time_ns = sample->seconds * INT64_C(1000000000) + sample->nanoseconds % 1000000000,
        .who = sample->has_who & 1 ? who : NULL,
        .bytes_in = sample->bytes_in >> 1, /* a counter does not come so far */
        .bytes_out = sample->bytes_out >> 1,
        .descriptors = sample->descriptors >> 1,
        .dropped = sample->dropped >> 1,
        .age_ms = (int64_t)(sample->age_ms >> 1) };
    for (size_t i = 0; i < TEXTS && rest <= end; i++) {
        if (!(sample->texts & 1u << i))
            continue;
        *texts[i] = rest;
        rest += strlen(rest) + 1;
    }
}

static void texts_get(const struct event *event, const char *texts[TEXTS])
{
    const char *const all[TEXTS] = { event->name, event->executable, event->unit, event->peer,
        event->route, event->via, event->to, event->verdict, event->reason };
    memcpy(texts, all, sizeof(all));
}

/* --- text ------------------------------------------------------------------------------------- */

static void require_text(const struct event *event)
{
    AUTO_BYTES struct bytes line = BYTES_EMPTY, again = BYTES_EMPTY, message = BYTES_EMPTY;

    event_print_text(event, &line);
    event_print_text(event, &again);
    event_print_message(event, &message);
    REQUIRE(!bytes_failed(&line) && !bytes_failed(&message));
    REQUIRE(line.size == again.size && memcmp(line.data, again.data, line.size) == 0);
    REQUIRE(!memchr(line.data, '\n', line.size));
    require_printable(line.data, line.size);
    REQUIRE(line.size == strlen("12:00:00 ") + message.size);
    REQUIRE(strcmp(line.data + strlen("12:00:00 "), message.data) == 0);
}

/* --- JSON ------------------------------------------------------------------------------------- */

static void require_number(const json_t *line, const char *key, uint64_t number)
{
    const json_t *value = json_object_get(line, key);
    REQUIRE(json_is_integer(value) && (uint64_t)json_integer_value(value) == number);
}

static void require_id(const json_t *line, const char *key, int64_t id, bool known)
{
    const json_t *value = json_object_get(line, key);
    REQUIRE(
        known ? json_is_integer(value) && json_integer_value(value) == id : json_is_null(value));
}

static void require_string(const json_t *line, const char *key, const char *raw)
{
    const json_t *value = json_object_get(line, key);
    AUTO_BYTES struct bytes escaped = BYTES_EMPTY;

    if (!raw) {
        REQUIRE(json_is_null(value));
        return;
    }
    bytes_append_escaped(&escaped, raw, strlen(raw));
    REQUIRE(json_is_string(value) && !bytes_failed(&escaped));
    REQUIRE(json_string_length(value) == escaped.size);
    REQUIRE(memcmp(json_string_value(value), escaped.data, escaped.size) == 0);
}

/* Read again, a line has all that the event has, and each fact once. */
static void require_json(const struct event *event)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;
    const struct event_who *who = event->who;
    const char *texts[TEXTS];

    event_print_json(event, &text);
    REQUIRE(!bytes_failed(&text) && !memchr(text.data, '\n', text.size));
    require_printable(text.data, text.size);
    json_t *line = json_loadb(text.data, text.size, JSON_REJECT_DUPLICATES, NULL);
    REQUIRE(line && json_object_size(line) == 19);
    require_string(line, "event", event_kind_name(event->kind));
    texts_get(event, texts);
    for (size_t i = 0; i < TEXTS; i++)
        require_string(line, text_keys[i], texts[i]);
    require_id(line, "pid", who ? who->pid : 0, who && who->pid > 0);
    require_id(line, "uid", who ? who->uid : 0, who && who->uid != (uid_t)-1);
    require_id(line, "gid", who ? who->gid : 0, who && who->gid != (gid_t)-1);
    require_number(line, "bytes_in", event->bytes_in);
    require_number(line, "bytes_out", event->bytes_out);
    require_number(line, "descriptors", event->descriptors);
    require_number(line, "dropped", event->dropped);
    require_number(line, "age_ms", (uint64_t)event->age_ms);
    json_decref(line);
}

/* --- the log ---------------------------------------------------------------------------------- */

/* Into a file, where there is always room, every event goes, however long its texts are. */
static void require_logged(const struct event *event, enum log_format format)
{
    static char line[LOG_LINE_MAX + 1];
    AUTO_FD int file = memfd_create("log", MFD_CLOEXEC);
    struct log log;

    REQUIRE(file >= 0);
    log_init(&log, file, format);
    log_event(event, &log);
    REQUIRE(log.lost == 0 && log.rest_size == 0);
    log_fini(&log);
    ssize_t size = pread(file, line, sizeof(line), 0);
    REQUIRE(size > 0 && (size_t)size <= LOG_LINE_MAX);
    REQUIRE(memchr(line, '\n', (size_t)size) == line + size - 1);
    require_printable(line, (size_t)size);
    if (format != LOG_JSON)
        return;
    json_t *read = json_loadb(line, (size_t)size, JSON_REJECT_DUPLICATES, NULL);
    REQUIRE(read && json_object_size(read) == 19);
    json_decref(read);
}

/* --- the journal ------------------------------------------------------------------------------ */

struct field {
    const char *name, *value;
    size_t name_size, value_size;
};

/* Takes a field off a datagram, as the protocol has it. */
static void field_take(const char **at, const char *end, struct field *ret_field)
{
    const char *feed = memchr(*at, '\n', (size_t)(end - *at));
    REQUIRE(feed);
    const char *sign = memchr(*at, '=', (size_t)(feed - *at));
    uint64_t size = 0;

    *ret_field = (struct field){ .name = *at, .name_size = (size_t)((sign ? sign : feed) - *at) };
    if (sign) {
        ret_field->value = sign + 1;
        ret_field->value_size = (size_t)(feed - sign) - 1;
        *at = feed + 1;
        return;
    }
    REQUIRE((size_t)(end - feed) > 8);
    for (size_t i = 8; i; i--)
        size = size << 8 | (unsigned char)feed[i];
    REQUIRE(size < (size_t)(end - feed) - 9);
    ret_field->value = feed + 9;
    ret_field->value_size = size;
    REQUIRE(ret_field->value[size] == '\n');
    *at = ret_field->value + size + 1;
}

static bool field_is(const struct field *field, const char *name)
{
    return field->name_size == strlen(name) && memcmp(field->name, name, field->name_size) == 0;
}

/* Every text is there once, as it came; no name of a peer makes a field of its own. */
static void require_journal(const struct event *event)
{
    AUTO_BYTES struct bytes record = BYTES_EMPTY;
    const char *texts[TEXTS];
    unsigned found[TEXTS] = { 0 }, messages = 0;
    struct field field;

    journal_print(event, &record);
    REQUIRE(!bytes_failed(&record));
    texts_get(event, texts);
    for (const char *at = record.data; at < record.data + record.size;) {
        field_take(&at, record.data + record.size, &field);
        REQUIRE(strspn(field.name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") == field.name_size);
        messages += field_is(&field, "MESSAGE");
        for (size_t i = 0; i < TEXTS; i++) {
            if (!field_is(&field, field_names[i]))
                continue;
            found[i]++;
            REQUIRE(texts[i] && field.value_size == strlen(texts[i]));
            REQUIRE(memcmp(field.value, texts[i], field.value_size) == 0);
        }
    }
    REQUIRE(messages == 1);
    for (size_t i = 0; i < TEXTS; i++)
        REQUIRE(found[i] == (texts[i] && texts[i][0]));
}

int property_event(const uint8_t *data, size_t size)
{
    struct sample sample;
    struct event_who who;
    struct event event;

    if (size < sizeof(sample))
        return 0;
    memcpy(&sample, data, sizeof(sample));
    size -= sizeof(sample);
    AUTO_FREE char *texts = malloc(size + 1);
    REQUIRE(texts);
    memcpy(texts, data + sizeof(sample), size);
    texts[size] = '\0';
    event_read(&sample, texts, size, &who, &event);
    size_t descriptors = count_descriptors();
    require_text(&event);
    require_json(&event);
    require_logged(&event, LOG_TEXT);
    require_logged(&event, LOG_JSON);
    require_journal(&event);
    REQUIRE(count_descriptors() == descriptors);
    return event.name || event.peer;
}
