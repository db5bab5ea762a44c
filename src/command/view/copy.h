/* copy.h - a copy of another process's descriptor, to ask the kernel questions by.
 *
 * pidfd_getfd(2), Linux 5.6: what may trace a process may copy its descriptors. The copy shares the
 * open file description, flags and position included, so nothing is read, written or set by it,
 * and it is closed at once: an end that closes meanwhile ends that moment later.
 */
#ifndef FERRY_COMMAND_VIEW_COPY_H
#define FERRY_COMMAND_VIEW_COPY_H

#include <ferry/endpoints.h>
#include <ferry/error.h>

/* Copies a descriptor of the first owner that lets us, and checks that it is still the endpoint's.
 * Returns the descriptor, or -errno with *error: why it may not be, and what would allow it. */
int view_copy_descriptor(const struct ferry_endpoint *endpoint, struct ferry_error *error);

#endif
