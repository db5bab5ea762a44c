/* words.h - what `top` says besides its rows: the head, ferry's own routes, one row in full. Lines
 * of text, so that screen and batch say the same.
 */
#ifndef FERRY_COMMAND_TOP_WORDS_H
#define FERRY_COMMAND_TOP_WORDS_H

#include "base/bytes.h"
#include "command/top/ferries.h"
#include "command/top/model.h"

/* Why some rows have no rates; "" if none of them is a unix socket's. */
const char *top_foot(const struct top_model *model);
/* Three lines, four if something could not be seen. */
void top_print_head(const struct top_model *model, bool people, struct bytes *text);
/* A line for each ferry that does not answer, for each route, and for its connections: the busiest
 * `flows` of each route. Nothing if no ferry runs. */
void top_print_ferries(
    const struct top_ferries *ferries, bool people, size_t flows, struct bytes *text);
/* Everything about one endpoint: both ends, owners, queues, buffers, TCP_INFO. */
void top_print_detail(
    const struct top_model *model, const struct ferry_endpoint *endpoint, struct bytes *text);
/* The same of a process: its endpoints by kind and state. */
void top_print_process(
    const struct top_model *model, const struct ferry_process *process, struct bytes *text);

#endif
