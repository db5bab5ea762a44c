/* zero_copy.c - what it costs to have bytes without copying them, and to copy them.
 *
 *     bench-zero-copy look WAY FILE          a file in the page cache, looked through for a byte
 *     bench-zero-copy sum  WAY FILE          the same, its SHA-256
 *     bench-zero-copy send WAY FILE          the same sent into a unix stream socket
 *     bench-zero-copy hand WAY SIZE COUNT    so many bytes filled in, handed to another process,
 * read bench-zero-copy tcp  WAY HOST:PORT SIZE COUNT   so many bytes sent at once; WAY sink:
 * receives
 *
 * look: `read` (256 KiB at a time), `read-1m`, `map` (all of it mapped, pages as they are touched),
 * `window` and `mapped` (ferry's, as it is and of a file that is trusted); sum: the last two. send:
 * `copy` (read and write, 64 KiB at a time), `sendfile`, `splice` (through a pipe of 256 KiB).
 * hand: `socket` (a unix stream), `memfd` (a new one, sealed and passed, mapped by the receiver),
 * `window` (the same, the receiver has ferry's window), `kept` (one memfd for all, mapped once by
 * both). tcp: `copy`, `zerocopy` (MSG_ZEROCOPY, pages given back before the next is sent but for
 * 16). The receiver is on the first processor that this process may use, the sender and who looks
 * on the last. Prints the nanoseconds that it took, those of processor time of all its processes,
 * and of tcp how many sends the kernel copied after all.
 */
#include <ferry/ferry.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef HAVE_LIBCRYPTO
#include <openssl/evp.h>
#endif

enum { COPY_SIZE = 64 << 10, PIPE_SIZE = 256 << 10, READ_SIZE = 256 << 10 };

