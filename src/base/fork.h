/* fork.h - whether this process is still the one that it was.
 *
 * What keeps in private memory how far it is in memory that processes share is ruined when two go
 * on from there. A child of fork(2) is told by a page that the kernel gives it wiped
 * (MADV_WIPEONFORK): to ask is two loads, where getpid(2) is a system call.
 */
#ifndef FERRY_BASE_FORK_H
#define FERRY_BASE_FORK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

extern _Atomic(_Atomic(uint32_t) *) fork_word;

/* What this process is known by; in its children it is another. Where the kernel has no such page
 * it is the same in all of them. */
uint32_t fork_mark(void);

/* Whether it is a child of the one that had this mark. */
static inline bool fork_is_since(uint32_t mark)
{
    _Atomic(uint32_t) *word = atomic_load_explicit(&fork_word, memory_order_acquire);
    return atomic_load_explicit(word, memory_order_relaxed) != mark;
}

#endif
