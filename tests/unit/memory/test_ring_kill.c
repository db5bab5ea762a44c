/* test_ring_kill.c - a process is killed at any step of sending: what it committed is received,
 * whole, and nothing else. */
#include "ring_under_test.h"

#include <signal.h>
#include <sys/wait.h>

enum { CAPACITY = 4096, MAX = CAPACITY / 8 };

/* --- in the process that dies ----------------------------------------------------------------- */

static enum ring_step fatal_step;
static int steps_left; /* of that kind */

static void step_fatally(enum ring_step step)
{
    if (step == fatal_step && --steps_left == 0)
        kill(getpid(), SIGKILL);
}

static size_t size_of(uint32_t number)
{
    return number * 61 % (MAX + 1);
}

/* Sends in every manner until it dies; says in the pipe of each record that it was sent. */
__attribute__((noreturn)) static void send_until_killed(struct ferry_ring *ring, int told_fd)
{
    unsigned char data[3][MAX];
    struct ferry_record batch[3];
    void *place;

    for (uint32_t number = 0;;) {
        int sent = 1;
        if (number % 2) {
            if (ferry_ring_loan(ring, size_of(number), &place) < 0)
                continue;
            bytes_fill(place, size_of(number), number);
            ferry_ring_commit(ring, size_of(number), number);
        } else {
            for (uint32_t i = 0; i < 3; i++) {
                bytes_fill(data[i], size_of(number + i), number + i);
                batch[i] = (struct ferry_record){ data[i], size_of(number + i), number + i };
            }
            sent = ferry_ring_try_send(ring, batch, 3);
        }
        for (int i = 0; i < sent; i++, number++)
            if (write(told_fd, "", 1) != 1)
                _exit(1);
    }
}

/* --- in the one that lives -------------------------------------------------------------------- */

static uint32_t received;

/* Returns the last result. */
static int receive_what_is_there(struct ferry_ring *ring)
{
    static unsigned char buffer[CAPACITY];
    struct ferry_record batch[4];
    int r;

    while ((r = ferry_ring_try_receive(ring, buffer, sizeof(buffer), batch, 4)) > 0)
        for (int i = 0; i < r; i++, received++) {
            MUST(batch[i].type == received);
            MUST(batch[i].size == size_of(received));
            MUST(bytes_are(batch[i].data, batch[i].size, received));
        }
    return r;
}

static uint32_t told_count(int fd)
{
    char bytes[4096];
    uint32_t count = 0;
    ssize_t got;

    while ((got = read(fd, bytes, sizeof(bytes))) > 0)
        count += (uint32_t)got;
    return count;
}

/* One life and death; sleeps in the ring until the pipe, which only the sender holds, hangs up. */
static void killed_at(enum ring_step step, int count)
{
    struct ferry_ring *ring = ring_make_one(FERRY_RECEIVE, CAPACITY);
    int told[2], life[2], status;

    MUST(pipe2(told, O_CLOEXEC) == 0);
    MUST(pipe2(life, O_CLOEXEC) == 0);
    fcntl(told[1], F_SETPIPE_SZ, 1 << 20);
    fatal_step = step;
    steps_left = count;
    received = 0;
    ring_begin_at(ring, 0u - 4 * CAPACITY);
    pid_t child = fork();
    if (child == 0) {
        ring_test_step = step_fatally;
        send_until_killed(ring_attach_to(ring), told[1]);
    }
    close(told[1]);
    close(life[1]);
    int r;
    do {
        MUST(receive_what_is_there(ring) == -EAGAIN);
    } while ((r = ferry_ring_wait(ring, life[0], ferry_deadline(20000))) == 0);
    MUST(r == 1);
    MUST(waitpid(child, &status, 0) == child);
    MUST(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    ferry_ring_set_peer_gone(ring);
    MUST(receive_what_is_there(ring) == -EPIPE);

    uint32_t said = told_count(told[0]);
    MUST(received >= said);
    MUST(received <= said + 3); /* sent, and died before it could say so */
    if (step < RING_PUBLISHED)
        MUST(received == said);
    else
        MUST(received > said);
    close(told[0]);
    close(life[0]);
    ferry_ring_free(ring);
}

START_TEST(what_was_committed_is_received)
{
    for (int step = RING_RESERVED; step <= RING_WOKEN; step++)
        for (int count = 1; count <= 40; count++)
            killed_at(step, count);
}
END_TEST

/* The same from outside, at no step in particular. */
START_TEST(whenever_it_is_killed)
{
    uint64_t chance = 5;

    for (int life = 0; life < 100; life++) {
        struct ferry_ring *ring = ring_make_one(FERRY_RECEIVE, CAPACITY);
        int told[2];
        uint32_t wanted = draw(&chance) % 2000;
        MUST(pipe2(told, O_CLOEXEC) == 0);
        fcntl(told[1], F_SETPIPE_SZ, 1 << 20);
        received = 0;
        pid_t child = fork();
        if (child == 0)
            send_until_killed(ring_attach_to(ring), told[1]);
        close(told[1]);
        while (received < wanted) {
            MUST(receive_what_is_there(ring) == -EAGAIN);
            MUST(ferry_ring_wait(ring, -1, ferry_deadline(20000)) == 0);
        }
        kill(child, SIGKILL);
        MUST(waitpid(child, NULL, 0) == child);
        ferry_ring_set_peer_gone(ring);
        MUST(receive_what_is_there(ring) == -EPIPE);
        uint32_t said = told_count(told[0]);
        MUST(received >= said && received <= said + 3);
        close(told[0]);
        ferry_ring_free(ring);
    }
}
END_TEST

/* Its successor sends on, with the same descriptors; what it had begun is not seen. */
START_TEST(a_successor_sends_on)
{
    struct ferry_ring *ring = ring_make_one(FERRY_RECEIVE, CAPACITY);
    int status;

    pid_t child = fork();
    if (child == 0) {
        struct ferry_ring *sender = ring_attach_to(ring);
        ck_assert_int_eq(text_send(sender, "committed", 1), 1);
        fatal_step = RING_TO_PUBLISH;
        steps_left = 1;
        ring_test_step = step_fatally;
        (void)!text_send(sender, "begun", 2);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    struct ferry_ring *sender = ring_attach_to(ring);
    ck_assert_int_eq(text_send(sender, "successor", 3), 1);
    text_expect(ring, "committed", 1);
    text_expect(ring, "successor", 3);
    ferry_ring_free(sender);
    ferry_ring_free(ring);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("ring_kill");

    tcase_set_timeout(tests, 50);
    tcase_add_test(tests, what_was_committed_is_received);
    tcase_add_test(tests, whenever_it_is_killed);
    tcase_add_test(tests, a_successor_sends_on);
    return run_tests(tests, "memory/ring_kill");
}
