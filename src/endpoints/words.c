/* words.c - endpoints in words: kinds and states as ss(8) has them, addresses as ferry does. */
#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/host.h"

#include <arpa/inet.h>
#include <ferry/endpoints.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

const char *ferry_endpoint_kind_name(enum ferry_endpoint_kind kind)
{
    static const char *const names[] = { "u_str", "u_dgr", "u_seq", "tcp", "udp", "raw", "pipe",
        "fifo", "mq", "memfd" };
    return (size_t)kind < COUNT_OF(names) ? names[kind] : "unknown";
}

const char *ferry_endpoint_state_name(enum ferry_endpoint_state state)
{
    static const char *const names[] = { "-", "ESTAB", "SYN-SENT", "SYN-RECV", "FIN-WAIT-1",
        "FIN-WAIT-2", "TIME-WAIT", "UNCONN", "CLOSE-WAIT", "LAST-ACK", "LISTEN", "CLOSING",
        "SYN-RECV", "WAITING" };
    return (size_t)state < COUNT_OF(names) ? names[state] : "unknown";
}

const char *ferry_path_state_name(enum ferry_path_state state)
{
    static const char *const names[] = { "", "there", "missing", "replaced", "unknown" };
    return (size_t)state < COUNT_OF(names) ? names[state] : "";
}

/* Appends what fits; counts all. */
struct line {
    char *text;
    size_t size, length;
};

static void line_add(struct line *line, const char *text, size_t length)
{
    if (line->length < line->size) {
        size_t room = line->size - line->length - 1;
        size_t fits = length < room ? length : room;
        memcpy(line->text + line->length, text, fits);
        line->text[line->length + fits] = '\0';
    }
    line->length += length;
}

static bool is_plain(unsigned char letter)
{
    return letter >= 0x20 && letter != 0x7f && letter < 0x80;
}

static void print_name(struct line *line, const char *name, size_t size)
{
    size_t plain = 0;
    char escaped[1024 * 4 + 1]; /* a name has 107 bytes, a path PATH_MAX at most: in pieces */

    while (plain < size && is_plain((unsigned char)name[plain]))
        plain++;
    if (plain == size) {
        line_add(line, name, size);
        return;
    }
    for (size_t at = 0; at < size;) {
        size_t piece = size - at < 1024 ? size - at : 1024;
        line_add(line, escaped, text_escape(name + at, piece, escaped, sizeof(escaped)));
        at += piece;
    }
}

static void print_unix(struct line *line, const struct ferry_endpoint *endpoint)
{
    bool abstract = endpoint->name_size > 0 && endpoint->name[0] == '\0' &&
                    endpoint->kind <= FERRY_ENDPOINT_UNIX_SEQPACKET;

    if (abstract)
        line_add(line, "@", 1);
    print_name(line, endpoint->name + abstract, endpoint->name_size - abstract);
}

static char *put_number(char *at, unsigned number)
{
    char digits[10];
    size_t count = 0;

    do
        digits[count++] = (char)('0' + number % 10);
    while (number /= 10);
    while (count)
        *at++ = digits[--count];
    return at;
}

/* As inet_ntop(3) and printf(3) would, several times as fast: a busy server has many rows. */
static void print_ipv4(struct line *line, const unsigned char *address, uint16_t port)
{
    char text[sizeof("255.255.255.255:65535")], *at = text;

    for (int i = 0; i < 4; i++) {
        at = put_number(at, address[i]);
        *at++ = i < 3 ? '.' : ':';
    }
    if (port)
        at = put_number(at, port);
    else
        *at++ = '*';
    line_add(line, text, (size_t)(at - text));
}

static void print_inet(struct line *line, const struct ferry_endpoint *endpoint,
    const unsigned char *address, uint16_t port)
{
    char host[INET6_ADDRSTRLEN + 2], text[INET6_ADDRSTRLEN + IF_NAMESIZE + 16];
    bool any = host_is_any(address, endpoint->family);

    if (!any && endpoint->family == AF_INET) {
        print_ipv4(line, address, port);
        return;
    }
    if (any && endpoint->family == AF_INET)
        snprintf(host, sizeof(host), "*");
    else
        inet_ntop(endpoint->family, address, host, sizeof(host));
    int length = snprintf(text, sizeof(text), endpoint->family == AF_INET6 ? "[%s]:" : "%s:", host);
    if (port)
        length += snprintf(text + length, sizeof(text) - (size_t)length, "%u", port);
    else
        length += snprintf(text + length, sizeof(text) - (size_t)length, "*");
    line_add(line, text, (size_t)length);
}

static struct line line_begin(char *text, size_t size)
{
    if (size)
        text[0] = '\0';
    return (struct line){ text, size, 0 };
}

size_t ferry_endpoint_print_local(const struct ferry_endpoint *endpoint, char *text, size_t size)
{
    struct line line = line_begin(text, size);

    if (endpoint->inet)
        print_inet(&line, endpoint, endpoint->inet->local, endpoint->inet->local_port);
    else if (endpoint->name)
        print_unix(&line, endpoint);
    return line.length;
}

size_t ferry_endpoint_print_remote(const struct ferry_endpoint *endpoint, char *text, size_t size)
{
    const struct ferry_endpoint *other = endpoint->peer ? endpoint->peer : endpoint->listener;

    if (!endpoint->inet)
        return other ? ferry_endpoint_print_local(other, text, size) : (line_begin(text, size), 0);
    struct line line = line_begin(text, size);
    print_inet(&line, endpoint, endpoint->inet->remote, endpoint->inet->remote_port);
    return line.length;
}
