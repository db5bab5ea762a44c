/* address_rest.c - what stands after a scheme: paths, places of the network, queues, descriptors.
 *
 * Each is checked as far as its text allows and brought into one form. Whether it exists is the
 * transport's business.
 */
#include "base/cleanup.h"
#include "base/number.h"
#include "wire/address_parse.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

/* --- paths ------------------------------------------------------------------------------------ */

static void path_join(struct bytes *path, const char *base, const char *relative)
{
    while (relative[0] == '.' && relative[1] == '/')
        relative += 1 + strspn(relative + 1, "/");
    bytes_append_text(path, base);
    if (base[strlen(base) - 1] != '/')
        bytes_append_char(path, '/');
    bytes_append_text(path, relative);
}

/* The kernel's own limits; 107 bytes of sun_path is not one of them, since a longer path is reached
 * through a descriptor of its directory. */
static int path_check(const struct address_source *source, size_t at, const char *path)
{
    if (strlen(path) >= PATH_MAX)
        return address_fail(
            source, -ENAMETOOLONG, at, NULL, "a path has at most %d bytes", PATH_MAX - 1);
    for (size_t size; *path; path += size + (path[size] == '/')) {
        size = strcspn(path, "/");
        if (size > NAME_MAX)
            return address_fail(source, -ENAMETOOLONG, at, NULL,
                "the name of a file or directory has at most %d bytes", NAME_MAX);
    }
    return 0;
}

int address_read_path(
    const struct address_source *source, const struct address_part *part, struct bytes *ret_path)
{
    AUTO_BYTES struct bytes whole = BYTES_EMPTY;
    const char *given = part->bytes.data;

    if (!*given)
        return address_fail_expected(source, part->at, NULL, "a path");
    if (given[0] == '/' && given[1] == '/' && given[2] != '/')
        return address_fail_expected(source, part->at,
            "a path does not begin with two slashes: write one, or /// as in a URL", "a path");
    if (given[0] != '/' && source->base && *source->base)
        path_join(&whole, source->base, given);
    else
        bytes_append_text(&whole, given);
    if (bytes_failed(&whole))
        return address_fail_memory(source);

    const char *path = whole.data;
    while (path[0] == '/' && path[1] == '/')
        path++;
    if (path[0] == '@')
        bytes_append_text(ret_path, "./");
    bytes_append_text(ret_path, path);
    return bytes_failed(ret_path) ? address_fail_memory(source)
                                  : path_check(source, part->at, ret_path->data);
}

int address_read_unix(const struct address_source *source, const struct address_part *part,
    struct bytes *ret_path, bool *ret_abstract)
{
    const struct bytes *given = &part->bytes;

    if (!given->size)
        return address_fail_expected(
            source, part->at, NULL, "a path, or '@' and the name of an abstract socket");
    /* An escaped '@' begins a path. */
    if (source->text[part->at] != '@') {
        *ret_abstract = false;
        return address_read_path(source, part, ret_path);
    }
    if (given->size == 1)
        return address_fail_expected(
            source, part->at + 1, NULL, "the name of an abstract socket after '@'");
    if (given->size - 1 > ABSTRACT_SIZE_MAX)
        return address_fail(source, -ENAMETOOLONG, part->at, NULL,
            "an abstract name has at most %u bytes", ABSTRACT_SIZE_MAX);
    bytes_append(ret_path, given->data, given->size);
    *ret_abstract = true;
    return 0;
}

/* --- places of the network -------------------------------------------------------------------- */

static int host_read_name(const struct address_source *source, size_t at, const char *host,
    size_t size, struct bytes *ret_host)
{
    /* RFC 1035 allows 253 bytes of text. The underscore is no host's, yet resolvers know it. */
    const size_t size_max = 253;

    for (size_t i = 0; i < size && !(size == 1 && *host == '*'); i++)
        if (!isalnum((unsigned char)host[i]) && !memchr("-._", host[i], 3))
            return address_fail_expected(source, at + i, NULL,
                "a host: a name, an IPv4 address, an IPv6 address in brackets, or '*'");
    if (size > size_max)
        return address_fail(
            source, -ENAMETOOLONG, at, NULL, "a host's name has at most %zu bytes", size_max);
    bytes_append(ret_host, host, size);
    return 0;
}

