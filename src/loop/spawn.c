/* spawn.c - starting a program, by posix_spawn(3).
 *
 * posix_spawn because it is the one way that is safe in a process with threads and cheap in one
 * with much memory: glibc shares the memory until the exec, with all signals blocked, and hands
 * back the errno of a failed exec. "No other descriptors" is its closefrom action (close_range(2),
 * or /proc where that is missing), which runs after the wanted ones have their places.
 *
 * Moving descriptors: dup2 to 0, 1, 2, 3, ... in order would overwrite a source whose number is one
 * of the later targets. Such sources are first duplicated above all targets, here in the parent,
 * where running out of descriptors is an error that can be told.
 */
#include "loop/spawn.h"

#include "base/cleanup.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>

/* Name of NAME=VALUE, equal in both? */
static bool variable_same(const char *one, const char *other)
{
    size_t size = strcspn(one, "=");
    return strncmp(one, other, size) == 0 && other[size] == '=';
}

static bool variable_is_in(const char *variable, const char *const *variables)
{
    for (; *variables; variables++) {
        if (variable_same(*variables, variable))
            return true;
    }
    return false;
}

/* environ, with `variables` added and their namesakes left out. The array is the caller's, the
 * strings are not. */
static char **environment_new(const char *const *variables)
{
    static const char *const none[] = { NULL };
    variables = variables ? variables : none;
    size_t count = 0;
    for (char **variable = environ; *variable; variable++)
        count++;
    for (size_t i = 0; variables[i]; i++)
        count++;
    char **environment = calloc(count + 1, sizeof(*environment));
    if (!environment)
        return NULL;
    size_t used = 0;
    for (char **variable = environ; *variable; variable++) {
        if (!variable_is_in(*variable, variables))
            environment[used++] = *variable;
    }
    for (; *variables; variables++)
        environment[used++] = (char *)*variables;
    return environment;
}

struct placement {
    int *sources; /* index is the target; -1: /dev/null */
    bool *moved;  /* sources[i] is our own duplicate */
    size_t count;
};

static void placement_fini(struct placement *placement)
{
    for (size_t i = 0; placement->moved && i < placement->count; i++) {
        if (placement->moved[i])
            fd_close(&placement->sources[i]);
    }
    free(placement->sources);
    free(placement->moved);
}

static int placement_init(struct placement *placement, const struct spawn *spawn)
{
    size_t count = 3 + spawn->extra_count;
    placement->count = count;
    placement->sources = calloc(count, sizeof(*placement->sources));
    placement->moved = calloc(count, sizeof(*placement->moved));
    if (!placement->sources || !placement->moved)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        int source = i < 3 ? spawn->stdio[i] : spawn->extra[i - 3];
        bool moves = source >= 0 && (size_t)source < count && (size_t)source != i;
        placement->sources[i] = moves ? fcntl(source, F_DUPFD_CLOEXEC, (int)count) : source;
        if (moves && placement->sources[i] < 0)
            return -errno;
        placement->moved[i] = moves;
    }
    return 0;
}

static int actions_fill(posix_spawn_file_actions_t *actions, const struct placement *placement)
{
    int error = 0;
    for (size_t i = 0; i < placement->count && error == 0; i++) {
        int source = placement->sources[i], target = (int)i;
        /* dup2 to itself clears CLOEXEC here, as posix_spawn(3p) has it. */
        error = source < 0 ? posix_spawn_file_actions_addopen(
                                 actions, target, "/dev/null", target == 0 ? O_RDONLY : O_WRONLY, 0)
                           : posix_spawn_file_actions_adddup2(actions, source, target);
    }
    return error ? error : posix_spawn_file_actions_addclosefrom_np(actions, (int)placement->count);
}

static int attributes_fill(posix_spawnattr_t *attributes)
{
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    int error =
        posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    if (error == 0)
        error = posix_spawnattr_setsigdefault(attributes, &all);
    return error ? error : posix_spawnattr_setsigmask(attributes, &none);
}

static int program_start(
    const struct spawn *spawn, const struct placement *placement, pid_t *ret_pid)
{
    AUTO_FREE char **environment = environment_new(spawn->variables);
    if (!environment)
        return -ENOMEM;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    int error = actions_fill(&actions, placement);
    if (error == 0)
        error = attributes_fill(&attributes);
    if (error == 0)
        error = posix_spawnp(ret_pid, spawn->argv[0], &actions, &attributes,
            (char *const *)spawn->argv, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return -error;
}

int child_spawn(const struct spawn *spawn, struct child *ret_child)
{
    __attribute__((cleanup(placement_fini))) struct placement placement = { 0 };
    int r = placement_init(&placement, spawn);
    pid_t pid;
    if (r == 0)
        r = program_start(spawn, &placement, &pid);
    if (r < 0)
        return r;
    r = child_open(pid, ret_child);
    /* No descriptor for it: nobody could ever hold or reap it, so it must not live. The bare pid is
     * ours until it is reaped, which is here. */
    if (r < 0 && r != -ECHILD && kill(pid, SIGKILL) == 0)
        waitpid(pid, NULL, 0);
    return r;
}
