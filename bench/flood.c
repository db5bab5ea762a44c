/* flood.c - bytes through a relay: how many arrive in so long.
 *
 *     bench-flood SINK TARGET MILLISECONDS
 *
 * Listens on the unix socket SINK, connects to TARGET ("unix:PATH" or "tcp:PORT" on 127.0.0.1),
 * which is to lead there, and writes blocks of 64 KiB. Prints the bytes that arrived within the
 * time and the nanoseconds that it took; the connection ends with it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define BLOCK_SIZE 65536

static atomic_bool is_over;
static _Atomic uint64_t received;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static struct sockaddr_un unix_address(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    return address;
}

static int sink_listen(const char *path)
{
    struct sockaddr_un address = unix_address(path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    unlink(path);
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 8) < 0)
        fail(path);
    return fd;
}

static int target_connect(const char *target)
{
    struct sockaddr_un local = unix_address(target + 5);
    struct sockaddr_in inet = { .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons((uint16_t)atoi(target + 4)) };
    int is_tcp = strncmp(target, "tcp:", 4) == 0;
    int fd = socket(is_tcp ? AF_INET : AF_UNIX, SOCK_STREAM, 0);
    int code = is_tcp ? connect(fd, (struct sockaddr *)&inet, sizeof(inet))
                      : connect(fd, (struct sockaddr *)&local, sizeof(local));
    if (code < 0)
        fail(target);
    return fd;
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
    int listener = sink_listen(argv[1]);
    int client = target_connect(argv[2]);
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
    unlink(argv[1]);
    return 0;
}
