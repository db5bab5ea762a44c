/* options.c - what is in effect on a descriptor that another process holds.
 *
 * The library's own reading back (ferry_channel_get_options()) is not used: a channel makes its
 * descriptor non-blocking, which the process that owns it would see.
 */
#include "command/show/options.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "command/view/copy.h"
#include "command/view/names.h"

#include <assert.h>
#include <fcntl.h>
#include <linux/in6.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>

/* By number where Debian 12's headers are older than the option. */
#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76
#endif
#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif
#ifndef SO_PREFER_BUSY_POLL
#define SO_PREFER_BUSY_POLL 69
#endif
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x10
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x20
#endif

/* Which sockets have it. */
enum {
    ON_UNIX = 1 << 0,
    ON_TCP = 1 << 1,
    ON_UDP = 1 << 2,
    ON_RAW = 1 << 3,
    ON_IPV6 = 1 << 4, /* of the others, only those of IPv6 */
    ON_INET = ON_TCP | ON_UDP | ON_RAW,
    ON_ALL = ON_UNIX | ON_INET,
};

/* How the kernel gives it. */
enum form {
    FORM_FLAG,
    FORM_NUMBER,
    FORM_BYTES,
    FORM_SECONDS,
    FORM_MILLISECONDS,
    FORM_MICROSECONDS,
    FORM_LINGER,
    FORM_TIMEVAL,
    FORM_WORD,
    FORM_CREDENTIALS,
    FORM_PMTU,
};

