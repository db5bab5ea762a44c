/* walk.c - from / to a file, part by part.
 *
 * Links are followed by hand, because each folder on the real way must let through, not those of
 * the path as it was written. `..` behind a link goes to the parent of where the link leads, as the
 * kernel has it.
 */
#include "command/why/walk.h"
#include "command/limits.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct way {
    struct walk *walk;
    const struct who *who;
    char rest[PATH_MAX * 2];
    unsigned links;
};

static bool join(char *path, size_t size, const char *part)
{
    size_t length = strlen(path);
    const char *slash = length && path[length - 1] == '/' ? "" : "/";

    return (size_t)snprintf(path + length, size - length, "%s%s", slash, part) < size - length;
}

static void go_up(char *path)
{
    char *slash = strrchr(path, '/');

    slash[slash == path] = '\0';
}

/* Takes the first part of the rest; false: there is none. */
static bool next_part(struct way *way, char part[PATH_MAX])
{
    const char *start = way->rest + strspn(way->rest, "/");
    size_t size = strcspn(start, "/");

    if (!size || size >= PATH_MAX)
        return false;
    memcpy(part, start, size);
    part[size] = '\0';
    start += size;
    start += strspn(start, "/");
    memmove(way->rest, start, strlen(start) + 1);
    return true;
}

/* The link at `at` is replaced by where it leads. */
static enum walk_outcome follow(struct way *way)
{
    char target[PATH_MAX], whole[PATH_MAX * 2];
    ssize_t length = readlink(way->walk->at, target, sizeof(target) - 1);

    if (length < 0)
        return WALK_HIDDEN;
    if (++way->links > WHY_LINKS_MAX)
        return WALK_LOOP;
    target[length] = '\0';
    if (snprintf(whole, sizeof(whole), "%s%s%s", target, *way->rest ? "/" : "", way->rest) >=
        (int)sizeof(whole))
        return WALK_TOO_LONG;
    memcpy(way->rest, whole, strlen(whole) + 1);
    if (target[0] == '/')
        strcpy(way->walk->at, "/");
    else
        go_up(way->walk->at);
    way->walk->through_link = true;
    return WALK_FOUND;
}

/* Whether they may go on from the folder at `at`. */
static void look_through(struct way *way, const struct stat *folder)
{
    struct walk *walk = way->walk;

    if (walk->denied[0] || who_may(way->who, walk->at, folder, X_OK))
        return;
    memcpy(walk->denied, walk->at, sizeof(walk->denied));
    walk->denied_status = *folder;
}

static enum walk_outcome step(struct way *way, const char *part)
{
    struct walk *walk = way->walk;
    struct stat status;

    if (stat(walk->at, &status) < 0)
        return WALK_HIDDEN;
    walk->status = status;
    if (!S_ISDIR(status.st_mode))
        return WALK_NOT_DIRECTORY;
    look_through(way, &status);
    if (strcmp(part, ".") == 0)
        return WALK_FOUND;
    if (strcmp(part, "..") == 0) {
        go_up(walk->at);
        return WALK_FOUND;
    }
    if (!join(walk->at, sizeof(walk->at), part))
        return WALK_TOO_LONG;
    walk->last = !*way->rest;
    if (lstat(walk->at, &status) < 0) {
        bool missing = errno == ENOENT || errno == ENOTDIR;
        if (!missing)
            go_up(walk->at);
        return missing ? WALK_MISSING : WALK_HIDDEN;
    }
    walk->status = status;
    return S_ISLNK(status.st_mode) ? follow(way) : WALK_FOUND;
}

void walk_to(const struct who *who, const char *path, struct walk *ret_walk)
{
    struct way way = { .walk = ret_walk, .who = who };
    char part[PATH_MAX];

    *ret_walk = (struct walk){ .at = "/", .outcome = WALK_FOUND };
    if (strlen(path) >= PATH_MAX) {
        ret_walk->outcome = WALK_TOO_LONG;
        return;
    }
    strcpy(way.rest, path);
    while (ret_walk->outcome == WALK_FOUND && next_part(&way, part))
        ret_walk->outcome = step(&way, part);
}
