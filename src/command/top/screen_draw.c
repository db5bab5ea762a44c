/* screen_draw.c - where everything stands: title, head, rows, ferry's own routes, foot.
 *
 * Columns are as wide as what is on the screen needs; names share what is left, and the line above
 * the foot has those of the selected row in full.
 */
#define NCURSES_WIDECHAR 1
#include "base/cleanup.h"
#include "base/clock.h"
#include "command/limits.h"
#include "command/table.h"
#include "command/top/screen.h"

#include <curses.h>
#include <errno.h>
#include <string.h>

const struct top_row *screen_selected(const struct screen *screen)
{
    const struct top_order *order = &screen->top->order;

    return screen->selected < order->sorted
               ? &screen->top->model.rows[order->places[screen->selected]]
               : NULL;
}

/* --- lines ------------------------------------------------------------------------------------ */

static size_t count_lines(const struct bytes *text)
{
    size_t count = 0;

    for (size_t i = 0; i < text->size; i++)
        count += text->data[i] == '\n';
    return count;
}

/* Puts at most `count` lines of a text, from its skip-th on; cuts the text up. Returns the line
 * below. */
static int put_lines(int line, int count, size_t skip, struct bytes *text)
{
    char *at = text->size ? text->data : NULL, *rest;

    for (size_t i = 0; at && count > 0; at = rest, i++) {
        rest = strchr(at, '\n');
        if (rest)
            *rest++ = '\0';
        if (i < skip || (!rest && !*at))
            continue;
        screen_put(line++, 0, (size_t)COLS, at, false);
        count--;
    }
    return line;
}

static void put_bar(int line, const char *text)
{
    attron(A_REVERSE);
    mvhline(line, 0, ' ', COLS);
    screen_put(line, 0, (size_t)COLS, text, false);
    attroff(A_REVERSE);
}

static void draw_title(const struct screen *screen)
{
    const struct top *top = screen->top;
    AUTO_BYTES struct bytes text = BYTES_EMPTY;
    char span[24];

    span_print(top->delay_ms, span);
    bytes_print(&text, "ferry top   every %s   look %llu   by %s%s", span,
        (unsigned long long)top->model.looks, top_columns[top->order.sort].name,
        top->order.reverse ? ", reversed" : "");
    if (screen->frozen)
        bytes_append_text(&text, "   FROZEN");
    if (screen->typing || top->filter[0]) {
        bytes_append_text(&text, "   filter: ");
        bytes_append_escaped(&text, top->filter, strlen(top->filter));
        bytes_append_text(&text, screen->typing ? "_" : "");
    }
    put_bar(0, bytes_failed(&text) ? "ferry top" : text.data);
}

/* --- rows ------------------------------------------------------------------------------------- */

struct grid {
    enum top_column columns[TABLE_COLUMNS_MAX];
    size_t widths[TABLE_COLUMNS_MAX];
    size_t count;
    struct bytes cells;                /* NUL-terminated, row after row */
    size_t natural[TABLE_COLUMNS_MAX]; /* as wide as the widest */
};

static bool is_name(enum top_column column)
{
    return column >= TOP_LOCAL && column <= TOP_PEER;
}

static const char *heading_of(enum top_column column)
{
    const char *heading = top_columns[column].heading;
    return heading + (*heading == '>');
}

/* One without an address of its own tells where it leads, for there may be no room for both. */
static void print_cell(const struct top_row *row, enum top_column column, struct bytes *cells)
{
    size_t start = cells->size;

    top_cell_print(row, column, true, cells);
    if (column != TOP_LOCAL || bytes_failed(cells) || strcmp(cells->data + start, "-") != 0)
        return;
    cells->size = start;
    bytes_append_char(cells, '>');
    top_cell_print(row, TOP_REMOTE, true, cells);
    if (!bytes_failed(cells) && strcmp(cells->data + start, ">-") == 0) {
        cells->size = start;
        bytes_append_char(cells, '-');
    }
}

