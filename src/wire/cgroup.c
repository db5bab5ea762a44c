/* cgroup.c - what /proc/PID/cgroup says, read as systemd means it.
 *
 * Lines are "NUMBER:CONTROLLERS:PATH". The unified hierarchy is number 0 without controllers; where
 * both kinds are mounted systemd may sort processes in the older one that is called name=systemd,
 * and the unified path is "/" then.
 */
#include "wire/cgroup.h"
#include "base/cleanup.h"

#include <stdbool.h>
#include <string.h>

/* The path of the line that begins with `start`, NULL: there is no whole one. */
static const char *line_find(const char *text, const char *start, size_t *ret_length)
{
    size_t size = strlen(start);

    while (text) {
        const char *end = strchr(text, '\n');
        /* The hierarchies' numbers differ, but for the unified one. */
        const char *named = start[0] == ':' ? text + strcspn(text, ":\n") : text;
        if (end && strncmp(named, start, size) == 0) {
            *ret_length = (size_t)(end - named) - size;
            return named + size;
        }
        text = end ? end + 1 : NULL;
    }
    return NULL;
}

char *cgroup_find(const char *text)
{
    size_t length = 0;
    const char *path = line_find(text, "0::", &length);

    if (!path || length <= 1)
        path = line_find(text, ":name=systemd:", &length);
    if (!path)
        path = line_find(text, "0::", &length);
    /* "/../" leads out of our namespace: what it is called there is not for us to read. */
    if (!path || length == 0 || path[0] != '/' || strncmp(path, "/..", 3) == 0)
        return NULL;
    return strndup(path, length);
}

static bool ends_in(const char *text, size_t length, const char *end)
{
    size_t size = strlen(end);
    return length > size && memcmp(text + length - size, end, size) == 0;
}

/* The kinds of unit that have processes. */
static bool is_unit(const char *text, size_t length)
{
    static const char *const kinds[] = { ".service", ".scope", ".socket", ".mount", ".swap" };

    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (ends_in(text, length, kinds[i]))
            return true;
    return false;
}

const char *cgroup_unit(const char *path, size_t *ret_length)
{
    while (*path == '/') {
        size_t length = strcspn(++path, "/");
        if (!ends_in(path, length, ".slice")) {
            /* What could be taken for a file of the kernel's own, as cpu.service, has this. */
            size_t escape = length > 0 && path[0] == '_';
            *ret_length = length - escape;
            return is_unit(path + escape, length - escape) ? path + escape : NULL;
        }
        path += length;
    }
    return NULL;
}
