/* verbs.c - the table of verbs, and what is said to who does not know them yet. */
#include "base/bytes.h"
#include "base/cleanup.h"
#include "command/command.h"
#include "command/nearest.h"
#include "command/output.h"

#include <argp.h>
#include <errno.h>
#include <ferry/ferry.h>
#include <stdio.h>
#include <string.h>

static const struct command commands[] = {
    { "up", "run all routes of a configuration", command_up },
    { "demo", "run the built-in configuration, and say what to try", command_demo },
    { "check", "read a configuration or addresses and say what is wrong", command_check },
    { "status", "routes and connections of a running ferry, both ends named", command_status },
    { "reload", "make a running ferry read its configuration again", command_reload },
    { "relay", "one route, now: from where it listens to where it leads", command_relay },
    { "connect", "connect standard input and output to an address", command_connect },
    { "replay", "send what a file holds to an address, message by message", command_replay },
    { "pass", "open files and pass their descriptors to another process", command_pass },
    { "take", "take descriptors: list them, or start a command with them", command_take },
    { "ping", "how far away addresses are, side by side", command_ping },
    { "bench", "how fast the ways between two processes are on this machine", command_bench },
#ifdef HAVE_ENDPOINTS
    { "ls", "every local socket, and the process at the other end", command_ls },
    { "top", "the same live: queues, rates, who waits, look after look", command_top },
    { "show", "one socket, process or descriptor in full, both ends", command_show },
    { "why", "why an address refuses or hangs; alone: what on this machine will bite",
        command_why },
#endif
};

static const char help_head[] =
    "ferry carries what crosses between processes on this machine: bytes, messages,\n"
    "descriptors, identity.\n"
    "\n"
    "Usage: ferry VERB [OPTION...] [ARGUMENT...]\n"
    "\n";

static const char help_examples[] =
    "\n"
    "Examples:\n"
    "  ferry demo                                   see it work; nothing is changed\n"
    "  ferry up -c /etc/ferry                       run what is configured there\n"
    "  ferry relay tcp:8080 unix:/run/app.sock --allow any\n"
    "                                               put a port before a socket\n"
    "  echo hello | ferry connect unix:/run/app.sock\n"
    "                                               what netcat does, whatever the address\n"
    "  ferry pass unix:/tmp/t.sock notes.txt        an open file for `ferry take "
    "unix:/tmp/t.sock`\n"
    "  ferry check --as user:alice -c ferry.conf    who would be admitted, and by which rule\n"
    "  ferry ping icmp:db tcp:db:5432 unix:/run/db.sock\n"
    "                                               how far away, side by side\n"
    "  ferry ls -x                                  every unix socket, and who is at the other "
    "end\n"
    "  ferry why /run/app.sock                      why it refuses, or does not answer\n"
    "\n"
    "Who may: --allow, --deny, --user of `ferry help relay`, or keys of ferry.conf(5).\n"
    "`ferry help VERB` tells more, with examples. Addresses: ferry-address(7); configuration:\n"
    "ferry.conf(5). Exit status: 0 done, 1 refused or failed, 2 wrong usage.\n";

static char program[256] = "ferry";
static const char *running = ""; /* the verb */

const char *command_program(void)
{
    return program;
}

static const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static int help_print(FILE *stream)
{
    fputs(help_head, stream);
    fputs("Verbs:\n", stream);
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        fprintf(stream, "  %-8s %s\n", commands[i].name, commands[i].help);
    fputs(help_examples, stream);
    return stream == stdout ? EXIT_DONE : EXIT_USAGE;
}

static int unknown_verb(const char *word)
{
    const char *names[COUNT_OF(commands) + 1] = { NULL };
    char shown[64];
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        names[i] = commands[i].name;
    const char *near = nearest_word(word, names);
    text_escape(word, strlen(word), shown, sizeof(shown));
    fprintf(stderr, "ferry: '%s' is no verb; %s%s%s\n", shown, near ? "did you mean 'ferry " : "",
        near ? near : "`ferry --help` lists them", near ? "'?" : "");
    return EXIT_USAGE;
}

/* The verb's argv[0] is what argp prints before messages and in the usage line. */
static int command_start(const struct command *command, int argc, char **argv)
{
    static char help[] = "--help";
    char name[32];
    running = command->name;
    snprintf(name, sizeof(name), "ferry %s", command->name);
    argv[0] = name;
    if (argc == 2 && strcmp(argv[1], "-h") == 0)
        argv[1] = help; /* argp(3) knows -? only */
    return command->run(argc, argv);
}

static bool asks_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "-?") == 0;
}

static int command_help(const char *word)
{
    if (asks_help(word) || strcmp(word, "help") == 0)
        return help_print(stdout);
    const struct command *command = command_find(word);
    char option[] = "--help";
    char *argv[] = { NULL, option, NULL };
    return command ? command_start(command, 2, argv) : unknown_verb(word);
}

int command_main(int argc, char **argv)
{
    argp_err_exit_status = EXIT_USAGE;
    if (output_begin(&running) < 0)
        return command_fail_errno(running, "memory", -ENOMEM);
    if (argc > 0)
        snprintf(program, sizeof(program), "%s", argv[0]);
    if (argc < 2)
        return help_print(stderr);
    const char *word = argv[1];
    if (asks_help(word))
        return help_print(stdout);
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
        printf("ferry %d.%d\n", FERRY_VERSION_MAJOR, FERRY_VERSION_MINOR);
        return EXIT_DONE;
    }
    if (strcmp(word, "help") == 0)
        return argc > 2 ? command_help(argv[2]) : help_print(stdout);
    const struct command *command = command_find(word);
    return command ? command_start(command, argc - 1, argv + 1) : unknown_verb(word);
}
