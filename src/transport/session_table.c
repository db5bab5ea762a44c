/* session_table.c - datagram sessions, found by who sends.
 *
 * Chained buckets that double when there are more sessions than buckets. Should every name fall
 * into one bucket all the same, a look-up is bounded by the number of sessions that a uid may have.
 */
#include "transport/session_table.h"
#include "base/array.h"
#include "base/cleanup.h"
#include "transport/limits.h"

#include <string.h>
#include <sys/random.h>

int session_table_init(struct session_table *table)
{
    *table = (struct session_table){ .bucket_count = SESSION_BUCKETS_FIRST };
    table->buckets = calloc(table->bucket_count, sizeof(*table->buckets));
    if (!table->buckets)
        return -ENOMEM;
    /* Early in a boot there may be no random bytes yet: then the seed stays 0. */
    if (getrandom(&table->seed, sizeof(table->seed), GRND_NONBLOCK) < 0)
        table->seed = 0;
    return 0;
}

void session_table_fini(struct session_table *table)
{
    free(TAKE(table->buckets));
}

static uint64_t hash_bytes(uint64_t hash, const void *data, size_t size)
{
    const unsigned char *bytes = data;

    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ bytes[i]) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 29;
    }
    return hash;
}

static uint64_t key_hash(const struct session_table *table, const struct session_key *key)
{
    uint64_t hash = hash_bytes(table->seed, key->name, key->name_size);
    return hash_bytes(hash, &key->credentials, sizeof(key->credentials));
}

static bool key_equal(const struct session_key *one, const struct session_key *other)
{
    return one->name_size == other->name_size && one->has_credentials == other->has_credentials &&
           memcmp(&one->credentials, &other->credentials, sizeof(one->credentials)) == 0 &&
           (one->name_size == 0 || memcmp(one->name, other->name, one->name_size) == 0);
}

static struct session_entry **bucket_of(const struct session_table *table, uint64_t hash)
{
    return &table->buckets[hash & (table->bucket_count - 1)];
}

struct session_entry *session_table_find(
    const struct session_table *table, const struct session_key *key)
{
    uint64_t hash = key_hash(table, key);
    struct session_entry *entry = *bucket_of(table, hash);

    while (entry && !(entry->hash == hash && key_equal(&entry->key, key)))
        entry = entry->next;
    return entry;
}

static void entry_link(struct session_table *table, struct session_entry *entry)
{
    struct session_entry **bucket = bucket_of(table, entry->hash);

    entry->next = *bucket;
    *bucket = entry;
}

/* Without memory the table stays as it is: slower, not wrong. */
static void table_grow(struct session_table *table)
{
    size_t old_count = table->bucket_count;
    struct session_entry **old = table->buckets;
    struct session_entry **buckets = calloc(2 * old_count, sizeof(*buckets));

    if (!buckets)
        return;
    table->buckets = buckets;
    table->bucket_count = 2 * old_count;
    for (size_t i = 0; i < old_count; i++) {
        struct session_entry *next;
        for (struct session_entry *entry = old[i]; entry; entry = next) {
            next = entry->next;
            entry_link(table, entry);
        }
    }
    free(old);
}

void session_table_add(struct session_table *table, struct session_entry *entry)
{
    if (table->count >= table->bucket_count)
        table_grow(table);
    entry->hash = key_hash(table, &entry->key);
    entry->listed = true;
    entry_link(table, entry);
    table->count++;
}

void session_table_remove(struct session_table *table, struct session_entry *entry)
{
    if (!entry->listed)
        return;
    struct session_entry **at = bucket_of(table, entry->hash);
    while (*at != entry)
        at = &(*at)->next;
    *at = entry->next;
    entry->listed = false;
    table->count--;
}

/* --- accounts --------------------------------------------------------------------------------- */

static struct session_account *account_find(const struct session_accounts *accounts, uid_t uid)
{
    for (size_t i = 0; i < accounts->count; i++)
        if (accounts->accounts[i].uid == uid)
            return &accounts->accounts[i];
    return NULL;
}

int session_accounts_charge(struct session_accounts *accounts, uid_t uid, size_t limit)
{
    struct session_account *account = account_find(accounts, uid);

    if (account) {
        if (account->count >= limit)
            return -EDQUOT;
        account->count++;
        return 0;
    }
    if (!array_reserve(&accounts->accounts, accounts->count, &accounts->capacity, sizeof(*account)))
        return -ENOMEM;
    accounts->accounts[accounts->count++] = (struct session_account){ .uid = uid, .count = 1 };
    return 0;
}

void session_accounts_release(struct session_accounts *accounts, uid_t uid)
{
    struct session_account *account = account_find(accounts, uid);

    if (account && --account->count == 0)
        *account = accounts->accounts[--accounts->count];
}

void session_accounts_fini(struct session_accounts *accounts)
{
    free(TAKE(accounts->accounts));
    accounts->count = accounts->capacity = 0;
}
