/* demo.c - `ferry demo`: a built-in configuration, run in a private folder that goes away with it.
 *
 * Nothing outside the folder is touched, no right is needed, nothing has to be installed: what it
 * prints to try names real paths, and this very program as it was called.
 */
#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "command/argument.h"
#include "command/command.h"
#include "command/problems.h"
#include "command/run.h"
#include "service/service.h"

#include <argp.h>
#include <errno.h>
#include <ferry/listener.h>
#include <limits.h>
#include <string.h>

static const struct argp argp = {
    .doc =
        "Run a small configuration of ferry's own in a private directory, print what to try, and "
        "remove all of it at the end (Ctrl-C).\v"
        "EXAMPLES\n"
        "  ferry demo\n",
};

static const char configuration[] = "[route echo]\n"
                                    "listen = unix:echo.sock\n"
                                    "to = echo\n"
                                    "[route echo-tcp]\n"
                                    "listen = tcp:127.0.0.1:0\n"
                                    "to = echo\n"
                                    "[route echo-datagram]\n"
                                    "listen = unix-dgram:echo-datagram.sock\n"
                                    "to = echo\n"
                                    "[route clock]\n"
                                    "listen = unix:clock.sock\n"
                                    "to = clock\n"
                                    "[route clock-tcp]\n"
                                    "listen = tcp:127.0.0.1:0\n"
                                    "to = clock\n"
                                    "[route guarded]\n"
                                    "listen = unix:guarded.sock,mode=0666\n"
                                    "deny = user:nobody\n"
                                    "allow = any\n"
                                    "to = unix:echo.sock\n"
                                    "[route sort]\n"
                                    "listen = unix:sort.sock\n"
                                    "to = exec:sort -u\n"
                                    "[route file]\n"
                                    "listen = unix:file.sock\n"
                                    "to = file:hello.txt\n"
                                    "[route control]\n"
                                    "listen = unix:control.sock\n"
                                    "to = control\n";

static const char hello[] = "Hello from a file, carried by sendfile(2).\n";

/* What the folder may hold at the end: the routes remove their sockets themselves. */
static const char hello_name[] = "hello.txt";

static int folder_make(char **ret_folder, struct ferry_error *error)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    bool usable = runtime && runtime[0] == '/' && access(runtime, W_OK | X_OK) == 0;
    char *folder;
    if (asprintf(&folder, "%s/ferry-demo-XXXXXX", usable ? runtime : "/tmp") < 0)
        return error_set_errno(error, -ENOMEM, "directory", NULL);
    if (!mkdtemp(folder)) {
        int code = error_set_errno(error, -errno, folder, NULL);
        free(folder);
        return code;
    }
    *ret_folder = folder;
    return 0;
}

static int hello_write(const char *folder)
{
    AUTO_FREE char *path = NULL;
    if (asprintf(&path, "%s/%s", folder, hello_name) < 0) {
        path = NULL;
        return -ENOMEM;
    }
    AUTO_FILE FILE *file = fopen(path, "wxe");
    if (!file)
        return -errno;
    return fputs(hello, file) < 0 || fflush(file) != 0 ? -EIO : 0;
}

static void folder_remove(const char *folder)
{
    AUTO_FREE char *path = NULL;
    if (asprintf(&path, "%s/%s", folder, hello_name) < 0)
        path = NULL;
    if (path)
        (void)unlink(path);
    (void)rmdir(folder);
}

/* The address that a route of the demo really listens on. */
static const char *route_address(const struct run *run, const char *name)
{
    const struct list *node;
    list_each (node, &run->registry.routes) {
        const struct route *route = LIST_ENTRY(node, struct route, node);
        if (strcmp(route->settings->name, name) == 0)
            return ferry_address_text(ferry_listener_address(route->listener));
    }
    return "";
}

/* "tcp:127.0.0.1:40123" gives "127.0.0.1 40123" for netcat. */
static void netcat_print(const char *address, char *text, size_t size)
{
    const char *host = strchr(address, ':');
    snprintf(text, size, "%s", host ? host + 1 : address);
    char *colon = strrchr(text, ':');
    if (colon)
        *colon = ' ';
}

/* How to call this program from any folder. */
static void program_find(char program[PATH_MAX])
{
    const char *called = command_program();
    if (!strchr(called, '/') || !realpath(called, program))
        snprintf(program, PATH_MAX, "%s", called);
}

static void demo_tell(const struct run *run, const char *folder)
{
    char me[PATH_MAX], echo[64], clock[64];
    program_find(me);
    netcat_print(route_address(run, "echo-tcp"), echo, sizeof(echo));
    netcat_print(route_address(run, "clock-tcp"), clock, sizeof(clock));
    printf("ferry demo runs in %s; everything in it goes away with it (Ctrl-C).\n"
           "Try, in another terminal:\n\n",
        folder);
    printf("  # an echo, by ferry itself, by socat through a guarded relay, by netcat over TCP\n"
           "  echo hello | %s connect unix:%s/echo.sock\n"
           "  echo hello | socat - UNIX-CONNECT:%s/guarded.sock\n"
           "  echo hello | nc -N %s\n",
        me, folder, folder, echo);
    printf("  # the time; a file; a command behind a socket; a datagram\n"
           "  nc -d %s\n"
           "  socat -u UNIX-CONNECT:%s/file.sock -\n"
           "  printf 'b\\na\\nb\\n' | %s connect unix:%s/sort.sock\n"
           "  echo hello | %s connect unix-dgram:%s/echo-datagram.sock\n",
        clock, folder, me, folder, me, folder);
    printf("  # an open file passed to another process, and who is connected\n"
           "  (sleep 1; %s pass unix:%s/take.sock /etc/hostname) & %s take unix:%s/take.sock\n"
           "  %s status -s %s/control.sock\n\n",
        me, folder, me, folder, me, folder);
    fflush(stdout);
}

static int demo_start(struct run *run, const char *folder, struct ferry_error *error)
{
    struct settings *settings;
    int code = hello_write(folder);
    if (code == 0)
        code = settings_load_text("demo", configuration, folder, services_all, &settings);
    if (code < 0)
        return error_set_errno(error, code, folder, NULL);
    if (problems_print(settings, stderr) > 0)
        code = error_set(error, -EINVAL, "demo", NULL, "the built-in configuration has problems");
    else
        code = run_start(run, settings, error);
    settings_free(settings);
    return code;
}

static int demo_run(const char *folder)
{
    struct run run;
    struct ferry_error error = { 0 };
    int code = run_init(&run, "demo", LOG_TEXT, &error);
    if (code == 0)
        code = demo_start(&run, folder, &error);
    if (code == 0)
        demo_tell(&run, folder);
    int status = code < 0 ? command_fail("demo", &error) : run_until_end(&run);
    run_fini(&run);
    return status;
}

int command_demo(int argc, char **argv)
{
    char *folder = NULL;
    struct ferry_error error = { 0 };
    if (argument_parse("demo", &argp, argc, argv, 0, NULL) != EXIT_DONE)
        return EXIT_FAILED;
    if (folder_make(&folder, &error) < 0)
        return command_fail("demo", &error);
    int status = demo_run(folder);
    folder_remove(folder);
    free(folder);
    return status;
}
