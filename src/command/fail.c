/* fail.c - failures said on stderr, one line each. */
#include "base/error.h"
#include "command/command.h"
#include "command/output.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int command_fail(const char *verb, const struct ferry_error *error)
{
    char line[sizeof(struct ferry_error) + 8];
    ferry_error_format(error, line, sizeof(line));
    fprintf(stderr, "ferry%s%s: %s\n", *verb ? " " : "", verb, line);
    if (output_failed())
        output_told();
    return EXIT_FAILED;
}

int command_fail_errno(const char *verb, const char *thing, int code)
{
    struct ferry_error error;
    error_set_errno(&error, code, thing, NULL);
    return command_fail(verb, &error);
}

int command_fail_path(const char *verb, const char *path, int code)
{
    struct ferry_error error;
    error_set_path(&error, code, path);
    return command_fail(verb, &error);
}

const char command_both_auto[] = "use auto: at both ends, or unix-seq: at both";

int command_set_error(struct ferry_error *error, int code, const char *address)
{
    if (code == -EPROTO && strncmp(address, "auto:", 5) == 0)
        return error_set(error, code, address, command_both_auto, "the peer is no auto: peer");
    return error_set_errno(error, code, address, NULL);
}
