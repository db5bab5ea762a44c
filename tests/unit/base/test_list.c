/* test_list.c - the intrusive list. */
#include "base/list.h"
#include "suite.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

struct item {
    char name;
    struct list link;
};

static void expect_items(struct list *head, const char *names)
{
    char forward[16], backward[16];
    struct list *node;
    size_t count = 0, length = strlen(names);

    list_each (node, head)
        forward[count++] = LIST_ENTRY(node, struct item, link)->name;
    forward[count] = '\0';
    ck_assert_str_eq(forward, names);
    count = length;
    backward[length] = '\0';
    for (node = head->previous; node != head; node = node->previous) {
        ck_assert_uint_gt(count, 0);
        backward[--count] = LIST_ENTRY(node, struct item, link)->name;
    }
    ck_assert_str_eq(backward, names);
    ck_assert_int_eq(list_empty(head), length == 0);
}

static void make(struct list *head, struct item *items, const char *names)
{
    list_init(head);
    for (size_t i = 0; names[i]; i++) {
        items[i].name = names[i];
        list_add_last(head, &items[i].link);
    }
}

START_TEST(adding_and_removing)
{
    struct list head;
    struct item items[3];

    make(&head, items, "");
    expect_items(&head, "");
    make(&head, items, "abc");
    expect_items(&head, "abc");
    list_remove(&items[1].link);
    expect_items(&head, "ac");
    list_remove(&items[1].link);
    expect_items(&head, "ac");
    list_add_last(&head, &items[1].link);
    expect_items(&head, "acb");
    /* What was removed remembers no neighbour. */
    list_remove(&items[2].link);
    list_remove(&items[1].link);
    list_remove(&items[2].link);
    expect_items(&head, "a");
    list_remove(&items[0].link);
    list_remove(&items[1].link);
    list_remove(&items[2].link);
    expect_items(&head, "");
}
END_TEST

START_TEST(removing_while_walking)
{
    struct list head, *node, *after;
    struct item items[5];

    make(&head, items, "abcde");
    list_each_safe (node, after, &head)
        if (LIST_ENTRY(node, struct item, link)->name != 'c')
            list_remove(node);
    expect_items(&head, "c");
}
END_TEST

START_TEST(splicing)
{
    struct list one, two;
    struct item first[2], second[2];

    make(&one, first, "ab");
    make(&two, second, "cd");
    list_splice_last(&one, &two);
    expect_items(&one, "abcd");
    expect_items(&two, "");
    list_splice_last(&one, &two);
    expect_items(&one, "abcd");
    list_splice_last(&two, &one);
    expect_items(&two, "abcd");
    expect_items(&one, "");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base/list");
    TCase *tests = tcase_create("list");

    tcase_set_timeout(tests, 10);
    tcase_add_test(tests, adding_and_removing);
    tcase_add_test(tests, removing_while_walking);
    tcase_add_test(tests, splicing);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
