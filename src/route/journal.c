/* journal.c - the sink that gives events to systemd's journal. */
#include "route/journal.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "route/limits.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>

void journal_init(struct journal *journal, const char *path)
{
    *journal = (struct journal){ .path = path ? path : JOURNAL_SOCKET, .fd = -1 };
}

void journal_fini(struct journal *journal)
{
    fd_close(&journal->fd);
}

/* --- fields ----------------------------------------------------------------------------------- */

static int event_priority(enum event_kind kind)
{
    switch (kind) {
    case EVENT_REFUSED:
    case EVENT_WOULD_REFUSE:
        return LOG_NOTICE;
    case EVENT_FAILED:
    case EVENT_TROUBLE:
        return LOG_WARNING;
    default:
        return LOG_INFO;
    }
}

/* NAME=VALUE and a line feed; a value with a line feed in it goes with its size before it, 64 bits
 * little-endian. */
static void field_text(struct bytes *record, const char *name, const char *value)
{
    size_t size = value ? strlen(value) : 0;
    char head[8];

    if (size == 0)
        return;
    bytes_append_text(record, name);
    if (!memchr(value, '\n', size)) {
        bytes_append_char(record, '=');
    } else {
        for (size_t i = 0; i < sizeof(head); i++)
            head[i] = (char)((uint64_t)size >> (8 * i));
        bytes_append_char(record, '\n');
        bytes_append(record, head, sizeof(head));
    }
    bytes_append(record, value, size);
    bytes_append_char(record, '\n');
}

static void field_number(struct bytes *record, const char *name, uint64_t value)
{
    bytes_print(record, "%s=%" PRIu64 "\n", name, value);
}

static void fields_peer(struct bytes *record, const struct event *event)
{
    const struct event_who *who = event->who;
    if (who && who->pid > 0)
        field_number(record, "FERRY_PEER_PID", (uint64_t)who->pid);
    if (who && who->uid != (uid_t)-1)
        field_number(record, "FERRY_PEER_UID", who->uid);
    if (who && who->gid != (gid_t)-1)
        field_number(record, "FERRY_PEER_GID", who->gid);
    field_text(record, "FERRY_PEER_NAME", event->name);
    field_text(record, "FERRY_PEER_EXECUTABLE", event->executable);
    field_text(record, "FERRY_PEER_UNIT", event->unit);
    field_text(record, "FERRY_PEER", event->peer);
}

static void fields_passed(struct bytes *record, const struct event *event)
{
    field_number(record, "FERRY_BYTES_IN", event->bytes_in);
    field_number(record, "FERRY_BYTES_OUT", event->bytes_out);
    field_number(record, "FERRY_DESCRIPTORS", event->descriptors);
    field_number(record, "FERRY_DROPPED", event->dropped);
    field_number(record, "FERRY_AGE_MS", (uint64_t)event->age_ms);
}

void journal_print(const struct event *event, struct bytes *record)
{
    AUTO_BYTES struct bytes message = BYTES_EMPTY;
    bool ended =
        event->kind == EVENT_CLOSED || event->kind == EVENT_FAILED || event->kind == EVENT_KEPT;

    event_print_message(event, &message);
    if (bytes_failed(&message)) {
        record->failed = true;
        return;
    }
    field_text(record, "MESSAGE", message.data);
    field_number(record, "PRIORITY", (uint64_t)event_priority(event->kind));
    field_text(record, "SYSLOG_IDENTIFIER", "ferry");
    field_text(record, "FERRY_EVENT", event_kind_name(event->kind));
    field_text(record, "FERRY_ROUTE", event->route);
    fields_peer(record, event);
    field_text(record, "FERRY_VIA", event->via);
    field_text(record, "FERRY_TO", event->to);
    field_text(record, "FERRY_VERDICT", event->verdict);
    field_text(record, "FERRY_REASON", event->reason);
    if (ended)
        fields_passed(record, event);
}

/* --- sending ---------------------------------------------------------------------------------- */

/* Sent by its path each time: the journal may be restarted. 0 or -errno. */
static int record_send(struct journal *journal, const struct bytes *record)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    const int size = JOURNAL_BUFFER_SIZE;

    if (bytes_failed(record))
        return -ENOMEM;
    if (strlen(journal->path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    strcpy(address.sun_path, journal->path);
    if (journal->fd < 0) {
        journal->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (journal->fd < 0)
            return -errno;
        setsockopt(journal->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    }
    ssize_t sent = sendto(journal->fd, record->data, record->size, MSG_DONTWAIT | MSG_NOSIGNAL,
        (struct sockaddr *)&address, sizeof(address));
    return sent < 0 ? -errno : 0;
}

static int event_send(struct journal *journal, const struct event *event)
{
    AUTO_BYTES struct bytes record = BYTES_EMPTY;
    journal_print(event, &record);
    return record_send(journal, &record);
}

static bool is_full(int code)
{
    return error_is_retry(code) || error_is_out_of_resources(code) || code == -EMSGSIZE;
}

bool journal_event(struct journal *journal, const struct event *event)
{
    int code = 0;
    if (journal->lost) {
        char reason[64];
        snprintf(reason, sizeof(reason), "%" PRIu64 " events not written", journal->lost);
        struct event lost = { .kind = EVENT_TROUBLE, .time_ns = event->time_ns, .reason = reason };
        code = event_send(journal, &lost);
        if (code == 0)
            journal->lost = 0;
    }
    if (code == 0)
        code = event_send(journal, event);
    if (code < 0 && is_full(code)) {
        journal->lost++;
        return true;
    }
    return code == 0;
}

enum log_format journal_default_format(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat status;
    char rest;

    bool ours = stream && sscanf(stream, "%llu:%llu%c", &device, &inode, &rest) == 2 &&
                fstat(STDERR_FILENO, &status) == 0 && status.st_dev == (dev_t)device &&
                status.st_ino == (ino_t)inode;
    return ours ? LOG_JOURNAL : LOG_TEXT;
}
