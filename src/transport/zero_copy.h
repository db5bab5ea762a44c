/* zero_copy.h - large outgoings into TCP from the caller's own pages (MSG_ZEROCOPY). */
#ifndef FERRY_TRANSPORT_ZERO_COPY_H
#define FERRY_TRANSPORT_ZERO_COPY_H

#include "transport/transport.h"

/* link_ops.send of a stream with LINK_ZERO_COPY. */
int zero_copy_send(struct link *link, struct ferry_outgoing *batch, size_t count);
/* Takes in what the kernel has given back, so that poll(2) has no error to tell of. */
void zero_copy_take(struct link *link);
/* Before the socket is closed: what the kernel still reads from pages is not sent any more, for
 * whose they will be then nobody knows. */
void zero_copy_end(struct link *link);

#endif
