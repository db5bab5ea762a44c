/* address_options.c - the keys of every scheme: who knows them, which verb can use them, what their
 * values look like. One table; adding an option is adding a row.
 *
 * Values are checked when parsed and kept in one canonical spelling, so the getters cannot fail.
 */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/number.h"
#include "wire/address_parse.h"
#include "wire/frame.h"
#include "wire/subject.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

enum value_kind {
    VALUE_MODE,   /* octal, 0 to 0777: set-id and sticky bits mean nothing on what we make */
    VALUE_NAME,   /* a user or group, by name or number */
    VALUE_NUMBER, /* decimal */
    VALUE_SIZE,   /* decimal with k, M, G */
    VALUE_SPAN,   /* as clock_parse_ms() has it */
    VALUE_FLAG,   /* yes, no, or the key alone for yes, which is the canonical form */
    VALUE_FRAME,  /* lf, length, none */
    VALUE_SHARE,  /* a percentage, to a millionth */
    VALUE_PATH,
    VALUE_UNIX,      /* a path or an abstract name */
    VALUE_QUEUE,     /* a queue's name */
    VALUE_PLACE,     /* [HOST:]PORT */
    VALUE_GROUPS,    /* multicast groups, numbers parted by blanks */
    VALUE_HOSTS,     /* other addresses, so too */
    VALUE_INTERFACE, /* of the network */
    VALUE_SUBJECTS,  /* whom a rule is about, parted by blanks */
    VALUE_SECONDS,   /* a span of whole seconds */
    VALUE_LINGER,    /* the same, or no */
    VALUE_TOS,       /* a traffic class, by name or number */
    VALUE_WORD,      /* an interface's or algorithm's name */
};

struct option_row {
    const char *key;
    unsigned schemes; /* bits of 1 << enum ferry_scheme */
    unsigned verbs;   /* enum address_verb, and SOCKET_OPTION */
    enum value_kind kind;
    int64_t least, most; /* of numbers and sizes; of VALUE_SECONDS in seconds */
};

#define AUTO           (1u << FERRY_AUTO)
#define UNIX_CONNECTED (1u << FERRY_UNIX | 1u << FERRY_UNIX_SEQ | AUTO)
#define UNIX_ANY       (UNIX_CONNECTED | 1u << FERRY_UNIX_DGRAM)
#define INET_ANY       (1u << FERRY_TCP | 1u << FERRY_UDP)
#define UDP            (1u << FERRY_UDP)
#define FIFO           (1u << FERRY_FIFO)
#define MQ             (1u << FERRY_MQ)
#define FD             (1u << FERRY_FD)
#define PLAIN_FILE     (1u << FERRY_FILE)
#define ICMP           (1u << FERRY_ICMP)
#define STREAM_ANY     (1u << FERRY_UNIX | 1u << FERRY_TCP | FIFO | FD | PLAIN_FILE | 1u << FERRY_STDIO)
#define RELAYED        (STREAM_ANY | UNIX_ANY | INET_ANY | MQ | ICMP)
#define BOTH           (ADDRESS_LISTEN | ADDRESS_DIAL)
/* Among the verbs: transport/socket_options.c knows how to set it. */
#define SOCKET_OPTION (1u << 2)
#define TCP_FD        (1u << FERRY_TCP | FD)
#define INET_FD       (INET_ANY | FD)
#define SOCKET_FD     (UNIX_ANY | INET_FD)

/* In the order in which options print. Rows of one key stand together and share no scheme.
 * Ranges of queues: HARD_MSGMAX and HARD_MSGSIZEMAX of the kernel, MQ_PRIO_MAX of mq_send(3). */
