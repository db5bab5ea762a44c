/* target.c - what `ls`, `show` and `why` are asked about. */
#include "command/view/target.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/host.h"
#include "wire/address.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define KINDS(one) (1u << FERRY_ENDPOINT_##one)

static int fail_memory(const char *word, struct ferry_error *error)
{
    return error_set_errno(error, -ENOMEM, word, NULL);
}

static bool is_number(const char *text, uint64_t *ret_number, const char **ret_end)
{
    char *end;

    if (!isdigit((unsigned char)text[0]))
        return false;
    errno = 0;
    *ret_number = strtoull(text, &end, 10);
    *ret_end = end;
    return errno == 0;
}

static bool process_exists(uint64_t pid)
{
    char path[40];

    snprintf(path, sizeof(path), "/proc/%llu", (unsigned long long)pid);
    return pid > 0 && pid <= INT_MAX && access(path, F_OK) == 0;
}

static void set_inode(struct view_target *target, uint64_t inode)
{
    target->kind = VIEW_INODE;
    target->inode = inode;
    target->kinds = FERRY_ENDPOINTS_ALL;
}

/* "4711", "4711:3", "ino:4711", "socket:[4711]", "pipe:[4711]". */
static bool parse_number(const char *word, struct view_target *target)
{
    static const struct {
        const char *start, *end;
    } forms[] = { { "ino:", "" }, { "socket:[", "]" }, { "pipe:[", "]" } };
    const char *end, *rest;
    uint64_t number, fd;

    target->kinds = FERRY_ENDPOINTS_ALL;
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        size_t size = strlen(forms[i].start);
        if (strncmp(word, forms[i].start, size) != 0 || !is_number(word + size, &number, &end) ||
            strcmp(end, forms[i].end) != 0)
            continue;
        set_inode(target, number);
        return true;
    }
    if (!is_number(word, &number, &rest))
        return false;
    if (*rest == ':' && is_number(rest + 1, &fd, &end) && !*end && number <= INT_MAX &&
        fd <= INT_MAX) {
        target->kind = VIEW_DESCRIPTOR;
        target->pid = (pid_t)number;
        target->fd = (int)fd;
        return true;
    }
    if (*rest)
        return false;
    set_inode(target, number);
    if (process_exists(number)) {
        target->kind = VIEW_PROCESS;
        target->pid = (pid_t)number;
    }
    return true;
}

/* --- paths ------------------------------------------------------------------------------------ */

/* Absolute, with the folder's links resolved: the name that a bound socket's path has need not be.
 */
static int set_path(struct view_target *target, const char *path)
{
    struct stat status;

    target->kind = VIEW_PATH;
    target->kinds &= FERRY_ENDPOINTS_UNIX | KINDS(FIFO);
    if (path[0] == '/') {
        target->name = strdup(path);
    } else {
        AUTO_FREE char *folder = realpath(".", NULL);
        if (!folder || asprintf(&target->name, "%s/%s", strcmp(folder, "/") ? folder : "",
                           strncmp(path, "./", 2) == 0 ? path + 2 : path) < 0)
            target->name = NULL;
    }
    if (!target->name)
        return -ENOMEM;
    target->name_size = strlen(target->name);
    if (stat(target->name, &status) == 0) {
        target->inode = status.st_ino;
        target->device = status.st_dev;
    }
    return 0;
}

static int set_abstract(struct view_target *target, const char *name, size_t size)
{
    target->kind = VIEW_ABSTRACT;
    target->kinds &= FERRY_ENDPOINTS_UNIX;
    target->name = malloc(size + 1);
    if (!target->name)
        return -ENOMEM;
    memcpy(target->name, name, size);
    target->name[size] = '\0';
    target->name_size = size;
    return 0;
}

/* --- addresses -------------------------------------------------------------------------------- */

static int set_host(
    struct view_target *target, const struct ferry_address *address, struct ferry_error *error)
{
    const char *host = address->rest;

    target->kind = VIEW_INET;
    target->port = address->port;
    if (!*host || strcmp(host, "*") == 0 || strcmp(host, "localhost") == 0)
        return 0;
    if (inet_pton(AF_INET, host, target->address) == 1) {
        target->family = AF_INET;
        return 0;
    }
    char plain[INET6_ADDRSTRLEN];
    snprintf(plain, sizeof(plain), "%.*s", (int)strcspn(host, "%"), host);
    if (inet_pton(AF_INET6, plain, target->address) == 1) {
        target->family = AF_INET6;
        return 0;
    }
    return error_set(error, -EINVAL, target->word, "give its address, as getent hosts has it",
        "%s is no address, and names are not looked up here", host);
}

