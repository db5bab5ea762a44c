/* walk.h - from / to a file, as the kernel goes, and where it would not let somebody through. */
#ifndef FERRY_COMMAND_WHY_WALK_H
#define FERRY_COMMAND_WHY_WALK_H

#include "command/why/permission.h"

#include <limits.h>

enum walk_outcome {
    WALK_FOUND,
    WALK_MISSING,       /* nothing is at `at` */
    WALK_NOT_DIRECTORY, /* `at` is a file, and the path goes on */
    WALK_LOOP,          /* more links than the kernel follows */
    WALK_HIDDEN,        /* we can't look behind `at` ourselves */
    WALK_TOO_LONG,
};

struct walk {
    enum walk_outcome outcome;
    char at[PATH_MAX];     /* how far it went: without links; of WALK_FOUND: the file */
    bool last;             /* `at` is the file itself, no folder on the way */
    bool through_link;     /* of WALK_MISSING: a link leads there */
    struct stat status;    /* of `at`, unless it is missing */
    char denied[PATH_MAX]; /* the first folder that does not let them through; "": none does so */
    struct stat denied_status;
};

/* Goes to an absolute path; what cannot be followed ends it. */
void walk_to(const struct who *who, const char *path, struct walk *ret_walk);

#endif