static const struct option_row rows[] = {
    { "mode", UNIX_ANY | PLAIN_FILE, BOTH, VALUE_MODE, 0, 0 },
    { "mode", FIFO | MQ, ADDRESS_LISTEN, VALUE_MODE, 0, 0 },
    { "owner", UNIX_ANY, BOTH, VALUE_NAME, 0, 0 },
    { "owner", FIFO | MQ, ADDRESS_LISTEN, VALUE_NAME, 0, 0 },
    { "group", UNIX_ANY, BOTH, VALUE_NAME, 0, 0 },
    { "group", FIFO | MQ, ADDRESS_LISTEN, VALUE_NAME, 0, 0 },
    { "backlog", UNIX_CONNECTED | 1u << FERRY_TCP, ADDRESS_LISTEN, VALUE_NUMBER, 0, INT_MAX },
    { "maxmsg", MQ, ADDRESS_LISTEN, VALUE_NUMBER, 1, 65536 },
    { "msgsize", MQ, ADDRESS_LISTEN, VALUE_SIZE, 1, 16 << 20 },
    { "bind", UNIX_ANY, ADDRESS_DIAL, VALUE_UNIX, 0, 0 },
    { "bind", INET_ANY, ADDRESS_DIAL, VALUE_PLACE, 0, 0 },
    { "timeout", UNIX_ANY | INET_ANY | FIFO | MQ | ICMP, ADDRESS_DIAL, VALUE_SPAN, 0, 0 },
    { "ttl", ICMP, ADDRESS_DIAL, VALUE_NUMBER, 1, 255 },
    { "ttl", UDP, ADDRESS_DIAL, VALUE_NUMBER, 0, 255 },
    { "priority", MQ, ADDRESS_DIAL, VALUE_NUMBER, 0, 32767 },
    { "priority", INET_FD, BOTH | SOCKET_OPTION, VALUE_NUMBER, 0, INT_MAX },
    { "offset", PLAIN_FILE, BOTH, VALUE_SIZE, 0, INT64_MAX },
    { "length", PLAIN_FILE, BOTH, VALUE_SIZE, 0, INT64_MAX },
    { "append", PLAIN_FILE, BOTH, VALUE_FLAG, 0, 0 },
    { "reply", FIFO, BOTH, VALUE_PATH, 0, 0 },
    { "reply", MQ, BOTH, VALUE_QUEUE, 0, 0 },
    { "frame", STREAM_ANY, BOTH, VALUE_FRAME, 0, 0 },
    { "descriptors", UNIX_ANY | FD, BOTH, VALUE_FLAG, 0, 0 },
    { "ring", AUTO, BOTH, VALUE_FLAG, 0, 0 },
    { "join", UDP, ADDRESS_LISTEN, VALUE_GROUPS, 0, 0 },
    { "source", UDP, ADDRESS_LISTEN, VALUE_HOSTS, 0, 0 },
    { "interface", UDP, BOTH, VALUE_INTERFACE, 0, 0 },
    { "loop", UDP, ADDRESS_DIAL, VALUE_FLAG, 0, 0 },
    { "broadcast", UDP, ADDRESS_DIAL, VALUE_FLAG, 0, 0 },
    { "delay", RELAYED, BOTH, VALUE_SPAN, 0, 0 },
    { "jitter", RELAYED, BOTH, VALUE_SPAN, 0, 0 },
    { "rate", RELAYED, BOTH, VALUE_SIZE, 1, INT64_MAX },
    { "loss", RELAYED, BOTH, VALUE_SHARE, 0, 0 },
    { "reset-after", RELAYED, BOTH, VALUE_SPAN, 0, 0 },
    /* Socket options. Ranges: MAX_TCP_KEEPIDLE, MAX_TCP_KEEPINTVL, MAX_TCP_KEEPCNT of the kernel;
     * what an int holds in bytes, seconds or milliseconds. */
    { "keepalive", TCP_FD, BOTH | SOCKET_OPTION, VALUE_FLAG, 0, 0 },
    { "keepidle", TCP_FD, BOTH | SOCKET_OPTION, VALUE_SECONDS, 1, 32767 },
    { "keepintvl", TCP_FD, BOTH | SOCKET_OPTION, VALUE_SECONDS, 1, 32767 },
    { "keepcnt", TCP_FD, BOTH | SOCKET_OPTION, VALUE_NUMBER, 1, 127 },
    { "user-timeout", TCP_FD, BOTH | SOCKET_OPTION, VALUE_SPAN, 0, INT_MAX },
    { "linger", TCP_FD, BOTH | SOCKET_OPTION, VALUE_LINGER, 0, 32767 },
    { "nodelay", TCP_FD, BOTH | SOCKET_OPTION, VALUE_FLAG, 0, 0 },
    { "quickack", TCP_FD, BOTH | SOCKET_OPTION, VALUE_FLAG, 0, 0 },
    { "defer-accept", TCP_FD, ADDRESS_LISTEN | SOCKET_OPTION, VALUE_SECONDS, 1, 32767 },
    { "congestion", TCP_FD, BOTH | SOCKET_OPTION, VALUE_WORD, 0, 0 },
    { "notsent-lowat", TCP_FD, BOTH | SOCKET_OPTION, VALUE_SIZE, 1, INT_MAX },
    { "zerocopy", 1u << FERRY_TCP, BOTH | SOCKET_OPTION, VALUE_FLAG, 0, 0 },
    { "rcvbuf", INET_FD, BOTH | SOCKET_OPTION, VALUE_SIZE, 1, INT_MAX / 2 },
    { "sndbuf", SOCKET_FD, BOTH | SOCKET_OPTION, VALUE_SIZE, 1, INT_MAX / 2 },
    { "rcvtimeo", SOCKET_FD, BOTH | SOCKET_OPTION, VALUE_SPAN, 0, INT_MAX },
    { "sndtimeo", SOCKET_FD, BOTH | SOCKET_OPTION, VALUE_SPAN, 0, INT_MAX },
    { "tos", INET_FD, BOTH | SOCKET_OPTION, VALUE_TOS, 0, 0 },
    { "bindtodevice", INET_FD, BOTH | SOCKET_OPTION, VALUE_WORD, 0, 0 },
    { "reuseaddr", INET_FD, BOTH | SOCKET_OPTION, VALUE_FLAG, 0, 0 },
    { "reuseport", INET_FD, BOTH | SOCKET_OPTION, VALUE_FLAG, 0, 0 },
    { "busy-poll", INET_FD, BOTH | SOCKET_OPTION, VALUE_NUMBER, 0, INT_MAX },
    { "deny", UNIX_ANY | INET_ANY | FIFO | MQ | FD, ADDRESS_LISTEN, VALUE_SUBJECTS, 0, 0 },
    { "allow", UNIX_ANY | INET_ANY | FIFO | MQ | FD, ADDRESS_LISTEN, VALUE_SUBJECTS, 0, 0 },
};
static_assert(COUNT_OF(rows) <= ADDRESS_OPTIONS_MAX, "a draft has room for every row");

