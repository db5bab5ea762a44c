/* test_unix_path.c - sockets at paths: whom they replace, who may replace them, what they leave. */
#include "scratch.h"

#include "transport/limits.h"
#include "transport/unix_path.h"

#include <sys/file.h>

#define STRANGER 12345u /* a uid that owns nothing else */

static struct unix_path_options plain_options(void)
{
    return (struct unix_path_options){ .thing = "test",
        .type = SOCK_STREAM,
        .ownership = { .mode = 0600, .owner = (uid_t)-1, .group = (gid_t)-1 },
        .backlog = 16,
        .lock_wait_ms = 100 };
}

static int bind_with(const struct unix_path_options *options, const char *path,
    struct unix_path **ret_path, struct ferry_error *error, int *ret_fd)
{
    int fd = socket(AF_UNIX, options->type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int r = unix_path_bind(fd, path, options, ret_path, error);

    if (r < 0)
        fd_close(&fd);
    *ret_fd = fd;
    return r;
}

static int bind_at(
    const char *path, struct unix_path **ret_path, struct ferry_error *error, int *ret_fd)
{
    struct unix_path_options options = plain_options();
    return bind_with(&options, path, ret_path, error, ret_fd);
}

/* What bind_at() says where it must fail. */
static struct ferry_error refused_at(const char *path, int code)
{
    struct ferry_error error = { 0 };
    struct unix_path *bound = NULL;
    int fd;

