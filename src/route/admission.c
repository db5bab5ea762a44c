/* admission.c - whom a route admits: by its rules, or by those that its place implies. */
#include "route/admission.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "process/capability.h"
#include "process/peer_pidfd.h"
#include "route/expect.h"
#include "route/limits.h"
#include "wire/address.h"
#include "wire/capabilities.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum reach {
    REACH_CHECKED,  /* by a mode, by us, or by nobody: the default rules say it */
    REACH_OWN,      /* an abstract name: everybody could connect */
    REACH_EVERYONE, /* a port */
    REACH_UNKNOWN,  /* inherited, and not open yet */
};

/* The address of an inherited socket says nothing of it. */
static bool is_inherited(const struct ferry_address *listen)
{
    return listen->scheme == FERRY_FD || listen->scheme == FERRY_STDIO;
}

/* Who can reach an inherited socket, the kernel says. */
static enum reach listener_reach(
    const struct ferry_address *listen, const struct ferry_listener *listener)
{
    struct sockaddr_un name = { 0 };
    socklen_t size = sizeof(name);
    if (listen->scheme == FERRY_TCP || listen->scheme == FERRY_UDP)
        return REACH_EVERYONE;
    if (listen->abstract)
        return REACH_OWN;
    if (listen->scheme == FERRY_FD && !listener)
        return REACH_UNKNOWN;
    if (!is_inherited(listen) || !listener ||
        getsockname(ferry_listener_socket(listener), (struct sockaddr *)&name, &size) < 0)
        return REACH_CHECKED;
    if (name.sun_family == AF_INET || name.sun_family == AF_INET6)
        return REACH_EVERYONE;
    bool path = size > offsetof(struct sockaddr_un, sun_path) && name.sun_path[0];
    return name.sun_family == AF_UNIX && !path ? REACH_OWN : REACH_CHECKED;
}

/* An abstract name that we made stays whose it was: we may have become another user since. */
static uid_t own_uid(const struct ferry_address *listen, const struct ferry_listener *listener)
{
    struct stat made;
    if (!is_inherited(listen) && listener && fstat(ferry_listener_socket(listener), &made) == 0)
        return made.st_uid;
    return geteuid();
}

static int policy_add_implied(struct ferry_policy *policy, const struct route_settings *settings,
    const struct ferry_listener *listener, struct ferry_error *error)
{
    char own[32];
    switch (listener_reach(settings->listen, listener)) {
    case REACH_EVERYONE:
        if (!settings->service || !settings->service->harmless)
            return error_set(error, -EACCES, ferry_address_text(settings->listen),
                "say allow = any (--allow any), or listen on unix:PATH",
                "every local user can connect to it");
        return ferry_policy_add(policy, true, "any", error);
    case REACH_UNKNOWN:
        return error_set(error, -ENODATA, ferry_address_text(settings->listen),
            "say with allow = who may",
            "who can reach it is told once it is open, since it has no rules");
    case REACH_OWN:
        snprintf(own, sizeof(own), "uid:%u", own_uid(settings->listen, listener));
        return ferry_policy_add(policy, true, own, error);
    default:
        return ferry_policy_add_default(policy, settings->listen, error);
    }
}

int admission_make_policy(const struct route_settings *settings,
    const struct ferry_listener *listener, struct ferry_policy **ret_policy,
    struct ferry_error *error)
{
    struct ferry_policy *policy;
    unsigned expected;
    int r = ferry_policy_new(&policy);
    if (r < 0)
        return error_set_errno(error, r, settings->name, NULL);
    for (size_t i = 0; i < settings->rule_count && r == 0; i++)
        r = ferry_policy_add(policy, settings->rules[i].allow, settings->rules[i].subjects, error);
    if (r == 0 && settings->rule_count == 0)
        r = policy_add_implied(policy, settings, listener, error);
    if (r == 0 && (listener || expect_capabilities(settings->listen, ADDRESS_LISTEN, &expected)))
        r = ferry_policy_check(
            policy, listener ? ferry_listener_capabilities(listener) : expected, error);
    if (r < 0) {
        ferry_policy_free(policy);
        return r;
    }
    *ret_policy = policy;
    return 0;
}

/* --- what nobody there can tell --------------------------------------------------------------- */

/* "TOLD: rule 1 (deny group:x), rule 2 (...) EFFECT"; nothing if no rule asks for these facts. */
static void print_gap(const struct ferry_policy *policy, unsigned facts, const char *told,
    const char *effect, const char *separator, struct bytes *text)
{
    size_t count = 0;
    for (size_t i = 1; i <= ferry_policy_count(policy); i++) {
        if (!(facts & 1u << ferry_policy_fact(policy, i)) || count++ >= GAP_RULES_MAX)
            continue;
        if (count == 1)
            bytes_print(text, "%s%s: ", text->size ? separator : "", told);
        bytes_print(
            text, "%srule %zu (%s)", count > 1 ? ", " : "", i, ferry_policy_rule(policy, i, NULL));
    }
    if (count > GAP_RULES_MAX)
        bytes_print(text, " and %zu more", count - GAP_RULES_MAX);
    if (count)
        bytes_print(text, " %s", effect);
}

void admission_print_gaps(const struct ferry_policy *policy, unsigned capabilities,
    const char *separator, struct bytes *text)
{
    const unsigned program = 1u << FERRY_FACT_EXECUTABLE, unit = 1u << FERRY_FACT_UNIT;

    if (!(capabilities & FERRY_HAS_IDENTITY))
        return;
    if (capabilities_are_endless(capabilities))
        print_gap(policy, 1u << FERRY_FACT_GROUPS,
            "a message tells its sender's main group and no other",
            "refuses whose main group is another", separator, text);
    if (!peer_pidfd_is_given())
        print_gap(policy, program | unit,
            "before Linux 6.5 nobody can tell a peer's program or unit",
            "refuses whoever comes to it", separator, text);
    else if (!capability_is_effective(CAP_SYS_PTRACE)) /* for /proc/PID/exe, as for ptrace(2) */
        print_gap(policy, program,
            "without root (CAP_SYS_PTRACE) only our own user's programs can be told",
            "refuses whoever else comes to it", separator, text);
}