int address_option_index(enum ferry_scheme scheme, const char *key, size_t key_size)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (rows[i].schemes & 1u << scheme && strlen(rows[i].key) == key_size &&
            memcmp(rows[i].key, key, key_size) == 0)
            return (int)i;
    return -1;
}

const char *address_option_key(size_t index)
{
    return rows[index].key;
}

int address_option_index_socket(const char *key)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (rows[i].verbs & SOCKET_OPTION && strcmp(rows[i].key, key) == 0)
            return (int)i;
    return -1;
}

bool address_key_known(const char *key, size_t key_size, struct bytes *ret_schemes)
{
    unsigned schemes = 0;
    const char *separator = "";

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (strlen(rows[i].key) == key_size && memcmp(rows[i].key, key, key_size) == 0)
            schemes |= rows[i].schemes;
    for (unsigned scheme = 0; scheme < FERRY_SCHEME_COUNT; scheme++) {
        if (!(schemes & 1u << scheme))
            continue;
        bytes_print(ret_schemes, "%s%s", separator, address_scheme_name((enum ferry_scheme)scheme));
        separator = ", ";
    }
    return schemes != 0;
}

void address_print_keys(struct bytes *text, enum ferry_scheme scheme)
{
    const char *separator = "";
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (!(rows[i].schemes & 1u << scheme))
            continue;
        bytes_print(text, "%s%s", separator, rows[i].key);
        separator = ", ";
    }
}

/* --- values that are numbers ------------------------------------------------------------------ */

struct unit {
    const char *suffix;
    int64_t factor;
};

