/* credentials.c - as whom something is sent, from the command line's words. */
#include "command/credentials.h"
#include "base/account.h"
#include "base/cleanup.h"
#include "base/error.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static const char expected[] = "expected self, or pid:NUMBER, uid:NUMBER, user:NAME, gid:NUMBER, "
                               "group:NAME with commas between";

static int pid_parse(const char *text, unsigned *ret_id)
{
    int r = account_parse(text, ret_id);
    return r == 0 && (*ret_id == 0 || *ret_id > INT32_MAX) ? -EINVAL : r;
}

/* A user's name brings its main group, as it does for `check --as`. */
static void main_group(const char *user, gid_t *gid)
{
    struct account account;
    if (account_read(user, &account) < 0)
        return;
    *gid = account.gid;
    account_fini(&account);
}

static int word_read(const char *word, struct ferry_credentials *credentials)
{
    const struct {
        const char *prefix;
        unsigned *id;
        int (*read)(const char *text, unsigned *ret_id);
    } kinds[] = {
        { "pid:", (unsigned *)&credentials->pid, pid_parse },
        { "uid:", &credentials->uid, account_parse },
        { "user:", &credentials->uid, user_find },
        { "gid:", &credentials->gid, account_parse },
        { "group:", &credentials->gid, group_find },
    };

    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        size_t length = strlen(kinds[i].prefix);
        if (strncmp(word, kinds[i].prefix, length) == 0)
            return kinds[i].read(word + length, kinds[i].id);
    }
    return -EINVAL;
}

int credentials_parse(
    const char *text, struct ferry_credentials *ret_credentials, struct ferry_error *error)
{
    struct ferry_credentials credentials = { getpid(), geteuid(), getegid() };
    AUTO_FREE char *copy = strdup(text);
    char *rest = copy;
    int r = copy ? 0 : -ENOMEM;

    if (r == 0 && strcmp(text, "self") == 0)
        rest = NULL;
    const char *user = NULL;
    bool group_said = false;
    for (char *word; r == 0 && (word = strsep(&rest, ","));) {
        r = word_read(word, &credentials);
        user = strncmp(word, "user:", 5) == 0 ? word + 5 : user;
        group_said |= word[0] == 'g';
        if (r == -ENOENT)
            return error_set(error, r, word, "see getent, or say uid:NUMBER, gid:NUMBER",
                "there is no such user or group");
        if (r == -EINVAL)
            return error_set(error, r, word, NULL, "%s", expected);
    }
    if (r < 0)
        return error_set_errno(error, r, text, NULL);
    if (user && !group_said)
        main_group(user, &credentials.gid);
    *ret_credentials = credentials;
    return 0;
}
