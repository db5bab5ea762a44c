/* Limits of the endpoints floor. */
#ifndef FERRY_ENDPOINTS_LIMITS_H
#define FERRY_ENDPOINTS_LIMITS_H

/* Bytes of one answer of the kernel's; it makes none larger, whatever room there is. */
#define DIAG_BUFFER_SIZE ((size_t)32 << 10)
/* Milliseconds until a dump that says nothing more is given up. The kernel answers from within the
 * call, so this is for a kernel that is broken. */
#define DIAG_TIMEOUT_MS 5000
/* Network namespaces that are visited: each takes a socket for a moment, and a row for ever. */
#define NAMESPACES_MAX 4096u
/* Bytes of directory entries taken at a time. */
#define WALK_BUFFER_SIZE ((size_t)64 << 10)
/* Numbers of descriptors that may be missing, besides an eighth of those tried, before the folder
 * is read instead: a question for nothing costs a fourth of an entry that is read, and one
 * descriptor with a high number is common. */
#define WALK_MISSES_MAX 8u
/* Open files of the whole machine from which on the kernel is asked for all at once: preparing the
 * question takes as long as so many statx(2). */
#define OPEN_FILES_MIN 4096u
/* Of those that one read of the answer has room for: the kernel gathers 32 KiB for one. */
#define OPEN_FILES_BATCH 600u
/* How many rows ahead one is fetched: as long as memory takes to answer. */
#define ROWS_AHEAD 8u
/* Rows that are made room for before the first is read. */
#define ROWS_EXPECTED_MAX ((size_t)1 << 20)
/* Inodes of sockets are numbered upwards, but each processor takes so many at a time. */
#define INODE_BATCH 1024
/* Refreshes after which every process has been walked through again, changed or not: one that has
 * swapped a descriptor for another shows the same count. */
#define WALK_ROUNDS 64u
/* Refreshes after which everything that seldom changes has been asked for again, with
 * FERRY_GATHER_IN_TURNS. */
#define LOOK_TURNS 8u
/* Sockets that are asked for one by one since they have changed: a question costs a sixth of what a
 * light dump saves (2.2 ms of 13.6 with 40,000 sockets, both in proportion to these). */
#define CHANGED_MAX 6u
/* Sockets without an owner that are asked for, whether they are still there: each question takes
 * the kernel as long as there are sockets. */
#define VERIFY_MAX 16u
/* Sockets without a row whose protocol is asked for, in search of one that a dump has left out. */
#define MISSED_ASKED_MAX 256u
/* Descriptors of one process that turn out to be others than the walk has found, until its rest is
 * taken for such too. */
#define MISSED_STALE_MAX 64u
/* Of those, how many are asked for: each question takes the kernel as long as there are sockets. */
#define MISSED_MAX 64u

/* Owners of one socket whose view of its path is taken, when the first does not find it: a daemon's
 * hundred workers see the same. */
#define PATH_VIEWS_MAX 8u
/* Names under which a file is looked for that may have been renamed: whoever binds many sockets and
 * removes their paths must not hold us up. */
#define PATH_NAMES_MAX 8u
/* Instructions of the program that tells of open files. */
#define PROGRAM_SIZE_MAX 96

#endif
