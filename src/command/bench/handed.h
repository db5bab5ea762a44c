/* handed.h - messages that come with a descriptor, or lie in one.
 *
 * Both go over a unix socket of messages. What lies in memory is neither copied into the socket nor
 * out of it: who receives it maps what the seals keep as it is.
 */
#ifndef FERRY_COMMAND_BENCH_HANDED_H
#define FERRY_COMMAND_BENCH_HANDED_H

#include "command/bench/mechanism.h"

/* As the operations of struct mechanism. */

ssize_t descriptor_send(struct bench_end *end, const void *data, size_t size);
ssize_t descriptor_receive(struct bench_end *end, void *data, size_t size);

ssize_t memfd_send(struct bench_end *end, const void *data, size_t size);
/* What has to be looked at of the data is copied, the rest is only there to be read. */
ssize_t memfd_receive(struct bench_end *end, void *data, size_t size);

#endif
