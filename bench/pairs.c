/* pairs.c - many connected unix sockets, to be looked at.
 *
 *     bench-pairs PAIRS PROCESSES
 *
 * Holds that many socket pairs, shared out over that many processes, says "ready" on standard
 * output, and ends with its standard input, its processes with it.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* Never returns. */
static void hold(int pairs, int ready)
{
    int ends[2];

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int i = 0; i < pairs; i++)
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
            _exit(1);
    if (write(ready, "x", 1) != 1)
        _exit(1);
    for (;;)
        pause();
}

int main(int argc, char **argv)
{
    int pairs = argc == 3 ? atoi(argv[1]) : 0, processes = argc == 3 ? atoi(argv[2]) : 0;
    struct rlimit limit;
    int ready[2];
    char byte;

    if (pairs < 1 || processes < 1 || pairs % processes)
        return fprintf(stderr, "usage: bench-pairs PAIRS PROCESSES (a divisor)\n"), 2;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0 || pipe(ready) < 0)
        return perror("bench-pairs"), 1;
    for (int i = 0; i < processes; i++) {
        pid_t pid = fork();
        if (pid < 0)
            return perror("bench-pairs: fork"), 1;
        if (pid == 0)
            hold(pairs / processes, ready[1]);
    }
    close(ready[1]);
    for (int i = 0; i < processes; i++)
        if (read(ready[0], &byte, 1) != 1)
            return fprintf(stderr, "bench-pairs: a process ended\n"), 1;
    puts("ready");
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
    return 0;
}
