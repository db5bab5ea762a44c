/* Limits of the base floor. */
#ifndef FERRY_BASE_LIMITS_H
#define FERRY_BASE_LIMITS_H

/* Bytes a text may grow to. A guard against our own mistakes, far above any real use. */
#define TEXT_SIZE_MAX (64u << 20)
/* Bytes for the entry of a user or group, at first and at most: that of a group lists all members,
 * and large directories have many thousands in one. */
#define ACCOUNT_SIZE     ((size_t)4 << 10)
#define ACCOUNT_SIZE_MAX ((size_t)4 << 20)
/* Groups of a user: room at first, and NGROUPS_MAX of the kernel. */
#define ACCOUNT_GROUPS     64
#define ACCOUNT_GROUPS_MAX 65536
/* Bytes of a file of /proc/PID that are looked at: status and stat are below 4 KiB, a control
 * group's lines may be long and systemd's comes late in them, a command line is cut there. */
#define PROC_FILE_SIZE_MAX ((size_t)16 << 10)
/* Bytes of /proc/cpuinfo that are looked at: the first processor's name is in the first lines. */
#define MACHINE_PROCESSOR_TEXT ((size_t)1 << 10)
/* Bytes that an arena asks for at a time: few calls for a table of thousands, little lost for one
 * of ten. */
#define ARENA_BLOCK_SIZE ((size_t)64 << 10)
/* Bytes of the kernel's large pages, on most machines; where they are others, an array just has
 * small ones. */
#define LARGE_PAGE_SIZE ((size_t)2 << 20)
/* Bytes from which on memory is large pages: one is had sooner than so many small ones, even if
 * most of it is not needed. */
#define LARGE_SIZE_MIN ((size_t)256 << 10)
/* Bytes that a processor fetches at a time, on most machines: what two write shares none. */
#define CACHE_LINE 64u

#endif
