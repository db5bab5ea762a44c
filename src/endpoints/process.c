/* process.c - what /proc tells of one process. */
#include "endpoints/process.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "base/proc.h"
#include "wire/cgroup.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>

int process_read_stat(int folder, struct process *process)
{
    struct proc_stat stat;
    int code = proc_stat_read(folder, &stat);

    if (code < 0)
        return code;
    static_assert(sizeof(process->name) == sizeof(stat.name), "a name is copied whole");
    memcpy(process->name, stat.name, sizeof(process->name));
    process->is_kernels = stat.is_kernels;
    process->shown.name = process->name;
    process->shown.state = stat.state;
    process->shown.parent = stat.parent;
    process->shown.start_ticks = stat.start_ticks;
    return 0;
}

static size_t hexadecimal_length(const char *text)
{
    size_t length = 0;
    while (isxdigit((unsigned char)text[length]))
        length++;
    return length;
}

/* What watches over a container (conmon) bears its number, and is not in it. */
static bool is_watcher(const char *path, const char *number)
{
    static const char word[] = "conmon-";
    size_t size = sizeof(word) - 1;
    return (size_t)(number - path) >= size && memcmp(number - size, word, size) == 0;
}

/* The name behind one of these beginnings of a component, which ends with it or with its suffix. */
static const char *container_name(const char *path, size_t *ret_length)
{
    static const struct {
        const char *start, *suffix;
    } forms[] = { { "/lxc.payload.", "" }, { "/lxc/", "" }, { "/machine.slice/machine-", ".scope" },
        { "/machine.slice/systemd-nspawn@", ".service" } };

    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        const char *at = strstr(path, forms[i].start);
        if (!at)
            continue;
        const char *name = at + strlen(forms[i].start);
        size_t length = strcspn(name, "/"), suffix = strlen(forms[i].suffix);
        if (length > suffix && memcmp(name + length - suffix, forms[i].suffix, suffix) == 0)
            length -= suffix;
        *ret_length = length;
        return length ? name : NULL;
    }
    return NULL;
}

const char *cgroup_container(const char *path, size_t *ret_length)
{
    const char *found = NULL;

    /* Most name it by 64 hexadecimal digits; the innermost counts. */
    for (const char *at = path; *at; at++) {
        size_t length = hexadecimal_length(at);
        if (length == 64 && !is_watcher(path, at)) {
            found = at;
            *ret_length = length;
        }
        at += length ? length - 1 : 0;
    }
    return found ? found : container_name(path, ret_length);
}

static void details_clear(struct process *process)
{
    free((char *)process->shown.cgroup);
    free((char *)process->shown.unit);
    free((char *)process->shown.container);
    free((char *)process->shown.executable);
    process->shown.cgroup = process->shown.unit = NULL;
    process->shown.container = process->shown.executable = NULL;
}

int process_read_details(int folder, struct process *process)
{
    struct ferry_process *shown = &process->shown;
    AUTO_FREE char *text = malloc(PROC_FILE_SIZE_MAX);
    size_t length;

    if (!text)
        return -ENOMEM;
    details_clear(process);
    if (proc_read(folder, "status", text, PROC_FILE_SIZE_MAX) > 0) {
        shown->uid = proc_status_id(text, "\nUid:");
        shown->gid = proc_status_id(text, "\nGid:");
    }
    if (proc_read(folder, "cgroup", text, PROC_FILE_SIZE_MAX) > 0)
        shown->cgroup = cgroup_find(text);
    const char *unit = shown->cgroup ? cgroup_unit(shown->cgroup, &length) : NULL;
    if (unit)
        shown->unit = strndup(unit, length);
    const char *container = shown->cgroup ? cgroup_container(shown->cgroup, &length) : NULL;
    if (container)
        shown->container = strndup(container, length);
    shown->executable = proc_executable(folder);
    return 0;
}

void process_clear_descriptors(struct process *process)
{
    for (size_t i = 0; i < process->descriptor_count; i++)
        free(process->descriptors[i].name);
    process->descriptor_count = 0;
    if (process->descriptor_capacity == 0)
        process->descriptors = NULL;
}

void process_free(struct process *process)
{
    if (!process)
        return;
    details_clear(process);
    process_clear_descriptors(process);
    free(process->descriptors);
    free(process);
}
