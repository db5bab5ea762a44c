/* test_number.c - whole numbers from text. */
#include "base/cleanup.h"
#include "base/number.h"
#include "suite.h"

#include <check.h>
#include <stdint.h>

START_TEST(digits_only)
{
    static const struct {
        const char *text;
        unsigned base;
        int64_t most, number;
    } cases[] = {
        { "0", 10, 9, 0 },
        { "007", 10, 9, 7 },
        { "9", 10, 9, 9 },
        { "10", 10, 9, -1 },
        { "9223372036854775807", 10, INT64_MAX, INT64_MAX },
        { "9223372036854775808", 10, INT64_MAX, -1 },
        { "99999999999999999999", 10, INT64_MAX, -1 },
        { "777", 8, 0777, 0777 },
        { "8", 8, 0777, -1 },
        { "", 10, 9, -1 },
        { "-1", 10, 9, -1 },
        { "+1", 10, 9, -1 },
        { " 1", 10, 9, -1 },
        { "1 ", 10, 9, -1 },
        { "1x", 10, 9, -1 },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        ck_assert_msg(number_parse(cases[i].text, cases[i].base, cases[i].most) == cases[i].number,
            "%s", cases[i].text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base/number");
    TCase *cases = tcase_create("number");
    tcase_add_test(cases, digits_only);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
