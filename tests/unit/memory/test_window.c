/* test_window.c - every byte of a file once, in pieces, whatever becomes of the file meanwhile. */
#include "base/cleanup.h"
#include "memory/limits.h"
#include "suite.h"

#include <check.h>
#include <ferry/window.h>
#include <linux/filter.h>
#include <linux/magic.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

enum { SIZE = 3 * 4096 + 100, SEALS = F_SEAL_SHRINK | F_SEAL_WRITE };

static unsigned char byte_at(size_t offset)
{
    return (unsigned char)(offset * 31 + offset / 4096);
}

static void fill(int fd, size_t size)
{
    unsigned char *bytes = malloc(size);
    for (size_t i = 0; i < size; i++)
        bytes[i] = byte_at(i);
    ck_assert_int_eq(pwrite(fd, bytes, size, 0), (ssize_t)size);
    free(bytes);
}

static int file_new(size_t size)
{
    int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    fill(fd, size);
    return fd;
}

static int sealed_new(size_t size, int seals)
{
    int fd = memfd_create("test", MFD_ALLOW_SEALING);
    fill(fd, size);
    ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

static struct ferry_window *opened(int fd, struct ferry_window_options options)
{
    struct ferry_window *window;
    options.struct_size = sizeof(options);
    ck_assert_int_eq(ferry_window_open(fd, &options, &window, NULL), 0);
    return window;
}

static void check_piece(const struct ferry_piece *piece)
{
    const unsigned char *data = piece->data;
    for (size_t i = 0; i < piece->size; i++)
        if (data[i] != byte_at(piece->offset + i))
            ck_abort_msg("byte %zu is wrong", (size_t)piece->offset + i);
}

/* Goes through it, each piece behind the last but for what is kept. Returns where it ended. */
static uint64_t walk(struct ferry_window *window, uint64_t begin, size_t piece_size, size_t kept)
{
    struct ferry_piece piece = { 0 };
    uint64_t position = begin;
    int r;

    while ((r = ferry_window_next(window, position > begin ? kept : 0, &piece)) > 0) {
        ck_assert_uint_eq(piece.offset, position > begin ? position - kept : position);
        ck_assert_uint_le(piece.size, piece_size);
        check_piece(&piece);
        position = piece.offset + piece.size;
    }
    ck_assert_int_eq(r, 0);
    ck_assert_uint_eq(piece.offset + piece.size, position);
    ck_assert_uint_eq(piece.size, position > begin ? kept : 0);
    check_piece(&piece);
    return position;
}

/* A file as it is read, as it is mapped, and a memfd. */
static int kind_new(int kind, struct ferry_window_options *ret_options)
{
    ret_options->mapped = kind > 0;
    ret_options->trusted = kind == 1;
    return kind == 2 ? sealed_new(SIZE, SEALS) : file_new(SIZE);
}

START_TEST(every_byte_comes_once)
{
    static const size_t sizes[] = { 1, 7, 100, 4096, 5000, SIZE - 1, SIZE, SIZE + 1, 1 << 20 };

    for (int kind = 0; kind < 3; kind++) {
        struct ferry_window_options options = { .piece_size = sizes[_i] };
        int fd = kind_new(kind, &options);
        struct ferry_window *window = opened(fd, options);
        ck_assert(ferry_window_is_mapped(window) == (kind > 0));
        close(fd);
        ck_assert_uint_eq(walk(window, 0, sizes[_i], 0), SIZE);
        ferry_window_close(window);
    }
}
END_TEST

START_TEST(what_is_kept_comes_again)
{
    static const size_t sizes[][2] = { { 2, 1 }, { 100, 99 }, { 4096, 1 }, { 5000, 4999 },
        { 5000, 4096 }, { 8192, 4096 } };

    for (int kind = 0; kind < 3; kind++) {
        struct ferry_window_options options = { .piece_size = sizes[_i][0] };
        int fd = kind_new(kind, &options);
        struct ferry_window *window = opened(fd, options);
        ck_assert_uint_eq(walk(window, 0, sizes[_i][0], sizes[_i][1]), SIZE);
        ferry_window_close(window);
        close(fd);
    }
}
END_TEST

START_TEST(a_part_of_it_is_looked_at)
{
    static const uint64_t parts[][3] = { { 0, 1, 1 }, { 1, 0, SIZE }, { 4095, 2, 4097 },
        { SIZE - 1, 100, SIZE }, { SIZE, 0, SIZE }, { 9000, 1, 9001 } };

    for (int kind = 0; kind < 3; kind++) {
        struct ferry_window_options options = {
            .offset = parts[_i][0], .size = parts[_i][1], .piece_size = 1000
        };
        int fd = kind_new(kind, &options);
        struct ferry_window *window = opened(fd, options);
        ck_assert_uint_eq(walk(window, parts[_i][0], 1000, 0), parts[_i][2]);
        ferry_window_close(window);
        close(fd);
    }
}
END_TEST

START_TEST(the_offset_of_the_descriptor_stays)
{
    int fd = file_new(SIZE);
    struct ferry_window *window = opened(fd, (struct ferry_window_options){ .piece_size = 1000 });

    ck_assert_int_eq(lseek(fd, 17, SEEK_SET), 17);
    ck_assert_uint_eq(walk(window, 0, 1000, 0), SIZE);
    ck_assert_int_eq(lseek(fd, 0, SEEK_CUR), 17);
    ferry_window_close(window);
}
END_TEST

START_TEST(nothing_more_is_kept_than_there_is)
{
    int fd = file_new(SIZE);
    struct ferry_window *window = opened(fd, (struct ferry_window_options){ .piece_size = 100 });
    struct ferry_piece piece;

    ck_assert_int_eq(ferry_window_next(window, 1, &piece), -EINVAL);
    ck_assert_int_eq(ferry_window_next(window, 0, &piece), 1);
    ck_assert_int_eq(ferry_window_next(window, 101, &piece), -EINVAL);
    ck_assert_int_eq(ferry_window_next(window, 100, &piece), -EMSGSIZE);
    ck_assert_int_eq(ferry_window_next(window, 99, &piece), 1);
    ck_assert_uint_eq(piece.offset, 1);
    ck_assert_uint_eq(piece.size, 100);
    ferry_window_close(window);
}
END_TEST

/* --- what happens to the file ----------------------------------------------------------------- */

/* A mapping would be SIGBUS here. */
START_TEST(a_file_that_is_shortened_ends)
{
    int fd = file_new(SIZE);
    struct ferry_window *window = opened(fd, (struct ferry_window_options){ .piece_size = 8192 });
    struct ferry_piece piece;

    ck_assert_int_eq(ferry_window_next(window, 0, &piece), 1);
    ck_assert_int_eq(ftruncate(fd, 0), 0);
    check_piece(&piece);
    ck_assert_int_eq(ferry_window_next(window, 10, &piece), 0);
    ck_assert_uint_eq(piece.size, 10);
    check_piece(&piece);
    ferry_window_close(window);
}
END_TEST

/* It was said that nobody would; between two pieces it does no harm all the same. */
START_TEST(a_trusted_file_that_is_shortened_between_pieces_ends)
{
    int fd = file_new(SIZE);
    struct ferry_window *window = opened(
        fd, (struct ferry_window_options){ .piece_size = 4096, .mapped = true, .trusted = true });
    struct ferry_piece piece;

    ck_assert_int_eq(ferry_window_next(window, 0, &piece), 1);
    ck_assert_int_eq(ftruncate(fd, 5000), 0);
    ck_assert_int_eq(ferry_window_next(window, 0, &piece), 1);
    ck_assert_uint_eq(piece.size, 5000 - 4096);
    ck_assert_int_eq(ferry_window_next(window, 0, &piece), 0);
    ferry_window_close(window);
}
END_TEST

START_TEST(what_has_grown_goes_on)
{
    struct ferry_window_options options = { .piece_size = 4096, .mapped = _i, .trusted = _i };
    int fd = file_new(5000);
    struct ferry_window *window = opened(fd, options);
    struct ferry_piece piece;

    ck_assert_uint_eq(walk(window, 0, 4096, 3), 5000);
    fill(fd, SIZE);
    ck_assert_int_eq(ferry_window_next(window, 3, &piece), 1);
    ck_assert_uint_eq(piece.offset, 4997);
    check_piece(&piece);
    ferry_window_close(window);
}
END_TEST

START_TEST(only_what_cannot_change_is_mapped_without_trust)
{
    static const int seals[] = { 0, F_SEAL_SHRINK, F_SEAL_WRITE, F_SEAL_SHRINK | F_SEAL_GROW,
        F_SEAL_SHRINK | F_SEAL_FUTURE_WRITE, SEALS };
    int fd = sealed_new(SIZE, seals[_i]);
    struct ferry_window *window = opened(fd, (struct ferry_window_options){ .mapped = true });

    ck_assert(ferry_window_is_mapped(window) == (seals[_i] == SEALS));
    ck_assert_uint_eq(walk(window, 0, 1 << 20, 0), SIZE);
    ferry_window_close(window);
    window = opened(fd, (struct ferry_window_options){ .trusted = true });
    ck_assert(!ferry_window_is_mapped(window)); /* nobody has asked for it */
    ferry_window_close(window);
    close(fd);
}
END_TEST

/* Mapped, holes would be filled: memory that nobody has asked for. */
START_TEST(a_memfd_with_holes_is_read)
{
    int fd = memfd_create("test", MFD_ALLOW_SEALING);
    struct stat status;
    struct ferry_piece piece;

    ck_assert_int_eq(ftruncate(fd, 8 << 20), 0);
    ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, SEALS), 0);
    struct ferry_window *window = opened(fd, (struct ferry_window_options){ .mapped = true });
    ck_assert(!ferry_window_is_mapped(window));
    for (size_t left = 8 << 20; left > 0; left -= piece.size)
        ck_assert_int_eq(ferry_window_next(window, 0, &piece), 1);
    ck_assert_int_eq(fstat(fd, &status), 0);
    ck_assert_int_eq(status.st_blocks, 0);
    ferry_window_close(window);
    close(fd);
}
END_TEST

