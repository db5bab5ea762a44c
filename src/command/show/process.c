/* process.c - one process as /proc tells it.
 *
 * The table of endpoints knows of processes that hold endpoints; ancestors need not hold any, and a
 * process that is asked about need not either.
 */
#include "command/show/process.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "command/limits.h"
#include "command/view/proc.h"
#include "wire/cgroup.h"

#include <string.h>
#include <time.h>

static void read_ids(int folder, struct process_facts *facts)
{
    char text[PROC_FILE_SIZE_MAX];

    facts->uid = facts->gid = (unsigned)-1;
    if (proc_read(folder, "status", text, sizeof(text)) <= 0)
        return;
    facts->uid = proc_status_id(text, "\nUid:");
    facts->gid = proc_status_id(text, "\nGid:");
}

static void read_cgroup(int folder, struct process_facts *facts)
{
    char text[PROC_FILE_SIZE_MAX];
    size_t length;

    if (proc_read(folder, "cgroup", text, sizeof(text)) <= 0)
        return;
    facts->cgroup = cgroup_find(text);
    const char *unit = facts->cgroup ? cgroup_unit(facts->cgroup, &length) : NULL;
    facts->unit = unit ? strndup(unit, length) : NULL;
}

/* Arguments end with a NUL each; a process may have written anything there. */
static char *read_command(int folder)
{
    char text[PROC_FILE_SIZE_MAX];
    ssize_t length = proc_read(folder, "cmdline", text, sizeof(text));

    while (length > 0 && text[length - 1] == '\0')
        length--;
    if (length <= 0)
        return NULL;
    for (ssize_t i = 0; i < length; i++)
        text[i] = text[i] ? text[i] : ' ';
    return strndup(text, (size_t)length);
}

static void read_limits(int folder, struct process_facts *facts)
{
    uint64_t soft, hard;

    facts->descriptors_soft = facts->descriptors_hard = -1;
    if (!proc_limit(folder, "Max open files", &soft, &hard))
        return;
    facts->descriptors_soft = soft < INT64_MAX ? (int64_t)soft : INT64_MAX;
    facts->descriptors_hard = hard < INT64_MAX ? (int64_t)hard : INT64_MAX;
}

int process_facts_read(pid_t pid, struct process_facts *ret_facts)
{
    AUTO_FD int folder = proc_open(pid);
    struct process_facts facts = { .pid = pid };

    if (proc_stat_read(folder, &facts.stat) < 0)
        return -ESRCH;
    read_ids(folder, &facts);
    read_cgroup(folder, &facts);
    facts.command = read_command(folder);
    facts.executable = proc_executable(folder);
    read_limits(folder, &facts);
    facts.descriptor_count = proc_descriptor_count(folder);
    *ret_facts = facts;
    return 0;
}

void process_facts_fini(struct process_facts *facts)
{
    free(facts->command);
    free(facts->executable);
    free(facts->cgroup);
    free(facts->unit);
}

const char *process_state_word(char state)
{
    static const struct {
        char letter;
        const char *word;
    } words[] = { { 'R', "running" }, { 'S', "sleeping" }, { 'D', "in uninterruptible sleep" },
        { 'T', "stopped by a signal" }, { 't', "stopped by a tracer" }, { 'Z', "a zombie" },
        { 'X', "dead" }, { 'I', "idle" }, { 'P', "parked" } };

    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (words[i].letter == state)
            return words[i].word;
    return "in an unknown state";
}

/* Processes count from boot, time in suspend included. */
int64_t process_age_ms(uint64_t start_ticks)
{
    struct timespec now;
    long ticks_s = sysconf(_SC_CLK_TCK);

    clock_gettime(CLOCK_BOOTTIME, &now);
    int64_t age_ms = now.tv_sec * INT64_C(1000) + now.tv_nsec / NS_PER_MS -
                     (int64_t)(start_ticks * 1000 / (uint64_t)ticks_s);
    return age_ms < 0 ? 0 : age_ms;
}

int64_t process_start_s(uint64_t start_ticks)
{
    return time(NULL) - process_age_ms(start_ticks) / 1000;
}

unsigned process_ancestors(pid_t pid, struct ancestor *ret_ancestors)
{
    struct proc_stat stat;
    unsigned count = 0;

    for (pid_t at = pid; count < SHOW_ANCESTORS_MAX; at = stat.parent) {
        AUTO_FD int folder = proc_open(at);
        if (proc_stat_read(folder, &stat) < 0)
            break;
        if (at != pid) {
            ret_ancestors[count].pid = at;
            memcpy(ret_ancestors[count++].name, stat.name, sizeof(stat.name));
        }
        if (stat.parent <= 0)
            break;
    }
    return count;
}
