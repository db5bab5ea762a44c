/* messages.c - the messages of a file, one after the other.
 *
 * A file is looked at through a window (ferry/window.h), which maps it only where nobody can
 * shorten it; what is no file is read into a buffer of the same size as it comes. Both give pieces
 * that begin with what is left of the piece before; frames are found in them where they lie
 * (wire/frame.h).
 *
 * Invariant: a piece is larger than the longest frame, so what is left is always part of one, and
 * something new has room behind it.
 */
#include "command/replay/messages.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "command/limits.h"
#include "wire/limits.h"

#include <assert.h>
#include <ferry/window.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>

static_assert(REPLAY_PIECE_SIZE > FRAME_HEAD_MAX + FRAME_SIZE_MAX + FRAME_TAIL_MAX,
    "the longest frame fits into a piece");

struct messages {
    const char *path;
    int fd;
    bool owned; /* the descriptor */
    enum frame frame;
    struct ferry_window *window; /* NULL: it is no file */
    char *buffer;                /* of what is none, REPLAY_PIECE_SIZE bytes */
    uint64_t begin, size;        /* of a file: where it was begun, and its size then */
    struct ferry_piece piece;
    size_t used;     /* of the piece, from the front: has been given */
    uint64_t number; /* of the next */
    bool ended;
};

static int window_begin(struct messages *messages, struct ferry_error *error)
{
    struct ferry_window_options options = { .struct_size = sizeof(options),
        .offset = messages->begin,
        .piece_size = REPLAY_PIECE_SIZE,
        .mapped = true };
    struct ferry_window *window;

    int r = ferry_window_open(messages->fd, &options, &window, error);
    if (r < 0)
        return r;
    ferry_window_close(messages->window);
    messages->window = window;
    messages->piece = (struct ferry_piece){ .data = "", .offset = messages->begin };
    messages->used = 0;
    messages->number = 1;
    messages->ended = false;
    return 0;
}

static int source_begin(struct messages *messages, struct ferry_error *error)
{
    struct stat status;
    off_t at = lseek(messages->fd, 0, SEEK_CUR);

    if (fstat(messages->fd, &status) < 0)
        return error_set_errno(error, -errno, messages->path, NULL);
    if (at >= 0 && (S_ISREG(status.st_mode) || S_ISBLK(status.st_mode))) {
        messages->begin = (uint64_t)at;
        messages->size = S_ISREG(status.st_mode) ? (uint64_t)status.st_size : 0;
        int r = window_begin(messages, error);
        if (r < 0 && error)
            snprintf(error->thing, sizeof(error->thing), "%s", messages->path);
        return r;
    }
    if (S_ISDIR(status.st_mode))
        return error_set_path(error, -EISDIR, messages->path);
    messages->number = 1;
    messages->piece.data = "";
    messages->buffer = malloc(REPLAY_PIECE_SIZE);
    return messages->buffer ? 0 : error_set_errno(error, -ENOMEM, messages->path, NULL);
}

