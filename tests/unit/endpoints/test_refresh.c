/* test_refresh.c - a table that is refreshed says what is so now.
 *
 * Processes that have as many descriptors as before are not walked through again, so what matters
 * is what changes without the count. A helper is a process that does one thing when it is told to,
 * and tells what it holds; the table is made by the test's process.
 */
#include "base/cleanup.h"
#include "endpoints/limits.h"
#include "suite.h"

#include <check.h>
#include <fcntl.h>
#include <ferry/endpoints.h>
#include <limits.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- helpers ---------------------------------------------------------------------------------- */

struct helper {
    pid_t pid;
    int line;
};

/* The other end of a helper's line, in the helper. Not close-on-exec, so that the count is the same
 * behind execve(2). */
static int line;
/* Two helpers' own. */
static int between[2];

static uint64_t inode_of(int fd)
{
    struct stat status;
    ck_assert_int_eq(fstat(fd, &status), 0);
    return status.st_ino;
}

static void tell(uint64_t number)
{
    if (send(line, &number, sizeof(number), 0) != sizeof(number))
        _exit(1);
}

static void await(void)
{
    char order;
    if (recv(line, &order, 1, 0) != 1)
        _exit(0);
}

static void run_helper(void (*run)(void))
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    run();
    for (;;)
        pause();
}

static struct helper helper_start(void (*run)(void))
{
    int ends[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    struct helper helper = { .pid = fork(), .line = ends[0] };
    ck_assert_int_ge(helper.pid, 0);
    if (helper.pid == 0) {
        close(ends[0]);
        line = ends[1];
        run_helper(run);
    }
    close(ends[1]);
    return helper;
}

static void helper_end(struct helper *helper)
{
    kill(helper->pid, SIGKILL);
    ck_assert_int_eq(waitpid(helper->pid, NULL, 0), helper->pid);
    close(helper->line);
}

static void order(const struct helper *helper)
{
    ck_assert_int_eq(send(helper->line, "", 1, 0), 1);
}

static uint64_t hear(const struct helper *helper)
{
    struct pollfd poll_fd = { .fd = helper->line, .events = POLLIN };
    uint64_t number;

    ck_assert_int_eq(poll(&poll_fd, 1, 10000), 1);
    ck_assert_int_eq(recv(helper->line, &number, sizeof(number), 0), sizeof(number));
    return number;
}

/* --- tables ----------------------------------------------------------------------------------- */

static struct ferry_error error;

static struct ferry_endpoints *table_new(unsigned kinds, unsigned gather)
{
    struct ferry_endpoints_options options = {
        .struct_size = sizeof(options), .kinds = kinds, .gather = gather
    };
    struct ferry_endpoints *table;

