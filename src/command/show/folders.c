/* folders.c - the folders on the way to a socket's path.
 *
 * connect(2) needs the right to search each folder and to write to the socket's file. Links are
 * followed, as connect(2) does; a folder behind one is looked at, those on the link's own way are
 * not.
 */
#include "command/show/folders.h"
#include "base/array.h"
#include "base/cleanup.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

/* What has to stand before the name so that it can be opened from here: the root of its owner. */
static const char *path_from_here(
    const struct ferry_endpoint *endpoint, char *ret_path, size_t size, size_t *ret_prefix_size)
{
    const char *where = endpoint->path->where ? endpoint->path->where : endpoint->name;
    size_t length = strlen(where);

    *ret_prefix_size = 0;
    if (length >= size)
        return NULL;
    memcpy(ret_path, where, length + 1);
    if (endpoint->name[0] == '/' && length > endpoint->name_size &&
        strcmp(where + length - endpoint->name_size, endpoint->name) == 0)
        *ret_prefix_size = length - endpoint->name_size;
    return ret_path;
}

/* The last is the socket, where the right to write counts. */
static int folder_look(
    struct folders *folders, const char *path, size_t prefix_size, bool is_socket)
{
    struct stat status;

    if (!array_reserve(
            &folders->items, folders->count, &folders->capacity, sizeof(*folders->items)))
        return -ENOMEM;
    if (stat(path, &status) < 0) {
        folders->cut = true;
        return 0;
    }
    struct folder *item = &folders->items[folders->count];
    mode_t needed = is_socket ? S_IWUSR | S_IWGRP | S_IWOTH : S_IXUSR | S_IXGRP | S_IXOTH;
    *item = (struct folder){ .path = strdup(path[prefix_size] ? path + prefix_size : "/"),
        .mode = status.st_mode,
        .uid = status.st_uid,
        .gid = status.st_gid,
        .has_acl = getxattr(path, "system.posix_acl_access", NULL, 0) > 0,
        .stops = (status.st_mode & needed) != needed };
    if (!item->path)
        return -ENOMEM;
    folders->count++;
    return 0;
}

/* Of what has the path of its listener, having been accepted there, the path says nothing. */
static bool may_be_dialled(const struct ferry_endpoint *endpoint)
{
    return endpoint->path && (endpoint->state == FERRY_STATE_LISTENING ||
                                 endpoint->kind == FERRY_ENDPOINT_UNIX_DATAGRAM);
}

int folders_look(const struct ferry_endpoint *endpoint, struct folders *ret_folders)
{
    char path[PATH_MAX + 64];
    size_t prefix_size;
    int code = 0;

    *ret_folders = (struct folders){ 0 };
    if (!may_be_dialled(endpoint) || endpoint->path->state != FERRY_PATH_THERE ||
        !endpoint->name_size || endpoint->name[0] == '\0' ||
        !path_from_here(endpoint, path, sizeof(path), &prefix_size) || path[prefix_size] != '/')
        return 0;
    for (char *at = path + prefix_size; at && code == 0 && !ret_folders->cut;) {
        char kept = at[1];
        at[1] = '\0'; /* up to the slash, and with it: links are followed */
        code = folder_look(ret_folders, path, prefix_size, false);
        at[1] = kept;
        at = strchr(at + 1, '/');
    }
    if (code == 0 && !ret_folders->cut)
        code = folder_look(ret_folders, path, prefix_size, true);
    if (code < 0)
        folders_fini(ret_folders);
    return code;
}

void folders_fini(struct folders *folders)
{
    for (size_t i = 0; i < folders->count; i++)
        free(folders->items[i].path);
    free(folders->items);
    *folders = (struct folders){ 0 };
}
