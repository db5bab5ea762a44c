/* user.c - the names of users, remembered.
 *
 * One slot for each uid modulo the number of slots: a stranger's uid can push out one other name,
 * never make the memory grow. That a user has no name is remembered too.
 */
#include "process/user.h"
#include "base/account.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "process/limits.h"

#include <stdbool.h>
#include <string.h>

struct slot {
    uid_t uid;
    int64_t until_ns; /* 0: empty */
    char name[USER_NAME_MAX];
};

static _Thread_local struct slot slots[USERS_KEPT];

static void slot_fill(struct slot *slot, uid_t uid)
{
    struct account account;
    *slot = (struct slot){ .uid = uid,
        .until_ns = clock_after(clock_now_ns(), USER_KEPT_S * NS_PER_S) };
    if (account_read_uid(uid, &account) < 0)
        return;
    if (strlen(account.name) < sizeof(slot->name))
        strcpy(slot->name, account.name);
    account_fini(&account);
}

const char *user_name(uid_t uid)
{
    struct slot *slot = &slots[uid % USERS_KEPT];
    if (slot->uid != uid || slot->until_ns < clock_now_ns())
        slot_fill(slot, uid);
    return slot->name[0] ? slot->name : NULL;
}
