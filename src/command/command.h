/* command.h - the verbs of ferry: one file a verb, one table of verbs.
 *
 * A verb gets argv with its own name first ("ferry up"), parses its options with argp(3), and
 * returns the exit status: 0 done, 1 refused / none / failed, 2 usage. Failures are one line on
 * stderr: "ferry VERB: thing: reason; remedy".
 */
#ifndef FERRY_COMMAND_COMMAND_H
#define FERRY_COMMAND_COMMAND_H

#include <ferry/error.h>

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct command {
    const char *name;
    const char *help; /* one line for `ferry --help` */
    int (*run)(int argc, char **argv);
};

int command_up(int argc, char **argv);
int command_demo(int argc, char **argv);
int command_check(int argc, char **argv);
int command_status(int argc, char **argv);
int command_reload(int argc, char **argv);
int command_relay(int argc, char **argv);
int command_connect(int argc, char **argv);
int command_replay(int argc, char **argv);
int command_pass(int argc, char **argv);
int command_take(int argc, char **argv);
int command_ping(int argc, char **argv);
int command_bench(int argc, char **argv);
int command_ls(int argc, char **argv);
int command_show(int argc, char **argv);
int command_why(int argc, char **argv);
int command_top(int argc, char **argv);

/* Finds the verb and runs it: all of main(). */
int command_main(int argc, char **argv);
/* How this program was called, for texts that tell what to type next. */
const char *command_program(void);

/* Says a failure on stderr and returns EXIT_FAILED.
 *   verb  "": there is none yet */
int command_fail(const char *verb, const struct ferry_error *error);
/* The same for a failure without more words than its errno. */
int command_fail_errno(const char *verb, const char *thing, int code);
/* The same of a path that somebody named: error_set_path(). */
int command_fail_path(const char *verb, const char *path, int code);
/* error_set_errno() for what failed with a channel of that address. */
int command_set_error(struct ferry_error *error, int code, const char *address);
/* The remedy where an auto: channel has met something else. */
extern const char command_both_auto[];

#endif