    ck_assert_int_eq(bind_at(path, &bound, &error, &fd), code);
    ck_assert_ptr_null(bound);
    ck_assert_int_eq(error.code, code);
    ck_assert_str_eq(error.thing, "test");
    return error;
}

static ino_t inode_of(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0 ? status.st_ino : 0;
}

static bool connects(const char *path, int type)
{
    AUTO_FD int fd = socket(AF_UNIX, type | SOCK_NONBLOCK, 0);
    return unix_path_connect(fd, path) == 0;
}

static void become(uid_t uid)
{
    if (geteuid() != 0)
        return;
    ck_assert_int_eq(setegid(uid), 0);
    ck_assert_int_eq(seteuid(uid), 0);
}

/* --- birth and end ---------------------------------------------------------------------------- */

START_TEST(bound_path_serves_and_goes)
{
    const char *path = scratch_path("plain");
    struct unix_path *bound;
    struct stat status;
    int fd;

    ck_assert_int_eq(bind_at(path, &bound, NULL, &fd), 0);
    ck_assert(connects(path, SOCK_STREAM));
    ck_assert_int_eq(lstat(path, &status), 0);
    ck_assert_uint_eq(status.st_mode, S_IFSOCK | 0600);
    unix_path_remove(bound);
    ck_assert_int_eq(lstat(path, &status), -1);
    close(fd);
    unix_path_remove(NULL);
}
END_TEST

/* The mode is what was asked, whatever the umask, and the umask stays what it was. */
START_TEST(mode_is_exact)
{
    static const struct {
        mode_t umask;
        unsigned mode;
    } cases[] = { { 0077, 0666 }, { 0, 0600 }, { 0777, 0640 }, { 0022, 0777 } };
    const char *path = scratch_path("mode");
    struct unix_path_options options = plain_options();
    struct unix_path *bound;
    struct stat status;
    int fd;

    umask(cases[_i].umask);
    options.ownership.mode = cases[_i].mode;
    ck_assert_int_eq(bind_with(&options, path, &bound, NULL, &fd), 0);
    ck_assert_int_eq(lstat(path, &status), 0);
    ck_assert_uint_eq(status.st_mode & 07777, cases[_i].mode);
    ck_assert_uint_eq(umask(0), cases[_i].umask);
    unix_path_remove(bound);
    close(fd);
}
END_TEST

START_TEST(owner_and_group_are_set)
{
    const char *path = scratch_path("owner");
    struct unix_path_options options = plain_options();
    struct unix_path *bound;
    struct stat status;
    int fd;

    if (skipped_without_root())
        return;
    options.ownership.owner = STRANGER;
    options.ownership.group = STRANGER + 1;
    options.ownership.mode = 0660;
    ck_assert_int_eq(bind_with(&options, path, &bound, NULL, &fd), 0);
    ck_assert_int_eq(lstat(path, &status), 0);
    ck_assert_uint_eq(status.st_uid, STRANGER);
    ck_assert_uint_eq(status.st_gid, STRANGER + 1);
    ck_assert_uint_eq(status.st_mode & 07777, 0660);
    unix_path_remove(bound);
    ck_assert_uint_eq(inode_of(path), 0);
    close(fd);
}
END_TEST

START_TEST(owner_that_may_not_be_set_leaves_nothing)
{
    char path[128];
    struct unix_path_options options = plain_options();
    struct unix_path *bound;
    struct ferry_error error = { 0 };
    int fd;

    if (skipped_without_root())
        return;
    snprintf(path, sizeof(path), "%s", scratch_path("theirs"));
    ck_assert_int_eq(mkdir(path, 0700), 0);
    ck_assert_int_eq(chown(path, STRANGER, STRANGER), 0);
    strcat(path, "/socket");
    options.ownership.group = 0;
    pid_t pid = fork();
    if (pid == 0) {
        become(STRANGER);
        int r = bind_with(&options, path, &bound, &error, &fd);
        _exit(r == -EPERM && strstr(error.reason, "group=") ? 0 : 1);
    }
    ck_assert_int_eq(child_status(pid), 0);
    ck_assert_uint_eq(inode_of(path), 0);
}
END_TEST

START_TEST(end_spares_what_is_no_longer_ours)
{
    const char *path = scratch_path("replaced");
    struct unix_path *bound;
    int fd;

    ck_assert_int_eq(bind_at(path, &bound, NULL, &fd), 0);
    ck_assert_int_eq(unlink(path), 0);
    int other = bound_socket(path, SOCK_STREAM, 5);
    unix_path_remove(bound);
    ck_assert(connects(path, SOCK_STREAM));
    close(other);
    close(fd);
}
END_TEST

START_TEST(forked_child_removes_nothing)
{
    const char *path = scratch_path("forked");
    struct unix_path *bound;
    int fd;

    ck_assert_int_eq(bind_at(path, &bound, NULL, &fd), 0);
    pid_t pid = fork();
    if (pid == 0) {
        unix_path_remove(bound);
        _exit(0);
    }
    ck_assert_int_eq(child_status(pid), 0);
    ck_assert(connects(path, SOCK_STREAM));
    unix_path_remove(bound);
    ck_assert_uint_eq(inode_of(path), 0);
    close(fd);
}
END_TEST

START_TEST(no_lock_file_and_no_lock_remain)
{
    char path[128];
    struct unix_path *bound;
    int fd, entries = 0;

    snprintf(path, sizeof(path), "%s", scratch_path("tidy"));
    ck_assert_int_eq(mkdir(path, 0700), 0);
    int directory = open(path, O_RDONLY | O_DIRECTORY);
    strcat(path, "/socket");
    ck_assert_int_eq(bind_at(path, &bound, NULL, &fd), 0);
    ck_assert_int_eq(flock(directory, LOCK_EX | LOCK_NB), 0);
    flock(directory, LOCK_UN);
    unix_path_remove(bound);
    AUTO_DIR DIR *listing = fdopendir(directory);
    while (readdir(listing))
        entries++;
    ck_assert_int_eq(entries, 2);
    close(fd);
}
END_TEST

/* --- what lies there already ------------------------------------------------------------------ */

START_TEST(living_socket_is_left_and_its_owner_named)
{
    static const struct {
        int type, backlog;
    } cases[] = { { SOCK_STREAM, 5 }, { SOCK_STREAM, -1 }, { SOCK_DGRAM, -1 },
        { SOCK_SEQPACKET, 5 }, { SOCK_SEQPACKET, -1 } };
    char name[] = "living0", expected[32];

    name[6] = (char)('0' + _i);
    const char *path = scratch_path(name);
    int fd = bound_socket(path, cases[_i].type, cases[_i].backlog);
    ino_t inode = inode_of(path);
    struct ferry_error error = refused_at(path, -EADDRINUSE);
    snprintf(expected, sizeof(expected), "pid %d (", (int)getpid());
    ck_assert_msg(strstr(error.reason, expected) != NULL, "%s", error.reason);
    ck_assert_uint_eq(inode_of(path), inode);
    close(fd);
}
END_TEST

/* Asking who lives there must not look like a client. */
START_TEST(living_server_sees_no_connection)
{
    const char *path = scratch_path("undisturbed");
    int fd = bound_socket(path, SOCK_STREAM, 5);

    refused_at(path, -EADDRINUSE);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    ck_assert_int_eq(accept(fd, NULL, NULL), -1);
    ck_assert_int_eq(errno, EAGAIN);
    close(fd);
}
END_TEST

START_TEST(full_backlog_is_alive)
{
    const char *path = scratch_path("backlog");
    int fd = bound_socket(path, SOCK_STREAM, 0);

    while (true) {
        int client = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        if (unix_path_connect(client, path) == -EAGAIN)
            break;
    }
    refused_at(path, -EADDRINUSE);
    close(fd);
}
END_TEST

START_TEST(owner_that_is_not_visible_is_still_named)
{
    char path[128], expected[32];

    if (skipped_without_root())
        return;
    snprintf(path, sizeof(path), "%s", scratch_path("sticky"));
    ck_assert_int_eq(mkdir(path, 0777), 0);
    ck_assert_int_eq(chmod(path, 01777), 0);
    strcat(path, "/socket");
    int fd = bound_socket(path, SOCK_STREAM, 5);
    ck_assert_int_eq(chmod(path, 0666), 0);
    pid_t owner = getpid(), pid = fork();
    if (pid == 0) {
        close(fd);
        become(STRANGER);
        struct ferry_error error = refused_at(path, -EADDRINUSE);
        snprintf(expected, sizeof(expected), "pid %d (", (int)owner);
        _exit(strstr(error.reason, expected) ? 0 : 1);
    }
    ck_assert_int_eq(child_status(pid), 0);
    close(fd);
}
END_TEST

START_TEST(dead_socket_after_kill_is_replaced_at_once)
{
    const char *path = scratch_path("killed");
    struct unix_path *bound;
    char byte;
    int ready[2], fd;

    ck_assert_int_eq(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (bind_at(path, &bound, NULL, &fd) < 0 || write(ready[1], "x", 1) != 1)
            _exit(1);
        pause();
    }
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    refused_at(path, -EADDRINUSE);
    kill(pid, SIGKILL);
    child_status(pid);
    ino_t dead = inode_of(path);
    ck_assert_uint_ne(dead, 0);
    ck_assert_int_eq(bind_at(path, &bound, NULL, &fd), 0);
    ck_assert(connects(path, SOCK_STREAM));
    unix_path_remove(bound);
    close(fd);
}
END_TEST

START_TEST(what_is_no_socket_is_left)
{
    static const char *const names[] = { "file", "directory", "link", "fifo" };
    const char *path = scratch_path(names[_i]);

    switch (_i) {
    case 0:
        close(open(path, O_CREAT | O_WRONLY, 0600));
        break;
    case 1:
        ck_assert_int_eq(mkdir(path, 0700), 0);
        break;
    case 2:
        close(bound_socket(scratch_path("target"), SOCK_STREAM, 1));
        ck_assert_int_eq(symlink(scratch_path("target"), path), 0);
        break;
    default:
        ck_assert_int_eq(mkfifo(path, 0600), 0);
    }
    ino_t inode = inode_of(path);
    struct ferry_error error = refused_at(path, -EEXIST);
    ck_assert_ptr_nonnull(strstr(error.reason, "not a socket"));
    ck_assert_uint_eq(inode_of(path), inode);
}
END_TEST

START_TEST(dead_socket_of_another_user_is_left)
{
    const char *path = scratch_path("foreign");
    struct unix_path_options options = plain_options();
    struct unix_path *bound;
    int fd;

    if (skipped_without_root())
        return;
    close(bound_socket(path, SOCK_STREAM, 1));
    ck_assert_int_eq(chown(path, STRANGER, STRANGER), 0);
    ino_t inode = inode_of(path);
    struct ferry_error error = refused_at(path, -EPERM);
    ck_assert_ptr_nonnull(strstr(error.reason, "uid 12345"));
    ck_assert_uint_eq(inode_of(path), inode);
    /* It was of the owner that is asked for: ours of an earlier run. */
    options.ownership.owner = STRANGER;
    ck_assert_int_eq(bind_with(&options, path, &bound, NULL, &fd), 0);
    unix_path_remove(bound);
    close(fd);
}
END_TEST

/* Many starts at once over a dead socket: one wins, and it serves. */
START_TEST(one_of_many_starts_wins)
{
    enum { STARTS = 12 };
    const char *path = scratch_path("race");
    int go[2], done[2], won = 0;
    pid_t pids[STARTS];
    struct unix_path *bound;
    int fd;

    close(bound_socket(path, SOCK_STREAM, 1));
    ck_assert_int_eq(pipe(go), 0);
    ck_assert_int_eq(pipe(done), 0);
    for (int i = 0; i < STARTS; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            char byte;
            close(go[1]);
            close(done[1]);
            if (read(go[0], &byte, 1) != 0)
                _exit(3);
            int r = bind_at(path, &bound, NULL, &fd);
            if (r == 0 && read(done[0], &byte, 1) == 0)
                _exit(0);
            _exit(r == -EADDRINUSE ? 1 : 2);
        }
    }
    close(go[1]);
    for (int i = 0; i < STARTS - 1; i++) {
        int status;
        ck_assert_int_gt(wait(&status), 0);
        ck_assert_int_eq(WEXITSTATUS(status), 1);
        won++;
    }
    ck_assert(connects(path, SOCK_STREAM));
    close(done[1]);
    int status;
    ck_assert_int_gt(wait(&status), 0);
    ck_assert_int_eq(WEXITSTATUS(status), 0);
    ck_assert_int_eq(won, STARTS - 1);
}
END_TEST

