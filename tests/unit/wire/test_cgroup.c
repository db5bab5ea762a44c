/* test_cgroup.c - the path and the unit in what /proc/PID/cgroup says. */
#include "base/cleanup.h"
#include "suite.h"
#include "wire/cgroup.h"

#include <check.h>
#include <string.h>

static const struct {
    const char *text, *path;
} files[] = {
    { "0::/system.slice/cron.service\n", "/system.slice/cron.service" },
    { "0::/\n", "/" },
    /* Both kinds mounted: systemd sorts in the older one. */
    { "12:pids:/x\n1:name=systemd:/system.slice/a.service\n0::/\n", "/system.slice/a.service" },
    { "12:pids:/x\n1:name=systemd:/system.slice/a.service\n", "/system.slice/a.service" },
    { "1:name=systemd:/old\n0::/system.slice/new.service\n", "/system.slice/new.service" },
    { "2:name=systemd2:/x\n0::/\n", "/" },
    { "0::/a:b\n", "/a:b" },
    /* Outside our namespace, cut, or nothing of the kind. */
    { "0::/../other.service\n", NULL },
    { "0::/..\n", NULL },
    { "0::/system.slice/cron.serv", NULL },
    { "0::relative\n", NULL },
    { "0::\n", NULL },
    { "10::/x\n", NULL },
    { "", NULL },
    { "\n\n", NULL },
    /* A line without a colon is not joined to the next. */
    { "\n:name=systemd:/a\n1:x:/b\n", "/a" },
};

START_TEST(path)
{
    AUTO_FREE char *found = cgroup_find(files[_i].text);
    if (files[_i].path)
        ck_assert_str_eq(found, files[_i].path);
    else
        ck_assert_ptr_null(found);
}
END_TEST

static const struct {
    const char *path, *unit;
} paths[] = {
    { "/system.slice/cron.service", "cron.service" },
    { "/init.scope", "init.scope" },
    { "/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service" },
    { "/system.slice/_cpu.service", "cpu.service" },
    { "/machine.slice/libpod-1f.scope/container", "libpod-1f.scope" },
    /* What a unit makes below itself is no unit of the system. */
    { "/user.slice/user-1000.slice/user@1000.service/app.slice/cron.service", "user@1000.service" },
    { "/system.slice/evil.service/x.slice/sshd.service", "evil.service" },
    { "/docker/0123/init.scope", NULL },
    { "/user.slice", NULL },
    { "/system.slice/.service", NULL },
    { "/system.slice/_.service", NULL },
    { "/system.slice/a.service2", NULL },
    { "/", NULL },
    { "", NULL },
};

START_TEST(unit)
{
    size_t length = 0;
    const char *found = cgroup_unit(paths[_i].path, &length);
    if (!paths[_i].unit) {
        ck_assert_ptr_null(found);
        return;
    }
    ck_assert_ptr_nonnull(found);
    ck_assert_uint_eq(length, strlen(paths[_i].unit));
    ck_assert_int_eq(strncmp(found, paths[_i].unit, length), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wire/cgroup");
    TCase *cases = tcase_create("cgroup");
    tcase_add_loop_test(cases, path, 0, COUNT_OF(files));
    tcase_add_loop_test(cases, unit, 0, COUNT_OF(paths));
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
