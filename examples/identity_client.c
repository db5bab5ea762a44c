/* identity_client.c - asks who it is for the server, and says who the server is, and how that is
 * known. */
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
    struct ferry_identity *who;

    if (ferry_address_parse(argc > 1 ? argv[1] : "unix:who.sock", NULL, &address, &error) < 0 ||
        ferry_dial(address, NULL, ferry_deadline(5000), &server, &error) < 0) {
        fprintf(stderr, "%s: %s; %s\n", error.thing, error.reason, error.remedy);
        return EXIT_FAILURE;
    }
    if (ferry_channel_identity(server, &who) == 0) {
        const char *program = ferry_identity_executable(who);
        printf("the server is pid %d, uid %u (%s)\n", ferry_identity_pid(who),
            ferry_identity_uid(who), ferry_known_name(ferry_identity_known(who, FERRY_FACT_UID)));
        printf("it runs %s (%s)\n", program ? program : "what nobody can tell",
            ferry_known_name(ferry_identity_known(who, FERRY_FACT_EXECUTABLE)));
    }
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