/* --- the directory ---------------------------------------------------------------------------- */

START_TEST(missing_directory_is_named)
{
    struct ferry_error error = refused_at(scratch_path("none/socket"), -ENOENT);

    ck_assert_ptr_nonnull(strstr(error.reason, "/none"));
    ck_assert_ptr_nonnull(strstr(error.remedy, "mkdir"));
}
END_TEST

/* Each test is a process of its own: it may become somebody else. */
START_TEST(directory_that_may_not_be_read_is_named)
{
    char path[128];

    if (skipped_without_root())
        return;
    snprintf(path, sizeof(path), "%s", scratch_path("unreadable"));
    ck_assert_int_eq(mkdir(path, 0700), 0);
    ck_assert_int_eq(chmod(path, 0711), 0);
    ck_assert_int_eq(setresuid(STRANGER, STRANGER, STRANGER), 0);
    strcat(path, "/socket");
    struct ferry_error error = refused_at(path, -EACCES);
    ck_assert_ptr_nonnull(strstr(error.reason, "/unreadable may not be read"));
    ck_assert_ptr_nonnull(strstr(error.remedy, "this user may read"));
}
END_TEST

START_TEST(directory_decides)
{
    static const struct {
        mode_t mode;
        uid_t owner;
        gid_t group;
        int code;
        const char *remedy;
    } cases[] = { { 0755, 0, 0, 0, NULL }, { 0775, 0, 0, 0, NULL },
        { 0775, 0, STRANGER, -EPERM, "chmod g-w" }, { 0757, 0, 0, -EPERM, "chmod o-w" },
        { 01777, 0, 0, 0, NULL }, { 01775, 0, STRANGER, 0, NULL },
        { 0755, STRANGER, 0, -EPERM, "a directory of your own" } };
    char path[128], name[] = "directory0";
    struct unix_path *bound;
    int fd;

    if (skipped_without_root())
        return;
    name[9] = (char)('0' + _i);
    snprintf(path, sizeof(path), "%s", scratch_path(name));
    ck_assert_int_eq(mkdir(path, 0700), 0);
    ck_assert_int_eq(chown(path, cases[_i].owner, cases[_i].group), 0);
    ck_assert_int_eq(chmod(path, cases[_i].mode), 0);
    strcat(path, "/socket");
    if (cases[_i].code < 0) {
        struct ferry_error error = refused_at(path, cases[_i].code);
        ck_assert_ptr_nonnull(strstr(error.remedy, cases[_i].remedy));
        ck_assert_uint_eq(inode_of(path), 0);
        return;
    }
    ck_assert_int_eq(bind_at(path, &bound, NULL, &fd), 0);
    unix_path_remove(bound);
    close(fd);
}
END_TEST

