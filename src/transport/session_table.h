/* session_table.h - datagram sessions, found by who sends.
 *
 * The key is the sender's address *and* the process and user that the kernel vouches for: whoever
 * takes over the address of a sender that has gone gets a session of his own. Nothing here does
 * I/O; sessions are owned by session.c.
 */
#ifndef FERRY_TRANSPORT_SESSION_TABLE_H
#define FERRY_TRANSPORT_SESSION_TABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct session_key {
    const void *name; /* socket address; NULL when name_size is 0 */
    socklen_t name_size;
    bool has_credentials;
    struct ucred credentials; /* zero without */
};

/* Embedded in a session. */
struct session_entry {
    struct session_entry *next; /* in its bucket */
    struct session_key key;     /* its name is owned by the session */
    uint64_t hash;
    bool listed;
};

struct session_table {
    struct session_entry **buckets;
    size_t bucket_count; /* a power of two */
    size_t count;
    uint64_t seed; /* names are chosen by senders: where they fall must not be */
};

int session_table_init(struct session_table *table);
void session_table_fini(struct session_table *table);
struct session_entry *session_table_find(
    const struct session_table *table, const struct session_key *key);
/* The entry's key must be filled, and stay. */
void session_table_add(struct session_table *table, struct session_entry *entry);
/* Nothing happens when it is not listed. */
void session_table_remove(struct session_table *table, struct session_entry *entry);

/* How many sessions each uid has. */
struct session_accounts {
    struct session_account {
        uid_t uid;
        size_t count;
    } * accounts;
    size_t count, capacity;
};

/* Charges one session to a uid. Returns 0, -EDQUOT when it has `limit` already, -ENOMEM. */
int session_accounts_charge(struct session_accounts *accounts, uid_t uid, size_t limit);
void session_accounts_release(struct session_accounts *accounts, uid_t uid);
void session_accounts_fini(struct session_accounts *accounts);

#endif
