/* json.h - endpoints as JSON: one form for `ls --json`, `show --json`, snapshots and streams.
 *
 * VIEW_SCHEMA counts up when a member changes its meaning or goes; new members come without.
 */
#ifndef FERRY_COMMAND_VIEW_JSON_H
#define FERRY_COMMAND_VIEW_JSON_H

#include "base/bytes.h"

#include <ferry/endpoints.h>
#include <jansson.h>
#include <stdio.h>

#define VIEW_SCHEMA 1

/* One endpoint. Members that do not apply are left out.
 *   kind, state, inode, cookie (hexadecimal), uid, local, remote, ends ("r", "w", "rw")
 *   owners      [{pid, command, fd, ends}]
 *   peer        {inode, local, owners}; the first owners only if it has very many, then with
 *               owner_count
 *   listener    inode of the one in whose backlog it waits
 *   clients     [inode]: who waits, or whose peer it is
 *   waiting, backlog                 of a listener
 *   receive_queue, send_queue        bytes, of the others
 *   memory      {receive_used, receive_size, send_used, send_size, drops}
 *   path        {state, where, mode, uid, gid}
 *   namespace   {inode, name}        unless it is the caller's
 *   shutdown    ["receive", "send"];  peer_gone;  descriptors_in_flight
 *   congestion, timer, tcp           of TCP: every field of TCP_INFO
 *   messages, messages_max, message_size_max, size
 * NULL: out of memory. */
json_t *view_json_endpoint(const struct ferry_endpoint *endpoint);
/* [{pid, command, fd, ends}] */
json_t *view_json_owners(const struct ferry_endpoint *endpoint);
/* pid, parent, state, command, start_ticks, and what was gathered of uid, gid, cgroup, unit,
 * container, executable. */
json_t *view_json_process(const struct ferry_process *process);
/* What tells this boot of the machine from every other: inodes and cookies begin anew with each.
 * False: /proc does not say. */
#define VIEW_BOOT_SIZE 40 /* a UUID, a line feed, a NUL */
bool view_boot_read(char boot[VIEW_BOOT_SIZE]);
/* A set of kinds as the list of their names. */
json_t *view_json_kinds(unsigned kinds);
/* Prints {schema, boot, endpoints, processes, gaps, kinds} and a line feed: the endpoints for which
 * `wanted` is true (NULL: all), the processes that hold one of them, and the kinds that were asked
 * for. Each row is printed as it is made, so that the memory is that of one.
 * Returns 0, -ENOMEM (what was printed ends somewhere); whether the stream took it, ferror(3) says.
 */
int view_json_print(const struct ferry_endpoints *table, unsigned kinds,
    bool (*wanted)(const struct ferry_endpoint *endpoint, void *data), void *data, FILE *stream);
/* A text that a process chose: what is no UTF-8 is written as \xHH. NULL: out of memory. */
json_t *view_json_text(const char *text);
/* The same of each line, as an array. */
json_t *view_json_lines(const struct bytes *lines);
/* Members of an object. Of a text that is NULL, none. */
void view_json_set_number(json_t *object, const char *key, uint64_t number);
void view_json_set_text(json_t *object, const char *key, const char *text);
/* What could not be seen: {hidden_processes, hidden_namespaces, unlisted_queues,
 * ambiguous_backlogs, missing_kinds}. */
json_t *view_json_gaps(const struct ferry_endpoints *table);

#endif
