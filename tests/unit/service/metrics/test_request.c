/* test_request.c - the head of one request, in pieces and in bytes that are none. What is refused
 * and why, the end-to-end test has. */
#include "service/limits.h"
#include "service/metrics/request.h"
#include "suite.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* From memory of just that size, which a sanitizer watches. */
static int read_copy(const char *data, size_t size, bool ended, struct request *ret_request)
{
    char *copy = malloc(size ? size : 1);

    memcpy(copy, data, size);
    int complete = request_read(copy, size, ended, ret_request);
    free(copy);
    return complete;
}

START_TEST(a_head_is_complete_with_its_empty_line)
{
    static const char head[] = "GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n";
    struct request request;

    for (size_t size = 0; size < sizeof(head) - 1; size++) {
        ck_assert_msg(read_copy(head, size, false, &request) == 0, "%zu bytes", size);
        ck_assert_int_eq(read_copy(head, size, true, &request), 1);
        ck_assert_int_eq(request.status, 400);
    }
    ck_assert_int_eq(read_copy(head, sizeof(head) - 1, false, &request), 1);
    ck_assert_int_eq(request.status, 200);
    ck_assert(!request.head_only);
}
END_TEST

/* What is wrong is told as soon as its line is there. */
START_TEST(a_bad_line_is_not_waited_for)
{
    struct request request;

    ck_assert_int_eq(read_copy("hello\n", 6, false, &request), 1);
    ck_assert_int_eq(request.status, 400);
    ck_assert_int_eq(read_copy("GET / HTTP/1.1\nbad\n", 19, false, &request), 1);
    ck_assert_int_eq(request.status, 400);
}
END_TEST

START_TEST(a_head_has_a_bound)
{
    char *data = malloc(REQUEST_SIZE_MAX * 2);
    struct request request;

    memset(data, 'x', REQUEST_SIZE_MAX * 2);
    ck_assert_int_eq(read_copy(data, REQUEST_SIZE_MAX - 1, false, &request), 0);
    ck_assert_int_eq(read_copy(data, REQUEST_SIZE_MAX, false, &request), 1);
    ck_assert_int_eq(request.status, 431);
    ck_assert_int_eq(read_copy(data, REQUEST_SIZE_MAX * 2, false, &request), 1);
    ck_assert_int_eq(request.status, 431);
    free(data);
}
END_TEST

/* Any bytes have an answer once they have ended, and it is one that has a name and a reason. */
START_TEST(any_bytes)
{
    static const char some[] = "GET / HTTP/1.\r\n:\t \0\x80Host";
    char data[64];

    srand(1);
    for (int round = 0; round < 200000; round++) {
        struct request request;
        size_t size = (size_t)rand() % sizeof(data);
        for (size_t i = 0; i < size; i++)
            data[i] = some[(size_t)rand() % (sizeof(some) - 1)];
        if (round % 2 && size > 16)
            memcpy(data, "GET / HTTP/1.0\r\n", 16);
        ck_assert_int_eq(read_copy(data, size, true, &request), 1);
        ck_assert(request.status == 200 || (request.status >= 400 && request.why));
        ck_assert(request.status == 400 ||
                  strcmp(request_status_name(request.status), "Bad Request") != 0);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("service/metrics/request");
    TCase *tests = tcase_create("request");

    tcase_set_timeout(tests, 10);
    tcase_add_test(tests, a_head_is_complete_with_its_empty_line);
    tcase_add_test(tests, a_bad_line_is_not_waited_for);
    tcase_add_test(tests, a_head_has_a_bound);
    tcase_add_test(tests, any_bytes);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
