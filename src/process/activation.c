/* activation.c - descriptors that a service manager opened for us. */
#include "process/activation.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/number.h"
#include "process/limits.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

static void entries_free(struct activation_entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(entries[i].name);
    free(entries);
}

/* Names each entry with a word of `names`, which are parted by colons. Too few or too many words
 * mean that variables of two different senders are mixed: none of them can be believed. */
static int entries_name(struct activation_entry *entries, size_t count, char *names)
{
    bool named = names != NULL;
    for (size_t i = 0; i < count; i++) {
        const char *name = named ? strsep(&names, ":") : "unknown";
        if (!name)
            return -EINVAL;
        entries[i].name = strdup(name);
        if (!entries[i].name)
            return -ENOMEM;
    }
    return names ? -EINVAL : 0;
}

static int entries_take(
    size_t count, char *names, struct activation *ret_activation, struct ferry_error *error)
{
    struct activation_entry *entries = calloc(count, sizeof(*entries));
    if (!entries)
        return error_set_errno(error, -ENOMEM, "LISTEN_FDS", NULL);
    int r = entries_name(entries, count, names);
    if (r == -EINVAL)
        error_set(error, r, "LISTEN_FDNAMES", "unset it, or name every descriptor",
            "does not hold %zu names, one for each of LISTEN_FDS", count);
    else if (r < 0)
        error_set_errno(error, r, "LISTEN_FDNAMES", NULL);
    for (size_t i = 0; i < count && r == 0; i++) {
        entries[i].fd = LISTEN_FDS_START + (int)i;
        if (fcntl(entries[i].fd, F_SETFD, FD_CLOEXEC) < 0)
            r = error_set(error, -errno, "LISTEN_FDS", "start ferry through its socket unit",
                "descriptor %d was announced but is not open", entries[i].fd);
    }
    if (r < 0) {
        entries_free(entries, count);
        return r;
    }
    *ret_activation = (struct activation){ entries, count };
    return 0;
}

int activation_take(struct activation *ret_activation, struct ferry_error *error)
{
    static const char *const variables[] = { "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES",
        "LISTEN_PIDFDID" };
    char *copies[3] = { NULL };
    int64_t pid = 0, count = 0;
    int r = 0;

    for (size_t i = 0; i < COUNT_OF(copies) && r == 0; i++) {
        const char *value = getenv(variables[i]);
        copies[i] = value ? strdup(value) : NULL;
        if (value && !copies[i])
            r = error_set_errno(error, -ENOMEM, variables[i], NULL);
    }
    for (size_t i = 0; i < COUNT_OF(variables); i++)
        unsetenv(variables[i]);

    if (r == 0 && copies[0] && copies[1])
        pid = number_parse(copies[0], 10, INT_MAX);
    if (pid < 0 || pid == getpid())
        count = number_parse(copies[1], 10, ACTIVATION_MAX);
    if (pid < 0 || count < 0)
        r = error_set(error, -EINVAL, pid < 0 ? "LISTEN_PID" : "LISTEN_FDS", NULL,
            "expected a number, found \"%s\"", pid < 0 ? copies[0] : copies[1]);
    if (r == 0 && count)
        r = entries_take((size_t)count, copies[2], ret_activation, error);
    else if (r == 0)
        *ret_activation = (struct activation){ NULL, 0 };
    for (size_t i = 0; i < COUNT_OF(copies); i++)
        free(copies[i]);
    return r;
}

int activation_claim(struct activation *activation, const char *name)
{
    int64_t number = number_parse(name, 10, INT_MAX);
    for (size_t i = 0; i < activation->count; i++) {
        struct activation_entry *entry = &activation->entries[i];
        bool wanted = strcmp(entry->name, name) == 0 || entry->fd == number;
        if (entry->fd >= 0 && wanted)
            return fd_take(&entry->fd);
    }
    return -1;
}

void activation_close(
    struct activation *activation, void (*report)(const char *name, int fd, void *data), void *data)
{
    for (size_t i = 0; i < activation->count; i++) {
        struct activation_entry *entry = &activation->entries[i];
        if (entry->fd >= 0 && report)
            report(entry->name, entry->fd, data);
        fd_close(&entry->fd);
    }
    entries_free(activation->entries, activation->count);
    *activation = (struct activation){ NULL, 0 };
}
