/* mutant.c - which mutant is in effect, and where to note those that were reached. Set before main,
 * thus before a sandbox or another user forbids it; a process that may not open the map notes
 * nothing. No descriptor stays open: tests count them. */
#include "mutant.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

unsigned ferry_mutant_chosen;
unsigned char *ferry_mutant_reached;

__attribute__((constructor(101))) static void choose(void)
{
    const char *number = getenv("MUTANT");
    const char *path = getenv("MUTANTS_REACHED");
    struct stat map;

    if (number)
        ferry_mutant_chosen = (unsigned)strtoul(number, NULL, 10);
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    if (fstat(fd, &map) == 0) {
        void *at = mmap(NULL, (size_t)map.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (at != MAP_FAILED)
            ferry_mutant_reached = at;
    }
    close(fd);
}
