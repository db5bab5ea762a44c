/* test_array.c - room in arrays that grow. */
#include "base/array.h"
#include "suite.h"

#include <check.h>
#include <stdint.h>
#include <stdlib.h>

START_TEST(grows_and_keeps_what_is_there)
{
    uint32_t *data = NULL;
    size_t count = 0, capacity = 0, moves = 0;

    for (; count < 1000; count++) {
        size_t before = capacity;
        ck_assert(array_reserve(&data, count, &capacity, sizeof(*data)));
        ck_assert_uint_gt(capacity, count);
        moves += capacity != before;
        data[count] = (uint32_t)count * 3;
    }
    ck_assert_uint_le(moves, 10);
    for (size_t i = 0; i < count; i++)
        ck_assert_uint_eq(data[i], i * 3);
    free(data);
}
END_TEST

START_TEST(room_for_many_at_once)
{
    char *data = NULL;
    size_t size = (size_t)5 << 20, capacity = 0; /* more than a large page */

    ck_assert(array_grow(&data, size, &capacity, 1));
    ck_assert_uint_eq(capacity, size);
    for (size_t i = 0; i < size; i += 1000)
        data[i] = (char)i;
    char *before = data;
    ck_assert(array_grow(&data, size - 1, &capacity, 1));
    ck_assert_ptr_eq(data, before);
    ck_assert_uint_eq(capacity, size);
    ck_assert(!array_grow(&data, SIZE_MAX / 8, &capacity, 16));
    ck_assert_uint_eq(capacity, size);
    free(data);
}
END_TEST

START_TEST(what_does_not_fit_leaves_it_as_it_was)
{
    char data[4], *pointer = data;
    size_t capacity = SIZE_MAX / 2;

    ck_assert(!array_reserve(&pointer, SIZE_MAX / 2, &capacity, 16));
    ck_assert_ptr_eq(pointer, data);
    ck_assert_uint_eq(capacity, SIZE_MAX / 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("array");
    TCase *tests = tcase_create("array");

    tcase_add_test(tests, grows_and_keeps_what_is_there);
    tcase_add_test(tests, room_for_many_at_once);
    tcase_add_test(tests, what_does_not_fit_leaves_it_as_it_was);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
