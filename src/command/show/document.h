/* document.h - what `show` tells, as one JSON object.
 *
 *   schema      VIEW_SCHEMA
 *   asked       the word
 *   endpoints   what the word means, each as view_json_endpoint() has it, and
 *                 network   {inode, name, own}
 *                 folders   [{path, mode, uid, gid, stops, acl}], the socket itself last
 *                 file      {mode, uid, gid, notify_pid}   of a FIFO, queue or memfd
 *                 options   {key: true, false, number or text}; option_units
 *                           tells what numbers count in
 *                 options_missing  a text: why they may not be asked, and what would allow it
 *                 memory    all nine figures of the kernel
 *                 client_count
 *   peers       the other ends that are not among the endpoints, in the same form
 *   waiting     clients in their backlogs, and senders to a datagram server, not in full
 *   process     of a PID: as view_json_process() has it, and command_line, started (seconds since
 *               1970), age_ms, descriptors, descriptors_soft, descriptors_hard, state_word
 *   descriptor  of a PID:FD: see descriptor.h
 *   processes   whoever holds one of these: as view_json_process() has it, and started, age_ms,
 *               ancestors [{pid, command}], blocked (a text)
 *   gaps        what could not be seen
 */
#ifndef FERRY_COMMAND_SHOW_DOCUMENT_H
#define FERRY_COMMAND_SHOW_DOCUMENT_H

#include "command/show/descriptor.h"
#include "command/show/selection.h"
#include "command/view/target.h"

#include <ferry/endpoints.h>
#include <jansson.h>

/* Makes it.
 *   descriptor  NULL: none was asked about
 * NULL: out of memory. */
json_t *document_make(const struct ferry_endpoints *table, const struct view_target *target,
    const struct selection *selection, const struct descriptor_facts *descriptor);

#endif
