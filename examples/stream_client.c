/* stream_client.c - sends one request over any stream, ends its sending, prints the reply. */
#include <ferry/ferry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    const char *request = argc > 2 ? argv[2] : "hello";
    struct ferry_error error;
    struct ferry_address *address;
    struct ferry_channel *server;
    struct ferry_inbox *inbox;
    struct ferry_message reply;
    int r;

    if (ferry_address_parse(argc > 1 ? argv[1] : "unix:echo.sock", NULL, &address, &error) < 0 ||
        ferry_dial(address, NULL, ferry_deadline(5000), &server, &error) < 0) {
        fprintf(stderr, "%s: %s; %s\n", error.thing, error.reason, error.remedy);
        return EXIT_FAILURE;
    }
    if (ferry_inbox_new(0, 1, &inbox) < 0 ||
        ferry_channel_send_bytes(server, request, strlen(request), ferry_deadline(5000)) < 0 ||
        ferry_channel_shutdown(server) < 0)
        return EXIT_FAILURE;
    while ((r = ferry_channel_receive(server, inbox, &reply, ferry_deadline(5000))) > 0) {
        fwrite(reply.data, 1, reply.size, stdout);
        ferry_message_fini(&reply);
    }
    ferry_inbox_free(inbox);
    ferry_channel_close(server);
    ferry_address_free(address);
    return r < 0;
}
