/* identity.c - the facts of an identity, put in by whoever learns them. */
#include "transport/identity.h"
#include "base/cleanup.h"
#include "base/host.h"
#include "base/proc.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void identity_clear(struct ferry_identity *identity)
{
    struct link *link = identity->link;

    if (identity->known[FERRY_FACT_PIDFD])
        fd_close(&identity->pidfd);
    free(identity->groups);
    for (size_t i = 0; i < FERRY_FACT_COUNT; i++)
        free(identity->texts[i]);
    *identity = (struct ferry_identity){ .link = link };
}

static bool every_uid_is_mapped(void)
{
    char text[64];
    unsigned inside, outside, count;

    return proc_read(AT_FDCWD, "/proc/self/uid_map", text, sizeof(text)) > 0 &&
           sscanf(text, "%u %u %u", &inside, &outside, &count) == 3 && count == UINT32_MAX;
}

void identity_set_credentials(
    struct ferry_identity *identity, const struct ucred *credentials, enum ferry_known known)
{
    /* 0: a process of another PID namespace. */
    if (credentials->pid > 0) {
        identity->pid = credentials->pid;
        identity->known[FERRY_FACT_PID] = (unsigned char)known;
    }
    if (credentials->uid == OVERFLOW_ID && !every_uid_is_mapped())
        return;
    identity->uid = credentials->uid;
    identity->gid = credentials->gid;
    identity->known[FERRY_FACT_UID] = identity->known[FERRY_FACT_GID] = (unsigned char)known;
}

void identity_set_pidfd(struct ferry_identity *identity, int pidfd, enum ferry_known known)
{
    if (identity->known[FERRY_FACT_PIDFD])
        fd_close(&identity->pidfd);
    identity->pidfd = pidfd;
    identity->known[FERRY_FACT_PIDFD] = pidfd >= 0 ? (unsigned char)known : FERRY_UNKNOWN;
}

static int compare_gids(const void *one, const void *other)
{
    gid_t a = *(const gid_t *)one, b = *(const gid_t *)other;
    return (a > b) - (a < b);
}

void identity_set_groups(
    struct ferry_identity *identity, gid_t *groups, size_t count, enum ferry_known known)
{
    if (count > 1)
        qsort(groups, count, sizeof(*groups), compare_gids);
    free(identity->groups);
    identity->groups = groups;
    identity->group_count = count;
    identity->known[FERRY_FACT_GROUPS] = (unsigned char)known;
}

void identity_set_text(
    struct ferry_identity *identity, enum ferry_fact fact, char *text, enum ferry_known known)
{
    free(identity->texts[fact]);
    identity->texts[fact] = text;
    identity->known[fact] = text ? (unsigned char)known : FERRY_UNKNOWN;
}

void identity_set_host(
    struct ferry_identity *identity, const void *address, socklen_t size, enum ferry_known known)
{
    sa_family_t family = AF_UNSPEC;

    if (size >= sizeof(family))
        memcpy(&family, address, sizeof(family));
    if (family == AF_INET && size >= sizeof(struct sockaddr_in)) {
        const struct sockaddr_in *inet = address;
        host_map((const unsigned char *)&inet->sin_addr, AF_INET, identity->host);
    } else if (family == AF_INET6 && size >= sizeof(struct sockaddr_in6)) {
        const struct sockaddr_in6 *inet6 = address;
        memcpy(identity->host, &inet6->sin6_addr, sizeof(identity->host));
    } else {
        return;
    }
    identity->known[FERRY_FACT_HOST] = (unsigned char)known;
}
