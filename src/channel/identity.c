/* identity.c - identities as a program sees them: a fact is gathered when it is first asked for.
 *
 * Of what a socket or a message tells, its mechanism is asked; what a process is, /proc tells
 * (identity_process.c). Asking happens once: what could not be had then stays unknown, or a peer
 * that ends would be another one at every look.
 */
#include "channel/identity.h"
#include "base/cleanup.h"
#include "channel/channel.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

const char *ferry_fact_name(enum ferry_fact fact)
{
    static const char *const names[FERRY_FACT_COUNT] = { "pid", "uid", "gid", "groups", "label",
        "pidfd", "name", "executable", "cgroup", "unit", "host" };
    return fact < FERRY_FACT_COUNT ? names[fact] : "";
}

const char *ferry_known_name(enum ferry_known known)
{
    static const char *const names[] = { "unknown", "at connect", "per message", "forgeable",
        "by pidfd", "own child" };
    return known < COUNT_OF(names) ? names[known] : "";
}

/* Facts that come together are asked for as one. */
static enum ferry_fact fact_asked(enum ferry_fact fact)
{
    if (fact == FERRY_FACT_UID || fact == FERRY_FACT_GID)
        return FERRY_FACT_PID;
    return fact == FERRY_FACT_UNIT ? FERRY_FACT_CGROUP : fact;
}

static void gather(struct ferry_identity *identity, enum ferry_fact fact)
{
    unsigned bit = 1u << fact;

    if (identity->asked & bit)
        return;
    identity->asked = (uint16_t)(identity->asked | bit);
    if (fact == FERRY_FACT_LABEL && identity->label) {
        identity_set_text(
            identity, fact, strndup(identity->label, identity->label_size), FERRY_PER_MESSAGE);
    } else if (fact == FERRY_FACT_NAME || fact == FERRY_FACT_EXECUTABLE ||
               fact == FERRY_FACT_CGROUP) {
        gather(identity, FERRY_FACT_PIDFD);
        identity_gather_process(identity, fact);
    } else if (identity->link && identity->link->ops->identity) {
        identity->link->ops->identity(identity->link, fact, identity);
    }
}

enum ferry_known ferry_identity_known(struct ferry_identity *identity, enum ferry_fact fact)
{
    if (!identity || fact >= FERRY_FACT_COUNT)
        return FERRY_UNKNOWN;
    if (!identity->known[fact])
        gather(identity, fact_asked(fact));
    return (enum ferry_known)identity->known[fact];
}

pid_t ferry_identity_pid(struct ferry_identity *identity)
{
    return ferry_identity_known(identity, FERRY_FACT_PID) ? identity->pid : 0;
}

uid_t ferry_identity_uid(struct ferry_identity *identity)
{
    return ferry_identity_known(identity, FERRY_FACT_UID) ? identity->uid : (uid_t)-1;
}

gid_t ferry_identity_gid(struct ferry_identity *identity)
{
    return ferry_identity_known(identity, FERRY_FACT_GID) ? identity->gid : (gid_t)-1;
}

const gid_t *ferry_identity_groups(struct ferry_identity *identity, size_t *ret_count)
{
    static const gid_t none;

    *ret_count = 0;
    if (!ferry_identity_known(identity, FERRY_FACT_GROUPS))
        return NULL;
    *ret_count = identity->group_count;
    return identity->groups ? identity->groups : &none;
}

static const char *identity_text(struct ferry_identity *identity, enum ferry_fact fact)
{
    return ferry_identity_known(identity, fact) ? identity->texts[fact] : NULL;
}

const char *ferry_identity_label(struct ferry_identity *identity)
{
    return identity_text(identity, FERRY_FACT_LABEL);
}

const char *ferry_identity_name(struct ferry_identity *identity)
{
    return identity_text(identity, FERRY_FACT_NAME);
}

const char *ferry_identity_executable(struct ferry_identity *identity)
{
    return identity_text(identity, FERRY_FACT_EXECUTABLE);
}

const char *ferry_identity_cgroup(struct ferry_identity *identity)
{
    return identity_text(identity, FERRY_FACT_CGROUP);
}

