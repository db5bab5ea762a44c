/* fifo.c - a FIFO: who reads, who writes, who still waits in open(2), and whether it is full.
 *
 * Who waits for the other side in open(2) has no descriptor yet: it is found by its system call,
 * whose path leads to this file. How full it is, the kernel tells only to whom has it open: a
 * descriptor of one that has is borrowed for two questions (pidfd_getfd(2), by the right to trace),
 * so that nobody sees another reader come and go.
 */
#include "base/cleanup.h"
#include "command/quote.h"
#include "command/view/blocked.h"
#include "command/view/copy.h"
#include "command/view/names.h"
#include "command/view/proc.h"
#include "command/why/server.h"
#include "command/why/why.h"

#include <fcntl.h>
#include <sys/ioctl.h>

struct fifo {
    const struct stat *status;
    const struct ferry_endpoint *reader, *writer; /* its ends; either may have no owner */
    pid_t opening_reader, opening_writer;         /* waits in open(2); 0: nobody seen */
    bool known;                                   /* how full it is */
    int filled, size;
};

/* --- who waits in open(2) --------------------------------------------------------------------- */

static void look_at_process(struct fifo *fifo, pid_t pid)
{
    struct blocked blocked;

    if (blocked_look(pid, &blocked) == 0) {
        for (size_t i = 0; i < blocked.count; i++) {
            const struct blocked_thread *thread = &blocked.threads[i];
            if (!thread->path ||
                !proc_path_is(pid, thread->path, fifo->status->st_dev, fifo->status->st_ino))
                continue;
            if ((thread->open_flags & O_ACCMODE) == O_RDONLY)
                fifo->opening_reader = pid;
            else if ((thread->open_flags & O_ACCMODE) == O_WRONLY)
                fifo->opening_writer = pid;
        }
    }
    blocked_fini(&blocked);
}

static void look_at_openers(struct fifo *fifo)
{
    AUTO_DIR DIR *folder = opendir("/proc");

    for (pid_t pid; folder && (pid = proc_next(folder));)
        look_at_process(fifo, pid);
}

/* --- how full --------------------------------------------------------------------------------- */

static void look_at_filling(struct fifo *fifo, const struct ferry_endpoint *end)
{
    struct ferry_error error;

    if (!end || fifo->known)
        return;
    AUTO_FD int fd = view_copy_descriptor(end, &error);
    if (fd < 0)
        return;
    fifo->size = fcntl(fd, F_GETPIPE_SZ);
    fifo->known = fifo->size > 0 && ioctl(fd, FIONREAD, &fifo->filled) == 0;
}

/* A writer that is blocked in its write(2): the message need not fit although there is room. */
static bool writer_hangs(const struct fifo *fifo)
{
    bool hangs = false;

    for (unsigned i = 0; fifo->writer && i < fifo->writer->owner_count && !hangs; i++) {
        struct blocked blocked;
        hangs = blocked_look(fifo->writer->owners[i].process->pid, &blocked) == 0 &&
                blocked_find_writing(&blocked, fifo->writer->owners[i].fd);
        blocked_fini(&blocked);
    }
    return hangs;
}

/* --- verdicts --------------------------------------------------------------------------------- */

static bool has_owner(const struct ferry_endpoint *end)
{
    return end && end->owner_count;
}

static void print_end(const struct ferry_endpoint *end, pid_t opening, struct bytes *text)
{
    if (has_owner(end))
        view_print_owners(end, text);
    else if (opening)
        bytes_print(text, "process %d, which waits in open(2)", (int)opening);
    else
        bytes_append_text(text, "nobody");
}

static void add_no_reader(struct why *why, const struct fifo *fifo)
{
    AUTO_BYTES struct bytes writer = BYTES_EMPTY, quoted = BYTES_EMPTY;

    print_end(fifo->writer, fifo->opening_writer, &writer);
    shell_quote(&quoted, why->target.name);
    struct finding *finding = finding_add(&why->diagnosis, VERDICT_NO_READER, "nobody reads it");
    finding_set_client(finding, "open(2) to write hangs; without blocking it says ENXIO (No such "
                                "device or address); who has it open already gets EPIPE (Broken "
                                "pipe)");
    finding_prove(finding, "no process has its reading end; it is written by %s",
        writer.data ? writer.data : "");
    finding_set_remedy(finding, "start its reader; to try: cat %s", quoted.data ? quoted.data : "");
}

static void add_no_writer(struct why *why, const struct fifo *fifo)
{
    AUTO_BYTES struct bytes reader = BYTES_EMPTY, quoted = BYTES_EMPTY;

    print_end(fifo->reader, fifo->opening_reader, &reader);
    shell_quote(&quoted, why->target.name);
    struct finding *finding = finding_add(&why->diagnosis, VERDICT_NO_WRITER,
        "nobody writes it: %s has only its reading end", reader.data ? reader.data : "");
    finding_set_client(finding, "read(2) says the end (0 bytes) at once");
    finding_prove(finding, "no process has its writing end");
    finding_set_remedy(finding, "start its writer; a reader that is to wait for the next opens it "
                                "for writing too (O_RDWR)");
}

