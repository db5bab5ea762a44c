/* snapshot_address.c - addresses back from their text.
 *
 * A control character was written as \xHH; a name that holds these four characters itself reads the
 * same, and becomes the control character here: it is printed the same again, and nothing but
 * printing is done with it.
 */
#include "command/ls/snapshot_address.h"
#include "base/cleanup.h"
#include "base/number.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

static int digit_of(char letter)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = letter ? strchr(digits, letter) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* The byte that "\xHH" stands for; -1: it is no such thing. */
static int escaped_byte(const char *text)
{
    int high, low;

    if (text[0] != '\\' || text[1] != 'x')
        return -1;
    high = digit_of(text[2]);
    low = high < 0 ? -1 : digit_of(text[3]);
    return low < 0 ? -1 : high * 16 + low;
}

static int name_set(struct arena *arena, struct ferry_endpoint *endpoint, const char *text)
{
    char *name = arena_copy(arena, text, strlen(text));
    size_t size = 0;

    if (!name)
        return -ENOMEM;
    if (*text == '@' && endpoint->family == AF_UNIX) {
        name[size++] = '\0';
        text++;
    }
    while (*text) {
        int byte = escaped_byte(text);
        name[size++] = byte < 0 ? *text : (char)byte;
        text += byte < 0 ? 1 : 4;
    }
    name[size] = '\0';
    endpoint->name = name;
    endpoint->name_size = size;
    return 0;
}

static bool port_read(const char *text, uint16_t *ret_port)
{
    int64_t port = strcmp(text, "*") == 0 ? 0 : number_parse(text, 10, UINT16_MAX);

    if (port < 0)
        return false;
    *ret_port = (uint16_t)port;
    return true;
}

/* "127.0.0.1:80", "*:53", "[::1]:80"; returns the family, 0 if it is nothing of these. */
static unsigned char side_read(const char *text, unsigned char address[16], uint16_t *ret_port)
{
    const char *colon = strrchr(text, ':');
    char host[INET6_ADDRSTRLEN + 2];

    if (!colon || (size_t)(colon - text) >= sizeof(host) || !port_read(colon + 1, ret_port))
        return 0;
    size_t size = (size_t)(colon - text);
    memcpy(host, text, size);
    host[size] = '\0';
    if (strcmp(host, "*") == 0)
        return AF_INET;
    if (host[0] != '[')
        return inet_pton(AF_INET, host, address) == 1 ? AF_INET : 0;
    if (size < 2 || host[size - 1] != ']')
        return 0;
    host[size - 1] = '\0';
    return inet_pton(AF_INET6, host + 1, address) == 1 ? AF_INET6 : 0;
}

static int inet_set(
    struct arena *arena, struct ferry_endpoint *endpoint, const char *local, const char *remote)
{
    struct ferry_inet *inet = arena_new(arena, sizeof(*inet));

    if (!inet)
        return -ENOMEM;
    endpoint->family = side_read(local, inet->local, &inet->local_port);
    endpoint->inet = inet;
    if (!endpoint->family)
        return -EINVAL;
    return *remote && !side_read(remote, inet->remote, &inet->remote_port) ? -EINVAL : 0;
}

int snapshot_address_set(
    struct arena *arena, struct ferry_endpoint *endpoint, const char *local, const char *remote)
{
    unsigned kind = 1u << endpoint->kind;

    if (kind & FERRY_ENDPOINTS_INET)
        return inet_set(arena, endpoint, local, remote);
    if (kind & FERRY_ENDPOINTS_UNIX)
        endpoint->family = AF_UNIX;
    return *local ? name_set(arena, endpoint, local) : 0;
}
