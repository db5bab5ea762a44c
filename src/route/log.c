/* log.c - the sink that writes events to a descriptor.
 *
 * Standard error is shared with whoever started us, so its O_NONBLOCK must not be touched. Pipes
 * and terminals are opened a second time instead, which gives a description of our own; sockets
 * have MSG_DONTWAIT; a regular file never blocks for long. What can't be opened again is asked by
 * poll(2) first: a pipe that is ready takes PIPE_BUF bytes whole, pipe(7), and no line is longer.
 */
#include "route/log.h"
#include "base/cleanup.h"

#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

static_assert(LOG_LINE_MAX <= PIPE_BUF, "a line goes into a pipe whole or not at all");

bool log_format_parse(const char *text, enum log_format *ret_format)
{
    static const char *const names[] = {
        [LOG_TEXT] = "text", [LOG_JSON] = "json", [LOG_NONE] = "none", [LOG_JOURNAL] = "journal"
    };
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (strcmp(text, names[i]) == 0) {
            *ret_format = (enum log_format)i;
            return true;
        }
    }
    return false;
}

void log_init(struct log *log, int fd, enum log_format format)
{
    struct stat status;
    char path[32];
    *log = (struct log){ .format = format, .fd = fd, .line = BYTES_EMPTY };
    bytes_append(&log->line, log->rest, sizeof(log->rest));
    if (fstat(fd, &status) < 0 || S_ISREG(status.st_mode))
        return;
    log->socket = S_ISSOCK(status.st_mode);
    if (log->socket)
        return;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int again = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (again >= 0) {
        log->fd = again;
        log->owned = true;
    }
    log->polled = again < 0;
}

void log_fini(struct log *log)
{
    if (log->owned)
        fd_close(&log->fd);
    bytes_fini(&log->line);
}

/* How much went, or -errno. */
static ssize_t log_write(const struct log *log, const char *data, size_t size)
{
    struct pollfd polled = { .fd = log->fd, .events = POLLOUT };
    if (log->polled && poll(&polled, 1, 0) <= 0)
        return -EAGAIN;
    ssize_t written = log->socket ? send(log->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL)
                                  : write(log->fd, data, size);
    return written < 0 ? -errno : written;
}

/* Writes a line if it can go now; what goes only in part is completed before the next. */
static bool log_line(struct log *log, const char *line, size_t size)
{
    while (log->rest_size) {
        ssize_t written = log_write(log, log->rest, log->rest_size);
        if (written <= 0)
            return false;
        log->rest_size -= (size_t)written;
        memmove(log->rest, log->rest + written, log->rest_size);
    }
    ssize_t written = log_write(log, line, size);
    if (written < 0)
        return false;
    log->rest_size = size - (size_t)written;
    memcpy(log->rest, line + written, log->rest_size);
    return true;
}

static void event_print(const struct event *event, enum log_format format, struct bytes *line)
{
    if (format == LOG_JSON)
        event_print_json(event, line);
    else
        event_print_text(event, line);
    bytes_append_char(line, '\n');
}

/* As much of a text as a line has room for. What is escaped already, printing leaves alone. */
static const char *text_cut(const char *raw, char copy[LOG_TEXT_MAX])
{
    static const char more[] = "...";
    AUTO_BYTES struct bytes whole = BYTES_EMPTY;
    bytes_append_escaped(&whole, raw, strlen(raw));
    if (!bytes_failed(&whole) && whole.size < LOG_TEXT_MAX)
        return raw;
    size_t length = text_escape(raw, strlen(raw), copy, LOG_TEXT_MAX - strlen(more));
    strcpy(copy + length, more);
    return copy;
}

/* The same event with its long texts cut, for a line that would be too long. All that a peer can
 * make long is among them, or it would decide whether anything is written of it. */
static void event_print_cut(const struct event *event, enum log_format format, struct bytes *line)
{
    struct event cut = *event;
    const char **texts[] = { &cut.route, &cut.name, &cut.executable, &cut.unit, &cut.peer, &cut.via,
        &cut.to, &cut.verdict, &cut.reason };
    char copies[COUNT_OF(texts)][LOG_TEXT_MAX];
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        if (*texts[i])
            *texts[i] = text_cut(*texts[i], copies[i]);
    event_print(&cut, format, line);
}

/* Keeps the memory of the line before. */
static void line_clear(struct bytes *line)
{
    line->size = 0;
    line->failed = false;
}

static bool log_try(struct log *log, const struct event *event)
{
    struct bytes *line = &log->line;
    line_clear(line);
    event_print(event, log->format, line);
    if (bytes_failed(line) || line->size > LOG_LINE_MAX) {
        line_clear(line);
        event_print_cut(event, log->format, line);
    }
    return !bytes_failed(line) && line->size <= LOG_LINE_MAX &&
           log_line(log, line->data, line->size);
}

void log_event(const struct event *event, void *data)
{
    struct log *log = data;
    if (log->format == LOG_NONE)
        return;
    if (log->lost) {
        char reason[64];
        snprintf(reason, sizeof(reason), "%" PRIu64 " events not written", log->lost);
        struct event lost = { .kind = EVENT_TROUBLE, .time_ns = event->time_ns, .reason = reason };
        if (log_try(log, &lost))
            log->lost = 0;
    }
    if (log->lost || !log_try(log, event))
        log->lost++;
}
