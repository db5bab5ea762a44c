/* frame_subscriber.c - reads a publisher's frames where they lie. */
#include <errno.h>
#include <ferry/ferry.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    struct ferry_error error = { .thing = "frames", .reason = "none came" };
    struct ferry_address *address;
    struct ferry_channel *server;
    struct ferry_inbox *inbox;
    struct ferry_message message;
    struct ferry_ring *ring;
    struct ferry_record frame;
    int r, files[FERRY_RING_DESCRIPTORS] = { -1, -1, -1 };

    if (ferry_address_parse(argc > 1 ? argv[1] : "unix:frames.sock", NULL, &address, &error) < 0 ||
        ferry_dial(address, NULL, ferry_deadline(5000), &server, &error) < 0 ||
        ferry_inbox_new(0, FERRY_RING_DESCRIPTORS, &inbox) < 0 ||
        ferry_channel_receive(server, inbox, &message, ferry_deadline(5000)) < 0) {
        fprintf(stderr, "%s: %s; %s\n", error.thing, error.reason, error.remedy);
        return EXIT_FAILURE;
    }
    for (size_t i = 0; i < message.descriptor_count; i++)
        files[i] = ferry_message_take(&message, i);
    if (ferry_ring_attach(FERRY_RECEIVE, files, NULL, &ring, &error) < 0) {
        fprintf(stderr, "%s: %s\n", error.thing, error.reason);
        return EXIT_FAILURE;
    }
    while ((r = ferry_ring_borrow(ring, &frame, 1)) == 1 || r == -EAGAIN)
        if (r == 1) {
            printf("frame %u: %zu of %.4s\n", frame.type, frame.size, (const char *)frame.data);
            ferry_ring_release(ring);
        } else if (ferry_ring_wait(ring, ferry_channel_fd(server, FERRY_RECEIVE), FERRY_NEVER) ==
                   1) {
            ferry_ring_set_peer_gone(ring); /* what it had committed comes still */
        }
    ferry_ring_free(ring);
    ferry_inbox_free(inbox);
    ferry_channel_close(server);
    ferry_address_free(address);
    return r != -EPIPE;
}