static void add_full(struct why *why, const struct fifo *fifo)
{
    AUTO_BYTES struct bytes reader = BYTES_EMPTY, writer = BYTES_EMPTY;
    struct server server;

    print_end(fifo->reader, 0, &reader);
    print_end(fifo->writer, 0, &writer);
    struct finding *finding = finding_add(&why->diagnosis, VERDICT_FIFO_FULL,
        "it is full: %s does not read", reader.data ? reader.data : "");
    finding_set_client(finding, "write(2) hangs until there is room; without blocking it says "
                                "EAGAIN (Resource temporarily unavailable)");
    if (fifo->known)
        finding_prove(finding, "%d of %d bytes are in it", fifo->filled, fifo->size);
    finding_prove(finding, "it is written by %s", writer.data ? writer.data : "");
    server_look(why->table, fifo->reader, &server);
    server_prove(&server, finding);
    server_fini(&server);
}

/* A reader that stands still, before its FIFO is full. */
static bool add_stopped(struct why *why, const struct fifo *fifo)
{
    AUTO_BYTES struct bytes reader = BYTES_EMPTY;
    struct server server;

    server_look(why->table, fifo->reader, &server);
    bool stands = server.doing == SERVER_STOPPED || server.doing == SERVER_TRACED;
    if (stands) {
        print_end(fifo->reader, 0, &reader);
        struct finding *finding = finding_add(&why->diagnosis, VERDICT_STOPPED,
            "%s, which reads it, is stopped", reader.data ? reader.data : "");
        finding_set_client(finding, "write(2) succeeds until it is full, and then hangs");
        server_prove(&server, finding);
    }
    server_fini(&server);
    return stands;
}

static void judge(struct why *why, const struct fifo *fifo)
{
    AUTO_BYTES struct bytes reader = BYTES_EMPTY, writer = BYTES_EMPTY;
    bool full = has_owner(fifo->reader) && has_owner(fifo->writer) &&
                (writer_hangs(fifo) || (fifo->known && fifo->filled > fifo->size - 4096));

    if (full)
        add_full(why, fifo);
    else if (!has_owner(fifo->reader) && !fifo->opening_reader)
        add_no_reader(why, fifo);
    else if (has_owner(fifo->reader) && !has_owner(fifo->writer) && !fifo->opening_writer)
        add_no_writer(why, fifo);
    else if (has_owner(fifo->reader) && add_stopped(why, fifo))
        return;
    print_end(fifo->reader, fifo->opening_reader, &reader);
    print_end(fifo->writer, fifo->opening_writer, &writer);
    diagnosis_check(&why->diagnosis, "FIFO: read by %s, written by %s",
        reader.data ? reader.data : "", writer.data ? writer.data : "");
    if (fifo->known)
        diagnosis_check(&why->diagnosis, "queue: %d of %d bytes", fifo->filled, fifo->size);
}

static void judge_mode(struct why *why, const char *where, const struct stat *status)
{
    AUTO_BYTES struct bytes reason = BYTES_EMPTY, quoted = BYTES_EMPTY;
    bool reads = who_may(&why->who, where, status, R_OK);
    bool writes = who_may(&why->who, where, status, W_OK);

    if (reads && writes) {
        diagnosis_check(&why->diagnosis, "mode: %s may read and write it", why->who.words);
        return;
    }
    who_print_why(&why->who, where, status, &reason);
    shell_quote(&quoted, where);
    if (reads || writes) { /* one side is what most have */
        diagnosis_note(&why->diagnosis, "%s may only %s it: %s", why->who.words,
            reads ? "read" : "write", reason.data ? reason.data : "");
        return;
    }
    struct finding *finding = finding_add(
        &why->diagnosis, VERDICT_NO_PERMISSION, "%s may neither read nor write it", why->who.words);
    finding_set_client(finding, "EACCES (Permission denied)");
    finding_prove(finding, "%s: %s", where, reason.data ? reason.data : "");
    finding_set_remedy(
        finding, "put them in its group, or: chmod o+rw %s", quoted.data ? quoted.data : "");
}

void why_fifo(struct why *why, const char *where, const struct stat *status)
{
    struct fifo fifo = { .status = status };
    struct ferry_endpoints_gaps gaps;

    judge_mode(why, where, status);
    for (size_t i = 0; i < ferry_endpoints_count(why->table); i++) {
        const struct ferry_endpoint *endpoint = ferry_endpoints_get(why->table, i);
        if (endpoint->kind != FERRY_ENDPOINT_FIFO || endpoint->inode != status->st_ino ||
            endpoint->device != status->st_dev)
            continue;
        if (endpoint->ends & FERRY_END_READ)
            fifo.reader = endpoint;
        else
            fifo.writer = endpoint;
    }
    why->diagnosis.endpoint = fifo.reader ? fifo.reader : fifo.writer;
    if (!has_owner(fifo.reader) || !has_owner(fifo.writer))
        look_at_openers(&fifo);
    look_at_filling(&fifo, fifo.reader);
    look_at_filling(&fifo, fifo.writer);
    ferry_endpoints_get_gaps(why->table, &gaps);
    bool hidden = gaps.hidden_processes && (!has_owner(fifo.reader) || !has_owner(fifo.writer));
    /* Root misses a process of a sandbox around it at most: who else has a FIFO here is seen. */
    if (hidden && geteuid() == 0)
        diagnosis_note(&why->diagnosis, "the descriptors of %u process%s are hidden from this root",
            gaps.hidden_processes, gaps.hidden_processes == 1 ? "" : "es");
    else if (hidden) {
        struct finding *finding = finding_add(
            &why->diagnosis, VERDICT_NOT_SEEN, "who has it open can't all be seen from here");
        finding_prove(finding, "the descriptors of %u process%s are hidden", gaps.hidden_processes,
            gaps.hidden_processes == 1 ? "" : "es");
        finding_set_remedy(finding, "ask again as root");
        return;
    }
    judge(why, &fifo);
}
