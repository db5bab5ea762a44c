/* properties.c - what must hold of the wire floor, and of weather. */
#include "properties.h"

#include "base/bytes.h"
#include "base/cleanup.h"
#include "channel/limits.h"
#include "channel/weather.h"
#include "require.h"
#include "wire/address.h"
#include "wire/cgroup.h"
#include "wire/config.h"
#include "wire/control.h"
#include "wire/frame.h"
#include "wire/limits.h"
#include "wire/subject.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- addresses -------------------------------------------------------------------------------- */

static void require_same(const struct ferry_address *one, const struct ferry_address *other)
{
    REQUIRE(ferry_address_equal(one, other));
    REQUIRE(one->scheme == other->scheme);
    REQUIRE(one->rest_size == other->rest_size);
    REQUIRE(memcmp(one->rest, other->rest, one->rest_size + 1) == 0);
    REQUIRE(one->abstract == other->abstract);
    REQUIRE(one->port == other->port);
    REQUIRE(one->descriptor == other->descriptor);
    REQUIRE(one->option_count == other->option_count);
    for (size_t i = 0; i < one->option_count; i++) {
        REQUIRE(one->options[i].key == other->options[i].key);
        REQUIRE(strcmp(one->options[i].value, other->options[i].value) == 0);
    }
}

static void require_usable(const struct ferry_address *address)
{
    char **words;

    REQUIRE(strlen(address->text) <= ADDRESS_SIZE_MAX);
    REQUIRE(address->abstract || strlen(address->rest) == address->rest_size);
    REQUIRE(address_get_number(address, "backlog", 0) >= 0);
    REQUIRE(address_get_number(address, "maxmsg", 1) >= 1);
    REQUIRE(address_get_number(address, "priority", 0) >= 0);
    REQUIRE(address_get_size(address, "msgsize", 1) >= 1);
    REQUIRE(address_get_size(address, "offset", 0) >= 0);
    REQUIRE(address_get_span_ms(address, "timeout", 0) >= 0);
    REQUIRE(address_get_mode(address, "mode", 0) <= 0777);
    if (address->scheme == FERRY_EXEC) {
        REQUIRE(address_split_command(address->rest, &words) >= 1);
        free(words);
    }
}

static void require_weather(const struct ferry_address *address)
{
    struct weather weather = WEATHER_FAIR, said;
    struct departures departures = { 0 };
    int64_t now_ns = INT64_MAX / 4, arrival_ns;

    weather_read(address, &said);
    weather_add(&weather, &said, address->scheme == FERRY_UDP);
    weather_add(&weather, &said, address->scheme == FERRY_UDP);
    REQUIRE(weather.loss <= MILLIONTHS && weather.stall <= MILLIONTHS && weather.reset_ns >= 0);
    size_t size = weather_piece_size(&weather);
    REQUIRE(size >= WEATHER_SEGMENT_SIZE && size <= WEATHER_PIECE_SIZE_MAX);
    REQUIRE(weather_held_size(&weather) >= WEATHER_HELD_SIZE_MIN);
    REQUIRE(weather_held_size(&weather) <= WEATHER_HELD_SIZE_MAX);
    for (int i = 0; i < 3; i++)
        if (departures_next(&departures, &weather, size, now_ns, &arrival_ns)) {
            REQUIRE(arrival_ns >= now_ns);
            REQUIRE(departures_end(&departures, &weather, now_ns) >= arrival_ns);
        }
}

/* The first byte chooses whether there is a base folder. */
int property_address(const uint8_t *data, size_t size)
{
    static const char *const bases[] = { NULL, "/base,\\", "@rel", "//", "/b c/" };
    struct ferry_address *one, *other;
    struct ferry_error error = { 0 };

    if (!size)
        return 0;
    AUTO_FREE char *text = strndup((const char *)data + 1, size - 1);
    const char *base = bases[data[0] % COUNT_OF(bases)];
    if (ferry_address_parse(text, base, &one, &error) < 0) {
        REQUIRE(strncmp(error.reason, "column ", 7) == 0);
        REQUIRE(strtoul(error.reason + 7, NULL, 10) >= 1);
        REQUIRE(strtoul(error.reason + 7, NULL, 10) <= strlen(text) + 1);
        return 0;
    }
    require_usable(one);
    require_weather(one);
    REQUIRE(ferry_address_parse(ferry_address_text(one), NULL, &other, NULL) == 0);
    require_same(one, other);
    ferry_address_free(one);
    ferry_address_free(other);
    return 1;
}