static void fail(const char *what)
{
    fprintf(stderr, "bench-zero-copy: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void usage(void)
{
    fprintf(stderr, "bench-zero-copy: see the head of bench/zero_copy.c\n");
    exit(2);
}

static void pin(bool last)
{
    cpu_set_t may, one;
    int chosen = -1;

    sched_getaffinity(0, sizeof(may), &may);
    for (int i = 0; i < CPU_SETSIZE && (last || chosen < 0); i++)
        if (CPU_ISSET(i, &may))
            chosen = i;
    CPU_ZERO(&one);
    CPU_SET(chosen, &one);
    sched_setaffinity(0, sizeof(one), &one);
}

static long long now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static long long usage_ns(int who)
{
    struct rusage usage;
    getrusage(who, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000000LL +
           (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000LL;
}

static long long cpu_ns(void)
{
    return usage_ns(RUSAGE_SELF) + usage_ns(RUSAGE_CHILDREN);
}

/* --- looking ---------------------------------------------------------------------------------- */

static size_t count_in(const void *data, size_t size)
{
    const char *at = data, *end = at + size;
    size_t count = 0;
    while ((at = memchr(at, 0xff, (size_t)(end - at)))) {
        at++;
        count++;
    }
    return count;
}

static size_t look_read(int fd, size_t piece)
{
    void *buffer = malloc(piece);
    size_t count = 0;
    ssize_t got;

    for (off_t at = 0; (got = pread(fd, buffer, piece, at)) > 0; at += got)
        count += count_in(buffer, (size_t)got);
    free(buffer);
    return count;
}

static size_t look_map(int fd)
{
    struct stat status;
    fstat(fd, &status);
    void *all = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (all == MAP_FAILED)
        fail("mmap");
    madvise(all, (size_t)status.st_size, MADV_SEQUENTIAL);
    size_t count = count_in(all, (size_t)status.st_size);
    munmap(all, (size_t)status.st_size);
    return count;
}

static size_t look_window(int fd, bool trusted)
{
    struct ferry_window_options options = {
        .struct_size = sizeof(options), .mapped = trusted, .trusted = trusted
    };
    struct ferry_window *window;
    struct ferry_piece piece;
    size_t count = 0;

    if (ferry_window_open(fd, &options, &window, NULL) < 0)
        fail("window");
    while (ferry_window_next(window, 0, &piece) > 0)
        count += count_in(piece.data, piece.size);
    ferry_window_close(window);
    return count;
}

/* So that the digest is the whole difference, whose library is loaded already. */
static void sum(const char *way, int fd)
{
#ifdef HAVE_LIBCRYPTO
    struct ferry_window_options options = {
        .struct_size = sizeof(options), .mapped = way[0] == 'm', .trusted = true
    };
    unsigned char digest[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    struct ferry_window *window;
    struct ferry_piece piece;

    if (ferry_window_open(fd, &options, &window, NULL) < 0)
        fail("window");
    EVP_DigestInit_ex(context, EVP_sha256(), NULL);
    while (ferry_window_next(window, 0, &piece) > 0)
        EVP_DigestUpdate(context, piece.data, piece.size);
    EVP_DigestFinal_ex(context, digest, NULL);
    EVP_MD_CTX_free(context);
    ferry_window_close(window);
#else
    (void)way, (void)fd;
    fprintf(stderr, "bench-zero-copy: built without libcrypto\n");
    exit(1);
#endif
}

static void look(const char *way, int fd)
{
    size_t count = 0;
    if (strcmp(way, "read") == 0)
        count = look_read(fd, READ_SIZE);
    else if (strcmp(way, "read-1m") == 0)
        count = look_read(fd, (size_t)1 << 20);
    else if (strcmp(way, "map") == 0)
        count = look_map(fd);
    else if (strcmp(way, "window") == 0 || strcmp(way, "mapped") == 0)
        count = look_window(fd, way[0] == 'm');
    else
        usage();
    if (count == SIZE_MAX)
        usage(); /* so that it is counted */
}

/* --- sending a file --------------------------------------------------------------------------- */

static void write_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t sent = write(fd, data, size);
        if (sent < 0)
            fail("write");
        data += sent;
        size -= (size_t)sent;
    }
}

static void send_copy(int fd, int to)
{
    char *buffer = malloc(COPY_SIZE);
    ssize_t got;
    while ((got = read(fd, buffer, COPY_SIZE)) > 0)
        write_all(to, buffer, (size_t)got);
    free(buffer);
}

static void send_splice(int fd, int to)
{
    int ends[2];
    ssize_t got;
    if (pipe(ends) < 0)
        fail("pipe");
    fcntl(ends[1], F_SETPIPE_SZ, PIPE_SIZE);
    while ((got = splice(fd, NULL, ends[1], NULL, PIPE_SIZE, SPLICE_F_MOVE)) > 0)
        while (got > 0) {
            ssize_t sent = splice(ends[0], NULL, to, NULL, (size_t)got, SPLICE_F_MOVE);
            if (sent <= 0)
                fail("splice");
            got -= sent;
        }
}

static void receive_all(int fd)
{
    char *buffer = malloc(READ_SIZE);
    while (read(fd, buffer, READ_SIZE) > 0)
        ;
    free(buffer);
}

static void send_file(const char *way, int fd)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
        fail("socketpair");
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        pin(false);
        receive_all(ends[1]);
        _exit(0);
    }
    close(ends[1]);
    if (strcmp(way, "copy") == 0)
        send_copy(fd, ends[0]);
    else if (strcmp(way, "sendfile") == 0)
        while (sendfile(ends[0], fd, NULL, (size_t)1 << 20) > 0)
            ;
    else if (strcmp(way, "splice") == 0)
        send_splice(fd, ends[0]);
    else
        usage();
    close(ends[0]);
    waitpid(child, NULL, 0);
}

/* --- handing over ----------------------------------------------------------------------------- */

/* What the receiver does with it: a look at every cache line. */
static unsigned long read_lines(const char *data, size_t size)
{
    unsigned long sum = 0;
    for (size_t i = 0; i < size; i += 64)
        sum += (unsigned char)data[i];
    return sum;
}

static void pass_fd(int to, int fd)
{
    char byte = 0;
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = { .bytes = { 0 } };
    struct iovec buffer = { &byte, 1 };
    struct msghdr header = { .msg_iov = &buffer,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof(control.bytes) };
    struct cmsghdr *item = CMSG_FIRSTHDR(&header);

    item->cmsg_level = SOL_SOCKET;
    item->cmsg_type = SCM_RIGHTS;
    item->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(item), &fd, sizeof(fd));
    if (sendmsg(to, &header, 0) < 0)
        fail("sendmsg");
}

