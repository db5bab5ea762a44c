/* settings_read.c - the files of a configuration, read into one struct config.
 *
 * Files wait in a list; reading one may append those that it includes. So the depth of nesting is
 * a number that is checked, not a stack that can overflow, and every file is read once.
 */
#include "route/settings_read.h"
#include "base/array.h"
#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "route/limits.h"
#include "wire/limits.h"

#include <fcntl.h>
#include <glob.h>
#include <string.h>
#include <sys/stat.h>

struct file {
    char *path;
    unsigned depth;
    bool included;          /* by an entry of another; else the caller asked for it */
    struct config_entry by; /* a copy: the config's table moves when it grows */
};

struct reading {
    struct config *config;
    struct file *files;
    size_t count, capacity;
    struct ferry_error *error;
};

bool settings_is_include(const struct config_entry *entry)
{
    bool here = !entry->section[0] || strcmp(entry->section, "ferry") == 0;
    return here && strcmp(entry->key, "include") == 0;
}

int settings_folder(const char *file, char **ret_folder)
{
    const char *slash = strrchr(file, '/');
    *ret_folder = NULL;
    if (!slash)
        return 0;
    *ret_folder = slash == file ? strdup("/") : strndup(file, (size_t)(slash - file));
    return *ret_folder ? 0 : -ENOMEM;
}

static void reading_fini(struct reading *reading)
{
    for (size_t i = 0; i < reading->count; i++)
        free(reading->files[i].path);
    free(reading->files);
}

static int reading_add(
    struct reading *reading, const char *path, unsigned depth, const struct config_entry *by)
{
    for (size_t i = 0; i < reading->count; i++)
        if (strcmp(reading->files[i].path, path) == 0)
            return 0; /* what is included twice counts once */
    if (!array_reserve(
            &reading->files, reading->count, &reading->capacity, sizeof(*reading->files)))
        return -ENOMEM;
    char *copy = strdup(path);
    if (!copy)
        return -ENOMEM;
    struct file *file = &reading->files[reading->count];
    *file = (struct file){ .path = copy, .depth = depth, .included = by != NULL };
    if (by)
        file->by = *by;
    reading->count++;
    return 0;
}

/* --- one file --------------------------------------------------------------------------------- */

static int file_check(int fd, const char *path, struct ferry_error *error)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return error_set_errno(error, -errno, path, NULL);
    if (S_ISDIR(status.st_mode))
        return error_set(error, -EISDIR, path, "include DIRECTORY/*.conf", "is a directory");
    if (S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode))
        return error_set(error, -ESPIPE, path, "write it to a file",
            "is a pipe, which a reload cannot read again");
    if (geteuid() == 0 && (status.st_mode & S_IWOTH) && S_ISREG(status.st_mode))
        return error_set(error, -EPERM, path, "chmod o-w it", "could be changed by anybody");
    return 0;
}

static int file_read(const char *path, struct bytes *ret_text, struct ferry_error *error)
{
    /* Whatever lies there, a running program must not wait for it. */
    AUTO_FD int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    char buffer[16384];
    if (fd < 0)
        return error_set_errno(error, -errno, path, NULL);
    int r = file_check(fd, path, error);
    if (r < 0)
        return r;
    for (;;) {
        ssize_t size = read(fd, buffer, sizeof(buffer));
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0)
            return error_set_errno(error, -errno, path, NULL);
        if (size == 0)
            return bytes_failed(ret_text) ? error_set_errno(error, -ENOMEM, path, NULL) : 0;
        bytes_append(ret_text, buffer, (size_t)size);
        if (ret_text->size > CONFIG_SIZE_MAX)
            return error_set(error, -EFBIG, path, NULL, "is larger than %u bytes", CONFIG_SIZE_MAX);
    }
}

/* --- includes --------------------------------------------------------------------------------- */

static int include_problem(
    struct reading *reading, const struct config_entry *entry, const struct ferry_error *error)
{
    char text[sizeof(*error)];
    ferry_error_format(error, text, sizeof(text));
    return config_add_problem(reading->config, &entry->place, entry->key, text);
}

/* Stops glob(3), which else passes over a folder that can't be read as if it were empty; one that
 * is not there has nothing to be included. */
static int include_cannot(const char *folder, int code)
{
    (void)folder;
    return code != ENOENT;
}

static int include_expand(
    struct reading *reading, const struct config_entry *entry, const char *pattern, unsigned depth)
{
    struct ferry_error error;
    glob_t found;
    int r = 0;

