/* diag.h - asking the kernel's socket diagnosis: one request, its answers handed over one by one.
 *
 * sock_diag(7), netlink(7). Needs no privilege.
 */
#ifndef FERRY_ENDPOINTS_DIAG_H
#define FERRY_ENDPOINTS_DIAG_H

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stddef.h>

struct diag {
    struct mnl_socket *socket;
    char *buffer; /* DIAG_BUFFER_SIZE */
};

/* Opens it in the network namespace that the calling thread is in. Returns 0, -EPROTONOSUPPORT,
 * -ENOMEM, -errno. */
int diag_open(struct diag *diag);
void diag_close(struct diag *diag);

/* One answer; `payload` is behind the netlink header, attributes by mnl_attr_for_each(). Returns 0,
 * or -errno, which ends the dump. */
typedef int (*diag_row)(const struct nlmsghdr *answer, void *data);

/* Sends a request (the struct that follows the netlink header) and hands over all answers.
 *   one  true: a question for one socket, which has one answer; false: a dump
 * Returns 0, -ENOENT (the kernel has no diagnosis for this; or there is no such socket), -errno. */
int diag_ask(struct diag *diag, const void *request, size_t request_size, bool one, diag_row row,
    void *data);

#endif