/* Largest first: a value prints with the first that divides it. */
static const struct unit size_units[] = { { "G", 1 << 30 }, { "M", 1 << 20 }, { "k", 1 << 10 } };
static const struct unit span_units[] = { { "d", 86400000 }, { "h", 3600000 }, { "m", 60000 },
    { "s", 1000 }, { "ms", 1 } };

static void print_units(
    struct bytes *text, int64_t number, const struct unit *units, size_t unit_count)
{
    for (size_t i = 0; i < unit_count && number; i++) {
        if (number % units[i].factor == 0) {
            bytes_print(text, "%lld%s", (long long)(number / units[i].factor), units[i].suffix);
            return;
        }
    }
    bytes_print(text, "%lld", (long long)number);
}

void address_print_size(struct bytes *text, int64_t size)
{
    print_units(text, size, size_units, COUNT_OF(size_units));
}

void address_print_span(struct bytes *text, int64_t span_ms)
{
    print_units(text, span_ms, span_units, COUNT_OF(span_units));
}

/* "K" is understood, so that nobody has to remember. */
int64_t address_parse_size(const char *text, int64_t most)
{
    char digits[24];
    size_t size = strspn(text, "0123456789");
    int64_t number, factor = text[size] == 'K' ? 1 << 10 : 1;

    if (size >= sizeof(digits))
        return -1;
    memcpy(digits, text, size);
    digits[size] = '\0';
    number = number_parse(digits, 10, INT64_MAX);
    for (size_t i = 0; i < COUNT_OF(size_units); i++)
        if (text[size] == size_units[i].suffix[0])
            factor = size_units[i].factor;
    if (number < 0 || (text[size] && (factor == 1 || text[size + 1])) ||
        __builtin_mul_overflow(number, factor, &number) || number > most)
        return -1;
    return number;
}

static int out_of_range(
    const struct address_source *source, size_t at, const struct option_row *row, const char *what)
{
    char expected[128];
    if (row->most == INT64_MAX)
        snprintf(expected, sizeof(expected), "%s", what);
    else
        snprintf(expected, sizeof(expected), "%s from %lld to %lld", what, (long long)row->least,
            (long long)row->most);
    return address_fail_expected(source, at, NULL, expected);
}

static int read_mode(
    const struct address_source *source, size_t at, const char *given, struct bytes *value)
{
    int64_t mode = number_parse(given, 8, 0777);
    if (mode < 0)
        return address_fail_expected(source, at, NULL, "an octal mode up to 0777, as 0660");
    bytes_print(value, "%04o", (unsigned)mode);
    return 0;
}

static int read_number(const struct address_source *source, size_t at, const struct option_row *row,
    const char *given, struct bytes *value)
{
    int64_t number = number_parse(given, 10, row->most);
    if (number < row->least)
        return out_of_range(source, at, row, "a number");
    bytes_print(value, "%lld", (long long)number);
    return 0;
}

static int read_size(const struct address_source *source, size_t at, const struct option_row *row,
    const char *given, struct bytes *value)
{
    int64_t number = address_parse_size(given, row->most);
    if (number < row->least)
        return out_of_range(source, at, row, "a size in bytes, as 4096, 64k, 1M or 2G");
    print_units(value, number, size_units, COUNT_OF(size_units));
    return 0;
}

static int read_span(const struct address_source *source, size_t at, const struct option_row *row,
    const char *given, struct bytes *value)
{
    int64_t span_ms = clock_parse_ms(given);
    if (span_ms < 0 || (row->most && span_ms > row->most))
        return address_fail_expected(source, at, NULL, "a time, as 250ms, 30s, 5m, 2h or 1d");
    address_print_span(value, span_ms);
    return 0;
}

static int read_seconds(const struct address_source *source, size_t at,
    const struct option_row *row, const char *given, struct bytes *value)
{
    int64_t span_ms = clock_parse_ms(given);
    if (span_ms < row->least * 1000 || span_ms > row->most * 1000 || span_ms % 1000)
        return out_of_range(source, at, row,
            row->kind == VALUE_LINGER ? "no, or seconds"
                                      : "a time of whole seconds, as 30s or 5m,");
    address_print_span(value, span_ms);
    return 0;
}