    ck_assert_int_eq(ferry_endpoints_new(&options, &table, &error), 0);
    return table;
}

static void refresh(struct ferry_endpoints *table)
{
    ck_assert_int_eq(ferry_endpoints_refresh(table, &error), 0);
}

static const struct ferry_endpoint *find_kind(
    const struct ferry_endpoints *table, uint64_t inode, unsigned kind)
{
    for (size_t i = 0; i < ferry_endpoints_count(table); i++) {
        const struct ferry_endpoint *row = ferry_endpoints_get(table, i);
        if (row->inode == inode && row->kind == kind)
            return row;
    }
    return NULL;
}

/* Its one owner's pid; 0: it has none, or there is no such socket. */
static pid_t owner_of(const struct ferry_endpoints *table, uint64_t inode)
{
    const struct ferry_endpoint *row = ferry_endpoints_find(table, inode);

    if (!row || !row->owner_count)
        return 0;
    ck_assert_uint_eq(row->owner_count, 1);
    return row->owners[0].process->pid;
}

/* --- what comes and goes ---------------------------------------------------------------------- */

static void open_and_close(void)
{
    await();
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    tell(inode_of(fd));
    tell((uint64_t)fd);
    await();
    close(fd);
    tell(0);
}

START_TEST(test_what_is_opened_comes_and_what_is_closed_goes)
{
    struct helper helper = helper_start(open_and_close);
    struct ferry_endpoints *table = table_new(0, 0);
    order(&helper);
    uint64_t inode = hear(&helper);
    int fd = (int)hear(&helper);
    ck_assert_ptr_null(ferry_endpoints_find(table, inode));
    refresh(table);
    ck_assert_int_eq(owner_of(table, inode), helper.pid);
    ck_assert_int_eq(ferry_endpoints_find(table, inode)->owners[0].fd, fd);
    const struct ferry_process *process = ferry_endpoints_find_process(table, helper.pid);
    ck_assert_ptr_nonnull(process);
    ck_assert_uint_ge(process->endpoint_count, 2); /* its line, too */
    order(&helper);
    (void)hear(&helper);
    refresh(table);
    ck_assert_ptr_null(ferry_endpoints_find(table, inode));
    helper_end(&helper);
    refresh(table);
    ck_assert_ptr_null(ferry_endpoints_find_process(table, helper.pid));
    ferry_endpoints_free(table);
}
END_TEST

static void replace(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    tell(inode_of(fd));
    await();
    close(fd);
    fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    tell(inode_of(fd));
}

START_TEST(test_one_socket_for_another_is_seen_at_once)
{
    struct helper helper = helper_start(replace);
    uint64_t old = hear(&helper);
    struct ferry_endpoints *table = table_new(0, 0);
    ck_assert_int_eq(owner_of(table, old), helper.pid);
    order(&helper);
    uint64_t new = hear(&helper);
    refresh(table);
    ck_assert_ptr_null(ferry_endpoints_find(table, old));
    ck_assert_int_eq(owner_of(table, new), helper.pid);
    helper_end(&helper);
    ferry_endpoints_free(table);
}
END_TEST

static void replace_pipe(void)
{
    int ends[2];

    ck_assert_int_eq(pipe(ends), 0);
    tell(inode_of(ends[0]));
    await();
    close(ends[0]);
    close(ends[1]);
    ck_assert_int_eq(pipe(ends), 0);
    tell(inode_of(ends[0]));
}

START_TEST(test_one_pipe_for_another_is_seen_at_once)
{
    struct helper helper = helper_start(replace_pipe);
    uint64_t old = hear(&helper);
    struct ferry_endpoints *table = table_new(FERRY_ENDPOINTS_ALL, 0);
    ck_assert_int_eq(owner_of(table, old), helper.pid);
    order(&helper);
    uint64_t new = hear(&helper);
    refresh(table);
    ck_assert_int_eq(owner_of(table, new), helper.pid);
    ck_assert_ptr_null(ferry_endpoints_find(table, old));
    helper_end(&helper);
    ferry_endpoints_free(table);
}
END_TEST

static void resize(void)
{
    int fd = memfd_create("refresh", 0);
    tell(inode_of(fd));
    await();
    ck_assert_int_eq(ftruncate(fd, 4711), 0);
    tell(0);
}

START_TEST(test_what_grows_without_a_descriptor_more)
{
    struct helper helper = helper_start(resize);
    uint64_t inode = hear(&helper);
    struct ferry_endpoints *table = table_new(1u << FERRY_ENDPOINT_MEMFD, 0);
    ck_assert_uint_eq(find_kind(table, inode, FERRY_ENDPOINT_MEMFD)->size, 0);
    order(&helper);
    (void)hear(&helper);
    refresh(table);
    ck_assert_uint_eq(find_kind(table, inode, FERRY_ENDPOINT_MEMFD)->size, 4711);
    helper_end(&helper);
    ferry_endpoints_free(table);
}
END_TEST

/* --- from one process to another -------------------------------------------------------------- */

union rights {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr header;
};

static void hand_over(int way, int fd)
{
    union rights rights = { 0 };
    struct iovec byte = { "", 1 };
    struct msghdr message = { .msg_iov = &byte,
        .msg_iovlen = 1,
        .msg_control = &rights,
        .msg_controllen = sizeof(rights.bytes) };

    rights.header.cmsg_level = SOL_SOCKET;
    rights.header.cmsg_type = SCM_RIGHTS;
    rights.header.cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(&rights.header), &fd, sizeof(fd));
    if (sendmsg(way, &message, 0) != 1)
        _exit(1);
    close(fd);
}

