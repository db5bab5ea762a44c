/* window.h - a file of any size, looked at through a window that moves over it.
 *
 * A window gives one piece of the file after the other, and holds no more memory than a piece
 * takes, however large the file is:
 *
 *     ferry_window_open(fd, NULL, &window, &error)
 *     while ((r = ferry_window_next(window, 0, &piece)) > 0)
 *         ... piece.data, piece.size
 *     ferry_window_close(window)
 *
 * What lies across the border of two pieces is found by keeping the end of one at the front of the
 * next: for a text of n bytes n - 1 bytes, for lines the one that is not complete yet.
 *
 * Pieces are read into a buffer, unless the caller asks for mapped ones. Mapping saves the copy,
 * which pays where little is done with each byte: a search takes 0.85 of the time. Where more is
 * done it loses, since a copy is what brings bytes into the processor's cache fastest: a SHA-256
 * takes 1.26. And whoever shortens a mapped file kills who looks at it (SIGBUS), which no library
 * can prevent without taking the signal from its program: so only what cannot be shortened is
 * mapped, and files of which the caller says that nobody does. One that is read just ends then.
 *
 * The window reads at its own place: the descriptor's offset is neither used nor moved. Files are
 * always ready, so nothing here has a deadline: a slow disk is waited for. A window belongs to one
 * thread at a time. Nothing here starts threads, logs, or changes signals.
 */
#ifndef FERRY_WINDOW_H
#define FERRY_WINDOW_H

#include <ferry/channel.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ferry_window;

struct ferry_window_options {
    size_t struct_size; /* sizeof(struct ferry_window_options): lets the struct grow */
    uint64_t offset;    /* bytes of the file that are left out at its front */
    uint64_t size;      /* bytes that are looked at from there; 0: all, to the end */
    /* Bytes of the largest piece, what is kept included, from 1 B to 1 GiB; 0: 256 KiB where it is
     * read, which the processor's second cache holds, and 4 MiB where it is mapped. No more memory
     * than this, and a page, is resident for the window. */
    size_t piece_size;
    /* Pieces are mapped, of a memfd whose size and bytes are sealed (F_SEAL_SHRINK and F_SEAL_WRITE
     * of fcntl(2)) and that has no holes; those of anything else are read all the same. */
    bool mapped;
    /* Nobody shortens the file while it is looked at, so with `mapped` any file is mapped. If
     * somebody does, the program gets SIGBUS. */
    bool trusted;
    /* What was looked at leaves the page cache too (POSIX_FADV_DONTNEED), so that a file which is
     * needed once drives nothing out that is needed again. Not by default: others may have the file
     * in use. */
    bool drop_cache;
};

/* A part of the file. Borrowed from the window, until its next piece is asked for or it is closed.
 */
struct ferry_piece {
    const void *data;
    size_t size;     /* bytes */
    uint64_t offset; /* in the file, of the first of them */
};

/* Opens a window over a file.
 *   fd          a file or block device that is open for reading; borrowed, and may be closed at
 *               once: the window has a copy
 *   options     NULL for the defaults
 *   ret_window  close with ferry_window_close()
 *   error       may be NULL
 * Returns 0, -EBADF (not open, or not for reading), -ESPIPE (no file: what comes from a pipe or
 * socket is received), -EISDIR, -EINVAL (a piece or an offset of no such size), -EMFILE, -ENOMEM.
 */
FERRY_PUBLIC FERRY_CHECK int ferry_window_open(int fd, const struct ferry_window_options *options,
    struct ferry_window **ret_window, struct ferry_error *error);

/* NULL is allowed. */
FERRY_PUBLIC void ferry_window_close(struct ferry_window *window);

/* The next piece. It begins with what is kept, and has something new behind it.
 *   kept_size  bytes at the end of the last piece that the next begins with: at most its size, and
 *              less than `piece_size`
 *   ret_piece  at the end what is kept, and that alone
 * Returns 1, 0 at the end (a file that has grown since may be asked again), -EINVAL (more is kept
 * than there was), -EMSGSIZE (a whole piece is kept, which leaves room for nothing new), -EIO,
 * -ENOMEM, or another -errno of read(2): the window has not moved, but what was kept is gone. */
FERRY_PUBLIC FERRY_CHECK int ferry_window_next(
    struct ferry_window *window, size_t kept_size, struct ferry_piece *ret_piece);

/* Whether pieces are mapped. Where the kernel would map none after all, they are read from then on.
 */
FERRY_PUBLIC bool ferry_window_is_mapped(const struct ferry_window *window);

/* Opens a window over what a channel of a file (file:, or - and fd: where a file is behind them)
 * has yet to bring. offset= and length= of its address hold. The channel stays where it is.
 *   options     as above; their offset and size count from where the channel is
 *   ret_window  may outlive the channel
 * Returns 0, -EOPNOTSUPP (no file is behind it, or frame= was asked for), or as
 * ferry_window_open(). */
FERRY_PUBLIC FERRY_CHECK int ferry_channel_open_window(const struct ferry_channel *channel,
    const struct ferry_window_options *options, struct ferry_window **ret_window,
    struct ferry_error *error);

#ifdef __cplusplus
}
#endif
#endif
