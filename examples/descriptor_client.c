/* descriptor_client.c - opens the files it is given and passes them to another process. */
#include <fcntl.h>
#include <ferry/ferry.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    struct ferry_error error;
    struct ferry_address *address;
    struct ferry_channel *server;
    int files[FERRY_DESCRIPTORS_MAX];
    size_t count = 0;

    for (int i = 2; i < argc && count < FERRY_DESCRIPTORS_MAX; i++)
        if ((files[count++] = open(argv[i], O_RDONLY | O_CLOEXEC)) < 0) {
            perror(argv[i]);
            return EXIT_FAILURE;
        }
    if (ferry_address_parse(argc > 1 ? argv[1] : "unix:files.sock", NULL, &address, &error) < 0 ||
        ferry_dial(address, NULL, ferry_deadline(5000), &server, &error) < 0) {
        fprintf(stderr, "%s: %s; %s\n", error.thing, error.reason, error.remedy);
        return EXIT_FAILURE;
    }
    /* On a stream descriptors travel with a byte. */
    struct iovec byte = { "f", 1 };
    struct ferry_outgoing outgoing = {
        .buffers = &byte, .buffer_count = 1, .descriptors = files, .descriptor_count = count
    };
    int r = ferry_channel_send(server, &outgoing, ferry_deadline(5000));
    ferry_channel_close(server);
    ferry_address_free(address);
    return r < 0;
}
