/* output.c - standard output that remembers why it took no more.
 *
 * The C library tells that only to the caller whose call has failed, and most never look, as it may
 * be a later one. So what it writes goes through a function here, whoever prints: verbs, argp(3),
 * jansson. It is closed at the end, since some disks say only then that they are full.
 */
#include "command/output.h"
#include "base/error.h"
#include "command/command.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

static int failed;    /* the first that failed, -errno */
static bool told;     /* by the verb, which has met it itself */
static FILE *library; /* the C library's own */

static void output_note(int code)
{
    if (code < 0 && !failed)
        failed = code;
}

/* Once something is missing, nothing goes behind it. Whoever shares the output may have made it
 * non-blocking: then its reader is waited for, as one is that is merely slow. */
static ssize_t output_write(void *cookie, const char *data, size_t size)
{
    struct pollfd polled = { .fd = STDOUT_FILENO, .events = POLLOUT };
    size_t done = 0;

    (void)cookie;
    while (done < size && !failed) {
        ssize_t written = write(STDOUT_FILENO, data + done, size - done);
        if (written >= 0)
            done += (size_t)written;
        else if (errno == EAGAIN)
            (void)poll(&polled, 1, -1);
        else if (errno != EINTR)
            output_note(-errno);
    }
    errno = -failed;
    return (ssize_t)done;
}

/* A channel (fd:1) may have closed it before. */
static int output_close(void *cookie)
{
    (void)cookie;
    if (close(STDOUT_FILENO) < 0 && errno != EBADF)
        output_note(-errno);
    return 0;
}

/* A reader that has had enough knows so, as with any filter. */
static void output_end(int status, void *verb)
{
    (void)status;
    fclose(stdout);
    if (!failed)
        return;
    if (!told && !error_is_peer_gone(failed))
        command_fail_errno(*(const char **)verb, "standard output", failed);
    _exit(EXIT_FAILED);
}

int output_begin(const char *const *verb)
{
    cookie_io_functions_t functions = { .write = output_write, .close = output_close };
    FILE *stream = fopencookie(NULL, "w", functions);

    if (!stream)
        return -ENOMEM;
    setvbuf(stream, NULL, isatty(STDOUT_FILENO) ? _IOLBF : _IOFBF, BUFSIZ);
    library = stdout;
    stdout = stream;
    return on_exit(output_end, (void *)(uintptr_t)verb) == 0 ? 0 : -ENOMEM;
}

int output_failed(void)
{
    return failed;
}

void output_told(void)
{
    told = true;
}

FILE *output_terminal(void)
{
    return library;
}