static void take_over(int way)
{
    union rights rights;
    char byte;
    struct iovec bytes = { &byte, 1 };
    struct msghdr message = { .msg_iov = &bytes,
        .msg_iovlen = 1,
        .msg_control = &rights,
        .msg_controllen = sizeof(rights.bytes) };

    if (recvmsg(way, &message, 0) != 1 || message.msg_controllen == 0)
        _exit(1);
}

static void swap(int way)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    tell(inode_of(fd));
    await();
    hand_over(way, fd);
    take_over(way);
    tell(0);
}

static void swap_one(void)
{
    swap(between[0]);
}

static void swap_other(void)
{
    swap(between[1]);
}

static void give(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    tell(inode_of(fd));
    await();
    hand_over(between[0], fd);
    tell(0);
}

static void get(void)
{
    tell(0);
    await();
    take_over(between[1]);
    tell(0);
}

START_TEST(test_a_socket_that_was_handed_over_is_the_new_owners_at_once)
{
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, between), 0);
    struct helper one = helper_start(give), other = helper_start(get);
    uint64_t inode = hear(&one);
    (void)hear(&other);
    struct ferry_endpoints *table = table_new(0, 0);
    ck_assert_int_eq(owner_of(table, inode), one.pid);
    order(&one);
    (void)hear(&one);
    refresh(table); /* it is on its way */
    ck_assert_ptr_nonnull(ferry_endpoints_find(table, inode));
    ck_assert_int_eq(owner_of(table, inode), 0);
    order(&other);
    (void)hear(&other);
    refresh(table);
    ck_assert_int_eq(owner_of(table, inode), other.pid);
    helper_end(&one);
    helper_end(&other);
    ferry_endpoints_free(table);
}
END_TEST

/* Neither has more or fewer than before, and no socket is new: nothing tells but their turn. */
START_TEST(test_sockets_that_were_swapped_are_seen_by_and_by)
{
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, between), 0);
    struct helper one = helper_start(swap_one), other = helper_start(swap_other);
    uint64_t first = hear(&one), second = hear(&other);
    struct ferry_endpoints *table = table_new(1u << FERRY_ENDPOINT_UNIX_STREAM, 0);
    ck_assert_int_eq(owner_of(table, first), one.pid);
    ck_assert_int_eq(owner_of(table, second), other.pid);
    order(&one);
    order(&other);
    (void)hear(&one);
    (void)hear(&other);
    for (unsigned i = 0; i < WALK_ROUNDS; i++)
        refresh(table);
    ck_assert_int_eq(owner_of(table, first), other.pid);
    ck_assert_int_eq(owner_of(table, second), one.pid);
    helper_end(&one);
    helper_end(&other);
    ferry_endpoints_free(table);
}
END_TEST

/* --- who it is -------------------------------------------------------------------------------- */

static void become(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    tell(inode_of(fd));
    await();
    execlp("sleep", "sleep", "1000", NULL);
    _exit(1);
}

static bool is_called(pid_t pid, const char *name)
{
    char path[32], text[32] = "";

    snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
    AUTO_FILE FILE *file = fopen(path, "re");
    return file && fgets(text, sizeof(text), file) &&
           strncmp(text, name, strcspn(text, "\n")) == 0 && strlen(name) + 1 == strlen(text);
}

