/* fail_allocation.c - preloaded, makes one allocation fail, or that one and all that follow.
 *
 * FERRY_FAIL_ALLOCATION is the number of the first that fails, counted from 1; "+" behind it: and
 * all after it. How many there were is written to the file FERRY_COUNT_ALLOCATIONS at exit.
 * Programs that this one starts are left alone, and so is libseccomp, which (2.5) frees twice, or
 * loops, when it gets no memory; and the first look-up of a user's name, in which glibc (2.36) uses
 * what it did not get, or asserts that it did.
 */
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <pwd.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* glibc's own, behind the names that it lets be replaced. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);

#define PUBLIC __attribute__((visibility("default")))

static atomic_long made;
static long first;
static bool always;
static char count_path[256];
static uintptr_t spared_start, spared_end; /* libseccomp's code */

typedef int look_up(
    uid_t uid, struct passwd *entry, char *buffer, size_t size, struct passwd **found);
static look_up *find_user;
static bool has_looked_up;
static _Thread_local bool looks_up_first;

static int spare(struct dl_phdr_info *object, size_t size, void *data)
{
    (void)size;
    (void)data;
    if (!strstr(object->dlpi_name, "/libseccomp.so"))
        return 0;
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[i];
        if (part->p_type != PT_LOAD || !(part->p_flags & PF_X))
            continue;
        spared_start = object->dlpi_addr + part->p_vaddr;
        spared_end = spared_start + part->p_memsz;
    }
    return 1;
}

__attribute__((constructor)) static void begin(void)
{
    const char *number = getenv("FERRY_FAIL_ALLOCATION");
    const char *path = getenv("FERRY_COUNT_ALLOCATIONS");

    snprintf(count_path, sizeof(count_path), "%s", path ? path : "");
    first = number ? strtol(number, NULL, 10) : 0;
    always = number && strchr(number, '+');
    unsetenv("LD_PRELOAD");
    dl_iterate_phdr(spare, NULL);
    find_user = (look_up *)dlsym(RTLD_NEXT, "getpwuid_r");
    made = 0;
}

__attribute__((destructor)) static void end(void)
{
    long count = made;
    FILE *file = count_path[0] ? fopen(count_path, "w") : NULL;

    if (!file)
        return;
    fprintf(file, "%ld\n", count);
    fclose(file);
}

static bool fails(void *caller)
{
    if (looks_up_first || ((uintptr_t)caller >= spared_start && (uintptr_t)caller < spared_end))
        return false;
    long number = atomic_fetch_add(&made, 1) + 1;

    if (!first || number < first || (number > first && !always))
        return false;
    errno = ENOMEM;
    return true;
}

PUBLIC int getpwuid_r(
    uid_t uid, struct passwd *entry, char *buffer, size_t size, struct passwd **found)
{
    looks_up_first = !has_looked_up;
    int code = find_user(uid, entry, buffer, size, found);
    has_looked_up = true;
    looks_up_first = false;
    return code;
}

PUBLIC void *malloc(size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

PUBLIC void *calloc(size_t count, size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(count, size);
}

PUBLIC void *realloc(void *memory, size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(memory, size);
}

PUBLIC void *reallocarray(void *memory, size_t count, size_t size)
{
    size_t total;

    if (__builtin_mul_overflow(count, size, &total)) {
        errno = ENOMEM;
        return NULL;
    }
    return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(memory, total);
}
