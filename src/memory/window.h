/* window.h (internal) - a window that ends where its opener says, which may be where it begins. */
#ifndef FERRY_MEMORY_WINDOW_H
#define FERRY_MEMORY_WINDOW_H

#include <ferry/window.h>

/* As ferry_window_open(), of options that were read; `size` among them is not looked at.
 *   thing  what *error names
 *   end    bytes of the file, at most INT64_MAX and at least `offset` */
int window_open(int fd, const struct ferry_window_options *options, const char *thing, uint64_t end,
    struct ferry_window **ret_window, struct ferry_error *error);

#endif
