/* test_machine_findings.c - findings: the worst kept, the rest counted, words quoted for a shell.
 */
#include "command/limits.h"
#include "command/why/machine_findings.h"
#include "command/why/machine_memory.h"
#include "suite.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

static struct finding *add(struct findings *findings, enum finding_kind kind,
    enum severity severity, uint64_t weight, const char *headline)
{
    struct finding *finding = findings_add(findings, kind, severity, weight);
    if (finding)
        bytes_append_text(&finding->headline, headline);
    return finding;
}

START_TEST(test_the_worst_comes_first)
{
    struct findings findings = { 0 };

    add(&findings, FINDING_DROPS, NOTE, 9, "note");
    add(&findings, FINDING_STALE_SOCKET, RISK, 1, "light");
    add(&findings, FINDING_STALE_SOCKET, RISK, 2, "heavy");
    add(&findings, FINDING_QUEUE_FULL, BREAKS_NOW, 0, "breaks");
    findings_sort(&findings);
    ck_assert_str_eq(findings.data[0].headline.data, "breaks");
    ck_assert_str_eq(findings.data[1].headline.data, "heavy");
    ck_assert_str_eq(findings.data[2].headline.data, "light");
    ck_assert_str_eq(findings.data[3].headline.data, "note");
    findings_fini(&findings);
}
END_TEST

START_TEST(test_only_the_weightiest_are_kept)
{
    struct findings findings = { 0 };
    uint64_t total = FINDINGS_SHOWN_MAX * 3;

    /* Rising and falling weights: each order must keep the same ones. */
    for (uint64_t i = 0; i < total; i++) {
        add(&findings, FINDING_DROPS, NOTE, i, "rising");
        add(&findings, FINDING_STALE_SOCKET, RISK, total - 1 - i, "falling");
    }
    ck_assert_uint_eq(findings.count, FINDINGS_SHOWN_MAX * 2);
    findings_sort(&findings);
    for (size_t i = 0; i < findings.count; i++)
        ck_assert_uint_eq(findings.data[i].weight, total - 1 - i % FINDINGS_SHOWN_MAX);

    json_t *more = findings_more_json(&findings);
    ck_assert_uint_eq(json_array_size(more), 2);
    json_t *first = json_array_get(more, 0);
    ck_assert_str_eq(json_string_value(json_object_get(first, "severity")), "risk");
    ck_assert_int_eq(
        json_integer_value(json_object_get(first, "count")), (int)total - (int)FINDINGS_SHOWN_MAX);
    json_decref(more);
    findings_fini(&findings);
}
END_TEST

START_TEST(test_a_note_does_not_bite)
{
    struct findings findings = { 0 };

    ck_assert(!findings_bite(&findings));
    add(&findings, FINDING_DROPS, NOTE, 1, "note");
    ck_assert(!findings_bite(&findings));
    add(&findings, FINDING_STUCK, RISK, 1, "risk");
    ck_assert(findings_bite(&findings));
    findings_fini(&findings);
}
END_TEST

START_TEST(test_json_takes_any_bytes)
{
    struct findings findings = { 0 };
    struct finding *finding = add(&findings, FINDING_STALE_SOCKET, RISK, 1, "\xff");

    finding_evidence(finding, "one");
    finding_evidence(finding, "%s", "two");
    finding_fact_text(finding, "path", "/a\n\xfe");
    json_t *array = findings_json(&findings), *object = json_array_get(array, 0);
    ck_assert_str_eq(json_string_value(json_object_get(object, "headline")), "\\xff");
    ck_assert_str_eq(json_string_value(json_object_get(object, "path")), "/a\\x0a\\xfe");
    json_t *evidence = json_object_get(object, "evidence");
    ck_assert_uint_eq(json_array_size(evidence), 2);
    ck_assert_str_eq(json_string_value(json_array_get(evidence, 1)), "two");
    json_decref(array);
    findings_fini(&findings);
}
END_TEST

static void check_quote(const char *word, const char *expected)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;

    shell_quote(&text, word);
    ck_assert_str_eq(text.data, expected);
}

START_TEST(test_words_are_quoted_for_a_shell)
{
    check_quote("/run/app.sock", "/run/app.sock");
    check_quote("", "''");
    check_quote("/a b", "'/a b'");
    check_quote("/$(x)", "'/$(x)'");
    check_quote("~root", "'~root'");
    check_quote("/it's", "'/it'\\''s'");
    check_quote("/a\n'\\\x1b", "$'/a\\x0a\\x27\\x5c\\x1b'");
    check_quote("/\xc3\xa9", "$'/\\xc3\\xa9'");
}
END_TEST

START_TEST(test_maps_are_read_by_their_numbers)
{
    struct shared_file data[] = {
        { .inode = 7, .device = makedev(0, 0x1a) },
        { .inode = 7, .device = makedev(0, 0x1b) },
        { .inode = 9, .device = makedev(0, 0x1a) },
    };
    struct shared_files files = { .data = data, .count = 3 };

    shared_files_mark_line(&files, "7f00-7f01 rw-s 00000000 00:1a 8   /dev/shm/x");
    shared_files_mark_line(&files, "7f00-7f01 rw-p 00000000 00:00 0");
    shared_files_mark_line(&files, "7f00-7f01 rw-s 00000000 00:1a 8   00:1a 9\n");
    ck_assert(!data[0].held && !data[1].held && !data[2].held);
    shared_files_mark_line(&files, "7f00-7f01 rw-s 00000000 00:1b 7   /dev/shm/x (deleted)\n");
    ck_assert(!data[0].held && data[1].held && !data[2].held);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("command/why/machine_findings");
    TCase *cases = tcase_create("findings");
    tcase_set_timeout(cases, 10);
    tcase_add_test(cases, test_the_worst_comes_first);
    tcase_add_test(cases, test_only_the_weightiest_are_kept);
    tcase_add_test(cases, test_a_note_does_not_bite);
    tcase_add_test(cases, test_json_takes_any_bytes);
    tcase_add_test(cases, test_words_are_quoted_for_a_shell);
    tcase_add_test(cases, test_maps_are_read_by_their_numbers);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
