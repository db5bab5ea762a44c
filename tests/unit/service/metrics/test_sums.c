/* test_sums.c - series by their labels: sums, order, bound, room made for new ones. */
#include "base/cleanup.h"
#include "service/metrics/sums.h"
#include "suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add(struct sums *sums, const char *name, uint64_t value, unsigned look)
{
    AUTO_BYTES struct bytes labels = BYTES_EMPTY;

    if (name)
        label_add_text(&labels, "name", name);
    sums_add(sums, &labels, value, look);
    ck_assert(!sums->failed);
}

static void add_number(struct sums *sums, unsigned number, unsigned look)
{
    char name[16];

    snprintf(name, sizeof(name), "%u", number);
    add(sums, name, 1, look);
}

START_TEST(equal_labels_are_summed_and_sorted)
{
    static const struct family family = { "x", "gauge", "What it is." };
    AUTO_BYTES struct bytes text = BYTES_EMPTY;
    struct sums sums = { 0 };

    add(&sums, "b", 1, 1);
    add(&sums, "a", 2, 1);
    add(&sums, "b", UINT64_C(1) << 40, 1);
    add(&sums, NULL, 7, 1);
    add(&sums, "a", 0, 1);
    sums_print(&sums, &family, &text);
    ck_assert_str_eq(text.data, "# HELP x What it is.\n# TYPE x gauge\n"
                                "x 7\nx{name=\"a\"} 2\nx{name=\"b\"} 1099511627777\n");
    sums_fini(&sums);
}
END_TEST

START_TEST(what_finds_no_room_is_counted)
{
    struct sums sums = { .max = 10 };

    for (unsigned i = 0; i < 100; i++)
        add_number(&sums, i, 1);
    ck_assert_uint_eq(sums.count, 10);
    ck_assert_uint_eq(sums.left_out, 90);
    add_number(&sums, 3, 1); /* a known one has its place */
    ck_assert_uint_eq(sums.left_out, 90);
    sums_clear(&sums);
    ck_assert_uint_eq(sums.count, 0);
    ck_assert_uint_eq(sums.left_out, 90);
    sums_fini(&sums);
}
END_TEST

/* Those that nothing was added to in this look and the one before. */
START_TEST(old_ones_make_room)
{
    struct sums sums = { .max = 10 };

    for (unsigned i = 0; i < 10; i++)
        add_number(&sums, i, i < 4 ? 1 : 2);
    add_number(&sums, 100, 2);
    ck_assert_uint_eq(sums.left_out, 1);
    add_number(&sums, 4, 3);
    add_number(&sums, 101, 3);
    ck_assert_uint_eq(sums.left_out, 1);
    ck_assert_uint_eq(sums.count, 7); /* 4..9 and the new one */
    ck_assert_str_eq(sums.data[0].labels, "name=\"101\"");
    ck_assert_str_eq(sums.data[1].labels, "name=\"4\"");
    ck_assert_uint_eq(sums.data[1].value, 2);
    sums_fini(&sums);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("service/metrics/sums");
    TCase *tests = tcase_create("sums");

    tcase_set_timeout(tests, 10);
    tcase_add_test(tests, equal_labels_are_summed_and_sorted);
    tcase_add_test(tests, what_finds_no_room_is_counted);
    tcase_add_test(tests, old_ones_make_room);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
