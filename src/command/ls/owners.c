/* owners.c - who holds an endpoint, from one look to the next.
 *
 * A table walks again through those processes only that have another number of descriptors than
 * before. One that closed a descriptor and opened another meanwhile is found out later, and by each
 * of two tables at its own time. So where two rows differ, the processes themselves are asked: else
 * one such change would be told at every look.
 */
#include "command/ls/owners.h"

#include <stdio.h>
#include <sys/stat.h>

static bool is_same_process(const struct ferry_process *one, const struct ferry_process *other)
{
    return one->pid == other->pid && one->start_ticks == other->start_ticks;
}

/* The next owner that is another process; lists are by pid. */
static unsigned next_process(const struct ferry_endpoint *endpoint, unsigned i)
{
    const struct ferry_process *process = endpoint->owners[i].process;

    while (i < endpoint->owner_count && endpoint->owners[i].process == process)
        i++;
    return i;
}

bool ls_owners_same(const struct ferry_endpoint *one, const struct ferry_endpoint *other)
{
    unsigned i = 0, j = 0;

    while (i < one->owner_count && j < other->owner_count) {
        if (!is_same_process(one->owners[i].process, other->owners[j].process))
            return false;
        i = next_process(one, i);
        j = next_process(other, j);
    }
    return i == one->owner_count && j == other->owner_count;
}

/* Sums of these do not depend on the order. */
static uint64_t process_number(const struct ferry_process *process)
{
    uint64_t number = (uint64_t)process->pid << 40 ^ process->start_ticks;

    number = (number ^ number >> 31) * UINT64_C(0x9e3779b97f4a7c15);
    return number ^ number >> 29;
}

uint64_t ls_owners_sum(const struct ferry_endpoint *endpoint)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < endpoint->owner_count; i = next_process(endpoint, i))
        sum += process_number(endpoint->owners[i].process);
    return sum;
}

static bool holds_now(const struct ferry_endpoint *endpoint, const struct ferry_owner *owner)
{
    struct stat status;
    char path[48];

    snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)owner->process->pid, owner->fd);
    return stat(path, &status) == 0 && status.st_ino == endpoint->inode &&
           (!endpoint->device || status.st_dev == endpoint->device);
}

/* By any of its descriptors, from the i-th on. */
static bool process_holds_now(const struct ferry_endpoint *endpoint, unsigned i)
{
    for (unsigned end = next_process(endpoint, i); i < end; i++)
        if (holds_now(endpoint, &endpoint->owners[i]))
            return true;
    return false;
}

static bool names(const struct ferry_endpoint *endpoint, const struct ferry_process *process)
{
    for (unsigned i = 0; i < endpoint->owner_count; i = next_process(endpoint, i))
        if (is_same_process(endpoint->owners[i].process, process))
            return true;
    return false;
}

uint64_t ls_owners_ask(const struct ferry_endpoint *now, const struct ferry_endpoint *before)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < now->owner_count; i = next_process(now, i))
        if (process_holds_now(now, i))
            sum += process_number(now->owners[i].process);
    for (unsigned i = 0; i < before->owner_count; i = next_process(before, i))
        if (!names(now, before->owners[i].process) && process_holds_now(before, i))
            sum += process_number(before->owners[i].process);
    return sum;
}
