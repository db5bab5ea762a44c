/* holder.c - what one user holds of a route at a time, and how much it may. */
#include "route/holder.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/host.h"
#include "base/list.h"
#include "base/number.h"
#include "route/limits.h"
#include "wire/address.h"

#include <arpa/inet.h>
#include <assert.h>
#include <inttypes.h>
#include <string.h>
#include <sys/random.h>

enum holder_kind { HOLDER_OTHER, HOLDER_UID, HOLDER_HOST, HOLDER_NET, HOLDER_HERE };

struct holder_key {
    enum holder_kind kind;
    unsigned char bytes[16]; /* a uid, an address, or the first half of one; the rest is zero */
};

struct holder {
    struct list node; /* in its bucket */
    struct list idle; /* among those without connections, the longest idle first */
    struct holders *table;
    struct holder_key key;
    uint64_t connections, refused;
    int64_t due_ns;                  /* when a connection at exactly the given rate would be due */
    struct ferry_relay_quota *quota; /* while it has connections, if bytes have a limit */
};

struct holders {
    struct holder_limits limits;
    struct list buckets[HOLDER_BUCKETS];
    struct list idle;
    size_t count;
    uint32_t seed; /* so that nobody can choose addresses that fall into one bucket */
};

/* --- limits as text --------------------------------------------------------------------------- */

static const struct {
    const char *name;
    size_t offset;
    bool is_size;
} limit_rows[] = {
    { "connections", offsetof(struct holder_limits, connections), false },
    { "rate", offsetof(struct holder_limits, rate), false },
    { "bytes", offsetof(struct holder_limits, bytes), true },
    { "descriptors", offsetof(struct holder_limits, descriptors), false },
};

static uint64_t *limit_at(struct holder_limits *limits, size_t row)
{
    return (uint64_t *)(void *)((char *)limits + limit_rows[row].offset);
}

static uint64_t limit_get(const struct holder_limits *limits, size_t row)
{
    return *limit_at((struct holder_limits *)(uintptr_t)limits, row);
}

/* "connections=10" */
static int limit_parse(char *word, struct holder_limits *limits, struct ferry_error *error)
{
    char *value = strchr(word, '=');
    size_t row = 0, length = value ? (size_t)(value - word) : 0;

    while (row < COUNT_OF(limit_rows) && !(length && strlen(limit_rows[row].name) == length &&
                                             memcmp(limit_rows[row].name, word, length) == 0))
        row++;
    if (row == COUNT_OF(limit_rows))
        return error_set(error, -EINVAL, word, NULL,
            "expected connections=N, rate=N/s, bytes=SIZE or descriptors=N");
    value++;
    char *slash = strcmp(limit_rows[row].name, "rate") == 0 ? strstr(value, "/s") : NULL;
    if (slash && !slash[2])
        *slash = '\0';
    int64_t number = limit_rows[row].is_size ? address_parse_size(value, INT64_MAX)
                                             : number_parse(value, 10, HOLDER_LIMIT_MAX);
    if (number < 1)
        return error_set(error, -EINVAL, word, NULL, "expected %s",
            limit_rows[row].is_size ? "a size from 1, as 64k or 1M" : "a number from 1 to 1000000");
    if (*limit_at(limits, row))
        return error_set(error, -EINVAL, word, "keep one of them", "is given twice");
    *limit_at(limits, row) = (uint64_t)number;
    return 0;
}

int holder_limits_parse(
    const char *text, struct holder_limits *ret_limits, struct ferry_error *error)
{
    static const char blanks[] = " \t,";
    struct holder_limits limits = { 0 };
    AUTO_FREE char *copy = strdup(text);
    if (!copy)
        return error_set_errno(error, -ENOMEM, text, NULL);
    char *rest = copy;
    for (char *word; (word = strsep(&rest, blanks));) {
        int r = *word ? limit_parse(word, &limits, error) : 0;
        if (r < 0)
            return r;
    }
    if (!holder_limits_any(&limits))
        return error_set(error, -EINVAL, "per-uid", NULL,
            "expected connections=N, rate=N/s, bytes=SIZE or descriptors=N, found nothing");
    *ret_limits = limits;
    return 0;
}

bool holder_limits_any(const struct holder_limits *limits)
{
    return limits->connections || limits->rate || limits->bytes || limits->descriptors;
}

void holder_limits_print(const struct holder_limits *limits, struct bytes *text)
{
    const char *separator = "";
    for (size_t row = 0; row < COUNT_OF(limit_rows); row++) {
        if (!limit_get(limits, row))
            continue;
        bytes_print(text, "%s%s=%" PRIu64, separator, limit_rows[row].name, limit_get(limits, row));
        separator = " ";
    }
}

/* --- who -------------------------------------------------------------------------------------- */

