/* socket_options.c - socket options by name: one table, from which they are set.
 *
 * Everything is set on the fresh socket, before it is bound or connected: TCP's window scale is
 * agreed with the first packet, and a device or a shared port must be known at the bind. What the
 * kernel forgets on the way (quickack) is set when the socket is ready. A listener's connections
 * inherit most of it, so accepting costs nothing; what they do not inherit is worked out when
 * listening starts. That they do not was tried on the kernel, and tests/end_to_end/test_options.py
 * tries it again.
 *
 * SO_RCVBUFFORCE and SO_SNDBUFFORCE are not used: a route is to run as root as it runs without, and
 * the limit is the administrator's. Who is cut is told by which sysctl.
 */
#include "transport/socket_options.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/proc.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

#define TCP_ANY  (SORT_TCP | SORT_TCP_LISTENER)
#define INET_ANY (TCP_ANY | SORT_UDP)
#define ANY      (INET_ANY | SORT_UNIX)

/* tos before priority, which it changes. */
static const struct socket_option rows[] = {
    { .key = "keepalive",
        .sorts = TCP_ANY,
        .level = SOL_SOCKET,
        .name = SO_KEEPALIVE,
        .form = FORM_FLAG },
    { .key = "keepidle",
        .sorts = TCP_ANY,
        .level = IPPROTO_TCP,
        .name = TCP_KEEPIDLE,
        .form = FORM_SECONDS },
    { .key = "keepintvl",
        .sorts = TCP_ANY,
        .level = IPPROTO_TCP,
        .name = TCP_KEEPINTVL,
        .form = FORM_SECONDS },
    { .key = "keepcnt",
        .sorts = TCP_ANY,
        .level = IPPROTO_TCP,
        .name = TCP_KEEPCNT,
        .form = FORM_NUMBER },
    { .key = "user-timeout",
        .sorts = TCP_ANY,
        .level = IPPROTO_TCP,
        .name = TCP_USER_TIMEOUT,
        .form = FORM_MILLISECONDS },
    { .key = "linger",
        .sorts = TCP_ANY,
        .level = SOL_SOCKET,
        .name = SO_LINGER,
        .form = FORM_LINGER },
    { .key = "nodelay",
        .sorts = TCP_ANY,
        .level = IPPROTO_TCP,
        .name = TCP_NODELAY,
        .form = FORM_FLAG,
        .ready = true },
    { .key = "quickack",
        .sorts = TCP_ANY,
        .level = IPPROTO_TCP,
        .name = TCP_QUICKACK,
        .form = FORM_FLAG,
        .not_inherited = SORT_TCP_LISTENER,
        .ready = true,
        .why = "the kernel goes on by itself as the traffic goes" },
    { .key = "defer-accept",
        .sorts = SORT_TCP_LISTENER,
        .level = IPPROTO_TCP,
        .name = TCP_DEFER_ACCEPT,
        .form = FORM_SECONDS,
        .why = "the kernel counts retransmissions, so it is 1s, 3s, 7s, 15s, 31s, ..." },
    { .key = "congestion",
        .sorts = TCP_ANY,
        .level = IPPROTO_TCP,
        .name = TCP_CONGESTION,
        .form = FORM_WORD,
        .limit = "net.ipv4.tcp_available_congestion_control",
        .capability = "CAP_NET_ADMIN, or let net.ipv4.tcp_allowed_congestion_control name it" },
    { .key = "notsent-lowat",
        .sorts = TCP_ANY,
        .level = IPPROTO_TCP,
        .name = TCP_NOTSENT_LOWAT,
        .form = FORM_SIZE },
    { .key = "zerocopy",
        .sorts = TCP_ANY,
        .level = SOL_SOCKET,
        .name = SO_ZEROCOPY,
        .form = FORM_FLAG },
    { .key = "rcvbuf",
        .sorts = INET_ANY,
        .level = SOL_SOCKET,
        .name = SO_RCVBUF,
        .form = FORM_BUFFER,
        .limit = "net.core.rmem_max" },
    { .key = "sndbuf",
        .sorts = ANY,
        .level = SOL_SOCKET,
        .name = SO_SNDBUF,
        .form = FORM_BUFFER,
        .not_inherited = SORT_UNIX,
        .limit = "net.core.wmem_max" },
    { .key = "rcvtimeo",
        .sorts = ANY,
        .level = SOL_SOCKET,
        .name = SO_RCVTIMEO,
        .form = FORM_TIMEVAL,
        .not_inherited = SORT_UNIX,
        .why = "the kernel counts in ticks" },
    { .key = "sndtimeo",
        .sorts = ANY,
        .level = SOL_SOCKET,
        .name = SO_SNDTIMEO,
        .form = FORM_TIMEVAL,
        .not_inherited = SORT_UNIX,
        .why = "the kernel counts in ticks" },
    { .key = "tos",
        .sorts = INET_ANY,
        .level = IPPROTO_IP,
        .name = IP_TOS,
        .form = FORM_TOS,
        .why = "the lowest two bits are TCP's own (ECN)" },
    { .key = "priority",
        .sorts = INET_ANY,
        .level = SOL_SOCKET,
        .name = SO_PRIORITY,
        .form = FORM_NUMBER,
        .not_inherited = SORT_TCP_LISTENER,
        .capability = "CAP_NET_ADMIN for a priority above 6" },
    { .key = "bindtodevice",
        .sorts = INET_ANY,
        .level = SOL_SOCKET,
        .name = SO_BINDTODEVICE,
        .form = FORM_WORD,
        .capability = "CAP_NET_RAW (before Linux 5.7, and to change it later)" },
    { .key = "reuseaddr",
        .sorts = INET_ANY,
        .level = SOL_SOCKET,
        .name = SO_REUSEADDR,
        .form = FORM_FLAG },
    { .key = "reuseport",
        .sorts = INET_ANY,
        .level = SOL_SOCKET,
        .name = SO_REUSEPORT,
        .form = FORM_FLAG },
    { .key = "busy-poll",
        .sorts = INET_ANY,
        .level = SOL_SOCKET,
        .name = SO_BUSY_POLL,
        .form = FORM_NUMBER,
        .capability = "CAP_NET_ADMIN to raise it" },
};

