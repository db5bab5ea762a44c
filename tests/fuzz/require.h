/* require.h - how a property says that it does not hold, and what several ask for.
 *
 * It aborts instead of using a test library, so that a fuzzer sees a crash. */
#ifndef FERRY_TESTS_FUZZ_REQUIRE_H
#define FERRY_TESTS_FUZZ_REQUIRE_H

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);         \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* How many descriptors are open, of the first hundred: the lowest are given first. */
size_t count_descriptors(void);
/* Lines that can stand on a terminal: whatever came from a peer is escaped in them. */
void require_printable(const char *text, size_t size);

#endif
