/* address_parse.c - the grammar: a scheme, its rest, its options.
 *
 *   address = scheme ":" rest *("," key ["=" value])  |  "-" *("," key ["=" value])
 *
 * Only this file walks the text; what a part means is read by address_rest.c and
 * address_options.c. Every failure names the column where the reader stopped understanding.
 */
#include "wire/address_parse.h"
#include "base/cleanup.h"
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const scheme_names[FERRY_SCHEME_COUNT] = {
    [FERRY_UNIX] = "unix",
    [FERRY_UNIX_DGRAM] = "unix-dgram",
    [FERRY_UNIX_SEQ] = "unix-seq",
    [FERRY_TCP] = "tcp",
    [FERRY_UDP] = "udp",
    [FERRY_FIFO] = "fifo",
    [FERRY_MQ] = "mq",
    [FERRY_FD] = "fd",
    [FERRY_EXEC] = "exec",
    [FERRY_FILE] = "file",
    [FERRY_STDIO] = "-",
    [FERRY_ICMP] = "icmp",
    [FERRY_AUTO] = "auto",
};

const char *address_scheme_name(enum ferry_scheme scheme)
{
    return scheme_names[scheme];
}

/* --- failing ---------------------------------------------------------------------------------- */

int address_fail(const struct address_source *source, int code, size_t at, const char *remedy,
    const char *reason, ...)
{
    char text[sizeof(source->error->reason)];
    va_list arguments;

    va_start(arguments, reason);
    vsnprintf(text, sizeof(text), reason, arguments);
    va_end(arguments);
    return error_set(source->error, code, source->text, remedy, "column %zu: %s", at + 1, text);
}

unsigned address_error_take_column(struct ferry_error *error)
{
    unsigned column = 0;
    int used = 0;

    if (sscanf(error->reason, "column %u: %n", &column, &used) != 1 || !used)
        return 0;
    memmove(error->reason, error->reason + used, strlen(error->reason + used) + 1);
    return column;
}

int address_fail_expected(
    const struct address_source *source, size_t at, const char *remedy, const char *expected)
{
    char found[48];
    const char *text = source->text + at;
    size_t size = strcspn(text, ",");

    if (!*text)
        return address_fail(
            source, -EINVAL, at, remedy, "expected %s, found the end of the text", expected);
    text_escape(text, size ? size : 1, found, sizeof(found));
    return address_fail(source, -EINVAL, at, remedy, "expected %s, found '%s'", expected, found);
}

int address_fail_memory(const struct address_source *source)
{
    return error_set_errno(source->error, -ENOMEM, source->text, NULL);
}

/* --- parts ------------------------------------------------------------------------------------ */

static int hex_digit(char character)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *digit = character ? strchr(digits, character) : NULL;
    return digit ? (int)(digit - digits) % 16 : -1;
}

/* Reads the escape that text begins with; returns its width, or 0 when it is none of ours. */
static size_t escape_read(const char *text, char *ret_character)
{
    if (text[1] == ',' || text[1] == '\\') {
        *ret_character = text[1];
        return 2;
    }
    if (text[1] != 'x' || hex_digit(text[2]) < 0 || hex_digit(text[3]) < 0)
        return 0;
    *ret_character = (char)(hex_digit(text[2]) * 16 + hex_digit(text[3]));
    return 4;
}

static void part_fini(struct address_part *part)
{
    bytes_fini(&part->bytes);
}

#define AUTO_PART __attribute__((cleanup(part_fini)))

/* Reads up to a comma or the end. Everything but an abstract name ends at a NUL where the kernel
 * takes it, so none may stand in it. */
static int part_read(
    const struct address_source *source, size_t at, bool nul_allowed, struct address_part *part)
{
    const char *text = source->text;

    part->at = at;
    for (;;) {
        char character;
        size_t plain = strcspn(text + at, ",\\");
        bytes_append(&part->bytes, text + at, plain);
        at += plain;
        if (text[at] != '\\')
            break;
        size_t width = escape_read(text + at, &character);
        if (!width)
            return address_fail_expected(source, at, "a backslash itself is written \\\\",
                "one of the escapes \\, \\\\ and \\xHH");
        if (!character && !nul_allowed)
            return address_fail(
                source, -EINVAL, at, NULL, "a NUL byte can stand in an abstract name only");
        bytes_append_char(&part->bytes, character);
        at += width;
    }
    part->end = at;
    bytes_append_text(&part->bytes, "");
    return bytes_failed(&part->bytes) ? address_fail_memory(source) : 0;
}