/* The zone of a scoped address. In a URL its '%' is written %25 (RFC 6874); people leave that out,
 * so both are taken. A bare "25" is the interface of that number. */
static int host_read_zone(
    const struct address_source *source, size_t at, const char *zone, struct bytes *ret_host)
{
    size_t skip = strncmp(zone, "25", 2) == 0 && zone[2] ? 2 : 0, size = strlen(zone + skip);

    for (const char *c = zone; *c; c++)
        if (strchr("/:,\\", *c) || isspace((unsigned char)*c) || iscntrl((unsigned char)*c))
            return address_fail_expected(
                source, at + (size_t)(c - zone), NULL, "the name of a network interface");
    if (!size || size >= IF_NAMESIZE)
        return address_fail(source, -EINVAL, at, NULL,
            "expected the name of a network interface, 1 to %d bytes, found %zu", IF_NAMESIZE - 1,
            size);
    bytes_append_char(ret_host, '%');
    bytes_append_text(ret_host, zone + skip);
    return 0;
}

/* host[0..size) stood in brackets. */
static int host_read_ipv6(const struct address_source *source, size_t at, const char *host,
    size_t size, struct bytes *ret_host)
{
    char text[INET6_ADDRSTRLEN + 2 + IF_NAMESIZE];
    struct in6_addr address;
    char *zone;

    if (size >= sizeof(text))
        return address_fail_expected(source, at, NULL, "an IPv6 address");
    memcpy(text, host, size);
    text[size] = '\0';
    zone = strchr(text, '%');
    if (zone)
        *zone++ = '\0';
    if (inet_pton(AF_INET6, text, &address) != 1)
        return address_fail_expected(source, at, NULL, "an IPv6 address");
    size_t zone_at = zone ? at + (size_t)(zone - text) : 0;
    AUTO_FREE char *kept = zone ? strdup(zone) : NULL;
    if (zone && !kept)
        return address_fail_memory(source);
    inet_ntop(AF_INET6, &address, text, sizeof(text));
    bytes_append_text(ret_host, text);
    return kept ? host_read_zone(source, zone_at, kept, ret_host) : 0;
}

static int host_unbracketed(
    const struct address_source *source, size_t at, const char *host, const char *port)
{
    char remedy[sizeof(source->error->remedy)];

    snprintf(remedy, sizeof(remedy), "an IPv6 address stands in brackets: [%.*s]:%s",
        (int)(port - host - 1), host, port);
    return address_fail_expected(source, at, remedy, "HOST:PORT");
}

static int port_read(const struct address_source *source, size_t at, const char *text, bool alone,
    uint16_t *ret_port)
{
    int64_t port = number_parse(text, 10, UINT16_MAX);
    if (port < 0)
        return address_fail_expected(source, at, NULL,
            alone ? "HOST:PORT, or PORT of the loopback, the port a number from 0 to 65535"
                  : "a port, a number from 0 to 65535");
    *ret_port = (uint16_t)port;
    return 0;
}

/* Reads place[0..], at offset `at` of the source's text. */
static int place_read(const struct address_source *source, size_t at, const char *place,
    struct bytes *ret_host, uint16_t *ret_port)
{
    const char *colon = strrchr(place, ':');
    int r;

    if (place[0] == '[') {
        const char *close = strchr(place, ']');
        if (!close)
            return address_fail_expected(source, at, NULL, "']' after an IPv6 address");
        if (close[1] != ':')
            return address_fail_expected(
                source, at + (size_t)(close + 1 - place), NULL, "':' and a port");
        r = host_read_ipv6(source, at + 1, place + 1, (size_t)(close - place - 1), ret_host);
        colon = close + 1;
    } else if (!colon) {
        return port_read(source, at, place, true, ret_port);
    } else if (strchr(place, ':') != colon) {
        return host_unbracketed(source, at, place, colon + 1);
    } else {
        r = host_read_name(source, at, place, (size_t)(colon - place), ret_host);
    }
    if (r < 0)
        return r;
    return port_read(source, at + (size_t)(colon + 1 - place), colon + 1, false, ret_port);
}

