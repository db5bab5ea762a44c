/* address_command.c - a command line split into words, by one stated rule and no shell.
 *
 * One pass does both jobs: without room for words it only checks.
 */
#include "wire/address_parse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char blanks[] = ADDRESS_BLANKS;

/* Where the pass is, and where what it reads goes. */
struct splitter {
    const char *text;
    size_t at;
    char *out; /* NULL: nothing is kept */
    const char *expected;
};

static void splitter_put(struct splitter *splitter, char character)
{
    if (splitter->out)
        *splitter->out++ = character;
}

/* Reads a quoted stretch; `at` is on its opening quote, and after its closing one. */
static int quoted_read(struct splitter *splitter)
{
    const char *text = splitter->text;
    char quote = text[splitter->at++];

    for (; text[splitter->at] != quote; splitter->at++) {
        if (!text[splitter->at]) {
            splitter->expected = quote == '"' ? "a closing \"" : "a closing '";
            return -EINVAL;
        }
        bool escape = quote == '"' && text[splitter->at] == '\\' &&
                      (text[splitter->at + 1] == '"' || text[splitter->at + 1] == '\\');
        splitter->at += escape;
        splitter_put(splitter, text[splitter->at]);
    }
    splitter->at++;
    return 0;
}

/* Reads one word; `at` is on its first byte, and after its last. */
static int word_read(struct splitter *splitter)
{
    const char *text = splitter->text;

    while (text[splitter->at] && !strchr(blanks, text[splitter->at])) {
        char character = text[splitter->at];
        if (character == '\'' || character == '"') {
            if (quoted_read(splitter) < 0)
                return -EINVAL;
            continue;
        }
        if (character == '\\' && !text[++splitter->at]) {
            splitter->expected = "a character after the backslash";
            return -EINVAL;
        }
        splitter_put(splitter, text[splitter->at++]);
    }
    splitter_put(splitter, '\0');
    return 0;
}

/* Fills words[] unless NULL; returns how many there are. */
static int command_split(struct splitter *splitter, char **words)
{
    int count = 0;

    for (;;) {
        splitter->at += strspn(splitter->text + splitter->at, blanks);
        if (!splitter->text[splitter->at])
            break;
        if (words)
            words[count] = splitter->out;
        count++;
        if (word_read(splitter) < 0)
            return -EINVAL;
    }
    splitter->expected = "a program and its arguments";
    return count ? count : -EINVAL;
}

int address_check_command(const char *text, size_t *ret_at, const char **ret_expected)
{
    struct splitter splitter = { .text = text };

    if (command_split(&splitter, NULL) >= 0)
        return 0;
    *ret_at = splitter.at;
    *ret_expected = splitter.expected;
    return -EINVAL;
}

int address_split_command(const char *text, char ***ret_words)
{
    struct splitter splitter = { .text = text };
    int count = command_split(&splitter, NULL);
    if (count < 0)
        return count;

    /* No word is longer than it was in the text, where a blank or the end follows each. */
    char **words = calloc(1, ((size_t)count + 1) * sizeof(*words) + strlen(text) + 1);
    if (!words)
        return -ENOMEM;
    splitter = (struct splitter){ .text = text, .out = (char *)(words + count + 1) };
    command_split(&splitter, words);
    *ret_words = words;
    return count;
}
