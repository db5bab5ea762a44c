/* address.c - the address itself: made from a draft, printed, compared, copied.
 *
 * Printing is the only definition of equality: the parser brings every value into one form and the
 * options into the order of their table, so two addresses are equal when their texts are.
 */
#include "wire/address.h"
#include "base/cleanup.h"
#include "wire/address_parse.h"

#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

void address_draft_fini(struct address_draft *draft)
{
    bytes_fini(&draft->rest);
    for (size_t i = 0; i < ADDRESS_OPTIONS_MAX; i++)
        free(TAKE(draft->values[i]));
}

/* --- printing --------------------------------------------------------------------------------- */

void address_print_escaped(struct bytes *text, const char *data, size_t size)
{
    while (size) {
        size_t plain = 0;
        while (plain < size && data[plain] != ',' && data[plain] != '\\')
            plain++;
        bytes_append_escaped(text, data, plain);
        if (plain < size) {
            bytes_append_char(text, '\\');
            bytes_append_char(text, data[plain++]);
        }
        data += plain;
        size -= plain;
    }
}

void address_print_host(struct bytes *text, const char *host)
{
    const char *zone = strchr(host, '%');
    size_t size = zone ? (size_t)(zone - host) : strlen(host);
    bool bracket = strchr(host, ':') != NULL;

    if (bracket)
        bytes_append_char(text, '[');
    bytes_append(text, host, size);
    if (zone) {
        bytes_append_text(text, "%25");
        bytes_append_text(text, zone + 1);
    }
    if (bracket)
        bytes_append_char(text, ']');
}

void address_print_place(struct bytes *text, const char *host, uint16_t port)
{
    address_print_host(text, host);
    if (*host)
        bytes_append_char(text, ':');
    bytes_print(text, "%u", port);
}

static void print_rest(struct bytes *text, const struct address_draft *draft)
{
    AUTO_BYTES struct bytes place = BYTES_EMPTY;

    switch (draft->scheme) {
    case FERRY_TCP:
    case FERRY_UDP:
        address_print_place(&place, draft->rest.data, draft->port);
        address_print_escaped(text, place.data, place.size);
        text->failed |= place.failed;
        break;
    case FERRY_ICMP:
        address_print_host(&place, draft->rest.data);
        address_print_escaped(text, place.data, place.size);
        text->failed |= place.failed;
        break;
    case FERRY_FD:
        if (draft->descriptor >= 0)
            bytes_print(text, "%d", draft->descriptor);
        else
            address_print_escaped(text, draft->rest.data, draft->rest.size);
        break;
    case FERRY_EXEC:
        bytes_append(text, draft->rest.data, draft->rest.size);
        break;
    default:
        if (draft->abstract)
            bytes_append_char(text, '@');
        address_print_escaped(text, draft->rest.data, draft->rest.size);
    }
}

static void print_draft(struct bytes *text, const struct address_draft *draft)
{
    bytes_append_text(text, address_scheme_name(draft->scheme));
    if (draft->scheme != FERRY_STDIO) {
        bytes_append_char(text, ':');
        print_rest(text, draft);
    }
    for (size_t i = 0; i < ADDRESS_OPTIONS_MAX; i++) {
        const char *value = draft->values[i];
        if (!value)
            continue;
        bytes_append_char(text, ',');
        bytes_append_text(text, address_option_key(i));
        if (*value) {
            bytes_append_char(text, '=');
            address_print_escaped(text, value, strlen(value));
        }
    }
}

/* --- making and freeing ----------------------------------------------------------------------- */

