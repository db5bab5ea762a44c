/* test_process.c - containers in control groups, and what is read of a process, again and again. */
#include "endpoints/process.h"
#include "suite.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ID    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define INNER "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"

static const struct {
    const char *path, *container; /* NULL: none */
} paths[] = {
    /* Docker, with systemd's driver and the other */
    { "/system.slice/docker-" ID ".scope", ID },
    { "/docker/" ID, ID },
    { "/docker/" ID "/init.scope", ID },
    /* Podman, as root and as a user */
    { "/machine.slice/libpod-" ID ".scope/container", ID },
    { "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID ".scope", ID },
    /* what watches a container is not in it */
    { "/machine.slice/libpod-conmon-" ID ".scope", NULL },
    { "/machine.slice/crio-conmon-" ID ".scope", NULL },
    /* containerd and CRI-O under Kubernetes */
    { "/kubepods.slice/kubepods-burstable.slice/"
      "kubepods-burstable-pod1f2e3d4c_0000_1111_2222_333344445555.slice/cri-containerd-" ID
      ".scope",
        ID },
    { "/kubepods/burstable/pod1f2e3d4c-0000-1111-2222-333344445555/" ID, ID },
    { "/kubepods.slice/kubepods-pod1f2e3d4c_0000_1111_2222_333344445555.slice/crio-" ID ".scope",
        ID },
    { "/default/" ID, ID },
    { "/system.slice/containerd.service/kubepods-besteffort-podabc.slice:cri-containerd:" ID, ID },
    /* one in another: the innermost */
    { "/docker/" ID "/docker/" INNER, INNER },
    /* LXC, Incus */
    { "/lxc.payload.web", "web" },
    { "/lxc.payload.web/system.slice/nginx.service", "web" },
    { "/lxc/web/init.scope", "web" },
    { "/lxc.monitor.web", NULL },
    /* nspawn, by hand and by machinectl */
    { "/machine.slice/machine-debian.scope/payload", "debian" },
    { "/machine.slice/machine-a.scope.b.scope", "a.scope.b" },
    { "/machine.slice/systemd-nspawn@debian.service/payload", "debian" },
    /* what is none */
    { "", NULL },
    { "/", NULL },
    { "/system.slice/docker.service", NULL },
    { "/user.slice/user-1000.slice/session-3.scope", NULL },
    { "/system.slice/xlxc/web", NULL },
    { "/system.slice/lxc.service", NULL },
    { "/lxc.payload.", NULL },
    { "/docker/" ID "0", NULL },
    { "/docker/0123456789abcdef", NULL },
    { "/docker/g" ID, ID },
};

START_TEST(containers)
{
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        size_t length = 0;
        const char *found = cgroup_container(paths[i].path, &length);
        if (!paths[i].container) {
            ck_assert_msg(!found, "%s: %.*s", paths[i].path, (int)length, found);
            continue;
        }
        ck_assert_msg(found, "%s", paths[i].path);
        ck_assert_msg(
            length == strlen(paths[i].container) && memcmp(found, paths[i].container, length) == 0,
            "%s: %.*s", paths[i].path, (int)length, found);
    }
}
END_TEST

/* --- /proc/PID -------------------------------------------------------------------------------- */

static char folder_name[64];
static int folder;

static void setup(void)
{
    snprintf(folder_name, sizeof(folder_name), "/tmp/ferry-process-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder_name));
    folder = open(folder_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_ge(folder, 0);
}

static void teardown(void)
{
    static const char *const names[] = { "stat", "status", "cgroup", "exe" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unlinkat(folder, names[i], 0);
    close(folder);
    rmdir(folder_name);
}

static void write_file(const char *name, const char *text, size_t size)
{
    int fd = openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, size), (ssize_t)size);
    close(fd);
}

START_TEST(what_stat_tells)
{
    static const char text[] =
        "4711 (cat) T 42 7 7 0 -1 2097152 1 2 3 4 5 6 7 8 20 0 1 0 987654321 1000 2000\n";
    struct process process = { 0 };

    write_file("stat", text, strlen(text));
    ck_assert_int_eq(process_read_stat(folder, &process), 0);
    ck_assert_str_eq(process.shown.name, "cat");
    ck_assert_int_eq(process.shown.state, 'T');
    ck_assert_int_eq(process.shown.parent, 42);
    ck_assert_uint_eq(process.shown.start_ticks, 987654321);
    ck_assert(process.is_kernels);
    unlinkat(folder, "stat", 0);
    ck_assert_int_eq(process_read_stat(folder, &process), -ENOENT);
}
END_TEST

/* What it was before it moved, or was another program, is not what it is. */
START_TEST(details_are_those_of_the_last_look)
{
    static const char status[] = "Name:\tcat\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\n";
    static const char group[] = "0::/docker-" ID ".scope\n";
    struct process *process = calloc(1, sizeof(*process));

    ck_assert_ptr_nonnull(process);
    write_file("status", status, strlen(status));
    write_file("cgroup", group, strlen(group));
    ck_assert_int_eq(symlinkat("/usr/bin/cat", folder, "exe"), 0);
    ck_assert_int_eq(process_read_details(folder, process), 0);
    ck_assert_uint_eq(process->shown.uid, 2);
    ck_assert_uint_eq(process->shown.gid, 6);
    ck_assert_str_eq(process->shown.cgroup, "/docker-" ID ".scope");
    ck_assert_str_eq(process->shown.unit, "docker-" ID ".scope");
    ck_assert_str_eq(process->shown.container, ID);
    ck_assert_str_eq(process->shown.executable, "/usr/bin/cat");

    unlinkat(folder, "cgroup", 0);
    unlinkat(folder, "exe", 0);
    ck_assert_int_eq(process_read_details(folder, process), 0);
    ck_assert_ptr_null(process->shown.cgroup);
    ck_assert_ptr_null(process->shown.unit);
    ck_assert_ptr_null(process->shown.container);
    ck_assert_ptr_null(process->shown.executable);
    process_free(process);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("endpoints/process");
    TCase *tests = tcase_create("process");

    tcase_set_timeout(tests, 10);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, containers);
    tcase_add_test(tests, what_stat_tells);
    tcase_add_test(tests, details_are_those_of_the_last_look);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
