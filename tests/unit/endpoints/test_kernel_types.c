/* test_kernel_types.c - a kernel's description of its types: found, missing, damaged. */
#include "endpoints/kernel_types.h"
#include "suite.h"

#include <check.h>
#include <errno.h>
#include <linux/btf.h>
#include <stdlib.h>
#include <string.h>

#define NAMES "\0task\0pid\0comm\0walk\0int\0other"

enum { TASK = 1, PID = 6, COMM = 10, WALK = 15, INT = 20, OTHER = 24 };

/* int; struct other { pid; }; enum; struct task { pid; comm; }; walk(). */
struct description {
    struct btf_header header;
    struct btf_type number;
    uint32_t encoding;
    struct btf_type other;
    struct btf_member other_pid;
    struct btf_type choice;
    struct btf_enum choices[2];
    struct btf_type task;
    struct btf_member members[2];
    struct btf_type walk;
    char names[sizeof(NAMES)];
};

static const struct description whole = {
    .header = { .magic = BTF_MAGIC,
        .version = 1,
        .hdr_len = sizeof(struct btf_header),
        .type_len = offsetof(struct description, names) - sizeof(struct btf_header),
        .str_off = offsetof(struct description, names) - sizeof(struct btf_header),
        .str_len = sizeof(NAMES) },
    .number = { .name_off = INT, .info = BTF_KIND_INT << 24, .size = 4 },
    .other = { .name_off = OTHER, .info = BTF_KIND_STRUCT << 24 | 1, .size = 4 },
    .other_pid = { .name_off = PID, .type = 1, .offset = 8 * 99 },
    .choice = { .info = BTF_KIND_ENUM << 24 | 2, .size = 4 },
    .task = { .name_off = TASK, .info = BTF_KIND_STRUCT << 24 | 2, .size = 32 },
    .members = { { .name_off = COMM, .type = 1, .offset = 8 * 16 },
        { .name_off = PID, .type = 1, .offset = 8 * 24 } },
    .walk = { .name_off = WALK, .info = BTF_KIND_FUNC << 24, .type = 1 },
    .names = NAMES,
};

static struct kernel_field fields[2];
static uint32_t function;

static int find(const struct description *description, size_t size)
{
    /* Of just that size, so that a sanitizer sees what is read behind it. */
    void *copy = malloc(size);

    memcpy(copy, description, size);
    fields[0] = (struct kernel_field){ "task", "pid", 77 };
    fields[1] = (struct kernel_field){ "task", "comm", 77 };
    int code = kernel_types_find(copy, size, fields, 2, "walk", &function);
    free(copy);
    return code;
}

START_TEST(offsets_and_the_function_are_found)
{
    ck_assert_int_eq(find(&whole, sizeof(whole)), 0);
    ck_assert_int_eq(fields[0].offset, 24);
    ck_assert_int_eq(fields[1].offset, 16);
    ck_assert_uint_eq(function, 5);
}
END_TEST

/* With the flag a member's upper byte is the size of its bit field. */
START_TEST(offsets_beside_bit_fields)
{
    struct description packed = whole;

    packed.task.info |= 1u << 31;
    packed.members[0].offset |= 5u << 24;
    ck_assert_int_eq(find(&packed, sizeof(packed)), 0);
    ck_assert_int_eq(fields[1].offset, 16);
}
END_TEST

START_TEST(what_is_missing_is_said)
{
    struct description less = whole;

    less.members[1].name_off = INT;
    ck_assert_int_eq(find(&less, sizeof(less)), -ENOENT);
    less = whole;
    less.walk.name_off = INT;
    ck_assert_int_eq(find(&less, sizeof(less)), -ENOENT);
    less = whole;
    less.members[0].offset = 8 * 40000; /* further than an instruction reaches */
    ck_assert_int_eq(find(&less, sizeof(less)), -ENOENT);
}
END_TEST

static const struct {
    size_t place;
    uint32_t value;
    int code;
} damages[] = {
    { offsetof(struct description, header.magic), 0, -EPROTO },
    { offsetof(struct description, header.hdr_len), 0xffffffff, -EPROTO },
    { offsetof(struct description, header.hdr_len), 23, -EPROTO },
    { offsetof(struct description, header.type_off), 0xffffffff, -EPROTO },
    { offsetof(struct description, header.type_len), 0xffffffff, -EPROTO },
    { offsetof(struct description, header.type_len), 0, -ENOENT },
    { offsetof(struct description, header.str_off), 0xfffffff0, -EPROTO },
    { offsetof(struct description, header.str_len), 0xffffffff, -EPROTO },
    { offsetof(struct description, header.str_len), 0, -EPROTO },
    { offsetof(struct description, header.str_len), 3, -EPROTO }, /* ends within a name */
    { offsetof(struct description, header.str_len), 1, -ENOENT }, /* all names lie behind it */
    { offsetof(struct description, number.info), 0, -EPROTO },
    { offsetof(struct description, number.info), 31 << 24, -EPROTO },
    { offsetof(struct description, choice.info), BTF_KIND_ENUM << 24 | 0xffff, -EPROTO },
    { offsetof(struct description, task.info), BTF_KIND_STRUCT << 24 | 0xffff, -EPROTO },
    { offsetof(struct description, task.name_off), 0xffffffff, -ENOENT },
    { offsetof(struct description, members[0].name_off), 0xffffffff, -ENOENT },
};

START_TEST(what_is_damaged_is_refused)
{
    struct description damaged = whole;

    memcpy((char *)&damaged + damages[_i].place, &damages[_i].value, sizeof(damages[_i].value));
    ck_assert_int_eq(find(&damaged, sizeof(damaged)), damages[_i].code);
}
END_TEST

START_TEST(what_is_cut_off_is_refused)
{
    for (size_t size = 1; size < sizeof(whole) - 2; size++)
        ck_assert_int_eq(find(&whole, size), -EPROTO);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kernel_types");
    TCase *tests = tcase_create("kernel_types");

    tcase_add_test(tests, offsets_and_the_function_are_found);
    tcase_add_test(tests, offsets_beside_bit_fields);
    tcase_add_test(tests, what_is_missing_is_said);
    tcase_add_loop_test(tests, what_is_damaged_is_refused, 0, sizeof(damages) / sizeof(*damages));
    tcase_add_test(tests, what_is_cut_off_is_refused);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
