/* address_cases.h - what the tests of addresses share: a text that parses, and one that does not.
 */
#ifndef FERRY_TESTS_ADDRESS_CASES_H
#define FERRY_TESTS_ADDRESS_CASES_H

#include "wire/address.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Parses `text`, which must print as `canonical`, and be equal when that is parsed. The caller
 * frees. */
static inline struct ferry_address *expect_address(
    const char *text, const char *base, const char *canonical)
{
    struct ferry_address *address = NULL, *again = NULL;
    struct ferry_error error = { 0 };

    int r = ferry_address_parse(text, base, &address, &error);
    ck_assert_msg(r == 0, "%s: %d %s", text, r, error.reason);
    ck_assert_str_eq(ferry_address_text(address), canonical);
    ck_assert_int_eq(ferry_address_parse(canonical, NULL, &again, NULL), 0);
    ck_assert_str_eq(ferry_address_text(again), canonical);
    ck_assert(ferry_address_equal(address, again));
    ck_assert_uint_eq(address->rest_size, again->rest_size);
    ck_assert_mem_eq(address->rest, again->rest, address->rest_size + 1);
    ck_assert_int_eq(address->abstract, again->abstract);
    ferry_address_free(again);
    return address;
}

static inline void expect_canonical(const char *text, const char *base, const char *canonical)
{
    ferry_address_free(expect_address(text, base, canonical));
}

/* Parsing must fail with `code`, at `column`, with words in the reason and in the remedy. */
static inline void expect_failure(
    const char *text, int code, unsigned column, const char *reason, const char *remedy)
{
    struct ferry_address *untouched = NULL;
    struct ferry_error error = { 0 };
    char begin[32];

    int r = ferry_address_parse(text, NULL, &untouched, &error);
    ck_assert_msg(r == code, "%s: %d, not %d", text, r, code);
    ck_assert_int_eq(error.code, code);
    ck_assert_ptr_null(untouched);
    snprintf(begin, sizeof(begin), "column %u: ", column);
    ck_assert_msg(strncmp(error.reason, begin, strlen(begin)) == 0, "%s: not %s: %s", text, begin,
        error.reason);
    ck_assert_msg(strstr(error.reason, reason), "%s: no '%s' in: %s", text, reason, error.reason);
    ck_assert_msg(strstr(error.remedy, remedy), "%s: no '%s' in: %s", text, remedy, error.remedy);
    ck_assert_int_eq(ferry_address_parse(text, NULL, &untouched, NULL), code);
}

#endif