int messages_open(
    const char *path, enum frame frame, struct messages **ret_messages, struct ferry_error *error)
{
    struct messages *messages = calloc(1, sizeof(*messages));

    if (!messages)
        return error_set_errno(error, -ENOMEM, path, NULL);
    messages->owned = strcmp(path, "-") != 0;
    messages->path = messages->owned ? path : "standard input";
    messages->frame = frame;
    messages->fd = messages->owned ? open(path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
    int r = messages->fd < 0 ? error_set_path(error, -errno, path) : source_begin(messages, error);
    if (r < 0) {
        messages_close(messages);
        return r;
    }
    *ret_messages = messages;
    return 0;
}

void messages_close(struct messages *messages)
{
    if (!messages)
        return;
    ferry_window_close(messages->window);
    free(messages->buffer);
    if (messages->owned)
        fd_close(&messages->fd);
    free(messages);
}

int messages_rewind(struct messages *messages, struct ferry_error *error)
{
    if (messages->window)
        return window_begin(messages, error);
    return error_set(error, -ESPIPE, messages->path, "leave --times out, or store it in a file",
        "what comes through a pipe comes once");
}

/* --- cutting ---------------------------------------------------------------------------------- */

int messages_next(struct messages *messages, struct message *ret_message, struct ferry_error *error)
{
    const struct ferry_piece *piece = &messages->piece;
    const char *data = (const char *)piece->data + messages->used;
    size_t left = piece->size - messages->used, body, size, next;

    int r = messages->ended ? frame_find_last(messages->frame, data, left, &body, &size, &next)
                            : frame_find(messages->frame, data, left, &body, &size, &next);
    if (r == -EPROTO) {
        bool breaks_off =
            messages->ended && frame_find(messages->frame, data, left, &body, &size, &next) == 0;
        char thing[sizeof(error->thing)];
        snprintf(thing, sizeof(thing), "%.160s: message %" PRIu64 " at byte %" PRIu64,
            messages->path, messages->number, messages_offset(messages));
        return error_set(error, r, thing, breaks_off ? NULL : "--frame says how messages lie in it",
            breaks_off ? "the file ends in the middle of it" : "it is longer than %u bytes",
            FRAME_SIZE_MAX);
    }
    if (r <= 0)
        return r;
    *ret_message = (struct message){ .number = messages->number++,
        .offset = piece->offset + messages->used,
        .data = data + body,
        .framed = data,
        .size = size,
        .framed_size = next,
        .complete = size < next };
    messages->used += next;
    return 1;
}

/* --- fetching --------------------------------------------------------------------------------- */

/* A file that ends before it did when it was begun has lost what a reader would have sent. A size
 * that never was true, as in /sys, has not changed either. */
static int check_whole(const struct messages *messages, struct ferry_error *error)
{
    uint64_t end = messages->piece.offset + messages->piece.size;
    struct stat status;

    if (end >= messages->size || fstat(messages->fd, &status) < 0 ||
        (uint64_t)status.st_size == messages->size)
        return 0;
    return error_set(error, -ESTALE, messages->path, NULL,
        "it was shortened while it was read, and ends at byte %" PRIu64 ", in message %" PRIu64,
        end, messages->number);
}

static int fetch_window(struct messages *messages, size_t kept, struct ferry_error *error)
{
    int r = ferry_window_next(messages->window, kept, &messages->piece);
    if (r < 0)
        return error_set_errno(error, r, messages->path, NULL);
    messages->used = 0;
    if (r > 0)
        return 0;
    messages->ended = true;
    return check_whole(messages, error);
}

static int fetch_stream(struct messages *messages, size_t kept, struct ferry_error *error)
{
    struct ferry_piece *piece = &messages->piece;
    struct pollfd polled = { .fd = messages->fd, .events = POLLIN };

    /* It is shared with others, so it is asked and not made non-blocking. */
    if (poll(&polled, 1, 0) <= 0)
        return -EAGAIN;
    memmove(messages->buffer, messages->buffer + messages->used, kept);
    *piece = (struct ferry_piece){ messages->buffer, kept, piece->offset + messages->used };
    messages->used = 0;
    ssize_t got = read(messages->fd, messages->buffer + kept, REPLAY_PIECE_SIZE - kept);
    if (got < 0 && error_is_retry(-errno))
        return -EAGAIN;
    if (got < 0)
        return error_set_errno(error, -errno, messages->path, NULL);
    piece->size += (size_t)got;
    messages->ended = got == 0;
    return 0;
}

int messages_fetch(struct messages *messages, struct ferry_error *error)
{
    size_t kept = messages->piece.size - messages->used;

    assert(kept < REPLAY_PIECE_SIZE);
    return messages->window ? fetch_window(messages, kept, error)
                            : fetch_stream(messages, kept, error);
}

/* --- asking ----------------------------------------------------------------------------------- */

bool messages_ended(const struct messages *messages)
{
    return messages->ended;
}

int messages_fd(const struct messages *messages)
{
    return messages->fd;
}

uint64_t messages_number(const struct messages *messages)
{
    return messages->number;
}

uint64_t messages_offset(const struct messages *messages)
{
    return messages->piece.offset + messages->used;
}

double messages_share(const struct messages *messages)
{
    if (messages->size <= messages->begin)
        return 0;
    return (double)(messages_offset(messages) - messages->begin) /
           (double)(messages->size - messages->begin);
}
