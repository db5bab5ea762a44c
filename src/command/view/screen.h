/* screen.h - what a terminal is given besides the text: its width is kept to, states have colours.
 *
 * What goes to a file or a pipe gets neither.
 */
#ifndef FERRY_COMMAND_VIEW_SCREEN_H
#define FERRY_COMMAND_VIEW_SCREEN_H

#include "base/bytes.h"

#include <ferry/endpoints.h>

enum view_colour { VIEW_COLOUR_AUTO, VIEW_COLOUR_ALWAYS, VIEW_COLOUR_NEVER };

#define VIEW_BOLD  "\033[1m"
#define VIEW_PLAIN "\033[0m"

/* "auto", "always", "never"; false: none of them. */
bool view_colour_parse(const char *word, enum view_colour *ret_colour);
/* Whether standard output is to have colours: auto means a terminal that is not "dumb", and an
 * environment without NO_COLOR (https://no-color.org). */
bool view_colour_wanted(enum view_colour colour);
/* The colour of an endpoint's state: green listens, yellow waits to be accepted, red has lost its
 * other end or its path, faint is not connected. NULL: none. */
const char *view_state_colour(const struct ferry_endpoint *endpoint);

/* Columns of the terminal at standard output; 0: it is none. */
size_t view_screen_width(void);
/* Characters of text[0..size): what continues a UTF-8 sequence takes no room. */
size_t view_text_width(const char *text, size_t size);
/* Appends at most `width` characters; of a longer text its two ends, with an ellipsis between: a
 * pid or port at its end whole, if there is room. */
void view_append_cut(struct bytes *text, const char *cell, size_t size, size_t width);

#endif