/* "1.5%": up to four digits after the point, so that a millionth is the least. -1 when it is none.
 */
static int64_t share_parse(const char *text)
{
    char digits[24];
    size_t size = strspn(text, "0123456789"), point = text[size] == '.';
    size_t decimals = point ? strspn(text + size + 1, "0123456789") : 0;

    if (size < 1 || size > 3 || decimals > 4 || (point && !decimals) ||
        strcmp(text + size + point + decimals, "%") != 0)
        return -1;
    snprintf(digits, sizeof(digits), "%.*s%.*s%.*s", (int)size, text, (int)decimals,
        text + size + point, (int)(4 - decimals), "0000");
    return number_parse(digits, 10, MILLIONTHS);
}

static int read_share(
    const struct address_source *source, size_t at, const char *given, struct bytes *value)
{
    char text[16];
    int64_t share = share_parse(given);
    if (share < 0)
        return address_fail_expected(
            source, at, NULL, "a percentage from 0% to 100%, as 1% or 0.25%");
    size_t size = (size_t)snprintf(
        text, sizeof(text), "%lld.%04lld", (long long)share / 10000, (long long)share % 10000);
    while (text[size - 1] == '0')
        size--;
    if (text[size - 1] == '.')
        size--;
    bytes_append(value, text, size);
    bytes_append_char(value, '%');
    return 0;
}

/* --- values that are text --------------------------------------------------------------------- */

static int read_name(
    const struct address_source *source, const struct address_part *part, struct bytes *value)
{
    if (!part->bytes.size)
        return address_fail_expected(source, part->at, NULL, "a name or a number");
    if (part->bytes.size > NAME_MAX)
        return address_fail(
            source, -ENAMETOOLONG, part->at, NULL, "a name has at most %d bytes", NAME_MAX);
    bytes_append(value, part->bytes.data, part->bytes.size);
    return 0;
}

static int read_flag(
    const struct address_source *source, size_t at, const char *given, struct bytes *value)
{
    if (strcmp(given, "no") == 0)
        bytes_append_text(value, given);
    else if (strcmp(given, "yes") != 0)
        return address_fail_expected(source, at, NULL, "yes or no");
    return 0;
}

static int read_frame(
    const struct address_source *source, size_t at, const char *given, struct bytes *value)
{
    if (frame_from_name(given) == FRAME_ABSENT)
        return address_fail_expected(source, at, NULL, "lf, length or none");
    bytes_append_text(value, given);
    return 0;
}

static int read_place(
    const struct address_source *source, const struct address_part *part, struct bytes *value)
{
    AUTO_BYTES struct bytes host = BYTES_EMPTY;
    uint16_t port;
    int r = address_read_place(source, part, &host, &port);
    if (r == 0)
        address_print_place(value, host.data, port);
    return r;
}

/* Whether a user or file of that name is there, is asked where the rules are used. */
static int read_subjects(
    const struct address_source *source, const struct address_part *part, struct bytes *value)
{
    bool escapes = part->end - part->at != part->bytes.size;
    struct subject subject;
    struct ferry_error error;

    for (const char *at = part->bytes.data; *at;) {
        AUTO_FREE char *word = strndup(at, strcspn(at, SUBJECT_BLANKS));
        if (!word)
            return address_fail_memory(source);
        if (*word && subject_parse(word, &subject, &error) < 0)
            return address_fail(source, -EINVAL,
                escapes ? part->at : part->at + (size_t)(at - part->bytes.data), error.remedy,
                "%s: %s", error.thing, error.reason);
        if (*word)
            bytes_print(value, "%s%s", value->size ? " " : "", word);
        at += *word ? strlen(word) : 1;
    }
    return value->size ? 0
                       : address_fail_expected(
                             source, part->at, NULL, "whom it is about, as uid:1000 group:dev");
}

