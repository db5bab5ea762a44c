/* proc.c - single facts of /proc. */
#include "command/view/proc.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "base/quiet.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

pid_t proc_next(DIR *proc)
{
    for (struct dirent *entry; (entry = readdir(proc));)
        if (isdigit((unsigned char)entry->d_name[0]))
            return (pid_t)atoi(entry->d_name);
    return 0;
}

bool proc_path_is(pid_t pid, const char *path, uint64_t device, uint64_t inode)
{
    bool absolute = path[0] == '/';
    AUTO_FD int process = proc_open(pid);
    AUTO_FD int folder =
        openat(process, absolute ? "root" : "cwd", O_PATH | O_DIRECTORY | O_CLOEXEC);
    const struct quiet_view theirs = { .folder = folder, .is_root = absolute, .pid = pid };
    struct statx found;

    if (folder < 0)
        return false;
    AUTO_FD int fd = quiet_open(&theirs, path);
    return fd >= 0 &&
           statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_BASIC_STATS, &found) == 0 &&
           found.stx_ino == inode &&
           (!device || makedev(found.stx_dev_major, found.stx_dev_minor) == device);
}

/* The size of the folder tells since Linux 6.2. */
int64_t proc_descriptor_count(int process)
{
    struct stat status;
    int64_t count = 0;

    if (fstatat(process, "fd", &status, 0) < 0)
        return -errno;
    if (status.st_size > 0)
        return status.st_size;
    int fd = openat(process, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO_DIR DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    if (!folder) {
        int code = -errno;
        fd_close(&fd);
        return code;
    }
    for (struct dirent *entry; (entry = readdir(folder));)
        count += entry->d_name[0] != '.';
    return count;
}

static uint64_t limit_number(const char *word)
{
    return isdigit((unsigned char)*word) ? strtoull(word, NULL, 10) : UINT64_MAX;
}

bool proc_limit(int process, const char *name, uint64_t *ret_soft, uint64_t *ret_hard)
{
    char text[PROC_FILE_SIZE_MAX], soft[24], hard[24];

    if (proc_read(process, "limits", text, sizeof(text)) <= 0)
        return false;
    const char *line = strstr(text, name);
    if (!line || sscanf(line + strlen(name), "%23s %23s", soft, hard) != 2)
        return false;
    *ret_soft = limit_number(soft);
    if (ret_hard)
        *ret_hard = limit_number(hard);
    return true;
}

bool proc_number(const char *path, unsigned index, uint64_t *ret_number)
{
    AUTO_FILE FILE *file = fopen(path, "re");
    uint64_t number;

    if (!file)
        return false;
    for (unsigned i = 0; i <= index; i++)
        if (fscanf(file, "%" SCNu64, &number) != 1)
            return false;
    *ret_number = number;
    return true;
}

/* Lines come in pairs: the names of some counters, then their values. */
uint64_t proc_listen_overflows(void)
{
    AUTO_FILE FILE *file = fopen("/proc/thread-self/net/netstat", "re");
    AUTO_FREE char *names = NULL, *values = NULL;
    size_t names_size = 0, values_size = 0;

    while (file && getline(&names, &names_size, file) > 0 &&
           getline(&values, &values_size, file) > 0) {
        char *name_rest, *value_rest;
        char *name = strtok_r(names, " \n", &name_rest);
        char *value = strtok_r(values, " \n", &value_rest);
        for (; name && value;
             name = strtok_r(NULL, " \n", &name_rest), value = strtok_r(NULL, " \n", &value_rest))
            if (strcmp(name, "ListenOverflows") == 0)
                return strtoull(value, NULL, 10);
    }
    return 0;
}
