/* progress.c - the bar, on standard error, drawn anew in its own line. */
#include "command/progress.h"

#include <stdio.h>
#include <unistd.h>

bool progress_is_seen(void)
{
    return isatty(STDERR_FILENO);
}

void progress_draw(double share, const char *text)
{
    enum { WIDTH = 30 };
    int length = share >= 1 ? WIDTH : (int)(WIDTH * share);

    if (!progress_is_seen())
        return;
    fprintf(stderr, "\r[%.*s%*s] %s\033[K", length, "##############################",
        WIDTH - length, "", text);
}

void progress_end(void)
{
    if (progress_is_seen())
        fputs("\r\033[K", stderr);
}