START_TEST(locked_directory_is_waited_for)
{
    char path[128];
    struct unix_path_options options = plain_options();
    struct unix_path *bound;
    int fd;

    options.lock_wait_ms = 10000;
    snprintf(path, sizeof(path), "%s", scratch_path("locked"));
    ck_assert_int_eq(mkdir(path, 0700), 0);
    int directory = open(path, O_RDONLY | O_DIRECTORY);
    ck_assert_int_eq(flock(directory, LOCK_EX), 0);
    strcat(path, "/socket");
    pid_t pid = fork();
    if (pid == 0)
        _exit(bind_with(&options, path, &bound, NULL, &fd) == 0 ? 0 : 1);
    poll(NULL, 0, 50);
    ck_assert_uint_eq(inode_of(path), 0);
    ck_assert_int_eq(flock(directory, LOCK_UN), 0);
    ck_assert_int_eq(child_status(pid), 0);
    ck_assert_uint_ne(inode_of(path), 0);
}
END_TEST

START_TEST(lock_that_stays_is_given_up)
{
    char path[144], name[128];
    struct unix_path_options options = plain_options();
    struct unix_path *bound;
    struct ferry_error error;
    int fd;

    snprintf(name, sizeof(name), "%s", scratch_path("stuck"));
    snprintf(path, sizeof(path), "%s/socket", name);
    ck_assert_int_eq(mkdir(name, 0700), 0);
    int directory = open(name, O_RDONLY | O_DIRECTORY);
    ck_assert_int_eq(flock(directory, LOCK_EX), 0);
    error = refused_at(path, -EBUSY);
    ck_assert_msg(strstr(error.reason, "lock") && strstr(error.reason, name), "%s", error.reason);
    ck_assert_msg(strstr(error.remedy, "fuser") && strstr(error.remedy, name), "%s", error.remedy);
    ck_assert_ptr_nonnull(strstr(error.remedy, "0700"));
    /* Who has no time to wait tries again later. */
    options.lock_wait_ms = 0;
    ck_assert_int_eq(bind_with(&options, path, &bound, &error, &fd), -EAGAIN);
    ck_assert_uint_eq(inode_of(path), 0);
    close(directory);
}
END_TEST

