/* single.c - listening on what exists once: standard input, a command, a file.
 *
 * The link is opened when listening starts, so that what is wrong with it is told then, in words.
 * It waits in the listening's state until it is accepted; after that there is none any more.
 */
#include "transport/single.h"
#include "base/cleanup.h"
#include "base/error.h"

#include <errno.h>

static int single_accept(struct listening *listening, struct link *ret_link)
{
    struct link *waiting = TAKE(listening->state);

    if (!waiting)
        return -ENOTCONN;
    *ret_link = *waiting;
    free(waiting);
    return 0;
}

static void single_close(struct listening *listening)
{
    struct link *waiting = TAKE(listening->state);

    if (waiting)
        waiting->ops->close(waiting);
    free(waiting);
}

static const struct listening_ops single_ops = { .accept = single_accept, .close = single_close };

int single_listening(struct link *link, struct listening *ret_listening)
{
    struct link *waiting = malloc(sizeof(*waiting));

    if (!waiting) {
        link->ops->close(link);
        return -ENOMEM;
    }
    *waiting = *link;
    *ret_listening = (struct listening){
        .ops = &single_ops, .fd = -1, .capabilities = link->capabilities, .state = waiting
    };
    return 0;
}

int single_listen(const struct ferry_address *address, const struct ferry_listen_options *options,
    struct listening *ret_listening, struct ferry_error *error)
{
    struct ferry_dial_options dial = { .struct_size = sizeof(dial),
        .refuse_descriptors = options && options->refuse_descriptors,
        .profile = options ? options->profile : NULL };
    struct link link;

    int r = transport_dial(address, &dial, &link, error);
    if (r < 0)
        return r;
    r = single_listening(&link, ret_listening);
    return r < 0 ? error_set_errno(error, r, ferry_address_text(address), NULL) : 0;
}
