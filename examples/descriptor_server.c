/* descriptor_server.c - receives open files from other processes and reads their first line. */
#include <ferry/ferry.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    struct ferry_error error;
    struct ferry_address *address;
    struct ferry_listener *listener;
    struct ferry_channel *client;
    struct ferry_inbox *inbox;
    struct ferry_message message;
    char line[256];

    if (ferry_address_parse(argc > 1 ? argv[1] : "unix:files.sock", NULL, &address, &error) < 0 ||
        ferry_listen(address, NULL, &listener, &error) < 0) {
        fprintf(stderr, "%s: %s; %s\n", error.thing, error.reason, error.remedy);
        return EXIT_FAILURE;
    }
    if (ferry_inbox_new(0, 1, &inbox) < 0)
        return EXIT_FAILURE;
    while (ferry_listener_accept(listener, FERRY_NEVER, &client) == 0) {
        while (ferry_channel_receive(client, inbox, &message, ferry_deadline(5000)) > 0) {
            for (size_t i = 0; i < message.descriptor_count; i++) {
                FILE *file = fdopen(ferry_message_take(&message, i), "r");
                if (file && fgets(line, sizeof(line), file))
                    fputs(line, stdout);
                if (file)
                    fclose(file);
            }
            fflush(stdout);
            ferry_message_fini(&message);
        }
        ferry_channel_close(client);
    }
    return EXIT_FAILURE;
}
