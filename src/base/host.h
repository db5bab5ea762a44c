/* host.h - IP addresses as bytes in network order: 4 of AF_INET, 16 of AF_INET6.
 *
 * A dual-stack socket has an IPv4 peer's address as an IPv4-mapped one (::ffff:a.b.c.d), and so has
 * all here that keeps both families in 16 bytes.
 */
#ifndef FERRY_BASE_HOST_H
#define FERRY_BASE_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

/* Bytes of ::ffff:, before the IPv4 address that is mapped. */
#define HOST_MAPPED_SIZE 12

/* Bytes of an address. */
static inline size_t host_size(int family)
{
    return family == AF_INET ? 4 : 16;
}

/* 0.0.0.0 or ::, every address of this machine. */
static inline bool host_is_any(const unsigned char *host, int family)
{
    static const unsigned char any[16];
    return memcmp(host, any, host_size(family)) == 0;
}

/* The IPv4 address that is mapped into one of IPv6; NULL: it is none of those. */
static inline const unsigned char *host_ipv4(const unsigned char host[16])
{
    static const unsigned char mapped[HOST_MAPPED_SIZE] = { [10] = 0xff, [11] = 0xff };
    return memcmp(host, mapped, sizeof(mapped)) == 0 ? host + HOST_MAPPED_SIZE : NULL;
}

/* In 16 bytes: one of IPv4 mapped. */
static inline void host_map(const unsigned char *host, int family, unsigned char ret_host[16])
{
    if (family == AF_INET6) {
        memcpy(ret_host, host, 16);
        return;
    }
    memset(ret_host, 0, 10);
    memset(ret_host + 10, 0xff, 2);
    memcpy(ret_host + HOST_MAPPED_SIZE, host, 4);
}

/* 127.0.0.0/8, mapped too, or ::1. */
static inline bool host_is_loopback(const unsigned char *host, int family)
{
    static const unsigned char loopback[16] = { [15] = 1 };
    const unsigned char *ipv4 = family == AF_INET ? host : host_ipv4(host);
    return ipv4 ? ipv4[0] == 127 : memcmp(host, loopback, sizeof(loopback)) == 0;
}

#endif
