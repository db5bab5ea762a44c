/* test_exposition.c - Prometheus' text: labels that other processes chose, and samples. */
#include "service/metrics/exposition.h"
#include "suite.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

START_TEST(labels)
{
    static const struct {
        const char *value, *text;
    } cases[] = { { "", "l=\"\"" }, { "plain", "l=\"plain\"" }, { "a\"b", "l=\"a\\\"b\"" },
        { "a\\b", "l=\"a\\\\b\"" }, { "a\nb", "l=\"a\\\\x0ab\"" }, { "\\\"", "l=\"\\\\\\\"\"" },
        { "\xff", "l=\"\\\\xff\"" }, { "\xc3\xbc", "l=\"\xc3\xbc\"" },
        { "\x1b\x7f\r", "l=\"\\\\x1b\\\\x7f\\\\x0d\"" }, { "a,b=\"c\"}", "l=\"a,b=\\\"c\\\"}\"" } };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        AUTO_BYTES struct bytes text = BYTES_EMPTY;
        label_add_text(&text, "l", cases[i].value);
        ck_assert_str_eq(text.data, cases[i].text);
    }
    AUTO_BYTES struct bytes two = BYTES_EMPTY;
    label_add(&two, "a", "x\0y", 3);
    label_add_text(&two, "b", "z");
    ck_assert_str_eq(two.data, "a=\"x\\\\x00y\",b=\"z\"");
}
END_TEST

/* Of all bytes none leaves the quotes: those inside are escaped, and no line ends. */
START_TEST(no_byte_leaves_the_quotes)
{
    for (int byte = 0; byte < 256; byte++) {
        AUTO_BYTES struct bytes text = BYTES_EMPTY;
        char value = (char)byte;
        label_add(&text, "l", &value, 1);
        ck_assert_mem_eq(text.data, "l=\"", 3);
        size_t at = 3;
        while (text.data[at] != '"')
            at += text.data[at] == '\\' ? 2 : 1;
        ck_assert_uint_eq(at + 1, text.size);
        ck_assert_ptr_null(strchr(text.data, '\n'));
    }
}
END_TEST

START_TEST(samples)
{
    static const struct family family = { "x_total", "counter", "What it is." };
    AUTO_BYTES struct bytes text = BYTES_EMPTY;

    family_begin(&text, &family);
    family_sample(&text, &family, "", UINT64_MAX);
    family_sample(&text, &family, "a=\"b\"", 0);
    family_sample_seconds(&text, &family, "", 0.25);
    ck_assert_str_eq(text.data, "# HELP x_total What it is.\n# TYPE x_total counter\n"
                                "x_total 18446744073709551615\nx_total{a=\"b\"} 0\n"
                                "x_total 0.250000\n");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("service/metrics/exposition");
    TCase *tests = tcase_create("exposition");

    tcase_set_timeout(tests, 10);
    tcase_add_test(tests, labels);
    tcase_add_test(tests, no_byte_leaves_the_quotes);
    tcase_add_test(tests, samples);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
