/* test_policy_decide.c - verdicts on what a peer is and where it comes from, and what they cost. */
#include "suite.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <ferry/ferry.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- how often memory is asked for ------------------------------------------------------------ */

static size_t allocations;

/* For libc too, so they must be seen from outside. A sanitizer has its own. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);

FERRY_PUBLIC void *malloc(size_t size)
{
    allocations++;
    return __libc_malloc(size);
}

FERRY_PUBLIC void *calloc(size_t count, size_t size)
{
    allocations++;
    return __libc_calloc(count, size);
}

FERRY_PUBLIC void *realloc(void *memory, size_t size)
{
    allocations++;
    return __libc_realloc(memory, size);
}
#endif

/* --- people and rules ------------------------------------------------------------------------- */

static struct ferry_policy *policy;
static struct ferry_identity *who;
static char folder[] = "/tmp/ferry-decide-XXXXXX";
static char program[64], other[64];

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

static void setup(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(program, sizeof(program), "%s/program", folder);
    snprintf(other, sizeof(other), "%s/other", folder);
    write_file(program, "one");
    write_file(other, "two");
    ck_assert_int_eq(ferry_policy_new(&policy), 0);
    ck_assert_int_eq(ferry_identity_new(&who), 0);
}

static void teardown(void)
{
    ferry_policy_free(policy);
    ferry_identity_free(who);
    unlink(program);
    unlink(other);
    ck_assert_int_eq(rmdir(folder), 0);
}

static void add(bool allow, const char *format, const char *value)
{
    char subject[128];
    snprintf(subject, sizeof(subject), format, value);
    ck_assert_int_eq(ferry_policy_add(policy, allow, subject, NULL), 0);
}

static struct ferry_verdict decide(void)
{
    struct ferry_verdict verdict;
    ferry_policy_decide(policy, who, &verdict);
    return verdict;
}

static void is(enum ferry_fact fact, const char *text)
{
    ck_assert_int_eq(ferry_identity_set_text(who, fact, text, FERRY_BY_PIDFD), 0);
}

/* --- executable ------------------------------------------------------------------------------- */

START_TEST(a_program_is_known_by_its_file)
{
    is(FERRY_FACT_EXECUTABLE, program);
    add(false, "exe:%s", other);
    add(true, "exe:%s", program);
    ck_assert(decide().allowed);
    ck_assert_int_eq(decide().rule, 2);
}
END_TEST

START_TEST(a_rule_may_name_a_program_by_a_link)
{
    char link[64];
    snprintf(link, sizeof(link), "%s/link", folder);
    ck_assert_int_eq(symlink(program, link), 0);
    add(true, "exe:%s", link);
    unlink(link);
    is(FERRY_FACT_EXECUTABLE, program);
    ck_assert(decide().allowed);
}
END_TEST

/* Neither a rule that allows nor one that denies is passed by. */
START_TEST(a_program_that_was_replaced_is_refused)
{
    char said[128];
    add(_i, "exe:%s", program);
    add(true, "%s", "any");
    is(FERRY_FACT_EXECUTABLE, program);
    ck_assert_int_eq(rename(other, program), 0);
    ck_assert(!decide().allowed);
    ck_assert_int_eq(decide().rule, 1);
    snprintf(said, sizeof(said), "%s exe:%s, but another file stands there now",
        _i ? "allow" : "deny", program);
    ck_assert_str_eq(decide().text, said);
}
END_TEST

START_TEST(the_kernel_says_deleted_of_what_was_replaced)
{
    char deleted[96];
    snprintf(deleted, sizeof(deleted), "%s (deleted)", program);
    add(true, "exe:%s", program);
    is(FERRY_FACT_EXECUTABLE, deleted);
    ck_assert_ptr_nonnull(strstr(decide().text, "but another file stands there now"));
    ck_assert_int_eq(unlink(program), 0);
    ck_assert_ptr_nonnull(strstr(decide().text, "but no file stands there now"));
    ck_assert(!decide().allowed);
}
END_TEST

START_TEST(an_unknown_program_is_passed_by_no_rule)
{
    char said[128];
    add(_i, "exe:%s", program);
    add(true, "%s", "any");
    ck_assert(!decide().allowed);
    snprintf(said, sizeof(said), "%s exe:%s, but its executable is unknown", _i ? "allow" : "deny",
        program);
    ck_assert_str_eq(decide().text, said);
}
END_TEST

START_TEST(a_program_that_is_not_there_is_no_rule)
{
    struct ferry_error error = { 0 };
    ck_assert_int_eq(ferry_policy_add(policy, true, "exe:/no/such/program", &error), -ENOENT);
    ck_assert_str_eq(error.thing, "exe:/no/such/program");
    ck_assert_int_eq(ferry_policy_add(policy, true, "exe:/tmp", &error), -EINVAL);
    ck_assert_str_eq(error.reason, "is no program's file");
    ck_assert_uint_eq(ferry_policy_count(policy), 0);
}
END_TEST

