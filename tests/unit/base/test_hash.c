/* test_hash.c - FNV-1a: what its authors publish, since names of kept descriptors outlive us. */
#include "base/cleanup.h"
#include "base/hash.h"
#include "suite.h"

#include <check.h>
#include <string.h>

START_TEST(published_values)
{
    static const struct {
        const char *text;
        uint64_t hash;
    } cases[] = {
        { "", UINT64_C(0xcbf29ce484222325) },
        { "a", UINT64_C(0xaf63dc4c8601ec8c) },
        { "foobar", UINT64_C(0x85944171f73967e8) },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++)
        ck_assert_msg(hash_add(HASH_EMPTY, cases[i].text, strlen(cases[i].text)) == cases[i].hash,
            "%s", cases[i].text);
}
END_TEST

START_TEST(piece_by_piece)
{
    uint64_t hash = hash_add(hash_add(HASH_EMPTY, "foo", 3), "bar", 3);

    ck_assert_uint_eq(hash, hash_add(HASH_EMPTY, "foobar", 6));
    ck_assert_uint_eq(hash_add(hash, "", 0), hash);
}
END_TEST

START_TEST(bytes_beyond_ascii)
{
    ck_assert_uint_eq(
        hash_add(HASH_EMPTY, "\xff", 1), (HASH_EMPTY ^ 0xff) * UINT64_C(0x100000001b3));
}
END_TEST

START_TEST(folded)
{
    ck_assert_uint_eq(hash_fold(UINT64_C(0x1234567800000001)), UINT64_C(0x1234567812345679));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base/hash");
    TCase *tests = tcase_create("hash");

    tcase_add_test(tests, published_values);
    tcase_add_test(tests, piece_by_piece);
    tcase_add_test(tests, bytes_beyond_ascii);
    tcase_add_test(tests, folded);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