/* Of many that start at once those that waited too long are told who serves, not who locks. */
START_TEST(living_socket_behind_a_lock_is_named)
{
    char folder[128], path[144], expected[32];

    snprintf(folder, sizeof(folder), "%s", scratch_path("taken"));
    snprintf(path, sizeof(path), "%s/socket", folder);
    ck_assert_int_eq(mkdir(folder, 0700), 0);
    int directory = open(folder, O_RDONLY | O_DIRECTORY);
    ck_assert_int_eq(flock(directory, LOCK_EX), 0);
    int living = bound_socket(path, SOCK_STREAM, 1);
    struct ferry_error error = refused_at(path, -EADDRINUSE);
    snprintf(expected, sizeof(expected), "pid %d (", (int)getpid());
    ck_assert_msg(strstr(error.reason, expected) != NULL, "%s", error.reason);
    close(living);
    /* A dead one says nothing about who starts: the lock does. */
    refused_at(path, -EBUSY);
    close(directory);
}
END_TEST

/* Whoever may read the directory may hold its lock: he can't make us leave anything behind. */
START_TEST(locked_directory_does_not_keep_the_path)
{
    char path[128];
    struct unix_path *bound;
    int fd;

    snprintf(path, sizeof(path), "%s", scratch_path("held"));
    ck_assert_int_eq(mkdir(path, 0700), 0);
    int directory = open(path, O_RDONLY | O_DIRECTORY);
    strcat(path, "/socket");
    ck_assert_int_eq(bind_at(path, &bound, NULL, &fd), 0);
    ck_assert_int_eq(flock(directory, LOCK_EX), 0);
    unix_path_remove(bound);
    ck_assert_uint_eq(inode_of(path), 0);
    close(fd);
    close(directory);
}
END_TEST

/* --- long paths ------------------------------------------------------------------------------- */

START_TEST(long_paths_work)
{
    char path[512];
    struct unix_path *bound;
    int fd;

    snprintf(path, sizeof(path), "%s", scratch_path("long"));
    ck_assert_int_eq(mkdir(path, 0700), 0);
    for (int i = 0; i < 5; i++) {
        strcat(path, "/a-directory-with-a-rather-long-name");
        ck_assert_int_eq(mkdir(path, 0700), 0);
    }
    strcat(path, "/socket");
    ck_assert_int_eq(bind_at(path, &bound, NULL, &fd), 0);
    ck_assert(connects(path, SOCK_STREAM));
    refused_at(path, -EADDRINUSE);
    close(fd);
    /* Dead now, and replaced like any other. */
    unix_path_remove(bound);
    ck_assert_uint_eq(inode_of(path), 0);
    ck_assert(!connects(path, SOCK_STREAM));
}
END_TEST

