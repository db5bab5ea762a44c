/* request.c - `ls --graph` and `ls --since`, from the table to the screen. */
#include "command/ls/request.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "command/command.h"
#include "command/ls/difference.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

bool graph_form_parse(const char *word, enum graph_form *ret_form)
{
    static const char *const forms[] = {
        [GRAPH_TEXT] = "text", [GRAPH_DOT] = "dot", [GRAPH_JSON] = "json"
    };

    for (unsigned i = GRAPH_TEXT; i < COUNT_OF(forms); i++)
        if (strcmp(word, forms[i]) == 0) {
            *ret_form = i;
            return true;
        }
    return false;
}

bool graph_by_parse(const char *word, enum graph_by *ret_by)
{
    for (unsigned i = 0; graph_by_name(i); i++)
        if (strcmp(word, graph_by_name(i)) == 0) {
            *ret_by = i;
            return true;
        }
    return false;
}

/* Takes the document. */
static int document_print(json_t *document)
{
    if (!document)
        return command_fail_errno("ls", "memory", -ENOMEM);
    json_dumpf(document, stdout, JSON_COMPACT);
    json_decref(document);
    putchar('\n');
    return EXIT_DONE;
}

static int text_print(const struct bytes *text)
{
    if (bytes_failed(text))
        return command_fail_errno("ls", "memory", -ENOMEM);
    if (text->size)
        fwrite(text->data, 1, text->size, stdout);
    return EXIT_DONE;
}

/* --- the graph -------------------------------------------------------------------------------- */

static bool is_wanted(const struct ferry_endpoint *endpoint, void *data)
{
    const struct view_request *request = data;

    return request->kinds & 1u << endpoint->kind &&
           (!request->wanted || request->wanted(endpoint, request->data));
}

static int table_add_to(struct graph *graph, const struct view_request *request,
    const struct ferry_endpoints *table, struct deadlocks *deadlocks)
{
    size_t count = ferry_endpoints_count(table);
    AUTO_FREE const struct ferry_endpoint **list = calloc(count + 1, sizeof(*list));

    if (!list)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        list[i] = ferry_endpoints_get(table, i);
    return graph_add(graph, &(struct graph_source){ .endpoints = list,
                                .count = count,
                                .wanted = is_wanted,
                                .data = (void *)request,
                                .deadlocks = deadlocks });
}

static int snapshot_add_to(
    struct graph *graph, const struct view_request *request, const struct snapshot *snapshot)
{
    return graph_add(graph, &(struct graph_source){ .endpoints = snapshot_list(snapshot),
                                .count = snapshot_count(snapshot),
                                .wanted = is_wanted,
                                .data = (void *)request,
                                .before = true });
}

static int graph_write(const struct view_request *request, const struct graph *graph,
    const struct deadlocks *deadlocks)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;
    int status;

    if (request->graph == GRAPH_JSON || request->json) {
        status = document_print(graph_json(graph, deadlocks));
    } else {
        if (request->graph == GRAPH_DOT)
            graph_print_dot(graph, &text);
        else
            graph_print(graph, deadlocks, &text);
        status = text_print(&text);
    }
    if (status == EXIT_DONE && graph->edge_count == 0) {
        fprintf(stderr, "ferry ls: no connections to draw\n");
        return EXIT_FAILED;
    }
    return status;
}

static int graph_show(const struct view_request *request, struct ferry_endpoints *table,
    const struct snapshot *snapshot)
{
    struct graph graph = { .by = request->by };
    struct deadlocks deadlocks;
    struct ferry_error error;
    int status;

    if (deadlocks_find(table, &deadlocks, &error) < 0)
        return command_fail("ls", &error);
    int code = table_add_to(&graph, request, table, &deadlocks);
    if (code == 0 && snapshot)
        code = snapshot_add_to(&graph, request, snapshot);
    graph_finish(&graph);
    status = code < 0 ? command_fail_errno("ls", "graph", code)
                      : graph_write(request, &graph, &deadlocks);
    graph_fini(&graph);
    deadlocks_fini(&deadlocks);
    return status;
}

/* --- the difference --------------------------------------------------------------------------- */

static int differences_show(const struct view_request *request, const struct ferry_endpoints *table,
    const struct snapshot *snapshot)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;
    struct differences differences;
    int status = EXIT_DONE;
    int code = differences_find(
        table, snapshot, request->kinds, request->wanted, request->data, &differences);

    if (code < 0)
        return command_fail_errno("ls", request->since, code);
    if (request->json) {
        status = document_print(differences_json(&differences));
    } else if (differences.count) {
        differences_print(&differences, &text);
        status = text_print(&text);
    }
    if (!differences.count) {
        char shown[256];
        text_escape(request->since, strlen(request->since), shown, sizeof(shown));
        fprintf(stderr, "ferry ls: nothing is new, gone or changed since %s\n", shown);
        status = EXIT_FAILED;
    }
    differences_fini(&differences);
    return status;
}

/* Kinds that only one of the two was asked for can't be compared. */
static int common_show(const struct view_request *request, struct ferry_endpoints *table,
    const struct snapshot *snapshot)
{
    struct view_request common = *request;
    struct ferry_error error;

    if (snapshot)
        common.kinds &= snapshot_kinds(snapshot);
    if (!common.kinds) {
        error_set(&error, -EINVAL, request->since, "make one with the same options",
            "has none of the kinds that are asked for");
        return command_fail("ls", &error);
    }
    return common.graph ? graph_show(&common, table, snapshot)
                        : differences_show(&common, table, snapshot);
}

int view_request_show(const struct view_request *request, struct ferry_endpoints *table)
{
    struct snapshot *snapshot = NULL;
    struct ferry_error error;

    if (request->since && snapshot_read(request->since, &snapshot, &error) < 0)
        return command_fail("ls", &error);
    int status = common_show(request, table, snapshot);
    snapshot_free(snapshot);
    return status;
}
