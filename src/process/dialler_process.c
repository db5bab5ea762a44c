/* dialler_process.c - the process that dials as somebody else: see dialler.h.
 *
 * It is root, so it does little: it takes a request apart, asks the kernel who the caller is, and
 * forks. It has a session of its own, so that a command of a user's cannot open root's terminal.
 * A child whose time is over is killed: the user may have stopped it, as it is the user's own. The
 * dialler's own end kills them too. Commands outlive the child that started them; the dialler reaps
 * them in its place. It ends when the program's end of the socket is
 * closed, by whatever.
 */
#include "process/dialler_process.h"
#include "base/account.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/limits.h"
#include "process/limits.h"
#include "process/sandbox.h"
#include "wire/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <ferry/ferry.h>
#include <ferry/profile.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

struct dial {
    pid_t pid; /* 0: free */
    uid_t uid;
    int64_t deadline_ns;
};

struct process {
    struct ferry_channel *requests;
    struct ferry_inbox *inbox;
    int signals; /* signalfd: SIGCHLD */
    const struct dialler_options *options;
    struct dial dials[DIALLER_DIALS_MAX];
    unsigned dial_count;
};

/* A request taken apart; its pointers borrow from the inbox. */
struct order {
    struct dialler_ask ask;
    struct run_as run_as;
    const char *address;
    const char *variables[16 + 1];
    const char *profile[ADDRESS_OPTIONS_MAX + 1];
    struct ferry_channel *reply;
};

/* --- the child: somebody else ----------------------------------------------------------------- */

static void answer_send(
    struct ferry_channel *reply, const struct dialler_answer *answer, const int *fds, size_t count)
{
    struct iovec buffer = { (void *)(uintptr_t)answer, sizeof(*answer) };
    struct ferry_outgoing outgoing = {
        .buffers = &buffer, .buffer_count = 1, .descriptors = fds, .descriptor_count = count
    };
    /* Its queue is empty: it is sent at once, or nobody wants it. */
    (void)!ferry_channel_try_send(reply, &outgoing, 1);
}

static void answer_failure(struct ferry_channel *reply, const struct ferry_error *error)
{
    struct dialler_answer answer = { .error = *error };
    answer_send(reply, &answer, NULL, 0);
}

static void answer_channel(struct ferry_channel *reply, const struct ferry_channel *dialled)
{
    int fds[] = { ferry_channel_fd(dialled, FERRY_RECEIVE), ferry_channel_fd(dialled, FERRY_SEND) };
    struct dialler_answer answer = {
        .receives = fds[0] >= 0, .sends = fds[1] >= 0, .same = fds[0] == fds[1]
    };
    size_t count = answer.same ? 1 : answer.receives + answer.sends;
    answer_send(reply, &answer, answer.receives ? &fds[0] : &fds[1], count);
}

/* A command of the user's begins with the user's environment, not with that of root's daemon. */
static void environment_become(const struct run_as *run_as)
{
    static const char *const kept[] = { "PATH", "LANG", "TZ" };
    char *values[COUNT_OF(kept)];
    struct account account;

    for (size_t i = 0; i < COUNT_OF(kept); i++)
        values[i] = getenv(kept[i]) ? strdup(getenv(kept[i])) : NULL;
    clearenv();
    for (size_t i = 0; i < COUNT_OF(kept); i++)
        if (values[i])
            setenv(kept[i], values[i], 1);
    if (account_read_uid(run_as->uid, &account) < 0)
        return;
    setenv("USER", account.name, 1);
    setenv("LOGNAME", account.name, 1);
    setenv("HOME", account.home, 1);
    setenv("SHELL", account.shell, 1);
    account_fini(&account);
}

/* A terminal could be read by it, a file cut short. Into a pipe or the journal's socket one can
 * only write. */
static void stderr_become(void)
{
    struct stat status;
    if (fstat(STDERR_FILENO, &status) == 0 && !S_ISFIFO(status.st_mode) &&
        !S_ISSOCK(status.st_mode))
        (void)dup2(STDOUT_FILENO, STDERR_FILENO); /* which is /dev/null */
}

/* "KEY=VALUE" each, as profile_print() has them. */
static int profile_make(
    const char *const *options, struct ferry_profile **ret_profile, struct ferry_error *error)
{
    int r = ferry_profile_new(NULL, ret_profile);
    for (; r == 0 && *options; options++) {
        const char *value = strchr(*options, '=');
        char *key = value ? strndup(*options, (size_t)(value - *options)) : NULL;
        r = key ? ferry_profile_set(*ret_profile, key, value + 1, error) : -EPROTO;
        free(key);
    }
    return r;
}

