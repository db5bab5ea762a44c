/* test_seal.c - what is a seal and what is none, and what the kernel's answer has to be. */
#include "transport/auto/seal.c"

#include "memory/system_call.h"
#include "peers.h"

#include <sys/resource.h>

/* --- making one ------------------------------------------------------------------------------- */

START_TEST(a_seal_says_for_which_end_it_is)
{
    AUTO_FD int connection = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    AUTO_FD int seal = seal_make(connection);
    uint32_t said = 0, is = 1;

    ck_assert(is_seal(seal));
    ck_assert(seal_read(seal, &said));
    ck_assert_int_eq(inode_of(connection, &is), 0);
    ck_assert_uint_eq(said, is);
    ck_assert_int_eq(fcntl(seal, F_GETFD), FD_CLOEXEC);
    ck_assert_int_ne(fcntl(seal, F_GETFL) & O_NONBLOCK, 0);
}
END_TEST

START_TEST(what_fails_is_told_and_leaves_nothing)
{
    int connection = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), seal = -1, expected;
    unsigned before = descriptors_open();
    struct rlimit usual, none;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &usual), 0);
    none = (struct rlimit){ 0, usual.rlim_max };
    switch (_i) {
    case 0:
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
        expected = -EMFILE;
        break;
    case 1:
        system_call_fails(SYS_getrandom, ENOSYS);
        expected = -ENOSYS;
        break;
    case 2:
        system_call_fails(SYS_bind, EACCES);
        expected = -EACCES;
        break;
    case 3:
        system_call_fails(SYS_listen, ENFILE);
        expected = -ENFILE;
        break;
    default:
        close(connection);
        connection = -1;
        before--;
        expected = -EBADF;
    }
    ck_assert_int_eq(seal_new(connection, &seal), expected);
    ck_assert_int_eq(seal, -1);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &usual), 0);
    ck_assert_uint_eq(descriptors_open(), before);
}
END_TEST

/* --- what is one ------------------------------------------------------------------------------ */

START_TEST(only_who_listens_at_a_unix_socket_shows_one)
{
    AUTO_FD int connected = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    AUTO_FD int inet = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    AUTO_FD int file = open("/dev/null", O_RDONLY | O_CLOEXEC);

    ck_assert(!is_seal(connected));
    ck_assert(!is_seal(inet));
    ck_assert_int_eq(listen(inet, 1), 0);
    ck_assert(!is_seal(inet));
    ck_assert(!is_seal(file));
    ck_assert(!is_seal(-1));
}
END_TEST

/* A name of its own format, and of no file: that anybody could have made. */
START_TEST(only_its_own_names_are_read)
{
    static const struct {
        const char *name;
        size_t size;
        bool is_one;
    } names[] = {
        { "\0ferry-seal.1f.0123456789abcdef", 31, true },
        { "\0ferry-seal.1f.123456789abcdef", 30, false }, /* another name of the same number */
        { "\0ferry-seal.01f.0123456789abcdef", 32, false },
        { "\0ferry-seal.1f.0123456789abcdef ", 32, false },
        { "\0ferry-seal.1f", 14, false },
        { "\0ferry-sealed", 13, false },
        { "xferry-seal.1f.0123456789abcdef", 31, false },
    };
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    AUTO_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    uint32_t inode = 0;

    ck_assert_int_eq(chdir(scratch_directory), 0);
    memcpy(address.sun_path, names[_i].name, names[_i].size);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + names[_i].size);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(seal_read(fd, &inode), names[_i].is_one);
    if (names[_i].is_one)
        ck_assert_uint_eq(inode, 0x1f);
    ck_assert(!seal_read(-1, &inode));
}
END_TEST

/* --- the kernel's answer ---------------------------------------------------------------------- */

struct answer {
    struct nlmsghdr header;
    struct unix_diag_msg message;
    struct {
        struct nlattr attribute;
        uint32_t value;
    } attributes[2];
};

enum { EMPTY = sizeof(struct nlattr), WHOLE = EMPTY + sizeof(uint32_t) };

