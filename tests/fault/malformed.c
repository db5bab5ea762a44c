/* malformed.c - a peer that passes descriptors in every way but the right one.
 *
 *     fault-malformed KIND PATH COUNT SEED
 *
 * Sends COUNT messages to PATH by sockets of KIND ("stream", "packet", "datagram"): too many
 * descriptors, control messages cut short or of odd lengths, several in one, credentials between
 * them, the connection itself, descriptors that cannot be passed, messages too large. Takes what
 * comes back with less room than it needs, or not at all, and begins anew where it was cut off or
 * by chance. Prints how many messages the kernel took, how many it refused, how often the peer
 * ended the connection and how many descriptors came back.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

/* The kernel's SCM_MAX_FD, and more than fits. */
#define RIGHTS_MAX  253
#define RIGHTS_ROOM 300
/* Things to pass. */
#define THINGS_MAX 24
/* Messages between two that end the connection by chance. */
#define MESSAGES_A_CONNECTION 64
/* What no socket here takes in one message. */
#define LARGE_SIZE (1u << 20)
/* Milliseconds that the peer may take nothing before this is an error. */
#define PATIENCE_MS 10000

struct parcel {
    char control[2 * CMSG_SPACE(RIGHTS_ROOM * sizeof(int))];
    size_t control_size;
    struct cmsghdr *last;
    size_t size; /* of the data */
};

struct peer {
    int type, fd;
    struct sockaddr_un name;
    uint64_t random;
    int things[THINGS_MAX];
    size_t thing_count;
    unsigned long taken, refused, ended, returned;
};

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

/* Xorshift: the same seed sends the same messages. */
static size_t draw(struct peer *peer, size_t below)
{
    peer->random ^= peer->random << 13;
    peer->random ^= peer->random >> 7;
    peer->random ^= peer->random << 17;
    return (size_t)(peer->random % below);
}

/* --- what is passed --------------------------------------------------------------------------- */

static void have(struct peer *peer, int fd)
{
    if (fd >= 0)
        peer->things[peer->thing_count++] = fd;
}

static void gather(struct peer *peer)
{
    int pipes[2], pair[2], half[2];
    char ring[120] = { 0 };

    if (pipe(pipes) < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0 ||
        socketpair(AF_UNIX, SOCK_DGRAM, 0, half) < 0)
        fail("pipe");
    have(peer, pipes[0]);
    have(peer, pipes[1]);
    have(peer, pair[0]);
    have(peer, pair[1]);
    have(peer, half[0]);
    close(half[1]);
    have(peer, open("/dev/null", O_RDWR));
    have(peer, open("/", O_RDONLY | O_DIRECTORY));
    have(peer, open("/", O_PATH));
    have(peer, epoll_create1(0));
    have(peer, eventfd(0, 0));
    have(peer, timerfd_create(CLOCK_MONOTONIC, 0));
    have(peer, memfd_create("fault", 0));
    have(peer, socket(AF_INET, SOCK_STREAM, 0));
    have(peer, (int)syscall(SYS_pidfd_open, getpid(), 0));
    have(peer, (int)syscall(SYS_io_uring_setup, 4, ring));
}

static int thing(struct peer *peer)
{
    return peer->things[draw(peer, peer->thing_count)];
}

/* --- the connection --------------------------------------------------------------------------- */

static void begin(struct peer *peer)
{
    const struct sockaddr_un nameless = { .sun_family = AF_UNIX };

    if (peer->fd >= 0)
        close(peer->fd);
    for (int tries = 0; tries < PATIENCE_MS; tries++) {
        peer->fd = socket(AF_UNIX, peer->type | SOCK_NONBLOCK, 0);
        if (peer->fd < 0)
            fail("socket");
        if (peer->type == SOCK_DGRAM)
            bind(peer->fd, (const struct sockaddr *)&nameless, sizeof(nameless.sun_family));
        if (connect(peer->fd, (struct sockaddr *)&peer->name, sizeof(peer->name)) == 0)
            return;
        if (errno != EAGAIN)
            break;
        close(peer->fd);
        usleep(1000);
    }
    fail(peer->name.sun_path);
}

