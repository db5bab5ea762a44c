/* nearest.h - which known word was probably meant. */
#ifndef FERRY_COMMAND_NEAREST_H
#define FERRY_COMMAND_NEAREST_H

#include <stddef.h>

/* Letters to insert, delete, replace or swap with their neighbour to make one of the other. Words
 * above 31 bytes are far from everything. */
size_t nearest_distance(const char *one, const char *other);

/* The word of the NULL-terminated list that is nearest, or NULL when none is near enough to be
 * meant: two mistakes, fewer in short words, or the beginning of exactly one word, or of the
 * one that lacks the fewest letters, two at most. */
const char *nearest_word(const char *word, const char *const *known);

#endif