static struct answer answer_make(unsigned type, unsigned size)
{
    return (struct answer){
        .header = { .nlmsg_len = sizeof(struct answer), .nlmsg_type = SOCK_DIAG_BY_FAMILY },
        .attributes = { { { (uint16_t)size, (uint16_t)type }, 5 },
            { { WHOLE, UNIX_DIAG_PEER }, 7 } },
    };
}

/* As it comes: the number of the peer, or -errno. */
static int answered(const struct answer *answer, size_t size)
{
    const struct timeval soon = { .tv_usec = 1000 };
    uint32_t inode = 0;
    int ends[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends), 0);
    ck_assert_int_eq(setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon)), 0);
    if (answer)
        ck_assert_int_eq(send(ends[1], answer, size, 0), (ssize_t)size);
    int r = reply_read(ends[0], &inode);
    close(ends[0]);
    close(ends[1]);
    return r < 0 ? r : (int)inode;
}

START_TEST(the_peer_is_found_among_other_facts)
{
    static const struct {
        unsigned type, size;
        int inode; /* 0: none is found */
    } facts[] = {
        { UNIX_DIAG_PEER, WHOLE, 5 }, { UNIX_DIAG_NAME, WHOLE, 7 },
        { UNIX_DIAG_PEER, WHOLE - 1, 7 }, /* too short to be it */
        { UNIX_DIAG_NAME, WHOLE - 1, 7 },
        { UNIX_DIAG_NAME, EMPTY - 1, 0 },                           /* too short to be any */
        { UNIX_DIAG_NAME, 0, 0 }, { UNIX_DIAG_NAME, 2 * WHOLE, 0 }, /* to the end */
        { UNIX_DIAG_NAME, 2 * WHOLE + 1, 0 }, { UNIX_DIAG_PEER, 2 * WHOLE, 5 },
        { UNIX_DIAG_PEER, 2 * WHOLE + 1, 0 }, /* beyond it */
    };
    for (size_t i = 0; i < COUNT_OF(facts); i++) {
        struct answer answer = answer_make(facts[i].type, facts[i].size);
        ck_assert_int_eq(
            answered(&answer, sizeof(answer)), facts[i].inode ? facts[i].inode : -ENOTCONN);
    }
    struct answer answer = answer_make(UNIX_DIAG_NAME, EMPTY);
    answer.attributes[0].value = WHOLE | UNIX_DIAG_PEER << 16; /* follows at once */
    answer.attributes[1].attribute = (struct nlattr){ 9, 0 };
    ck_assert_int_eq(answered(&answer, sizeof(answer)), 9);
}
END_TEST

START_TEST(what_is_no_answer_is_none)
{
    struct answer answer = answer_make(UNIX_DIAG_PEER, WHOLE);
    const size_t bare = offsetof(struct answer, attributes);

    ck_assert_int_eq(answered(NULL, 0), -EAGAIN);
    ck_assert_int_eq(answered(&answer, sizeof(answer) - 1), -EPROTO); /* cut */
    ck_assert_int_eq(answered(&answer, sizeof(answer.header) - 1), -EPROTO);
    answer.header.nlmsg_type = NLMSG_ERROR;
    ck_assert_int_eq(answered(&answer, sizeof(answer)), -EPROTO);
    answer.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    answer.header.nlmsg_len = (uint32_t)bare;
    ck_assert_int_eq(answered(&answer, bare), -ENOTCONN);
    answer.header.nlmsg_len = (uint32_t)bare + EMPTY;
    answer.attributes[0].attribute.nla_len = EMPTY;
    ck_assert_int_eq(answered(&answer, bare + EMPTY), -ENOTCONN);
}
END_TEST