static int take_fd(int from)
{
    char byte;
    int fd = -1;
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec buffer = { &byte, 1 };
    struct msghdr header = { .msg_iov = &buffer,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof(control.bytes) };

    if (recvmsg(from, &header, 0) != 1)
        return -1;
    struct cmsghdr *item = CMSG_FIRSTHDR(&header);
    if (item)
        memcpy(&fd, CMSG_DATA(item), sizeof(fd));
    return fd;
}

static void *map_all(int fd, size_t size, int protection)
{
    void *memory =
        mmap(NULL, size, protection, protection & PROT_WRITE ? MAP_SHARED : MAP_PRIVATE, fd, 0);
    if (memory == MAP_FAILED)
        fail("mmap");
    return memory;
}

static int memfd_filled(size_t size, int value)
{
    int fd = memfd_create("bench", MFD_ALLOW_SEALING);
    if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
        fail("memfd");
    char *memory = map_all(fd, size, PROT_READ | PROT_WRITE);
    memset(memory, value, size);
    munmap(memory, size);
    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
    return fd;
}

static unsigned long take_memfd(int from, size_t size)
{
    int fd = take_fd(from);
    char *memory = map_all(fd, size, PROT_READ);
    unsigned long sum = read_lines(memory, size);
    munmap(memory, size);
    close(fd);
    return sum;
}

static unsigned long take_window(int from)
{
    struct ferry_window_options options = { .struct_size = sizeof(options), .mapped = true };
    struct ferry_window *window;
    struct ferry_piece piece;
    unsigned long sum = 0;
    int fd = take_fd(from);

    if (ferry_window_open(fd, &options, &window, NULL) < 0 || !ferry_window_is_mapped(window))
        fail("window");
    while (ferry_window_next(window, 0, &piece) > 0)
        sum += read_lines(piece.data, piece.size);
    ferry_window_close(window);
    close(fd);
    return sum;
}

static unsigned long take_bytes(int from, char *buffer, size_t size)
{
    for (size_t got = 0; got < size;) {
        ssize_t more = read(from, buffer + got, size - got);
        if (more <= 0)
            fail("read");
        got += (size_t)more;
    }
    return read_lines(buffer, size);
}

/* Each answers with a byte, so that none is under way when the next is filled in. */
static void take_all(const char *way, int from, size_t size, unsigned long count)
{
    char *buffer = malloc(size), *kept = NULL;
    unsigned long sum = 0;

    if (strcmp(way, "kept") == 0)
        kept = map_all(take_fd(from), size, PROT_READ | PROT_WRITE);
    for (unsigned long i = 0; i < count; i++) {
        if (strcmp(way, "socket") == 0)
            sum = take_bytes(from, buffer, size);
        else if (strcmp(way, "memfd") == 0)
            sum = take_memfd(from, size);
        else if (strcmp(way, "window") == 0)
            sum = take_window(from);
        else {
            if (read(from, buffer, 1) != 1)
                fail("read");
            sum = read_lines(kept, size);
        }
        if (sum != size / 64 * (i % 256)) {
            errno = EBADMSG;
            fail("what came");
        }
        write_all(from, "", 1);
    }
}

static void give_all(const char *way, int to, size_t size, unsigned long count)
{
    char *buffer = malloc(size), *kept = NULL, answer;

    if (strcmp(way, "kept") == 0) {
        int fd = memfd_create("bench", 0);
        if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
            fail("memfd");
        kept = map_all(fd, size, PROT_READ | PROT_WRITE);
        pass_fd(to, fd);
    }
    for (unsigned long i = 0; i < count; i++) {
        int value = (int)(i % 256);
        if (strcmp(way, "socket") == 0) {
            memset(buffer, value, size);
            write_all(to, buffer, size);
        } else if (kept) {
            memset(kept, value, size);
            write_all(to, "", 1);
        } else {
            int fd = memfd_filled(size, value);
            pass_fd(to, fd);
            close(fd);
        }
        if (read(to, &answer, 1) != 1)
            fail("the answer");
    }
}

static void hand(const char *way, size_t size, unsigned long count)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
        fail("socketpair");
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        pin(false);
        take_all(way, ends[1], size, count);
        _exit(0);
    }
    close(ends[1]);
    give_all(way, ends[0], size, count);
    waitpid(child, NULL, 0);
}

/* --- TCP -------------------------------------------------------------------------------------- */

