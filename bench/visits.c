/* visits.c - clients whose exchanges are counted.
 *
 *     bench-visits visit TARGET COUNT CLIENTS
 *         each connects, has 64 bytes echoed, closes: COUNT times in all; prints ns
 *     bench-visits exchange TARGET COUNT
 *         the same over one connection, after a tenth that does not count; prints the median and
 *         the 99th of 100 in ns
 *     bench-visits hold TARGET COUNT
 *         connections that say nothing: prints "ready", and keeps them until its standard input
 *         ends
 *     bench-visits first TARGET REQUEST CORE COMMAND...
 *         starts the command on the core and sends REQUEST until something answers; prints the ns
 *         that it took, and ends the command
 */
#include "ends.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

enum { SIZE = 64 };

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void exchange(int fd)
{
    char bytes[SIZE] = "is anybody there?";

    if (write(fd, bytes, SIZE) != SIZE)
        fail("write");
    for (ssize_t got = 0, size; got < SIZE; got += size)
        if ((size = read(fd, bytes, SIZE)) <= 0)
            fail("read");
}

static void visit(const char *target, long count)
{
    for (long i = 0; i < count; i++) {
        int fd = place_connect(target);
        exchange(fd);
        close(fd);
    }
}

static void visits(const char *target, long count, int clients)
{
    uint64_t began_ns = now_ns();

    for (int i = 0; i < clients; i++) {
        if (fork() == 0) {
            visit(target, count / clients);
            _exit(0);
        }
    }
    for (int i = 0, status; i < clients; i++)
        if (wait(&status) < 0 || status != 0)
            exit(1);
    printf("%llu\n", (unsigned long long)(now_ns() - began_ns));
}

static int compare(const void *one, const void *other)
{
    uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;
    return (a > b) - (a < b);
}

static void exchanges(const char *target, long count)
{
    int fd = place_connect(target);
    uint64_t *took = calloc((size_t)count, sizeof(*took));

    for (long i = -count / 10; i < count; i++) {
        uint64_t began_ns = now_ns();
        exchange(fd);
        if (i >= 0)
            took[i] = now_ns() - began_ns;
    }
    qsort(took, (size_t)count, sizeof(*took), compare);
    printf("%llu %llu\n", (unsigned long long)took[count / 2],
        (unsigned long long)took[count * 99 / 100]);
    free(took);
}

static void hold(const char *target, long count)
{
    struct rlimit limit;
    char byte;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    for (long i = 0; i < count; i++)
        exchange(place_connect(target));
    puts("ready");
    fflush(stdout);
    while (read(0, &byte, 1) > 0)
        ;
}

/* As a service manager starts it: by vfork(2), so that our own pages cost nothing. */
static pid_t start(const char *core, char **command)
{
    cpu_set_t cores, kept;
    pid_t pid;

    sched_getaffinity(0, sizeof(kept), &kept);
    CPU_ZERO(&cores);
    CPU_SET((size_t)atoi(core), &cores);
    sched_setaffinity(0, sizeof(cores), &cores);
    if (posix_spawnp(&pid, command[0], NULL, NULL, command, environ) != 0)
        fail(command[0]);
    sched_setaffinity(0, sizeof(kept), &kept);
    return pid;
}

/* Whoever does not listen yet is tried again at once: it is his start that is measured. */
static int connect_soon(const char *target)
{
    union place place;
    socklen_t size = place_parse(target, &place);

    for (;;) {
        int fd = socket(place.any.sa_family, SOCK_STREAM, 0);
        if (connect(fd, &place.any, size) == 0)
            return fd;
        if (errno != ENOENT && errno != ECONNREFUSED)
            fail(target);
        close(fd);
        nanosleep(&(struct timespec){ .tv_nsec = 50000 }, NULL);
    }
}

static void first(const char *target, const char *request, const char *core, char **command)
{
    char byte;
    uint64_t began_ns = now_ns();
    pid_t pid = start(core, command);
    int fd = connect_soon(target);

    if (write(fd, request, strlen(request)) < 0 || read(fd, &byte, 1) != 1)
        fail(target);
    printf("%llu\n", (unsigned long long)(now_ns() - began_ns));
    close(fd); /* or it might be waited for */
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
}

int main(int argc, char **argv)
{
    const char *what = argc > 2 ? argv[1] : "";
    long count = argc > 3 ? atol(argv[3]) : 0;

    if (strcmp(what, "visit") == 0 && argc == 5)
        visits(argv[2], count, atoi(argv[4]));
    else if (strcmp(what, "exchange") == 0 && count > 0)
        exchanges(argv[2], count);
    else if (strcmp(what, "hold") == 0)
        hold(argv[2], count);
    else if (strcmp(what, "first") == 0 && argc > 5)
        first(argv[2], argv[3], argv[4], argv + 5);
    else {
        fputs("usage: bench-visits visit|exchange|hold|first TARGET ...\n", stderr);
        return 2;
    }
    return 0;
}