struct ferry_address *address_draft_finish(struct address_draft *draft)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;
    size_t count = 0, rest_size = draft->rest.size;

    bytes_append_text(&draft->rest, "");
    if (bytes_failed(&draft->rest))
        return NULL;
    print_draft(&text, draft);
    for (size_t i = 0; i < ADDRESS_OPTIONS_MAX; i++)
        count += draft->values[i] != NULL;
    struct ferry_address *address =
        bytes_failed(&text) ? NULL : malloc(sizeof(*address) + count * sizeof(address->options[0]));
    if (!address)
        return NULL;

    *address = (struct ferry_address){
        .scheme = draft->scheme,
        .text = bytes_take(&text),
        .rest = bytes_take(&draft->rest),
        .rest_size = rest_size,
        .abstract = draft->abstract,
        .port = draft->port,
        .descriptor = draft->descriptor,
    };
    for (size_t i = 0; i < ADDRESS_OPTIONS_MAX; i++) {
        if (draft->values[i])
            address->options[address->option_count++] =
                (struct address_option){ address_option_key(i), TAKE(draft->values[i]) };
    }
    return address;
}

void ferry_address_free(struct ferry_address *address)
{
    if (!address)
        return;
    for (size_t i = 0; i < address->option_count; i++)
        free(address->options[i].value);
    free(address->rest);
    free(address->text);
    free(address);
}

/* A draft of what `address` says, to be changed in one point; false: out of memory. */
static bool draft_copy(const struct ferry_address *address, struct address_draft *ret_draft)
{
    *ret_draft = (struct address_draft){ .scheme = address->scheme,
        .abstract = address->abstract,
        .port = address->port,
        .descriptor = address->descriptor };
    bytes_append(&ret_draft->rest, address->rest, address->rest_size);
    for (size_t i = 0; i < address->option_count; i++) {
        const struct address_option *option = &address->options[i];
        int index = address_option_index(address->scheme, option->key, strlen(option->key));
        assert(index >= 0);
        ret_draft->values[index] = strdup(option->value);
        if (!ret_draft->values[index])
            return false;
    }
    return true;
}

struct ferry_address *address_with_host(const struct ferry_address *address, const char *host)
{
    __attribute__((cleanup(address_draft_fini))) struct address_draft draft;

    if (!draft_copy(address, &draft))
        return NULL;
    draft.rest.size = 0;
    bytes_append_text(&draft.rest, host);
    return address_draft_finish(&draft);
}

struct ferry_address *address_with_port(const struct ferry_address *address, uint16_t port)
{
    __attribute__((cleanup(address_draft_fini))) struct address_draft draft;

    if (!draft_copy(address, &draft))
        return NULL;
    draft.port = port;
    return address_draft_finish(&draft);
}

bool address_host_is_name(const struct ferry_address *address)
{
    char host[INET6_ADDRSTRLEN], space[sizeof(struct in6_addr)];
    if (address->scheme != FERRY_TCP && address->scheme != FERRY_UDP &&
        address->scheme != FERRY_ICMP)
        return false;
    size_t length = strcspn(address->rest, "%"); /* a zone follows only a number */
    if (length == 0 || strcmp(address->rest, "*") == 0)
        return false;
    if (length >= sizeof(host))
        return true;
    memcpy(host, address->rest, length);
    host[length] = '\0';
    return inet_pton(AF_INET, host, space) != 1 && inet_pton(AF_INET6, host, space) != 1;
}

struct ferry_address *address_without_rules(const struct ferry_address *address)
{
    static const char *const keys[] = { "allow", "deny" };
    __attribute__((cleanup(address_draft_fini))) struct address_draft draft;

    if (!draft_copy(address, &draft))
        return NULL;
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        int index = address_option_index(address->scheme, keys[i], strlen(keys[i]));
        if (index >= 0)
            free(TAKE(draft.values[index]));
    }
    return address_draft_finish(&draft);
}

/* --- asking ----------------------------------------------------------------------------------- */

const char *ferry_address_text(const struct ferry_address *address)
{
    return address->text;
}

enum ferry_scheme ferry_address_scheme(const struct ferry_address *address)
{
    return address->scheme;
}

const char *ferry_address_option(const struct ferry_address *address, const char *key)
{
    for (size_t i = 0; i < address->option_count; i++)
        if (strcmp(address->options[i].key, key) == 0)
            return address->options[i].value;
    return NULL;
}

bool ferry_address_equal(const struct ferry_address *one, const struct ferry_address *other)
{
    return strcmp(one->text, other->text) == 0;
}
