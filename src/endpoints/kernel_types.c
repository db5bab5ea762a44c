/* kernel_types.c - one pass over the kernel's types.
 *
 * libbpf, which would do this too, takes 20 ms to index all of them: as long as everything else
 * together that a look at a machine takes.
 */
#include "endpoints/kernel_types.h"
#include "base/bytes.h"
#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/btf.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

struct types {
    const char *first, *end; /* of the descriptions */
    const char *names;       /* NUL-terminated, the last too */
    size_t names_size;
};

static int types_open(struct types *types, const char *data, uint64_t size)
{
    const struct btf_header *header = (const void *)data;

    if (size < sizeof(*header) || header->magic != BTF_MAGIC)
        return -EPROTO;
    uint64_t types_start = (uint64_t)header->hdr_len + header->type_off;
    uint64_t names_start = (uint64_t)header->hdr_len + header->str_off;
    if (types_start % 4 || types_start + header->type_len > size || header->str_len == 0 ||
        names_start + header->str_len > size)
        return -EPROTO;
    types->first = data + types_start;
    types->end = types->first + header->type_len;
    types->names = data + names_start;
    types->names_size = header->str_len;
    return types->names[types->names_size - 1] ? -EPROTO : 0;
}

static bool is_named(const struct types *types, uint32_t offset, const char *name)
{
    return offset < types->names_size && strcmp(types->names + offset, name) == 0;
}

/* Bytes that follow a type's head; -1: of a kind that this program does not know. */
static long tail_size(const struct btf_type *type)
{
    long count = BTF_INFO_VLEN(type->info);

    switch (BTF_INFO_KIND(type->info)) {
    case BTF_KIND_PTR:
    case BTF_KIND_FWD:
    case BTF_KIND_TYPEDEF:
    case BTF_KIND_VOLATILE:
    case BTF_KIND_CONST:
    case BTF_KIND_RESTRICT:
    case BTF_KIND_FUNC:
    case BTF_KIND_FLOAT:
    case BTF_KIND_TYPE_TAG:
        return 0;
    case BTF_KIND_INT:
        return sizeof(uint32_t);
    case BTF_KIND_ARRAY:
        return sizeof(struct btf_array);
    case BTF_KIND_STRUCT:
    case BTF_KIND_UNION:
        return count * (long)sizeof(struct btf_member);
    case BTF_KIND_ENUM:
        return count * (long)sizeof(struct btf_enum);
    case BTF_KIND_ENUM64:
        return count * (long)sizeof(struct btf_enum64);
    case BTF_KIND_FUNC_PROTO:
        return count * (long)sizeof(struct btf_param);
    case BTF_KIND_VAR:
        return sizeof(struct btf_var);
    case BTF_KIND_DATASEC:
        return count * (long)sizeof(struct btf_var_secinfo);
    case BTF_KIND_DECL_TAG:
        return sizeof(struct btf_decl_tag);
    default:
        return -1;
    }
}

/* Returns how many fields it had. */
static size_t members_find(const struct types *types, const struct btf_type *type,
    struct kernel_field *fields, size_t field_count)
{
    const struct btf_member *members = (const void *)(type + 1);
    bool packed =
        BTF_INFO_KFLAG(type->info); /* then the offset's upper byte is a bit field's size */
    size_t found = 0;

    for (size_t i = 0; i < field_count; i++) {
        if (fields[i].offset >= 0 || !is_named(types, type->name_off, fields[i].type))
            continue;
        for (uint32_t j = 0; j < BTF_INFO_VLEN(type->info); j++) {
            uint32_t bits = members[j].offset;
            bits = packed ? BTF_MEMBER_BIT_OFFSET(bits) : bits;
            if (!is_named(types, members[j].name_off, fields[i].name) || bits / 8 > INT16_MAX)
                continue;
            fields[i].offset = (int16_t)(bits / 8);
            found++;
            break;
        }
    }
    return found;
}

static int types_search(const struct types *types, struct kernel_field *fields, size_t field_count,
    const char *function, uint32_t *ret_function)
{
    uint32_t number = 1;
    size_t found = 0;

    *ret_function = 0;
    for (const char *at = types->first; types->end - at >= (long)sizeof(struct btf_type);
         number++) {
        const struct btf_type *type = (const void *)at;
        long tail = tail_size(type);
        at += sizeof(*type);
        if (tail < 0 || tail > types->end - at)
            return -EPROTO;
        at += tail;
        if (BTF_INFO_KIND(type->info) == BTF_KIND_STRUCT)
            found += members_find(types, type, fields, field_count);
        else if (BTF_INFO_KIND(type->info) == BTF_KIND_FUNC &&
                 is_named(types, type->name_off, function))
            *ret_function = number;
        if (*ret_function && found == field_count)
            return 0;
    }
    return -ENOENT;
}

int kernel_types_find(const void *data, size_t size, struct kernel_field *fields,
    size_t field_count, const char *function, uint32_t *ret_function)
{
    struct types types;
    int code = types_open(&types, data, size);

    for (size_t i = 0; i < field_count; i++)
        fields[i].offset = -1;
    return code < 0 ? code : types_search(&types, fields, field_count, function, ret_function);
}

/* --- the running kernel's --------------------------------------------------------------------- */

static int read_whole(int fd, char *data, size_t size)
{
    while (size > 0) {
        ssize_t length = read(fd, data, size);
        if (length < 0 && errno == EINTR)
            continue;
        if (length <= 0)
            return length < 0 ? -errno : -EPROTO;
        data += length;
        size -= (size_t)length;
    }
    return 0;
}

/* Mapped where that is possible (Linux 6.16), else read. */
int kernel_types_find_running(
    struct kernel_field *fields, size_t field_count, const char *function, uint32_t *ret_function)
{
    AUTO_FD int fd = open("/sys/kernel/btf/vmlinux", O_RDONLY | O_CLOEXEC);
    AUTO_FREE char *copy = NULL;
    struct stat status;

    if (fd < 0 || fstat(fd, &status) < 0)
        return -errno;
    size_t size = (size_t)status.st_size;
    void *mapped = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (mapped == MAP_FAILED) {
        copy = malloc(size);
        int code = copy ? read_whole(fd, copy, size) : -ENOMEM;
        if (code < 0)
            return code;
    }
    int code =
        kernel_types_find(copy ? copy : mapped, size, fields, field_count, function, ret_function);
    if (mapped != MAP_FAILED)
        munmap(mapped, size);
    return code;
}