const struct socket_option *socket_option_get(size_t index)
{
    return index < COUNT_OF(rows) ? &rows[index] : NULL;
}

/* --- what is asked ---------------------------------------------------------------------------- */

const char *option_asked(
    const struct option_source *source, const struct socket_option *option, bool *ret_from_profile)
{
    /* A queue's priority is a message's. */
    bool queue = source->address->scheme == FERRY_MQ;
    const char *own = queue ? NULL : ferry_address_option(source->address, option->key);

    *ret_from_profile = !own && source->profile;
    return own || !source->profile ? own : ferry_profile_get(source->profile, option->key);
}

/* The value that is asked for of a row of this form and name, if the socket has such an option;
 * NULL: nothing. What the socket is is asked only then. */
static const char *asked_of(
    int fd, const struct option_source *source, enum option_form form, int name)
{
    bool from_profile;

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (rows[i].form == form && rows[i].name == name) {
            const char *asked = option_asked(source, &rows[i], &from_profile);
            return asked && rows[i].sorts & socket_sort(fd, source->verb) ? asked : NULL;
        }
    return NULL;
}

uint16_t options_link_flags(int fd, const struct option_source *source)
{
    const char *linger = asked_of(fd, source, FORM_LINGER, SO_LINGER);
    const char *zero_copy = asked_of(fd, source, FORM_FLAG, SO_ZEROCOPY);
    uint16_t flags = 0;

    if (linger && clock_parse_ms(linger) > 0)
        flags |= LINK_LINGERS;
    /* Of a message in a frame not all is the caller's. */
    if (zero_copy && strcmp(zero_copy, "no") != 0 &&
        !ferry_address_option(source->address, "frame"))
        flags |= LINK_ZERO_COPY;
    return flags;
}

enum socket_sort socket_sort(int fd, enum address_verb verb)
{
    int family, type;
    socklen_t size = sizeof(int);

    if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0)
        return SORT_NONE;
    if (family == AF_UNIX)
        return SORT_UNIX;
    if (family != AF_INET && family != AF_INET6)
        return SORT_NONE;
    if (type == SOCK_DGRAM)
        return SORT_UDP;
    return verb == ADDRESS_LISTEN ? SORT_TCP_LISTENER : SORT_TCP;
}

