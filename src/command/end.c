/* end.c - who is at one end of a connection, for people. */
#include "command/end.h"

static const char *text_of(const json_t *end, const char *key)
{
    return json_string_value(json_object_get(end, key));
}

static long long number_of(const json_t *end, const char *key)
{
    return (long long)json_integer_value(json_object_get(end, key));
}

void end_print(const json_t *end, struct bytes *text)
{
    const char *name = text_of(end, "name"), *user = text_of(end, "user");
    const char *address = text_of(end, "address");
    bool pid = json_object_get(end, "pid"), uid = json_object_get(end, "uid");
    if (pid)
        bytes_print(text, "pid %lld", number_of(end, "pid"));
    if (name)
        bytes_print(text, " (%s)", name);
    if (uid)
        bytes_print(text, "%suid %lld", pid || name ? " " : "", number_of(end, "uid"));
    if (user)
        bytes_print(text, " (%s)", user);
    if (!pid && !name && !uid && !user)
        bytes_append_text(text, address && *address ? address : "unknown");
}
