/* sums.c - series by their labels. */
#include "service/metrics/sums.h"
#include "base/array.h"
#include "base/cleanup.h"
#include "service/limits.h"

#include <string.h>

void sums_clear(struct sums *sums)
{
    for (size_t i = 0; i < sums->count; i++)
        free(sums->data[i].labels);
    sums->count = 0;
    sums->failed = false;
}

void sums_fini(struct sums *sums)
{
    sums_clear(sums);
    free(sums->data);
    *sums = (struct sums){ 0 };
}

/* Where the labels stand, or would. */
static size_t sums_search(const struct sums *sums, const char *labels, bool *ret_found)
{
    size_t first = 0, end = sums->count;

    while (first < end) {
        size_t middle = first + (end - first) / 2;
        int order = strcmp(sums->data[middle].labels, labels);
        if (order == 0) {
            *ret_found = true;
            return middle;
        }
        if (order < 0)
            first = middle + 1;
        else
            end = middle;
    }
    *ret_found = false;
    return first;
}

/* Forgets what had nothing to add in this look and the one before. Once a look: a flood of new
 * names must not sweep for each. */
static bool sums_sweep(struct sums *sums, unsigned look)
{
    size_t kept = 0, before = sums->count;

    if (sums->swept == look)
        return false;
    sums->swept = look;
    for (size_t i = 0; i < sums->count; i++) {
        if (sums->data[i].look + 1 >= look)
            sums->data[kept++] = sums->data[i];
        else
            free(sums->data[i].labels);
    }
    sums->count = kept;
    return kept < before;
}

static void sums_insert(
    struct sums *sums, size_t at, const char *labels, uint64_t value, unsigned look)
{
    char *copy = strdup(labels);

    if (!copy || !array_reserve(&sums->data, sums->count, &sums->capacity, sizeof(*sums->data))) {
        free(copy);
        sums->failed = true;
        return;
    }
    memmove(&sums->data[at + 1], &sums->data[at], (sums->count - at) * sizeof(*sums->data));
    sums->data[at] = (struct sum){ .labels = copy, .value = value, .look = look };
    sums->count++;
}

void sums_add(struct sums *sums, const struct bytes *labels, uint64_t value, unsigned look)
{
    size_t max = sums->max ? sums->max : SERIES_MAX;
    const char *text = labels->size ? labels->data : "";
    bool found;

    if (bytes_failed(labels)) {
        sums->failed = true;
        return;
    }
    size_t at = sums_search(sums, text, &found);
    if (found) {
        sums->data[at].value += value;
        sums->data[at].look = look;
        return;
    }
    if (sums->count >= max && sums_sweep(sums, look))
        at = sums_search(sums, text, &found);
    if (sums->count >= max)
        sums->left_out++;
    else
        sums_insert(sums, at, text, value, look);
}

void sums_print(const struct sums *sums, const struct family *family, struct bytes *text)
{
    family_begin(text, family);
    for (size_t i = 0; i < sums->count; i++)
        family_sample(text, family, sums->data[i].labels, sums->data[i].value);
    if (sums->failed)
        text->failed = true;
}