int address_read_value(const struct address_source *source, size_t index, size_t at,
    const struct address_part *part, struct bytes *ret_value)
{
    const struct option_row *row = &rows[index];
    bool abstract;

    if (!part)
        return row->kind == VALUE_FLAG
                   ? 0
                   : address_fail_expected(source, at, NULL, "'=' and a value after the key");
    const char *given = part->bytes.data;
    switch (row->kind) {
    case VALUE_MODE:
        return read_mode(source, part->at, given, ret_value);
    case VALUE_NAME:
        return read_name(source, part, ret_value);
    case VALUE_NUMBER:
        return read_number(source, part->at, row, given, ret_value);
    case VALUE_SIZE:
        return read_size(source, part->at, row, given, ret_value);
    case VALUE_SPAN:
        return read_span(source, part->at, row, given, ret_value);
    case VALUE_FLAG:
        return read_flag(source, part->at, given, ret_value);
    case VALUE_SHARE:
        return read_share(source, part->at, given, ret_value);
    case VALUE_FRAME:
        return read_frame(source, part->at, given, ret_value);
    case VALUE_PATH:
        return address_read_path(source, part, ret_value);
    case VALUE_UNIX:
        return address_read_unix(source, part, ret_value, &abstract);
    case VALUE_QUEUE:
        return address_read_queue(source, part, ret_value);
    case VALUE_PLACE:
        return read_place(source, part, ret_value);
    case VALUE_GROUPS:
    case VALUE_HOSTS:
        return address_read_hosts(source, part, row->kind == VALUE_GROUPS, ret_value);
    case VALUE_INTERFACE:
        return address_read_interface(source, part, ret_value);
    case VALUE_SUBJECTS:
        return read_subjects(source, part, ret_value);
    case VALUE_LINGER:
        if (strcmp(given, "no") == 0)
            return read_flag(source, part->at, given, ret_value);
        return read_seconds(source, part->at, row, given, ret_value);
    case VALUE_SECONDS:
        return read_seconds(source, part->at, row, given, ret_value);
    case VALUE_TOS:
        return address_read_tos(source, part, ret_value);
    case VALUE_WORD:
        return address_read_word(source, part, ret_value);
    }
    return -EINVAL;
}

/* --- the verb --------------------------------------------------------------------------------- */

int address_check_verb(
    const struct ferry_address *address, enum address_verb verb, struct ferry_error *error)
{
    if (verb == ADDRESS_LISTEN && address->scheme == FERRY_ICMP)
        return error_set(error, -EOPNOTSUPP, address->text, "listen on unix-dgram: or udp:",
            "nobody can listen there: the kernel answers echo requests, icmp: is for dialling");
    for (size_t i = 0; i < address->option_count; i++) {
        const char *key = address->options[i].key;
        int index = address_option_index(address->scheme, key, strlen(key));
        if (!(rows[index].verbs & verb))
            return error_set(error, -EINVAL, address->text, "leave it out",
                verb == ADDRESS_LISTEN ? "listening cannot use %s, which is for dialling"
                                       : "dialling cannot use %s, which is for listening",
                key);
    }
    return 0;
}

/* --- getting values --------------------------------------------------------------------------- */

bool address_get_flag(const struct ferry_address *address, const char *key, bool absent)
{
    const char *value = ferry_address_option(address, key);
    return value ? strcmp(value, "no") != 0 : absent;
}

int64_t address_get_number(const struct ferry_address *address, const char *key, int64_t absent)
{
    const char *value = ferry_address_option(address, key);
    return value ? number_parse(value, 10, INT64_MAX) : absent;
}

int64_t address_get_size(const struct ferry_address *address, const char *key, int64_t absent)
{
    const char *value = ferry_address_option(address, key);
    return value ? address_parse_size(value, INT64_MAX) : absent;
}

unsigned address_get_mode(const struct ferry_address *address, const char *key, unsigned absent)
{
    const char *value = ferry_address_option(address, key);
    return value ? (unsigned)number_parse(value, 8, 0777) : absent;
}

int64_t address_get_span_ms(const struct ferry_address *address, const char *key, int64_t absent)
{
    const char *value = ferry_address_option(address, key);
    return value ? clock_parse_ms(value) : absent;
}

unsigned address_get_share(const struct ferry_address *address, const char *key)
{
    const char *value = ferry_address_option(address, key);
    return value ? (unsigned)share_parse(value) : 0;
}
