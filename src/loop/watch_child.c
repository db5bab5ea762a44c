/* watch_child.c - a child as a source: its pidfd is readable once it has ended. */
#include "base/cleanup.h"
#include "loop/child.h"
#include "loop/loop.h"

int ferry_loop_child(struct ferry_loop *loop, pid_t pid, ferry_child_handler handler, void *data,
    struct ferry_source **ret_source)
{
    struct child child;
    int r = child_open(pid, &child);
    if (r < 0)
        return r;
    AUTO_FD int pidfd = child.pidfd;
    struct ferry_source *source = source_new(loop, SOURCE_CHILD, data);
    if (!source)
        return -ENOMEM;
    source->handler.child = handler;
    r = source_attach(source, pidfd, FERRY_READABLE);
    if (r < 0) {
        free(source);
        return r;
    }
    (void)fd_take(&pidfd); /* the source's own now */
    source_enter(source);
    *ret_source = source;
    return 0;
}

void child_ready(struct ferry_source *source)
{
    struct child child = { .pid = -1, .pidfd = source->fd };
    int code = 0, status = 0; /* what the handler is told if the status is lost */
    if (child_try_reap(&child, &code, &status) == 0)
        return;
    source->loop->served_count++;
    source->handler.child(source, code, status, source->data);
    if (!source->dead)
        ferry_source_remove(source);
}