    if (depth > INCLUDE_DEPTH_MAX) {
        error_set(&error, -ELOOP, pattern, NULL, "includes are nested more than %u deep",
            INCLUDE_DEPTH_MAX);
        return include_problem(reading, entry, &error);
    }
    int outcome = glob(pattern, 0, include_cannot, &found);
    if (outcome == GLOB_NOMATCH && strpbrk(pattern, "*?["))
        return 0;
    if (outcome == GLOB_NOMATCH) {
        error_set(
            &error, -ENOENT, pattern, "mend the path, or remove the line", "there is no such file");
        return include_problem(reading, entry, &error);
    }
    if (outcome == GLOB_ABORTED) {
        globfree(&found);
        error_set(&error, -EIO, pattern, "let ferry read it, or remove the line",
            "a directory can't be read");
        return include_problem(reading, entry, &error);
    }
    if (outcome != 0)
        return -ENOMEM;
    for (size_t i = 0; i < found.gl_pathc && r == 0; i++)
        r = reading_add(reading, found.gl_pathv[i], depth, entry);
    globfree(&found);
    return r;
}

/* Follows the includes among the entries from `first` on, which came from a file at `depth`. */
static int includes_follow(
    struct reading *reading, size_t first, unsigned depth, const char *folder)
{
    size_t end = config_entry_count(reading->config);
    for (size_t i = first; i < end; i++) {
        const struct config_entry *entry = config_get_entry(reading->config, i);
        AUTO_FREE char *pattern = NULL;
        if (!settings_is_include(entry))
            continue;
        bool relative = entry->value[0] != '/' && folder;
        if (asprintf(&pattern, "%s%s%s", relative ? folder : "", relative ? "/" : "",
                entry->value) < 0) {
            pattern = NULL;
            return -ENOMEM;
        }
        int r = include_expand(reading, entry, pattern, depth + 1);
        if (r < 0)
            return r;
    }
    return 0;
}

static int text_read(struct reading *reading, const char *name, const char *text, size_t size,
    const char *folder, unsigned depth)
{
    size_t first = config_entry_count(reading->config);
    int r = config_parse(reading->config, name, text, size);
    return r < 0 ? r : includes_follow(reading, first, depth, folder);
}

static int reading_read_one(struct reading *reading, const struct file *file)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;
    AUTO_FREE char *folder = NULL;
    struct ferry_error error;

    int r = file_read(file->path, &text, &error);
    if (r < 0 && file->included)
        return include_problem(reading, &file->by, &error);
    if (r < 0) {
        if (reading->error)
            *reading->error = error;
        return r;
    }
    r = settings_folder(file->path, &folder);
    if (r == 0)
        r = text_read(
            reading, file->path, text.data ? text.data : "", text.size, folder, file->depth);
    return r < 0 ? error_set_errno(reading->error, r, file->path, NULL) : 0;
}

static int reading_run(struct reading *reading)
{
    for (size_t i = 0; i < reading->count; i++) {
        struct file file = reading->files[i]; /* the array moves while it grows; the path stays */
        int r = reading_read_one(reading, &file);
        if (r < 0)
            return r;
    }
    return 0;
}

static int folder_add(struct reading *reading, const char *path)
{
    AUTO_FREE char *pattern = NULL;
    AUTO_DIR DIR *folder = opendir(path); /* glob(3) would not say why it cannot be read */
    glob_t found;
    int r = 0;
    if (!folder)
        return error_set_errno(reading->error, -errno, path, NULL);
    if (asprintf(&pattern, "%s/*.conf", path) < 0) {
        pattern = NULL;
        return error_set_errno(reading->error, -ENOMEM, path, NULL);
    }
    int outcome = glob(pattern, 0, NULL, &found);
    if (outcome == GLOB_NOMATCH)
        return 0;
    if (outcome != 0)
        return error_set_errno(
            reading->error, outcome == GLOB_NOSPACE ? -ENOMEM : -EIO, path, NULL);
    for (size_t i = 0; i < found.gl_pathc && r == 0; i++)
        r = reading_add(reading, found.gl_pathv[i], 0, NULL);
    globfree(&found);
    return r < 0 ? error_set_errno(reading->error, r, path, NULL) : 0;
}

int settings_read(struct config *config, const char *path, struct ferry_error *error)
{
    struct reading reading = { .config = config, .error = error };
    struct stat status;
    int r;

    if (stat(path, &status) < 0)
        r = error_set_errno(error, -errno, path, "name another with -c");
    else if (S_ISDIR(status.st_mode))
        r = folder_add(&reading, path);
    else
        r = reading_add(&reading, path, 0, NULL);
    if (r == 0)
        r = reading_run(&reading);
    reading_fini(&reading);
    return r;
}

int settings_read_text(struct config *config, const char *name, const char *text,
    const char *folder, struct ferry_error *error)
{
    struct reading reading = { .config = config, .error = error };
    int r = text_read(&reading, name, text, strlen(text), folder, 0);
    if (r == 0)
        r = reading_run(&reading);
    else
        error_set_errno(error, r, name, NULL);
    reading_fini(&reading);
    return r;
}