static struct sockaddr_in place_of(char *text)
{
    struct sockaddr_in place = { .sin_family = AF_INET };
    char *colon = strchr(text, ':');
    if (!colon)
        usage();
    *colon = '\0';
    place.sin_port = htons((uint16_t)atoi(colon + 1));
    inet_pton(AF_INET, text, &place.sin_addr);
    return place;
}

/* Until it is ended. */
static void tcp_sink(const struct sockaddr_in *place)
{
    const int on = 1;
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    pin(false);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(listener, (const struct sockaddr *)place, sizeof(*place)) < 0 ||
        listen(listener, 8) < 0)
        fail("bind");
    puts("listens");
    fflush(stdout);
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        receive_all(fd);
        close(fd);
    }
}

/* Takes in what was given back. Returns how many sends. */
static unsigned reap(int fd, unsigned long *copied)
{
    union {
        struct cmsghdr align;
        char bytes[128];
    } control;
    unsigned count = 0;

    for (;;) {
        struct msghdr header = { .msg_control = control.bytes,
            .msg_controllen = sizeof(control.bytes) };
        if (recvmsg(fd, &header, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
            return count;
        struct sock_extended_err error;
        memcpy(&error, CMSG_DATA(CMSG_FIRSTHDR(&header)), sizeof(error));
        unsigned sends = error.ee_data - error.ee_info + 1;
        count += sends;
        if (error.ee_code & SO_EE_CODE_ZEROCOPY_COPIED)
            *copied += sends;
    }
}

static unsigned long tcp_send(
    const struct sockaddr_in *place, bool zerocopy, size_t size, unsigned long count)
{
    const int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    char *data =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    unsigned long sends = 0, back = 0, copied = 0;

    if (connect(fd, (const struct sockaddr *)place, sizeof(*place)) < 0)
        fail("connect");
    if (zerocopy && setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof(on)) < 0)
        fail("SO_ZEROCOPY");
    for (unsigned long left = size * count; left > 0;) {
        size_t at = (size * count - left) % size;
        ssize_t sent = send(fd, data + at, size - at, zerocopy ? MSG_ZEROCOPY : 0);
        if (sent < 0 && errno != ENOBUFS)
            fail("send");
        left -= sent > 0 ? (size_t)sent : 0;
        sends += zerocopy && sent > 0;
        while (sends - back > 16 || (left == 0 && sends > back)) {
            struct pollfd polled = { .fd = fd };
            back += reap(fd, &copied);
            if (sends - back > 16 || (left == 0 && sends > back))
                poll(&polled, 1, 1000);
        }
    }
    char answer;
    shutdown(fd, SHUT_WR);
    if (read(fd, &answer, 1) != 0) /* all of it has arrived */
        fail("the end");
    return copied;
}

int main(int argc, char **argv)
{
    unsigned long copied = 0;
    int fd = -1;

    if (argc < 4)
        usage();
    const char *what = argv[1], *way = argv[2];
    bool file = strcmp(what, "look") == 0 || strcmp(what, "sum") == 0 || strcmp(what, "send") == 0;
    if (file && (fd = open(argv[3], O_RDONLY)) < 0)
        fail(argv[3]);
    if (strcmp(what, "tcp") == 0 && strcmp(way, "sink") == 0) {
        struct sockaddr_in place = place_of(argv[3]);
        tcp_sink(&place);
    }
    if (!file && argc < 5)
        usage();
    pin(true);
    long long start_ns = now_ns(), start_cpu_ns = cpu_ns();
    if (strcmp(what, "look") == 0) {
        look(way, fd);
    } else if (strcmp(what, "sum") == 0) {
        sum(way, fd);
    } else if (strcmp(what, "send") == 0) {
        send_file(way, fd);
    } else if (strcmp(what, "hand") == 0) {
        hand(way, strtoul(argv[3], NULL, 10), strtoul(argv[4], NULL, 10));
    } else if (strcmp(what, "tcp") == 0 && argc == 6) {
        struct sockaddr_in place = place_of(argv[3]);
        copied = tcp_send(&place, strcmp(way, "zerocopy") == 0, strtoul(argv[4], NULL, 10),
            strtoul(argv[5], NULL, 10));
    } else {
        usage();
    }
    printf("%lld %lld %lu\n", now_ns() - start_ns, cpu_ns() - start_cpu_ns, copied);
    return 0;
}
