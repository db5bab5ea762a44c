/* identity.h - who is at the other end, and how each fact about it is known.
 *
 * An identity gathers a fact when it is first asked for, and keeps it: asking for a uid costs one
 * system call, and nothing that is not asked for costs any. What a process is (its executable, its
 * cgroup) is read from /proc between two looks at which a pidfd shows it alive; a bare number
 * proves nothing, because it may be another process' by now. It is what the process is when asked:
 * it may have connected first and become that program (execve(2)) afterwards, and whoever can trace
 * it speaks through it. So a program narrows who may within a user, it does not replace the user.
 *
 * Every getter takes NULL for somebody of whom nothing is known. An identity belongs to one thread.
 *
 * Source of the rules: unix(7) SO_PEERCRED, SO_PEERGROUPS (4.13), SO_PEERSEC, SO_PEERPIDFD (6.5),
 * SCM_CREDENTIALS, SCM_PIDFD (6.5), SCM_SECURITY; pidfd_open(2); cgroups(7).
 */
#ifndef FERRY_IDENTITY_H
#define FERRY_IDENTITY_H

#include <ferry/error.h>
#include <stdbool.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

enum ferry_fact {
    FERRY_FACT_PID,
    FERRY_FACT_UID,
    FERRY_FACT_GID,
    FERRY_FACT_GROUPS,     /* supplementary groups */
    FERRY_FACT_LABEL,      /* what a security module (SELinux, AppArmor, Smack) calls it */
    FERRY_FACT_PIDFD,      /* a descriptor that stands for exactly this process for ever */
    FERRY_FACT_NAME,       /* its command name, which it can choose: for people */
    FERRY_FACT_EXECUTABLE, /* the program that it runs */
    FERRY_FACT_CGROUP,     /* its control group, as systemd sorts processes */
    FERRY_FACT_UNIT,       /* the systemd unit that it belongs to */
    FERRY_FACT_HOST,       /* its network address */
    FERRY_FACT_COUNT
};

/* How a fact about a peer is known. */
enum ferry_known {
    FERRY_UNKNOWN,     /* nobody vouches: TCP, a FIFO, another PID namespace, an old kernel */
    FERRY_AT_CONNECT,  /* the kernel, of who connected, listened or made the pair; the socket may
                          have been handed on since */
    FERRY_PER_MESSAGE, /* the kernel, for this message; nobody can forge it (SCM_SECURITY) */
    FERRY_FORGEABLE,   /* for this message, what a privileged sender may have made up
                          (SCM_CREDENTIALS, SCM_PIDFD and what follows from it; where a UDP
                          datagram says it comes from) */
    FERRY_BY_PIDFD,    /* read while a pidfd that the kernel vouches for proved it alive */
    FERRY_OWN_CHILD,   /* we started it */
};

struct ferry_identity;

/* "pid", "uid", ...; "unknown", "at connect", "per message", "forgeable", "by pidfd", "own child":
 * for people and programs to read. */
FERRY_PUBLIC const char *ferry_fact_name(enum ferry_fact fact);
FERRY_PUBLIC const char *ferry_known_name(enum ferry_known known);

/* How a fact is known; it is gathered for that if it has not been. */
FERRY_PUBLIC enum ferry_known ferry_identity_known(
    struct ferry_identity *identity, enum ferry_fact fact);

FERRY_PUBLIC pid_t ferry_identity_pid(struct ferry_identity *identity); /* 0: unknown */
FERRY_PUBLIC uid_t ferry_identity_uid(struct ferry_identity *identity); /* (uid_t)-1: unknown */
FERRY_PUBLIC gid_t ferry_identity_gid(struct ferry_identity *identity); /* (gid_t)-1: unknown */

/* Supplementary groups, ascending; the gid need not be among them.
 *   ret_count  items; always written, 0 when unknown
 * NULL: unknown. Borrowed from the identity, as all that follow. */
FERRY_PUBLIC const gid_t *ferry_identity_groups(struct ferry_identity *identity, size_t *ret_count);

/* Texts; NULL: unknown. The executable is a path in the peer's mount namespace, which the peer can
 * arrange as it likes, and ends in " (deleted)" once its file is: ferry_identity_is_executable()
 * decides. The cgroup is the path in the hierarchy of systemd (the unified one, else name=systemd).
 * The unit is the outermost one in that path: those below it are the unit's own to make up. */
FERRY_PUBLIC const char *ferry_identity_label(struct ferry_identity *identity);
FERRY_PUBLIC const char *ferry_identity_name(struct ferry_identity *identity);
FERRY_PUBLIC const char *ferry_identity_executable(struct ferry_identity *identity);
FERRY_PUBLIC const char *ferry_identity_cgroup(struct ferry_identity *identity);
FERRY_PUBLIC const char *ferry_identity_unit(struct ferry_identity *identity);

/* The pidfd, readable once the process has ended; -1: unknown. */
FERRY_PUBLIC int ferry_identity_pidfd(struct ferry_identity *identity);

/* The peer's network address, 16 bytes in network order; IPv4 as ::ffff:a.b.c.d. NULL: unknown. */
FERRY_PUBLIC const unsigned char *ferry_identity_host(struct ferry_identity *identity);

/* Whether the peer runs this very file: the same device and inode, whatever they are called. A
 * program that was replaced on disk while it runs is another file.
 *   path  in our mount namespace, NUL-terminated, borrowed
 * Returns 1, 0, -ENODATA (the peer's executable is unknown), -ESRCH (the peer is gone), or why
 * `path` can't be looked at. */
FERRY_PUBLIC FERRY_CHECK int ferry_identity_is_executable(
    struct ferry_identity *identity, const char *path);

/* --- identities made up, to ask a policy about ----------------------------------------------- */

/* One of whom nothing is known; free with ferry_identity_free(). Returns 0, -ENOMEM. */
FERRY_PUBLIC FERRY_CHECK int ferry_identity_new(struct ferry_identity **ret_identity);
/* For those of ferry_identity_new() only. NULL is allowed. */
FERRY_PUBLIC void ferry_identity_free(struct ferry_identity *identity);

/* Each sets one fact, `known` as is said, in an identity of ferry_identity_new().
 *   number  of FERRY_FACT_PID, _UID, _GID
 *   groups  copied, in any order; may be NULL when count is 0
 *   text    of FERRY_FACT_LABEL, _NAME, _EXECUTABLE, _CGROUP, _UNIT; copied
 *   host    16 bytes, copied
 * Return 0, -EINVAL (not such a fact), -ENOMEM. */
FERRY_PUBLIC FERRY_CHECK int ferry_identity_set_number(
    struct ferry_identity *identity, enum ferry_fact fact, unsigned number, enum ferry_known known);
FERRY_PUBLIC FERRY_CHECK int ferry_identity_set_groups(
    struct ferry_identity *identity, const gid_t *groups, size_t count, enum ferry_known known);
FERRY_PUBLIC FERRY_CHECK int ferry_identity_set_text(struct ferry_identity *identity,
    enum ferry_fact fact, const char *text, enum ferry_known known);
FERRY_PUBLIC void ferry_identity_set_host(
    struct ferry_identity *identity, const unsigned char *host, enum ferry_known known);

#ifdef __cplusplus
}
#endif
#endif
