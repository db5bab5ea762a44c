/* Limits of the process floor. */
#ifndef FERRY_PROCESS_LIMITS_H
#define FERRY_PROCESS_LIMITS_H

/* Descriptors that a service manager may pass: far above any unit, below what a typing error in
 * LISTEN_FDS could make us walk. */
#define ACTIVATION_MAX 20000u
/* Descriptors that we let the manager keep: it passes them all to the next start, which with some
 * from socket units must accept them. */
#define STORE_MAX (ACTIVATION_MAX - 1000u)
/* Bytes in one notification: the manager reads no more than its NOTIFY_BUFFER_MAX, a page. */
#define NOTIFY_SIZE_MAX 4096u
/* Milliseconds that a notification waits for room in the manager's queue before it is given up. */
#define NOTIFY_WAIT_MS 1000
/* Addresses of one name that are tried; more than any name in use has. */
#define RESOLVE_HOSTS_MAX 32u
/* Milliseconds until a name server is asked again, and how often each is asked. */
#define RESOLVE_TIMEOUT_MS 2000
#define RESOLVE_TRIES      3
/* Users whose names are remembered, and for how many seconds: a renamed user shows within that. */
#define USERS_KEPT  64u
#define USER_KEPT_S 60
/* Bytes of a user's name that are kept; LOGIN_NAME_MAX of the system is 256, useradd allows 32. */
#define USER_NAME_MAX 64u
/* Bytes of one request to the dialler: all groups that a user can have, an address, variables. */
#define DIALLER_REQUEST_SIZE_MAX (ACCOUNT_GROUPS_MAX * sizeof(gid_t) + (64u << 10))
/* Dials at work at once, and those of one user: one whose paths hang leaves room for the others.
 * They last microseconds; what is more is tried again. */
#define DIALLER_DIALS_MAX          256u
#define DIALLER_DIALS_PER_USER_MAX 32u
/* Milliseconds that the dialler is given to end by itself before it is killed. */
#define DIALLER_END_MS 1000

#endif
