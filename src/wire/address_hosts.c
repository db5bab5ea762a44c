/* address_hosts.c - values that name IP addresses and network interfaces, for udp: with many at the
 * other end.
 *
 * Only numbers are taken: which group is joined, and whom it is heard from, must not depend on a
 * name server. IPv4 and IPv6 may stand in one list; each host stands in it once.
 */
#include "base/cleanup.h"
#include "wire/address_parse.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

bool address_host_is_group(const char *host)
{
    char text[INET6_ADDRSTRLEN];
    struct in_addr ipv4;
    struct in6_addr ipv6;
    size_t size = strcspn(host, "%"); /* a zone follows */

    if (size >= sizeof(text))
        return false;
    memcpy(text, host, size);
    text[size] = '\0';
    if (inet_pton(AF_INET, text, &ipv4) == 1)
        return IN_MULTICAST(ntohl(ipv4.s_addr));
    return inet_pton(AF_INET6, text, &ipv6) == 1 && IN6_IS_ADDR_MULTICAST(&ipv6);
}

const char *address_next_host(const char **cursor, char *host)
{
    size_t skip = strspn(*cursor, ADDRESS_BLANKS);
    size_t size = strcspn(*cursor + skip, ADDRESS_BLANKS);

    if (size == 0 || size >= ADDRESS_HOST_SIZE)
        return NULL;
    memcpy(host, *cursor + skip, size);
    host[size] = '\0';
    *cursor += skip + size;
    return host;
}

bool address_lists_host(const char *list, const char *host)
{
    char one[ADDRESS_HOST_SIZE];
    while (address_next_host(&list, one))
        if (strcmp(one, host) == 0)
            return true;
    return false;
}

/* The one spelling of a number; false when it is none. */
static bool host_normalize(char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    int family = strchr(host, ':') ? AF_INET6 : AF_INET;

    return inet_pton(family, host, address) == 1 &&
           inet_ntop(family, address, host, ADDRESS_HOST_SIZE) != NULL;
}

int address_read_hosts(const struct address_source *source, const struct address_part *part,
    bool groups, struct bytes *ret_hosts)
{
    static const char a_group[] =
        "multicast groups, as 239.1.2.3 or ff15::1, parted by blanks, of 224.0.0.0/4 and ff00::/8";
    static const char a_host[] = "addresses that are no groups, as 10.0.0.1 or fd00::1, parted by "
                                 "blanks";
    const char *given = part->bytes.data, *cursor = given;
    char host[ADDRESS_HOST_SIZE];

    while (address_next_host(&cursor, host)) {
        size_t at = part->at + (size_t)(cursor - given) - strlen(host);
        if (!host_normalize(host) || address_host_is_group(host) != groups)
            return address_fail_expected(source, at, NULL, groups ? a_group : a_host);
        if (ret_hosts->size && address_lists_host(ret_hosts->data, host))
            return address_fail(source, -EINVAL, at, "leave it out", "%s stands there twice", host);
        bytes_print(ret_hosts, "%s%s", ret_hosts->size ? " " : "", host);
        if (bytes_failed(ret_hosts))
            return address_fail_memory(source);
    }
    if (!ret_hosts->size || cursor[strspn(cursor, ADDRESS_BLANKS)])
        return address_fail_expected(
            source, part->at + (size_t)(cursor - given), NULL, groups ? a_group : a_host);
    return 0;
}

int address_read_interface(
    const struct address_source *source, const struct address_part *part, struct bytes *ret_name)
{
    const char *name = part->bytes.data;
    bool good = part->bytes.size > 0 && part->bytes.size < IF_NAMESIZE;

    /* As the kernel's dev_valid_name(). */
    for (const char *c = name; *c; c++)
        good &= !strchr("/:", *c) && !isspace((unsigned char)*c);
    if (!good)
        return address_fail_expected(
            source, part->at, "ip link shows them", "the name of a network interface");
    bytes_append(ret_name, name, part->bytes.size);
    return 0;
}
