/* exec.c - exec: addresses: a program whose standard input and output are one end of a socket pair.
 *
 * The link is a unix stream link with a child behind it: the socket's operations, but closing,
 * identity and name are the child's. Half-close reaches the child as the end of its input.
 *
 * Closing neither kills nor waits. The child learns of it as a program in a pipeline does, by the
 * end of its input and by EPIPE on its output; one that is still at work (delivering a mail) must
 * be let finish. Until it has ended it stands in a list of this process, which every dial and close
 * goes through to reap who has; only our own children are ever waited for. The list is bounded by
 * the number of processes that the user may have.
 */
#include "base/account.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/list.h"
#include "loop/spawn.h"
#include "transport/transport.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

struct exec_link {
    struct link_ops ops;          /* the socket's, with ours in places */
    const struct link_ops *under; /* the socket's */
    struct child child;
    char *name;       /* the address */
    struct list node; /* in `left` once the link is closed */
};

/* --- children whose link is gone -------------------------------------------------------------- */

static pthread_mutex_t left_lock = PTHREAD_MUTEX_INITIALIZER;
static struct list left = { &left, &left };

static void exec_free(struct exec_link *exec)
{
    child_close(&exec->child);
    free(exec->name);
    free(exec);
}

void exec_sweep(void)
{
    struct list *node, *after;

    pthread_mutex_lock(&left_lock);
    list_each_safe (node, after, &left) {
        struct exec_link *exec = LIST_ENTRY(node, struct exec_link, node);
        int code, status;
        if (child_try_reap(&exec->child, &code, &status) == 0)
            continue;
        list_remove(node);
        exec_free(exec);
    }
    pthread_mutex_unlock(&left_lock);
}

static void exec_leave(struct exec_link *exec)
{
    pthread_mutex_lock(&left_lock);
    list_add_last(&left, &exec->node);
    pthread_mutex_unlock(&left_lock);
    exec_sweep();
}

/* --- operations ------------------------------------------------------------------------------- */

static void exec_close(struct link *link)
{
    struct exec_link *exec = TAKE(link->state);

    exec->under->close(link);
    exec_leave(exec);
}

static void exec_peer(const struct link *link, char *text, size_t size)
{
    const struct exec_link *exec = link->state;
    snprintf(text, size, "%s", exec->name);
}

static void exec_gather_groups(struct ferry_identity *identity)
{
    gid_t *groups;
    size_t count;

    if (groups_own(&groups, &count) == 0)
        identity_set_groups(identity, groups, count, FERRY_OWN_CHILD);
}

/* Who it is when it starts: we, unless its file is set-uid. */
static void exec_identity(struct link *link, enum ferry_fact fact, struct ferry_identity *identity)
{
    const struct exec_link *exec = link->state;
    struct ucred credentials = { exec->child.pid, geteuid(), getegid() };

    if (fact == FERRY_FACT_PID)
        identity_set_credentials(identity, &credentials, FERRY_OWN_CHILD);
    else if (fact == FERRY_FACT_GROUPS)
        exec_gather_groups(identity);
    else if (fact == FERRY_FACT_PIDFD)
        identity_set_pidfd(identity, fcntl(exec->child.pidfd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1),
            FERRY_OWN_CHILD);
}

/* --- dial ------------------------------------------------------------------------------------- */

static int spawn_failed(
    const struct ferry_address *address, const char *program, int code, struct ferry_error *error)
{
    const char *thing = ferry_address_text(address), *path = getenv("PATH");

    if (code == -ENOENT && !strchr(program, '/'))
        return error_set(error, code, thing, "install it, or give its whole path",
            "there is no program %s in PATH (%s)", program, path ? path : "not set");
    if (code == -ENOENT)
        return error_set(error, code, thing, "check the path", "there is no program %s", program);
    if (code == -EACCES)
        return error_set(error, code, thing, "it needs the mode to be executed (chmod +x)",
            "cannot run %s", program);
    if (code == -ENOEXEC)
        return error_set(error, code, thing, "a script must begin with #! and its interpreter",
            "%s is no program", program);
    return error_set_errno(error, code, thing, NULL);
}

static int exec_spawn(const struct ferry_address *address, const char *const *variables, int stdio,
    struct child *ret_child, struct ferry_error *error)
{
    AUTO_FREE char **words = NULL;

    int r = address_split_command(address->rest, &words);
    if (r < 0)
        return error_set(
            error, r, ferry_address_text(address), "quotes come in pairs", "is no command");
    const struct spawn spawn = { .argv = (const char *const *)words,
        .variables = variables,
        .stdio = { stdio, stdio, STDERR_FILENO } };
    r = child_spawn(&spawn, ret_child);
    return r < 0 ? spawn_failed(address, words[0], r, error) : 0;
}

static int exec_link(int fd, bool refuse_descriptors, struct exec_link *exec, struct link *ret_link)
{
    int r = socket_link(fd, false, refuse_descriptors, ret_link);
    if (r < 0)
        return r;
    assert(!ret_link->state && "a unix stream link keeps no state");
    exec->under = ret_link->ops;
    exec->ops = *ret_link->ops;
    exec->ops.close = exec_close;
    exec->ops.peer = exec_peer;
    exec->ops.identity = exec_identity;
    ret_link->ops = &exec->ops;
    ret_link->state = exec;
    ret_link->flags &= ~(unsigned)LINK_WHOLE; /* there is the child */
    return 0;
}

/* The child blocks on its end, as programs expect; ours does not. */
static int exec_pair(int *ret_ours, int *ret_theirs)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return -errno;
    int r = fd_set_nonblocking(ends[0]);
    if (r < 0) {
        close(ends[0]);
        close(ends[1]);
        return r;
    }
    *ret_ours = ends[0];
    *ret_theirs = ends[1];
    return 0;
}

static int exec_dial(const struct ferry_address *address, const struct ferry_dial_options *options,
    struct link *ret_link, struct ferry_error *error)
{
    const char *thing = ferry_address_text(address);
    AUTO_FD int ours = -1;
    AUTO_FD int theirs = -1;

    exec_sweep();
    struct exec_link *exec = calloc(1, sizeof(*exec));
    if (!exec)
        return error_set_errno(error, -ENOMEM, thing, NULL);
    exec->child = CHILD_NONE;
    exec->name = strdup(thing);
    int r = exec->name ? exec_pair(&ours, &theirs) : -ENOMEM;
    if (r < 0)
        error_set_errno(error, r, thing, NULL);
    else
        r = exec_spawn(address, options ? options->extra : NULL, theirs, &exec->child, error);
    if (r < 0) {
        exec_free(exec);
        return r;
    }
    r = exec_link(fd_take(&ours), options && options->refuse_descriptors, exec, ret_link);
    if (r < 0) {
        exec_leave(exec);
        return error_set_errno(error, r, thing, NULL);
    }
    return 0;
}

const struct transport transport_exec = { .dial = exec_dial };
