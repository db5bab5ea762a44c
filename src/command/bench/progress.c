/* progress.c - the bar, on standard error, drawn anew in its own line. */
#include "command/bench/progress.h"

#include <stdio.h>
#include <unistd.h>

void progress_step(struct progress *progress, const char *what)
{
    enum { WIDTH = 30 };
    size_t done = progress->done++, length = WIDTH * done / progress->all;

    if (!isatty(STDERR_FILENO))
        return;
    fprintf(stderr, "\r[%.*s%*s] %zu/%zu %s\033[K", (int)length, "##############################",
        (int)(WIDTH - length), "", done, progress->all, what);
}

void progress_end(void)
{
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
}
