/* stream_server.c - answers many clients at once over a unix stream: echoes what each sends. */
#include <ferry/ferry.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static struct ferry_loop *loop;
static struct ferry_relay_pool *pool;

static void arrived(struct ferry_source *source, unsigned events, void *data)
{
    struct ferry_channel *client;
    struct ferry_relay *relay;
    (void)source, (void)events;
    while (ferry_listener_try_accept(data, &client) == 0)
        if (ferry_relay_start(loop, pool, client, client, NULL, &relay) < 0)
            fprintf(stderr, "a client could not be served\n");
}

int main(int argc, char **argv)
{
    struct ferry_error error;
    struct ferry_address *address;
    struct ferry_listener *listener;
    struct ferry_source *source;

    signal(SIGPIPE, SIG_IGN);
    if (ferry_address_parse(argc > 1 ? argv[1] : "unix:echo.sock", NULL, &address, &error) < 0 ||
        ferry_listen(address, NULL, &listener, &error) < 0) {
        fprintf(stderr, "%s: %s; %s\n", error.thing, error.reason, error.remedy);
        return EXIT_FAILURE;
    }
    if (ferry_loop_new(FERRY_EPOLL, &loop) < 0 || ferry_relay_pool_new(&pool) < 0 ||
        ferry_loop_watch(
            loop, ferry_listener_fd(listener), FERRY_READABLE, arrived, listener, &source) < 0)
        return EXIT_FAILURE;
    return ferry_loop_run(loop) < 0;
}
