/* identity_client.c - asks who it is for the server, and says who the server is. */
#include <ferry/ferry.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    struct ferry_error error;
    struct ferry_address *address;
    struct ferry_channel *server;
    struct ferry_inbox *inbox;
    struct ferry_message answer;
    const struct ferry_identity *who;

    if (ferry_address_parse(argc > 1 ? argv[1] : "unix:who.sock", NULL, &address, &error) < 0 ||
        ferry_dial(address, NULL, ferry_deadline(5000), &server, &error) < 0) {
        fprintf(stderr, "%s: %s; %s\n", error.thing, error.reason, error.remedy);
        return EXIT_FAILURE;
    }
    if (ferry_channel_identity(server, 0, &who) == 0)
        printf("the server is pid %d, uid %u\n", who->pid, who->uid);
    if (ferry_inbox_new(0, 1, &inbox) < 0 ||
        ferry_channel_receive(server, inbox, &answer, ferry_deadline(5000)) <= 0)
        return EXIT_FAILURE;
    fwrite(answer.data, 1, answer.size, stdout);
    ferry_message_fini(&answer);
    ferry_inbox_free(inbox);
    ferry_channel_close(server);
    ferry_address_free(address);
    return EXIT_SUCCESS;
}
