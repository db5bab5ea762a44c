/* machine.c - what /proc, /sys and uname(2) tell of the machine. */
#include "command/bench/machine.h"
#include "base/cleanup.h"
#include "base/machine.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

void machine_kernel_print(struct bytes *text)
{
    struct utsname name;

    if (uname(&name) == 0)
        bytes_print(text, "%s %s", name.sysname, name.release);
}

/* Whether /proc/cpuinfo has the line; what stands behind its colon, without the line's end. */
static bool cpuinfo_find(const char *key, char *value, size_t size)
{
    char line[4096];
    AUTO_FILE FILE *file = fopen("/proc/cpuinfo", "re");

    while (file && fgets(line, sizeof(line), file)) {
        const char *found = strstr(line, ": ");
        if (strncmp(line, key, strlen(key)) != 0 || !found)
            continue;
        snprintf(value, size, "%.*s", (int)strcspn(found + 2, "\n"), found + 2);
        return true;
    }
    return false;
}

void machine_processor_print(struct bytes *text)
{
    struct machine machine;

    machine_read(&machine);
    bytes_append_text(text, machine.processor);
}

void machine_cores_print(struct bytes *text)
{
    cpu_set_t cpus;
    long online = sysconf(_SC_NPROCESSORS_ONLN);

    bytes_print(text, "%ld", online);
    if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0 && CPU_COUNT(&cpus) != online)
        bytes_print(text, ", of which %d may be used", CPU_COUNT(&cpus));
}

void machine_memory_print(struct bytes *text)
{
    double pages = (double)sysconf(_SC_PHYS_PAGES), size = (double)sysconf(_SC_PAGESIZE);

    bytes_print(text, "%.1f GiB", pages * size / (double)(1 << 30));
}

/* The kernel's word for what runs it: /sys/hypervisor of Xen, or who made the board. */
static void hypervisor_print(struct bytes *text)
{
    static const char *const paths[] = { "/sys/hypervisor/type", "/sys/class/dmi/id/product_name" };
    char line[128];

    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        AUTO_FILE FILE *file = fopen(paths[i], "re");
        if (!file || !fgets(line, sizeof(line), file))
            continue;
        bytes_print(text, " (%.*s)", (int)strcspn(line, "\n"), line);
        return;
    }
}

void machine_virtual_print(struct bytes *text)
{
    char flags[4096];
    bool told = cpuinfo_find("flags", flags, sizeof(flags)) && strstr(flags, " hypervisor");

    if (!told && access("/sys/hypervisor/type", F_OK) < 0 &&
        access("/proc/device-tree/hypervisor", F_OK) < 0) {
        bytes_append_text(text, "no sign of it");
        return;
    }
    bytes_append_text(text, "yes");
    hypervisor_print(text);
}
