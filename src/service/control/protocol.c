/* protocol.c - requests read and replies written. */
#include "service/control/protocol.h"
#include "base/cleanup.h"

#include <errno.h>
#include <string.h>

static const char *const request_names[] = {
    [CONTROL_STATUS] = "status",
    [CONTROL_OPTIONS] = "options",
    [CONTROL_RELOAD] = "reload",
};

int control_request_parse(
    const char *line, size_t size, enum control_request *ret_request, struct bytes *ret_why)
{
    json_error_t problem;
    json_t *object = json_loadb(line, size, JSON_REJECT_DUPLICATES, &problem);
    if (!object) {
        bytes_print(ret_why, "not JSON: column %d: %s", problem.column, problem.text);
        return -EINVAL;
    }
    const char *word = json_string_value(json_object_get(object, "do"));
    size_t i = 0;
    while (word && i < COUNT_OF(request_names) && strcmp(word, request_names[i]) != 0)
        i++;
    bool known = word && i < COUNT_OF(request_names);
    if (known)
        *ret_request = (enum control_request)i;
    else if (word)
        bytes_print(
            ret_why, "\"%s\" is not known; ask for \"status\", \"options\" or \"reload\"", word);
    else
        bytes_append_text(ret_why, "no \"do\" in the request; send {\"do\":\"status\"}");
    json_decref(object);
    return known ? 0 : -EINVAL;
}

static int bytes_sink(const char *buffer, size_t size, void *data)
{
    bytes_append(data, buffer, size);
    return 0;
}

/* JSON's own escapes leave no line feed inside, so a reply is always one line. */
static void reply_print(struct bytes *output, json_t *reply)
{
    json_dump_callback(reply, bytes_sink, output, JSON_COMPACT);
    bytes_append_char(output, '\n');
    json_decref(reply);
}

void control_reply_bad(struct bytes *output, const char *why)
{
    json_t *reply = json_pack("{s:i, s:b, s:s}", "version", CONTROL_VERSION, "ok", 0, "error", why);
    if (!reply) /* `why` quotes a peer and is not UTF-8, or there is no memory for it */
        reply = json_pack("{s:i, s:b, s:s}", "version", CONTROL_VERSION, "ok", 0, "error",
            "the request cannot be answered");
    reply_print(output, reply);
}

void control_reply_good(struct bytes *output, json_t *members)
{
    json_t *reply = json_pack("{s:i, s:b}", "version", CONTROL_VERSION, "ok", 1);
    if (!members || !reply || json_object_update(reply, members) < 0) {
        json_decref(members);
        json_decref(reply);
        control_reply_bad(output, "out of memory");
        return;
    }
    json_decref(members);
    reply_print(output, reply);
}