START_TEST(test_a_process_that_has_become_another_program)
{
    struct helper helper = helper_start(become);
    uint64_t inode = hear(&helper);
    struct ferry_endpoints *table = table_new(0, FERRY_GATHER_USUAL | FERRY_GATHER_DETAILS);
    const struct ferry_process *process = ferry_endpoints_find_process(table, helper.pid);
    ck_assert_str_ne(process->name, "sleep");
    ck_assert_ptr_nonnull(strstr(process->executable, "test-endpoints-refresh"));
    order(&helper);
    for (int i = 0; i < 1000 && !is_called(helper.pid, "sleep"); i++)
        usleep(10000);
    refresh(table);
    process = ferry_endpoints_find_process(table, helper.pid);
    ck_assert_str_eq(process->name, "sleep");
    ck_assert_ptr_null(strstr(process->executable, "test-endpoints-refresh"));
    ck_assert_int_eq(owner_of(table, inode), helper.pid);
    helper_end(&helper);
    ferry_endpoints_free(table);
}
END_TEST

static void hold(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    tell(inode_of(fd));
}

/* fork(2) that gives the child this number; -1: not allowed. */
static pid_t fork_as(pid_t pid)
{
    struct clone_args arguments = {
        .exit_signal = SIGCHLD, .set_tid = (uintptr_t)&pid, .set_tid_size = 1
    };
    return (pid_t)syscall(SYS_clone3, &arguments, sizeof(arguments));
}

/* The 22nd field of /proc/PID/stat. */
static uint64_t start_of(pid_t pid)
{
    char path[32], text[1024] = "";

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    AUTO_FILE FILE *file = fopen(path, "re");
    ck_assert_ptr_nonnull(file);
    ck_assert_ptr_nonnull(fgets(text, sizeof(text), file));
    const char *at = strrchr(text, ')');
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    ck_assert_ptr_nonnull(at);
    return strtoull(at, NULL, 10);
}

START_TEST(test_a_number_that_is_another_process_now)
{
    struct helper helper = helper_start(hold);
    uint64_t old = hear(&helper), new = 0;
    struct ferry_endpoints *table = table_new(0, 0);
    ck_assert_int_eq(owner_of(table, old), helper.pid);
    pid_t number = helper.pid;
    int ends[2];
    helper_end(&helper);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    pid_t again = fork_as(number);
    if (again == 0) {
        close(ends[0]);
        line = ends[1];
        run_helper(hold);
    }
    close(ends[1]);
    if (again > 0 || !skipped("needs CAP_CHECKPOINT_RESTORE")) {
        helper = (struct helper){ again, ends[0] };
        ck_assert_int_eq(again, number);
        new = hear(&helper);
        refresh(table);
        ck_assert_ptr_null(ferry_endpoints_find(table, old));
        ck_assert_int_eq(owner_of(table, new), number);
        helper_end(&helper);
    }
    ferry_endpoints_free(table);
}
END_TEST

static void hold_the_same(void)
{
    tell(0);
}

/* Ends it. Another one gets its number and its name, and has as many descriptors, of the same
 * sockets; `ends` are its line. False: that is not allowed. */
static bool helper_replace(struct helper *helper, const int ends[2])
{
    pid_t number = helper->pid;

    helper_end(helper);
    usleep(20000); /* so that it starts in another tick */
    pid_t again = fork_as(number);
    if (again == 0) {
        line = ends[1];
        int extra = dup(line); /* in place of the other's line */
        run_helper(extra < 0 ? await : hold_the_same);
    }
    if (again < 0 && skipped("needs CAP_CHECKPOINT_RESTORE"))
        return false;
    *helper = (struct helper){ again, ends[0] };
    (void)hear(helper);
    return true;
}

