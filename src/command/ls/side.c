/* side.c - one side's address. */
#include "command/ls/side.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/host.h"
#include "base/number.h"
#include "command/view/names.h"

#include <arpa/inet.h>
#include <fnmatch.h>
#include <string.h>
#include <sys/socket.h>

/* Cuts "/8" off. */
static bool parse_prefix(char *host, struct ls_side *side)
{
    char *slash = strchr(host, '/');
    int64_t prefix;

    if (!slash)
        return true;
    *slash = '\0';
    prefix = number_parse(slash + 1, 10, 128);
    if (prefix < 0)
        return false;
    side->prefix = (unsigned)prefix;
    return true;
}

static bool parse_host(char *host, struct ls_side *side)
{
    unsigned most;

    side->prefix = UINT32_MAX;
    if (!*host || strcmp(host, "*") == 0)
        return true;
    if (!parse_prefix(host, side))
        return false;
    if (inet_pton(AF_INET, host, side->address) == 1)
        side->family = AF_INET;
    else if (inet_pton(AF_INET6, host, side->address) == 1)
        side->family = AF_INET6;
    else
        return false;
    most = side->family == AF_INET ? 32 : 128;
    if (side->prefix == UINT32_MAX)
        side->prefix = most;
    return side->prefix <= most;
}

/* Cuts ":80" off: behind brackets, or the only colon there is. */
static bool parse_port(char *text, struct ls_side *side)
{
    char *bracket = strchr(text, ']'), *colon = strrchr(text, ':');
    int64_t port;

    if (bracket ? colon < bracket : colon != strchr(text, ':') || !colon)
        return true;
    *colon = '\0';
    if (strcmp(colon + 1, "*") == 0)
        return true;
    port = number_parse(colon + 1, 10, UINT16_MAX);
    if (port < 0)
        return false;
    side->port = (uint16_t)port;
    return true;
}

static bool parse_inet(char *text, struct ls_side *side)
{
    if (!parse_port(text, side))
        return false;
    size_t size = strlen(text);
    if (text[0] == '[') {
        if (size < 3 || text[size - 1] != ']')
            return false;
        text[size - 1] = '\0';
        text++;
    }
    return parse_host(text, side);
}

static bool is_text(const char *word)
{
    return word[0] == '/' || word[0] == '@' || (word[0] == '*' && word[1] && word[1] != ':');
}

int ls_side_parse(const char *word, struct ls_side *ret_side, struct ferry_error *error)
{
    struct ls_side side = { .kind = LS_SIDE_INET };
    const char *rest = strncmp(word, "unix:", 5) == 0 ? word + 5 : word;
    bool text = rest != word || is_text(word);
    AUTO_FREE char *copy = strdup(rest);

    if (!copy)
        return error_set_errno(error, -ENOMEM, word, NULL);
    if (text) {
        side.kind = LS_SIDE_TEXT;
        side.pattern = TAKE(copy);
    } else if (!parse_inet(copy, &side)) {
        return error_set(error, -EINVAL, word,
            "as 127.0.0.1:80, 10.0.0.0/8, [::1]:80, :80, '/run/*' or @name",
            "no address that an endpoint can have");
    }
    ls_side_fini(ret_side);
    *ret_side = side;
    return 0;
}

void ls_side_fini(struct ls_side *side)
{
    free(side->pattern);
    *side = (struct ls_side){ .kind = LS_SIDE_ANY };
}

static bool matches_text(
    const struct ls_side *side, const struct ferry_endpoint *endpoint, bool remote)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;

    if (endpoint->inet)
        return false;
    if (remote)
        view_print_remote(endpoint, &text);
    else
        view_print_local(endpoint, &text);
    return text.size && fnmatch(side->pattern, text.data, 0) == 0;
}

static bool matches_prefix(const unsigned char *one, const unsigned char *other, unsigned bits)
{
    size_t whole = bits / 8;
    unsigned char mask = (unsigned char)(0xff00 >> bits % 8);

    return memcmp(one, other, whole) == 0 &&
           (bits % 8 == 0 || ((one[whole] ^ other[whole]) & mask) == 0);
}

bool ls_side_matches(const struct ls_side *side, const struct ferry_endpoint *endpoint, bool remote)
{
    const struct ferry_inet *inet = endpoint->inet;

    if (side->kind == LS_SIDE_ANY)
        return true;
    if (side->kind == LS_SIDE_TEXT)
        return matches_text(side, endpoint, remote);
    if (!inet)
        return false;
    uint16_t port = remote ? inet->remote_port : inet->local_port;
    const unsigned char *address = remote ? inet->remote : inet->local;
    if (side->port && side->port != port)
        return false;
    if (!side->family)
        return true;
    /* ::ffff:10.0.0.1 is 10.0.0.1, to whoever asks for that. */
    const unsigned char *ipv4 =
        side->family == AF_INET && endpoint->family == AF_INET6 ? host_ipv4(address) : NULL;
    if (ipv4)
        return matches_prefix(ipv4, side->address, side->prefix);
    return side->family == endpoint->family && matches_prefix(address, side->address, side->prefix);
}