static void grid_fill(struct grid *grid, const struct top *top, size_t first, size_t count)
{
    const enum top_column *columns = top_columns_of(top->model.by_process);

    for (; *columns != TOP_COLUMN_COUNT; columns++) {
        grid->natural[grid->count] = strlen(heading_of(*columns));
        grid->columns[grid->count++] = *columns;
    }
    for (size_t i = first; i < first + count && i < top->order.sorted; i++) {
        const struct top_row *row = &top->model.rows[top->order.places[i]];
        for (size_t column = 0; column < grid->count; column++) {
            size_t start = grid->cells.size;
            print_cell(row, grid->columns[column], &grid->cells);
            bytes_append_char(&grid->cells, '\0');
            size_t width =
                bytes_failed(&grid->cells) ? 0 : screen_text_width(grid->cells.data + start);
            if (width > grid->natural[column])
                grid->natural[column] = width;
        }
    }
}

/* Gives every name its part of `room`; what one does not need is the others'. */
static void grid_share(struct grid *grid, size_t room)
{
    size_t left = 0;

    for (size_t i = 0; i < grid->count; i++)
        left += is_name(grid->columns[i]) && grid->widths[i] == 0;
    for (bool changed = true; changed && left;) {
        changed = false;
        for (size_t i = 0; i < grid->count && left; i++) {
            if (!is_name(grid->columns[i]) || grid->widths[i] || grid->natural[i] > room / left)
                continue;
            grid->widths[i] = grid->natural[i];
            room -= grid->natural[i];
            left--;
            changed = true;
        }
    }
    for (size_t i = 0; i < grid->count && left; i++) {
        if (!is_name(grid->columns[i]) || grid->widths[i])
            continue;
        grid->widths[i] = room / left > 3 ? room / left : 3;
        room -= room / left--;
    }
}

static void grid_layout(struct grid *grid, size_t room)
{
    size_t fixed = 0;

    for (size_t i = 0; i < grid->count; i++) {
        grid->widths[i] = is_name(grid->columns[i]) ? 0 : grid->natural[i];
        fixed += grid->widths[i] + 1;
    }
    room = room > fixed ? room - fixed : 0;
    for (size_t i = 0; i < grid->count; i++)
        if (grid->columns[i] == TOP_REMOTE && room < TOP_REMOTE_WIDTH_MIN)
            grid->widths[i] = SIZE_MAX;
    grid_share(grid, room);
    for (size_t i = 0; i < grid->count; i++)
        if (grid->widths[i] == SIZE_MAX)
            grid->widths[i] = 0;
}

/* Of a process too long for its column the command is cut: it is told from others by its number. */
static void put_process(int line, int column, size_t width, const char *text)
{
    const char *number = strrchr(text, '[');
    size_t size = number ? screen_text_width(number) : 0;

    if (size == 0 || size + 2 > width || screen_text_width(text) <= width) {
        screen_put(line, column, width, text, false);
        return;
    }
    screen_put(line, column, width - size, text, false);
    screen_put(line, column + (int)(width - size), size, number, false);
}

static void draw_cell(const struct grid *grid, size_t index, int line, size_t x, const char *text)
{
    size_t width = grid->widths[index], used = screen_text_width(text);
    enum top_column column = grid->columns[index];
    bool right = *top_columns[column].heading == '>' && used < width;

    if (x >= (size_t)COLS)
        return;
    if (width > (size_t)COLS - x)
        width = (size_t)COLS - x;
    if (column == TOP_PROCESS || column == TOP_PEER)
        put_process(line, (int)x, width, text);
    else
        screen_put(line, (int)(x + (right ? width - used : 0)), width, text,
            column == TOP_LOCAL || column == TOP_REMOTE);
}

static void draw_heading(const struct grid *grid, int line, enum top_column sort)
{
    size_t x = 0;

    for (size_t i = 0; i < grid->count; i++) {
        if (!grid->widths[i])
            continue;
        attr_t how = grid->columns[i] == sort ? A_BOLD | A_REVERSE : A_BOLD;
        attron(how);
        draw_cell(grid, i, line, x, heading_of(grid->columns[i]));
        attroff(how);
        x += grid->widths[i] + 1;
    }
}