START_TEST(test_a_number_that_is_another_process_with_the_same_descriptors)
{
    int ends[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    struct helper helper = helper_start(hold_the_same);
    (void)hear(&helper);
    struct ferry_endpoints *table = table_new(0, 0);
    uint64_t start_ticks = ferry_endpoints_find_process(table, helper.pid)->start_ticks;
    ck_assert_uint_eq(start_ticks, start_of(helper.pid));
    if (helper_replace(&helper, ends)) {
        refresh(table);
        const struct ferry_process *process = ferry_endpoints_find_process(table, helper.pid);
        ck_assert_uint_eq(process->start_ticks, start_of(helper.pid));
        ck_assert_uint_ne(process->start_ticks, start_ticks);
        helper_end(&helper);
    }
    ferry_endpoints_free(table);
    close(ends[1]);
}
END_TEST

/* Where processes have their turns, one whose turn it is not is asked in the look's second walk
 * only, which a new socket is the cause of. */
START_TEST(test_a_number_that_is_another_process_when_it_is_not_its_turn)
{
    int ends[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    struct helper helper = helper_start(hold_the_same);
    (void)hear(&helper);
    struct ferry_endpoints *table = table_new(0, FERRY_GATHER_USUAL | FERRY_GATHER_IN_TURNS);
    pid_t own_turn = getpid() % (pid_t)LOOK_TURNS, its_turn = helper.pid % (pid_t)LOOK_TURNS;
    for (pid_t round = 1; round == own_turn || round == its_turn; round++)
        refresh(table);
    if (helper_replace(&helper, ends)) {
        int new = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        refresh(table);
        ck_assert_int_eq(owner_of(table, inode_of(new)), getpid());
        const struct ferry_process *process = ferry_endpoints_find_process(table, helper.pid);
        ck_assert_uint_eq(process->start_ticks, start_of(helper.pid));
        close(new);
        helper_end(&helper);
    }
    ferry_endpoints_free(table);
    close(ends[1]);
}
END_TEST

/* --- since when ------------------------------------------------------------------------------- */

START_TEST(test_since_when_each_is_seen)
{
    static const unsigned kinds[] = { FERRY_ENDPOINT_UNIX_STREAM, FERRY_ENDPOINT_PIPE,
        FERRY_ENDPOINT_MEMFD };
    int pair[2], ends[2], memory = memfd_create("since", MFD_CLOEXEC);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    const uint64_t inodes[] = { inode_of(pair[0]), inode_of(ends[0]), inode_of(memory) };
    struct ferry_endpoints *table = table_new(FERRY_ENDPOINTS_ALL, 0);
    int64_t first_ns = ferry_endpoints_time_ns(table);
    int late = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    refresh(table);
    int64_t second_ns = ferry_endpoints_time_ns(table);
    ck_assert_int_gt(second_ns, first_ns);
    refresh(table);
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        const struct ferry_endpoint *row = find_kind(table, inodes[i], kinds[i]);
        ck_assert_ptr_nonnull(row);
        ck_assert_int_eq(row->seen_ns, first_ns);
    }
    ck_assert_int_eq(ferry_endpoints_find(table, inode_of(late))->seen_ns, second_ns);
    ferry_endpoints_free(table);
    const int all[] = { pair[0], pair[1], ends[0], ends[1], memory, late };
    for (size_t i = 0; i < COUNT_OF(all); i++)
        close(all[i]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("endpoints/refresh");
    TCase *tcase = tcase_create("refresh");
    tcase_set_timeout(tcase, 30);
    tcase_add_test(tcase, test_what_is_opened_comes_and_what_is_closed_goes);
    tcase_add_test(tcase, test_one_socket_for_another_is_seen_at_once);
    tcase_add_test(tcase, test_one_pipe_for_another_is_seen_at_once);
    tcase_add_test(tcase, test_what_grows_without_a_descriptor_more);
    tcase_add_test(tcase, test_a_socket_that_was_handed_over_is_the_new_owners_at_once);
    tcase_add_test(tcase, test_sockets_that_were_swapped_are_seen_by_and_by);
    tcase_add_test(tcase, test_a_process_that_has_become_another_program);
    tcase_add_test(tcase, test_a_number_that_is_another_process_now);
    tcase_add_test(tcase, test_a_number_that_is_another_process_with_the_same_descriptors);
    tcase_add_test(tcase, test_a_number_that_is_another_process_when_it_is_not_its_turn);
    tcase_add_test(tcase, test_since_when_each_is_seen);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
