/* address_parse.h - what the parts of the address parser share; for address*.c only.
 *
 * The text is cut at its commas into parts whose escapes are undone; each part is then read by
 * what its scheme or option says it is, and brought into one canonical form, so that addresses that
 * mean the same print the same. All that was read collects in a draft, from which the address is
 * made in one piece. Readers fill bytes that their caller owns, also when they fail.
 */
#ifndef FERRY_WIRE_ADDRESS_PARSE_H
#define FERRY_WIRE_ADDRESS_PARSE_H

#include "base/bytes.h"
#include "wire/address.h"
#include "wire/limits.h"

/* What is being parsed, and where its failure goes. Everything is borrowed. */
struct address_source {
    const char *text;
    const char *base;          /* or NULL */
    struct ferry_error *error; /* or NULL */
};

/* One part with its escapes undone. */
struct address_part {
    struct bytes bytes;
    size_t at;  /* offset in the text where it begins */
    size_t end; /* and where it ends */
};

/* An address in the making; owns its strings. */
struct address_draft {
    enum ferry_scheme scheme;
    struct bytes rest;
    bool abstract;
    uint16_t port;
    int descriptor;
    char *values[ADDRESS_OPTIONS_MAX]; /* by the index of the option table; NULL: not given */
};

void address_draft_fini(struct address_draft *draft);
/* Makes the address and empties the draft; NULL: out of memory. */
struct ferry_address *address_draft_finish(struct address_draft *draft);

/* Fills the error with "column N: reason" and returns `code`; `at` is an offset in the text. */
__attribute__((format(printf, 5, 6))) int address_fail(const struct address_source *source,
    int code, size_t at, const char *remedy, const char *reason, ...);
/* The same with "expected ..., found ...": -EINVAL. */
int address_fail_expected(
    const struct address_source *source, size_t at, const char *remedy, const char *expected);
int address_fail_memory(const struct address_source *source);
/* No scheme of ours begins the text: says which there are, and what was probably meant. */
int address_fail_scheme(const struct address_source *source);

/* The readers of address_rest.c. `part` has no NUL inside but for an abstract name. */

/* A path: made absolute with the base, one slash in front, "./" before a leading '@'. */
int address_read_path(
    const struct address_source *source, const struct address_part *part, struct bytes *ret_path);
/* A path, or '@' and an abstract name, which is kept as it is, with its '@'. */
int address_read_unix(const struct address_source *source, const struct address_part *part,
    struct bytes *ret_path, bool *ret_abstract);
/* [HOST:]PORT, also as //HOST:PORT/. */
int address_read_place(const struct address_source *source, const struct address_part *part,
    struct bytes *ret_host, uint16_t *ret_port);
/* HOST without a port, IPv6 in brackets or bare, also as //HOST/. */
int address_read_host(
    const struct address_source *source, const struct address_part *part, struct bytes *ret_host);
/* A queue's name. */
int address_read_queue(
    const struct address_source *source, const struct address_part *part, struct bytes *ret_name);
/* A descriptor's number, or its name. */
int address_read_descriptor(const struct address_source *source, const struct address_part *part,
    struct bytes *ret_name, int *ret_descriptor);

/* The readers of address_hosts.c: numbers of multicast groups, or of what is none, parted by
 * blanks; and the name of a network interface. */
int address_read_hosts(const struct address_source *source, const struct address_part *part,
    bool groups, struct bytes *ret_hosts);
int address_read_interface(
    const struct address_source *source, const struct address_part *part, struct bytes *ret_name);
/* The readers of address_tuning.c: a traffic class; a name of at most 15 characters. */
int address_read_tos(
    const struct address_source *source, const struct address_part *part, struct bytes *ret_tos);
int address_read_word(
    const struct address_source *source, const struct address_part *part, struct bytes *ret_word);

/* A host as it is written: brackets around IPv6, its zone after %25. */
void address_print_host(struct bytes *text, const char *host);
/* [HOST:]PORT, the host so written. */
void address_print_place(struct bytes *text, const char *host, uint16_t port);

/* The option table, address_options.c. */
int address_option_index(enum ferry_scheme scheme, const char *key, size_t key_size); /* or -1 */
const char *address_option_key(size_t index);
/* The row of a socket option, whose values look the same in every scheme; -1: there is none. */
int address_option_index_socket(const char *key);
/* The schemes that know a key, parted by ", "; false: none does. */
bool address_key_known(const char *key, size_t key_size, struct bytes *ret_schemes);
/* Appends the keys that a scheme knows, parted by ", "; "no options" when it has none. */
void address_print_keys(struct bytes *text, enum ferry_scheme scheme);
/* Checks a value and makes its canonical text.
 *   part  NULL: the key stood alone; then `at` is what follows it */
int address_read_value(const struct address_source *source, size_t index, size_t at,
    const struct address_part *part, struct bytes *ret_value);

/* What parts the words of a command line. */
#define ADDRESS_BLANKS " \t\n"

/* Whether a command line splits: 0, or -EINVAL with the offset and what was expected there. */
int address_check_command(const char *text, size_t *ret_at, const char **ret_expected);

#endif