/* --- configurations --------------------------------------------------------------------------- */

static void print_entries(const struct config *config, struct bytes *text)
{
    unsigned section_line = 0;

    for (size_t i = 0; i < config_entry_count(config); i++) {
        const struct config_entry *entry = config_get_entry(config, i);
        if (entry->section_place.line != section_line)
            bytes_print(text, "[%s %s]\n", entry->section, entry->name);
        section_line = entry->section_place.line;
        bytes_print(text, "%s = %s\n", entry->key, entry->value);
    }
}

static void require_places(const struct config *config, size_t size)
{
    for (size_t i = 0; i < config_problem_count(config); i++) {
        const struct config_problem *problem = config_get_problem(config, i);
        REQUIRE(problem->text[0]);
        REQUIRE(problem->place.line >= 1 && problem->place.line <= size + 1);
        REQUIRE(problem->place.column >= 1 && problem->place.column <= size + 1);
    }
    for (size_t i = 0; i < config_section_count(config); i++)
        REQUIRE(config_get_section(config, i)->section[0]);
}

int property_config(const uint8_t *data, size_t size)
{
    struct config *one, *other;
    AUTO_BYTES struct bytes text = BYTES_EMPTY;

    REQUIRE(config_new(&one) == 0 && config_new(&other) == 0);
    REQUIRE(config_parse(one, "one", (const char *)data, size) == 0);
    require_places(one, size);
    size_t count = config_entry_count(one);
    if (!config_problem_count(one)) {
        print_entries(one, &text);
        REQUIRE(!bytes_failed(&text));
        REQUIRE(config_parse(other, "other", text.data, text.size) == 0);
        REQUIRE(config_problem_count(other) == 0);
        REQUIRE(config_entry_count(other) == count);
        for (size_t i = 0; i < count; i++) {
            const struct config_entry *a = config_get_entry(one, i),
                                      *b = config_get_entry(other, i);
            REQUIRE(strcmp(a->section, b->section) == 0 && strcmp(a->name, b->name) == 0);
            REQUIRE(strcmp(a->key, b->key) == 0 && strcmp(a->value, b->value) == 0);
        }
    }
    config_free(one);
    config_free(other);
    return count > 0;
}

/* --- control data ----------------------------------------------------------------------------- */

static size_t surplus_count;

static void count_surplus(int fd)
{
    (void)fd;
    surplus_count++;
}

/* What is laid out is found again: as many descriptors as fit, and credentials if there are any. */
static void require_walks_back(const int *descriptors, size_t count, bool credentials)
{
    _Alignas(struct cmsghdr) char buffer[CONTROL_SEND_SIZE];
    const struct ferry_credentials sent = { 4711, 1000, 100 };
    int found[FERRY_DESCRIPTORS_MAX];
    struct control_facts facts;
    struct msghdr header = { 0 };

    count = count < FERRY_DESCRIPTORS_MAX ? count : FERRY_DESCRIPTORS_MAX;
    control_put(&header, buffer, descriptors, count, credentials ? &sent : NULL);
    REQUIRE(header.msg_controllen == (count ? CMSG_SPACE(count * sizeof(int)) : 0) +
                                         (credentials ? CMSG_SPACE(sizeof(struct ucred)) : 0));
    surplus_count = 0;
    control_walk(&header, found, count, count_surplus, &facts);
    /* Padding makes no descriptor. */
    REQUIRE(facts.descriptor_count == count && surplus_count == 0 && facts.pidfd == -1);
    REQUIRE(!count || memcmp(found, descriptors, count * sizeof(int)) == 0);
    REQUIRE(facts.has_credentials == credentials && facts.any == (count > 0 || credentials));
    REQUIRE(
        !credentials || (facts.credentials.pid == sent.pid && facts.credentials.uid == sent.uid &&
                            facts.credentials.gid == sent.gid));
}

