/* test_arena.c - memory that is given back all at once. */
#include "base/arena.h"
#include "base/limits.h"
#include "suite.h"

#include <check.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

START_TEST(pieces_are_zeroed_and_aligned)
{
    struct arena arena = { 0 };

    /* Memory that was used before comes again. */
    memset(arena_new(&arena, ARENA_BLOCK_SIZE), 0xff, ARENA_BLOCK_SIZE);
    arena_fini(&arena);
    for (size_t size = 1; size < 200; size++) {
        unsigned char *piece = arena_new(&arena, size);
        ck_assert_ptr_nonnull(piece);
        ck_assert_uint_eq((uintptr_t)piece % alignof(max_align_t), 0);
        for (size_t i = 0; i < size; i++)
            ck_assert_uint_eq(piece[i], 0);
        memset(piece, 0xff, size); /* the next must not get it back */
    }
    arena_fini(&arena);
}
END_TEST

/* As long as each round needs as much as the last, it asks for no memory. */
START_TEST(memory_is_kept_for_the_next_round)
{
    struct arena arena = { 0 };
    void *small = arena_new(&arena, 100), *large = arena_new(&arena, ARENA_BLOCK_SIZE * 3);

    memset(small, 0xff, 100);
    for (int round = 0; round < 5; round++) {
        arena_clear(&arena);
        unsigned char *again = arena_new(&arena, 100);
        ck_assert_ptr_eq(again, small);
        for (size_t i = 0; i < 100; i++)
            ck_assert_uint_eq(again[i], 0);
        ck_assert_ptr_eq(arena_new(&arena, ARENA_BLOCK_SIZE * 3), large);
        memset(again, 0xff, 100);
    }
    /* What was not needed is given back: small pieces do not live in large blocks. */
    arena_clear(&arena);
    ck_assert_ptr_eq(arena_new(&arena, 100), small);
    arena_clear(&arena);
    ck_assert_ptr_null(arena.blocks);
    ck_assert_ptr_nonnull(arena.spare);
    arena_fini(&arena);
    ck_assert_ptr_null(arena.spare);
}
END_TEST

START_TEST(a_piece_behind_a_text_is_aligned_again)
{
    struct arena arena = { 0 };

    for (size_t length = 0; length < 40; length++) {
        ck_assert_ptr_nonnull(
            arena_copy(&arena, "0123456789012345678901234567890123456789", length));
        ck_assert_uint_eq((uintptr_t)arena_new(&arena, 24) % alignof(max_align_t), 0);
    }
    arena_fini(&arena);
}
END_TEST

START_TEST(a_copy_has_its_size_and_a_nul)
{
    struct arena arena = { 0 };
    char *abstract = arena_copy(&arena, "\0a\0b", 4);
    char *empty = arena_copy(&arena, "not read", 0);
    char *next = arena_copy(&arena, "next", 4);

    ck_assert_mem_eq(abstract, "\0a\0b\0", 5);
    ck_assert_str_eq(empty, "");
    ck_assert_str_eq(next, "next");
    arena_fini(&arena);
}
END_TEST

/* Over many blocks: each keeps what it was given, none overlaps another. */
START_TEST(no_piece_moves_or_overlaps)
{
    enum { COUNT = 3000 };
    struct arena arena = { 0 };
    unsigned char *pieces[COUNT];
    size_t sizes[COUNT];

    for (size_t i = 0; i < COUNT; i++) {
        sizes[i] = i % 97 + 1;
        pieces[i] = arena_new(&arena, sizes[i]);
        ck_assert_ptr_nonnull(pieces[i]);
        memset(pieces[i], (int)(i % 251), sizes[i]);
    }
    for (size_t i = 0; i < COUNT; i++)
        for (size_t j = 0; j < sizes[i]; j++)
            ck_assert_uint_eq(pieces[i][j], i % 251);
    arena_fini(&arena);
}
END_TEST

START_TEST(a_piece_may_be_larger_than_a_block)
{
    struct arena arena = { 0 };
    char *small = arena_copy(&arena, "small", 5);
    size_t sizes[] = { ARENA_BLOCK_SIZE - 1, ARENA_BLOCK_SIZE, ARENA_BLOCK_SIZE + 1,
        ARENA_BLOCK_SIZE * 3 };

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char *piece = arena_new(&arena, sizes[i]);
        ck_assert_ptr_nonnull(piece);
        memset(piece, 'x', sizes[i]); /* a sanitizer sees one byte too many */
        ck_assert_str_eq(arena_copy(&arena, "behind", 6), "behind");
    }
    ck_assert_str_eq(small, "small");
    arena_fini(&arena);
}
END_TEST

START_TEST(what_was_given_back_can_be_used_again)
{
    struct arena arena = { 0 };

    arena_fini(&arena);
    for (int round = 0; round < 3; round++) {
        ck_assert_str_eq(arena_copy(&arena, "round", 5), "round");
        arena_fini(&arena);
        ck_assert_ptr_null(arena.blocks);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base/arena");
    TCase *tests = tcase_create("arena");

    tcase_set_timeout(tests, 10);
    tcase_add_test(tests, memory_is_kept_for_the_next_round);
    tcase_add_test(tests, pieces_are_zeroed_and_aligned);
    tcase_add_test(tests, a_piece_behind_a_text_is_aligned_again);
    tcase_add_test(tests, a_copy_has_its_size_and_a_nul);
    tcase_add_test(tests, no_piece_moves_or_overlaps);
    tcase_add_test(tests, a_piece_may_be_larger_than_a_block);
    tcase_add_test(tests, what_was_given_back_can_be_used_again);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