START_TEST(why_is_told_though_the_rule_is_long)
{
    char subject[256], name[200];
    memset(name, 'x', sizeof(name));
    snprintf(subject, sizeof(subject), "unit:%.*s", 180, name);
    add(true, "%s", subject);
    ck_assert_uint_eq(strlen(decide().text), sizeof(decide().text) - 1);
    ck_assert_ptr_nonnull(strstr(decide().text, "xxx, but its unit is unknown"));
}
END_TEST

/* --- unit, host ------------------------------------------------------------------------------- */

static const struct {
    const char *rule, *unit;
    bool allowed;
} units[] = {
    { "unit:nginx", "nginx.service", true },
    { "unit:nginx.service", "nginx.service", true },
    { "unit:nginx", "nginx.scope", false },
    { "unit:session-3.scope", "session-3.scope", true },
    { "unit:org.example.Thing", "org.example.Thing.service", true },
    { "unit:user@1000", "user@1000.service", true },
    { "unit:user@1000", "user@1001.service", false },
};

START_TEST(units_go_by_their_names)
{
    add(true, "%s", units[_i].rule);
    is(FERRY_FACT_UNIT, units[_i].unit);
    ck_assert_int_eq(decide().allowed, units[_i].allowed);
}
END_TEST

START_TEST(hosts_are_looked_up_in_order)
{
    unsigned char host[16];
    add(false, "%s", "peer:10.1.0.0/16");
    add(true, "%s", "peer:10.0.0.0/8, peer:2001:db8::/32");
    ck_assert_str_eq(decide().text, "deny peer:10.1.0.0/16, but its host is unknown");
    ck_assert_int_eq(inet_pton(AF_INET6, "::ffff:10.1.2.3", host), 1);
    ferry_identity_set_host(who, host, FERRY_AT_CONNECT);
    ck_assert_int_eq(decide().rule, 1);
    ck_assert_int_eq(inet_pton(AF_INET6, "::ffff:10.2.2.3", host), 1);
    ferry_identity_set_host(who, host, FERRY_AT_CONNECT);
    ck_assert_int_eq(decide().rule, 2);
    ck_assert_int_eq(inet_pton(AF_INET6, "2001:db8::1", host), 1);
    ferry_identity_set_host(who, host, FERRY_AT_CONNECT);
    ck_assert_int_eq(decide().rule, 3);
    ck_assert_int_eq(inet_pton(AF_INET6, "2001:db9::1", host), 1);
    ferry_identity_set_host(who, host, FERRY_AT_CONNECT);
    ck_assert_int_eq(decide().rule, 0);
    ck_assert_uint_eq(ferry_policy_refusals(policy, 0), 1);
    ck_assert_uint_eq(ferry_policy_refusals(policy, 1), 2);
    ck_assert_uint_eq(ferry_policy_refusals(policy, 2), 0);
}
END_TEST

START_TEST(rules_ask_only_for_what_can_be_known)
{
    struct ferry_error error = { 0 };
    add(true, "%s", "any");
    ck_assert_int_eq(ferry_policy_check(policy, 0, &error), 0);
    add(true, "%s", "unit:x");
    ck_assert_int_eq(ferry_policy_check(policy, FERRY_HAS_IDENTITY, &error), 0);
    ck_assert_int_eq(ferry_policy_check(policy, FERRY_HAS_HOST, &error), -EOPNOTSUPP);
    ck_assert_str_eq(error.thing, "allow unit:x");
    ck_assert_int_eq(ferry_policy_fact(policy, 1), FERRY_FACT_COUNT);
    ck_assert_int_eq(ferry_policy_fact(policy, 2), FERRY_FACT_UNIT);
}
END_TEST

/* --- what a verdict costs --------------------------------------------------------------------- */

/* One rule more would be refused: as many as a policy holds, none of which matches, but the last.
 */
#define RULES 1000

static void add_many(const char *kind)
{
    char subject[128];
    for (unsigned i = 0; i < RULES - 1; i++) {
        if (strcmp(kind, "peer") == 0)
            snprintf(subject, sizeof(subject), "peer:10.%u.%u.0/24", i / 256, i % 256);
        else if (strcmp(kind, "unit") == 0)
            snprintf(subject, sizeof(subject), "unit:worker-%u", i);
        else if (strcmp(kind, "exe") == 0)
            snprintf(subject, sizeof(subject), "exe:%s", other);
        else
            snprintf(subject, sizeof(subject), "%s:%u", kind, 1000 + i);
        ck_assert_int_eq(ferry_policy_add(policy, false, subject, NULL), 0);
    }
    add(true, "%s", "any");
}