const char *ferry_identity_unit(struct ferry_identity *identity)
{
    return identity_text(identity, FERRY_FACT_UNIT);
}

int ferry_identity_pidfd(struct ferry_identity *identity)
{
    return ferry_identity_known(identity, FERRY_FACT_PIDFD) ? identity->pidfd : -1;
}

const unsigned char *ferry_identity_host(struct ferry_identity *identity)
{
    return ferry_identity_known(identity, FERRY_FACT_HOST) ? identity->host : NULL;
}

/* Without a pidfd the identity is one that was made up, and there is nobody to be gone. */
int ferry_identity_is_executable(struct ferry_identity *identity, const char *path)
{
    struct stat status;

    if (!ferry_identity_known(identity, FERRY_FACT_EXECUTABLE))
        return -ENODATA;
    if (stat(path, &status) < 0)
        return -errno;
    /* An inode's number is used again once its last user has gone. */
    if (identity->known[FERRY_FACT_PIDFD] && !pidfd_lives(identity->pidfd))
        return -ESRCH;
    return status.st_dev == identity->device && status.st_ino == identity->inode;
}

/* --- of a channel ----------------------------------------------------------------------------- */

int ferry_channel_identity(struct ferry_channel *channel, struct ferry_identity **ret_identity)
{
    if (!channel->identity) {
        channel->identity = calloc(1, sizeof(*channel->identity));
        if (!channel->identity)
            return -ENOMEM;
        channel->identity->link = &channel->link;
    }
    *ret_identity = channel->identity;
    return 0;
}

void ferry_channel_forget_identity(struct ferry_channel *channel)
{
    ferry_identity_free(TAKE(channel->identity));
}

/* --- made up ---------------------------------------------------------------------------------- */

int ferry_identity_new(struct ferry_identity **ret_identity)
{
    struct ferry_identity *identity = calloc(1, sizeof(*identity));
    if (!identity)
        return -ENOMEM;
    *ret_identity = identity;
    return 0;
}

void ferry_identity_free(struct ferry_identity *identity)
{
    if (!identity)
        return;
    identity_clear(identity);
    free(identity);
}

int ferry_identity_set_number(
    struct ferry_identity *identity, enum ferry_fact fact, unsigned number, enum ferry_known known)
{
    if (fact == FERRY_FACT_PID)
        identity->pid = (pid_t)number;
    else if (fact == FERRY_FACT_UID)
        identity->uid = number;
    else if (fact == FERRY_FACT_GID)
        identity->gid = number;
    else
        return -EINVAL;
    identity->known[fact] = (unsigned char)known;
    return 0;
}

int ferry_identity_set_groups(
    struct ferry_identity *identity, const gid_t *groups, size_t count, enum ferry_known known)
{
    gid_t *copy = count ? calloc(count, sizeof(*copy)) : NULL;

    if (count && !copy)
        return -ENOMEM;
    if (count)
        memcpy(copy, groups, count * sizeof(*copy));
    identity_set_groups(identity, copy, count, known);
    return 0;
}

static bool fact_is_text(enum ferry_fact fact)
{
    return fact == FERRY_FACT_LABEL || fact == FERRY_FACT_NAME || fact == FERRY_FACT_EXECUTABLE ||
           fact == FERRY_FACT_CGROUP || fact == FERRY_FACT_UNIT;
}

int ferry_identity_set_text(
    struct ferry_identity *identity, enum ferry_fact fact, const char *text, enum ferry_known known)
{
    struct stat status = { 0 };

    if (!fact_is_text(fact))
        return -EINVAL;
    identity_set_text(identity, fact, strdup(text), known);
    if (!identity->texts[fact])
        return -ENOMEM;
    /* One that is not there is no file that anybody could ask about: no inode is number 0. */
    if (fact == FERRY_FACT_EXECUTABLE && stat(text, &status) == 0) {
        identity->device = status.st_dev;
        identity->inode = status.st_ino;
    }
    return 0;
}

void ferry_identity_set_host(
    struct ferry_identity *identity, const unsigned char *host, enum ferry_known known)
{
    memcpy(identity->host, host, sizeof(identity->host));
    identity->known[FERRY_FACT_HOST] = (unsigned char)known;
}
