/* fork.c - whether this process is still the one that it was.
 *
 * The page is made when it is first asked for, and stays. Marks are counted in memory that is not
 * wiped, so that one of a child is none of its parent's.
 */
#include "base/fork.h"

#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

/* Where there is no page: never wiped. Its mark is none that is counted. */
static _Atomic(uint32_t) everywhere = UINT32_MAX;

_Atomic(_Atomic(uint32_t) *) fork_word = &everywhere;

static _Atomic(uint32_t) marks;

static void page_make(void)
{
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    _Atomic(uint32_t) *none = &everywhere;
    void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (page == MAP_FAILED)
        return;
    if (madvise(page, size, MADV_WIPEONFORK) < 0 ||
        !atomic_compare_exchange_strong(&fork_word, &none, page))
        munmap(page, size); /* no such kernel, or another thread was first */
}

uint32_t fork_mark(void)
{
    uint32_t mark = 0;

    if (atomic_load(&fork_word) == &everywhere)
        page_make();
    _Atomic(uint32_t) *word = atomic_load(&fork_word);
    uint32_t next = word == &everywhere ? 0 : atomic_fetch_add(&marks, 1) + 1;
    return atomic_compare_exchange_strong(word, &mark, next) ? next : mark;
}
