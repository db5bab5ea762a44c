/* test_inbox.c - memory for messages, and who owns their descriptors. */
#include "scratch.h"

#include "transport/limits.h"

START_TEST(slots_are_as_asked)
{
    struct ferry_inbox *inbox;

    ck_assert_int_eq(ferry_inbox_new(1000, 7, &inbox), 0);
    ck_assert_uint_eq(inbox->size, 1000);
    ck_assert_uint_eq(inbox->count, 7);
    for (size_t i = 0; i < 7; i++) {
        ck_assert_uint_eq(inbox->slots[i].buffer.iov_len, 1000);
        memset(inbox->slots[i].buffer.iov_base, (int)i, 1000);
    }
    for (size_t i = 0; i < 7; i++) {
        const unsigned char *bytes = inbox->slots[i].buffer.iov_base;
        ck_assert_uint_eq(bytes[0], i);
        ck_assert_uint_eq(bytes[999], i);
    }
    ferry_inbox_free(inbox);
}
END_TEST

START_TEST(default_holds_any_datagram)
{
    struct ferry_inbox *inbox;
    FILE *file = fopen("/proc/sys/net/core/wmem_max", "r");
    unsigned long wmem_max = 0;

    ck_assert_int_eq(fscanf(file, "%lu", &wmem_max), 1);
    fclose(file);
    ck_assert_int_eq(ferry_inbox_new(0, 0, &inbox), 0);
    ck_assert_uint_eq(inbox->count, INBOX_COUNT_DEFAULT);
    ck_assert_uint_ge(inbox->size, wmem_max);
    ck_assert_uint_ge(inbox->size, 65507);
    ferry_inbox_free(inbox);
}
END_TEST

START_TEST(impossible_sizes_are_refused)
{
    struct ferry_inbox *inbox = NULL;

    ck_assert_int_eq(ferry_inbox_new(100, INBOX_COUNT_MAX + 1, &inbox), -EINVAL);
    ck_assert_int_eq(ferry_inbox_new(SIZE_MAX - 3, 1, &inbox), -EINVAL);
    ck_assert_ptr_null(inbox);
    ferry_inbox_free(NULL);
}
END_TEST

START_TEST(untouched_memory_costs_nothing)
{
    struct ferry_inbox *inbox;
    long before, after;
    char line[128];
    FILE *file = fopen("/proc/self/statm", "r");

    ck_assert_int_eq(fscanf(file, "%*s %ld", &before), 1);
    fclose(file);
    ck_assert_int_eq(ferry_inbox_new(4 << 20, 64, &inbox), 0);
    file = fopen("/proc/self/statm", "r");
    ck_assert_ptr_nonnull(fgets(line, sizeof(line), file));
    fclose(file);
    ck_assert_int_eq(sscanf(line, "%*s %ld", &after), 1);
    /* 256 MiB of slots; the slots' heads are touched. */
    ck_assert_int_lt(after - before, 512);
    ferry_inbox_free(inbox);
}
END_TEST

START_TEST(message_closes_what_was_not_taken)
{
    int descriptors[3] = { dup(0), dup(0), dup(0) };
    int kept = descriptors[1], closed = descriptors[2];
    struct ferry_message message = { .descriptors = descriptors, .descriptor_count = 3 };

    ck_assert_int_eq(ferry_message_take(&message, 1), kept);
    ck_assert_int_eq(ferry_message_take(&message, 1), -EBADF);
    ck_assert_int_eq(ferry_message_take(&message, 3), -EBADF);
    ferry_message_fini(&message);
    ck_assert_int_eq(fcntl(closed, F_GETFD), -1);
    ck_assert_int_ge(fcntl(kept, F_GETFD), 0);
    ferry_message_fini(&message);
    close(kept);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("transport/inbox");
    TCase *cases = tcase_create("inbox");

    tcase_set_timeout(cases, 20);
    tcase_add_test(cases, slots_are_as_asked);
    tcase_add_test(cases, default_holds_any_datagram);
    tcase_add_test(cases, impossible_sizes_are_refused);
    tcase_add_test(cases, untouched_memory_costs_nothing);
    tcase_add_test(cases, message_closes_what_was_not_taken);
    suite_add_tcase(suite, cases);
    return scratch_run(suite);
}
