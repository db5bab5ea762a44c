/* address_habits.c - what to say when a text begins with no scheme of ours.
 *
 * People come from other tools and write what those understand; the failure then names the form
 * that this grammar has for it. Nothing here accepts anything.
 */
#include "base/cleanup.h"
#include "base/number.h"
#include "wire/address_parse.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* The first row whose word begins the text, in any case of letters, says what to write. Longer
 * words stand before the shorter ones that begin them. */
static const struct habit {
    const char *word, *form;
} habits[] = {
    { "unix-recv", "unix-dgram:PATH" },
    { "unix-recvfrom", "unix-dgram:PATH" },
    { "unix-send", "unix-dgram:PATH" },
    { "unix-sendto", "unix-dgram:PATH" },
    { "unix-dgram", "unix-dgram:PATH" },
    { "unix-datagram", "unix-dgram:PATH" },
    { "unixgram", "unix-dgram:PATH" },
    { "unix-seq", "unix-seq:PATH" },
    { "unix-seqpacket", "unix-seq:PATH" },
    { "unixpacket", "unix-seq:PATH" },
    { "seqpacket", "unix-seq:PATH" },
    { "abstract", "unix:@NAME" },
    { "unix", "unix:PATH" },
    { "local", "unix:PATH" },
    { "tcp", "tcp:HOST:PORT, tcp:*:PORT for every address, tcp:PORT for the loopback" },
    { "udp", "udp:HOST:PORT, udp:*:PORT for every address, udp:PORT for the loopback" },
    { "http", "tcp:HOST:PORT" },
    { "https", "tcp:HOST:PORT" },
    { "icmp", "icmp:HOST" },
    { "ping", "icmp:HOST" },
    { "pipe", "fifo:PATH" },
    { "fifo", "fifo:PATH" },
    { "posixmq", "mq:/NAME" },
    { "mqueue", "mq:/NAME" },
    { "mq", "mq:/NAME" },
    { "stdio", "-" },
    { "stdin", "-" },
    { "stdout", "-" },
    { "fd", "fd:NUMBER" },
    { "exec", "exec:PROGRAM ARGUMENT..." },
    { "system", "exec:PROGRAM ARGUMENT..., or exec:sh -c '...' for a shell" },
    { "shell", "exec:PROGRAM ARGUMENT..., or exec:sh -c '...' for a shell" },
    { "cmd", "exec:PROGRAM ARGUMENT..." },
    { "shm", "auto:PATH, which takes shared memory where that pays" },
    { "shared-memory", "auto:PATH, which takes shared memory where that pays" },
    { "memory", "auto:PATH, which takes shared memory where that pays" },
    { "memfd", "auto:PATH, which takes shared memory where that pays" },
    { "ring", "auto:PATH, which takes shared memory where that pays" },
    { "ipc", "auto:PATH, or unix:PATH for bytes" },
    { "auto", "auto:PATH" },
    { "open", "file:PATH" },
    { "gopen", "file:PATH" },
    { "create", "file:PATH" },
    { "file", "file:PATH" },
};

/* A word counts when it is whole, as in TCP:, TCP4:, TCP-LISTEN:; "localhost:80" is not "local". */
static bool begins_with_word(const char *text, const char *word)
{
    size_t size = strlen(word);
    return strncasecmp(text, word, size) == 0 && strchr(":-46,", text[size]);
}

static bool looks_like_path(const char *text)
{
    return text[0] == '/' || text[0] == '@' || strncmp(text, "./", 2) == 0 ||
           strncmp(text, "../", 3) == 0 || (*text && !strpbrk(text, ":,") && strpbrk(text, "./"));
}

/* "8080", ":8080", "host:8080", "[::1]:8080" */
static bool looks_like_place(const char *text)
{
    const char *colon = strrchr(text, ':');
    size_t host_size = colon ? (size_t)(colon - text) : 0;
    return number_parse(colon ? colon + 1 : text, 10, UINT16_MAX) >= 0 &&
           strcspn(text, ",/ ") >= host_size && (text[0] == '[' || !memchr(text, ':', host_size));
}

/* "10.0.0.1", "fe80::1": no port tells what is meant. */
static bool looks_like_number(const char *text, bool *ret_ipv6)
{
    unsigned char number[16];
    *ret_ipv6 = inet_pton(AF_INET6, text, number) == 1;
    return *ret_ipv6 || inet_pton(AF_INET, text, number) == 1;
}

/* "localhost", "app": it may be a host as well as a path. */
static bool looks_like_word(const char *text)
{
    return *text && !strpbrk(text, ":,/ ");
}

static void print_remedy(const char *text, char *remedy, size_t size)
{
    if (*text == '"' || *text == '\'') {
        snprintf(remedy, size, "write it without quotes");
        return;
    }
    bool ipv6;
    if (looks_like_number(text, &ipv6)) {
        snprintf(remedy, size, "write icmp:%s to ping it, tcp:%s%s%s:PORT to connect to it", text,
            ipv6 ? "[" : "", text, ipv6 ? "]" : "");
        return;
    }
    if (looks_like_path(text)) {
        snprintf(remedy, size, "write unix:%s", text);
        return;
    }
    for (size_t i = 0; i < COUNT_OF(habits); i++) {
        if (begins_with_word(text, habits[i].word)) {
            snprintf(remedy, size, "write %s; the verb says whether it listens or dials",
                habits[i].form);
            return;
        }
    }
    if (looks_like_place(text))
        snprintf(remedy, size, "write tcp:%s", *text == ':' ? text + 1 : text);
    else if (looks_like_word(text))
        snprintf(remedy, size, "write unix:%s for a path, icmp:%s or tcp:%s:PORT for a host", text,
            text, text);
}

int address_fail_scheme(const struct address_source *source)
{
    char remedy[sizeof(source->error->remedy)] = "";
    AUTO_BYTES struct bytes expected = BYTES_EMPTY;

    print_remedy(source->text, remedy, sizeof(remedy));
    bytes_append_text(&expected, "a scheme (");
    for (int scheme = 0; scheme < FERRY_SCHEME_COUNT; scheme++)
        bytes_print(
            &expected, "%s%s", scheme ? " " : "", address_scheme_name((enum ferry_scheme)scheme));
    bytes_append_text(&expected, ") and ':'");
    if (bytes_failed(&expected))
        return address_fail_memory(source);
    return address_fail_expected(source, 0, remedy, expected.data);
}
