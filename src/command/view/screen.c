/* screen.c - widths and colours for a terminal. */
#include "command/view/screen.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

bool view_colour_parse(const char *word, enum view_colour *ret_colour)
{
    static const char *const words[] = { "auto", "always", "never" };

    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(word, words[i]) == 0) {
            *ret_colour = (enum view_colour)i;
            return true;
        }
    }
    return false;
}

bool view_colour_wanted(enum view_colour colour)
{
    const char *no = getenv("NO_COLOR"), *terminal = getenv("TERM");

    if (colour != VIEW_COLOUR_AUTO)
        return colour == VIEW_COLOUR_ALWAYS;
    return !(no && *no) && isatty(STDOUT_FILENO) && terminal && strcmp(terminal, "dumb") != 0;
}

const char *view_state_colour(const struct ferry_endpoint *endpoint)
{
    bool lost = endpoint->path && (endpoint->path->state == FERRY_PATH_MISSING ||
                                      endpoint->path->state == FERRY_PATH_REPLACED);

    if (endpoint->peer_gone || endpoint->state == FERRY_STATE_CLOSE_WAIT)
        return "\033[31m";
    switch (endpoint->state) {
    case FERRY_STATE_LISTENING:
        return lost ? "\033[31m" : "\033[32m";
    case FERRY_STATE_WAITING:
    case FERRY_STATE_SYN_SENT:
    case FERRY_STATE_SYN_RECEIVED:
    case FERRY_STATE_NEW_SYN_RECEIVED:
        return "\033[33m";
    case FERRY_STATE_CLOSED:
        return lost ? "\033[31m" : "\033[2m";
    case FERRY_STATE_TIME_WAIT:
        return "\033[2m";
    default:
        return NULL;
    }
}

size_t view_screen_width(void)
{
    const char *columns = getenv("COLUMNS");
    struct winsize size;

    if (!isatty(STDOUT_FILENO))
        return 0;
    if (columns && atoi(columns) > 0)
        return (size_t)atoi(columns);
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return 80;
}

static bool begins_character(char byte)
{
    return ((unsigned char)byte & 0xc0) != 0x80;
}

size_t view_text_width(const char *text, size_t size)
{
    size_t width = 0;

    for (size_t i = 0; i < size; i++)
        width += begins_character(text[i]);
    return width;
}

/* How many bytes the first `count` characters have. */
static size_t characters_size(const char *text, size_t size, size_t count)
{
    size_t i = 0;

    for (; i < size; i++) {
        if (!begins_character(text[i]))
            continue;
        if (count-- == 0)
            break;
    }
    return i;
}

/* Columns of the number at the end by which one is told from others: "[4711] +2", ":8080". */
static size_t number_width(const char *cell, size_t size)
{
    size_t at = size;

    while (at > 0 && cell[at - 1] != '[' && cell[at - 1] != ':')
        if (!memchr("0123456789] +", cell[--at], 13))
            return 0;
    return at > 0 ? size - at + 1 : 0;
}

void view_append_cut(struct bytes *text, const char *cell, size_t size, size_t width)
{
    size_t whole = view_text_width(cell, size);

    if (whole <= width) {
        bytes_append(text, cell, size);
        return;
    }
    if (width == 0)
        return;
    size_t tail = (width - 1) / 2, number = number_width(cell, size);
    if (number > tail && number < width - 1)
        tail = number; /* half a number would be another one */
    size_t head = width - 1 - tail;
    size_t tail_start = characters_size(cell, size, whole - tail);
    bytes_append(text, cell, characters_size(cell, size, head));
    bytes_append_text(text, "\xe2\x80\xa6");
    bytes_append(text, cell + tail_start, size - tail_start);
}
