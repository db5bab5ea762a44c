/* request_client.c - asks for so many squares, some ahead of their answers, and checks each. */
#include <ferry/ferry.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { AHEAD = 64 };

int main(int argc, char **argv)
{
    struct ferry_error error;
    struct ferry_address *address;
    struct ferry_channel *server;
    struct ferry_inbox *inbox;
    struct ferry_message answer;
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000, square = 0;

    if (ferry_address_parse(argc > 1 ? argv[1] : "auto:@squares", NULL, &address, &error) < 0 ||
        ferry_dial(address, NULL, ferry_deadline(5000), &server, &error) < 0) {
        fprintf(stderr, "%s: %s; %s\n", error.thing, error.reason, error.remedy);
        return EXIT_FAILURE;
    }
    if (ferry_inbox_new(0, 1, &inbox) < 0)
        return EXIT_FAILURE;
    for (uint64_t asked = 0, answered = 0; answered < count; answered++) {
        int r = 0;
        for (; r >= 0 && asked < count && asked < answered + AHEAD; asked++)
            r = ferry_channel_send_bytes(server, &asked, sizeof(asked), ferry_deadline(5000));
        if (r >= 0)
            r = ferry_channel_receive(server, inbox, &answer, ferry_deadline(5000));
        if (r <= 0) {
            fprintf(stderr, "no answer: %s\n", r ? strerror(-r) : "the server has ended");
            return EXIT_FAILURE;
        }
        if (answer.size == sizeof(square))
            memcpy(&square, answer.data, sizeof(square));
        ferry_message_fini(&answer);
        if (square != answered * answered) {
            fprintf(stderr, "a wrong answer: %" PRIu64 "\n", square);
            return EXIT_FAILURE;
        }
    }
    printf("%" PRIu64 " squares\n", count);
    ferry_inbox_free(inbox);
    ferry_channel_close(server);
    ferry_address_free(address);
}
