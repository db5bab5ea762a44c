/* page_file.h - a file that is there whole, or as it was before. */
#ifndef FERRY_COMMAND_BENCH_PAGE_FILE_H
#define FERRY_COMMAND_BENCH_PAGE_FILE_H

#include "base/bytes.h"

/* Whether the file could be written, tried before there is anything to write: what is there must be
 * a regular file, and its folder take a new one. 0, -EEXIST (something else is there), -errno. */
int page_file_try(const char *path);
/* Writes beside it, then takes its place and its mode; of a symbolic link the file that it leads
 * to. 0, -errno. */
int page_file_write(const char *path, const struct bytes *text);

#endif
