/* identity_server.c - tells each client who it is, and turns away all but its own user and root. */
#include <ferry/ferry.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct ferry_error error = { .code = 0 };
    struct ferry_address *address;
    struct ferry_listener *listener;
    struct ferry_policy *policy;
    struct ferry_channel *client;
    struct ferry_identity *who;
    struct ferry_verdict verdict;
    char rules[64], text[160];

    snprintf(rules, sizeof(rules), "uid:%u uid:0", geteuid());
    if (ferry_policy_new(&policy) < 0 || ferry_policy_add(policy, true, rules, &error) < 0 ||
        ferry_address_parse(argc > 1 ? argv[1] : "unix:who.sock", NULL, &address, &error) < 0 ||
        ferry_listen(address, NULL, &listener, &error) < 0) {
        fprintf(stderr, "%s: %s; %s\n", error.thing, error.reason, error.remedy);
        return EXIT_FAILURE;
    }
    while (ferry_listener_accept(listener, FERRY_NEVER, &client) == 0) {
        if (ferry_channel_identity(client, &who) == 0) {
            ferry_policy_decide(policy, who, &verdict);
            int size = snprintf(text, sizeof(text), "pid %d uid %u gid %u: %s by rule \"%s\"\n",
                ferry_identity_pid(who), ferry_identity_uid(who), ferry_identity_gid(who),
                verdict.allowed ? "welcome" : "refused", verdict.text);
            if (ferry_channel_send_bytes(client, text, (size_t)size, ferry_deadline(1000)) < 0)
                fprintf(stderr, "a client left before its answer\n");
        }
        ferry_channel_close(client);
    }
    return EXIT_FAILURE;
}