static struct option_value number_value(int64_t number)
{
    return (struct option_value){ .number = (int)number, .size = sizeof(int) };
}

/* `text` has been checked when it was parsed. */
static struct option_value option_encode(const struct socket_option *option, const char *text)
{
    struct option_value value = { .size = sizeof(value.word) };
    int64_t span_ms;

    switch (option->form) {
    case FORM_FLAG:
        return number_value(strcmp(text, "no") != 0);
    case FORM_NUMBER:
        return number_value(strtoll(text, NULL, 10));
    case FORM_SIZE:
    case FORM_BUFFER:
        return number_value(address_parse_size(text, INT64_MAX));
    case FORM_SECONDS:
        return number_value(clock_parse_ms(text) / 1000);
    case FORM_MILLISECONDS:
        return number_value(clock_parse_ms(text));
    case FORM_TOS:
        return number_value(address_tos_parse(text));
    case FORM_LINGER:
        value.size = sizeof(value.linger);
        value.linger.l_onoff = strcmp(text, "no") != 0;
        value.linger.l_linger = value.linger.l_onoff ? (int)(clock_parse_ms(text) / 1000) : 0;
        return value;
    case FORM_TIMEVAL:
        span_ms = clock_parse_ms(text);
        value.size = sizeof(value.time);
        value.time = (struct timeval){ span_ms / 1000, span_ms % 1000 * 1000 };
        return value;
    case FORM_WORD:
        snprintf(value.word, sizeof(value.word), "%s", text);
        return value;
    }
    return value;
}

/* --- setting ---------------------------------------------------------------------------------- */

/* IPv6 has a traffic class of its own; a socket of both families needs the two. */
static int option_set(int fd, const struct socket_option *option, const struct option_value *value)
{
    if (option->form == FORM_TOS) {
        int family;
        socklen_t size = sizeof(family);
        if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) == 0 && family == AF_INET6 &&
            setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &value->number, value->size) < 0)
            return -errno;
    }
    return setsockopt(fd, option->level, option->name, value, value->size) < 0 ? -errno : 0;
}

/* A sysctl's value on one line; "" when it cannot be read. */
void sysctl_read(const char *name, char *text, size_t size)
{
    char path[128];

    text[0] = '\0';
    snprintf(path, sizeof(path), "/proc/sys/%s", name);
    for (char *dot = strchr(path, '.'); dot; dot = strchr(dot, '.'))
        *dot = '/';
    (void)proc_read(AT_FDCWD, path, text, size);
    text[strcspn(text, "\n")] = '\0';
    for (char *tab = strchr(text, '\t'); tab; tab = strchr(tab, '\t'))
        *tab = ' ';
}

static int option_refused(const struct option_source *source, const struct socket_option *option,
    const char *asked, bool from_profile, int code, struct ferry_error *error)
{
    const char *thing = ferry_address_text(source->address);
    const char *whose = from_profile ? " of the profile" : "";
    char remedy[200], known[128];

    if (code == -EPERM) {
        snprintf(remedy, sizeof(remedy), "it needs %s",
            option->capability ? option->capability : "a privilege");
        return error_set(
            error, code, thing, remedy, "this user may not set %s=%s%s", option->key, asked, whose);
    }
    if (code == -ENODEV)
        return error_set(error, code, thing, "choose one that ip -br link shows",
            "there is no network interface %s (%s%s)", asked, option->key, whose);
    if (code == -ENOENT && option->limit) {
        sysctl_read(option->limit, known, sizeof(known));
        snprintf(remedy, sizeof(remedy), "%s has: %s", option->limit, known);
        return error_set(
            error, code, thing, remedy, "the kernel has no %s=%s%s", option->key, asked, whose);
    }
    if (code == -ENOPROTOOPT)
        return error_set(error, code, thing, "leave it out", "this kernel does not know %s%s",
            option->key, whose);
    return error_set(error, code, thing, "leave it out, or give another value",
        "the kernel refuses %s=%s%s: %s", option->key, asked, whose, strerrordesc_np(-code));
}

