/* identity.h - who is at the other end, and how that is known.
 *
 * Source of the rules: unix(7) SO_PEERCRED, SO_PEERGROUPS (4.13), SO_PEERPIDFD (6.5),
 * SCM_CREDENTIALS.
 */
#ifndef FERRY_IDENTITY_H
#define FERRY_IDENTITY_H

#include <ferry/error.h>
#include <stdbool.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How a fact about a peer is known. */
enum ferry_known {
    FERRY_UNKNOWN,     /* nobody vouches for it: TCP, a FIFO, another PID namespace */
    FERRY_AT_CONNECT,  /* the kernel, when the peer connected (or listened) */
    FERRY_PER_MESSAGE, /* the kernel, for this message; a privileged sender may forge it */
    FERRY_OWN_CHILD,   /* we started it */
};

/* Plain data; `groups` is owned by the identity, `pidfd` too (-1 = none). */
struct ferry_identity {
    enum ferry_known known; /* for pid, uid, gid, groups, pidfd together */
    pid_t pid;              /* 0 = unknown */
    uid_t uid;              /* (uid_t)-1 = unknown */
    gid_t gid;              /* (gid_t)-1 = unknown */
    gid_t *groups;          /* supplementary groups; NULL when group_count is 0 */
    size_t group_count;     /* items */
    bool groups_known;      /* false: could not be had (per-message, old kernel) */
    int pidfd;              /* pidfd_open(2) style descriptor of exactly this process, or -1 */
};

#define FERRY_IDENTITY_UNKNOWN                                                                     \
    {                                                                                              \
        FERRY_UNKNOWN, 0, (uid_t)-1, (gid_t)-1, NULL, 0, false, -1                                 \
    }

/* Frees what an identity owns and makes it unknown again. */
FERRY_PUBLIC void ferry_identity_fini(struct ferry_identity *identity);

/* The path of the peer's executable, proved by the pidfd to be that of the living peer.
 *   text, size  array of `size` bytes that receives a NUL-terminated path, cut if too long
 * Returns 0, -ENODATA (no pid is known), -ESRCH (the peer is gone), -EACCES. */
FERRY_PUBLIC FERRY_CHECK int ferry_identity_executable(
    const struct ferry_identity *identity, char *text, size_t size);

#ifdef __cplusplus
}
#endif
#endif
