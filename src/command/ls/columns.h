/* columns.h - what a row can show: the columns of `ls -o`, by name. */
#ifndef FERRY_COMMAND_LS_COLUMNS_H
#define FERRY_COMMAND_LS_COLUMNS_H

#include "base/bytes.h"
#include "command/limits.h"

#include <ferry/endpoints.h>

struct ls_column {
    const char *name;    /* in -o */
    const char *heading; /* in the first line */
    const char *help;
    unsigned gather; /* FERRY_GATHER_* that it needs besides the sockets */
    bool right;      /* figures stand at the right */
    bool cut;        /* a text: may be cut where the screen is too narrow */
    /* Appends the cell, control characters escaped; nothing is shown as "-". */
    void (*print)(const struct ferry_endpoint *endpoint, struct bytes *text);
};

/* Chosen columns, each once. */
struct ls_columns {
    const struct ls_column *chosen[LS_COLUMNS_MAX];
    size_t count;
};

/* All there are, ended by one without a name. */
extern const struct ls_column ls_columns_known[];

/* NULL: there is none of that name. */
const struct ls_column *ls_column_find(const char *name, size_t size);
/* Adds those of "kind,state"; a list that begins with '+' adds to what is chosen, another one
 * replaces it. Returns 0, or -EINVAL with the word that is no column and what was probably meant
 * (NULL: nothing). */
int ls_columns_parse(struct ls_columns *columns, const char *list, const char **ret_word,
    size_t *ret_word_size, const char **ret_near);
/* Adds those that are not chosen yet; every name is known. */
void ls_columns_add(struct ls_columns *columns, const char *list);
/* FERRY_GATHER_* that they need. */
unsigned ls_columns_gather(const struct ls_columns *columns);
/* Appends one line for each there is, for --help. */
void ls_columns_help(struct bytes *text);

#endif
