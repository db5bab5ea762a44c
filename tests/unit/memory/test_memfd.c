/* test_memfd.c - memory whose size is sealed, and which is there when it is used. */
#include "base/cleanup.h"
#include "memory/memfd.h"
#include "suite.h"
#include "system_call.h"

#include <check.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>

enum { SIZE = 64 << 10 };

START_TEST(its_size_cannot_change)
{
    int fd;

    ck_assert_int_eq(memfd_new("test", SIZE, &fd), 0);
    ck_assert_int_eq(memfd_check(fd, SIZE), 0);
    ck_assert_int_eq(ftruncate(fd, SIZE - 1), -1);
    ck_assert_int_eq(errno, EPERM);
    ck_assert_int_eq(ftruncate(fd, SIZE + 1), -1);
    ck_assert_int_eq(errno, EPERM);
    ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
    ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    close(fd);
}
END_TEST

START_TEST(all_of_it_is_there)
{
    struct stat status;
    int fd;

    ck_assert_int_eq(memfd_new("test", SIZE, &fd), 0);
    ck_assert_int_eq(fstat(fd, &status), 0);
    ck_assert_int_eq(status.st_size, SIZE);
    ck_assert_int_eq(status.st_blocks * 512, SIZE);
    close(fd);
}
END_TEST

/* Who attaches allocates nothing for who made it. */
START_TEST(what_is_not_allocated_is_refused)
{
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    ck_assert_int_eq(ftruncate(fd, SIZE), 0);
    ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
    ck_assert_int_eq(memfd_check(fd, SIZE), -EPROTO);
    ck_assert_int_eq(fallocate(fd, 0, 0, SIZE - 4096), 0);
    ck_assert_int_eq(memfd_check(fd, SIZE), -EPROTO);
    ck_assert_int_eq(fallocate(fd, 0, 0, SIZE), 0);
    ck_assert_int_eq(memfd_check(fd, SIZE), 0);
    close(fd);
}
END_TEST

START_TEST(each_seal_is_asked_for)
{
    static const int seals[] = { 0, F_SEAL_GROW | F_SEAL_SEAL, F_SEAL_SHRINK | F_SEAL_SEAL,
        F_SEAL_SHRINK | F_SEAL_GROW };
    int fd = memfd_create("test", MFD_ALLOW_SEALING);

    ck_assert_int_eq(fallocate(fd, 0, 0, SIZE), 0);
    ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, seals[_i]), 0);
    ck_assert_int_eq(memfd_check(fd, SIZE), -EPROTO);
    close(fd);
}
END_TEST

START_TEST(too_small_is_refused)
{
    int fd;

    ck_assert_int_eq(memfd_new("test", SIZE, &fd), 0);
    ck_assert_int_eq(memfd_check(fd, SIZE + 1), -EPROTO);
    close(fd);
}
END_TEST

START_TEST(other_descriptors_are_refused)
{
    int ends[2], file = open("/tmp", O_TMPFILE | O_RDWR, 0600);

    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(memfd_check(ends[0], 0), -EPROTO);
    ck_assert_int_eq(memfd_check(file, 0), -EPROTO);
    ck_assert_int_eq(memfd_check(-1, 0), -EPROTO);
}
END_TEST

/* Large pages that may be had beyond those set aside. Returns how many it were; -1: they can't be
 * asked for by us. */
static long large_pages_allow(long count)
{
    FILE *file = fopen("/proc/sys/vm/nr_overcommit_hugepages", "r+e");
    long before = -1;

    if (!file)
        return -1;
    if (fscanf(file, "%ld", &before) == 1 && count >= 0) {
        rewind(file);
        fprintf(file, "%ld", count);
    }
    return fclose(file) == 0 ? before : -1;
}

/* Sealed as well as can be, and still nothing to rely on. */
START_TEST(large_pages_are_refused)
{
    int fd = memfd_create("test", MFD_ALLOW_SEALING | MFD_HUGETLB);

    if (fd < 0)
        return; /* a kernel without them */
    long before = large_pages_allow(8);
    int r = fallocate(fd, 0, 0, 2 << 20);
    (void)large_pages_allow(before);
    if (r < 0 && skipped("needs a large page, vm.nr_hugepages")) {
        close(fd);
        return;
    }
    ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
    ck_assert_int_eq(memfd_check(fd, SIZE), -EPROTO);
    close(fd);
}
END_TEST

/* The kernel would end the process, not the call. */
START_TEST(a_limit_of_file_sizes_is_one_to_the_byte)
{
    struct rlimit limit = { SIZE, SIZE };
    int fd = -1;

    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert_int_eq(memfd_new("test", SIZE + 1, &fd), -EFBIG);
    ck_assert_int_eq(fd, -1);
    ck_assert_int_eq(memfd_new("test", SIZE, &fd), 0);
    close(fd);
}
END_TEST

/* Of linux/memfd.h, newer than some of its versions. */
enum { NOEXEC_SEAL = 0x8 };