/* --- what the kernel refuses ------------------------------------------------------------------ */

/* From here on this process gets `error` from that system call. */
static void call_fails_with(int number, int error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { COUNT_OF(code), code };

    ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

/* In the midst of it, with something kept. An old kernel (EINVAL) can't fetch pages so that failing
 * is an error: sealed memory is read then, and a file that is trusted mapped all the same. */
START_TEST(reading_goes_on_where_mapping_fails)
{
    static const int errors[] = { EFAULT, EINVAL, EINVAL };
    struct ferry_window_options options = { .piece_size = 4096 };
    int fd = kind_new(_i < 2 ? 2 : 1, &options);
    struct ferry_window *window = opened(fd, options);
    struct ferry_piece piece;

    ck_assert_int_eq(ferry_window_next(window, 0, &piece), 1);
    call_fails_with(SYS_madvise, errors[_i]);
    ck_assert_int_eq(ferry_window_next(window, 100, &piece), 1);
    ck_assert_uint_eq(piece.offset, 3996);
    check_piece(&piece);
    ck_assert(ferry_window_is_mapped(window) == (_i == 2));
    ck_assert_int_eq(ferry_window_next(window, 100, &piece), 1);
    ck_assert_uint_eq(piece.offset, 3996 + 3996);
    check_piece(&piece);
    ferry_window_close(window);
}
END_TEST

START_TEST(a_failed_read_is_told_and_the_place_is_kept)
{
    int fd = file_new(SIZE);
    struct ferry_window *window = opened(fd, (struct ferry_window_options){ .piece_size = 4096 });
    struct ferry_piece piece;

    ck_assert_int_eq(ferry_window_next(window, 0, &piece), 1);
    call_fails_with(SYS_pread64, EIO);
    ck_assert_int_eq(ferry_window_next(window, 10, &piece), -EIO);
    ck_assert_int_eq(ferry_window_next(window, 10, &piece), -EINVAL);
    ck_assert_int_eq(ferry_window_next(window, 0, &piece), -EIO);
    ferry_window_close(window);
}
END_TEST

/* A file with a size that nobody can map. */
START_TEST(what_cannot_be_mapped_is_read)
{
    int fd = open("/sys/kernel/uevent_seqnum", O_RDONLY | O_CLOEXEC);
    struct ferry_piece piece;
    char expected[64];

    if (fd < 0 && skipped("needs /sys"))
        return;
    ssize_t size = pread(fd, expected, sizeof(expected), 0);
    struct ferry_window *window =
        opened(fd, (struct ferry_window_options){ .mapped = true, .trusted = true });
    ck_assert(ferry_window_is_mapped(window));
    ck_assert_int_eq(ferry_window_next(window, 0, &piece), 1);
    ck_assert(!ferry_window_is_mapped(window));
    ck_assert_uint_eq(piece.size, (size_t)size);
    ck_assert_int_ne(piece.size, 0);
    ferry_window_close(window);
    close(fd);
}
END_TEST

/* Memory of this process, of which the second page is not there. */
START_TEST(what_was_read_before_a_failure_is_given)
{
    int fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    unsigned char *pages =
        mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct ferry_piece piece;

    memset(pages, 'x', 4096);
    munmap(pages + 4096, 4096);
    struct ferry_window *window =
        opened(fd, (struct ferry_window_options){ .offset = (uintptr_t)pages, .piece_size = 8192 });
    ck_assert_int_eq(ferry_window_next(window, 0, &piece), 1);
    ck_assert_uint_eq(piece.size, 4096);
    ck_assert_int_eq(((const char *)piece.data)[4095], 'x');
    ck_assert_int_eq(ferry_window_next(window, 0, &piece), -EIO);
    ferry_window_close(window);
    close(fd);
}
END_TEST

/* What an earlier call has left in errno interrupts nothing. */
START_TEST(a_read_ends_whatever_failed_before)
{
    int fd = file_new(SIZE);
    struct ferry_window *window =
        opened(fd, (struct ferry_window_options){ .piece_size = 2 * SIZE });
    struct ferry_piece piece;

    errno = EINTR;
    ck_assert_int_eq(ferry_window_next(window, 0, &piece), 1);
    ck_assert_uint_eq(piece.size, SIZE);
    ferry_window_close(window);
    close(fd);
}
END_TEST

/* Of a file that is large enough for more: holes cost nothing. */
START_TEST(a_piece_has_a_size_of_its_own)
{
    struct ferry_window_options options = { .mapped = _i, .trusted = _i };
    int fd = file_new(0);
    struct ferry_piece piece;

    ck_assert_int_eq(ftruncate(fd, 2 * WINDOW_MAPPED_SIZE), 0);
    struct ferry_window *window = opened(fd, options);
    ck_assert_int_eq(ferry_window_next(window, 0, &piece), 1);
    ck_assert_uint_eq(piece.size, _i ? WINDOW_MAPPED_SIZE : WINDOW_READ_SIZE);
    ferry_window_close(window);
    close(fd);
}
END_TEST

/* Bounds that are not crossed, and what is given back. */
START_TEST(as_large_as_can_be_is_not_too_large)
{
    struct ferry_window_options options = { .struct_size = sizeof(options),
        .piece_size = WINDOW_PIECE_SIZE_MAX };
    struct ferry_window *window;
    struct ferry_piece piece;
    int fd = file_new(1), next = dup(fd);

    close(next);
    ck_assert_int_eq(ferry_window_open(fd, &options, &window, NULL), 0);
    ferry_window_close(window);
    options.piece_size = 0;
    options.offset = INT64_MAX;
    ck_assert_int_eq(ferry_window_open(fd, &options, &window, NULL), 0);
    ck_assert_int_eq(ferry_window_next(window, 0, &piece), 0);
    ferry_window_close(window);
    options.offset = 1;
    options.size = INT64_MAX - 1;
    ck_assert_int_eq(ferry_window_open(fd, &options, &window, NULL), 0);
    ferry_window_close(window);
    options.struct_size = 1;
    ck_assert_int_eq(ferry_window_open(fd, &options, &window, NULL), -EINVAL);
    ck_assert_int_eq(dup(fd), next); /* nothing stayed open */
    close(next);
    close(fd);
}
END_TEST

START_TEST(no_descriptor_is_an_error)
{
    int fd = file_new(1);
    struct ferry_window *window;
    struct rlimit usual, none;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &usual), 0);
    none = (struct rlimit){ 0, usual.rlim_max };
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    /* The lowest that a copy may have is beyond the limit, which fcntl(2) calls invalid. */
    int r = ferry_window_open(fd, NULL, &window, NULL);
    ck_assert(r == -EMFILE || r == -EINVAL);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &usual), 0);
    close(fd);
}
END_TEST

