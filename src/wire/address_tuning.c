/* address_tuning.c - values that only socket options have: traffic classes, and names that the
 * kernel keeps short.
 *
 * A traffic class is the whole octet of the IP header (RFC 2474): DSCP in the upper six bits, and
 * the names of those are for them; the four old names of RFC 1349 are what ip(7) has.
 */
#include "base/cleanup.h"
#include "base/number.h"
#include "wire/address_parse.h"

#include <string.h>

/* The first name of a number is the one that prints. */
static const struct traffic_class {
    const char *name;
    unsigned char tos;
} classes[] = {
    { "cs0", 0x00 },
    { "cs1", 0x20 },
    { "af11", 0x28 },
    { "af12", 0x30 },
    { "af13", 0x38 },
    { "cs2", 0x40 },
    { "af21", 0x48 },
    { "af22", 0x50 },
    { "af23", 0x58 },
    { "cs3", 0x60 },
    { "af31", 0x68 },
    { "af32", 0x70 },
    { "af33", 0x78 },
    { "cs4", 0x80 },
    { "af41", 0x88 },
    { "af42", 0x90 },
    { "af43", 0x98 },
    { "cs5", 0xa0 },
    { "va", 0xb0 },
    { "ef", 0xb8 },
    { "cs6", 0xc0 },
    { "cs7", 0xe0 },
    { "le", 0x04 },
    { "lowdelay", 0x10 },
    { "throughput", 0x08 },
    { "reliability", 0x04 },
    { "mincost", 0x02 },
};

int address_tos_parse(const char *text)
{
    for (size_t i = 0; i < COUNT_OF(classes); i++)
        if (strcmp(classes[i].name, text) == 0)
            return classes[i].tos;
    return (int)number_parse(text, 10, 255);
}

void address_print_tos(struct bytes *text, unsigned tos)
{
    for (size_t i = 0; i < COUNT_OF(classes); i++) {
        if (classes[i].tos == tos) {
            bytes_append_text(text, classes[i].name);
            return;
        }
    }
    bytes_print(text, "%u", tos);
}

int address_read_tos(
    const struct address_source *source, const struct address_part *part, struct bytes *ret_tos)
{
    int tos = address_tos_parse(part->bytes.data);
    if (tos < 0)
        return address_fail_expected(source, part->at, NULL,
            "a traffic class: ef, va, le, cs0 to cs7, af11 to af43, lowdelay, throughput, "
            "reliability, mincost, or a number from 0 to 255");
    address_print_tos(ret_tos, (unsigned)tos);
    return 0;
}

int address_read_word(
    const struct address_source *source, const struct address_part *part, struct bytes *ret_word)
{
    const char *word = part->bytes.data;
    bool good = *word && part->bytes.size <= WORD_SIZE_MAX;

    for (const char *c = word; *c; c++)
        good &= *c > ' ' && *c <= '~' && *c != '/';
    if (!good)
        return address_fail_expected(
            source, part->at, NULL, "a name of at most 15 printable characters");
    bytes_append_text(ret_word, word);
    return 0;
}
