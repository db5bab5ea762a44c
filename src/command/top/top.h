/* top.h - the live view: what is looked at, and how it is shown.
 *
 *     past, listeners   what the last look counted, so rates            past.c, listeners.c
 *     model             one look as rows                                model.c
 *     order             the rows that fit, in order                     order.c
 *     cells, words      rows and all else in words                      cells.c, words.c, detail.c
 *     ferries           what running ferries carry                      ferries.c
 *     report, screen    into a pipe; on a terminal                      report.c, screen.c
 *
 * `struct top` owns all of it. One thread, one loop: a timer looks, the terminal's keys draw again.
 */
#ifndef FERRY_COMMAND_TOP_TOP_H
#define FERRY_COMMAND_TOP_TOP_H

#include "command/limits.h"
#include "command/top/ferries.h"
#include "command/top/order.h"
#include "command/top/words.h"

#include <ferry/loop.h>

struct top {
    /* As it was asked for. */
    unsigned kinds; /* 0: all sockets */
    bool batch, json;
    uint64_t look_count; /* end after so many; 0: never */
    uint64_t row_count;  /* of a batch; 0: all */
    int64_t delay_ms;

    struct ferry_endpoints *table;
    struct top_model model;
    struct top_order order;
    struct top_ferries ferries;
    struct ferry_loop *loop;
    struct ferry_source *timer;
    char filter[TOP_FILTER_SIZE]; /* what order.filter points to */
    bool failed;
    struct ferry_error error;
};

/* Looks at the machine. Returns 0 or -errno with top->error. */
int top_look(struct top *top);
/* Stops the loop for good, with top->error set. */
void top_fail(struct top *top);

/* Prints the look on standard output, as text or JSON. Returns 0 or -errno. */
int top_report(struct top *top);

/* The screen; without ncurses there is none. */
bool top_screen_possible(void);
/* Takes the terminal. Returns 0; -ENOTTY: this terminal can't; -errno. */
int top_screen_start(struct top *top);
/* Draws the last look; nothing without a screen. */
void top_screen_draw(struct top *top);
/* Whether a key stopped the looking. */
bool top_screen_frozen(void);
/* Gives the terminal back; any number of times. */
void top_screen_end(void);

#endif