START_TEST(what_is_no_file_is_refused)
{
    struct ferry_window_options options = { .struct_size = sizeof(options) };
    struct ferry_window *window;
    struct ferry_error error;
    int ends[2], writer = open("/dev/null", O_WRONLY), path = open("/tmp", O_PATH);

    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(ferry_window_open(ends[0], NULL, &window, &error), -ESPIPE);
    ck_assert_str_eq(error.remedy, "receive from it as a channel");
    ck_assert_int_eq(ferry_window_open(open("/tmp", O_RDONLY), NULL, &window, NULL), -EISDIR);
    ck_assert_int_eq(ferry_window_open(path, NULL, &window, NULL), -EISDIR);
    path = open("/proc/self/exe", O_PATH);
    ck_assert_int_eq(ferry_window_open(path, NULL, &window, &error), -EBADF);
    ck_assert_str_eq(error.remedy, "open it for reading");
    ck_assert_int_eq(ferry_window_open(writer, NULL, &window, &error), -EBADF);
    ck_assert_str_eq(error.remedy, "open it for reading");
    ck_assert_int_eq(ferry_window_open(-1, NULL, &window, NULL), -EBADF);
    options.piece_size = ((size_t)1 << 30) + 1;
    ck_assert_int_eq(ferry_window_open(ends[0], &options, &window, NULL), -ESPIPE);
    int fd = file_new(1);
    ck_assert_int_eq(ferry_window_open(fd, &options, &window, NULL), -EINVAL);
    options.piece_size = 0;
    options.offset = (uint64_t)INT64_MAX + 1;
    ck_assert_int_eq(ferry_window_open(fd, &options, &window, NULL), -EINVAL);
    options.offset = 1;
    options.size = INT64_MAX;
    ck_assert_int_eq(ferry_window_open(fd, &options, &window, NULL), -EINVAL);
    ferry_window_close(NULL);
}
END_TEST

