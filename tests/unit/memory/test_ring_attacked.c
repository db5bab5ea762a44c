/* test_ring_attacked.c - a peer that rewrites everything it may, and what it should not, after each
 * load of shared memory.
 *
 * Three things are asked: that each call returns what it may return, that what it says to have come
 * lies where it may lie, and that it loads no more than what it was asked for is worth. Whether it
 * stays in its memory a sanitizer tells.
 *
 * FERRY_FAULT_LOADS is how many loads are attacked at each end.
 */
#include "ring_under_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Loads of one call, at most: something for each record of a batch, one head of padding, the peer's
 * position, its bell, and if that rings its position once more. */
enum { CAPACITY = 4096, MAX = CAPACITY / 8, BATCH = 8, LOADS_MAX = BATCH + 4 };

static struct ferry_ring *attacked;
static uint64_t chance = 11;
static uint64_t loads;
static unsigned peace; /* loads between two attacks, on average */

/* --- the attack ------------------------------------------------------------------------------- */

/* A number that is more likely than others to do harm. */
static uint64_t attack_number(void)
{
    static const uint32_t near[] = { 0, 8, 16, MAX, MAX + 8, CAPACITY - 8, CAPACITY, CAPACITY + 8,
        1u << 31, 0u - 8, 0u - CAPACITY };
    uint32_t number = near[draw(&chance) % COUNT_OF(near)];

    switch (draw(&chance) % 8) {
    case 0:
        return (uint64_t)draw(&chance) << 33 ^ draw(&chance);
    case 1:
        return ring_head(draw(&chance) % 4, draw(&chance) % (MAX + 16));
    case 2:
        return ring_head(RING_KIND_PADDING, CAPACITY - 8 - draw(&chance) % 64 * 8);
    case 3:
        return ring_head(RING_KIND_RECORD, number);
    case 4:
        return attacked->own + draw(&chance) % 64 * 8;
    default:
        return attacked->own + number;
    }
}

/* The peer as it should be: takes everything, or sends a small record. */
static void well_behaved(void)
{
    if (attacked->direction == FERRY_SEND) {
        memcpy(&attacked->other->position, &attacked->published, 4);
        return;
    }
    uint32_t head = atomic_load(&attacked->other->position);
    uint64_t number = ring_head(RING_KIND_RECORD, 4);
    if (head - attacked->published > CAPACITY - 16 || head % CAPACITY == CAPACITY - 8)
        return;
    memcpy(attacked->data + head % CAPACITY, &number, 8);
    head += 16;
    memcpy(&attacked->other->position, &head, 4);
}

/* Everything that the peer may write: also what it should not. */
static void attack(void *word, size_t size)
{
    if ((char *)word < (char *)attacked->shared ||
        (char *)word >= (char *)attacked->shared + attacked->map_size)
        return; /* another ring's */
    uint64_t number = attack_number();
    unsigned char *place = attacked->data + (attacked->own & (CAPACITY - 8));

    loads++;
    if (draw(&chance) % peace != 0) {
        well_behaved();
        return;
    }
    if (draw(&chance) % 4 == 0)
        memcpy(word, &number, size);
    if (draw(&chance) % 4 == 0)
        memcpy(&attacked->other->position, &number, 4);
    if (draw(&chance) % 2)
        memcpy(place, &number, 8);
    if (draw(&chance) % 8 == 0)
        memcpy(attacked->data + draw(&chance) % (CAPACITY / 8) * 8, &number, 8);
    number = attack_number();
    if (draw(&chance) % 4 == 0)
        memcpy(&attacked->other->bell, &number, 8);
    if (draw(&chance) % 64 == 0)
        memcpy(&attacked->side->position, &number, 4);
}

static void leave_alone(void *word, size_t size)
{
    (void)word, (void)size;
}

/* --- the calls -------------------------------------------------------------------------------- */

/* What is said to have come lies where it may, and can be read. */
static void records_read(
    const struct ferry_record *batch, int count, const unsigned char *from, size_t size)
{
    static volatile unsigned char sink;

    for (int i = 0; i < count; i++) {
        const unsigned char *data = batch[i].data;
        MUST(data >= from && batch[i].size <= MAX && data + batch[i].size <= from + size);
        for (size_t j = 0; j < batch[i].size; j += 61)
            sink = data[j];
    }
    (void)sink;
}

static int attacked_receive(void)
{
    struct ferry_record batch[BATCH];
    static unsigned char buffer[MAX * 4];
    size_t count = draw(&chance) % BATCH + 1, size = draw(&chance) % sizeof(buffer);
    int r;

    if (draw(&chance) % 2) {
        r = ferry_ring_try_receive(attacked, buffer, size, batch, count);
        records_read(batch, r, buffer, size);
    } else {
        r = ferry_ring_borrow(attacked, batch, count);
        records_read(batch, r, attacked->data, CAPACITY);
        if (draw(&chance) % 2)
            ferry_ring_release(attacked);
    }
    return r;
}

