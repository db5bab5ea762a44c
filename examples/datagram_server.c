/* datagram_server.c - answers datagrams: each sender arrives as a channel of its own. */
#include <ferry/ferry.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    struct ferry_error error;
    struct ferry_address *address;
    struct ferry_listener *listener;
    struct ferry_channel *sender;
    struct ferry_inbox *inbox;
    struct ferry_message message;

    if (ferry_address_parse(argc > 1 ? argv[1] : "unix-dgram:d.sock", NULL, &address, &error) < 0 ||
        ferry_listen(address, NULL, &listener, &error) < 0) {
        fprintf(stderr, "%s: %s; %s\n", error.thing, error.reason, error.remedy);
        return EXIT_FAILURE;
    }
    if (ferry_inbox_new(0, 1, &inbox) < 0)
        return EXIT_FAILURE;
    while (ferry_listener_accept(listener, FERRY_NEVER, &sender) == 0) {
        while (ferry_channel_receive(sender, inbox, &message, ferry_deadline(100)) > 0) {
            if (!(ferry_channel_capabilities(sender) & FERRY_CAN_SEND))
                fprintf(stderr, "a sender without an address can't be answered\n");
            else if (ferry_channel_send_bytes(
                         sender, message.data, message.size, ferry_deadline(1000)) < 0)
                fprintf(stderr, "%s is gone\n", ferry_channel_peer(sender));
            ferry_message_fini(&message);
        }
        ferry_channel_close(sender);
    }
    return EXIT_FAILURE;
}