/* 107 bytes fit, 108 go by way of the directory: no byte is cut off on either side. */
START_TEST(paths_around_the_limit_are_exact)
{
    char path[160];
    struct unix_path *bound;
    struct stat status;
    int fd;

    size_t size = (size_t)snprintf(path, sizeof(path), "%s/", scratch_path("exact"));
    path[size - 1] = '\0';
    if (mkdir(path, 0700) < 0)
        ck_assert_int_eq(errno, EEXIST);
    path[size - 1] = '/';
    while (size < (size_t)(106 + _i))
        path[size++] = 'n';
    path[size] = '\0';
    ck_assert_int_eq(bind_at(path, &bound, NULL, &fd), 0);
    ck_assert_int_eq(lstat(path, &status), 0);
    ck_assert(connects(path, SOCK_STREAM));
    unix_path_remove(bound);
    close(fd);
}
END_TEST

START_TEST(name_that_cannot_be_bound_is_refused)
{
    char path[400];

    snprintf(path, sizeof(path), "%s/", scratch_directory);
    size_t size = strlen(path);
    memset(path + size, 'n', 150);
    path[size + 150] = '\0';
    refused_at(path, -ENAMETOOLONG);
    refused_at("/tmp/", -EISDIR);
}
END_TEST

START_TEST(relative_path_outlives_a_change_of_directory)
{
    struct unix_path *bound;
    int fd;

    ck_assert_int_eq(chdir(scratch_directory), 0);
    ck_assert_int_eq(bind_at("relative", &bound, NULL, &fd), 0);
    ck_assert_int_eq(chdir("/"), 0);
    ck_assert_uint_ne(inode_of(scratch_path("relative")), 0);
    unix_path_remove(bound);
    ck_assert_uint_eq(inode_of(scratch_path("relative")), 0);
    close(fd);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("transport/unix_path");
    TCase *cases = tcase_create("unix_path");

    tcase_set_timeout(cases, 30);
    tcase_add_test(cases, bound_path_serves_and_goes);
    tcase_add_loop_test(cases, mode_is_exact, 0, 4);
    tcase_add_test(cases, owner_and_group_are_set);
    tcase_add_test(cases, owner_that_may_not_be_set_leaves_nothing);
    tcase_add_test(cases, end_spares_what_is_no_longer_ours);
    tcase_add_test(cases, forked_child_removes_nothing);
    tcase_add_test(cases, no_lock_file_and_no_lock_remain);
    tcase_add_loop_test(cases, living_socket_is_left_and_its_owner_named, 0, 5);
    tcase_add_test(cases, living_server_sees_no_connection);
    tcase_add_test(cases, full_backlog_is_alive);
    tcase_add_test(cases, owner_that_is_not_visible_is_still_named);
    tcase_add_test(cases, dead_socket_after_kill_is_replaced_at_once);
    tcase_add_loop_test(cases, what_is_no_socket_is_left, 0, 4);
    tcase_add_test(cases, dead_socket_of_another_user_is_left);
    tcase_add_test(cases, one_of_many_starts_wins);
    tcase_add_test(cases, missing_directory_is_named);
    tcase_add_test(cases, directory_that_may_not_be_read_is_named);
    tcase_add_loop_test(cases, directory_decides, 0, 7);
    tcase_add_test(cases, locked_directory_is_waited_for);
    tcase_add_test(cases, lock_that_stays_is_given_up);
    tcase_add_test(cases, living_socket_behind_a_lock_is_named);
    tcase_add_test(cases, locked_directory_does_not_keep_the_path);
    tcase_add_test(cases, long_paths_work);
    tcase_add_loop_test(cases, paths_around_the_limit_are_exact, 0, 4);
    tcase_add_test(cases, name_that_cannot_be_bound_is_refused);
    tcase_add_test(cases, relative_path_outlives_a_change_of_directory);
    suite_add_tcase(suite, cases);
    return scratch_run(suite);
}
