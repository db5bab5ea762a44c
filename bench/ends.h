/* ends.h - sockets of the benches: what can't be had ends the program. */
#ifndef FERRY_BENCH_ENDS_H
#define FERRY_BENCH_ENDS_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static inline void fail(const char *what)
{
    perror(what);
    exit(1);
}

/* Of "unix:PATH" or "tcp:PORT", which is on 127.0.0.1. */
union place {
    struct sockaddr any;
    struct sockaddr_un local;
    struct sockaddr_in inet;
};

static inline socklen_t place_parse(const char *text, union place *place)
{
    memset(place, 0, sizeof(*place));
    if (strncmp(text, "tcp:", 4) == 0) {
        place->inet.sin_family = AF_INET;
        place->inet.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        place->inet.sin_port = htons((uint16_t)atoi(text + 4));
        return sizeof(place->inet);
    }
    place->local.sun_family = AF_UNIX;
    snprintf(place->local.sun_path, sizeof(place->local.sun_path), "%s", text + strlen("unix:"));
    return sizeof(place->local);
}

/* A listening socket; a path that is there already is replaced. */
static inline int place_listen(const char *text)
{
    union place place;
    socklen_t size = place_parse(text, &place);
    int fd = socket(place.any.sa_family, SOCK_STREAM, 0), one = 1;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (place.any.sa_family == AF_UNIX)
        unlink(place.local.sun_path);
    if (bind(fd, &place.any, size) < 0 || listen(fd, 64) < 0)
        fail(text);
    return fd;
}

static inline int place_connect(const char *text)
{
    union place place;
    socklen_t size = place_parse(text, &place);
    int fd = socket(place.any.sa_family, SOCK_STREAM, 0);

    if (connect(fd, &place.any, size) < 0)
        fail(text);
    return fd;
}

#endif