static const struct row {
    const char *key;
    unsigned on;
    int level, name;
    enum form form;
} rows[] = {
    { "rcvbuf", ON_ALL, SOL_SOCKET, SO_RCVBUF, FORM_BYTES },
    { "sndbuf", ON_ALL, SOL_SOCKET, SO_SNDBUF, FORM_BYTES },
    { "rcvlowat", ON_ALL, SOL_SOCKET, SO_RCVLOWAT, FORM_BYTES },
    { "rcvtimeo", ON_ALL, SOL_SOCKET, SO_RCVTIMEO, FORM_TIMEVAL },
    { "sndtimeo", ON_ALL, SOL_SOCKET, SO_SNDTIMEO, FORM_TIMEVAL },
    { "passcred", ON_UNIX, SOL_SOCKET, SO_PASSCRED, FORM_FLAG },
    { "passpidfd", ON_UNIX, SOL_SOCKET, SO_PASSPIDFD, FORM_FLAG },
    { "passrights", ON_UNIX, SOL_SOCKET, SO_PASSRIGHTS, FORM_FLAG },
    { "passsec", ON_UNIX, SOL_SOCKET, SO_PASSSEC, FORM_FLAG },
    { "peek-off", ON_ALL, SOL_SOCKET, SO_PEEK_OFF, FORM_NUMBER },
    { "peercred", ON_UNIX, SOL_SOCKET, SO_PEERCRED, FORM_CREDENTIALS },
    { "reuseaddr", ON_INET, SOL_SOCKET, SO_REUSEADDR, FORM_FLAG },
    { "reuseport", ON_INET, SOL_SOCKET, SO_REUSEPORT, FORM_FLAG },
    { "broadcast", ON_UDP | ON_RAW, SOL_SOCKET, SO_BROADCAST, FORM_FLAG },
    { "bindtodevice", ON_INET, SOL_SOCKET, SO_BINDTODEVICE, FORM_WORD },
    { "dontroute", ON_INET, SOL_SOCKET, SO_DONTROUTE, FORM_FLAG },
    { "mark", ON_INET, SOL_SOCKET, SO_MARK, FORM_NUMBER },
    { "priority", ON_ALL, SOL_SOCKET, SO_PRIORITY, FORM_NUMBER },
    { "timestamp", ON_ALL, SOL_SOCKET, SO_TIMESTAMP, FORM_FLAG },
    { "timestampns", ON_ALL, SOL_SOCKET, SO_TIMESTAMPNS, FORM_FLAG },
    { "timestamping", ON_INET, SOL_SOCKET, SO_TIMESTAMPING, FORM_NUMBER },
    { "rxq-ovfl", ON_UDP | ON_RAW, SOL_SOCKET, SO_RXQ_OVFL, FORM_FLAG },
    { "busy-poll", ON_INET, SOL_SOCKET, SO_BUSY_POLL, FORM_MICROSECONDS },
    { "prefer-busy-poll", ON_INET, SOL_SOCKET, SO_PREFER_BUSY_POLL, FORM_FLAG },
    { "incoming-cpu", ON_INET, SOL_SOCKET, SO_INCOMING_CPU, FORM_NUMBER },
    { "keepalive", ON_TCP, SOL_SOCKET, SO_KEEPALIVE, FORM_FLAG },
    { "keepidle", ON_TCP, IPPROTO_TCP, TCP_KEEPIDLE, FORM_SECONDS },
    { "keepintvl", ON_TCP, IPPROTO_TCP, TCP_KEEPINTVL, FORM_SECONDS },
    { "keepcnt", ON_TCP, IPPROTO_TCP, TCP_KEEPCNT, FORM_NUMBER },
    { "user-timeout", ON_TCP, IPPROTO_TCP, TCP_USER_TIMEOUT, FORM_MILLISECONDS },
    { "linger", ON_TCP, SOL_SOCKET, SO_LINGER, FORM_LINGER },
    { "linger2", ON_TCP, IPPROTO_TCP, TCP_LINGER2, FORM_SECONDS },
    { "oobinline", ON_TCP, SOL_SOCKET, SO_OOBINLINE, FORM_FLAG },
    { "nodelay", ON_TCP, IPPROTO_TCP, TCP_NODELAY, FORM_FLAG },
    { "cork", ON_TCP, IPPROTO_TCP, TCP_CORK, FORM_FLAG },
    { "quickack", ON_TCP, IPPROTO_TCP, TCP_QUICKACK, FORM_FLAG },
    { "maxseg", ON_TCP, IPPROTO_TCP, TCP_MAXSEG, FORM_BYTES },
    { "syncnt", ON_TCP, IPPROTO_TCP, TCP_SYNCNT, FORM_NUMBER },
    { "defer-accept", ON_TCP, IPPROTO_TCP, TCP_DEFER_ACCEPT, FORM_SECONDS },
    { "fastopen", ON_TCP, IPPROTO_TCP, TCP_FASTOPEN, FORM_NUMBER },
    { "congestion", ON_TCP, IPPROTO_TCP, TCP_CONGESTION, FORM_WORD },
    { "ulp", ON_TCP, IPPROTO_TCP, TCP_ULP, FORM_WORD },
    { "notsent-lowat", ON_TCP, IPPROTO_TCP, TCP_NOTSENT_LOWAT, FORM_BYTES },
    { "window-clamp", ON_TCP, IPPROTO_TCP, TCP_WINDOW_CLAMP, FORM_BYTES },
    { "zerocopy", ON_TCP | ON_UDP, SOL_SOCKET, SO_ZEROCOPY, FORM_FLAG },
    { "udp-cork", ON_UDP, IPPROTO_UDP, UDP_CORK, FORM_FLAG },
    { "udp-segment", ON_UDP, IPPROTO_UDP, UDP_SEGMENT, FORM_BYTES },
    { "udp-gro", ON_UDP, IPPROTO_UDP, UDP_GRO, FORM_FLAG },
    { "tos", ON_INET, IPPROTO_IP, IP_TOS, FORM_NUMBER },
    { "ttl", ON_INET, IPPROTO_IP, IP_TTL, FORM_NUMBER },
    { "mtu-discover", ON_INET, IPPROTO_IP, IP_MTU_DISCOVER, FORM_PMTU },
    { "freebind", ON_INET, IPPROTO_IP, IP_FREEBIND, FORM_FLAG },
    { "transparent", ON_INET, IPPROTO_IP, IP_TRANSPARENT, FORM_FLAG },
    { "recverr", ON_INET, IPPROTO_IP, IP_RECVERR, FORM_FLAG },
    { "pktinfo", ON_UDP | ON_RAW, IPPROTO_IP, IP_PKTINFO, FORM_FLAG },
    { "multicast-ttl", ON_UDP | ON_RAW, IPPROTO_IP, IP_MULTICAST_TTL, FORM_NUMBER },
    { "multicast-loop", ON_UDP | ON_RAW, IPPROTO_IP, IP_MULTICAST_LOOP, FORM_FLAG },
    { "v6only", ON_IPV6 | ON_INET, IPPROTO_IPV6, IPV6_V6ONLY, FORM_FLAG },
    { "tclass", ON_IPV6 | ON_INET, IPPROTO_IPV6, IPV6_TCLASS, FORM_NUMBER },
    { "unicast-hops", ON_IPV6 | ON_INET, IPPROTO_IPV6, IPV6_UNICAST_HOPS, FORM_NUMBER },
    { "mtu-discover6", ON_IPV6 | ON_INET, IPPROTO_IPV6, IPV6_MTU_DISCOVER, FORM_PMTU },
    { "multicast-hops", ON_IPV6 | ON_UDP | ON_RAW, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, FORM_NUMBER },
};

