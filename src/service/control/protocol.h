/* protocol.h - what is said on the control socket: JSON objects, one a line, both ways.
 *
 *     {"do": "status"}        {"version": 1, "ok": true, "pid": 4711, "routes": [...]}
 *     {"do": "options"}       the same, with every option of every connection's sockets
 *     {"do": "reload"}        {"version": 1, "ok": true, "text": "1 added, 3 untouched"}
 *                             {"version": 1, "ok": false, "error": "..."}
 *
 * Each request gets one reply, in order. Unknown members of a request are ignored, so that a newer
 * client can talk to an older program; `version` grows when a reply's members change their meaning.
 * Pure: no I/O here.
 */
#ifndef FERRY_SERVICE_CONTROL_PROTOCOL_H
#define FERRY_SERVICE_CONTROL_PROTOCOL_H

#include "base/bytes.h"

#include <jansson.h>

#define CONTROL_VERSION 1

enum control_request { CONTROL_STATUS, CONTROL_OPTIONS, CONTROL_RELOAD };

/* Reads one request.
 *   line, size   without the line feed; need not be NUL-terminated
 *   ret_request  what is asked for
 *   ret_why      appended to: what is wrong with it
 * Returns 0 or -EINVAL. */
int control_request_parse(
    const char *line, size_t size, enum control_request *ret_request, struct bytes *ret_why);

/* Appends a reply with its line feed.
 *   members  taken; NULL counts as out of memory */
void control_reply_good(struct bytes *output, json_t *members);
/* Appends the reply that refuses; `why` is escaped. */
void control_reply_bad(struct bytes *output, const char *why);

#endif