static int order_dial(
    const struct order *order, struct ferry_channel **ret_channel, struct ferry_error *error)
{
    struct ferry_address *address;
    struct ferry_dial_options options = {
        .struct_size = sizeof(options),
        .extra = order->variables,
        .refuse_descriptors = order->ask.refuse_descriptors,
    };
    struct ferry_profile *profile;
    int r = ferry_address_parse(order->address, NULL, &address, error);
    if (r == 0)
        r = profile_make(order->profile, &profile, error);
    if (r < 0)
        return r;
    options.profile = profile;
    if (ferry_address_scheme(address) == FERRY_EXEC) {
        environment_become(&order->run_as);
        stderr_become();
    }
    return ferry_try_dial(address, &options, ret_channel, error);
}

/* Nobody else's process may look into this one, although it is the user's: it has been root's, and
 * it holds the socket for the answer. */
static int child_become(
    const struct order *order, pid_t parent, bool sandbox, struct ferry_error *error)
{
    int r = run_as_become(&order->run_as);
    if (r == 0 && order->run_as.uid == 0 && sandbox)
        r = run_as_keep_capabilities(1u << CAP_DAC_OVERRIDE);
    /* Both were undone by becoming somebody else. */
    if (r == 0 && (prctl(PR_SET_DUMPABLE, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0))
        r = -errno;
    if (r == 0 && getppid() != parent)
        r = -ESRCH;
    return r < 0 ? error_set_errno(error, r, "becoming the user", NULL) : 0;
}

_Noreturn static void child_run(const struct order *order, pid_t parent, bool sandbox)
{
    struct ferry_channel *dialled;
    struct ferry_error error = { 0 };
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    int r = child_become(order, parent, sandbox, &error);
    if (r == 0)
        r = order_dial(order, &dialled, &error);
    error.code = r;
    if (r < 0)
        answer_failure(order->reply, &error);
    else
        answer_channel(order->reply, dialled);
    _exit(0);
}

/* --- requests --------------------------------------------------------------------------------- */

/* Of a socket that listens or has connected, the kernel tells who listened there: a program that
 * was taken over could so become whoever runs a service. Where somebody listened, the other end has
 * the name of that place; a client's has none, unless it bound one. */
static int peer_check(int fd, struct ferry_error *error)
{
    struct sockaddr_un name;
    socklen_t size = sizeof(name);
    if (getpeername(fd, (struct sockaddr *)&name, &size) < 0)
        return error_set(error, -ENODATA, "user = peer", NULL, "the caller's socket has no peer");
    if (name.sun_family == AF_UNIX && size > sizeof(name.sun_family))
        return error_set(error, -EPERM, "user = peer", "connect without bind(2)",
            "the caller's socket has a name: it may be a service's, and no caller's");
    return 0;
}

/* The kernel's word for the caller. The socket is the program's too: its O_NONBLOCK stays. */
static int peer_find(int fd, struct run_as *ret_run_as, struct ferry_error *error)
{
    struct ferry_channel *channel;
    struct ferry_identity *who;
    int flags = fcntl(fd, F_GETFL);
    int r = peer_check(fd, error);
    if (r < 0)
        return r;
    r = ferry_channel_adopt(fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1), &channel);
    if (r < 0)
        return error_set_errno(error, r, "the caller's socket", NULL);
    r = ferry_channel_identity(channel, &who);
    r = r < 0 ? error_set_errno(error, r, "the caller", NULL) : run_as_peer(who, ret_run_as, error);
    ferry_channel_close(channel);
    if (flags >= 0)
        (void)fcntl(fd, F_SETFL, flags);
    return r;
}

/* Strings that end with a NUL each; NULL: the bytes do not. */
static bool strings_split(const char *text, size_t size, const char **strings, size_t room)
{
    size_t count = 0;
    if (size && text[size - 1])
        return false;
    for (const char *end = text + size; text < end; text += strlen(text) + 1) {
        if (count == room)
            return false;
        strings[count++] = text;
    }
    return true;
}