/* Files of /proc have no size. */
START_TEST(a_file_that_does_not_know_its_size_is_read)
{
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    struct ferry_window *window =
        opened(fd, (struct ferry_window_options){ .mapped = true, .trusted = true });
    struct ferry_piece piece;

    ck_assert_int_eq(ferry_window_next(window, 0, &piece), 1);
    ck_assert_int_eq(memcmp(piece.data, "Name:", 5), 0);
    ck_assert_int_eq(ferry_window_next(window, 0, &piece), 0);
    ferry_window_close(window);
}
END_TEST

/* --- memory ----------------------------------------------------------------------------------- */

static size_t resident_peak(void)
{
    struct rusage usage;
    ck_assert_int_eq(getrusage(RUSAGE_SELF, &usage), 0);
    return (size_t)usage.ru_maxrss << 10;
}

/* Pages of a file that are in the page cache. */
static size_t cached(int fd, size_t size)
{
    size_t pages = (size + 4095) / 4096, count = 0;
    unsigned char *resident = malloc(pages);
    void *memory = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);

    ck_assert_int_eq(mincore(memory, size, resident), 0);
    for (size_t i = 0; i < pages; i++)
        count += resident[i] & 1;
    munmap(memory, size);
    free(resident);
    return count;
}

/* 256 MiB, of which never more than a piece is ours. */
START_TEST(memory_is_bounded)
{
    struct ferry_window_options options = {
        .piece_size = 1 << 20, .mapped = _i > 0, .trusted = _i == 1
    };
    int fd =
        _i < 2 ? open("/tmp", O_TMPFILE | O_RDWR, 0600) : memfd_create("test", MFD_ALLOW_SEALING);
    size_t size = (size_t)256 << 20, sum = 0;
    struct ferry_piece piece;

    ck_assert_int_eq(_i < 2 ? ftruncate(fd, (off_t)size) : fallocate(fd, 0, 0, (off_t)size), 0);
    if (_i == 2)
        ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, SEALS), 0);
    struct ferry_window *window = opened(fd, options);
    ck_assert(ferry_window_is_mapped(window) == (_i > 0));
    size_t before = resident_peak();
    while (ferry_window_next(window, 0, &piece) > 0)
        for (size_t i = 0; i < piece.size; i += 4096)
            sum += ((const unsigned char *)piece.data)[i] + (size_t)1;
    ck_assert_uint_eq(sum, size / 4096);
    /* A piece or two; a sanitizer keeps several times that. */
    ck_assert_uint_lt(resident_peak() - before, 16 << 20);
    ferry_window_close(window);
    close(fd);
}
END_TEST

