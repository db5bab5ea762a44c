/* side.h - ADDR of `src ADDR` and `dst ADDR`, as ss(8) has them: one side's address. */
#ifndef FERRY_COMMAND_LS_SIDE_H
#define FERRY_COMMAND_LS_SIDE_H

#include <ferry/endpoints.h>

enum ls_side_kind {
    LS_SIDE_ANY,
    LS_SIDE_INET, /* "127.0.0.1", "10.0.0.0/8", "[::1]:80", ":80", "*:80" */
    LS_SIDE_TEXT, /* a shell pattern of a path, "@name" or "/queue" */
};

struct ls_side {
    enum ls_side_kind kind;
    char *pattern;        /* owned */
    unsigned char family; /* AF_INET, AF_INET6; 0: any */
    unsigned char address[16];
    unsigned prefix; /* bits that count */
    uint16_t port;   /* 0: any */
};

/* Returns 0, -EINVAL, -ENOMEM, with *error. */
int ls_side_parse(const char *word, struct ls_side *ret_side, struct ferry_error *error);
void ls_side_fini(struct ls_side *side);
/* Whether an endpoint's local or remote address is meant. */
bool ls_side_matches(
    const struct ls_side *side, const struct ferry_endpoint *endpoint, bool remote);

#endif
