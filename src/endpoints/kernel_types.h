/* kernel_types.h - where the running kernel keeps what: its own description of its types.
 *
 * /sys/kernel/btf/vmlinux (CONFIG_DEBUG_INFO_BTF; the format: Documentation/bpf/btf.rst).
 */
#ifndef FERRY_ENDPOINTS_KERNEL_TYPES_H
#define FERRY_ENDPOINTS_KERNEL_TYPES_H

#include <stddef.h>
#include <stdint.h>

/* A member of a struct. */
struct kernel_field {
    const char *type, *name;
    int16_t offset; /* bytes from its start, to be found */
};

/* Finds the offsets of all `fields`, and the number of a function's type.
 *   types  the description, of `size` bytes, aligned for uint32_t
 * Returns 0, -ENOENT (not all of these are there), -EPROTO (not as the format says). */
int kernel_types_find(const void *types, size_t size, struct kernel_field *fields,
    size_t field_count, const char *function, uint32_t *ret_function);
/* The same in the running kernel's own. Also -ENOENT: it does not describe its types; -ENOMEM,
 * -errno. */
int kernel_types_find_running(
    struct kernel_field *fields, size_t field_count, const char *function, uint32_t *ret_function);

#endif
