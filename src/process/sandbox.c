/* sandbox.c - no_new_privs, and the filter of system calls.
 *
 * The lists name calls as libseccomp knows them on any architecture; one that this architecture or
 * this libseccomp lacks is passed over, since it can then not be allowed or be called only by its
 * number, which the default answers with EPERM (or, by the deny-list, cannot be helped).
 * AddressSanitizer and its kin trace their own process and so work under no filter.
 */
#include "process/sandbox.h"
#include "base/cleanup.h"
#include "base/error.h"

#include <errno.h>
#include <sys/prctl.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif

static const char *const group_names[] = { "listen", "dial", "commands", "become", "look", "seal" };

void sandbox_print_groups(unsigned groups, struct bytes *text)
{
    if (groups & SANDBOX_COMMANDS) {
        bytes_append_text(text, "commands (all but denied ones)");
        return;
    }
    bytes_append_text(text, "base");
    for (size_t i = 0; i < COUNT_OF(group_names); i++)
        if (groups & 1u << i)
            bytes_print(text, " %s", group_names[i]);
}

#if defined(HAVE_SECCOMP) && !defined(SANITIZED)

#include <asm/termbits.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* What carrying takes; files for what is read again, logs, the name service, and paths that are
 * removed at the end. */
static const char *const base[] = { "brk", "mmap", "mmap2", "munmap", "mremap", "mprotect",
    "madvise", "memfd_create", "membarrier", "clock_gettime", "clock_gettime64", "clock_getres",
    "clock_nanosleep", "clock_nanosleep_time64", "nanosleep", "gettimeofday", "time", "futex",
    "futex_time64", "set_robust_list", "set_tid_address", "rseq", "sched_yield",
    "sched_getaffinity", "getcpu", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn",
    "rt_sigtimedwait", "rt_sigpending", "rt_sigsuspend", "sigaltstack", "sigreturn",
    "restart_syscall", "pause", "tgkill", "exit", "exit_group", "getrandom", "uname", "sysinfo",
    "getrusage", "times", "getrlimit", "ugetrlimit", "prlimit64", "umask", "getpid", "getppid",
    "gettid", "getpgrp", "getpgid", "getsid", "getuid", "geteuid", "getgid", "getegid", "getresuid",
    "getresgid", "getgroups", "capget", "wait4", "waitid", "pidfd_open", "pidfd_send_signal",
    "read", "readv", "pread64", "preadv", "preadv2", "write", "writev", "pwrite64", "pwritev",
    "pwritev2", "lseek", "_llseek", "close", "close_range", "dup", "dup2", "dup3", "fcntl",
    "fcntl64", "pipe", "pipe2", "splice", "tee", "vmsplice", "sendfile", "sendfile64",
    "copy_file_range", "eventfd2", "signalfd4", "timerfd_create", "timerfd_settime",
    "timerfd_settime64", "poll", "ppoll", "ppoll_time64", "select", "pselect6", "pselect6_time64",
    "epoll_create", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2",
    "open", "openat", "openat2", "stat", "lstat", "fstat", "stat64", "lstat64", "fstat64",
    "newfstatat", "fstatat64", "statx", "statfs", "fstatfs", "access", "faccessat", "faccessat2",
    "readlink", "readlinkat", "getcwd", "getdents", "getdents64", "flock", "fsync", "fdatasync",
    "ftruncate", "fadvise64", "fallocate", "unlink", "unlinkat", "rmdir", "socketpair", "accept",
    "accept4", "connect", "getsockname", "getpeername", "getsockopt", "setsockopt", "shutdown",
    "send", "sendto", "sendmsg", "sendmmsg", "recv", "recvfrom", "recvmsg", "recvmmsg",
    "recvmmsg_time64", "mq_timedreceive", "mq_timedreceive_time64", "mq_timedsend",
    "mq_timedsend_time64", "mq_getsetattr", "mq_unlink" };

/* What opening a place takes, to listen or to dial. */
static const char *const opening[] = { "bind", "mq_open", "chmod", "fchmod", "fchmodat",
    "fchmodat2", "chown", "lchown", "fchown", "fchownat", "link", "linkat", "rename", "renameat",
    "renameat2" };
static const char *const listening[] = { "listen", "mknod", "mknodat", "mkdir", "mkdirat" };

/* Who has a ring made, or makes it, shows a socket that listens (transport/auto/seal.c). */
static const char *const sealing[] = { "bind", "listen" };

/* Becoming somebody else, in a child. */
static const char *const becoming[] = { "fork", "vfork", "setgroups", "setgroups32", "setresgid",
    "setresgid32", "setresuid", "setresuid32", "capset", "kill" };

/* How much waits in a message queue. The socket diagnosis and /proc are within the base; mounting
 * the file system of queues where nobody has is not for us. */
static const char *const looking[] = { "mq_open" };

/* What even commands are denied: other processes' insides, the kernel's, and ways into it that
 * have no use behind a socket. */
static const char *const denied[] = { "ptrace", "process_vm_readv", "process_vm_writev",
    "process_madvise", "kcmp", "pidfd_getfd", "bpf", "perf_event_open", "userfaultfd",
    "io_uring_setup", "io_uring_enter", "io_uring_register", "init_module", "finit_module",
    "delete_module", "kexec_load", "kexec_file_load", "reboot", "swapon", "swapoff", "acct",
    "quotactl", "quotactl_fd", "mount", "umount", "umount2", "mount_setattr", "move_mount",
    "open_tree", "fsopen", "fsconfig", "fsmount", "fspick", "pivot_root", "chroot", "setns",
    "add_key", "request_key", "keyctl", "iopl", "ioperm", "settimeofday", "clock_settime",
    "clock_settime64", "clock_adjtime", "clock_adjtime64", "adjtimex", "stime", "syslog",
    "lookup_dcookie", "nfsservctl", "vhangup", "open_by_handle_at", "sethostname", "setdomainname",
    "fanotify_init", "move_pages", "migrate_pages", "set_mempolicy", "mbind", "personality", "vm86",
    "vm86old", "modify_ldt", "uselib", "ustat", "sysfs", "_sysctl" };