/* --- scheme, rest, options -------------------------------------------------------------------- */

/* Finds the scheme; *ret_at is where its rest begins. */
static int scheme_read(
    const struct address_source *source, enum ferry_scheme *ret_scheme, size_t *ret_at)
{
    const char *text = source->text;
    size_t size = strcspn(text, ":");

    if (text[0] == '-' && (!text[1] || text[1] == ',')) {
        *ret_scheme = FERRY_STDIO;
        *ret_at = 1;
        return 0;
    }
    for (int scheme = 0; scheme < FERRY_SCHEME_COUNT; scheme++) {
        if (scheme == FERRY_STDIO || strlen(scheme_names[scheme]) != size ||
            memcmp(text, scheme_names[scheme], size) != 0)
            continue;
        if (!text[size])
            return address_fail_expected(source, size, NULL, "':' after the scheme");
        *ret_scheme = (enum ferry_scheme)scheme;
        *ret_at = size + 1;
        return 0;
    }
    return address_fail_scheme(source);
}

/* A program by a relative path would be looked for in the working directory, not in the base, and
 * the base cannot be put in front: how words are quoted is the command's own business. */
static int program_check(const struct address_source *source, size_t at)
{
    AUTO_FREE char **words = NULL;
    char found[48];

    int r = address_split_command(source->text + at, &words);
    if (r < 0)
        return r == -ENOMEM ? address_fail_memory(source) : r;
    if (words[0][0] == '/' || !strchr(words[0], '/'))
        return 0;
    text_escape(words[0], strlen(words[0]), found, sizeof(found));
    return address_fail(source, -EINVAL, at + strspn(source->text + at, ADDRESS_BLANKS), NULL,
        "expected an absolute path, or a name that PATH finds, found '%s'", found);
}

/* exec: a command may contain anything, so it is not searched for commas or escapes. */
static int command_read(const struct address_source *source, size_t at, struct bytes *rest)
{
    const char *expected;
    size_t offset;

    if (address_check_command(source->text + at, &offset, &expected) < 0)
        return address_fail_expected(source, at + offset, NULL, expected);
    if (source->base) {
        int r = program_check(source, at);
        if (r < 0)
            return r;
    }
    bytes_append_text(rest, source->text + at);
    return 0;
}

static int unix_read(const struct address_source *source, const struct address_part *part,
    struct address_draft *draft)
{
    int r = address_read_unix(source, part, &draft->rest, &draft->abstract);
    if (r == 0 && draft->abstract && !bytes_failed(&draft->rest))
        bytes_consume(&draft->rest, 1);
    return r;
}

static int part_interpret(const struct address_source *source, const struct address_part *part,
    struct address_draft *draft)
{
    switch (draft->scheme) {
    case FERRY_UNIX:
    case FERRY_UNIX_DGRAM:
    case FERRY_UNIX_SEQ:
    case FERRY_AUTO:
        return unix_read(source, part, draft);
    case FERRY_TCP:
    case FERRY_UDP:
        return address_read_place(source, part, &draft->rest, &draft->port);
    case FERRY_ICMP:
        return address_read_host(source, part, &draft->rest);
    case FERRY_MQ:
        return address_read_queue(source, part, &draft->rest);
    case FERRY_FD:
        return address_read_descriptor(source, part, &draft->rest, &draft->descriptor);
    default:
        return address_read_path(source, part, &draft->rest);
    }
}

static bool scheme_is_unix(enum ferry_scheme scheme)
{
    return scheme <= FERRY_UNIX_SEQ || scheme == FERRY_AUTO;
}

static int rest_read(
    const struct address_source *source, struct address_draft *draft, size_t at, size_t *ret_end)
{
    AUTO_PART struct address_part part = { 0 };
    int r;

    if (draft->scheme == FERRY_STDIO) {
        *ret_end = at;
        return 0;
    }
    if (draft->scheme == FERRY_EXEC) {
        *ret_end = strlen(source->text);
        return command_read(source, at, &draft->rest);
    }
    bool nul_allowed = scheme_is_unix(draft->scheme) && source->text[at] == '@';
    r = part_read(source, at, nul_allowed, &part);
    if (r < 0)
        return r;
    r = part_interpret(source, &part, draft);
    *ret_end = part.end;
    return r;
}