START_TEST(the_kernel_says_who_is_at_the_other_end)
{
    int ends[2];
    uint32_t is = 0, expected = 1;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    ck_assert_int_eq(seal_peer_number(ends[0], &is), 0);
    ck_assert_int_eq(inode_of(ends[1], &expected), 0);
    ck_assert_uint_eq(is, expected);
    close(ends[1]);
    ck_assert(seal_peer_number(ends[0], &is) < 0 || is != expected);
    close(ends[0]);
    ck_assert_int_eq(seal_peer_number(ends[0], &is), -EBADF);
}
END_TEST

/* --- whether it fits -------------------------------------------------------------------------- */

/* Of two ends of a pair, both this process's. */
START_TEST(a_seal_fits_the_other_end_alone)
{
    enum ferry_auto_reason reason = FERRY_AUTO_NEW;
    int ends[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    AUTO_FD int one = seal_make(ends[0]);
    AUTO_FD int other = seal_make(ends[1]);
    for (int dialled = 0; dialled < 2; dialled++) {
        ck_assert(seal_fits(ends[0], other, dialled, &reason));
        ck_assert(!seal_fits(ends[0], one, dialled, &reason)); /* our own */
        ck_assert_int_eq(reason, FERRY_AUTO_NOT_DIRECT);
        ck_assert(!seal_fits(ends[0], ends[1], dialled, &reason)); /* no seal */
        ck_assert_int_eq(reason, FERRY_AUTO_NOT_DIRECT);
    }
    close(ends[0]);
    close(ends[1]);
}
END_TEST

/* Whoever is another user by now has it from somebody. */
START_TEST(a_seal_of_another_user_does_not_fit)
{
    enum ferry_auto_reason reason = FERRY_AUTO_NEW;
    int ends[2], fds[3] = { -1 };
    size_t count;
    char byte;

    if (skipped_without_root())
        return;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    pid_t child = fork();
    if (child == 0) {
        MUST(setresuid(65534, 65534, 65534) == 0);
        int seal = seal_make(ends[1]);
        _exit(raw_send(ends[1], "x", 1, &seal, 1) != 0);
    }
    ck_assert_int_eq(raw_receive(ends[0], &byte, 1, fds, &count), 1);
    ck_assert_uint_eq(count, 1);
    ck_assert_int_eq(child_status(child), 0);
    ck_assert(is_seal(fds[0]));
    ck_assert(!seal_fits(ends[0], fds[0], true, &reason));
    ck_assert_int_eq(reason, FERRY_AUTO_NOT_DIRECT);
    close(fds[0]);
    close(ends[0]);
    close(ends[1]);
}
END_TEST

/* Why it is not known is another thing than that it does not fit. */
START_TEST(what_cannot_be_asked_is_not_known)
{
    enum ferry_auto_reason reason = FERRY_AUTO_NEW;
    int ends[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    AUTO_FD int seal = seal_make(ends[1]);
    system_call_fails(SYS_socket, _i ? EACCES : EMFILE);
    ck_assert(!seal_fits(ends[0], seal, false, &reason));
    ck_assert_int_eq(reason, _i ? FERRY_AUTO_UNKNOWN_PEER : FERRY_AUTO_NO_MEMORY);
    close(ends[0]);
    close(ends[1]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("transport/auto/seal");
    TCase *tests = tcase_create("seal");

    suite_add_tcase(suite, tests);
    tcase_set_timeout(tests, 30);
    tcase_add_test(tests, a_seal_says_for_which_end_it_is);
    tcase_add_loop_test(tests, what_fails_is_told_and_leaves_nothing, 0, 5);
    tcase_add_test(tests, only_who_listens_at_a_unix_socket_shows_one);
    tcase_add_loop_test(tests, only_its_own_names_are_read, 0, 7);
    tcase_add_test(tests, the_peer_is_found_among_other_facts);
    tcase_add_test(tests, what_is_no_answer_is_none);
    tcase_add_test(tests, the_kernel_says_who_is_at_the_other_end);
    tcase_add_test(tests, a_seal_fits_the_other_end_alone);
    tcase_add_test(tests, a_seal_of_another_user_does_not_fit);
    tcase_add_loop_test(tests, what_cannot_be_asked_is_not_known, 0, 2);
    return scratch_run(suite);
}
