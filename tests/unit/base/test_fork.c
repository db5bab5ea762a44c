/* test_fork.c - whether this process is still the one that it was. */
#include "base/fork.h"
#include "suite.h"

#include <check.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a child exits with, and its child after it. */
static int status_of(int (*run)(uint32_t mark), uint32_t mark)
{
    int status;
    pid_t child = fork();

    ck_assert_int_ge(child, 0);
    if (child == 0)
        _exit(run(mark));
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int grandchild(uint32_t mark)
{
    return !fork_is_since(mark);
}

/* It has marks of its own, which are neither those of its parent nor of its children. */
static int child(uint32_t mark)
{
    if (!fork_is_since(mark))
        return 1;
    uint32_t own = fork_mark();
    if (own == mark || fork_is_since(own) || !fork_is_since(mark) || fork_mark() != own)
        return 2;
    return status_of(grandchild, own) || status_of(grandchild, mark) ? 3 : 0;
}

START_TEST(a_child_knows_and_a_parent_stays)
{
    uint32_t mark = fork_mark();

    ck_assert(!fork_is_since(mark));
    ck_assert_uint_eq(fork_mark(), mark);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(status_of(child, mark), 0);
    ck_assert(!fork_is_since(mark));
    ck_assert_uint_eq(fork_mark(), mark);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base/fork");
    TCase *tests = tcase_create("fork");

    suite_add_tcase(suite, tests);
    tcase_add_test(tests, a_child_knows_and_a_parent_stays);
    return suite_run(suite);
}
