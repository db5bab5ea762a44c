/* screen_terminal.c - what the terminal can do. By itself: term.h makes macros of common words. */
#include "command/top/screen.h"

#include <curses.h>
#include <term.h>
#include <unistd.h>

bool screen_terminal_can(void)
{
    int found;

    if (setupterm(NULL, STDOUT_FILENO, &found) == ERR)
        return false;
    bool can = cursor_address && *cursor_address && clear_screen;
    del_curterm(cur_term);
    return can;
}
