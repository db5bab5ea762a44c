/* path.c - a path between two network namespaces with delay and loss, where the kernel has no
 * netem.
 *
 *     bench-path DELAY_MS [LOSS_PERCENT]
 *
 * Each namespace has one end of it, a TUN device: 10.99.0.1 and 10.99.0.2. This process reads the
 * packets of one and writes them to the other when their time has come, so TCP on both sides sees a
 * true round trip of twice the delay, unlike behind a relay that waits. It prints the pids of the
 * processes that hold the namespaces ("nsenter -t PID -n COMMAND" runs something there) and works
 * until its standard input ends.
 *
 * Packets on their way stand in a ring a direction, oldest first; one that finds it full is dropped
 * as by any router. Loss is drawn from a fixed seed: two runs lose alike. SIGUSR1 cuts the path:
 * from then on nothing arrives. A rate is the kernel's to keep, on the device: "tc qdisc ... tbf".
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PACKET_MAX 1600
#define RING_COUNT 32768 /* packets on their way: 48 MB of full ones, a second at 48 MB/s */
#define NS_PER_S   INT64_C(1000000000)

struct packet {
    int64_t due_ns;
    uint16_t size;
    unsigned char data[PACKET_MAX];
};

struct direction {
    int from, to;        /* TUN devices */
    struct packet *ring; /* RING_COUNT of them */
    size_t first, count; /* the oldest, and how many are on their way */
    uint64_t lost, dropped;
};

static struct {
    int64_t delay_ns;
    double loss; /* 0 to 1 */
    unsigned short seed[3];
} path;

static volatile sig_atomic_t is_cut;

static void on_cut(int number)
{
    (void)number;
    is_cut = 1;
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * NS_PER_S + now.tv_nsec;
}

/* --- one end: a namespace with a TUN device --------------------------------------------------- */

static void set_address(int control, struct ifreq *request, const char *text, unsigned long call)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    inet_pton(AF_INET, text, &address.sin_addr);
    memcpy(&request->ifr_addr, &address, sizeof(address));
    if (ioctl(control, call, request) < 0)
        fail("bench-path: address");
}

static void set_up(int control, const char *name)
{
    struct ifreq request = { 0 };
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
    request.ifr_flags = IFF_UP;
    if (ioctl(control, SIOCSIFFLAGS, &request) < 0)
        fail("bench-path: up");
}

/* The device belongs to the namespace that the caller is in. */
static int tun_open(const char *address)
{
    struct ifreq request = { .ifr_name = "path", .ifr_flags = IFF_TUN | IFF_NO_PI };
    int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (control < 0 || fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0)
        fail("bench-path: /dev/net/tun");
    set_address(control, &request, address, SIOCSIFADDR);
    set_address(control, &request, "255.255.255.0", SIOCSIFNETMASK);
    set_up(control, "path");
    set_up(control, "lo");
    close(control);
    return fd;
}

/* A process that holds the namespace open; it ends with us. */
static pid_t end_make(const char *address, int *ret_fd)
{
    if (unshare(CLONE_NEWNET) < 0)
        fail("bench-path: unshare");
    *ret_fd = tun_open(address);
    pid_t pid = fork();
    if (pid < 0)
        fail("bench-path: fork");
    if (pid == 0) {
        close(STDIN_FILENO);
        close(STDOUT_FILENO);
        for (;;)
            pause();
    }
    return pid;
}

/* --- packets ---------------------------------------------------------------------------------- */

/* Takes in what a device has to send. */
static void direction_fill(struct direction *direction)
{
    static unsigned char spill[PACKET_MAX];
    for (;;) {
        size_t free = (direction->first + direction->count) % RING_COUNT;
        bool full = direction->count == RING_COUNT;
        struct packet *packet = &direction->ring[free];
        ssize_t size = read(direction->from, full ? spill : packet->data, PACKET_MAX);
        if (size <= 0)
            return;
        bool lost = is_cut || (path.loss > 0 && erand48(path.seed) < path.loss);
        direction->lost += lost;
        direction->dropped += full;
        if (lost || full)
            continue;
        packet->due_ns = now_ns() + path.delay_ns;
        packet->size = (uint16_t)size;
        direction->count++;
    }
}

/* Delivers what is due; returns when the next is, INT64_MAX: none. */
static int64_t direction_drain(struct direction *direction)
{
    while (direction->count) {
        struct packet *packet = &direction->ring[direction->first];
        if (packet->due_ns > now_ns())
            return packet->due_ns;
        if (write(direction->to, packet->data, packet->size) < 0 && errno == EAGAIN)
            return now_ns() + NS_PER_S / 1000;
        direction->first = (direction->first + 1) % RING_COUNT;
        direction->count--;
    }
    return INT64_MAX;
}

static void carry(struct direction directions[2])
{
    struct pollfd polled[3] = { { directions[0].from, POLLIN, 0 },
        { directions[1].from, POLLIN, 0 }, { STDIN_FILENO, POLLIN, 0 } };
    while (!(polled[2].revents & (POLLHUP | POLLIN))) {
        int64_t one = direction_drain(&directions[0]), other = direction_drain(&directions[1]);
        int64_t next = one < other ? one : other, now = now_ns();
        int64_t left = next == INT64_MAX ? NS_PER_S : next > now ? next - now : 0;
        struct timespec wait = { left / NS_PER_S, left % NS_PER_S };
        if (ppoll(polled, 3, &wait, NULL) < 0 && errno != EINTR)
            fail("bench-path: ppoll");
        direction_fill(&directions[0]);
        direction_fill(&directions[1]);
    }
}

int main(int argc, char **argv)
{
    struct direction directions[2] = { 0 };
    int fds[2];
    if (argc < 2) {
        fprintf(stderr, "usage: bench-path DELAY_MS [LOSS_PERCENT]\n");
        return 2;
    }
    path.delay_ns = (int64_t)(atof(argv[1]) * 1e6);
    path.loss = argc > 2 ? atof(argv[2]) / 100 : 0;
    pid_t one = end_make("10.99.0.1", &fds[0]);
    pid_t other = end_make("10.99.0.2", &fds[1]);
    for (int i = 0; i < 2; i++) {
        directions[i].from = fds[i];
        directions[i].to = fds[1 - i];
        directions[i].ring = malloc(RING_COUNT * sizeof(struct packet));
        if (!directions[i].ring)
            fail("bench-path: memory");
    }
    signal(SIGUSR1, on_cut);
    printf("%d %d\n", (int)one, (int)other);
    fflush(stdout);
    carry(directions);
    fprintf(stderr, "lost %llu, dropped %llu\n",
        (unsigned long long)(directions[0].lost + directions[1].lost),
        (unsigned long long)(directions[0].dropped + directions[1].dropped));
    kill(one, SIGKILL);
    kill(other, SIGKILL);
    while (wait(NULL) > 0)
        ;
    return 0;
}
