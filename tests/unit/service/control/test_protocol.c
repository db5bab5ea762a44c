/* test_protocol.c - what is said on the control socket. */
#include "service/control/protocol.h"
#include "suite.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void expect_bad_bytes(const char *line, size_t size, const char *words)
{
    enum control_request request;
    struct bytes why = BYTES_EMPTY;
    ck_assert_int_eq(control_request_parse(line, size, &request, &why), -EINVAL);
    ck_assert_msg(strstr(why.data, words) != NULL, "%s", why.data);
    bytes_fini(&why);
}

static void expect_bad(const char *line, const char *words)
{
    expect_bad_bytes(line, strlen(line), words);
}

static void expect_good(const char *line, enum control_request expected)
{
    enum control_request request;
    struct bytes why = BYTES_EMPTY;
    ck_assert_int_eq(control_request_parse(line, strlen(line), &request, &why), 0);
    ck_assert_int_eq(request, expected);
    ck_assert_uint_eq(why.size, 0);
}

START_TEST(test_requests)
{
    expect_good("{\"do\":\"status\"}", CONTROL_STATUS);
    expect_good("{\"do\":\"options\"}", CONTROL_OPTIONS);
    expect_good(" { \"do\" : \"reload\" , \"new\" : [1] } \r", CONTROL_RELOAD);
}
END_TEST

START_TEST(test_requests_that_are_none)
{
    static const char nul[] = "{\"do\":\"\0\"}";
    expect_bad("", "not JSON");
    expect_bad("status", "not JSON");
    expect_bad("{\"do\":\"status\"", "not JSON");
    expect_bad("{\"do\":\"status\",\"do\":\"reload\"}", "not JSON");
    expect_bad("{\"do\":\"stop\"}", "\"stop\" is not known");
    expect_bad("{\"do\":1}", "no \"do\"");
    expect_bad("[]", "no \"do\"");
    expect_bad_bytes(nul, sizeof(nul) - 1, "not JSON");
    expect_bad_bytes("{\"do\":\"status\"}", 14, "not JSON"); /* no further than its size */
}
END_TEST

/* The one line of a reply, parsed. */
static json_t *parse_line(struct bytes *output)
{
    ck_assert_ptr_eq(strchr(output->data, '\n'), output->data + output->size - 1);
    json_t *reply = json_loadb(output->data, output->size, 0, NULL);
    ck_assert_ptr_nonnull(reply);
    ck_assert_int_eq(json_integer_value(json_object_get(reply, "version")), CONTROL_VERSION);
    bytes_fini(output);
    return reply;
}

START_TEST(test_good_reply_is_one_line)
{
    struct bytes output = BYTES_EMPTY;
    control_reply_good(&output, json_pack("{s:s}", "text", "two\nlines"));
    json_t *reply = parse_line(&output);
    ck_assert(json_is_true(json_object_get(reply, "ok")));
    ck_assert_str_eq(json_string_value(json_object_get(reply, "text")), "two\nlines");
    json_decref(reply);
}
END_TEST

START_TEST(test_bad_replies)
{
    struct bytes output = BYTES_EMPTY;
    control_reply_bad(&output, "why \"not\"");
    json_t *reply = parse_line(&output);
    ck_assert(json_is_false(json_object_get(reply, "ok")));
    ck_assert_str_eq(json_string_value(json_object_get(reply, "error")), "why \"not\"");
    json_decref(reply);

    control_reply_bad(&output, "\xff not UTF-8");
    reply = parse_line(&output);
    ck_assert(json_is_false(json_object_get(reply, "ok")));
    json_decref(reply);

    control_reply_good(&output, NULL);
    reply = parse_line(&output);
    ck_assert(json_is_false(json_object_get(reply, "ok")));
    json_decref(reply);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("service/protocol");
    TCase *cases = tcase_create("protocol");
    tcase_set_timeout(cases, 10);
    tcase_add_test(cases, test_requests);
    tcase_add_test(cases, test_requests_that_are_none);
    tcase_add_test(cases, test_good_reply_is_one_line);
    tcase_add_test(cases, test_bad_replies);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