/* Whose 32 groups are near those of the rules, and none of them. */
static void become_somebody(void)
{
    gid_t groups[32];
    unsigned char host[16];
    for (unsigned i = 0; i < 32; i++)
        groups[i] = 100000 + i * 1024 + 1000 + i;
    ck_assert_int_eq(ferry_identity_set_number(who, FERRY_FACT_UID, 7, FERRY_AT_CONNECT), 0);
    ck_assert_int_eq(ferry_identity_set_number(who, FERRY_FACT_GID, 7, FERRY_AT_CONNECT), 0);
    ck_assert_int_eq(ferry_identity_set_groups(who, groups, 32, FERRY_AT_CONNECT), 0);
    ck_assert_int_eq(inet_pton(AF_INET6, "::ffff:192.0.2.1", host), 1);
    ferry_identity_set_host(who, host, FERRY_AT_CONNECT);
    is(FERRY_FACT_EXECUTABLE, program);
    is(FERRY_FACT_UNIT, "worker.service");
}

static const char *const kinds[] = { "uid", "gid", "exe", "unit", "peer" };

START_TEST(a_thousand_rules_allocate_nothing)
{
    struct ferry_verdict verdict;
    add_many(kinds[_i]);
    become_somebody();
    size_t before = allocations;
    ferry_policy_decide(policy, who, &verdict);
    ck_assert_uint_eq(allocations, before);
    ck_assert_int_eq(verdict.rule, RULES);
    ck_assert(verdict.allowed);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    free(strdup("counted"));
    ck_assert_uint_gt(allocations, before);
#endif
}
END_TEST

/* The only way out of strict mode ends one thread, and ThreadSanitizer has another. */
#ifndef __SANITIZE_THREAD__
/* In seccomp's strict mode every system call but read, write and exit ends the process. Returns
 * how a verdict ends there. */
static int decide_strictly(void)
{
    int status;
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        struct ferry_verdict verdict;
        if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) < 0)
            _exit(99);
        ferry_policy_decide(policy, who, &verdict);
        syscall(SYS_exit, verdict.rule == RULES ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return status;
}

START_TEST(a_thousand_rules_make_no_system_call)
{
    add_many(kinds[_i]);
    become_somebody();
    int status = decide_strictly();
    if (WIFEXITED(status) && WEXITSTATUS(status) == 99)
        skipped("seccomp is not to be had here");
    else
        ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %#x", status);
}
END_TEST

/* What the test above rests on: the one rule that must look at a file ends the process there. */
START_TEST(a_system_call_would_have_been_seen)
{
    add(true, "exe:%s", program);
    become_somebody();
    int status = decide_strictly();
    ck_assert((WIFEXITED(status) && WEXITSTATUS(status) == 99) ||
              (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
}
END_TEST
#endif

START_TEST(a_group_among_many_is_found)
{
    gid_t groups[300];
    char subject[32];
    for (unsigned i = 0; i < 300; i++)
        groups[i] = 3 * (300 - i);
    become_somebody();
    ck_assert_int_eq(ferry_identity_set_groups(who, groups, 300, FERRY_AT_CONNECT), 0);
    for (unsigned gid = 0; gid <= 1000; gid++) {
        ferry_policy_free(policy);
        ck_assert_int_eq(ferry_policy_new(&policy), 0);
        /* The first rule makes them known; from then on a look at one bit comes first. */
        add(false, "%s", "gid:1000000");
        snprintf(subject, sizeof(subject), "gid:%u", gid);
        add(true, "%s", subject);
        bool has = gid == 7 || (gid && gid % 3 == 0 && gid <= 900);
        ck_assert_msg(decide().allowed == has, "gid %u", gid);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("channel/policy_decide");
    TCase *cases = tcase_create("verdicts");
    int kind_count = sizeof(kinds) / sizeof(kinds[0]);
    tcase_set_timeout(cases, 20);
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, a_program_is_known_by_its_file);
    tcase_add_test(cases, a_rule_may_name_a_program_by_a_link);
    tcase_add_loop_test(cases, a_program_that_was_replaced_is_refused, 0, 2);
    tcase_add_test(cases, the_kernel_says_deleted_of_what_was_replaced);
    tcase_add_loop_test(cases, an_unknown_program_is_passed_by_no_rule, 0, 2);
    tcase_add_test(cases, a_program_that_is_not_there_is_no_rule);
    tcase_add_test(cases, why_is_told_though_the_rule_is_long);
    tcase_add_loop_test(cases, units_go_by_their_names, 0, sizeof(units) / sizeof(units[0]));
    tcase_add_test(cases, hosts_are_looked_up_in_order);
    tcase_add_test(cases, rules_ask_only_for_what_can_be_known);
    tcase_add_loop_test(cases, a_thousand_rules_allocate_nothing, 0, kind_count);
#ifndef __SANITIZE_THREAD__
    tcase_add_loop_test(cases, a_thousand_rules_make_no_system_call, 0, kind_count);
    tcase_add_test(cases, a_system_call_would_have_been_seen);
#endif
    tcase_add_test(cases, a_group_among_many_is_found);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
