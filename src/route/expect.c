/* expect.c - what the channels of an address will be able to do, told before there are any. */
#include "route/expect.h"

#include <string.h>

/* As each mechanism is when it has no options; a reply path makes the one-way ones two-way. */
static const struct {
    unsigned both, listen, dial;
    bool known;
} schemes[FERRY_SCHEME_COUNT] = {
    [FERRY_UNIX] = { FERRY_CAN_SEND | FERRY_CAN_RECEIVE | FERRY_HAS_DESCRIPTORS |
                         FERRY_HAS_IDENTITY | FERRY_HAS_HALF_CLOSE | FERRY_HAS_END,
        0, 0, true },
    [FERRY_UNIX_SEQ] = { FERRY_CAN_SEND | FERRY_CAN_RECEIVE | FERRY_HAS_DESCRIPTORS |
                             FERRY_HAS_IDENTITY | FERRY_HAS_HALF_CLOSE | FERRY_HAS_END |
                             FERRY_HAS_BOUNDARIES,
        0, 0, true },
    [FERRY_AUTO] = { FERRY_CAN_SEND | FERRY_CAN_RECEIVE | FERRY_HAS_DESCRIPTORS |
                         FERRY_HAS_IDENTITY | FERRY_HAS_HALF_CLOSE | FERRY_HAS_END |
                         FERRY_HAS_BOUNDARIES,
        0, 0, true },
    [FERRY_UNIX_DGRAM] = { FERRY_CAN_SEND | FERRY_CAN_RECEIVE | FERRY_HAS_DESCRIPTORS |
                               FERRY_HAS_IDENTITY | FERRY_HAS_BOUNDARIES,
        0, 0, true },
    [FERRY_TCP] = { FERRY_CAN_SEND | FERRY_CAN_RECEIVE | FERRY_HAS_HALF_CLOSE | FERRY_HAS_END |
                        FERRY_HAS_HOST,
        0, 0, true },
    [FERRY_UDP] = { FERRY_CAN_SEND | FERRY_CAN_RECEIVE | FERRY_HAS_BOUNDARIES | FERRY_HAS_HOST, 0,
        0, true },
    [FERRY_FIFO] = { 0, FERRY_CAN_RECEIVE | FERRY_HAS_END, FERRY_CAN_SEND | FERRY_HAS_HALF_CLOSE,
        true },
    [FERRY_MQ] = { FERRY_HAS_BOUNDARIES | FERRY_HAS_PRIORITY, FERRY_CAN_RECEIVE, FERRY_CAN_SEND,
        true },
    [FERRY_EXEC] = { FERRY_CAN_SEND | FERRY_CAN_RECEIVE | FERRY_HAS_DESCRIPTORS |
                         FERRY_HAS_IDENTITY | FERRY_HAS_HALF_CLOSE | FERRY_HAS_END,
        0, 0, true },
    [FERRY_ICMP] = { FERRY_CAN_SEND | FERRY_CAN_RECEIVE | FERRY_HAS_BOUNDARIES, 0, 0, true },
    [FERRY_FILE] = { 0, FERRY_CAN_RECEIVE | FERRY_HAS_END, FERRY_CAN_RECEIVE | FERRY_HAS_END,
        true },
};

bool expect_capabilities(
    const struct ferry_address *address, enum address_verb verb, unsigned *ret_capabilities)
{
    if (!schemes[address->scheme].known)
        return false;
    unsigned capabilities =
        schemes[address->scheme].both |
        (verb == ADDRESS_LISTEN ? schemes[address->scheme].listen : schemes[address->scheme].dial);
    if (address_get_flag(address, "append", false))
        capabilities = FERRY_CAN_SEND | FERRY_HAS_HALF_CLOSE;
    if (ferry_address_option(address, "reply"))
        capabilities |= schemes[address->scheme].listen | schemes[address->scheme].dial;
    if (ferry_address_option(address, "frame"))
        capabilities |= FERRY_HAS_BOUNDARIES;
    if (!address_get_flag(address, "descriptors", true))
        capabilities &= ~(unsigned)FERRY_HAS_DESCRIPTORS;
    *ret_capabilities = capabilities;
    return true;
}

const char *expect_way_name(enum ferry_way way)
{
    static const char *const names[] = {
        [FERRY_WAY_NONE] = "none",
        [FERRY_WAY_COPY] = "copy",
        [FERRY_WAY_SPLICE] = "splice",
        [FERRY_WAY_SENDFILE] = "sendfile",
        [FERRY_WAY_DISCARD] = "discard",
    };
    return names[way];
}

int expect_ways(unsigned listener, unsigned target, bool from_file, struct bytes *text)
{
    enum ferry_way in, out;
    const char *why_in, *why_out;
    /* What one side cannot carry, the other is told to refuse. */
    if (!(listener & target & FERRY_HAS_DESCRIPTORS)) {
        listener &= ~(unsigned)FERRY_HAS_DESCRIPTORS;
        target &= ~(unsigned)FERRY_HAS_DESCRIPTORS;
    }
    int r = ferry_relay_choose(listener, false, target, &in, &why_in);
    if (r == 0)
        r = ferry_relay_choose(target, from_file, listener, &out, &why_out);
    if (r < 0)
        return r;
    if (in == out && strcmp(why_in, why_out) == 0)
        bytes_print(text, "both ways by %s (%s)", expect_way_name(in), why_in);
    else
        bytes_print(text, "in by %s (%s), out by %s (%s)", expect_way_name(in), why_in,
            expect_way_name(out), why_out);
    return 0;
}

static bool is_unix(enum ferry_scheme scheme)
{
    return scheme == FERRY_UNIX || scheme == FERRY_UNIX_DGRAM || scheme == FERRY_UNIX_SEQ ||
           scheme == FERRY_AUTO;
}

static bool same_option(
    const struct ferry_address *one, const struct ferry_address *other, const char *key)
{
    const char *a = ferry_address_option(one, key), *b = ferry_address_option(other, key);
    return a && b ? strcmp(a, b) == 0 : !a && !b;
}

/* A group is shared: from another interface, or from other sources, it is another place. */
static bool same_membership(const struct ferry_address *one, const struct ferry_address *other)
{
    return !address_host_is_group(one->rest) || !address_host_is_group(other->rest) ||
           (same_option(one, other, "interface") && same_option(one, other, "source"));
}

bool expect_same_place(const struct ferry_address *one, const struct ferry_address *other)
{
    bool inet = one->scheme == FERRY_TCP || one->scheme == FERRY_UDP;
    bool same_scheme = one->scheme == other->scheme ||
                       (is_unix(one->scheme) && !one->abstract && is_unix(other->scheme));
    if (!same_scheme || one->abstract != other->abstract)
        return false;
    if (inet && (one->port == 0 || one->port != other->port))
        return false; /* port 0: the kernel chooses another each time */
    if (inet && !same_membership(one, other))
        return false;
    if (inet && (strcmp(one->rest, "*") == 0 || strcmp(other->rest, "*") == 0))
        return true;
    if (one->scheme == FERRY_FD && one->descriptor != other->descriptor)
        return false;
    return one->rest_size == other->rest_size &&
           memcmp(one->rest, other->rest, one->rest_size) == 0;
}
