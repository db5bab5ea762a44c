/* screen_none.c - instead of screen.c where ncurses is missing: everything but the screen works. */
#include "command/top/top.h"

#include <errno.h>

bool top_screen_possible(void)
{
    return false;
}

int top_screen_start(struct top *top)
{
    (void)top;
    return -ENOTTY;
}

void top_screen_draw(struct top *top)
{
    (void)top;
}

bool top_screen_frozen(void)
{
    return false;
}

void top_screen_end(void)
{
}