static int option_foreign(const struct option_source *source, const struct socket_option *option,
    enum socket_sort sort, struct ferry_error *error)
{
    static const struct {
        enum socket_sort sort;
        const char *name;
    } names[] = { { SORT_TCP, "a TCP connection" }, { SORT_TCP_LISTENER, "a TCP listener" },
        { SORT_UDP, "a UDP socket" }, { SORT_UNIX, "a unix socket" },
        { SORT_NONE, "no socket of ours" } };
    size_t i = 0;

    while (i + 1 < COUNT_OF(names) && names[i].sort != sort)
        i++;
    return error_set(error, -EINVAL, ferry_address_text(source->address), "leave it out",
        "it is %s, which cannot have %s", names[i].name, option->key);
}

static int option_apply(int fd, enum socket_sort sort, const struct socket_option *option,
    const struct option_source *source, struct ferry_error *error)
{
    bool from_profile;
    const char *asked = option_asked(source, option, &from_profile);

    if (!asked)
        return 0;
    if (!(option->sorts & sort))
        return from_profile ? 0 : option_foreign(source, option, sort, error);
    struct option_value value = option_encode(option, asked);
    int r = option_set(fd, option, &value);
    if (r == 0 || (from_profile && (r == -ENOPROTOOPT || r == -EOPNOTSUPP)))
        return 0;
    return option_refused(source, option, asked, from_profile, r, error);
}

/* Nothing asked costs no system call: most sockets are not tuned. */
static bool source_asks(const struct option_source *source)
{
    bool from_profile;

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (option_asked(source, &rows[i], &from_profile))
            return true;
    return false;
}

int socket_options_apply(
    int fd, unsigned moments, const struct option_source *source, struct ferry_error *error)
{
    if (!source_asks(source))
        return 0;
    enum socket_sort sort = socket_sort(fd, source->verb);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (!(moments & (rows[i].ready ? MOMENT_READY : MOMENT_MADE)))
            continue;
        int r = option_apply(fd, sort, &rows[i], source, error);
        if (r < 0)
            return r;
    }
    return 0;
}

/* --- accepting -------------------------------------------------------------------------------- */

void accept_options_make(
    int fd, const struct option_source *source, struct accept_options *ret_options)
{
    enum socket_sort sort = source_asks(source) ? socket_sort(fd, source->verb) : SORT_NONE;
    bool from_profile;

    *ret_options = (struct accept_options){ 0 };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *asked = option_asked(source, &rows[i], &from_profile);
        if (!asked || !(rows[i].not_inherited & sort))
            continue;
        assert(ret_options->count < COUNT_OF(ret_options->items));
        ret_options->items[ret_options->count].option = &rows[i];
        ret_options->items[ret_options->count++].value = option_encode(&rows[i], asked);
    }
}

/* The listener took it, so this fails at most on a connection that is dead already; what is in
 * effect in the end, reading back tells. */
void accept_options_apply(const struct accept_options *options, int fd)
{
    for (size_t i = 0; i < options->count; i++)
        (void)option_set(fd, options->items[i].option, &options->items[i].value);
}

/* --- trying ----------------------------------------------------------------------------------- */

int socket_for_trial(const struct option_source *source, int *ret_fd)
{
    const struct ferry_address *address = source->address;
    const int on = 1;
    int family = AF_UNIX, type = SOCK_STREAM;

    switch (address->scheme) {
    case FERRY_UNIX:
        break;
    case FERRY_UNIX_DGRAM:
        type = SOCK_DGRAM;
        break;
    case FERRY_UNIX_SEQ:
    case FERRY_AUTO:
        type = SOCK_SEQPACKET;
        break;
    case FERRY_UDP:
        type = SOCK_DGRAM;
        __attribute__((fallthrough));
    case FERRY_TCP:
        family = strchr(address->rest, ':') || strcmp(address->rest, "*") == 0 ? AF_INET6 : AF_INET;
        break;
    default:
        return -EOPNOTSUPP;
    }
    int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 && errno == EAFNOSUPPORT && family == AF_INET6)
        fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (address->scheme == FERRY_TCP) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        if (source->verb == ADDRESS_LISTEN)
            setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    }
    *ret_fd = fd;
    return 0;
}
