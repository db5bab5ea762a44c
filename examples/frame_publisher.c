/* frame_publisher.c - hands ten frames of 4 MiB to who connects first: filled in place, no copy. */
#include <errno.h>
#include <ferry/ferry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    struct ferry_ring_options options = { .struct_size = sizeof(options), .capacity = 64 << 20 };
    struct ferry_error error;
    struct ferry_address *address;
    struct ferry_listener *listener;
    struct ferry_channel *client;
    struct ferry_ring *ring;
    void *frame;
    int files[FERRY_RING_DESCRIPTORS];
    struct iovec byte = { "r", 1 };
    struct ferry_outgoing outgoing = { .buffers = &byte,
        .buffer_count = 1,
        .descriptors = files,
        .descriptor_count = FERRY_RING_DESCRIPTORS };

    if (ferry_address_parse(argc > 1 ? argv[1] : "unix:frames.sock", NULL, &address, &error) < 0 ||
        ferry_listen(address, NULL, &listener, &error) < 0 ||
        ferry_ring_new(FERRY_SEND, &options, &ring, &error) < 0) {
        fprintf(stderr, "%s: %s; %s\n", error.thing, error.reason, error.remedy);
        return EXIT_FAILURE;
    }
    ferry_ring_get_descriptors(ring, files);
    if (ferry_listener_accept(listener, FERRY_NEVER, &client) < 0 ||
        ferry_channel_send(client, &outgoing, ferry_deadline(5000)) < 0)
        return EXIT_FAILURE;
    for (unsigned i = 0; i < 10;) {
        int r = ferry_ring_loan(ring, 4 << 20, &frame);
        if (r == 0) {
            memset(frame, 'a' + (int)i, 4 << 20);
            ferry_ring_commit(ring, 4 << 20, i++);
        } else if (r != -EAGAIN || ferry_ring_wait(ring, ferry_channel_fd(client, FERRY_RECEIVE),
                                       FERRY_NEVER) != 0) {
            return EXIT_FAILURE; /* who took them is gone */
        }
    }
    ferry_ring_free(ring);
    ferry_channel_close(client);
    ferry_listener_close(listener);
    ferry_address_free(address);
}