static unsigned kinds_of_scheme(enum ferry_scheme scheme)
{
    switch (scheme) {
    case FERRY_UNIX:
        return KINDS(UNIX_STREAM);
    case FERRY_UNIX_DGRAM:
        return KINDS(UNIX_DATAGRAM);
    case FERRY_UNIX_SEQ:
    case FERRY_AUTO:
        return KINDS(UNIX_SEQPACKET);
    case FERRY_TCP:
        return KINDS(TCP);
    case FERRY_UDP:
        return KINDS(UDP);
    case FERRY_FIFO:
        return KINDS(FIFO);
    case FERRY_MQ:
        return KINDS(QUEUE);
    default:
        return 0;
    }
}

static int set_address(
    struct view_target *target, const struct ferry_address *address, struct ferry_error *error)
{
    target->kinds = kinds_of_scheme(address->scheme);
    target->is_auto = address->scheme == FERRY_AUTO;
    switch (address->scheme) {
    case FERRY_TCP:
    case FERRY_UDP:
        return set_host(target, address, error);
    case FERRY_MQ:
        target->kind = VIEW_QUEUE;
        target->name = strdup(address->rest);
        target->name_size = strlen(address->rest);
        return target->name ? 0 : fail_memory(target->word, error);
    case FERRY_UNIX:
    case FERRY_UNIX_DGRAM:
    case FERRY_UNIX_SEQ:
    case FERRY_AUTO:
    case FERRY_FIFO: {
        int code = address->abstract ? set_abstract(target, address->rest, address->rest_size)
                                     : set_path(target, address->rest);
        return code < 0 ? fail_memory(target->word, error) : 0;
    }
    default:
        return error_set(error, -EINVAL, target->word,
            "give a path, a unix, auto, tcp, udp, fifo or mq address, a pid, pid:fd or ino:NUMBER",
            "%s: is nothing that can be looked at", address_scheme_name(address->scheme));
    }
}

static int parse_address(struct view_target *target, const char *text, struct ferry_error *error)
{
    struct ferry_address *address;

    int code = ferry_address_parse(text, NULL, &address, error);
    if (code == 0) {
        code = set_address(target, address, error);
        ferry_address_free(address);
    }
    return code;
}

/* "127.0.0.1:80", "[::1]:80", ":80", "*:80", "localhost:80": of either protocol. */
static bool is_host_and_port(const char *word)
{
    const char *colon = strrchr(word, ':');
    const char *letters = "0123456789.";

    if (!colon || !colon[1] || strspn(colon + 1, "0123456789") != strlen(colon + 1))
        return false;
    size_t size = (size_t)(colon - word);
    return size == 0 || word[0] == '[' || (word[0] == '*' && size == 1) ||
           (size == strlen("localhost") && memcmp(word, "localhost", size) == 0) ||
           strspn(word, letters) == size;
}

static int parse_host_and_port(
    struct view_target *target, const char *word, struct ferry_error *error)
{
    AUTO_FREE char *text = NULL;

    if (asprintf(&text, "tcp:%s", word[0] == ':' ? word + 1 : word) < 0)
        return fail_memory(word, error);
    int code = parse_address(target, text, error);
    target->kinds = KINDS(TCP) | KINDS(UDP);
    return code;
}

/* A scheme's letters and a colon; a path may hold a colon too, behind a slash. */
static bool has_scheme(const char *word)
{
    size_t letters = strspn(word, "abcdefghijklmnopqrstuvwxyz-");
    return letters > 0 && word[letters] == ':';
}

int view_target_parse(const char *word, struct view_target *ret_target, struct ferry_error *error)
{
    struct view_target target = { .kinds = FERRY_ENDPOINTS_ALL, .word = strdup(word) };
    int code = 0;

    if (!target.word)
        return fail_memory(word, error);
    if (!*word)
        code = error_set(error, -EINVAL, "''", "give a path, an address, a pid or an inode",
            "says nothing to look for");
    else if (parse_number(word, &target))
        code = 0;
    else if (word[0] == '@')
        code = set_abstract(&target, word + 1, strlen(word + 1)) ? fail_memory(word, error) : 0;
    else if (is_host_and_port(word))
        code = parse_host_and_port(&target, word, error);
    else if (has_scheme(word))
        code = parse_address(&target, word, error);
    else
        code = set_path(&target, word) ? fail_memory(word, error) : 0;
    if (code < 0)
        view_target_fini(&target);
    else
        *ret_target = target;
    return code;
}

