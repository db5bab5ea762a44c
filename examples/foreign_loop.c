/* foreign_loop.c - ferry in somebody else's loop: an echo server driven by libev, which waits for a
 * channel's descriptor, after asking whether the channel holds something already. */
#include <errno.h>
#include <ev.h>
#include <ferry/ferry.h>
#include <stdio.h>
#include <stdlib.h>

struct client {
    ev_io io; /* first: libev hands it back */
    struct ferry_channel *channel;
    struct ferry_inbox *inbox; /* holds the echo until it is sent */
    struct iovec bytes;
    struct ferry_outgoing echo;
};

static void client_close(struct ev_loop *loop, struct client *client)
{
    ev_io_stop(loop, &client->io);
    ferry_channel_close(client->channel);
    ferry_inbox_free(client->inbox);
    free(client);
}

/* Echoes until there is nothing to receive, or no room to send; then waits for that. */
static void client_serve(struct ev_loop *loop, ev_io *io, int events)
{
    struct client *client = (struct client *)io;
    struct ferry_message message;
    int status;
    (void)events;
    do {
        if (client->echo.complete) {
            status = ferry_channel_try_receive(client->channel, client->inbox, &message, 1);
            if (status <= 0)
                break;
            client->bytes = (struct iovec){ (void *)message.data, message.size };
            client->echo = (struct ferry_outgoing){ .buffers = &client->bytes, .buffer_count = 1 };
            ferry_message_fini(&message);
        }
        status = ferry_channel_try_send(client->channel, &client->echo, 1);
    } while (status > 0 && ferry_channel_pending(client->channel));
    if (status <= 0 && status != -EAGAIN)
        return client_close(loop, client);
    bool receives = client->echo.complete;
    ev_io_stop(loop, io);
    ev_io_set(io, ferry_channel_fd(client->channel, receives ? FERRY_RECEIVE : FERRY_SEND),
        receives ? EV_READ : EV_WRITE);
    ev_io_start(loop, io);
}

static void arrived(struct ev_loop *loop, ev_io *io, int events)
{
    struct client *client = calloc(1, sizeof(*client));
    if (!client || ferry_inbox_new(65536, 1, &client->inbox) < 0)
        exit(EXIT_FAILURE);
    ev_init(&client->io, client_serve);
    client->echo.complete = true; /* nothing to send yet */
    if (ferry_listener_try_accept(io->data, &client->channel) < 0)
        return client_close(loop, client);
    client_serve(loop, &client->io, events);
}

int main(int argc, char **argv)
{
    struct ferry_error error;
    struct ferry_address *address;
    struct ferry_listener *listener;
    if (ferry_address_parse(argc > 1 ? argv[1] : "unix:echo.sock", NULL, &address, &error) < 0 ||
        ferry_listen(address, NULL, &listener, &error) < 0) {
        fprintf(stderr, "%s: %s; %s\n", error.thing, error.reason, error.remedy);
        return EXIT_FAILURE;
    }
    ev_io arrivals;
    ev_io_init(&arrivals, arrived, ferry_listener_fd(listener), EV_READ);
    arrivals.data = listener;
    ev_io_start(EV_DEFAULT, &arrivals);
    ev_run(EV_DEFAULT, 0);
}
