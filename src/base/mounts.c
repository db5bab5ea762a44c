/* mounts.c - which file systems answer at once, whoever is dead.
 *
 * The types that do are listed, not those that don't: of one that is not known here the worst is
 * assumed.
 */
#include "base/mounts.h"
#include "base/cleanup.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#ifndef STATX_MNT_ID /* Linux 5.8; older headers lack it */
#define STATX_MNT_ID 0x00001000U
#endif

bool mounts_type_is_local(const char *type)
{
    static const char *const types[] = { "tmpfs", "ramfs", "devtmpfs", "ext2", "ext3", "ext4",
        "xfs", "btrfs", "f2fs", "zfs", "bcachefs", "overlay", "aufs", "jfs", "reiserfs", "nilfs2",
        "erofs", "squashfs", "rootfs" };

    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (strcmp(type, types[i]) == 0)
            return true;
    return false;
}

/* "36 35 98:0 /root /point options optional... - type source options" */
static bool line_is_local(char *line)
{
    char *type = strstr(line, " - ");

    if (!type)
        return false;
    type += strlen(" - ");
    type[strcspn(type, " \n")] = '\0';
    return mounts_type_is_local(type);
}

bool mounts_is_local(int fd, const char *mountinfo)
{
    struct statx status;
    AUTO_FILE FILE *file = fopen(mountinfo, "re");
    AUTO_FREE char *line = NULL;
    size_t size = 0;

    if (!file || statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &status) < 0 ||
        !(status.stx_mask & STATX_MNT_ID))
        return false;
    while (getline(&line, &size, file) > 0)
        if (strtoull(line, NULL, 10) == status.stx_mnt_id)
            return line_is_local(line);
    return false;
}