static struct show_option *option_add(
    struct show_options *options, const char *key, enum show_option_unit unit, int64_t number)
{
    static_assert(COUNT_OF(rows) + 4 < SHOW_OPTIONS_MAX, "every row has its place");
    struct show_option *option = &options->items[options->count++];

    *option = (struct show_option){ .key = key, .unit = unit, .number = number };
    return option;
}

/* --- sockets ---------------------------------------------------------------------------------- */

static bool applies(const struct row *row, const struct ferry_endpoint *endpoint)
{
    static const unsigned on[] = { [FERRY_ENDPOINT_UNIX_STREAM] = ON_UNIX,
        [FERRY_ENDPOINT_UNIX_DATAGRAM] = ON_UNIX,
        [FERRY_ENDPOINT_UNIX_SEQPACKET] = ON_UNIX,
        [FERRY_ENDPOINT_TCP] = ON_TCP,
        [FERRY_ENDPOINT_UDP] = ON_UDP,
        [FERRY_ENDPOINT_RAW] = ON_RAW };

    return row->on & on[endpoint->kind] && (!(row->on & ON_IPV6) || endpoint->family == AF_INET6);
}

static void add_linger(struct show_options *options, const char *key, const struct linger *linger)
{
    if (linger->l_onoff)
        option_add(options, key, SHOW_SECONDS, linger->l_linger);
    else
        option_add(options, key, SHOW_FLAG, 0);
}

static void add_credentials(
    struct show_options *options, const char *key, const struct ucred *credentials)
{
    struct show_option *option = option_add(options, key, SHOW_TEXT, 0);

    if (credentials->pid <= 0)
        snprintf(option->text, sizeof(option->text), "none");
    else
        snprintf(option->text, sizeof(option->text), "pid %d uid %u gid %u", (int)credentials->pid,
            (unsigned)credentials->uid, (unsigned)credentials->gid);
}

static void add_word(struct show_options *options, const char *key, const char *word, size_t size)
{
    struct show_option *option = option_add(options, key, SHOW_TEXT, 0);

    snprintf(option->text, sizeof(option->text), "%.*s", (int)size, size ? word : "");
    if (!option->text[0])
        snprintf(option->text, sizeof(option->text), "none");
}

static void add_pmtu(struct show_options *options, const char *key, int number)
{
    static const char *const words[] = { "dont", "want", "do", "probe", "interface", "omit" };

    if (number >= 0 && (size_t)number < COUNT_OF(words))
        add_word(options, key, words[number], strlen(words[number]));
    else
        option_add(options, key, SHOW_NUMBER, number);
}

