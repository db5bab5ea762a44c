/* test_diagnosis.c - the most important comes first, what is chosen by others is escaped, and too
 * much is bounded.
 */
#include "command/why/diagnosis.h"
#include "suite.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

START_TEST(test_the_most_important_is_the_answer)
{
    struct diagnosis diagnosis = { 0 };
    struct bytes text = BYTES_EMPTY;

    ck_assert_ptr_null(diagnosis_first(&diagnosis));
    finding_add(&diagnosis, VERDICT_NOT_ACCEPTING, "hangs");
    finding_add(&diagnosis, VERDICT_NO_SEARCH, "kept out");
    finding_add(&diagnosis, VERDICT_SERVER_NOT_READING, "slow");
    ck_assert_str_eq(diagnosis_first(&diagnosis)->headline.data, "kept out");
    diagnosis_print(&diagnosis, "/x", &text);
    ck_assert_str_eq(text.data, "/x: kept out\nalso: hangs\nalso: slow\n");
    bytes_fini(&text);
    diagnosis_fini(&diagnosis);
}
END_TEST

START_TEST(test_without_findings_it_says_what_was_checked)
{
    struct diagnosis diagnosis = { 0 };
    struct bytes text = BYTES_EMPTY;

    diagnosis_check(&diagnosis, "one");
    diagnosis_check(&diagnosis, "two");
    diagnosis_print(&diagnosis, "/x", &text);
    ck_assert_str_eq(text.data, "/x: nothing wrong\n  checked   one\n            two\n");
    bytes_fini(&text);
    diagnosis_fini(&diagnosis);
}
END_TEST

START_TEST(test_what_others_chose_is_escaped)
{
    struct diagnosis diagnosis = { 0 };
    struct finding *finding =
        finding_add(&diagnosis, VERDICT_STALE, "file %s", "a\nmend: rm -rf /\x1b[2J");

    finding_prove(finding, "name %s", "b\nc");
    ck_assert_str_eq(finding->headline.data, "file a\\x0amend: rm -rf /\\x1b[2J");
    ck_assert_str_eq(finding->evidence.data, "name b\\x0ac\n");
    diagnosis_fini(&diagnosis);
}
END_TEST

START_TEST(test_json_takes_what_is_no_utf8)
{
    struct diagnosis diagnosis = { 0 };

    finding_add(&diagnosis, VERDICT_STALE, "file %s", "\xff\xfe");
    json_t *document = diagnosis_json(&diagnosis, "/\xff");
    ck_assert_str_eq(json_string_value(json_object_get(document, "target")), "/\\xff");
    ck_assert_str_eq(json_string_value(json_object_get(document, "headline")), "file \\xff\\xfe");
    ck_assert_str_eq(json_string_value(json_object_get(document, "verdict")), "stale");
    json_decref(document);
    diagnosis_fini(&diagnosis);
}
END_TEST

START_TEST(test_too_much_is_left_out)
{
    struct diagnosis diagnosis = { 0 };

    for (unsigned i = 0; i < FINDINGS_MAX + 5; i++)
        finding_prove(finding_add(&diagnosis, VERDICT_STALE, "%u", i), "evidence");
    ck_assert_uint_eq(diagnosis.count, FINDINGS_MAX);
    ck_assert(!diagnosis_failed(&diagnosis));
    diagnosis_fini(&diagnosis);
}
END_TEST

START_TEST(test_every_verdict_has_its_id)
{
    for (unsigned i = 0; i <= VERDICT_HEALTHY; i++) {
        ck_assert_ptr_nonnull(verdict_id(i));
        for (unsigned j = 0; j < i; j++)
            ck_assert_str_ne(verdict_id(i), verdict_id(j));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("diagnosis");
    TCase *cases = tcase_create("diagnosis");
    tcase_add_test(cases, test_the_most_important_is_the_answer);
    tcase_add_test(cases, test_without_findings_it_says_what_was_checked);
    tcase_add_test(cases, test_what_others_chose_is_escaped);
    tcase_add_test(cases, test_json_takes_what_is_no_utf8);
    tcase_add_test(cases, test_too_much_is_left_out);
    tcase_add_test(cases, test_every_verdict_has_its_id);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
