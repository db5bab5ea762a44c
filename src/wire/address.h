/* address.h (wire) - a parsed address: what stands behind the public, opaque one.
 *
 *   address = scheme ":" rest *("," key ["=" value])  |  "-" *("," ...)
 *
 * In rest and values "\," "\\" and "\xHH" are escapes. `exec:` takes its whole remainder and has no
 * options. Which keys a scheme knows, what their values look like and which verb can use them
 * stands in one table in address_options.c. Values are canonical too: a path (`bind` of the unix
 * schemes, `reply` of fifo) is absolute where a base was given, and begins with '@' only when it is
 * an abstract name; `bind` of tcp and udp is [HOST:]PORT as the rest is, IPv6 in brackets.
 */
#ifndef FERRY_WIRE_ADDRESS_H
#define FERRY_WIRE_ADDRESS_H

#include "base/bytes.h"

#include <ferry/address.h>
#include <stdint.h>

enum address_verb { ADDRESS_LISTEN = 1 << 0, ADDRESS_DIAL = 1 << 1 };

struct address_option {
    const char *key; /* from the static table */
    char *value;     /* unescaped; "" for a flag that is set, whether by KEY or KEY=yes */
};

struct ferry_address {
    enum ferry_scheme scheme;
    char *text;       /* canonical */
    char *rest;       /* unescaped, NUL-terminated: path, queue name, command line, fd's name; an
                         abstract name without its '@'. For tcp, udp and icmp the host:
                         "" = loopback, "*" = every address, IPv6 without brackets, zone as %eth0;
                         "" for `-` and for fd with a number */
    size_t rest_size; /* bytes, without the NUL; an abstract name may contain NULs */
    bool abstract;    /* unix schemes: rest is an abstract name */
    uint16_t port;    /* tcp, udp */
    int descriptor;   /* fd: its number; -1: rest is a name of LISTEN_FDNAMES */
    size_t option_count;
    struct address_option options[]; /* in the order of the table: equal addresses print equal */
};

/* The name of a scheme, "unix" ("-" for FERRY_STDIO). */
const char *address_scheme_name(enum ferry_scheme scheme);

/* Takes the "column N: " off the reason of a text that could not be parsed. Returns N, from 1; 0:
 * it has none. */
unsigned address_error_take_column(struct ferry_error *error);

/* Refuses options that the verb cannot use: -EINVAL with the key and the verb named; and listening
 * where nobody can: -EOPNOTSUPP. */
int address_check_verb(
    const struct ferry_address *address, enum address_verb verb, struct ferry_error *error);

/* Any bytes as the rest or a value of an address has them: what would end it there, or could not be
 * read by a person, is escaped. */
void address_print_escaped(struct bytes *text, const char *data, size_t size);
/* Sizes, times and traffic classes as an address has them: 64k, 5m, ef. */
void address_print_size(struct bytes *text, int64_t size);
void address_print_span(struct bytes *text, int64_t span_ms);
void address_print_tos(struct bytes *text, unsigned tos);
/* "64k" in bytes; -1 when it is no size, or larger than `most`. */
int64_t address_parse_size(const char *text, int64_t most);
/* A traffic class by name or number, 0 to 255; -1: it is none. */
int address_tos_parse(const char *text);

/* Values by kind, checked when parsed, so these cannot fail; `absent` when the key is not there. */
bool address_get_flag(const struct ferry_address *address, const char *key, bool absent);
int64_t address_get_number(const struct ferry_address *address, const char *key, int64_t absent);
/* "64k", "1M", "2G" in bytes (powers of 1024). */
int64_t address_get_size(const struct ferry_address *address, const char *key, int64_t absent);
/* Octal, as 0660. */
unsigned address_get_mode(const struct ferry_address *address, const char *key, unsigned absent);
/* Milliseconds. */
int64_t address_get_span_ms(const struct ferry_address *address, const char *key, int64_t absent);

/* Of loss, in millionths; 0 when the key is not there. */
unsigned address_get_share(const struct ferry_address *address, const char *key);

/* The first option of an address that only a relay can give effect to (delay, jitter, rate, loss,
 * reset-after); NULL: it has none. */
const char *address_weather_key(const struct ferry_address *address);
/* Refuses them where nothing is relayed: -EINVAL.
 *   who  what would have to give effect to them, "clock" */
int address_refuse_weather(
    const struct ferry_address *address, const char *who, struct ferry_error *error);

/* Whether its host is a name that is to be looked up first; false where there is no host. */
bool address_host_is_name(const struct ferry_address *address);
/* Whether a host is a multicast group (224.0.0.0/4, ff00::/8); a name is none. address_hosts.c */
bool address_host_is_group(const char *host);
/* Bytes of a number of IP with its NUL. */
#define ADDRESS_HOST_SIZE 46u
/* Copies the next of a list's hosts to host[ADDRESS_HOST_SIZE] and moves the cursor behind it;
 * NULL: there is no further one. */
const char *address_next_host(const char **cursor, char *host);
bool address_lists_host(const char *list, const char *host);

/* A copy with another host (a name that was resolved); tcp, udp and icmp only. NULL: out of memory.
 */
struct ferry_address *address_with_host(const struct ferry_address *address, const char *host);
/* A copy with another port (the one the kernel chose). */
struct ferry_address *address_with_port(const struct ferry_address *address, uint16_t port);

/* A copy without the rules of allow= and deny=. */
struct ferry_address *address_without_rules(const struct ferry_address *address);

/* Splits a command line: words are parted by blanks, tabs and line feeds; '...' keeps everything;
 * "..." keeps everything but \" and \\; outside quotes \X is X. No variables, globs or other shell.
 *   ret_words  NULL-terminated, one allocation, free() it
 * Returns how many words (>= 1), -EINVAL (open quote, or no word), -ENOMEM. */
int address_split_command(const char *text, char ***ret_words);

#endif
