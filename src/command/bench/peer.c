/* peer.c - what the other libraries have in common. */
#include "command/bench/peer.h"
#include "command/limits.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int peer_load(const char *library, const struct peer_symbol *symbols, size_t count)
{
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);

    if (!handle)
        return -ELIBACC;
    for (size_t i = 0; i < count; i++) {
        void *found = dlsym(handle, symbols[i].name);
        if (!found)
            return -ELIBACC;
        memcpy(symbols[i].pointer, &found, sizeof(found));
    }
    return 0;
}

int peer_depth(size_t size)
{
    int depth = (int)(PEER_BYTES_MAX / size);
    return depth < PEER_DEPTH_MIN   ? PEER_DEPTH_MIN
           : depth > PEER_DEPTH_MAX ? PEER_DEPTH_MAX
                                    : depth;
}

int peer_open(struct bench_link *link)
{
    static unsigned number;

    snprintf(link->name, sizeof(link->name), "ferry-bench-%d-%u", (int)getpid(), number++);
    return 0;
}

int peer_open_folder(struct bench_link *link)
{
    strcpy(link->folder, "/tmp/ferry-bench-XXXXXX");
    if (mkdtemp(link->folder))
        return 0;
    link->folder[0] = '\0';
    return -errno;
}

int peer_absent_join(struct bench_link *link, unsigned side, struct bench_end *end)
{
    (void)link;
    (void)side;
    (void)end;
    return -ENOPKG;
}
