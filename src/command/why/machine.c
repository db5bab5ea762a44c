/* machine.c - `ferry why` without an argument: what on this machine will bite, worst first.
 *
 * Looks only: the table of endpoints twice, /proc, and folders in which sockets usually are. The
 * one thing it does beyond reading: a datagram socket connects and is closed, to ask whether
 * anybody is bound to a socket file that the table knows nobody for (machine_stale.c), and whether
 * a unix datagram queue has room (machine_datagrams.c).
 */
#include "command/why/machine.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "command/command.h"
#include "command/limits.h"
#include "command/view/gaps.h"
#include "command/view/json.h"
#include "command/view/names.h"
#include "command/why/machine_checks.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

/* --- what the checks share -------------------------------------------------------------------- */

void machine_unseen(struct machine *machine, const char *format, ...)
{
    va_list arguments;

    bytes_append_text(&machine->unseen, machine->unseen.size ? ", " : "");
    va_start(arguments, format);
    bytes_vprint(&machine->unseen, format, arguments);
    va_end(arguments);
}

const char *machine_perhaps(const struct machine *machine)
{
    return machine->hidden ? "perhaps " : "";
}

bool machine_reaches(uint64_t part, uint64_t whole, unsigned percent)
{
    return (double)part * 100 >= (double)whole * percent;
}

const char *machine_plural(uint64_t count, const char *one, const char *more)
{
    return count == 1 ? one : more;
}

void machine_say_network(struct finding *finding, const struct ferry_endpoint *endpoint)
{
    const struct ferry_namespace *network = endpoint->network;
    AUTO_BYTES struct bytes name = BYTES_EMPTY;

    if (!network || network->own)
        return;
    if (network->name)
        bytes_append_escaped(&name, network->name, strlen(network->name));
    else
        bytes_print(&name, "net:[%" PRIu64 "]", network->inode);
    if (!bytes_failed(&name))
        finding_evidence(finding, "in the network namespace %s", name.data);
    finding_fact_number(finding, "namespace", network->inode);
}

/* --- looking ---------------------------------------------------------------------------------- */

static int compare_suspects(const void *one, const void *other)
{
    const struct suspect *a = one, *b = other;
    return (a->key > b->key) - (a->key < b->key);
}

/* Looks again, if something looked bad: most machines are spared the wait. */
static int look_again(struct machine *machine, struct ferry_error *error)
{
    struct suspects *suspects = &machine->suspects;

    if (!suspects->count)
        return 0;
    qsort(suspects->data, suspects->count, sizeof(*suspects->data), compare_suspects);
    clock_pause_ms(LOOKS_APART_MS);
    return ferry_endpoints_refresh(machine->table, error);
}

static int look(struct machine *machine, struct ferry_error *error)
{
    const struct ferry_endpoints_options options = { .struct_size = sizeof(options),
        .kinds = FERRY_ENDPOINTS_SOCKETS | 1u << FERRY_ENDPOINT_QUEUE,
        .gather = FERRY_GATHER_USUAL | FERRY_GATHER_DETAILS | FERRY_GATHER_IN_FLIGHT };

    int code = ferry_endpoints_new(&options, &machine->table, error);
    if (code == 0)
        code = machine_suspect(machine);
    if (code == 0)
        code = look_again(machine, error);
    if (code < 0)
        return code;
    ferry_endpoints_get_gaps(machine->table, &machine->gaps);
    machine->hidden = machine->gaps.hidden_processes || machine->gaps.hidden_namespaces;
    return 0;
}

static int check(struct machine *machine)
{
    static int (*const checks[])(struct machine * machine) = { check_backlogs, check_datagrams,
        check_paths, check_stale, check_queues, check_processes, check_sysv, check_network };
    int code = 0;

    for (size_t i = 0; i < COUNT_OF(checks) && code == 0; i++)
        code = checks[i](machine);
    return code == 0 && machine->findings.failed ? -ENOMEM : code;
}

/* --- saying ----------------------------------------------------------------------------------- */

static int say_json(const struct machine *machine)
{
    json_t *document = json_object(), *gaps = json_object();

    json_object_set_new(document, "schema", json_integer(VIEW_SCHEMA));
    json_object_set_new(document, "findings", findings_json(&machine->findings));
    json_object_set_new(document, "more", findings_more_json(&machine->findings));
    json_object_set_new(
        gaps, "hidden_processes", json_integer((json_int_t)machine->gaps.hidden_processes));
    json_object_set_new(
        gaps, "hidden_namespaces", json_integer((json_int_t)machine->gaps.hidden_namespaces));
    json_object_set_new(
        gaps, "unseen", json_string(machine->unseen.data ? machine->unseen.data : ""));
    json_object_set_new(document, "gaps", gaps);
    int code = json_dumpf(document, stdout, JSON_COMPACT);
    json_decref(document);
    putchar('\n');
    return code < 0 ? -ENOMEM : 0;
}

static int say_text(const struct machine *machine)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;

    findings_print(&machine->findings, &text);
    if (!machine->findings.count)
        bytes_print(&text, "nothing found that will bite, among %zu endpoints of %zu processes%s\n",
            ferry_endpoints_count(machine->table), ferry_endpoints_process_count(machine->table),
            machine->hidden || machine->unseen.size ? ", as far as can be seen" : "");
    if (bytes_failed(&text))
        return -ENOMEM;
    fwrite(text.data, 1, text.size, stdout);
    return 0;
}

static int say(struct machine *machine, bool json)
{
    findings_sort(&machine->findings);
    int code = json ? say_json(machine) : say_text(machine);
    fflush(stdout);
    if (code == 0)
        view_say_gaps("why", machine->table, FERRY_ENDPOINTS_ALL);
    if (code == 0 && machine->unseen.size && !bytes_failed(&machine->unseen))
        fprintf(stderr, "ferry why: not looked at: %s\n", machine->unseen.data);
    return code;
}

int why_machine(bool json)
{
    struct machine machine = { 0 };
    struct ferry_error error;
    int status;

    if (look(&machine, &error) < 0) {
        status = command_fail("why", &error);
    } else {
        int code = check(&machine);
        if (code == 0)
            code = say(&machine, json);
        status = code < 0                           ? command_fail_errno("why", "memory", code)
                 : findings_bite(&machine.findings) ? EXIT_FAILED
                                                    : EXIT_DONE;
    }
    findings_fini(&machine.findings);
    bytes_fini(&machine.unseen);
    free(machine.suspects.data);
    ferry_endpoints_free(machine.table);
    return status;
}
