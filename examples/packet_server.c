/* packet_server.c - sequenced packets: a connection that keeps message boundaries. Tells each
 * client how long its messages were, an empty one included, until the client ends. */
#include <ferry/ferry.h>
#include <stdio.h>
#include <stdlib.h>

static void serve(struct ferry_channel *client, struct ferry_inbox *inbox)
{
    struct ferry_message message;
    char text[32];
    while (ferry_channel_receive(client, inbox, &message, ferry_deadline(5000)) > 0) {
        int size = snprintf(text, sizeof(text), "%zu bytes", message.size);
        ferry_message_fini(&message);
        if (ferry_channel_send_bytes(client, text, (size_t)size, ferry_deadline(5000)) < 0)
            break;
    }
    ferry_channel_close(client);
}

int main(int argc, char **argv)
{
    struct ferry_error error;
    struct ferry_address *address;
    struct ferry_listener *listener;
    struct ferry_channel *client;
    struct ferry_inbox *inbox;

    if (ferry_address_parse(argc > 1 ? argv[1] : "unix-seq:@packets", NULL, &address, &error) < 0 ||
        ferry_listen(address, NULL, &listener, &error) < 0) {
        fprintf(stderr, "%s: %s; %s\n", error.thing, error.reason, error.remedy);
        return EXIT_FAILURE;
    }
    if (ferry_inbox_new(0, 1, &inbox) < 0)
        return EXIT_FAILURE;
    while (ferry_listener_accept(listener, FERRY_NEVER, &client) == 0)
        serve(client, inbox);
    return EXIT_FAILURE;
}
