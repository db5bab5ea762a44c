/* gaps.c - what could not be seen. */
#include "command/view/gaps.h"
#include "base/bytes.h"

#include <stdio.h>
#include <unistd.h>

static void add(struct bytes *text, const char *words)
{
    bytes_append_text(text, text->size ? ", " : "");
    bytes_append_text(text, words);
}

static void add_count(struct bytes *text, unsigned count, const char *one, const char *more)
{
    char words[128];

    if (!count)
        return;
    snprintf(words, sizeof(words), "%u %s", count, count == 1 ? one : more);
    add(text, words);
}

static void add_kinds(struct bytes *text, unsigned kinds)
{
    for (unsigned kind = 0; kind < FERRY_ENDPOINT_KIND_COUNT; kind++) {
        char words[128];
        if (!(kinds & 1u << kind))
            continue;
        snprintf(words, sizeof(words), "%s sockets (the kernel lacks their sock_diag module)",
            ferry_endpoint_kind_name(kind));
        add(text, words);
    }
}

/* Those that can wait to be accepted. */
#define ACCEPTED                                                                                   \
    (1u << FERRY_ENDPOINT_UNIX_STREAM | 1u << FERRY_ENDPOINT_UNIX_SEQPACKET |                      \
        1u << FERRY_ENDPOINT_TCP)

void view_print_gaps(const struct ferry_endpoints_gaps *gaps, unsigned kinds, struct bytes *text)
{
    AUTO_BYTES struct bytes gathered = BYTES_EMPTY;

    add_count(&gathered, gaps->hidden_processes, "process's descriptors", "processes' descriptors");
    if (kinds & FERRY_ENDPOINTS_SOCKETS)
        add_count(&gathered, gaps->hidden_namespaces, "network namespace", "network namespaces");
    if (kinds & 1u << FERRY_ENDPOINT_QUEUE)
        add_count(&gathered, gaps->unlisted_queues, "directory of message queues",
            "directories of message queues");
    bool privilege = gathered.size > 0;
    add_kinds(&gathered, gaps->missing_kinds & kinds);
    if (kinds & ACCEPTED)
        add_count(&gathered, gaps->ambiguous_backlogs,
            "listener's waiting clients (too many for the kernel to tell)",
            "listeners' waiting clients (too many for the kernel to tell)");
    if (!gathered.size || bytes_failed(&gathered))
        return;
    bytes_append(text, gathered.data, gathered.size);
    if (!privilege)
        return;
    /* Root of a container, and of a sandbox, lacks what the machine's own root has. */
    bytes_append_text(
        text, geteuid() == 0 ? "; this root lacks privilege over them (" : "; root sees all (");
    bytes_append_text(text, "CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH, CAP_SYS_ADMIN)");
}

void view_say_gaps(const char *verb, const struct ferry_endpoints *table, unsigned kinds)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;
    struct ferry_endpoints_gaps gaps;

    ferry_endpoints_get_gaps(table, &gaps);
    view_print_gaps(&gaps, kinds, &text);
    if (text.size && !bytes_failed(&text))
        fprintf(stderr, "ferry %s: not seen: %s\n", verb, text.data);
}
