/* segments.h - runs of datagrams that pass the kernel as one: cut when sent, joined when received.
 */
#ifndef FERRY_TRANSPORT_SEGMENTS_H
#define FERRY_TRANSPORT_SEGMENTS_H

#include "transport/transport.h"

#include <sys/socket.h>

/* Lets the kernel join runs of datagrams from one sender in what a socket receives (UDP_GRO); then
 * control_facts.segment_size tells them apart again. Nothing happens where it cannot. Only for a
 * socket that nobody shares: others would not expect it. */
void segments_join(int fd);

/* What link.segment_max begins with: 0 unless the socket is one of UDP. Others (of ICMP, say) do
 * not know the request, and would send the run as one. */
uint16_t segments_most(int fd, int family);

/* Sends up to SEND_BATCH_MAX of the batch, which have no descriptors, by one sendmmsg(2).
 * Returns how many went (at least 1), or -errno. */
int segments_send(struct link *link, const void *name, socklen_t name_size,
    const struct ferry_outgoing *batch, size_t count);

#endif
