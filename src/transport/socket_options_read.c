/* socket_options_read.c - what is in effect on a socket, and why it is not what was asked for.
 *
 * The kernel takes much and keeps less: it doubles buffers for its bookkeeping, cuts them at a
 * sysctl, rounds times to ticks or retransmissions. So nothing is remembered from setting; every
 * value comes from getsockopt(2), written as an address has it, and the texts are compared.
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "transport/socket_options.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

static void print_flag(struct bytes *text, bool on)
{
    bytes_append_text(text, on ? "yes" : "no");
}

static void print_linger(struct bytes *text, const struct linger *linger)
{
    if (linger->l_onoff)
        address_print_span(text, linger->l_linger * INT64_C(1000));
    else
        print_flag(text, false);
}

static void print_value(
    struct bytes *text, const struct socket_option *option, const struct option_value *value)
{
    unsigned number = (unsigned)value->number;

    switch (option->form) {
    case FORM_FLAG:
        print_flag(text, number != 0);
        break;
    case FORM_NUMBER:
        bytes_print(text, "%u", number);
        break;
    case FORM_SIZE:
    case FORM_BUFFER:
        address_print_size(text, number);
        break;
    case FORM_SECONDS:
        address_print_span(text, number * INT64_C(1000));
        break;
    case FORM_MILLISECONDS:
        address_print_span(text, number);
        break;
    case FORM_TOS:
        address_print_tos(text, number);
        break;
    case FORM_LINGER:
        print_linger(text, &value->linger);
        break;
    case FORM_TIMEVAL:
        address_print_span(
            text, value->time.tv_sec * INT64_C(1000) + (value->time.tv_usec + 999) / 1000);
        break;
    case FORM_WORD:
        bytes_print(text, "%.*s", (int)sizeof(value->word), value->word);
        break;
    }
}

static int value_read(int fd, const struct socket_option *option, struct option_value *ret_value)
{
    int level = option->level, name = option->name, family;
    socklen_t size = sizeof(family);

    if (option->form == FORM_TOS && getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) == 0 &&
        family == AF_INET6) {
        level = IPPROTO_IPV6;
        name = IPV6_TCLASS;
    }
    *ret_value = (struct option_value){ .size = sizeof(*ret_value) };
    if (option->form == FORM_WORD) /* the kernel fills as much as it is told there is */
        ret_value->size = sizeof(ret_value->word);
    if (getsockopt(fd, level, name, ret_value, &ret_value->size) < 0)
        return -errno;
    return 0;
}

/* What the kernel made of a buffer's size. */
static int buffer_note(
    const struct socket_option *option, int64_t asked, int64_t effective, struct bytes *ret_note)
{
    char limit[32];

    if (effective == 2 * asked) {
        bytes_append_text(ret_note, "doubled by the kernel for its bookkeeping");
        return 0;
    }
    if (effective > 2 * asked) {
        bytes_append_text(ret_note, "the least that the kernel allows");
        return 1;
    }
    sysctl_read(option->limit, limit, sizeof(limit));
    bytes_print(
        ret_note, "cut by %s%s%s, then doubled", option->limit, limit[0] ? " = " : "", limit);
    return 1;
}

/* What stands there although nobody asked. */
static void default_note(enum socket_sort sort, const struct socket_option *option,
    const struct option_value *value, struct bytes *ret_note)
{
    char grows[64];

    if (option->form == FORM_BUFFER && sort & (SORT_TCP | SORT_TCP_LISTENER)) {
        const char *name = option->name == SO_RCVBUF ? "net.ipv4.tcp_rmem" : "net.ipv4.tcp_wmem";
        sysctl_read(name, grows, sizeof(grows));
        bytes_print(ret_note, "grows by itself, %s%s%s", name, grows[0] ? " = " : "", grows);
    } else if (value->number && ((option->name == TCP_NODELAY && option->level == IPPROTO_TCP) ||
                                    (option->name == SO_REUSEADDR && sort == SORT_TCP_LISTENER))) {
        bytes_append_text(ret_note, "ferry's default");
    } else if (option->name == SO_PRIORITY && option->level == SOL_SOCKET && value->number) {
        bytes_append_text(ret_note, "the kernel's choice for tos");
    } else {
        bytes_append_text(ret_note, "the kernel's default");
    }
}

int socket_option_read(int fd, enum socket_sort sort, const struct socket_option *option,
    const char *asked, struct bytes *ret_text, struct bytes *ret_note)
{
    struct option_value value;
    AUTO_BYTES struct bytes text = BYTES_EMPTY;

    if (!(option->sorts & sort))
        return -ENODATA;
    int r = value_read(fd, option, &value);
    if (r < 0)
        return -ENODATA;
    print_value(&text, option, &value);
    bytes_append_text(&text, "");
    if (bytes_failed(&text))
        return -ENOMEM;
    bytes_append_text(ret_text, text.data);
    if (!asked) {
        default_note(sort, option, &value, ret_note);
        return 0;
    }
    if (option->form == FORM_BUFFER)
        return buffer_note(option, address_parse_size(asked, INT64_MAX), value.number, ret_note);
    /* A flag that is set reads as nothing in an address. */
    if (strcmp(*asked ? asked : "yes", text.data) == 0)
        return 0;
    bytes_append_text(ret_note, option->why ? option->why : "the kernel chose otherwise");
    return 1;
}
