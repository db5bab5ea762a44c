/* screen.c - the terminal, and its keys.
 *
 * ncurses has one terminal a process, and so has this file. Signals come by the loop: ncurses'
 * own handler of SIGWINCH never runs, and the size is asked of the terminal. Only plain
 * capabilities are used (reverse, bold): any terminal with cursor movement will do, over whatever
 * line.
 */
#define NCURSES_WIDECHAR 1
#include "command/top/screen.h"
#include "base/error.h"
#include "command/limits.h"
#include "command/output.h"

#include <curses.h>
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { CODE_ESCAPE = 27, CODE_BACKSPACE = 8, CODE_DELETE = 127 };

static struct screen screen;
static SCREEN *terminal;

bool top_screen_possible(void)
{
    return true;
}

bool top_screen_frozen(void)
{
    return screen.top && screen.frozen;
}

static void draw(void)
{
    int code = screen_draw(&screen);

    if (code < 0) {
        error_set_errno(&screen.top->error, code, "memory", NULL);
        top_fail(screen.top);
    }
}

void top_screen_draw(struct top *top)
{
    if (screen.top == top)
        draw();
}

/* --- keys ------------------------------------------------------------------------------------- */

static void move_by(long step)
{
    size_t *place = screen.page == SCREEN_DETAIL ? &screen.scroll : &screen.selected;
    size_t last = screen.page == SCREEN_DETAIL ? screen.scroll_max
                  : screen.top->order.count    ? screen.top->order.count - 1
                                               : 0;

    if (step < 0)
        *place = (size_t)-step < *place ? *place - (size_t)-step : 0;
    else
        *place =
            (size_t)step < last - (*place < last ? *place : last) ? *place + (size_t)step : last;
}

static bool move_key(int key)
{
    long page = screen.row_lines > 1 ? (long)screen.row_lines - 1 : 1;
    long step = key == KEY_UP      ? -1
                : key == KEY_DOWN  ? 1
                : key == KEY_PPAGE ? -page
                : key == KEY_NPAGE ? page
                : key == KEY_HOME  ? -(long)(UINT32_MAX)
                : key == KEY_END   ? (long)UINT32_MAX
                                   : 0;
    if (step)
        move_by(step);
    return step != 0;
}

static void sort_by(int step)
{
    const enum top_column *columns = top_columns_of(screen.top->model.by_process);
    int count = 0, at = -1;

    for (; columns[count] != TOP_COLUMN_COUNT; count++)
        if (columns[count] == screen.top->order.sort)
            at = count;
    at = at < 0 ? 0 : (at + step + count) % count;
    screen.top->order.sort = columns[at];
}

static void regroup(void)
{
    struct top *top = screen.top;

    top->model.by_process = !top->model.by_process;
    top->order.sort = TOP_FILL;
    screen.selected = screen.first = 0;
    top->order.count = top->order.sorted = 0; /* its places are of the rows that go */
    if (top_model_regroup(&top->model) < 0) {
        error_set_errno(&top->error, -ENOMEM, "memory", NULL);
        top_fail(top);
    }
}

static void drill_down(void)
{
    const struct top_row *row = screen_selected(&screen);

    if (!row)
        return;
    screen.page = SCREEN_DETAIL;
    screen.pid = row->process ? row->process->pid : 0;
    screen.cookie = row->main ? row->main->cookie : 0;
    screen.inode = row->main ? row->main->inode : 0;
    screen.scroll = 0;
}

/* Bytes of a character that is not ASCII come one by one. */
static void filter_key(int key)
{
    char *filter = screen.top->filter;
    size_t size = strlen(filter);

    if (key == CODE_ESCAPE)
        filter[0] = '\0';
    if (key == CODE_ESCAPE || key == '\n' || key == '\r' || key == KEY_ENTER) {
        screen.typing = false;
    } else if (key == KEY_BACKSPACE || key == CODE_BACKSPACE || key == CODE_DELETE) {
        while (size > 0 && ((unsigned char)filter[size - 1] & 0xc0) == 0x80)
            size--;
        filter[size > 0 ? size - 1 : 0] = '\0';
    } else if (key >= ' ' && key <= 0xff && key != CODE_DELETE && size + 1 < TOP_FILTER_SIZE) {
        filter[size] = (char)key;
        filter[size + 1] = '\0';
    }
}

static void list_key(int key)
{
    switch (key) {
    case 's':
    case '>':
        sort_by(1);
        return;
    case '<':
        sort_by(-1);
        return;
    case 'r':
        screen.top->order.reverse = !screen.top->order.reverse;
        return;
    case '/':
        screen.typing = true;
        return;
    case 'p':
        regroup();
        return;
    case '\n':
    case '\r':
    case KEY_ENTER:
        drill_down();
        return;
    case CODE_ESCAPE:
        screen.top->filter[0] = '\0';
        return;
    default:
        return;
    }
}

static void take_key(int key)
{
    if (screen.typing) {
        filter_key(key);
    } else if (key == 'q') {
        ferry_loop_stop(screen.top->loop);
    } else if (screen.page == SCREEN_HELP) {
        screen.page = SCREEN_ROWS;
    } else if (key == ' ') {
        screen.frozen = !screen.frozen;
    } else if (key == 'h' || key == '?') {
        screen.page = SCREEN_HELP;
    } else if (move_key(key)) {
        return;
    } else if (screen.page == SCREEN_DETAIL) {
        screen.page = key == CODE_ESCAPE || key == KEY_LEFT ? SCREEN_ROWS : SCREEN_DETAIL;
    } else {
        list_key(key);
    }
}

/* --- events ----------------------------------------------------------------------------------- */

static void on_keys(struct ferry_source *source, unsigned events, void *data)
{
    struct top *top = data;
    int key;

    (void)source;
    for (unsigned taken = 0; taken < TOP_KEYS && (key = getch()) != ERR; taken++)
        if (key != KEY_RESIZE)
            take_key(key);
    if (events & FERRY_HANGUP)
        ferry_loop_stop(top->loop);
    else if (top->table)
        draw();
}

static void on_resize(struct ferry_source *source, const struct signalfd_siginfo *info, void *data)
{
    struct top *top = data;
    struct winsize size;

    (void)source;
    (void)info;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row && size.ws_col)
        resizeterm(size.ws_row, size.ws_col);
    if (top->table)
        draw();
}

/* --- taking and giving back the terminal ------------------------------------------------------ */

static int watch(struct top *top)
{
    struct ferry_source *source;
    int code = ferry_loop_watch(top->loop, STDIN_FILENO, FERRY_READABLE, on_keys, top, &source);

    return code < 0 ? code : ferry_loop_signal(top->loop, SIGWINCH, on_resize, top, &source);
}

int top_screen_start(struct top *top)
{
    if (!screen_terminal_can())
        return -ENOTTY;
    setlocale(LC_CTYPE, "");
    terminal = newterm(NULL, output_terminal(), stdin);
    if (!terminal)
        return -ENOTTY;
    screen = (struct screen){ .top = top };
    cbreak();
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    set_escdelay(TOP_ESCAPE_MS);
    curs_set(0);
    return watch(top);
}

void top_screen_end(void)
{
    if (!screen.top)
        return;
    curs_set(1);
    endwin();
    delscreen(terminal);
    bytes_fini(&screen.detail);
    terminal = NULL;
    screen = (struct screen){ 0 };
}
