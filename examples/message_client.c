/* message_client.c - sends each argument as one message and prints the answer to it. The same for
 * datagrams (unix-dgram:, udp:) and for packets (unix-seq:): the address alone says which. */
#include <ferry/ferry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    struct ferry_error error;
    struct ferry_address *address;
    struct ferry_channel *server;
    struct ferry_inbox *inbox;
    struct ferry_message answer;

    if (ferry_address_parse(argc > 1 ? argv[1] : "unix-dgram:d.sock", NULL, &address, &error) < 0 ||
        ferry_dial(address, NULL, ferry_deadline(5000), &server, &error) < 0) {
        fprintf(stderr, "%s: %s; %s\n", error.thing, error.reason, error.remedy);
        return EXIT_FAILURE;
    }
    if (ferry_inbox_new(0, 1, &inbox) < 0)
        return EXIT_FAILURE;
    for (int i = 2; i < argc; i++) {
        if (ferry_channel_send_bytes(server, argv[i], strlen(argv[i]), ferry_deadline(1000)) < 0 ||
            ferry_channel_receive(server, inbox, &answer, ferry_deadline(5000)) <= 0)
            return EXIT_FAILURE;
        printf("%.*s\n", (int)answer.size, (const char *)answer.data);
        ferry_message_fini(&answer);
    }
    ferry_inbox_free(inbox);
    ferry_channel_close(server);
    ferry_address_free(address);
    return EXIT_SUCCESS;
}