static void take_back(struct peer *peer)
{
    char data[4096], control[CMSG_SPACE(7 * sizeof(int))];
    struct iovec buffer = { data, sizeof(data) };
    struct msghdr header;

    do {
        header = (struct msghdr){ .msg_iov = &buffer,
            .msg_iovlen = 1,
            .msg_control = control,
            .msg_controllen = draw(peer, sizeof(control)) };
        if (recvmsg(peer->fd, &header, MSG_DONTWAIT) <= 0)
            return;
        for (struct cmsghdr *one = CMSG_FIRSTHDR(&header); one; one = CMSG_NXTHDR(&header, one)) {
            int *fds = (int *)(void *)CMSG_DATA(one);
            size_t count = (one->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            for (size_t i = 0; one->cmsg_type == SCM_RIGHTS && i < count; i++) {
                close(fds[i]);
                peer->returned++;
            }
        }
    } while (draw(peer, 8));
}

/* --- messages --------------------------------------------------------------------------------- */

static void *put(struct parcel *parcel, int level, int type, size_t size)
{
    struct cmsghdr *message = (void *)(parcel->control + parcel->control_size);
    *message = (struct cmsghdr){ CMSG_LEN(size), level, type };
    parcel->control_size += CMSG_SPACE(size);
    parcel->last = message;
    return CMSG_DATA(message);
}

static void put_rights(struct peer *peer, struct parcel *parcel, size_t count)
{
    int *fds = put(parcel, SOL_SOCKET, SCM_RIGHTS, count * sizeof(int));
    for (size_t i = 0; i < count; i++)
        fds[i] = thing(peer);
}

static void put_credentials(struct parcel *parcel, struct ucred credentials)
{
    memcpy(put(parcel, SOL_SOCKET, SCM_CREDENTIALS, sizeof(credentials)), &credentials,
        sizeof(credentials));
}

static void some(struct peer *peer, struct parcel *parcel)
{
    put_rights(peer, parcel, 1 + draw(peer, 6));
}

static void all_that_fit(struct peer *peer, struct parcel *parcel)
{
    put_rights(peer, parcel, draw(peer, 4) ? 3 : RIGHTS_MAX);
}

static void too_many(struct peer *peer, struct parcel *parcel)
{
    put_rights(peer, parcel, RIGHTS_MAX + 1 + draw(peer, RIGHTS_ROOM - RIGHTS_MAX));
}

static void in_parts(struct peer *peer, struct parcel *parcel)
{
    size_t most = draw(peer, 8) ? 4 : 140; /* twice this may be too many */
    put_rights(peer, parcel, draw(peer, most));
    put_rights(peer, parcel, draw(peer, most));
}

static void odd_length(struct peer *peer, struct parcel *parcel)
{
    put_rights(peer, parcel, 3);
    parcel->last->cmsg_len -= draw(peer, 2 * sizeof(int));
}

static void no_header(struct peer *peer, struct parcel *parcel)
{
    put_rights(peer, parcel, 2);
    parcel->last->cmsg_len = draw(peer, sizeof(struct cmsghdr));
}

static void beyond_its_end(struct peer *peer, struct parcel *parcel)
{
    put_rights(peer, parcel, 2);
    parcel->last->cmsg_len += 1 + draw(peer, 1u << 16);
}

static void cut_short(struct peer *peer, struct parcel *parcel)
{
    put_rights(peer, parcel, 4);
    parcel->control_size -= 1 + draw(peer, parcel->control_size);
}

static void none(struct peer *peer, struct parcel *parcel)
{
    put_rights(peer, parcel, 0);
}

static void closed_ones(struct peer *peer, struct parcel *parcel)
{
    int *fds = put(parcel, SOL_SOCKET, SCM_RIGHTS, 3 * sizeof(int));
    fds[0] = thing(peer);
    fds[1] = draw(peer, 2) ? -1 : 100000;
    fds[2] = thing(peer);
}

static void among_credentials(struct peer *peer, struct parcel *parcel)
{
    struct ucred credentials = { getpid(), getuid(), getgid() };
    if (draw(peer, 4) == 0)
        credentials.pid = (int)draw(peer, 1u << 22);
    put_credentials(parcel, credentials);
    put_rights(peer, parcel, 2);
    if (draw(peer, 2))
        put_credentials(parcel, credentials);
}

static void of_another_kind(struct peer *peer, struct parcel *parcel)
{
    put_rights(peer, parcel, 2);
    put(parcel, draw(peer, 2) ? SOL_SOCKET : (int)draw(peer, 300), (int)draw(peer, 70),
        draw(peer, 40));
}

/* The kernel has to find out that nobody holds it any more. */
static void the_connection(struct peer *peer, struct parcel *parcel)
{
    int *fds = put(parcel, SOL_SOCKET, SCM_RIGHTS, 2 * sizeof(int));
    fds[0] = fds[1] = peer->fd;
}

static void without_bytes(struct peer *peer, struct parcel *parcel)
{
    put_rights(peer, parcel, 2);
    parcel->size = 0;
}

static void too_large(struct peer *peer, struct parcel *parcel)
{
    put_rights(peer, parcel, 1);
    parcel->size = draw(peer, 4) ? 3000 : LARGE_SIZE;
}

static void (*const kinds[])(struct peer *peer, struct parcel *parcel) = { some, all_that_fit,
    too_many, in_parts, odd_length, no_header, beyond_its_end, cut_short, none, closed_ones,
    among_credentials, of_another_kind, the_connection, without_bytes, too_large };

static ssize_t send_once(struct peer *peer, struct parcel *parcel)
{
    static char data[LARGE_SIZE];
    struct iovec buffer = { data, parcel->size };
    struct msghdr header = { .msg_iov = &buffer,
        .msg_iovlen = 1,
        .msg_control = parcel->control,
        .msg_controllen = parcel->control_size };
    struct pollfd polled = { peer->fd, POLLIN | POLLOUT, 0 };
    ssize_t sent;

    while ((sent = sendmsg(peer->fd, &header, MSG_NOSIGNAL)) < 0 && errno == EAGAIN) {
        if (poll(&polled, 1, PATIENCE_MS) <= 0)
            fail("nothing is taken");
        take_back(peer);
        if (!(polled.revents & POLLOUT))
            usleep(100);
    }
    return sent;
}

static void send_one(struct peer *peer)
{
    struct parcel parcel = { .size = 1 + draw(peer, 20) };

    kinds[draw(peer, sizeof(kinds) / sizeof(kinds[0]))](peer, &parcel);
    if (send_once(peer, &parcel) >= 0) {
        peer->taken++;
    } else if (errno == EPIPE || errno == ECONNRESET || errno == ECONNREFUSED) {
        peer->ended++;
        begin(peer);
    } else {
        peer->refused++;
    }
    if (draw(peer, 4))
        take_back(peer);
    if (draw(peer, MESSAGES_A_CONNECTION) == 0)
        begin(peer);
}

static int type_of(const char *kind)
{
    if (strcmp(kind, "stream") == 0)
        return SOCK_STREAM;
    return strcmp(kind, "packet") == 0 ? SOCK_SEQPACKET : SOCK_DGRAM;
}

int main(int argc, char **argv)
{
    struct peer peer = { .fd = -1, .name = { .sun_family = AF_UNIX } };

    if (argc != 5) {
        fprintf(stderr, "usage: fault-malformed KIND PATH COUNT SEED\n");
        return 2;
    }
    peer.type = type_of(argv[1]);
    snprintf(peer.name.sun_path, sizeof(peer.name.sun_path), "%s", argv[2]);
    peer.random = strtoull(argv[4], NULL, 10) * 2654435761u + 1;
    gather(&peer);
    begin(&peer);
    for (unsigned long left = strtoul(argv[3], NULL, 10); left > 0; left--)
        send_one(&peer);
    printf("%lu %lu %lu %lu\n", peer.taken, peer.refused, peer.ended, peer.returned);
    return 0;
}
