/* machine_memory.h - files in /dev/shm, and who has them. */
#ifndef FERRY_COMMAND_WHY_MACHINE_MEMORY_H
#define FERRY_COMMAND_WHY_MACHINE_MEMORY_H

#include "command/why/machine_checks.h"

struct shared_file {
    char *path;
    dev_t device;
    ino_t inode;
    uint64_t size; /* bytes of memory that it takes */
    uid_t uid;
    time_t changed;
    bool held; /* somebody has it open or mapped */
};

struct shared_files {
    struct shared_file *data; /* sorted by inode */
    size_t count, capacity;
    unsigned hidden; /* processes whose maps may not be read */
};

/* Finds them: none if /dev/shm is no tmpfs, whose numbers would not be those in maps.
 * Returns 0, -ENOMEM. */
int shared_files_find(struct machine *machine, struct shared_files *ret_files);
void shared_files_fini(struct shared_files *files);
/* Marks what a process has open or mapped.
 *   process  its folder in /proc */
void shared_files_mark(struct shared_files *files, int process);
/* One line of /proc/PID/maps. */
void shared_files_mark_line(struct shared_files *files, const char *line);
/* Says which nobody has. */
void shared_files_say(struct machine *machine, const struct shared_files *files);

#endif
