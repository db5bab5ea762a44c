/* transport.c - which mechanism carries which scheme. */
#include "transport/transport.h"
#include "base/error.h"
#include "transport/single.h"

#include <errno.h>
#include <stdlib.h>

static const struct transport *const transports[FERRY_SCHEME_COUNT] = {
    [FERRY_UNIX] = &transport_unix,
    [FERRY_UNIX_DGRAM] = &transport_unix,
    [FERRY_UNIX_SEQ] = &transport_unix,
    [FERRY_TCP] = &transport_inet,
    [FERRY_UDP] = &transport_inet,
    [FERRY_FIFO] = &transport_fifo,
    [FERRY_MQ] = &transport_mq,
    [FERRY_FD] = &transport_descriptor,
    [FERRY_STDIO] = &transport_descriptor,
    [FERRY_EXEC] = &transport_exec,
    [FERRY_FILE] = &transport_file,
    [FERRY_ICMP] = &transport_icmp,
    [FERRY_AUTO] = &transport_auto,
};

int transport_listen(const struct ferry_address *address,
    const struct ferry_listen_options *options, struct listening *ret_listening,
    struct ferry_error *error)
{
    const struct transport *transport = transports[address->scheme];

    int r = address_check_verb(address, ADDRESS_LISTEN, error);
    if (r < 0)
        return r;
    if (transport->listen)
        return transport->listen(address, options, ret_listening, error);
    return single_listen(address, options, ret_listening, error);
}

int listening_socket(const struct listening *listening)
{
    return listening->ops->socket ? listening->ops->socket(listening) : -1;
}

void resolved_fini(struct resolved *resolved)
{
    for (size_t i = 0; i < resolved->count; i++)
        ferry_address_free(resolved->addresses[i]);
    free(resolved->addresses);
    *resolved = (struct resolved){ 0 };
}

int transport_resolve(
    const struct ferry_address *address, struct resolved *ret_resolved, struct ferry_error *error)
{
    const struct transport *transport = transports[address->scheme];

    /* Before a name server is asked for nothing. */
    int r = address_check_verb(address, ADDRESS_DIAL, error);
    if (r < 0)
        return r;
    if (transport->resolve)
        return transport->resolve(address, ret_resolved, error);
    *ret_resolved = (struct resolved){ 0 };
    return 0;
}

int transport_dial(const struct ferry_address *address, const struct ferry_dial_options *options,
    struct link *ret_link, struct ferry_error *error)
{
    const struct transport *transport = transports[address->scheme];

    int r = address_check_verb(address, ADDRESS_DIAL, error);
    if (r < 0)
        return r;
    if (!transport->dial)
        return error_set(error, -EOPNOTSUPP, ferry_address_text(address), NULL,
            "%s: cannot be dialled", address_scheme_name(address->scheme));
    return transport->dial(address, options, ret_link, error);
}
