/* session_sender.c - what a datagram session knows of its sender beyond its key. */
#include "transport/session_sender.h"
#include "base/cleanup.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

/* Not in Debian 12's headers. */
#define PID_FS_MAGIC 0x50494446

void session_sender_init(
    struct session_sender *sender, struct control_facts *facts, bool keep_pidfd)
{
    sender->label = facts->label ? strndup(facts->label, facts->label_size) : NULL;
    sender->pidfd = keep_pidfd ? fd_take(&facts->pidfd) : -1;
}

void session_sender_fini(struct session_sender *sender)
{
    fd_close(&sender->pidfd);
    free(TAKE(sender->label));
}

static bool same_label(const struct session_sender *sender, const struct control_facts *facts)
{
    size_t size = facts->label ? strnlen(facts->label, facts->label_size) : 0;

    return sender->label ? strlen(sender->label) == size &&
                               memcmp(sender->label, facts->label ? facts->label : "", size) == 0
                         : !facts->label;
}

/* From 6.9 each process has an inode in pidfs, never used again. Before, all that can be said is
 * that as long as the one lives, its number is no other's. */
static bool same_process(int one, int other, pid_t number)
{
    struct stat first, second;
    struct statfs system;

    if (fstatfs(one, &system) == 0 && system.f_type == PID_FS_MAGIC)
        return fstat(one, &first) == 0 && fstat(other, &second) == 0 &&
               first.st_ino == second.st_ino;
    struct pollfd polled = { .fd = one, .events = POLLIN };
    return number > 0 && poll(&polled, 1, 0) == 0;
}

bool session_sender_is(const struct session_sender *sender, const struct control_facts *facts)
{
    if (!same_label(sender, facts))
        return false;
    /* Without a pidfd nothing was learnt of the process that could be wrong for another. */
    if (sender->pidfd < 0)
        return true;
    return facts->pidfd >= 0 && same_process(sender->pidfd, facts->pidfd, facts->credentials.pid);
}

void session_sender_tell(
    const struct session_sender *sender, struct inbox_slot *slot, struct control_facts *facts)
{
    if (sender->pidfd >= 0)
        facts->pidfd = fcntl(sender->pidfd, F_DUPFD_CLOEXEC, 0);
    if (sender->label) {
        facts->label = slot->control.bytes;
        facts->label_size = strnlen(sender->label, sizeof(slot->control.bytes));
        memcpy(slot->control.bytes, sender->label, facts->label_size);
    }
}

void session_sender_gather(
    const struct session_sender *sender, enum ferry_fact fact, struct ferry_identity *identity)
{
    if (fact == FERRY_FACT_PIDFD && sender->pidfd >= 0)
        identity_set_pidfd(identity, fcntl(sender->pidfd, F_DUPFD_CLOEXEC, 0), FERRY_FORGEABLE);
    else if (fact == FERRY_FACT_LABEL && sender->label)
        identity_set_text(identity, fact, strdup(sender->label), FERRY_PER_MESSAGE);
}
