/* request.h - `ls --graph` and `ls --since`: what was asked, and showing it. */
#ifndef FERRY_COMMAND_LS_REQUEST_H
#define FERRY_COMMAND_LS_REQUEST_H

#include "command/ls/graph.h"
#include "command/ls/snapshot.h"

#include <stdbool.h>

/* What the options of ls that lead here say; all zeroes is none of them. */
struct view_request {
    enum graph_form graph;
    enum graph_by by;
    const char *since; /* a file; NULL: not asked */
    bool json;
    unsigned kinds; /* that the table was asked for */
    bool (*wanted)(const struct ferry_endpoint *endpoint, void *data);
    void *data;
};

/* "text", "dot", "json"; false: another word. */
bool graph_form_parse(const char *word, enum graph_form *ret_form);
bool graph_by_parse(const char *word, enum graph_by *ret_by);

/* Prints the graph, or what is different since the snapshot. The table is refreshed if it must be
 * looked at twice. Returns the exit status of the verb. */
int view_request_show(const struct view_request *request, struct ferry_endpoints *table);

#endif
