/* window.c - a file of any size, looked at through a window that moves over it.
 *
 * A window owns a copy of the descriptor and the memory of one piece: a buffer, or a mapping that
 * is taken down before the next is made. What it gives is [piece.offset, position) of the file.
 *
 * Reading is the rule and mapping the exception: it wins with light work only, and a mapping of a
 * file that somebody shortens is SIGBUS for whoever looks at it. Where size and bytes are sealed
 * and nothing is missing, neither can happen; what could still fail when the pages are fetched
 * (memory, a disk) fails in MADV_POPULATE_READ, as an error and not as a signal. Then, and wherever
 * the kernel maps nothing, reading goes on at the same place, and says what is wrong if that fails
 * too.
 *
 * A mapping is private, because one that is shared needs a file that is not sealed against writing
 * on kernels before 6.7. Nothing is read ahead here: what the kernel reads ahead of whoever reads
 * one byte after the other was as fast (doc/zero_copy.md).
 */
#include "memory/window.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/sized.h"
#include "memory/limits.h"

#include <assert.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

enum window_state {
    WINDOW_MAPPING,
    WINDOW_READING,
};

struct ferry_window {
    enum window_state state;
    bool trusted, drop_cache;
    int fd;
    uint64_t position, end; /* of the file: what comes next; where it ends, at the latest */
    uint64_t dropped;       /* of the file: all before it has left the page cache */
    size_t piece_size;
    unsigned char *memory; /* the buffer, of piece_size, or the mapping; NULL: none */
    size_t mapped_size;    /* of the mapping; 0: it is a buffer */
    struct ferry_piece piece;
};

static void window_set_state(struct ferry_window *window, enum window_state state)
{
    assert(state >= window->state);
    window->state = state;
}

static uint64_t page_floor(uint64_t offset)
{
    return offset & ~((uint64_t)sysconf(_SC_PAGESIZE) - 1);
}

static uint64_t least(uint64_t one, uint64_t other)
{
    return one < other ? one : other;
}

static void window_unmap(struct ferry_window *window)
{
    if (!window->mapped_size)
        return;
    munmap(TAKE(window->memory), window->mapped_size);
    window->mapped_size = 0;
}

/* What lies before `offset` is looked at no more. No page leaves that is still mapped, and no large
 * page of which a part is left out: that leaves with what follows. */
static void window_drop(struct ferry_window *window, uint64_t offset)
{
    if (!window->drop_cache || offset <= window->dropped)
        return;
    (void)posix_fadvise(
        window->fd, (off_t)window->dropped, (off_t)(offset - window->dropped), POSIX_FADV_DONTNEED);
    if ((offset & ~(LARGE_PAGE_SIZE - 1)) > window->dropped)
        window->dropped = offset & ~(LARGE_PAGE_SIZE - 1);
}

/* --- opening ---------------------------------------------------------------------------------- */

/* Neither its size nor its bytes can change, and all of it is there. Large pages that cross the end
 * make it seem to have more than it has; a hole that hides behind one is filled when it is mapped.
 */
static bool is_sealed(int fd, const struct stat *status)
{
    const int wanted = F_SEAL_SHRINK | F_SEAL_WRITE;
    struct statfs filesystem;
    int seals = fcntl(fd, F_GET_SEALS);

    return seals >= 0 && (seals & wanted) == wanted && fstatfs(fd, &filesystem) == 0 &&
           filesystem.f_type == TMPFS_MAGIC && status->st_blocks >= status->st_size / 512;
}

static int window_check(int fd, const struct ferry_window_options *options, const char *thing,
    struct stat *ret_status, struct ferry_error *error)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fstat(fd, ret_status) < 0)
        return error_set_errno(error, -errno, thing, NULL);
    if (S_ISDIR(ret_status->st_mode))
        return error_set_errno(error, -EISDIR, thing, NULL);
    if ((flags & O_ACCMODE) == O_WRONLY || (flags & O_PATH))
        return error_set(
            error, -EBADF, thing, "open it for reading", "the file is not open for reading");
    if (lseek(fd, 0, SEEK_CUR) < 0)
        return error_set(
            error, -ESPIPE, thing, "receive from it as a channel", "what is open there is no file");
    if (options->piece_size > WINDOW_PIECE_SIZE_MAX)
        return error_set(error, -EINVAL, thing, "take at most 1073741824",
            "pieces of %zu bytes are too large", options->piece_size);
    return 0;
}

static void window_init(struct ferry_window *window, const struct ferry_window_options *options,
    uint64_t end, const struct stat *status)
{
    bool maps = options->mapped && S_ISREG(status->st_mode) && status->st_size > 0 &&
                (options->trusted || is_sealed(window->fd, status));

    window_set_state(window, maps ? WINDOW_MAPPING : WINDOW_READING);
    window->trusted = options->trusted;
    window->drop_cache = options->drop_cache;
    window->position = window->piece.offset = options->offset;
    window->dropped = page_floor(options->offset);
    window->end = end;
    window->piece_size = options->piece_size;
    if (!window->piece_size)
        window->piece_size = maps ? WINDOW_MAPPED_SIZE : WINDOW_READ_SIZE;
}

int window_open(int fd, const struct ferry_window_options *options, const char *thing, uint64_t end,
    struct ferry_window **ret_window, struct ferry_error *error)
{
    struct stat status;