static bool is_in_memory(int fd)
{
    struct statfs filesystem;
    ck_assert_int_eq(fstatfs(fd, &filesystem), 0);
    return filesystem.f_type == TMPFS_MAGIC;
}

START_TEST(the_page_cache_keeps_it_unless_asked)
{
    struct ferry_window_options options = {
        .piece_size = 1 << 20, .mapped = _i & 1, .trusted = true
    };
    size_t size = 8 << 20;
    int fd = file_new(size);

    options.drop_cache = _i & 2;
    if (options.drop_cache && is_in_memory(fd) &&
        skipped("/tmp is in memory, and nothing leaves that")) {
        close(fd);
        return;
    }
    ck_assert_int_eq(fsync(fd), 0);
    ck_assert_uint_eq(cached(fd, size), size / 4096);
    struct ferry_window *window = opened(fd, options);
    ck_assert_uint_eq(walk(window, 0, 1 << 20, 1000), size);
    ferry_window_close(window);
    if (options.drop_cache)
        ck_assert_uint_eq(cached(fd, size), 0);
    else
        ck_assert_uint_eq(cached(fd, size), size / 4096);
}
END_TEST

/* As one goes, not at the end only; and what lies before the window, or is yet to be looked at,
 * stays. */
START_TEST(only_what_was_looked_at_leaves_the_page_cache)
{
    enum { PAGES = 4096 / 4 }; /* of 4 MiB */
    struct ferry_window_options options = { .piece_size = 1 << 20,
        .offset = 4 << 20,
        .mapped = _i & 1,
        .trusted = true,
        .drop_cache = true };
    size_t size = 16 << 20;
    int fd = file_new(size);
    struct ferry_piece piece;

    if (is_in_memory(fd) && skipped("/tmp is in memory, and nothing leaves that")) {
        close(fd);
        return;
    }
    ck_assert_int_eq(fsync(fd), 0);
    struct ferry_window *window = opened(fd, options);
    ck_assert_int_eq(ferry_window_next(window, 0, &piece), 1);
    ck_assert_uint_eq(cached(fd, size), 4 * PAGES);
    for (int i = 1; i < 8; i++)
        ck_assert_int_eq(ferry_window_next(window, 0, &piece), 1);
    ck_assert_uint_le(cached(fd, size), 3 * PAGES); /* of what is looked at some is still there */
    ck_assert_uint_eq(walk(window, 12 << 20, 1 << 20, 0), size);
    ferry_window_close(window);
    ck_assert_uint_eq(cached(fd, size), PAGES);
    close(fd);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("memory/window");
    TCase *tests = tcase_create("window");

    tcase_set_timeout(tests, 30);
    tcase_add_loop_test(tests, every_byte_comes_once, 0, 9);
    tcase_add_loop_test(tests, what_is_kept_comes_again, 0, 6);
    tcase_add_loop_test(tests, a_part_of_it_is_looked_at, 0, 6);
    tcase_add_test(tests, the_offset_of_the_descriptor_stays);
    tcase_add_test(tests, nothing_more_is_kept_than_there_is);
    tcase_add_test(tests, a_file_that_is_shortened_ends);
    tcase_add_test(tests, a_trusted_file_that_is_shortened_between_pieces_ends);
    tcase_add_loop_test(tests, what_has_grown_goes_on, 0, 2);
    tcase_add_loop_test(tests, only_what_cannot_change_is_mapped_without_trust, 0, 6);
    tcase_add_test(tests, a_memfd_with_holes_is_read);
    tcase_add_loop_test(tests, reading_goes_on_where_mapping_fails, 0, 3);
    tcase_add_test(tests, a_failed_read_is_told_and_the_place_is_kept);
    tcase_add_loop_test(tests, only_what_was_looked_at_leaves_the_page_cache, 0, 2);
    tcase_add_test(tests, what_cannot_be_mapped_is_read);
    tcase_add_test(tests, what_was_read_before_a_failure_is_given);
    tcase_add_test(tests, a_read_ends_whatever_failed_before);
    tcase_add_loop_test(tests, a_piece_has_a_size_of_its_own, 0, 2);
    tcase_add_test(tests, as_large_as_can_be_is_not_too_large);
    tcase_add_test(tests, no_descriptor_is_an_error);
    tcase_add_test(tests, what_is_no_file_is_refused);
    tcase_add_test(tests, a_file_that_does_not_know_its_size_is_read);
    tcase_add_loop_test(tests, memory_is_bounded, 0, 3);
    tcase_add_loop_test(tests, the_page_cache_keeps_it_unless_asked, 0, 4);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
