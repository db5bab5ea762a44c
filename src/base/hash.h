/* hash.h - FNV-1a of 64 bits: where bytes go in a table.
 *
 * For what nobody gains by: who chooses the bytes can make them collide, so where somebody would, a
 * secret comes first. Its low bits come of the low bits of the bytes alone: hash_fold() it where
 * few bits count and values are alike.
 */
#ifndef FERRY_BASE_HASH_H
#define FERRY_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* Of no bytes: FNV's offset basis. */
#define HASH_EMPTY UINT64_C(0xcbf29ce484222325)

/* The hash of what `hash` stands for and these bytes behind it. */
static inline uint64_t hash_add(uint64_t hash, const void *data, size_t size)
{
    const unsigned char *bytes = data;

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/* Its high bits brought into its low ones. */
static inline uint64_t hash_fold(uint64_t hash)
{
    return hash ^ hash >> 32;
}

#endif
