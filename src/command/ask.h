/* ask.h - asking a running ferry through its control socket. */
#ifndef FERRY_COMMAND_ASK_H
#define FERRY_COMMAND_ASK_H

#include <ferry/error.h>
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
/* The same, and it may take so long at most for each of its steps: connecting, asking, the reply.
 */
int ask_within(const char *control, const char *request, int timeout_ms, json_t **ret_reply,
    struct ferry_error *error);

/* Prints why it was refused on stderr, each line escaped, and frees the reply. Returns
 * EXIT_FAILED. */
int ask_fail(const char *verb, json_t *reply);

#endif
