/* machine.c - what this machine is. */
#include "base/machine.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "base/proc.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

/* Of the first processor: the kernel makes no more of the text than is read. */
static bool processor_read(char *name, size_t size)
{
    static const char key[] = "model name";
    char text[MACHINE_PROCESSOR_TEXT];

    if (proc_read(AT_FDCWD, "/proc/cpuinfo", text, sizeof(text)) < 0)
        return false;
    const char *line = strstr(text, key);
    const char *value = line ? strstr(line, ": ") : NULL;
    if (!value)
        return false;
    text_escape(value + 2, strcspn(value + 2, "\n"), name, size);
    return true;
}

void machine_read(struct machine *ret_machine)
{
    struct utsname name;
    long processors = sysconf(_SC_NPROCESSORS_CONF);

    memset(ret_machine, 0, sizeof(*ret_machine));
    if (uname(&name) < 0) {
        strcpy(name.release, "unknown");
        strcpy(name.machine, "unknown");
    }
    snprintf(ret_machine->kernel, sizeof(ret_machine->kernel), "%s", name.release);
    if (!processor_read(ret_machine->processor, sizeof(ret_machine->processor)))
        snprintf(ret_machine->processor, sizeof(ret_machine->processor), "%.64s", name.machine);
    ret_machine->processors = processors > 0 ? (unsigned)processors : 0;
}

bool machine_equal(const struct machine *one, const struct machine *other)
{
    return strcmp(one->kernel, other->kernel) == 0 &&
           strcmp(one->processor, other->processor) == 0 && one->processors == other->processors;
}

bool machine_is_single(void)
{
    cpu_set_t cpus;
    return sched_getaffinity(0, sizeof(cpus), &cpus) == 0 && CPU_COUNT(&cpus) == 1;
}
