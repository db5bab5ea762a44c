/* test_screen.c - texts cut to a width. */
#include "command/view/screen.h"
#include "suite.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static void check_cut(const char *whole, size_t width, const char *expected)
{
    struct bytes text = BYTES_EMPTY;

    bytes_append_text(&text, "<");
    view_append_cut(&text, whole, strlen(whole), width);
    bytes_append_text(&text, ">");
    ck_assert_str_eq(text.data, expected);
    bytes_fini(&text);
}

START_TEST(what_fits_is_whole)
{
    check_cut("abc", 3, "<abc>");
    check_cut("abc", 300, "<abc>");
    check_cut("", 0, "<>");
    check_cut("äöü", 3, "<äöü>");
}
END_TEST

START_TEST(both_ends_are_kept)
{
    check_cut("abcdefgh", 7, "<abc…fgh>");
    check_cut("abcdefgh", 6, "<abc…gh>");
    check_cut("abcdefgh", 2, "<a…>");
    check_cut("abcdefgh", 1, "<…>");
    check_cut("abcdefgh", 0, "<>");
}
END_TEST

/* "pytho…849]" would be of a process 849. */
START_TEST(numbers_at_the_end_are_kept)
{
    check_cut("python3[25849]", 11, "<pyt…[25849]>");
    check_cut("python3[25849]", 9, "<p…[25849]>");
    check_cut("nginx[32589] +2", 13, "<ng…[32589] +2>");
    check_cut("127.0.0.1:48428", 11, "<127.…:48428>");
    check_cut("[fe80::1]:80", 8, "<[fe8…:80>");
    check_cut("python3[25849]", 8, "<pyth…49]>");
    check_cut("/run/a:12/app.sock", 9, "</run…sock>");
}
END_TEST

START_TEST(characters_are_never_cut)
{
    check_cut("äbcdefgö", 3, "<ä…ö>");
    check_cut("ääääöööö", 5, "<ää…öö>");
    ck_assert_uint_eq(view_text_width("ä…b", strlen("ä…b")), 3);
}
END_TEST

START_TEST(colours_are_asked_for)
{
    enum view_colour colour = VIEW_COLOUR_AUTO;

    ck_assert(view_colour_parse("never", &colour));
    ck_assert(!view_colour_wanted(colour));
    ck_assert(view_colour_parse("always", &colour));
    ck_assert(view_colour_wanted(colour));
    ck_assert(!view_colour_parse("sometimes", &colour));
    ck_assert_int_eq(colour, VIEW_COLOUR_ALWAYS);
}
END_TEST

START_TEST(states_have_colours)
{
    struct ferry_path lost = { .state = FERRY_PATH_MISSING };
    struct ferry_endpoint endpoint = { .state = FERRY_STATE_LISTENING };

    ck_assert_str_eq(view_state_colour(&endpoint), "\033[32m");
    endpoint.path = &lost;
    ck_assert_str_eq(view_state_colour(&endpoint), "\033[31m");
    endpoint = (struct ferry_endpoint){ .state = FERRY_STATE_ESTABLISHED };
    ck_assert_ptr_null(view_state_colour(&endpoint));
    endpoint.peer_gone = true;
    ck_assert_str_eq(view_state_colour(&endpoint), "\033[31m");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("command/view/screen");
    TCase *tests = tcase_create("screen");

    tcase_add_test(tests, what_fits_is_whole);
    tcase_add_test(tests, both_ends_are_kept);
    tcase_add_test(tests, numbers_at_the_end_are_kept);
    tcase_add_test(tests, characters_are_never_cut);
    tcase_add_test(tests, colours_are_asked_for);
    tcase_add_test(tests, states_have_colours);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
