/* path.c - what a path leads to, and whether they may go there. */
#include "base/cleanup.h"
#include "command/quote.h"
#include "command/why/walk.h"
#include "command/why/why.h"

#include <string.h>

static void add_denied(struct why *why, const struct walk *walk)
{
    AUTO_BYTES struct bytes reason = BYTES_EMPTY, quoted = BYTES_EMPTY;

    who_print_why(&why->who, walk->denied, &walk->denied_status, &reason);
    shell_quote(&quoted, walk->denied);
    struct finding *finding = finding_add(&why->diagnosis, VERDICT_NO_SEARCH,
        "%s may not pass through the directory %s", why->who.words, walk->denied);
    finding_set_client(finding, "EACCES (Permission denied), whatever the socket's own mode is");
    finding_prove(finding, "%s: %s", walk->denied, reason.data ? reason.data : "");
    finding_set_remedy(finding, "chmod o+x %s   (or put them in its group, with chmod g+x)",
        quoted.data ? quoted.data : "");
}

static bool wants_fifo(const struct why *why)
{
    return why->target.kinds == 1u << FERRY_ENDPOINT_FIFO;
}

/* Of a socket its server makes the file; of a FIFO whoever first needs it. */
static void set_remedy_missing(const struct why *why, struct finding *finding)
{
    AUTO_BYTES struct bytes meant = BYTES_EMPTY, quoted = BYTES_EMPTY;

    shell_quote(&quoted, why->target.name);
    if (wants_fifo(why))
        finding_set_remedy(finding,
            "mkfifo %s   (or correct the path: `ferry ls --kind=fifo` lists those that are open)",
            quoted.data ? quoted.data : "");
    else if (view_target_print_meant(&why->target, &meant) && meant.data)
        finding_set_remedy(finding, "%s", meant.data);
    else
        finding_set_remedy(finding, "start its server, or correct the path: `ferry ls -x` lists "
                                    "what there is");
}

static void add_missing(struct why *why, const struct walk *walk)
{
    struct finding *finding;

    if (!walk->last) {
        finding = finding_add(&why->diagnosis, VERDICT_NO_PATH,
            "there is no such path: the directory %s is missing", walk->at);
        finding_set_remedy(finding, "start what makes that directory (RuntimeDirectory= of a unit, "
                                    "systemd-tmpfiles), or correct the path");
    } else {
        finding = finding_add(
            &why->diagnosis, VERDICT_NO_PATH, "there is no such path: nothing is at %s", walk->at);
        set_remedy_missing(why, finding);
    }
    finding_set_client(finding, "ENOENT (No such file or directory)");
    finding_prove(finding, "%s does not exist%s", walk->at,
        walk->through_link ? ", and a link leads there" : "");
}

static void add_blind(struct why *why, const struct walk *walk)
{
    struct finding *finding;

    switch (walk->outcome) {
    case WALK_NOT_DIRECTORY:
        finding = finding_add(&why->diagnosis, VERDICT_NO_PATH,
            "there is no such path: %s is no directory", walk->at);
        finding_set_client(finding, "ENOTDIR (Not a directory)");
        finding_set_remedy(finding, "correct the path");
        break;
    case WALK_LOOP:
        finding = finding_add(
            &why->diagnosis, VERDICT_NO_PATH, "the links at %s lead in a circle", walk->at);
        finding_set_client(finding, "ELOOP (Too many levels of symbolic links)");
        finding_set_remedy(finding, "see them with namei -l");
        break;
    case WALK_TOO_LONG:
        finding = finding_add(&why->diagnosis, VERDICT_NO_PATH, "the path is too long");
        finding_set_client(finding, "ENAMETOOLONG (File name too long)");
        finding_set_remedy(finding, "a unix socket's path has at most 107 bytes");
        break;
    default:
        if (walk->denied[0])
            return; /* that is said already */
        finding = finding_add(
            &why->diagnosis, VERDICT_NOT_SEEN, "what is in %s can't be seen from here", walk->at);
        finding_set_remedy(finding, "ask again as root");
        break;
    }
    finding_prove(finding, "the way ends at %s", walk->at);
}

static const char *type_words(mode_t mode)
{
    return S_ISREG(mode)   ? "a regular file"
           : S_ISDIR(mode) ? "a directory"
           : S_ISCHR(mode) ? "a character device"
                           : "a block device";
}

static void add_type(struct why *why, const struct walk *walk)
{
    bool fifo = wants_fifo(why);
    struct finding *finding = finding_add(&why->diagnosis, VERDICT_NOT_SOCKET, "%s is %s, no %s",
        walk->at, type_words(walk->status.st_mode), fifo ? "FIFO" : "socket");

    if (!fifo)
        finding_set_client(finding, "ECONNREFUSED (Connection refused)");
    else if (S_ISDIR(walk->status.st_mode))
        finding_set_client(finding, "open(2) to write: EISDIR (Is a directory)");
    else
        finding_set_client(finding, "open(2) succeeds, and no reader gets what is written");
    finding_prove(finding, "its mode is %04o, inode %llu", (unsigned)walk->status.st_mode & 07777,
        (unsigned long long)walk->status.st_ino);
    finding_set_remedy(finding, "correct the path: `ferry ls %s` lists what there is",
        fifo ? "--kind=fifo" : "-x");
}

/* A FIFO's address for a socket, or the other way round. */
static void add_kind(struct why *why, const struct walk *walk)
{
    bool fifo = S_ISFIFO(walk->status.st_mode);
    AUTO_BYTES struct bytes quoted = BYTES_EMPTY;

    shell_quote(&quoted, why->target.name);
    struct finding *finding = finding_add(&why->diagnosis, VERDICT_WRONG_TYPE,
        fifo ? "%s is a FIFO, no socket" : "%s is a socket, no FIFO", walk->at);
    finding_set_client(finding, fifo ? "connect(2): ECONNREFUSED (Connection refused)"
                                     : "open(2): ENXIO (No such device or address)");
    finding_prove(finding, "its mode is %04o", (unsigned)walk->status.st_mode & 07777);
    finding_set_remedy(finding, "ferry why %s%s", fifo ? "fifo:" : "unix:", quoted.data);
}

static void judge_file(struct why *why, const struct walk *walk)
{
    const unsigned fifo = 1u << FERRY_ENDPOINT_FIFO;
    bool is_fifo = S_ISFIFO(walk->status.st_mode), is_socket = S_ISSOCK(walk->status.st_mode);

    if (!is_fifo && !is_socket)
        add_type(why, walk);
    else if (!(why->target.kinds & (is_fifo ? fifo : FERRY_ENDPOINTS_UNIX)))
        add_kind(why, walk);
    else if (is_fifo)
        why_fifo(why, walk->at, &walk->status);
    else
        why_socket(why, walk->at, &walk->status);
}

void why_path(struct why *why)
{
    AUTO_FREE struct walk *walk = malloc(sizeof(*walk));

    if (!walk) {
        why->diagnosis.notes.failed = true;
        return;
    }
    walk_to(&why->who, why->target.name, walk);
    if (walk->denied[0])
        add_denied(why, walk);
    else if (walk->outcome == WALK_FOUND)
        diagnosis_check(
            &why->diagnosis, "path: %s may pass every directory to %s", why->who.words, walk->at);
    if (walk->outcome == WALK_FOUND)
        judge_file(why, walk);
    else if (walk->outcome != WALK_MISSING)
        add_blind(why, walk);
    else if (!why_orphans(why))
        add_missing(why, walk);
}