void view_target_fini(struct view_target *target)
{
    free(target->word);
    free(target->name);
}

static bool is_address(const char *word, bool *ret_ipv6)
{
    unsigned char address[16];

    *ret_ipv6 = inet_pton(AF_INET6, word, address) == 1;
    return *ret_ipv6 || inet_pton(AF_INET, word, address) == 1 || strcmp(word, "localhost") == 0;
}

bool view_target_print_meant(const struct view_target *target, struct bytes *text)
{
    const char *word = target->word, *end;
    uint64_t number;
    bool ipv6;

    if (is_number(word, &number, &end) && !*end && number > 0 && number <= UINT16_MAX) {
        bytes_print(text, "a port is written tcp:127.0.0.1:%u, or :%u at any address",
            (unsigned)number, (unsigned)number);
        return true;
    }
    if (!is_address(word, &ipv6))
        return false;
    bytes_print(text,
        ipv6 ? "an address is written with its port, tcp:[%s]:PORT"
             : "an address is written with its port, tcp:%s:PORT",
        word);
    if (strcmp(word, "localhost") != 0)
        bytes_print(text, "; `ferry ls src %s` has all of its ports", word);
    return true;
}

/* --- matching --------------------------------------------------------------------------------- */

static bool matches_path(const struct view_target *target, const struct ferry_endpoint *endpoint)
{
    if (endpoint->kind == FERRY_ENDPOINT_FIFO)
        return target->inode && endpoint->inode == target->inode &&
               endpoint->device == target->device;
    if (endpoint->name_size == target->name_size && target->name_size &&
        memcmp(endpoint->name, target->name, target->name_size) == 0)
        return true;
    /* Under another name: a relative one, one through a link, one of another root. */
    return endpoint->path && endpoint->path->state == FERRY_PATH_THERE && target->inode &&
           endpoint->path->inode == target->inode &&
           (endpoint->path->where || endpoint->path->device == target->device);
}

static bool matches_abstract(
    const struct view_target *target, const struct ferry_endpoint *endpoint)
{
    return endpoint->name_size == target->name_size + 1 && endpoint->name[0] == '\0' &&
           memcmp(endpoint->name + 1, target->name, target->name_size) == 0;
}

/* IPv4 in IPv6 is IPv4, and a socket of IPv6 that is bound to any address takes both; one of IPv4
 * takes no IPv6. */
static bool matches_side(const struct view_target *target, const struct ferry_endpoint *endpoint,
    const unsigned char *address, uint16_t port)
{
    unsigned char family = endpoint->family;

    if (port != target->port)
        return false;
    if (!target->family)
        return true;
    if (family == AF_INET6 && host_is_any(address, AF_INET6))
        return true;
    const unsigned char *ipv4 = family == AF_INET6 ? host_ipv4(address) : NULL;
    if (ipv4) {
        family = AF_INET;
        address = ipv4;
    }
    return target->family == family &&
           (host_is_any(address, family) ||
               memcmp(address, target->address, host_size(family)) == 0);
}

static bool matches_inet(const struct view_target *target, const struct ferry_endpoint *endpoint)
{
    const struct ferry_inet *inet = endpoint->inet;

    return inet && (matches_side(target, endpoint, inet->local, inet->local_port) ||
                       (inet->remote_port &&
                           matches_side(target, endpoint, inet->remote, inet->remote_port)));
}

static bool matches_owner(const struct view_target *target, const struct ferry_endpoint *endpoint)
{
    for (unsigned i = 0; i < endpoint->owner_count; i++)
        if (endpoint->owners[i].process->pid == target->pid &&
            (target->kind == VIEW_PROCESS || endpoint->owners[i].fd == target->fd))
            return true;
    return false;
}

bool view_target_matches(const struct view_target *target, const struct ferry_endpoint *endpoint)
{
    if (!(target->kinds & 1u << endpoint->kind))
        return false;
    switch (target->kind) {
    case VIEW_PATH:
        return matches_path(target, endpoint);
    case VIEW_ABSTRACT:
        return endpoint->name && matches_abstract(target, endpoint);
    case VIEW_INET:
        return matches_inet(target, endpoint);
    case VIEW_QUEUE:
        return endpoint->name && strcmp(endpoint->name, target->name) == 0;
    case VIEW_PROCESS:
    case VIEW_DESCRIPTOR:
        return matches_owner(target, endpoint);
    case VIEW_INODE:
        return target->inode && endpoint->inode == target->inode; /* 0: it has none */
    }
    return false;
}
