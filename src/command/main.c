/* main.c - the program's entry; everything it does is in the table of verbs (verbs.c).
 *
 * Whoever started us may have closed a standard descriptor. The next that is opened would get its
 * number, and a child what is ours as its standard error: so the places are taken first. That of
 * standard output by what can't be written to, so that who does learns that it is closed.
 */
#include "command/command.h"

#include <fcntl.h>
#include <unistd.h>

static void stdio_complete(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            (void)open("/dev/null", fd == STDOUT_FILENO ? O_RDONLY : O_RDWR);
}

int main(int argc, char **argv)
{
    stdio_complete();
    return command_main(argc, argv);
}
