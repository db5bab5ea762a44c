/* device.h - the kernel's own numbering of devices, as its diagnosis and its structs have it. */
#ifndef FERRY_ENDPOINTS_DEVICE_H
#define FERRY_ENDPOINTS_DEVICE_H

#include <stdint.h>
#include <sys/sysmacros.h>

/* As in st_dev (include/linux/kdev_t.h: 12 bits and 20). */
static inline uint64_t device_of(uint32_t number)
{
    return makedev(number >> 20, number & 0xfffff);
}

#endif
