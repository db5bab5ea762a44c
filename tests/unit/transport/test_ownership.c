/* test_ownership.c - mode, owner and group as an address asks for them. */
#include "scratch.h"

#include "transport/ownership.h"

#include <sys/resource.h>

START_TEST(names_and_numbers)
{
    struct ferry_address *address = address_of("unix:/run/x,mode=0660,owner=1000,group=root");
    struct ownership ownership;

    ck_assert_int_eq(ownership_read(address, &ownership, NULL), 0);
    ck_assert(ownership.stated);
    ck_assert_uint_eq(ownership.mode, 0660);
    ck_assert_uint_eq(ownership.owner, 1000);
    ck_assert_uint_eq(ownership.group, 0);
    ferry_address_free(address);
    address = address_of("unix:/run/x");
    ck_assert_int_eq(ownership_read(address, &ownership, NULL), 0);
    ck_assert(!ownership.stated);
    ck_assert_uint_eq(ownership.mode, 0600);
    ck_assert_uint_eq(ownership.owner, (uid_t)-1);
    ck_assert_uint_eq(ownership.group, (gid_t)-1);
    ferry_address_free(address);
}
END_TEST

static const char *const missing[][2] = {
    { "owner", "there is no user \"no-such-name\"" },
    { "group", "there is no group \"no-such-name\"" },
};

START_TEST(a_missing_name_is_told)
{
    struct ferry_address *address = address_of("unix:/run/x,%s=no-such-name", missing[_i][0]);
    struct ownership ownership;
    struct ferry_error error;

    ck_assert_int_eq(ownership_read(address, &ownership, &error), -ENOENT);
    ck_assert_str_eq(error.reason, missing[_i][1]);
    ferry_address_free(address);
}
END_TEST

/* Without a descriptor nothing can be looked up: that is not "there is no". */
START_TEST(a_failed_search_is_not_a_missing_name)
{
    struct rlimit before;
    struct ferry_address *address = address_of("unix:/run/x,%s=root", missing[_i][0]);
    struct ownership ownership;
    struct ferry_error error;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    const struct rlimit none = { 0, before.rlim_max };
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    int r = ownership_read(address, &ownership, &error);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    ck_assert_int_eq(r, -EMFILE);
    ck_assert_str_eq(error.reason, strerror(EMFILE));
    ferry_address_free(address);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("transport/ownership");
    TCase *cases = tcase_create("ownership");

    tcase_set_timeout(cases, 10);
    tcase_add_test(cases, names_and_numbers);
    tcase_add_loop_test(cases, a_missing_name_is_told, 0, COUNT_OF(missing));
    tcase_add_loop_test(cases, a_failed_search_is_not_a_missing_name, 0, COUNT_OF(missing));
    suite_add_tcase(suite, cases);
    return scratch_run(suite);
}