/* The first byte is how much room there is. */
int property_control(const uint8_t *data, size_t size)
{
    int descriptors[256];
    struct control_facts whole, cut;

    if (!size)
        return 0;
    size_t room = data[0];
    /* Exactly as large as the data, so that a sanitizer sees every step outside. */
    AUTO_FREE char *control = malloc(size);
    REQUIRE(control);
    memcpy(control, data + 1, size - 1);
    struct msghdr header = { .msg_control = control, .msg_controllen = size - 1 };
    AUTO_FREE int *all = malloc(size * sizeof(int));
    REQUIRE(all);

    surplus_count = 0;
    control_walk(&header, all, size, count_surplus, &whole);
    size_t pidfds = surplus_count;
    REQUIRE(whole.descriptor_count * sizeof(int) < size);
    REQUIRE(whole.pidfd >= -1 && !whole.truncated);
    REQUIRE(!whole.label || (whole.label_size > 0 && whole.label > control &&
                                whole.label + whole.label_size <= control + size - 1));

    surplus_count = 0;
    control_walk(&header, descriptors, room, count_surplus, &cut);
    REQUIRE(cut.descriptor_count <= room);
    REQUIRE(cut.descriptor_count + surplus_count == whole.descriptor_count + pidfds);
    REQUIRE(memcmp(all, descriptors, cut.descriptor_count * sizeof(int)) == 0);
    require_walks_back(all, whole.descriptor_count, room & 1);
    return whole.descriptor_count > 0;
}

/* --- frames ----------------------------------------------------------------------------------- */

/* The first byte chooses the frame. */
int property_frame(const uint8_t *data, size_t size)
{
    static const enum frame frames[] = { FRAME_LF, FRAME_LENGTH, FRAME_NONE };
    AUTO_BYTES struct bytes again = BYTES_EMPTY;
    size_t body, body_size, next, head_size, tail_size, at = 0;
    char head[FRAME_HEAD_MAX], tail[FRAME_TAIL_MAX];
    const char *stream = (const char *)data + 1;
    int r = 0;

    if (!size--)
        return 0;
    enum frame frame = frames[data[0] % COUNT_OF(frames)];
    for (; (r = frame_find(frame, stream + at, size - at, &body, &body_size, &next)) == 1;
         at += next) {
        REQUIRE(next > 0 && body + body_size <= next && next <= size - at);
        REQUIRE(frame_fits(frame, stream + at + body, body_size) == 0);
        REQUIRE(frame_wrap(frame, body_size, head, &head_size, tail, &tail_size) == 0);
        bytes_append(&again, head, head_size);
        bytes_append(&again, stream + at + body, body_size);
        bytes_append(&again, tail, tail_size);
    }
    REQUIRE(!bytes_failed(&again) && again.size == at);
    REQUIRE(!at || memcmp(again.data, stream, at) == 0);
    REQUIRE(r < 0 || size - at < FRAME_SIZE_MAX + FRAME_HEAD_MAX + FRAME_TAIL_MAX);
    return at > 0;
}

/* --- who is there ----------------------------------------------------------------------------- */

static void require_range(const struct host_range *range)
{
    char host[INET6_ADDRSTRLEN], word[sizeof("peer:/128") + sizeof(host)];
    struct subject again;

    REQUIRE(range->bits <= (range->ipv6 ? 128 : 32) && host_range_has(range, range));
    REQUIRE(inet_ntop(range->ipv6 ? AF_INET6 : AF_INET, range->host, host, sizeof(host)));
    snprintf(word, sizeof(word), "peer:%s/%u", host, range->bits);
    REQUIRE(subject_parse(word, &again, NULL) == 0);
    REQUIRE(again.range.ipv6 == range->ipv6 && again.range.bits == range->bits);
    REQUIRE(memcmp(again.range.host, range->host, sizeof(range->host)) == 0);
}

int property_subject(const uint8_t *data, size_t size)
{
    AUTO_FREE char *word = strndup((const char *)data, size), *unit = NULL;
    struct ferry_error error = { 0 };
    struct subject subject;

    REQUIRE(word);
    if (subject_parse(word, &subject, &error) < 0) {
        REQUIRE(error.reason[0]);
        return 0;
    }
    REQUIRE(!subject.name || (subject.name > word && subject.name <= word + strlen(word)));
    if (subject.kind == SUBJECT_PEER)
        require_range(&subject.range);
    if (subject.kind == SUBJECT_UNIT) {
        REQUIRE(subject_unit_name(subject.name, &unit) == 0);
        REQUIRE(strncmp(unit, subject.name, strlen(subject.name)) == 0);
    }
    return 1;
}

int property_cgroup(const uint8_t *data, size_t size)
{
    AUTO_FREE char *text = strndup((const char *)data, size);
    size_t length;

    REQUIRE(text);
    AUTO_FREE char *path = cgroup_find(text);
    if (!path)
        return 0;
    REQUIRE(path[0] == '/' && !strchr(path, '\n') && strstr(text, path));
    const char *unit = cgroup_unit(path, &length);
    REQUIRE(!unit || (unit > path && unit + length <= path + strlen(path)));
    REQUIRE(!unit || (length > 0 && !memchr(unit, '/', length)));
    return 1;
}