static void draw_cells(const struct screen *screen, const struct grid *grid, int line)
{
    const char *cell = grid->cells.data, *end = cell + grid->cells.size;

    for (size_t row = screen->first; cell < end; row++, line++) {
        size_t x = 0;
        if (row == screen->selected)
            attron(A_REVERSE);
        if (row == screen->selected)
            mvhline(line, 0, ' ', COLS);
        for (size_t i = 0; i < grid->count; i++, cell += strlen(cell) + 1) {
            if (grid->widths[i])
                draw_cell(grid, i, line, x, cell);
            x += grid->widths[i] ? grid->widths[i] + 1 : 0;
        }
        attroff(A_REVERSE);
    }
}

/* Keeps the selected row on the screen, and on a row. */
static int select_rows(struct screen *screen, size_t lines)
{
    struct top_order *order = &screen->top->order;

    if (screen->selected < screen->first)
        screen->first = screen->selected;
    if (screen->selected >= screen->first + lines)
        screen->first = screen->selected - lines + 1;
    int code = top_order_make(order, &screen->top->model, screen->first + lines);
    if (code == 0 && screen->selected >= order->count && order->count) {
        screen->selected = order->count - 1;
        screen->first = order->count > lines ? order->count - lines : 0;
        code = top_order_make(order, &screen->top->model, order->count);
    } else if (!order->count) {
        screen->selected = screen->first = 0;
    }
    return code;
}

static int draw_rows(struct screen *screen, int line, size_t lines)
{
    struct grid grid = { .cells = BYTES_EMPTY };
    int code = select_rows(screen, lines);

    if (code < 0)
        return code;
    grid_fill(&grid, screen->top, screen->first, lines);
    grid_layout(&grid, (size_t)COLS + 1);
    code = bytes_failed(&grid.cells) ? -ENOMEM : 0;
    draw_heading(&grid, line, screen->top->order.sort);
    if (code == 0 && grid.cells.size)
        draw_cells(screen, &grid, line + 1);
    else if (screen->top->filter[0])
        screen_put(line + 1, 0, (size_t)COLS, "nothing passes the filter; Esc clears it", false);
    bytes_fini(&grid.cells);
    return code;
}

/* --- the foot --------------------------------------------------------------------------------- */

/* "/run/app.sock   app[12] - client[13]", in full as far as the line goes. */
static void draw_selected(const struct screen *screen, int line)
{
    const struct top_row *row = screen_selected(screen);
    AUTO_BYTES struct bytes text = BYTES_EMPTY, remote = BYTES_EMPTY;

    if (!row || row->process)
        return;
    top_cell_print(row, TOP_LOCAL, true, &text);
    top_cell_print(row, TOP_REMOTE, true, &remote);
    if (!bytes_failed(&remote) && strcmp(remote.data, "-") != 0)
        bytes_print(&text, " - %s", remote.data);
    bytes_append_text(&text, "   ");
    top_cell_print(row, TOP_PROCESS, true, &text);
    bytes_append_text(&text, " - ");
    top_cell_print(row, TOP_PEER, true, &text);
    if (!bytes_failed(&text))
        screen_put(line, 0, (size_t)COLS, text.data, false);
}

static void draw_foot(const struct screen *screen)
{
    char text[160];

    snprintf(text, sizeof(text), "h help  q quit   %s", top_foot(&screen->top->model));
    put_bar(LINES - 1,
        screen->typing ? "type what lines must hold; Enter keeps it, Esc clears it" : text);
}

static int draw_list(struct screen *screen)
{
    AUTO_BYTES struct bytes head = BYTES_EMPTY, ferries = BYTES_EMPTY;

    top_print_head(&screen->top->model, true, &head);
    if (screen->top->ferries.count)
        bytes_append_text(&ferries, "ferry's own routes:\n");
    top_print_ferries(&screen->top->ferries, true, TOP_FLOWS_SHOWN, &ferries);
    int room = LINES - TOP_LINES_OTHER;
    if (bytes_failed(&head) || bytes_failed(&ferries))
        return -ENOMEM;
    int head_lines = (int)count_lines(&head), own = (int)count_lines(&ferries);
    head_lines = head_lines < room ? head_lines : room > 0 ? room : 0;
    /* The routes have a third of the rest at most. */
    room -= head_lines;
    own = own < room / 3 + 1 ? own : room > 0 ? room / 3 + 1 : 0;
    if (own > room)
        own = room > 0 ? room : 0;
    int line = put_lines(1, head_lines, 0, &head);
    screen->row_lines = (size_t)(room - own > 0 ? room - own : 0) + 1;
    int code = draw_rows(screen, line, screen->row_lines);
    put_lines(line + 1 + (int)screen->row_lines, own, 0, &ferries);
    draw_selected(screen, LINES - 2);
    return code;
}