int address_read_place(const struct address_source *source, const struct address_part *part,
    struct bytes *ret_host, uint16_t *ret_port)
{
    AUTO_FREE char *place = strdup(part->bytes.data);
    if (!place)
        return address_fail_memory(source);

    size_t skip = strncmp(place, "//", 2) == 0 ? 2 : 0, size = strlen(place);
    if (skip && size > skip && place[size - 1] == '/')
        place[size - 1] = '\0';
    int r = place_read(source, part->at + skip, place + skip, ret_host, ret_port);
    bytes_append_text(ret_host, "");
    return r == 0 && bytes_failed(ret_host) ? address_fail_memory(source) : r;
}

int address_read_host(
    const struct address_source *source, const struct address_part *part, struct bytes *ret_host)
{
    static const char expected[] = "a host: a name, an IPv4 address, or an IPv6 address";
    AUTO_FREE char *whole = strdup(part->bytes.data);
    if (!whole)
        return address_fail_memory(source);

    size_t skip = strncmp(whole, "//", 2) == 0 ? 2 : 0, size = strlen(whole);
    if (skip && size > skip && whole[size - 1] == '/')
        whole[--size] = '\0';
    const char *host = whole + skip;
    size_t at = part->at + skip;
    size -= skip;
    int r;

    if (!size || strcmp(host, "*") == 0)
        return address_fail_expected(source, at, NULL, expected);
    if (host[0] == '[' && host[size - 1] == ']')
        r = host_read_ipv6(source, at + 1, host + 1, size - 2, ret_host);
    else if (strchr(host, ':') != strrchr(host, ':'))
        r = host_read_ipv6(source, at, host, size, ret_host);
    else if (strchr(host, ':'))
        return address_fail_expected(source, at + strcspn(host, ":"),
            "an echo request has no port: leave it out", "the end of the host");
    else
        r = host_read_name(source, at, host, size, ret_host);
    bytes_append_text(ret_host, "");
    return r == 0 && bytes_failed(ret_host) ? address_fail_memory(source) : r;
}

/* --- queues and descriptors ------------------------------------------------------------------- */

int address_read_queue(
    const struct address_source *source, const struct address_part *part, struct bytes *ret_name)
{
    const char *name = part->bytes.data, *second;

    if (name[0] != '/' || !name[1])
        return address_fail_expected(
            source, part->at, NULL, "a queue's name: '/' and what it is called");
    second = strchr(name + 1, '/');
    if (second)
        return address_fail_expected(source, part->at + (size_t)(second - name),
            "the kernel refuses a queue whose name has a second slash with EACCES",
            "a queue's name with no second slash");
    if (strcmp(name, "/.") == 0 || strcmp(name, "/..") == 0)
        return address_fail_expected(
            source, part->at, NULL, "a queue's name other than '.' and '..'");
    if (part->bytes.size - 1 > NAME_MAX)
        return address_fail(source, -ENAMETOOLONG, part->at, NULL,
            "a queue's name has at most %d bytes after its slash", NAME_MAX);
    bytes_append(ret_name, name, part->bytes.size);
    return 0;
}

int address_read_descriptor(const struct address_source *source, const struct address_part *part,
    struct bytes *ret_name, int *ret_descriptor)
{
    static const char expected[] =
        "a descriptor's number, or its name in LISTEN_FDNAMES (printable, no ':')";
    const char *name = part->bytes.data;
    int64_t number = number_parse(name, 10, INT_MAX);

    if (number >= 0) {
        *ret_descriptor = (int)number;
        return 0;
    }
    /* Digits that are no descriptor, and a negative number, are mistakes and not names. */
    bool named = *name && *name != '-' && name[strspn(name, "0123456789")];
    for (const char *c = name; *c; c++)
        named &= *c >= ' ' && *c <= '~' && *c != ':';
    if (!named)
        return address_fail_expected(source, part->at, NULL, expected);
    if (part->bytes.size > NAME_MAX)
        return address_fail(source, -ENAMETOOLONG, part->at, NULL,
            "a descriptor's name has at most %d bytes", NAME_MAX);
    bytes_append(ret_name, name, part->bytes.size);
    *ret_descriptor = -1;
    return 0;
}