/* All of 127.0.0.0/8 leads here, and every local user may connect from any of it. */
static struct holder_key key_of(struct ferry_identity *identity)
{
    struct holder_key key = { .kind = HOLDER_OTHER };
    uid_t uid = ferry_identity_uid(identity);
    const unsigned char *host;

    if (uid != (uid_t)-1) {
        key.kind = HOLDER_UID;
        memcpy(key.bytes, &uid, sizeof(uid));
    } else if ((host = ferry_identity_host(identity))) {
        const unsigned char *ipv4 = host_ipv4(host);
        bool here = ipv4 && host_is_loopback(ipv4, AF_INET);
        key.kind = here ? HOLDER_HERE : ipv4 ? HOLDER_HOST : HOLDER_NET;
        memcpy(key.bytes, host, here ? HOST_MAPPED_SIZE + 1 : ipv4 ? 16 : 8);
    }
    return key;
}

static void key_print(const struct holder_key *key, char *text, size_t size)
{
    char host[INET6_ADDRSTRLEN];
    uid_t uid;
    switch (key->kind) {
    case HOLDER_UID:
        memcpy(&uid, key->bytes, sizeof(uid));
        snprintf(text, size, "uid %u", uid);
        return;
    case HOLDER_HOST:
        snprintf(
            text, size, "host %s", inet_ntop(AF_INET, host_ipv4(key->bytes), host, sizeof(host)));
        return;
    case HOLDER_NET:
        snprintf(text, size, "host %s/64", inet_ntop(AF_INET6, key->bytes, host, sizeof(host)));
        return;
    case HOLDER_HERE:
        snprintf(text, size, "host 127.0.0.0/8");
        return;
    default:
        snprintf(text, size, "whoever nobody vouches for");
    }
}

static struct list *holders_bucket(struct holders *holders, const struct holder_key *key)
{
    uint64_t hash = hash_add(holders->seed ^ (uint64_t)key->kind, key->bytes, sizeof(key->bytes));
    return &holders->buckets[hash_fold(hash) % HOLDER_BUCKETS];
}

/* --- the table -------------------------------------------------------------------------------- */

int holders_new(const struct holder_limits *limits, struct holders **ret_holders)
{
    struct holders *holders = calloc(1, sizeof(*holders));
    if (!holders)
        return -ENOMEM;
    holders->limits = *limits;
    for (size_t i = 0; i < HOLDER_BUCKETS; i++)
        list_init(&holders->buckets[i]);
    list_init(&holders->idle);
    if (getrandom(&holders->seed, sizeof(holders->seed), GRND_NONBLOCK) < 0)
        holders->seed = (uint32_t)clock_now_ns();
    *ret_holders = holders;
    return 0;
}

static void holder_free(struct holder *holder)
{
    holder->table->count--;
    list_remove(&holder->node);
    list_remove(&holder->idle);
    free(holder);
}

void holders_free(struct holders *holders)
{
    if (!holders)
        return;
    while (!list_empty(&holders->idle))
        holder_free(LIST_ENTRY(holders->idle.next, struct holder, idle));
    assert(holders->count == 0);
    free(holders);
}

void holders_set_limits(struct holders *holders, const struct holder_limits *limits)
{
    holders->limits = *limits;
}

const struct holder_limits *holders_get_limits(const struct holders *holders)
{
    return &holders->limits;
}

/* Forgets those whose rate has nothing to remember any more; a bounded number at a time. */
static void holders_sweep(struct holders *holders, int64_t now_ns)
{
    for (unsigned i = 0; i < HOLDER_SWEEP && !list_empty(&holders->idle); i++) {
        struct holder *oldest = LIST_ENTRY(holders->idle.next, struct holder, idle);
        if (oldest->due_ns > now_ns)
            return;
        holder_free(oldest);
    }
}

static struct holder *holders_find(struct holders *holders, const struct holder_key *key)
{
    struct list *bucket = holders_bucket(holders, key), *node;
    list_each (node, bucket) {
        struct holder *holder = LIST_ENTRY(node, struct holder, node);
        if (holder->key.kind == key->kind &&
            memcmp(holder->key.bytes, key->bytes, sizeof(key->bytes)) == 0)
            return holder;
    }
    return NULL;
}

static int holder_new(
    struct holders *holders, const struct holder_key *key, struct holder **ret_holder)
{
    struct holder *holder = calloc(1, sizeof(*holder));
    if (!holder)
        return -ENOMEM;
    holder->table = holders;
    holder->key = *key;
    holders->count++;
    list_add_last(holders_bucket(holders, key), &holder->node);
    list_init(&holder->idle);
    list_add_last(&holders->idle, &holder->idle);
    *ret_holder = holder;
    return 0;
}

/* --- taking and giving ------------------------------------------------------------------------ */

