/* test_file.c - files and devices: read from where to where, appended to. */
#include "scratch.h"

#include <errno.h>

static const char *file_with(const char *name, const char *text)
{
    const char *path = scratch_path(name);
    AUTO_FD int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    return path;
}

static int dial_fails(struct ferry_address *address, struct ferry_error *error)
{
    struct link link;
    int r = transport_dial(address, NULL, &link, error);
    ferry_address_free(address);
    return r;
}

START_TEST(file_is_read_to_its_end)
{
    char text[16];
    unsigned before = descriptors_open();
    struct link link = dial_to(address_of("file:%s", file_with("read", "0123456789")));
    ck_assert_uint_eq(link.capabilities, FERRY_CAN_RECEIVE | FERRY_HAS_END);
    ck_assert(link.flags & LINK_FILE);
    ck_assert_int_eq(link.remaining, -1);
    ck_assert_int_eq(link_receive_text(&link, text, 7), 6);
    ck_assert_str_eq(text, "012345");
    ck_assert_receives(&link, "6789");
    ck_assert_int_eq(link_receive_text(&link, text, sizeof(text)), 0);
    link.ops->close(&link);
    ck_assert_uint_eq(descriptors_open(), before);
}
END_TEST

START_TEST(part_of_a_file)
{
    char text[16];
    struct link link =
        dial_to(address_of("file:%s,offset=3,length=5", file_with("part", "0123456789")));
    ck_assert_int_eq(link.remaining, 5);
    ck_assert_int_eq(link_receive_text(&link, text, 4), 3);
    ck_assert_str_eq(text, "345");
    ck_assert_int_eq(link.remaining, 2);
    ck_assert_receives(&link, "67");
    ck_assert_int_eq(link_receive_text(&link, text, sizeof(text)), 0);
    link.ops->close(&link);

    link = dial_to(address_of("file:%s,offset=100", scratch_path("part")));
    ck_assert_int_eq(link_receive_text(&link, text, sizeof(text)), 0);
    link.ops->close(&link);
    link = dial_to(address_of("file:%s,length=0", scratch_path("part")));
    ck_assert_int_eq(link_receive_text(&link, text, sizeof(text)), 0);
    link.ops->close(&link);
}
END_TEST

START_TEST(appending_makes_and_keeps)
{
    struct stat status;
    char text[16] = "";
    umask(0);
    for (int i = 0; i < 2; i++) {
        struct link link = dial_to(address_of("file:%s,append,mode=0640", scratch_path("log")));
        ck_assert_uint_eq(link.capabilities, FERRY_CAN_SEND | FERRY_HAS_HALF_CLOSE);
        ck_assert_int_eq(link_send_text(&link, "line\n"), 1);
        link.ops->close(&link);
    }
    AUTO_FD int fd = open(scratch_path("log"), O_RDONLY | O_CLOEXEC);
    ck_assert_int_eq(read(fd, text, sizeof(text)), 10);
    ck_assert_str_eq(text, "line\nline\n");
    ck_assert_int_eq(fstat(fd, &status), 0);
    ck_assert_uint_eq(status.st_mode & 0777, 0640);
}
END_TEST

START_TEST(devices_are_files)
{
    char text[9];
    struct link link = dial_to(address_of("file:/dev/zero,length=4"));
    ck_assert(!(link.flags & LINK_FILE));
    ck_assert_int_eq(link_receive_text(&link, text, sizeof(text)), 4);
    ck_assert_int_eq(link_receive_text(&link, text, sizeof(text)), 0);
    link.ops->close(&link);
    link = dial_to(address_of("file:/dev/null,append"));
    ck_assert_int_eq(link_send_text(&link, "gone"), 1);
    link.ops->close(&link);
}
END_TEST

START_TEST(full_device_says_so)
{
    struct link link = dial_to(address_of("file:/dev/full,append"));
    ck_assert_int_eq(link_send_text(&link, "x"), -ENOSPC);
    link.ops->close(&link);
}
END_TEST

START_TEST(links_are_followed)
{
    ck_assert_int_eq(symlink(file_with("behind", "found"), scratch_path("front")), 0);
    struct link link = dial_to(address_of("file:%s", scratch_path("front")));
    ck_assert_receives(&link, "found");
    link.ops->close(&link);
}
END_TEST

START_TEST(what_is_no_file_is_refused)
{
    struct ferry_error error = { 0 };
    unsigned before = descriptors_open();
    ck_assert_int_eq(dial_fails(address_of("file:%s", scratch_directory), &error), -EISDIR);
    ck_assert_int_eq(dial_fails(address_of("file:%s", scratch_path("none")), &error), -ENOENT);
    ck_assert_int_eq(mkfifo(scratch_path("fifo"), 0600), 0);
    ck_assert_int_eq(dial_fails(address_of("file:%s", scratch_path("fifo")), &error), -EINVAL);
    ck_assert_ptr_nonnull(strstr(error.remedy, "fifo:"));
    ck_assert_int_eq(
        dial_fails(address_of("file:%s,append", scratch_path("fifo")), &error), -ENXIO);
    file_with("options", "x");
    ck_assert_int_eq(
        dial_fails(address_of("file:%s,append,length=1", scratch_path("options")), &error),
        -EINVAL);
    ck_assert_int_eq(
        dial_fails(address_of("file:%s,mode=0600", scratch_path("options")), &error), -EINVAL);
    ck_assert_uint_eq(descriptors_open(), before);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("file");
    TCase *files = tcase_create("files");

    tcase_add_test(files, file_is_read_to_its_end);
    tcase_add_test(files, part_of_a_file);
    tcase_add_test(files, appending_makes_and_keeps);
    tcase_add_test(files, devices_are_files);
    tcase_add_test(files, full_device_says_so);
    tcase_add_test(files, links_are_followed);
    tcase_add_test(files, what_is_no_file_is_refused);
    tcase_set_timeout(files, 20);
    suite_add_tcase(suite, files);
    return scratch_run(suite);
}
