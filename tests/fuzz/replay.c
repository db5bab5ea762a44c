/* replay.c - a property on every file of its corpus: replay FOLDER.
 *
 * Each file is a case of its own in what is printed (TAP). A property that does not hold aborts, so
 * that the list ends before its time; standard error says at which file.
 */
#include "properties.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* As large as the file and no larger, so that a sanitizer sees every step outside. */
static uint8_t *file_read(const char *path, size_t *ret_size)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0)
        return NULL;
    long size = ftell(file);
    rewind(file);
    uint8_t *data = malloc(size ? (size_t)size : 1);
    if (data && fread(data, 1, (size_t)size, file) != (size_t)size) {
        free(data);
        data = NULL;
    }
    fclose(file);
    *ret_size = (size_t)size;
    return data;
}

/* Returns what the property says of the file, or -1. */
static int replay(const char *folder, const char *name)
{
    char path[PATH_MAX];
    size_t size;
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    uint8_t *data = file_read(path, &size);
    if (!data)
        return -1;
    fprintf(stderr, "%s\n", path);
    int found = PROPERTY(data, size);
    free(data);
    return found;
}

int main(int argc, char **argv)
{
    struct dirent **entries;
    int count = argc == 2 ? scandir(argv[1], &entries, is_visible, alphasort) : -1;
    int failed = 0, found = 0;
    if (count < 0) {
        fprintf(stderr, "usage: replay FOLDER\n");
        return EXIT_FAILURE;
    }
    printf("1..%d\n", count + 1);
    for (int i = 0; i < count; i++) {
        int r = replay(argv[1], entries[i]->d_name);
        printf("%s %d - %s\n", r < 0 ? "not ok" : "ok", i + 1, entries[i]->d_name);
        fflush(stdout);
        failed += r < 0;
        found += r > 0;
        free(entries[i]);
    }
    free(entries);
    printf(
        "%s %d - files that the property says something of\n", found ? "ok" : "not ok", count + 1);
    return failed || !found ? EXIT_FAILURE : EXIT_SUCCESS;
}