/* --- one row, and the keys -------------------------------------------------------------------- */

static const struct ferry_endpoint *find_endpoint(const struct screen *screen)
{
    const struct ferry_endpoints *table = screen->top->table;
    size_t count = ferry_endpoints_count(table);

    for (size_t i = 0; i < count; i++) {
        const struct ferry_endpoint *endpoint = ferry_endpoints_get(table, i);
        if (endpoint->cookie == screen->cookie && endpoint->inode == screen->inode)
            return endpoint;
    }
    return NULL;
}

/* What is gone stays as it was last seen, and says so. */
static int draw_detail(struct screen *screen)
{
    const struct ferry_endpoint *endpoint = screen->pid ? NULL : find_endpoint(screen);
    const struct ferry_process *process =
        screen->pid ? ferry_endpoints_find_process(screen->top->table, screen->pid) : NULL;
    AUTO_BYTES struct bytes text = BYTES_EMPTY;

    if (endpoint || process)
        screen->detail.size = 0;
    else
        bytes_append_text(&text, "It is closed; this is what it was last:\n\n");
    if (endpoint)
        top_print_detail(&screen->top->model, endpoint, &screen->detail);
    if (process)
        top_print_process(&screen->top->model, process, &screen->detail);
    bytes_append(&text, screen->detail.data, screen->detail.size);
    if (bytes_failed(&text) || bytes_failed(&screen->detail))
        return -ENOMEM;
    size_t lines = count_lines(&text), room = LINES > 2 ? (size_t)LINES - 2 : 0;
    screen->scroll_max = lines > room ? lines - room : 0;
    if (screen->scroll > screen->scroll_max)
        screen->scroll = screen->scroll_max;
    put_lines(1, (int)room, screen->scroll, &text);
    put_bar(LINES - 1, screen->scroll_max ? "Esc back  arrows, PgUp, PgDn: more" : "Esc back");
    return 0;
}

static void draw_help(void)
{
    static const char help[] =
        "q         quit\n"
        "s > <     sort by the next column, by the one before\n"
        "r         the other way round\n"
        "/         filter: lines that hold a text; Esc clears it\n"
        "p         sums of processes, and back\n"
        "space     freeze, and go on\n"
        "arrows, PgUp, PgDn, Home, End   select a row\n"
        "Enter     the selected row in full; Esc back\n"
        "h ?       this\n"
        "\n"
        "A connection of which both ends are here is one row, its server's. Of a\n"
        "listener RECV-Q is who waits, SEND-Q its backlog, IN/s and OUT/s connections\n"
        "made (+) and closed (-), as far as looks see them. FILL: the fuller of the\n"
        "buffers, or the backlog. AGE: since the first look that saw it; > if that was\n"
        "the first of all. IN/s and OUT/s of TCP are the kernel's counts of bytes\n"
        "received and acknowledged. Of unix sockets it counts none: only what a running\n"
        "ferry carries has rates, in a section of its own.\n";
    AUTO_BYTES struct bytes text = BYTES_EMPTY;

    bytes_append_text(&text, help);
    if (!bytes_failed(&text))
        put_lines(1, LINES - 2, 0, &text);
    put_bar(LINES - 1, "any key: back");
}

static int draw_page(struct screen *screen)
{
    if (LINES < TOP_LINES_MIN) {
        screen_put(0, 0, (size_t)COLS, "too low", false);
        return 0;
    }
    draw_title(screen);
    if (screen->page == SCREEN_HELP) {
        draw_help();
        return 0;
    }
    if (screen->page == SCREEN_DETAIL)
        return draw_detail(screen);
    draw_foot(screen);
    return draw_list(screen);
}

int screen_draw(struct screen *screen)
{
    erase();
    int code = draw_page(screen);
    move(LINES - 1, COLS - 1);
    refresh();
    return code;
}