static int filter_allow_some(scmp_filter_ctx filter, unsigned groups)
{
    static const int families[] = { AF_UNIX, AF_INET, AF_INET6, AF_NETLINK };
    static const int controls[] = { PR_SET_NAME, PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_GET_DUMPABLE,
        PR_GET_NO_NEW_PRIVS };
    /* isatty(3), how much waits, and the names of network interfaces. The kernel looks at the lower
     * half of the argument only. */
    static const unsigned questions[] = { TCGETS, TIOCGWINSZ, FIONREAD, TIOCOUTQ, SIOCGIFINDEX,
        SIOCGIFNAME };
    int r = 0;
    for (size_t i = 0; i < COUNT_OF(families) && r == 0; i++)
        r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
            SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i], 0));
    for (size_t i = 0; i < COUNT_OF(controls) && r == 0; i++)
        r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
            SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)controls[i], 0));
    for (size_t i = 0; i < COUNT_OF(questions) && r == 0; i++)
        r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
            SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, questions[i]));
    /* fork(3), and no new namespace. */
    if (r == 0 && groups & SANDBOX_BECOME)
        r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
            SCMP_A0(SCMP_CMP_MASKED_EQ,
                CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC |
                    CLONE_NEWUTS | CLONE_NEWCGROUP,
                0));
    return r;
}

/* Nobody puts words into the terminal that ferry was started from. */
static int filter_deny_some(scmp_filter_ctx filter)
{
    int r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
        SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, TIOCSTI));
    return r < 0 ? r
                 : seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
                       SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, TIOCLINUX));
}

/* A rule for every call of a list that is known here. */
static int filter_add(
    scmp_filter_ctx filter, uint32_t action, const char *const *names, size_t count)
{
    int r = 0;
    for (size_t i = 0; i < count && r == 0; i++) {
        int number = seccomp_syscall_resolve_name(names[i]);
        if (number != __NR_SCMP_ERROR)
            r = seccomp_rule_add(filter, action, number, 0);
    }
    return r;
}

static int filter_fill(scmp_filter_ctx filter, unsigned groups)
{
    static const struct {
        unsigned groups; /* any of them; 0: always */
        const char *const *names;
        size_t count;
    } lists[] = {
        { 0, base, COUNT_OF(base) },
        { SANDBOX_LISTEN | SANDBOX_DIAL, opening, COUNT_OF(opening) },
        { SANDBOX_LISTEN, listening, COUNT_OF(listening) },
        { SANDBOX_BECOME, becoming, COUNT_OF(becoming) },
        { SANDBOX_LOOK, looking, COUNT_OF(looking) },
        { SANDBOX_SEAL, sealing, COUNT_OF(sealing) },
    };
    int r = 0;
    if (groups & SANDBOX_COMMANDS) {
        r = filter_add(filter, SCMP_ACT_ERRNO(EPERM), denied, COUNT_OF(denied));
        return r < 0 ? r : filter_deny_some(filter);
    }
    for (size_t i = 0; i < COUNT_OF(lists) && r == 0; i++)
        if (!lists[i].groups || lists[i].groups & groups)
            r = filter_add(filter, SCMP_ACT_ALLOW, lists[i].names, lists[i].count);
    return r < 0 ? r : filter_allow_some(filter, groups);
}

/* A command may be of the architecture's 32-bit kind. */
static int filter_add_kin(scmp_filter_ctx filter)
{
#if defined(__x86_64__)
    return seccomp_arch_add(filter, SCMP_ARCH_X86);
#elif defined(__aarch64__)
    return seccomp_arch_add(filter, SCMP_ARCH_ARM);
#else
    (void)filter;
    return 0;
#endif
}

static int filter_enter(unsigned groups)
{
    bool commands = groups & SANDBOX_COMMANDS;
    scmp_filter_ctx filter = seccomp_init(commands ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EPERM));
    if (!filter)
        return -ENOMEM;
    int r = commands ? filter_add_kin(filter) : 0;
    if (r == 0)
        r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    /* A service manager's own filter may deny seccomp(2), as systemd's @system-service does. What
     * is loaded by prctl(2) then binds this thread, and we start no other. */
    if (r == 0 || r == -EOPNOTSUPP)
        r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree, not a list */
    if (r == 0)
        r = filter_fill(filter, groups);
    if (r == 0)
        r = seccomp_load(filter);
    seccomp_release(filter);
    return r;
}

const char *sandbox_lacks_filter(void)
{
    return NULL;
}

#else

static int filter_enter(unsigned groups)
{
    (void)groups;
    return 0;
}

const char *sandbox_lacks_filter(void)
{
#ifdef SANITIZED
    return "this is a sanitizer's build";
#else
    return "built without libseccomp";
#endif
}

#endif

int sandbox_enter(unsigned groups, struct ferry_error *error)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return error_set_errno(error, -errno, "no_new_privs", NULL);
    int r = filter_enter(groups);
    return r < 0 ? error_set_errno(error, r, "the filter of system calls", "set sandbox = no") : 0;
}
