/* Limits of the command floor. */
#ifndef FERRY_COMMAND_LIMITS_H
#define FERRY_COMMAND_LIMITS_H

/* Descriptors that `take` receives: as many as a careful sender passes, far below what would
 * exhaust the process. */
#define TAKE_DESCRIPTORS_MAX 4096u
/* Bytes of names that come with them: NAME_MAX (255) and a line feed each. */
#define TAKE_NAMES_SIZE_MAX (TAKE_DESCRIPTORS_MAX * 256u)
/* Files that `pass` opens, the same bound seen from the other end. */
#define PASS_FILES_MAX TAKE_DESCRIPTORS_MAX
/* Bytes of one reply from a control socket: a status of 10,000 connections is about 5 MB. */
#define CONTROL_REPLY_SIZE_MAX (64u << 20)
/* Milliseconds to wait for such a reply. */
#define CONTROL_TIMEOUT_MS 10000
/* Milliseconds that connections get to finish after the first request to stop (--grace). */
#define GRACE_MS 5000
/* Milliseconds of silence that end `connect` to a target without an end (--wait). */
#define CONNECT_WAIT_MS 500
/* Milliseconds until `connect` and `pass` give up dialling (--timeout). */
#define CONNECT_TIMEOUT_MS 10000
/* Bytes of a message that -x shows; the rest is only counted. */
#define DUMP_SIZE_MAX (64u << 10)
/* --allow and --deny on one command line. */
#define RULE_OPTIONS_MAX 64u

#endif