static enum show_option_unit unit_of(enum form form)
{
    static const enum show_option_unit units[] = { [FORM_FLAG] = SHOW_FLAG,
        [FORM_NUMBER] = SHOW_NUMBER,
        [FORM_BYTES] = SHOW_BYTES,
        [FORM_SECONDS] = SHOW_SECONDS,
        [FORM_MILLISECONDS] = SHOW_MILLISECONDS,
        [FORM_MICROSECONDS] = SHOW_MICROSECONDS };
    return units[form];
}

/* What the kernel does not know, or this socket does not have, is left out. */
static void read_row(int fd, const struct row *row, struct show_options *options)
{
    union {
        int number;
        struct linger linger;
        struct timeval time;
        struct ucred credentials;
        char word[32];
    } value = { .word = "" };
    socklen_t size = sizeof(value);

    if (getsockopt(fd, row->level, row->name, &value, &size) < 0)
        return;
    switch (row->form) {
    case FORM_LINGER:
        add_linger(options, row->key, &value.linger);
        break;
    case FORM_TIMEVAL:
        option_add(options, row->key, SHOW_MILLISECONDS,
            value.time.tv_sec * INT64_C(1000) + value.time.tv_usec / 1000);
        break;
    case FORM_CREDENTIALS:
        add_credentials(options, row->key, &value.credentials);
        break;
    case FORM_PMTU:
        add_pmtu(options, row->key, value.number);
        break;
    case FORM_WORD:
        add_word(options, row->key, value.word, size);
        break;
    default:
        option_add(options, row->key, unit_of(row->form), value.number);
    }
}

static void read_socket(int fd, const struct ferry_endpoint *endpoint, struct show_options *options)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (applies(&rows[i], endpoint))
            read_row(fd, &rows[i], options);
}

/* --- files ------------------------------------------------------------------------------------ */

static void read_pipe(int fd, struct show_options *options)
{
    int size = fcntl(fd, F_GETPIPE_SZ);
    int queued;

    if (size >= 0)
        option_add(options, "pipe-size", SHOW_BYTES, size);
    if (ioctl(fd, FIONREAD, &queued) == 0)
        option_add(options, "unread", SHOW_BYTES, queued);
}

static void read_seals(int fd, struct show_options *options)
{
    static const struct {
        int seal;
        const char *name;
    } seals[] = { { F_SEAL_SEAL, "seal" }, { F_SEAL_SHRINK, "shrink" }, { F_SEAL_GROW, "grow" },
        { F_SEAL_WRITE, "write" }, { F_SEAL_FUTURE_WRITE, "future-write" },
        { F_SEAL_EXEC, "exec" } };
    int found = fcntl(fd, F_GET_SEALS);
    size_t length = 0;

    if (found < 0)
        return;
    struct show_option *option = option_add(options, "seals", SHOW_TEXT, 0);
    snprintf(option->text, sizeof(option->text), "none");
    for (size_t i = 0; i < COUNT_OF(seals); i++)
        if (found & seals[i].seal)
            length += (size_t)snprintf(option->text + length, sizeof(option->text) - length, "%s%s",
                length ? " " : "", seals[i].name);
}

/* O_NONBLOCK and O_ASYNC belong to the open file description: whoever shares it has them too. */
static void read_flags(int fd, struct show_options *options)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0)
        return;
    option_add(options, "nonblock", SHOW_FLAG, (flags & O_NONBLOCK) != 0);
    option_add(options, "async", SHOW_FLAG, (flags & O_ASYNC) != 0);
}

int show_options_read(const struct ferry_endpoint *endpoint, struct show_options *ret_options,
    struct ferry_error *error)
{
    ret_options->count = 0;
    if (endpoint->kind == FERRY_ENDPOINT_QUEUE)
        return -EOPNOTSUPP;
    AUTO_FD int fd = view_copy_descriptor(endpoint, error);
    if (fd < 0)
        return fd;
    read_flags(fd, ret_options);
    if (view_is_socket(endpoint))
        read_socket(fd, endpoint, ret_options);
    else if (endpoint->kind == FERRY_ENDPOINT_MEMFD)
        read_seals(fd, ret_options);
    else
        read_pipe(fd, ret_options);
    return 0;
}
