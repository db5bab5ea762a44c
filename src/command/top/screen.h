/* screen.h - the screen's parts among themselves. */
#ifndef FERRY_COMMAND_TOP_SCREEN_H
#define FERRY_COMMAND_TOP_SCREEN_H

#include "command/top/top.h"

enum screen_page { SCREEN_ROWS, SCREEN_DETAIL, SCREEN_HELP };

struct screen {
    struct top *top; /* NULL: there is no screen now */
    enum screen_page page;
    size_t selected, first; /* places in the order */
    size_t row_lines;       /* how many rows fitted when it was drawn */
    bool frozen, typing;    /* no looks; the filter is being typed */
    /* SCREEN_DETAIL: which, and how far it is scrolled. */
    uint64_t cookie, inode;
    pid_t pid; /* 0: an endpoint */
    size_t scroll, scroll_max;
    struct bytes detail; /* as it was last seen */
};

/* Draws all. Returns 0, -ENOMEM. */
int screen_draw(struct screen *screen);
/* The row that is selected; NULL: there is none. */
const struct top_row *screen_selected(const struct screen *screen);

/* Whether the terminal that TERM names has a cursor that can be moved. */
bool screen_terminal_can(void);
/* How many columns a text takes on this terminal. */
size_t screen_text_width(const char *text);
/* Puts what fits of a text, which is escaped; what cannot be shown is a '?'. A '~' stands for what
 * was cut.
 *   width  columns
 *   tail   its end is told rather than its beginning: of paths */
void screen_put(int line, int column, size_t width, const char *text, bool tail);

#endif