static int attacked_send(void)
{
    static unsigned char data[BATCH][MAX + 1];
    struct ferry_record batch[BATCH];
    size_t size = draw(&chance) % (MAX + 2);
    void *place;

    if (draw(&chance) % 2) {
        for (int i = 0; i < BATCH; i++)
            batch[i] = (struct ferry_record){ data[i], draw(&chance) % MAX, 0 };
        return ferry_ring_try_send(attacked, batch, draw(&chance) % BATCH + 1);
    }
    int r = ferry_ring_loan(attacked, size, &place);
    if (r < 0)
        return r;
    MUST((unsigned char *)place >= attacked->data &&
         (unsigned char *)place + size <= attacked->data + CAPACITY);
    memset(place, 1, size);
    ferry_ring_commit(attacked, size, 0);
    return 0;
}

/* --- how long they take ----------------------------------------------------------------------- */

static int64_t longest_ns; /* of processor time, the attack's own included */
static uint64_t most_loads;

static int64_t processor_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* One call, or a loan and its commit. Returns what it did. */
static int attacked_call(void)
{
    uint64_t loads_before = loads;
    int64_t began_ns = processor_ns();
    int r = attacked->direction == FERRY_RECEIVE ? attacked_receive() : attacked_send();
    int64_t took_ns = processor_ns() - began_ns;

    if (took_ns > longest_ns)
        longest_ns = took_ns;
    if (loads - loads_before > most_loads)
        most_loads = loads - loads_before;
    MUST(r >= 0 || r == -EAGAIN || r == -EPROTO || r == -EMSGSIZE);
    return r;
}

static uint64_t loads_wanted(void)
{
    const char *wanted = getenv("FERRY_FAULT_LOADS");
    return wanted ? strtoull(wanted, NULL, 10) : 1000000;
}

/* Begins anew; sometimes it is left in peace for a while. */
static void attacked_revive(void)
{
    ring_test_loaded = leave_alone;
    ring_begin_at(attacked, (draw(&chance) - 4096) & ~7u);
    peace = 1u << draw(&chance) % 8;
    ring_test_loaded = attack;
}

/* A ring that is attacked until it breaks, again and again. Says how it went. */
static void attack_all(enum ferry_direction direction)
{
    uint64_t wanted = loads_wanted(), lives = 0;

    attacked = ring_make_one(direction, CAPACITY);
    for (; loads < wanted; lives++) {
        attacked_revive();
        for (int r = 0; r != -EPROTO && loads < wanted;) {
            r = attacked_call();
            if (draw(&chance) % 4 == 0)
                (void)!ferry_ring_prepare_sleep(attacked);
        }
    }
    ferry_ring_free(attacked);
    printf("%s: %llu loads attacked, broken %llu times, at most %llu loads and %lld ns in a call\n",
        direction == FERRY_RECEIVE ? "receiver" : "sender", (unsigned long long)loads,
        (unsigned long long)lives, (unsigned long long)most_loads, (long long)longest_ns);
    MUST(most_loads <= LOADS_MAX);
    MUST(lives > wanted / 2000);
}

/* --- beside others ---------------------------------------------------------------------------- */

static void good_receive(struct ferry_ring *ring, uint32_t number)
{
    struct ferry_record record;

    MUST(ferry_ring_borrow(ring, &record, 1) == 1);
    MUST(record.type == number && record.size == 4 && memcmp(record.data, "good", 4) == 0);
    ferry_ring_release(ring);
}

/* Whatever the attacked one does, it has a turn at most before the other has its own. */
START_TEST(in_a_fan_in_it_costs_others_a_turn)
{
    uint64_t wanted = loads_wanted();
    struct ends good = ends_make(CAPACITY);
    struct ferry_fan_in *fan_in;
    struct ferry_ring *ring;

    MUST(ferry_fan_in_new(&fan_in) == 0);
    attacked = ring_make_one(FERRY_RECEIVE, CAPACITY);
    MUST(ferry_fan_in_add(fan_in, attacked, NULL) == 0);
    MUST(ferry_fan_in_add(fan_in, good.receiver, NULL) == 0);
    attacked_revive();
    for (uint32_t number = 0; loads < wanted; number = (number + 1) & FERRY_RING_TYPE_MAX) {
        if (draw(&chance) % 4 == 0)
            (void)!ferry_fan_in_prepare_sleep(fan_in);
        MUST(text_send(good.sender, "good", number) == 1);
        for (int turns = 0; (ring = ferry_fan_in_next(fan_in, NULL)) != good.receiver; turns++) {
            MUST(ring == attacked && turns == 0);
            if (attacked_call() == -EPROTO)
                attacked_revive();
        }
        good_receive(ring, number);
    }
    ferry_fan_in_free(fan_in);
    ferry_ring_free(attacked);
    ends_free(&good);
}
END_TEST

START_TEST(an_attacked_receiver_survives)
{
    attack_all(FERRY_RECEIVE);
}
END_TEST

START_TEST(an_attacked_sender_survives)
{
    attack_all(FERRY_SEND);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("ring_attacked");

    tcase_set_timeout(tests, 40);
    tcase_add_test(tests, an_attacked_receiver_survives);
    tcase_add_test(tests, an_attacked_sender_survives);
    tcase_add_test(tests, in_a_fan_in_it_costs_others_a_turn);
    return run_tests(tests, "memory/ring_attacked");
}
