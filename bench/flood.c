/* flood.c - bytes through a relay: how many arrive in so long.
 *
 *     bench-flood SINK TARGET MILLISECONDS
 *
 * Listens on SINK and connects to TARGET ("unix:PATH" or "tcp:PORT" on 127.0.0.1), which is to lead
 * there, and writes blocks of 64 KiB. Prints the bytes that arrived within the time, the
 * nanoseconds that it took, and the bytes of the whole connection, which ends with it.
 */
#include "ends.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#define BLOCK_SIZE 65536

static atomic_bool is_over;
static _Atomic uint64_t received;

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* Takes in all of one connection. */
static void *sink_run(void *data)
{
    static char block[BLOCK_SIZE];
    int fd = accept(*(int *)data, NULL, NULL);
    ssize_t size;

    while ((size = read(fd, block, sizeof(block))) > 0)
        received += (uint64_t)size;
    close(fd);
    return NULL;
}

static void *source_run(void *data)
{
    static char block[BLOCK_SIZE];
    int fd = *(int *)data;

    while (!is_over)
        if (write(fd, block, sizeof(block)) < 0)
            fail("write");
    close(fd);
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t sink, source;

    if (argc != 4) {
        fprintf(stderr, "usage: bench-flood SINK TARGET MILLISECONDS\n");
        return 2;
    }
    int listener = place_listen(argv[1]);
    int client = place_connect(argv[2]);
    struct timespec time = { .tv_sec = atoi(argv[3]) / 1000,
        .tv_nsec = atoi(argv[3]) % 1000 * 1000000L };
    if (pthread_create(&sink, NULL, sink_run, &listener) ||
        pthread_create(&source, NULL, source_run, &client))
        fail("pthread_create");
    while (received == 0)
        usleep(100);
    uint64_t before = received;
    int64_t started_ns = now_ns();
    nanosleep(&time, NULL);
    uint64_t bytes = received - before;
    int64_t took_ns = now_ns() - started_ns;
    is_over = true;
    pthread_join(source, NULL);
    pthread_join(sink, NULL);
    printf("%llu %lld %llu\n", (unsigned long long)bytes, (long long)took_ns,
        (unsigned long long)received);
    return 0;
}
