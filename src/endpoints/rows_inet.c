/* rows_inet.c - TCP, UDP and raw sockets from the kernel's diagnosis, IPv4 and IPv6. */
#include "base/host.h"
#include "endpoints/table.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <string.h>

struct filling {
    struct ferry_endpoints *table;
    struct diag *diag;
    const struct ferry_namespace *network;
    unsigned kind;
};

static int attribute_read(struct ferry_endpoints *table, struct ferry_endpoint *row,
    struct ferry_inet *inet, const struct nlattr *attribute)
{
    const void *payload = mnl_attr_get_payload(attribute);
    size_t size = mnl_attr_get_payload_len(attribute);

    switch (mnl_attr_get_type(attribute)) {
    case INET_DIAG_SKMEMINFO:
        memory_set(table, row, payload, size);
        return 0;
    case INET_DIAG_SHUTDOWN:
        row->shutdown = size >= 1 ? *(const unsigned char *)payload : 0;
        return 0;
    case INET_DIAG_SKV6ONLY:
        inet->only_ipv6 = size >= 1 && *(const unsigned char *)payload;
        return 0;
    case INET_DIAG_CONG:
        inet->congestion = arena_copy(&table->arena, payload, strnlen(payload, size));
        return inet->congestion ? 0 : -ENOMEM;
    case INET_DIAG_INFO:
        if (row->kind != FERRY_ENDPOINT_TCP)
            return 0;
        inet->tcp_info = arena_new(&table->arena, size); /* aligned, as it is a struct */
        inet->tcp_info_size = size;
        if (inet->tcp_info)
            memcpy((void *)inet->tcp_info, payload, size);
        return inet->tcp_info ? 0 : -ENOMEM;
    default:
        return 0;
    }
}

static void inet_fill(struct ferry_inet *inet, const struct inet_diag_msg *said)
{
    size_t size = host_size(said->idiag_family);

    memcpy(inet->local, said->id.idiag_src, size);
    memcpy(inet->remote, said->id.idiag_dst, size);
    inet->local_port = ntohs(said->id.idiag_sport);
    inet->remote_port = ntohs(said->id.idiag_dport);
    inet->interface = said->id.idiag_if;
    inet->timer = said->idiag_timer;
    inet->retransmits = said->idiag_retrans;
    inet->timer_ms = said->idiag_timer ? said->idiag_expires : 0;
}

static void row_fill(struct ferry_endpoint *row, const struct inet_diag_msg *said)
{
    row->family = said->idiag_family;
    row->state = said->idiag_state < FERRY_STATE_WAITING ? said->idiag_state : FERRY_STATE_NONE;
    row->inode = said->idiag_inode;
    row->cookie = said->id.idiag_cookie[0] | (uint64_t)said->id.idiag_cookie[1] << 32;
    row->ends = FERRY_END_READ | FERRY_END_WRITE;
    /* Of what belongs to no process the kernel says 0, which would be root. */
    row->uid = said->idiag_inode ? said->idiag_uid : (uid_t)-1;
    row->receive_queue = said->idiag_rqueue;
    row->send_queue = said->idiag_wqueue;
}

static int row_read(const struct nlmsghdr *answer, void *data)
{
    const struct filling *filling = data;
    struct ferry_endpoints *table = filling->table;
    const struct inet_diag_msg *said = mnl_nlmsg_get_payload(answer);
    const struct nlattr *attribute;

    if (answer->nlmsg_len < mnl_nlmsg_size(sizeof(*said)))
        return 0;
    struct ferry_endpoint *row = table_add_row(table);
    struct ferry_inet *inet = arena_new(&table->arena, sizeof(*inet));
    if (!row || !inet)
        return -ENOMEM;
    row_fill(row, said);
    inet_fill(inet, said);
    row->kind = (unsigned char)filling->kind;
    row->inet = inet;
    row->network = filling->network;
    mnl_attr_for_each(attribute, answer, sizeof(*said))
    {
        int code = attribute_read(table, row, inet, attribute);
        if (code < 0)
            return code;
    }
    return 0;
}

static int rows_of(struct filling *filling, int protocol, unsigned char family)
{
    struct ferry_endpoints *table = filling->table;
    unsigned wanted = 1u << (INET_DIAG_SHUTDOWN - 1);

    if (table_wants(table, FERRY_GATHER_MEMORY))
        wanted |= 1u << (INET_DIAG_SKMEMINFO - 1);
    if (filling->kind == FERRY_ENDPOINT_TCP && table_wants(table, FERRY_GATHER_TCP_INFO))
        wanted |= 1u << (INET_DIAG_INFO - 1) | 1u << (INET_DIAG_CONG - 1);
    struct inet_diag_req_v2 request = { .sdiag_family = family,
        .sdiag_protocol = (unsigned char)protocol,
        .idiag_ext = (unsigned char)wanted,
        .idiag_states = ~0u };
    return diag_ask(filling->diag, &request, sizeof(request), false, row_read, filling);
}

/* -ENOENT: the kernel has no diagnosis of them. */
static int rows_of_both(struct filling *filling, int protocol)
{
    int code = rows_of(filling, protocol, AF_INET);

    if (code < 0)
        return code;
    code = rows_of(filling, protocol, AF_INET6);
    return code == -ENOENT ? 0 : code; /* without IPv6 */
}

int rows_inet(
    struct ferry_endpoints *table, struct diag *diag, const struct ferry_namespace *network)
{
    static const struct {
        unsigned kind;
        int protocol;
    } asked[] = { { FERRY_ENDPOINT_TCP, IPPROTO_TCP }, { FERRY_ENDPOINT_UDP, IPPROTO_UDP },
        { FERRY_ENDPOINT_RAW, IPPROTO_RAW } };

    for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
        struct filling filling = { table, diag, network, asked[i].kind };
        if (!table_wants_kind(table, asked[i].kind))
            continue;
        int code = rows_of_both(&filling, asked[i].protocol);
        if (code == -ENOENT && asked[i].kind == FERRY_ENDPOINT_RAW)
            code = rows_raw_listed(table, network);
        if (code == -ENOENT)
            table->gaps.missing_kinds |= 1u << asked[i].kind;
        else if (code < 0)
            return code;
    }
    return 0;
}
