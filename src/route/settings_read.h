/* settings_read.h - the files of a configuration, read into one struct config. */
#ifndef FERRY_ROUTE_SETTINGS_READ_H
#define FERRY_ROUTE_SETTINGS_READ_H

#include "wire/config.h"

#include <ferry/error.h>
#include <stdbool.h>

/* Reads a file, or all files ending in .conf of a folder in the order of their names, and what
 * they include. Problems of included files are added to the config.
 * Returns 0, or -errno with *error when `path`, or a file of that folder, cannot be read. */
int settings_read(struct config *config, const char *path, struct ferry_error *error);

/* The same for a text called `name` whose includes start from `folder` (NULL: here). */
int settings_read_text(struct config *config, const char *name, const char *text,
    const char *folder, struct ferry_error *error);

/* True for the entry by which another file is included. */
bool settings_is_include(const struct config_entry *entry);

/* The folder of a file, as relative paths in it start from; NULL: the working directory. free() it.
 * Returns 0 or -ENOMEM. */
int settings_folder(const char *file, char **ret_folder);

#endif