static int order_read(struct order *order, const struct ferry_message *message)
{
    struct dialler_ask *ask = &order->ask;
    size_t left = message->size;
    const char *bytes = message->data;

    if (left < sizeof(*ask))
        return -EBADMSG;
    memcpy(ask, bytes, sizeof(*ask));
    bytes += sizeof(*ask);
    left -= sizeof(*ask);
    size_t groups_size = (size_t)ask->group_count * sizeof(gid_t);
    if (ask->group_count > ACCOUNT_GROUPS_MAX || groups_size > left || ask->address_size == 0 ||
        ask->address_size > left - groups_size || ask->timeout_ms == 0)
        return -EBADMSG;
    left -= groups_size + ask->address_size;
    if (ask->variables_size > left || ask->profile_size != left - ask->variables_size)
        return -EBADMSG;
    order->address = bytes + groups_size;
    const char *variables = order->address + ask->address_size;
    if (order->address[ask->address_size - 1] ||
        !strings_split(
            variables, ask->variables_size, order->variables, COUNT_OF(order->variables) - 1) ||
        !strings_split(variables + ask->variables_size, ask->profile_size, order->profile,
            COUNT_OF(order->profile) - 1))
        return -EBADMSG;
    order->run_as.uid = ask->uid;
    order->run_as.gid = ask->gid;
    if (ask->group_count == 0)
        return 0;
    order->run_as.groups = malloc(groups_size);
    if (!order->run_as.groups)
        return -ENOMEM;
    memcpy(order->run_as.groups, bytes, groups_size);
    order->run_as.group_count = ask->group_count;
    return 0;
}

static bool user_has_room(const struct process *process, uid_t uid)
{
    unsigned own = 0;
    for (size_t i = 0; i < DIALLER_DIALS_MAX; i++)
        own += process->dials[i].pid && process->dials[i].uid == uid;
    return process->dial_count < DIALLER_DIALS_MAX && own < DIALLER_DIALS_PER_USER_MAX;
}

static void dial_note(struct process *process, pid_t pid, const struct order *order)
{
    size_t place = 0;
    while (process->dials[place].pid)
        place++;
    process->dials[place] = (struct dial){
        .pid = pid, .uid = order->run_as.uid, .deadline_ns = ferry_deadline(order->ask.timeout_ms)
    };
    process->dial_count++;
}

/* As whom: the caller, or somebody whom a route named when this process was started. */
static int order_find_user(const struct process *process, struct order *order,
    const struct ferry_message *message, struct ferry_error *error)
{
    const struct dialler_options *options = process->options;
    if (order->ask.peer)
        return message->descriptor_count < 2
                   ? -EBADMSG
                   : peer_find(message->descriptors[1], &order->run_as, error);
    for (size_t i = 0; i < options->user_count; i++)
        if (run_as_equal(&order->run_as, &options->users[i]))
            return 0;
    return error_set(error, -EPERM, order->address, "restart ferry",
        "no route named uid %u with these groups when the dialler was started", order->run_as.uid);
}

static int order_start(struct process *process, struct order *order, struct ferry_error *error)
{
    if (!user_has_room(process, order->run_as.uid))
        return error_set(error, -EAGAIN, order->address, NULL, "too many dials at once");
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0)
        return error_set_errno(error, -errno, order->address, NULL);
    if (pid == 0) {
        ferry_channel_close(process->requests);
        close(process->signals);
        child_run(order, parent, process->options->sandbox);
    }
    dial_note(process, pid, order);
    return 0;
}

static void order_run(struct process *process, struct ferry_message *message)
{
    struct order order = { 0 };
    struct ferry_error error = { 0 };

    if (message->descriptor_count == 0)
        return;
    if (ferry_channel_adopt(ferry_message_take(message, 0), &order.reply) < 0)
        return;
    int r = order_read(&order, message);
    if (r == 0)
        r = order_find_user(process, &order, message, &error);
    /* A child must hold nothing of the caller's but the answer's socket. */
    ferry_message_fini(message);
    if (r == 0)
        r = order_start(process, &order, &error);
    if (r < 0) {
        if (error.code == 0)
            error_set_errno(&error, r, "the dialler", NULL);
        answer_failure(order.reply, &error);
    }
    ferry_channel_close(order.reply);
    run_as_fini(&order.run_as);
}

/* --- life ------------------------------------------------------------------------------------- */

