/* machine_search.h - looks for files of one type in the usual places, without ever being held up.
 *
 * A dead network file system, or one that a user serves (FUSE), can hold up whoever only opens its
 * root. So which file systems are mounted where is read first (/proc/self/mountinfo, which touches
 * none), a folder is opened only by a way that crosses neither a mount nor a symbolic link
 * (openat2(2)), and each local file system below a place is searched as a place of its own.
 */
#ifndef FERRY_COMMAND_WHY_MACHINE_SEARCH_H
#define FERRY_COMMAND_WHY_MACHINE_SEARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct mount {
    char *point;
    bool local; /* it answers at once, whoever is dead */
};

struct seen_folder {
    dev_t device;
    ino_t inode;
};

struct machine_search {
    unsigned char type; /* DT_SOCK, DT_REG: what is looked for */
    /* Called for each: folder is open, `path` is its path, `name` the file's in it. */
    void (*found)(void *data, int folder, const char *path, const char *name);
    void *data;

    struct mount *mounts;
    size_t mount_count, mount_capacity;
    struct seen_folder *seen; /* each folder once */
    size_t seen_count, seen_capacity;
    uint64_t entries; /* so far */
    unsigned denied;  /* folders that we may not read */
    bool cut;         /* a limit was reached */
};

/* Reads what is mounted. Returns 0, -errno. */
int search_init(struct machine_search *search);
void search_fini(struct machine_search *search);
/* Looks in a folder, and `depth` levels below it. What is not there is skipped.
 * Returns 0, -ENOMEM. */
int search_place(struct machine_search *search, const char *place, unsigned depth);

#endif