static int key_unknown(const struct address_source *source, enum ferry_scheme scheme, size_t at)
{
    AUTO_BYTES struct bytes expected = BYTES_EMPTY;
    AUTO_BYTES struct bytes keys = BYTES_EMPTY;
    AUTO_BYTES struct bytes schemes = BYTES_EMPTY;
    const char *key = source->text + at;
    size_t key_size = strcspn(key, "=,");

    if (address_key_known(key, key_size, &schemes) && !bytes_failed(&schemes))
        return address_fail(source, -EINVAL, at, "leave it out; ferry-address(7) has the table",
            "%s cannot have %.*s, which is for %s", address_scheme_name(scheme), (int)key_size, key,
            schemes.data);
    address_print_keys(&keys, scheme);
    if (keys.size <= KEYS_SIZE_MAX)
        bytes_print(&expected, "one of the keys %s of %s", keys.data, address_scheme_name(scheme));
    else
        bytes_print(&expected, "one of the keys of %s, which ferry-address(7) lists",
            address_scheme_name(scheme));
    if (bytes_failed(&expected) || bytes_failed(&keys))
        return address_fail_memory(source);
    return address_fail_expected(
        source, at, "a comma that is part of a name is written \\,", expected.data);
}

/* Reads "key[=value]" at `at`; *ret_end is the comma after it, or the end. */
static int option_read(
    const struct address_source *source, struct address_draft *draft, size_t at, size_t *ret_end)
{
    AUTO_PART struct address_part part = { 0 };
    AUTO_BYTES struct bytes value = BYTES_EMPTY;
    const char *key = source->text + at;
    size_t key_size = strcspn(key, "=,");
    bool valued = key[key_size] == '=';
    int index = address_option_index(draft->scheme, key, key_size), r;

    if (index < 0)
        return key_unknown(source, draft->scheme, at);
    if (draft->values[index])
        return address_fail(source, -EINVAL, at, NULL, "expected %s once, found it again",
            address_option_key((size_t)index));
    part.end = at + key_size;
    if (valued) {
        r = part_read(source, part.end + 1, false, &part);
        if (r < 0)
            return r;
    }
    r = address_read_value(source, (size_t)index, part.end, valued ? &part : NULL, &value);
    if (r < 0)
        return r;
    draft->values[index] = bytes_take(&value);
    *ret_end = part.end;
    return draft->values[index] ? 0 : address_fail_memory(source);
}

/* auto:HOST:PORT. To another machine there is one way, and it is an address already: tcp, with
 * boundaries. A path with such a name is ./HOST:PORT. */
static bool is_remote(const char *rest)
{
    size_t size = strcspn(rest, ",");
    const char *colon = memrchr(rest, ':', size);

    if (!colon || colon == rest || memchr(rest, '/', size) || rest[0] == '@' || rest[0] == '.')
        return false;
    size_t digits = strspn(colon + 1, "0123456789");
    return digits > 0 && colon + 1 + digits == rest + size;
}

static int frame_by_length(const struct address_source *source, struct address_draft *draft)
{
    int index = address_option_index(draft->scheme, "frame", strlen("frame"));
    if (draft->values[index])
        return 0;
    draft->values[index] = strdup("length");
    return draft->values[index] ? 0 : address_fail_memory(source);
}

int ferry_address_parse(const char *text, const char *base, struct ferry_address **ret_address,
    struct ferry_error *error)
{
    const struct address_source source = { text, base, error };
    __attribute__((cleanup(address_draft_fini))) struct address_draft draft = { .descriptor = -1 };
    size_t at = 0;
    int r;

    if (strnlen(text, ADDRESS_SIZE_MAX + 1) > ADDRESS_SIZE_MAX)
        return address_fail(&source, -ENAMETOOLONG, ADDRESS_SIZE_MAX, NULL,
            "an address has at most %u bytes", ADDRESS_SIZE_MAX);
    r = scheme_read(&source, &draft.scheme, &at);
    if (r < 0)
        return r;
    bool remote = draft.scheme == FERRY_AUTO && is_remote(text + at);
    if (remote)
        draft.scheme = FERRY_TCP;
    r = rest_read(&source, &draft, at, &at);
    while (r == 0 && text[at] == ',')
        r = option_read(&source, &draft, at + 1, &at);
    if (r == 0 && remote)
        r = frame_by_length(&source, &draft);
    if (r < 0)
        return r;
    struct ferry_address *address = address_draft_finish(&draft);
    if (!address)
        return address_fail_memory(&source);
    *ret_address = address;
    return 0;
}
