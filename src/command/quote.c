/* quote.c - a word for a shell, between quotes if it needs any. */
#include "command/quote.h"

#include <string.h>

/* Appends a word that has characters which only $'...' can write. Neither a quote nor a backslash
 * stands in it by itself: to a shell that does not know $'...' (dash) it is a plain quoted word
 * then, which ends where it seems to. */
static void quote_ansi(struct bytes *text, const char *word)
{
    bytes_append_text(text, "$'");
    for (const char *at = word; *at; at++) {
        unsigned char byte = (unsigned char)*at;
        if (byte < 0x20 || byte >= 0x7f || byte == '\'' || byte == '\\')
            bytes_print(text, "\\x%02x", byte);
        else
            bytes_append_char(text, *at);
    }
    bytes_append_char(text, '\'');
}

void shell_quote(struct bytes *text, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "/._-+:@%,";

    if (*word && word[strspn(word, plain)] == '\0') {
        bytes_append_text(text, word);
        return;
    }
    for (const char *at = word; *at; at++)
        if ((unsigned char)*at < 0x20 || (unsigned char)*at >= 0x7f) {
            quote_ansi(text, word);
            return;
        }
    bytes_append_char(text, '\'');
    for (const char *at = word; *at; at++) {
        if (*at == '\'')
            bytes_append_text(text, "'\\''");
        else
            bytes_append_char(text, *at);
    }
    bytes_append_char(text, '\'');
}