static void process_reap(struct process *process)
{
    struct signalfd_siginfo info;
    pid_t pid;
    (void)!read(process->signals, &info, sizeof(info));
    while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
        for (size_t i = 0; i < DIALLER_DIALS_MAX; i++) {
            if (process->dials[i].pid == pid) {
                process->dials[i].pid = 0;
                process->dial_count--;
            }
        }
    }
}

/* Kills what is over time. Their numbers cannot be another's: nobody else reaps them. Returns the
 * next point at which there may be something to kill. */
static int64_t process_kill_overdue(struct process *process, int64_t now_ns)
{
    int64_t next_ns = CLOCK_NEVER;
    for (size_t i = 0; process->dial_count && i < DIALLER_DIALS_MAX; i++) {
        struct dial *dial = &process->dials[i];
        if (dial->pid && dial->deadline_ns <= now_ns) {
            (void)kill(dial->pid, SIGKILL);
            dial->deadline_ns = CLOCK_NEVER;
        }
        if (dial->pid && dial->deadline_ns < next_ns)
            next_ns = dial->deadline_ns;
    }
    return next_ns;
}

/* Returns false at the end. */
static bool process_turn(struct process *process)
{
    struct pollfd polled[] = {
        { .fd = ferry_channel_fd(process->requests, FERRY_RECEIVE), .events = POLLIN },
        { .fd = process->signals, .events = POLLIN },
    };
    struct ferry_message message;
    int64_t now_ns = clock_now_ns();
    int64_t next_ns = process_kill_overdue(process, now_ns);
    if (poll(polled, COUNT_OF(polled), clock_poll_ms(next_ns, now_ns)) < 0)
        return errno == EINTR;
    if (polled[1].revents)
        process_reap(process);
    if (!polled[0].revents)
        return true;
    int r = ferry_channel_try_receive(process->requests, process->inbox, &message, 1);
    if (r == 1) {
        order_run(process, &message);
        ferry_message_fini(&message);
    }
    return r != 0 && !error_is_peer_gone(r);
}

/* What the program had open is none of this process's business, nor are its standard input and
 * output: whoever reads there would never see the end. Standard error stays, for commands. */
static int descriptors_leave(int fd)
{
    AUTO_FD int null = open("/dev/null", O_RDWR);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
        dup3(fd, STDERR_FILENO + 1, O_CLOEXEC) < 0)
        return -errno;
    null = -1;
    return close_range(STDERR_FILENO + 2, ~0u, 0) < 0 ? -errno : 0;
}

static int signals_take(int *ret_fd)
{
    static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE };
    sigset_t wanted;
    /* They are sent to all of a group or unit, while the program still lets connections finish. */
    for (size_t i = 0; i < COUNT_OF(ignored); i++)
        signal(ignored[i], SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGCHLD);
    if (sigprocmask(SIG_SETMASK, &wanted, NULL) < 0)
        return -errno;
    int fd = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        return -errno;
    *ret_fd = fd;
    return 0;
}

static int process_restrict(const struct dialler_options *options)
{
    /* Keys that root holds are nobody else's. A kernel without keyrings has none. */
    (void)syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
    if (setsid() < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
        return -errno;
    if (!options->sandbox)
        return 0;
    int r = run_as_keep_capabilities(
        1u << CAP_SETUID | 1u << CAP_SETGID | 1u << CAP_KILL | 1u << CAP_DAC_OVERRIDE);
    if (r == 0)
        r = sandbox_enter(
            SANDBOX_DIAL | SANDBOX_BECOME | (options->commands ? SANDBOX_COMMANDS : 0), NULL);
    return r;
}

void dialler_process_run(int fd, const struct dialler_options *options)
{
    struct process process = { .options = options };
    (void)prctl(PR_SET_NAME, "ferry-dialler");
    (void)prctl(PR_SET_DUMPABLE, 0);
    int r = descriptors_leave(fd);
    if (r == 0)
        r = signals_take(&process.signals);
    if (r == 0)
        r = ferry_channel_adopt(STDERR_FILENO + 1, &process.requests);
    if (r == 0)
        r = ferry_inbox_new(DIALLER_REQUEST_SIZE_MAX, 1, &process.inbox);
    if (r == 0)
        r = process_restrict(options);
    if (r < 0) {
        fprintf(stderr, "ferry-dialler: %s\n", strerrordesc_np(-r));
        _exit(1);
    }
    while (process_turn(&process))
        continue;
    (void)process_kill_overdue(&process, CLOCK_NEVER);
    _exit(0);
}
