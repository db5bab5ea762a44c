/* nearest.c - which known word was probably meant. */
#include "command/nearest.h"
#include "command/limits.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static size_t least(size_t one, size_t other)
{
    return one < other ? one : other;
}

size_t nearest_distance(const char *one, const char *other)
{
    size_t rows[3][NEAREST_WORD_SIZE];
    size_t *before = rows[0], *last = rows[1], *row = rows[2];
    size_t height = strlen(one), width = strlen(other);
    if (height >= NEAREST_WORD_SIZE || width >= NEAREST_WORD_SIZE)
        return height + width;
    for (size_t j = 0; j <= width; j++)
        row[j] = j;
    for (size_t i = 1; i <= height; i++) {
        size_t *oldest = before;
        before = last;
        last = row;
        row = oldest;
        row[0] = i;
        for (size_t j = 1; j <= width; j++) {
            bool same = one[i - 1] == other[j - 1];
            row[j] = least(least(last[j], row[j - 1]) + 1, last[j - 1] + !same);
            if (i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1])
                row[j] = least(row[j], before[j - 2] + 1);
        }
    }
    return row[width];
}

const char *nearest_word(const char *word, const char *const *known)
{
    const char *best = NULL, *begun = NULL;
    size_t best_distance = strlen(word) < 4 ? 2 : 3;
    size_t begun_distance = SIZE_MAX, begun_count = 0;
    for (; *known; known++) {
        size_t distance = nearest_distance(word, *known);
        if (distance < best_distance) {
            best = *known;
            best_distance = distance;
        }
        if (*word && strncmp(word, *known, strlen(word)) == 0) {
            begun_count++;
            if (distance < begun_distance) {
                begun = *known;
                begun_distance = distance;
            }
        }
    }
    return begun_count == 1 || begun_distance <= 2 ? begun : best;
}