    int r = window_check(fd, options, thing, &status, error);
    if (r < 0)
        return r;
    AUTO_FREE struct ferry_window *window = calloc(1, sizeof(*window));
    if (!window)
        return error_set_errno(error, -ENOMEM, thing, NULL);
    window->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (window->fd < 0)
        return error_set_errno(error, -errno, thing, NULL);
    window_init(window, options, end, &status);
    *ret_window = TAKE(window);
    return 0;
}

int ferry_window_open(int fd, const struct ferry_window_options *options,
    struct ferry_window **ret_window, struct ferry_error *error)
{
    static const char thing[] = "window";
    struct ferry_window_options read;

    int r = options_read(options, &read, sizeof(read), thing, error);
    if (r < 0)
        return r;
    if (read.offset > INT64_MAX || read.size > INT64_MAX - read.offset)
        return error_set(error, -EINVAL, thing, NULL, "no file is as long as that");
    uint64_t end = read.size ? read.offset + read.size : INT64_MAX;
    return window_open(fd, &read, thing, end, ret_window, error);
}

void ferry_window_close(struct ferry_window *window)
{
    if (!window)
        return;
    window_unmap(window);
    window_drop(window, window->position);
    fd_close(&window->fd);
    free(window->memory);
    free(window);
}

bool ferry_window_is_mapped(const struct ferry_window *window)
{
    return window->state == WINDOW_MAPPING;
}

/* --- mapping ---------------------------------------------------------------------------------- */

/* Fetches the pages, so that what fails fails here. Before 5.14 that can't be asked for: then only
 * who trusts the file goes on. */
static bool populate(const struct ferry_window *window, void *memory, size_t size)
{
    (void)madvise(memory, size, MADV_SEQUENTIAL);
    return madvise(memory, size, MADV_POPULATE_READ) == 0 || (errno == EINVAL && window->trusted);
}

/* Returns 1, 0 at the end, -errno: what may be mapped is of no use. */
static int window_map(struct ferry_window *window, size_t kept_size)
{
    struct stat status;
    if (fstat(window->fd, &status) < 0)
        return -errno;
    uint64_t end = least(window->end, (uint64_t)status.st_size);
    if (window->position >= end)
        return 0;
    uint64_t begin = window->position - kept_size, aligned = page_floor(begin);
    end = least(end, begin + window->piece_size);
    size_t size = (size_t)(end - aligned);

    window_unmap(window);
    window_drop(window, begin);
    unsigned char *memory = mmap(NULL, size, PROT_READ, MAP_PRIVATE, window->fd, (off_t)aligned);
    if (memory == MAP_FAILED)
        return -errno;
    window->memory = memory;
    window->mapped_size = size;
    if (!populate(window, memory, size))
        return -EFAULT;
    window->piece =
        (struct ferry_piece){ memory + (begin - aligned), (size_t)(end - begin), begin };
    window->position = end;
    return 1;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* Reads until the buffer is full. Returns how many bytes, 0 at the end, -errno if there are none.
 */
static ssize_t read_full(int fd, unsigned char *data, size_t size, uint64_t offset)
{
    size_t done = 0;

    while (done < size) {
        ssize_t got = pread(fd, data + done, size - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && done == 0)
            return -errno;
        if (got <= 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

/* Has the buffer, with what is kept at its front. Returns 0, or -errno. */
static int window_keep(struct ferry_window *window, size_t kept_size)
{
    const struct ferry_piece *piece = &window->piece;

    if (window->memory) {
        memmove(window->memory, (const char *)piece->data + piece->size - kept_size, kept_size);
        return 0;
    }
    /* The first, or the one after the last that was mapped. */
    unsigned char *memory = malloc(window->piece_size);
    if (!memory)
        return -ENOMEM;
    ssize_t got = read_full(window->fd, memory, kept_size, window->position - kept_size);
    if (got != (ssize_t)kept_size) {
        free(memory);
        return got < 0 ? (int)got : -EIO;
    }
    window->memory = memory;
    return 0;
}

static int window_read(struct ferry_window *window, size_t kept_size)
{
    size_t room = window->piece_size - kept_size;

    int r = window_keep(window, kept_size);
    if (r < 0)
        return r;
    if (room > window->end - window->position)
        room = (size_t)(window->end - window->position);
    ssize_t got = read_full(window->fd, window->memory + kept_size, room, window->position);
    window->piece = (struct ferry_piece){ window->memory, kept_size, window->position - kept_size };
    if (got < 0)
        return (int)got;
    window_drop(window, window->position - kept_size);
    window->piece.size += (size_t)got;
    window->position += (size_t)got;
    return got > 0;
}

/* --- the next piece --------------------------------------------------------------------------- */

int ferry_window_next(struct ferry_window *window, size_t kept_size, struct ferry_piece *ret_piece)
{
    struct ferry_piece *piece = &window->piece;
    int r = -ENODEV;

    if (kept_size > piece->size)
        return -EINVAL;
    if (kept_size >= window->piece_size)
        return -EMSGSIZE;
    if (window->state == WINDOW_MAPPING)
        r = window_map(window, kept_size);
    if (r < 0) {
        window_unmap(window);
        window_set_state(window, WINDOW_READING);
        r = window_read(window, kept_size);
    }
    if (r < 0)
        piece->size = 0; /* nothing can be kept of it */
    if (r == 0) {
        piece->data = (const char *)piece->data + piece->size - kept_size;
        piece->offset += piece->size - kept_size;
        piece->size = kept_size;
    }
    if (r >= 0)
        *ret_piece = *piece;
    return r;
}
