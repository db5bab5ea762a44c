/* request_server.c - answers each number with its square, by shared memory once there are so many
 * requests that it pays, and by the socket again when there no longer are. It says so each time. */
#include <ferry/ferry.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void on_move(void *data, const struct ferry_auto_stats *stats)
{
    (void)data;
    printf("answers go by %s now: %s\n", ferry_lane_name(stats->lanes[FERRY_SEND]),
        ferry_auto_reason_text(stats->reason));
}

static void serve(struct ferry_channel *client, struct ferry_inbox *inbox)
{
    struct ferry_message message;
    (void)ferry_auto_on_move(client, on_move, NULL); /* of another scheme it never moves */
    while (ferry_channel_receive(client, inbox, &message, FERRY_NEVER) > 0) {
        uint64_t number = 0;
        if (message.size == sizeof(number))
            memcpy(&number, message.data, sizeof(number));
        ferry_message_fini(&message);
        number *= number;
        if (ferry_channel_send_bytes(client, &number, sizeof(number), ferry_deadline(5000)) < 0)
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

    if (ferry_address_parse(argc > 1 ? argv[1] : "auto:@squares", NULL, &address, &error) < 0 ||
        ferry_listen(address, NULL, &listener, &error) < 0) {
        fprintf(stderr, "%s: %s; %s\n", error.thing, error.reason, error.remedy);
        return EXIT_FAILURE;
    }
    if (ferry_inbox_new(0, 1, &inbox) < 0 || setvbuf(stdout, NULL, _IOLBF, 0))
        return EXIT_FAILURE;
    while (ferry_listener_accept(listener, FERRY_NEVER, &client) == 0)
        serve(client, inbox);
}
