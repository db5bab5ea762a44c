/* filter.h - which endpoints `ls` is asked for.
 *
 * All that is asked must be so; of a list, one. Texts are borrowed from the command line.
 */
#ifndef FERRY_COMMAND_LS_FILTER_H
#define FERRY_COMMAND_LS_FILTER_H

#include "command/limits.h"
#include "command/ls/side.h"
#include "command/view/target.h"

enum { LS_IPV4 = 1, LS_IPV6 = 2 };

struct ls_filter {
    unsigned kinds;    /* 1 << kind; 0: as the rest asks */
    unsigned families; /* LS_IPV4, LS_IPV6; 0: any */
    unsigned states;   /* 1 << state; 0: any, but TIME-WAIT of what was not named */
    bool all_states;   /* that too */
    bool has_target;
    struct view_target target;
    struct ls_side source, destination; /* what is in them: ls_side_fini() */
    pid_t pids[LS_PIDS_MAX];
    size_t pid_count;
    bool by_user;
    uid_t user;
    const char *command, *path, *unit; /* shell patterns; NULL: any */
    const char *peer;                  /* a pattern or a pid */
    bool all_networks;
    uint64_t own_network; /* inode; set by ls_filter_begin() */
};

/* Each adds to the filter what an option's argument says. They return 0, or a negative errno with
 * *error. */
int ls_filter_add_kinds(struct ls_filter *filter, const char *list, struct ferry_error *error);
int ls_filter_add_states(struct ls_filter *filter, const char *list, struct ferry_error *error);
int ls_filter_add_pids(struct ls_filter *filter, const char *list, struct ferry_error *error);
int ls_filter_set_user(struct ls_filter *filter, const char *word, struct ferry_error *error);
int ls_filter_set_target(struct ls_filter *filter, const char *word, struct ferry_error *error);
void ls_filter_fini(struct ls_filter *filter);

/* What a table must gather for it: kinds, FERRY_GATHER_*. */
unsigned ls_filter_kinds(const struct ls_filter *filter);
unsigned ls_filter_gather(const struct ls_filter *filter);
/* To be called with a new table, before its endpoints are asked for. */
void ls_filter_begin(struct ls_filter *filter, const struct ferry_endpoints *table);
/* data  a struct ls_filter */
bool ls_filter_wants(const struct ferry_endpoint *endpoint, void *data);

#endif
