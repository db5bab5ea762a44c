/* queue.c - a POSIX message queue. Whether anybody waits in it, the kernel does not tell; who has
 * it open, and what they are blocked in, does. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "command/view/names.h"
#include "command/view/proc.h"
#include "command/why/server.h"
#include "command/why/why.h"

#include <errno.h>
#include <inttypes.h>
#include <mqueue.h>
#include <string.h>
#include <sys/stat.h>

static void add_missing(struct why *why)
{
    uint64_t count = 0, most = 0;

    proc_number("/proc/sys/fs/mqueue/queues_max", 0, &most);
    for (size_t i = 0; i < ferry_endpoints_count(why->table); i++)
        count += ferry_endpoints_get(why->table, i)->kind == FERRY_ENDPOINT_QUEUE;
    struct finding *finding =
        finding_add(&why->diagnosis, VERDICT_NO_QUEUE, "there is no queue %s", why->target.name);
    finding_set_client(finding, "mq_open(3): ENOENT (No such file or directory)");
    finding_prove(finding,
        "%" PRIu64 " queues were seen, of %" PRIu64 " at most (fs.mqueue.queues_max); this one is "
        "not among them",
        count, most);
    finding_set_remedy(finding, "start what makes it%s",
        most && count >= most ? ", after sysctl fs.mqueue.queues_max=... : no user may make another"
                              : "; queues belong to one IPC namespace, so it may be a container's");
}

static void print_openers(const struct ferry_endpoint *queue, struct bytes *text)
{
    view_print_owners(queue, text);
    if (!text->size)
        bytes_append_text(text, "nobody");
}

static void add_full(struct why *why, const struct ferry_endpoint *queue, long messages)
{
    AUTO_BYTES struct bytes who = BYTES_EMPTY;
    struct server server;

    print_openers(queue, &who);
    struct finding *finding = finding_add(&why->diagnosis, VERDICT_QUEUE_FULL,
        "it is full: nobody takes its messages; it is held by %s", who.data ? who.data : "");
    finding_set_client(finding, "mq_send(3) hangs until there is room; without blocking it says "
                                "EAGAIN (Resource temporarily unavailable)");
    finding_prove(finding, "%ld of %ld messages are in it, and were %d ms before", messages,
        messages, LOOKS_APART_MS);
    if (!queue || !queue->owner_count) {
        finding_set_remedy(finding, "start its reader: nobody has it open");
        return;
    }
    server_look(why->table, queue, &server);
    server_prove(&server, finding);
    server_fini(&server);
}

static void add_denied(struct why *why)
{
    struct finding *finding =
        finding_add(&why->diagnosis, VERDICT_NO_PERMISSION, "%s may not open it", why->who.words);

    finding_set_client(finding, "mq_open(3): EACCES (Permission denied)");
    finding_prove(finding, "the kernel refuses to open it for reading and for writing");
    finding_set_remedy(
        finding, "mount -t mqueue none /mnt, then chmod or chown /mnt%s", why->target.name);
}

/* --as somebody: by the mode, which fstat(2) tells. */
static void judge_mode(struct why *why, mqd_t queue)
{
    AUTO_BYTES struct bytes reason = BYTES_EMPTY;
    struct stat status;

    if (why->who.self || fstat(queue, &status) < 0 || who_may(&why->who, "", &status, R_OK) ||
        who_may(&why->who, "", &status, W_OK))
        return;
    who_print_why(&why->who, "", &status, &reason);
    add_denied(why);
    finding_prove(diagnosis_find(&why->diagnosis, VERDICT_NO_PERMISSION), "%s",
        reason.data ? reason.data : "");
}

static const struct ferry_endpoint *find_queue(const struct why *why)
{
    for (size_t i = 0; i < ferry_endpoints_count(why->table); i++) {
        const struct ferry_endpoint *endpoint = ferry_endpoints_get(why->table, i);
        if (endpoint->kind == FERRY_ENDPOINT_QUEUE && endpoint->name &&
            strcmp(endpoint->name, why->target.name) == 0)
            return endpoint;
    }
    return NULL;
}

static void judge_opened(struct why *why, mqd_t queue)
{
    AUTO_BYTES struct bytes who = BYTES_EMPTY;
    const struct ferry_endpoint *endpoint = find_queue(why);
    struct mq_attr before, after;

    why->diagnosis.endpoint = endpoint;
    judge_mode(why, queue);
    if (mq_getattr(queue, &before) < 0)
        return;
    if (before.mq_curmsgs >= before.mq_maxmsg)
        clock_pause_ms(LOOKS_APART_MS);
    if (mq_getattr(queue, &after) < 0)
        return;
    if (before.mq_curmsgs >= before.mq_maxmsg && after.mq_curmsgs >= after.mq_maxmsg) {
        add_full(why, endpoint, after.mq_maxmsg);
        return;
    }
    if (endpoint)
        print_openers(endpoint, &who);
    diagnosis_check(&why->diagnosis, "queue: %ld of %ld messages, each of %ld bytes at most",
        after.mq_curmsgs, after.mq_maxmsg, after.mq_msgsize);
    diagnosis_check(&why->diagnosis, "held by %s", who.data ? who.data : "nobody that can be seen");
}

void why_queue(struct why *why)
{
    mqd_t queue = mq_open(why->target.name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

    if (queue < 0 && errno == EACCES)
        queue = mq_open(why->target.name, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (queue < 0 && errno == EACCES) {
        add_denied(why);
    } else if (queue < 0) {
        add_missing(why);
    } else {
        judge_opened(why, queue);
        mq_close(queue);
    }
}
