/* ask.h - asking a running ferry through its control socket. */
#ifndef FERRY_COMMAND_ASK_H
#define FERRY_COMMAND_ASK_H

#include "base/bytes.h"

#include <ferry/endpoints.h>
#include <ferry/ferry.h>
#include <jansson.h>

/* The address of the control socket that `up` makes unless it is told otherwise: in the runtime
 * directory. free() it. */
int ask_default_address(char **ret_address, struct ferry_error *error);

/* What came of a question. */
enum ask_outcome { ASK_DONE, ASK_REFUSED };

/* Asks one question and waits for its reply.
 *   control    an address, or a path; NULL: the default
 *   request    "status", "reload"
 *   ret_reply  the whole reply; json_decref() it
 * Returns enum ask_outcome (refused: the reply's "error" says why, perhaps in several lines), or
 * -errno with *error. */
int ask(const char *control, const char *request, json_t **ret_reply, struct ferry_error *error);
/* The same in steps, for one who asks again and again: each connection is an event in ferry's log.
 */
struct asking {
    char *address;
    struct ferry_channel *channel; /* NULL: not open */
    size_t reply_size_max;
};

/* Connects.
 *   deadline_ns  ferry_deadline()
 * Returns 0 or -errno with *error. */
int asking_open(
    const char *control, int64_t deadline_ns, struct asking *ret_asking, struct ferry_error *error);
/* Of one that nobody named: whoever calls a process ferry is asked. Unless it is root's, or our own
 * user's, a long reply is refused: in memory it would be fifty times as long. */
void asking_distrust(struct asking *asking);
/* Asks one question, as ask() does. After a failure only asking_close() makes sense: a late reply
 * would be taken for the next. */
int asking_ask(struct asking *asking, const char *request, int64_t deadline_ns, json_t **ret_reply,
    struct ferry_error *error);
/* The same in two halves, for one who asks several side by side. Once the deadline has passed, what
 * is there already is received all the same. */
int asking_send(
    struct asking *asking, const char *request, int64_t deadline_ns, struct ferry_error *error);
int asking_receive(
    struct asking *asking, int64_t deadline_ns, json_t **ret_reply, struct ferry_error *error);
/* Opens (O_PATH) the file that a listener of the table is bound to, so that it can be dialled as
 * /proc/self/fd/N: whoever bound it may have put a link to another's socket in its place.
 *   path  where it is, from here
 * Returns the descriptor, -ESTALE (another file is there, or it can't be told), or -errno. */
int ask_open_file(const char *path, const struct ferry_endpoint *listener);
/* Does nothing if it is not open. */
void asking_close(struct asking *asking);

/* Appends why it was refused, each line escaped. */
void ask_print_refusal(const char *verb, const json_t *reply, struct bytes *text);
/* Prints it on stderr and frees the reply. Returns EXIT_FAILED. */
int ask_fail(const char *verb, json_t *reply);

#endif