/* Whether another connection is within the limits; says why not. */
static bool holder_admits(struct holder *holder, int64_t now_ns, bool again, char *why, size_t size)
{
    const struct holder_limits *limits = &holder->table->limits;
    char name[80];
    key_print(&holder->key, name, sizeof(name));
    if (limits->connections && holder->connections >= limits->connections) {
        snprintf(why, size,
            "%s has %" PRIu64 " connections already (per-uid connections=%" PRIu64 ")", name,
            holder->connections, limits->connections);
        return false;
    }
    if (!again && limits->rate &&
        holder->due_ns - now_ns > NS_PER_S - NS_PER_S / (int64_t)limits->rate) {
        snprintf(
            why, size, "%s connects too often (per-uid rate=%" PRIu64 "/s)", name, limits->rate);
        return false;
    }
    return true;
}

/* The holder of `key`, made if it is new, if it may have another connection. NULL without a table.
 */
static int holder_find(struct holders *holders, const struct holder_key *key, int64_t now_ns,
    bool again, struct holder **ret_holder, char *why, size_t size)
{
    struct holder *holder;
    *ret_holder = NULL;
    if (!holders)
        return 0;
    holders_sweep(holders, now_ns);
    holder = holders_find(holders, key);
    if (!holder && holders->count >= HOLDERS_MAX) {
        snprintf(why, size, "too many different peers are counted (%u)", HOLDERS_MAX);
        return -EDQUOT;
    }
    int r = holder ? 0 : holder_new(holders, key, &holder);
    if (r == 0 && !holder_admits(holder, now_ns, again, why, size)) {
        holder->refused++;
        r = -EDQUOT;
    }
    if (r == 0)
        *ret_holder = holder;
    return r;
}

/* A quota lives while there are connections, so that the one above is there as long as it is. Who
 * was connected before there was a limit gets one too, or would evade it by staying. */
static int holder_charge(
    struct holder *holder, struct ferry_relay_quota *above, int64_t now_ns, bool again)
{
    if (!holder)
        return 0;
    const struct holder_limits *limits = &holder->table->limits;
    if (!holder->quota && (limits->bytes || limits->descriptors)) {
        int r = ferry_relay_quota_new(limits->bytes, limits->descriptors, above, &holder->quota);
        if (r < 0)
            return r;
    }
    if (limits->rate && !again)
        holder->due_ns =
            (holder->due_ns > now_ns ? holder->due_ns : now_ns) + NS_PER_S / (int64_t)limits->rate;
    holder->connections++;
    list_remove(&holder->idle);
    return 0;
}

static void holder_give(struct holder *holder)
{
    if (!holder)
        return;
    assert(holder->connections > 0);
    if (--holder->connections)
        return;
    ferry_relay_quota_free(TAKE(holder->quota));
    list_add_last(&holder->table->idle, &holder->idle);
}

int holding_take(struct holders *all, struct holders *route, struct ferry_identity *identity,
    int64_t now_ns, bool again, struct holding *ret_holding, char *why, size_t size)
{
    struct holding holding = { NULL, NULL };
    struct holder_key key = { 0 };

    if (all || route)
        key = key_of(identity);
    int r = holder_find(all, &key, now_ns, again, &holding.all, why, size);
    if (r == 0)
        r = holder_find(route, &key, now_ns, again, &holding.route, why, size);
    if (r == 0)
        r = holder_charge(holding.all, NULL, now_ns, again);
    if (r < 0)
        return r;
    r = holder_charge(holding.route, holding.all ? holding.all->quota : NULL, now_ns, again);
    if (r < 0)
        holder_give(holding.all);
    else
        *ret_holding = holding;
    return r;
}

void holding_give(struct holding *holding)
{
    holder_give(TAKE(holding->route));
    holder_give(TAKE(holding->all));
}

struct ferry_relay_quota *holding_get_quota(const struct holding *holding)
{
    if (holding->route && holding->route->quota)
        return holding->route->quota;
    return holding->all ? holding->all->quota : NULL;
}

/* --- telling ---------------------------------------------------------------------------------- */

void holders_each(const struct holders *holders,
    void (*tell)(const struct holder_facts *facts, void *data), void *data)
{
    const struct list *node;
    char name[80];
    for (size_t i = 0; i < HOLDER_BUCKETS; i++) {
        list_each (node, &holders->buckets[i]) {
            const struct holder *holder = LIST_ENTRY(node, struct holder, node);
            struct holder_facts facts = { name, holder->connections, holder->refused, 0, 0 };
            if (!holder->connections)
                continue;
            key_print(&holder->key, name, sizeof(name));
            if (holder->quota)
                ferry_relay_quota_get(holder->quota, &facts.bytes, &facts.descriptors);
            tell(&facts, data);
        }
    }
}