/* From here on this process has a kernel before 6.3. */
static void forget_noexec_seal(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_memfd_create, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, NOEXEC_SEAL, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { COUNT_OF(code), code };

    ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

START_TEST(nobody_can_run_it)
{
    AUTO_FD int probe = memfd_create("test", NOEXEC_SEAL);
    struct stat status;
    int fd = -1;

    if (probe < 0 && skipped("needs MFD_NOEXEC_SEAL, Linux 6.3"))
        return;
    ck_assert_int_eq(memfd_new("test", SIZE, &fd), 0);
    ck_assert_int_eq(fstat(fd, &status), 0);
    ck_assert_int_eq(status.st_mode & 0111, 0);
    close(fd);
    forget_noexec_seal();
    ck_assert_int_eq(memfd_new("test", SIZE, &fd), 0);
    ck_assert_int_eq(memfd_check(fd, SIZE), 0);
    close(fd);
}
END_TEST

/* What an earlier call has left in errno is no old kernel's. */
START_TEST(one_descriptor_is_made_whatever_failed_before)
{
    int fd, before = dup(0);

    close(before);
    errno = EINVAL;
    ck_assert_int_eq(memfd_new("test", SIZE, &fd), 0);
    close(fd);
    ck_assert_int_eq(dup(0), before);
}
END_TEST

/* And no other error is taken for an old kernel's. */
START_TEST(no_descriptor_is_an_error)
{
    int fd = -1;

    system_call_fails(SYS_memfd_create, EMFILE);
    ck_assert_int_eq(memfd_new("test", SIZE, &fd), -EMFILE);
    ck_assert_int_eq(fd, -1);
}
END_TEST

/* From here on this process gets `error` from fallocate(2). */
START_TEST(full_memory_is_an_error_and_leaves_nothing)
{
    int fd = -1, before = dup(0);

    close(before);
    system_call_fails(SYS_fallocate, ENOSPC);
    ck_assert_int_eq(memfd_new("test", SIZE, &fd), -ENOSPC);
    ck_assert_int_eq(fd, -1);
    ck_assert_int_eq(dup(0), before);
}
END_TEST

/* --- what was written is final ---------------------------------------------------------------- */

static int memfd_written(void)
{
    static const char text[SIZE] = "text";
    int fd = memfd_open("test");

    ck_assert_int_eq(write(fd, text, SIZE), SIZE);
    return fd;
}

START_TEST(what_is_frozen_cannot_change)
{
    int fd = memfd_written();

    ck_assert_int_eq(memfd_freeze(fd), 0);
    ck_assert_int_eq(pwrite(fd, "x", 1, 0), -1);
    ck_assert_int_eq(errno, EPERM);
    ck_assert_int_eq(ftruncate(fd, SIZE - 1), -1);
    ck_assert_int_eq(ftruncate(fd, SIZE + 1), -1);
    ck_assert_int_eq(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, SIZE), -1);
    ck_assert_ptr_eq(mmap(NULL, SIZE, PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
    ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, 0), -1);
    ck_assert_int_eq(errno, EPERM);
    close(fd);
}
END_TEST

/* As a page is that stands in a list of a processor's; here it lies in a pipe. */
START_TEST(what_the_kernel_has_in_hand_is_frozen_later)
{
    int fd = memfd_written(), ends[2];
    struct iovec page = { mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0), 4096 };
    char bytes[4096];

    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(vmsplice(ends[1], &page, 1, 0), 4096);
    munmap(page.iov_base, 4096);
    ck_assert_int_eq(memfd_freeze(fd), -EAGAIN);
    ck_assert_int_eq(pwrite(fd, "x", 1, 0), 1);
    ck_assert_int_eq(read(ends[0], bytes, sizeof(bytes)), 4096);
    ck_assert_int_eq(memfd_freeze(fd), 0);
    ck_assert_int_eq(pwrite(fd, "x", 1, 0), -1);
    close(fd);
}
END_TEST

START_TEST(what_cannot_be_sealed_is_an_error)
{
    int fd = memfd_create("test", MFD_CLOEXEC);

    ck_assert_int_eq(memfd_freeze(fd), -EPERM);
    close(fd);
    ck_assert_int_eq(memfd_freeze(-1), -EBADF);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("memory/memfd");
    TCase *tests = tcase_create("memfd");

    tcase_add_test(tests, its_size_cannot_change);
    tcase_add_test(tests, all_of_it_is_there);
    tcase_add_test(tests, what_is_not_allocated_is_refused);
    tcase_add_loop_test(tests, each_seal_is_asked_for, 0, 4);
    tcase_add_test(tests, too_small_is_refused);
    tcase_add_test(tests, other_descriptors_are_refused);
    tcase_add_test(tests, large_pages_are_refused);
    tcase_add_test(tests, full_memory_is_an_error_and_leaves_nothing);
    tcase_add_test(tests, a_limit_of_file_sizes_is_one_to_the_byte);
    tcase_add_test(tests, nobody_can_run_it);
    tcase_add_test(tests, one_descriptor_is_made_whatever_failed_before);
    tcase_add_test(tests, no_descriptor_is_an_error);
    tcase_add_test(tests, what_is_frozen_cannot_change);
    tcase_add_test(tests, what_the_kernel_has_in_hand_is_frozen_later);
    tcase_add_test(tests, what_cannot_be_sealed_is_an_error);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
