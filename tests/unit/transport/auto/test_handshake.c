/* test_handshake.c - how two ends come to have rings, and that the connection goes on where they
 * don't, and says why. */
#include "memory/limits.h"
#include "memory/system_call.h"
#include "peers.h"

#include <sched.h>
#include <sys/resource.h>

/* --- allocations that fail -------------------------------------------------------------------- */

static unsigned calloc_fails_at; /* the how manieth from now; 0: none */

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
void *__libc_calloc(size_t count, size_t size);

FERRY_PUBLIC void *calloc(size_t count, size_t size)
{
    if (calloc_fails_at > 0 && --calloc_fails_at == 0) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_calloc(count, size);
}
#define CAN_FAIL_ALLOCATIONS true
#else
#define CAN_FAIL_ALLOCATIONS false
#endif

/* --- what both say ---------------------------------------------------------------------------- */

/* Each sends so often, and receives what the other sent. */
static void talk(struct pair *pair, int times)
{
    for (int i = 0; i < times; i++) {
        ck_assert_int_eq(say(pair->dialled, "forth"), 1);
        ck_assert_hears(pair->accepted, pair->inbox, "forth");
        ck_assert_int_eq(say(pair->accepted, "back"), 1);
        ck_assert_hears(pair->dialled, pair->inbox, "back");
    }
}

static void is_in_ring(const struct ferry_channel *channel)
{
    ck_assert_int_eq(stats_of(channel).lanes[FERRY_SEND], FERRY_LANE_RING);
    ck_assert_int_eq(stats_of(channel).reason, FERRY_AUTO_FORCED);
}

static void is_on_socket(const struct ferry_channel *channel, enum ferry_auto_reason reason)
{
    ck_assert_int_eq(stats_of(channel).lanes[FERRY_SEND], FERRY_LANE_SOCKET);
    ck_assert_int_eq(stats_of(channel).reason, reason);
    ck_assert_uint_eq(stats_of(channel).ring_messages, 0);
}

/* Few enough that nothing is measured. */
enum { FEW = 5 };

START_TEST(either_may_ask_for_rings_and_either_refuse)
{
    static const struct {
        const char *accepted, *dialled;
    } options[] = { { ",ring=yes", ",ring=yes" }, { ",ring=yes", "" }, { "", ",ring=yes" },
        { ",ring=no", ",ring=yes" }, { ",ring=yes", ",ring=no" }, { ",ring=no", ",ring=no" },
        { "", "" } };
    struct pair pair = pair_make(options[_i].accepted, options[_i].dialled);

    talk(&pair, FEW);
    switch (_i) {
    case 0:
        is_in_ring(pair.accepted);
        is_in_ring(pair.dialled);
        break;
    case 1:
        is_in_ring(pair.accepted);
        is_on_socket(pair.dialled, FERRY_AUTO_NEW);
        break;
    case 2:
        is_on_socket(pair.accepted, FERRY_AUTO_NEW);
        is_in_ring(pair.dialled);
        break;
    case 3:
        is_on_socket(pair.accepted, FERRY_AUTO_FORBIDDEN);
        is_on_socket(pair.dialled, FERRY_AUTO_PEER_FORBIDS);
        ck_assert_ptr_null(end_of(pair.dialled)->ring[FERRY_SEND]); /* given back at once */
        ck_assert_ptr_null(end_of(pair.dialled)->ring[FERRY_RECEIVE]);
        break;
    case 4:
        is_on_socket(pair.accepted, FERRY_AUTO_PEER_FORBIDS);
        is_on_socket(pair.dialled, FERRY_AUTO_FORBIDDEN);
        break;
    case 5:
        is_on_socket(pair.accepted, FERRY_AUTO_FORBIDDEN);
        is_on_socket(pair.dialled, FERRY_AUTO_FORBIDDEN);
        ck_assert_int_eq(end_of(pair.dialled)->rings, AUTO_RINGS_NONE);
        break;
    default:
        is_on_socket(pair.accepted, FERRY_AUTO_NEW);
        is_on_socket(pair.dialled, FERRY_AUTO_NEW);
        ck_assert_int_eq(end_of(pair.dialled)->rings, AUTO_RINGS_NONE);
    }
    pair_free(&pair);
}
END_TEST

/* A refusal is for good. */
START_TEST(what_was_refused_is_not_asked_for_again)
{
    struct pair pair = pair_make(",ring=no", ",ring=yes");

    talk(&pair, FEW);
    ferry_auto_prefer(pair.accepted, FERRY_AUTO_PREFER_RING);
    ferry_auto_prefer(pair.dialled, FERRY_AUTO_PREFER_RING);
    talk(&pair, FEW);
    is_on_socket(pair.accepted, FERRY_AUTO_FORBIDDEN);
    is_on_socket(pair.dialled, FERRY_AUTO_PEER_FORBIDS);
    pair_free(&pair);
}
END_TEST

START_TEST(both_may_ask_at_once)
{
    struct pair pair = pair_make(",ring=yes", ",ring=yes");

    ck_assert_int_eq(say(pair.dialled, "forth"), 1);
    ck_assert_int_eq(say(pair.accepted, "back"), 1);
    ck_assert_int_eq(stats_of(pair.dialled).reason, FERRY_AUTO_WAITING);
    ck_assert_int_eq(stats_of(pair.accepted).reason, FERRY_AUTO_WAITING);
    ck_assert_hears(pair.dialled, pair.inbox, "back");
    ck_assert_hears(pair.accepted, pair.inbox, "forth");
    talk(&pair, 2);
    is_in_ring(pair.dialled);
    is_in_ring(pair.accepted);
    pair_free(&pair);
}
END_TEST

/* And all lies there when it is looked for: what names the ring ends a batch. */
START_TEST(the_answer_and_what_follows_it_come_at_once)
{
    struct pair pair = pair_make("", ",ring=yes");
    AUTO_FD int event = dup(0);
    struct ferry_message batch[16];
    static const char *const expected[] = { "one", "two", "three", "four" };

    ck_assert_int_eq(say(pair.dialled, "forth"), 1);
    ck_assert_hears(pair.accepted, pair.inbox, "forth");
    ferry_auto_prefer(pair.accepted, FERRY_AUTO_PREFER_RING);
    ck_assert_int_eq(say(pair.accepted, "one"), 1);
    ck_assert_int_eq(say(pair.accepted, "two"), 1);
    ck_assert_int_eq(send_bytes(pair.accepted, "three", 5, &event, 1), 1);
    ck_assert_int_eq(say(pair.accepted, "four"), 1);
    ck_assert_uint_eq(stats_of(pair.accepted).ring_messages, 2);
    for (size_t i = 0; i < COUNT_OF(expected);) {
        int r = receive_some(pair.dialled, pair.inbox, batch, 16);
        ck_assert_int_gt(r, 0);
        for (int j = 0; j < r; j++, i++) {
            ck_assert_mem_eq(batch[j].data, expected[i], strlen(expected[i]));
            ck_assert_uint_eq(batch[j].descriptor_count, i == 2);
            ferry_message_fini(&batch[j]);
        }
    }
    pair_free(&pair);
}
END_TEST

/* It changes its mind while the other asks, or offers. */
START_TEST(what_is_forbidden_meanwhile_is_refused)
{
    struct pair pair = pair_make(",ring=yes", ",ring=yes");

    ck_assert_int_eq(say(pair.accepted, "back"), 1); /* asks */
    if (_i) {
        ck_assert_hears(pair.dialled, pair.inbox, "back"); /* offers */
        ferry_auto_prefer(pair.accepted, FERRY_AUTO_PREFER_SOCKET);
        talk(&pair, FEW);
        is_on_socket(pair.accepted, FERRY_AUTO_FORBIDDEN);
        is_on_socket(pair.dialled, FERRY_AUTO_PEER_FORBIDS);
    } else {
        ferry_auto_prefer(pair.dialled, FERRY_AUTO_PREFER_SOCKET);
        ck_assert_hears(pair.dialled, pair.inbox, "back");
        talk(&pair, FEW);
        is_on_socket(pair.accepted, FERRY_AUTO_PEER_FORBIDS);
        is_on_socket(pair.dialled, FERRY_AUTO_FORBIDDEN);
    }
    pair_free(&pair);
}
END_TEST

/* Whoever only sends looks for the answer now and then. */
START_TEST(who_only_sends_has_its_answer)
{
    bool dialled = _i;
    struct pair pair = pair_make(dialled ? "" : ",ring=yes", dialled ? ",ring=yes" : "");
    struct ferry_channel *one = dialled ? pair.dialled : pair.accepted;
    struct ferry_channel *other = dialled ? pair.accepted : pair.dialled;

    for (unsigned i = 0; i < 2 * AUTO_ANSWER_SENDS + 1; i++) {
        ck_assert_int_eq(say(one, "text"), 1);
        ck_assert_hears(other, pair.inbox, "text");
    }
    is_in_ring(one);
    is_on_socket(other, FERRY_AUTO_NEW);
    pair_free(&pair);
}
END_TEST

/* Each so many sends it costs a call. */
START_TEST(the_answer_is_looked_for_now_and_then)
{
    struct pair pair = pair_make("", ",ring=yes");

    for (unsigned i = 1; i < 2 * AUTO_ANSWER_SENDS; i++) {
        ck_assert_int_eq(say(pair.dialled, "text"), 1);
        ck_assert_uint_eq(end_of(pair.dialled)->unanswered, i % AUTO_ANSWER_SENDS);
    }
    ck_assert_hears(pair.accepted, pair.inbox, "text"); /* and the offer before it */
    ck_assert_int_eq(end_of(pair.dialled)->rings, AUTO_RINGS_OFFERED);
    ck_assert_int_eq(say(pair.dialled, "text"), 1);
    ck_assert_int_eq(end_of(pair.dialled)->rings, AUTO_RINGS_THERE);
    pair_free(&pair);
}
END_TEST

/* --- no room for an answer -------------------------------------------------------------------- */

static unsigned fill(struct ferry_channel *channel)
{
    unsigned sent = 0;
    while (say(channel, "filling") == 1)
        sent++;
    return sent;
}

static void hear_filling(struct ferry_channel *channel, struct ferry_inbox *inbox, unsigned count)
{
    while (count-- > 0)
        ck_assert_hears(channel, inbox, "filling");
}

static void hears_nothing(struct ferry_channel *channel, struct ferry_inbox *inbox)
{
    struct ferry_message message;
    ck_assert_int_eq(ferry_channel_try_receive(channel, inbox, &message, 1), -EAGAIN);
}

/* The offer that was asked for has no room; it is not forgotten. */
START_TEST(an_offer_is_owed_until_there_is_room)
{
    unsigned before = descriptors_open();
    struct pair pair = pair_make("", "");
    unsigned sent = fill(pair.dialled);

    ferry_auto_prefer(pair.accepted, FERRY_AUTO_PREFER_RING);
    ck_assert_int_eq(say(pair.accepted, "asks"), 1);
    ck_assert_hears(pair.dialled, pair.inbox, "asks");
    ck_assert_int_eq(end_of(pair.dialled)->rings, AUTO_RINGS_NONE);
    ck_assert_ptr_null(end_of(pair.dialled)->ring[0]);
    hear_filling(pair.accepted, pair.inbox, sent);
    hears_nothing(pair.accepted, pair.inbox);
    hears_nothing(pair.dialled, pair.inbox);
    hears_nothing(pair.accepted, pair.inbox);
    ck_assert_int_eq(say(pair.accepted, "back"), 1);
    is_in_ring(pair.accepted);
    ck_assert(stats_of(pair.dialled).reason != FERRY_AUTO_WAITING); /* it did not ask */
    ck_assert_hears(pair.dialled, pair.inbox, "back");
    ferry_auto_prefer(pair.dialled, FERRY_AUTO_PREFER_RING); /* and owes nothing any more */
    talk(&pair, FEW);
    is_in_ring(pair.dialled);
    pair_free(&pair);
    ck_assert_uint_eq(descriptors_open(), before);
}
END_TEST

/* Nor is it said that an answer is waited for. */
START_TEST(what_could_not_be_offered_is_not_waited_for)
{
    struct pair pair = pair_make("", "");

    (void)fill(pair.dialled);
    ferry_auto_prefer(pair.dialled, FERRY_AUTO_PREFER_RING);
    ck_assert_int_eq(say(pair.dialled, "text"), -EAGAIN);
    ck_assert_int_eq(end_of(pair.dialled)->rings, AUTO_RINGS_NONE);
    ck_assert_int_eq(stats_of(pair.dialled).reason, FERRY_AUTO_FORCED);
    pair_free(&pair);
}
END_TEST

/* Nothing goes by the ring before the other knows of it. */
START_TEST(an_answer_is_owed_until_there_is_room)
{
    bool refuses = _i;
    struct pair pair = pair_make(refuses ? ",ring=no" : "", ",ring=yes");
    unsigned sent = fill(pair.accepted);

    ck_assert_int_eq(say(pair.dialled, "offers"), 1);
    ck_assert_hears(pair.accepted, pair.inbox, "offers");
    ck_assert_int_eq(end_of(pair.accepted)->rings, refuses ? AUTO_RINGS_REFUSED : AUTO_RINGS_THERE);
    if (!refuses)
        ferry_auto_prefer(pair.accepted, FERRY_AUTO_PREFER_RING);
    ck_assert_hears(pair.dialled, pair.inbox, "filling");
    sent += say(pair.accepted, "filling") == 1; /* the answer comes first */
    hear_filling(pair.dialled, pair.inbox, sent - 1);
    hears_nothing(pair.dialled, pair.inbox);
    ck_assert_int_eq(end_of(pair.dialled)->rings, refuses ? AUTO_RINGS_REFUSED : AUTO_RINGS_THERE);
    talk(&pair, FEW);
    if (refuses)
        is_on_socket(pair.dialled, FERRY_AUTO_PEER_FORBIDS);
    else
        is_in_ring(pair.accepted);
    pair_free(&pair);
}
END_TEST

/* --- no memory, no descriptors ---------------------------------------------------------------- */

/* From here on so many more descriptors can be had. Returns the limit as it was. */
static rlim_t descriptors_leave(unsigned count)
{
    struct rlimit limit, less;
    int fds[64], highest = -1;

    MUST(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    for (unsigned i = 0; i < count; i++)
        highest = fds[i] = dup(0);
    int next = dup(0);
    for (unsigned i = 0; i < count; i++)
        close(fds[i]);
    close(next);
    less = (struct rlimit){ (rlim_t)next, limit.rlim_max };
    MUST(next > highest && setrlimit(RLIMIT_NOFILE, &less) == 0);
    return limit.rlim_cur;
}

static void descriptors_allow(rlim_t count)
{
    struct rlimit limit;
    MUST(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = count;
    MUST(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

/* It goes on, by the ring or else with a reason. */
static void goes_on(struct pair *pair, unsigned before)
{
    talk(pair, 20);
    for (int i = 0; i < 2; i++) {
        const struct ferry_channel *channel = i ? pair->dialled : pair->accepted;
        if (stats_of(channel).lanes[FERRY_SEND] == FERRY_LANE_RING)
            is_in_ring(channel);
        else
            is_on_socket(channel, FERRY_AUTO_NO_MEMORY);
    }
    pair_free(pair);
    ck_assert_uint_eq(descriptors_open(), before);
}

START_TEST(an_offer_without_descriptors_to_spare)
{
    unsigned before = descriptors_open();
    struct pair pair = pair_make("", ",ring=yes");
    rlim_t limit = descriptors_leave((unsigned)_i);

    ck_assert_int_eq(say(pair.dialled, "forth"), 1);
    descriptors_allow(limit);
    ck_assert_hears(pair.accepted, pair.inbox, "forth");
    if (_i < 3) { /* two rings and a seal */
        is_on_socket(pair.dialled, FERRY_AUTO_NO_MEMORY);
        is_on_socket(pair.accepted, FERRY_AUTO_NO_MEMORY);
    }
    ferry_auto_prefer(pair.accepted, FERRY_AUTO_PREFER_RING);
    goes_on(&pair, before);
}
END_TEST

START_TEST(an_offer_is_received_without_descriptors_to_spare)
{
    unsigned before = descriptors_open();
    struct pair pair = pair_make(",ring=yes", ",ring=yes");

    ck_assert_int_eq(say(pair.dialled, "forth"), 1);
    if (_i % 2) /* by a look from within sending */
        ck_assert_int_eq(say(pair.accepted, "asks"), 1);
    rlim_t limit = descriptors_leave((unsigned)_i / 2);
    for (unsigned i = 0; _i % 2 && i < AUTO_ANSWER_SENDS; i++)
        ck_assert_int_eq(say(pair.accepted, "asks"), 1);
    ck_assert_hears(pair.accepted, pair.inbox, "forth");
    descriptors_allow(limit);
    for (unsigned i = 0; _i % 2 && i <= AUTO_ANSWER_SENDS; i++)
        ck_assert_hears(pair.dialled, pair.inbox, "asks");
    if (_i / 2 < 3)
        is_on_socket(pair.accepted, FERRY_AUTO_NO_MEMORY);
    goes_on(&pair, before);
}
END_TEST

START_TEST(an_answer_is_received_without_descriptors_to_spare)
{
    unsigned before = descriptors_open();
    struct pair pair = pair_make(",ring=yes", ",ring=yes");

    ck_assert_int_eq(say(pair.dialled, "forth"), 1);
    ck_assert_hears(pair.accepted, pair.inbox, "forth");
    ck_assert_int_eq(say(pair.accepted, "back"), 1);
    is_in_ring(pair.accepted);
    rlim_t limit = descriptors_leave((unsigned)_i);
    ck_assert_hears(pair.dialled, pair.inbox, "back");
    descriptors_allow(limit);
    talk(&pair, FEW);
    is_in_ring(pair.accepted);
    if (_i == 0)
        is_on_socket(pair.dialled, FERRY_AUTO_NO_MEMORY);
    goes_on(&pair, before);
}
END_TEST

/* Too much is on its way just now: nothing is kept until another time. */
START_TEST(an_offer_that_does_not_go_now_is_made_again)
{
    struct pair pair = pair_make("", ",ring=yes");
    unsigned before = descriptors_open();

    system_call_fails(SYS_sendmsg, ETOOMANYREFS);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(say(pair.dialled, "forth"), -EAGAIN);
    ck_assert_uint_eq(descriptors_open(), before);
    ck_assert_int_eq(end_of(pair.dialled)->rings, AUTO_RINGS_NONE);
    ck_assert_ptr_null(end_of(pair.dialled)->ring[FERRY_SEND]);
    ck_assert_int_eq(stats_of(pair.dialled).reason, FERRY_AUTO_WAITING);
    ck_assert_int_gt(end_of(pair.dialled)->offer_ns, ferry_deadline(0));
    pair_free(&pair);
}
END_TEST

/* Rings are dear to make for nothing. */
START_TEST(an_offer_is_made_again_after_a_while)
{
    struct pair pair = pair_make("", ",ring=yes");

    end_of(pair.dialled)->offer_ns = ferry_deadline(1000000);
    ck_assert_int_eq(say(pair.dialled, "forth"), 1);
    ck_assert_int_eq(end_of(pair.dialled)->rings, AUTO_RINGS_NONE);
    end_of(pair.dialled)->offer_ns = ferry_deadline(0);
    ck_assert_int_eq(say(pair.dialled, "forth"), 1);
    ck_assert_int_eq(end_of(pair.dialled)->rings, AUTO_RINGS_OFFERED);
    pair_free(&pair);
}
END_TEST

START_TEST(a_system_call_fails)
{
    static const struct {
        unsigned number;
        int error;
    } calls[] = { { SYS_memfd_create, ENFILE }, { SYS_fallocate, ENOSPC }, { SYS_listen, ENFILE } };
    bool late = _i % 2;
    struct pair pair = pair_make(",ring=yes", ",ring=yes");

    if (!late)
        system_call_fails(calls[_i / 2].number, calls[_i / 2].error);
    ck_assert_int_eq(say(pair.dialled, "forth"), 1);
    if (late)
        system_call_fails(calls[_i / 2].number, calls[_i / 2].error);
    ck_assert_hears(pair.accepted, pair.inbox, "forth");
    talk(&pair, 20);
    if (late && calls[_i / 2].number != SYS_listen) {
        is_in_ring(pair.dialled);
        is_in_ring(pair.accepted);
    } else if (late && calls[_i / 2].number == SYS_listen) {
        /* The rings are there, and one day there may be a seal again. */
        ck_assert_int_eq(stats_of(pair.dialled).reason, FERRY_AUTO_WAITING);
        ck_assert_int_eq(stats_of(pair.accepted).lanes[FERRY_SEND], FERRY_LANE_SOCKET);
    } else {
        is_on_socket(pair.dialled, FERRY_AUTO_NO_MEMORY);
        is_on_socket(pair.accepted, FERRY_AUTO_NO_MEMORY);
    }
    pair_free(&pair);
}
END_TEST

START_TEST(an_allocation_fails)
{
    if (!CAN_FAIL_ALLOCATIONS && skipped("a sanitizer has its own allocator"))
        return;
    unsigned before = descriptors_open();
    bool late = _i % 2;
    struct pair pair = pair_make(",ring=yes", ",ring=yes");

    if (!late)
        calloc_fails_at = (unsigned)_i / 2 + 1;
    ck_assert_int_eq(say(pair.dialled, "forth"), 1);
    if (late)
        calloc_fails_at = (unsigned)_i / 2 + 1;
    struct ferry_message message;
    ck_assert_int_eq(receive_one(pair.accepted, pair.inbox, &message), 1);
    ck_assert_uint_eq(calloc_fails_at, 0);
    talk(&pair, FEW);
    is_on_socket(pair.dialled, FERRY_AUTO_NO_MEMORY);
    is_on_socket(pair.accepted, FERRY_AUTO_NO_MEMORY);
    goes_on(&pair, before);
}
END_TEST

START_TEST(an_allocation_fails_before_anybody_has_talked)
{
    if (!CAN_FAIL_ALLOCATIONS && skipped("a sanitizer has its own allocator"))
        return;
    const char *place = place_new();
    struct ferry_listener *listener = listen_auto(place, "", false);
    struct ferry_address *address = address_auto(place, "");
    unsigned before = descriptors_open(), failures[2] = { 0, 0 };
    struct ferry_channel *channels[2] = { NULL, NULL };

    for (unsigned i = 1; !channels[1]; i++) {
        calloc_fails_at = i;
        int r = ferry_try_dial(address, NULL, &channels[1], NULL);
        calloc_fails_at = 0;
        MUST(r == 0 || r == -ENOMEM);
        failures[1] += r < 0;
        ck_assert_uint_eq(descriptors_open(), before + (r == 0));
    }
    for (unsigned i = 1; !channels[0]; i++) {
        calloc_fails_at = i;
        int r = ferry_listener_try_accept(listener, &channels[0]);
        calloc_fails_at = 0;
        MUST(r == 0 || r == -ENOMEM);
        failures[0] += r < 0;
        if (r < 0 && !channels[0]) { /* it may have been taken, and closed */
            ferry_channel_close(channels[1]);
            MUST(ferry_try_dial(address, NULL, &channels[1], NULL) == 0);
        }
    }
    ck_assert_uint_gt(failures[0], 0);
    ck_assert_uint_gt(failures[1], 0);
    ferry_channel_close(channels[0]);
    ferry_channel_close(channels[1]);
    ck_assert_uint_eq(descriptors_open(), before);
    ferry_address_free(address);
    ferry_listener_close(listener);
}
END_TEST

/* --- what both know of each other ------------------------------------------------------------- */

START_TEST(an_end_says_who_is_there)
{
    struct pair pair = pair_make("", "");
    char expected[600];

    snprintf(expected, sizeof(expected), "%s",
        ferry_address_text(ferry_listener_address(pair.listener)));
    ck_assert_str_eq(ferry_channel_peer(pair.dialled), expected);
    ck_assert_str_eq(ferry_channel_peer(pair.accepted), "");
    ck_assert(!channel_is_whole(pair.dialled)); /* there may be rings beside its socket */
    for (int i = 0; i < 2; i++) {
        struct ferry_channel *channel = i ? pair.dialled : pair.accepted;
        struct ferry_identity *identity;
        ck_assert_int_eq(ferry_channel_identity(channel, &identity), 0);
        ck_assert_int_eq(ferry_identity_pid(identity), getpid());
    }
    pair_free(&pair);
}
END_TEST

/* Of whatever was there before. */
START_TEST(nobody_of_no_name_is_nobody)
{
    struct pair pair = pair_make("", "");
    char text[] = "somebody";

    pair.accepted->link.ops->peer(&pair.accepted->link, text, sizeof(text));
    ck_assert_str_eq(text, "");
    pair_free(&pair);
}
END_TEST

/* Which processors this process may use, a copy. */
static cpu_set_t processors_of_ours(void)
{
    cpu_set_t ours;
    ck_assert_int_eq(sched_getaffinity(0, sizeof(ours), &ours), 0);
    return ours;
}

/* From here on it is only the how manieth of them. */
static void pin(const cpu_set_t *ours, int which)
{
    cpu_set_t one;

    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, ours) && which-- == 0)
            CPU_SET(cpu, &one);
    ck_assert_int_eq(sched_setaffinity(0, sizeof(one), &one), 0);
}

/* Both ends by both rings, for as long at most. */
static void look_out_for(int64_t span_ns)
{
    struct pair pair = pair_in_ring();

    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(end_of(pair.dialled)->ring[i]->spin_max_ns, span_ns);
        ck_assert_int_eq(end_of(pair.accepted)->ring[i]->spin_max_ns, span_ns);
    }
    pair_free(&pair);
}

/* Both in this process: with one processor, with all. */
START_TEST(who_has_one_processor_is_together)
{
    struct pair pair = pair_make("", "");
    cpu_set_t ours = processors_of_ours();

    look_out_for(CPU_COUNT(&ours) == 1 ? 0 : RING_SPIN_NS);
    ck_assert_int_eq(auto_is_together(end_of(pair.dialled)), CPU_COUNT(&ours) == 1);
    ck_assert_int_eq(auto_is_together(end_of(pair.accepted)), CPU_COUNT(&ours) == 1);
    pin(&ours, 0);
    ck_assert(auto_is_together(end_of(pair.dialled)));
    ck_assert(auto_is_together(end_of(pair.accepted)));
    look_out_for(0);
    system_call_fails(SYS_getsockopt, ENOBUFS); /* it is not known who the peer is */
    ck_assert(auto_is_together(end_of(pair.dialled)));
    pair_free(&pair);
}
END_TEST

/* The peer is another process, with a processor of its own, with ours, or gone. */
START_TEST(a_peer_of_another_processor_is_apart)
{
    cpu_set_t ours = processors_of_ours();
    const char *place = place_new();
    struct pair pair = { .listener = listen_auto(place, "", false), .inbox = inbox_of(0, 16) };

    if (CPU_COUNT(&ours) == 1 && skipped("needs two processors"))
        return;
    pid_t child = fork();
    if (child == 0) {
        pin(&ours, _i == 0);
        pair.dialled = dial_auto(place, "", false);
        ck_assert_int_eq(say(pair.dialled, "here"), 1);
        ck_assert_hears(pair.dialled, pair.inbox, "thanks");
        _exit(0);
    }
    pair.accepted = accept_auto(pair.listener);
    ck_assert_hears(pair.accepted, pair.inbox, "here");
    pin(&ours, 0);
    if (_i < 2) {
        ck_assert_int_eq(auto_is_together(end_of(pair.accepted)), _i == 1);
        ck_assert_int_eq(say(pair.accepted, "thanks"), 1);
        ck_assert_int_eq(child_status(child), 0);
    } else {
        ck_assert_int_eq(say(pair.accepted, "thanks"), 1);
        ck_assert_int_eq(child_status(child), 0);
        ck_assert(auto_is_together(end_of(pair.accepted)));
    }
    pair_free(&pair);
}
END_TEST

START_TEST(what_has_no_two_lanes_is_refused)
{
    static const int kinds[][2] = { { AF_UNIX, SOCK_STREAM }, { AF_UNIX, SOCK_DGRAM },
        { AF_VSOCK, SOCK_SEQPACKET } };
    struct pair pair = pair_make("", "");
    struct ferry_address *address = address_auto(place_new(), "");
    struct link link = pair.dialled->link;
    unsigned before = descriptors_open();

    link.send_fd = _i < 3 ? socket(kinds[_i][0], kinds[_i][1] | SOCK_CLOEXEC, 0)
                          : open("/dev/null", O_RDWR | O_CLOEXEC);
    if (link.send_fd < 0 && skipped("needs vsock"))
        return;
    link.receive_fd = link.send_fd;
    link.ops = end_of(pair.dialled)->socket_ops;
    link.state = NULL;
    ck_assert_int_eq(auto_link(address, true, false, &link), -EPROTOTYPE);
    ck_assert_uint_eq(descriptors_open(), before);
    ferry_address_free(address);
    pair_free(&pair);
}
END_TEST

START_TEST(nobody_listens_where_somebody_does)
{
    const char *place = place_new();
    struct ferry_address *address = address_auto(place, "");
    struct ferry_listener *listener = listen_auto(place, "", false), *second;
    unsigned before = descriptors_open();
    struct ferry_channel *channel;

    ck_assert_int_eq(ferry_listen(address, NULL, &second, NULL), -EADDRINUSE);
    ck_assert_uint_eq(descriptors_open(), before);
    ferry_listener_close(listener);
    ck_assert_int_eq(ferry_try_dial(address, NULL, &channel, NULL), -ENOENT);
    ferry_address_free(address);
}
END_TEST

/* Each would cost as much as a short message. */
START_TEST(messages_bring_no_credentials)
{
    struct pair pair = pair_make("", "");

    for (int i = 0; i < 2; i++) {
        int on, fd = ferry_channel_fd(i ? pair.dialled : pair.accepted, FERRY_RECEIVE);
        socklen_t size = sizeof(on);
        ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, &size), 0);
        ck_assert_int_eq(on, 0);
    }
    pair_free(&pair);
}
END_TEST

START_TEST(nobody_else_can_be_spoken_for)
{
    const char *place = place_new();
    struct ferry_listener *listener = listen_auto(place, "", false);
    struct ferry_address *address = address_auto(place, "");
    const struct ferry_credentials credentials = { getpid(), getuid(), getgid() };
    const struct ferry_dial_options options = { .struct_size = sizeof(options),
        .credentials = &credentials };
    struct ferry_channel *channel;
    struct ferry_error error = { 0 };

    ck_assert_int_eq(ferry_try_dial(address, &options, &channel, &error), -EOPNOTSUPP);
    ck_assert_str_eq(error.remedy, "use unix-seq:");
    ferry_address_free(address);
    ferry_listener_close(listener);
}
END_TEST

/* --- somebody in between ---------------------------------------------------------------------- */

/* Passes on one packet; with its descriptors or without. False: the end. */
static bool pass_on(int from, int to, bool descriptors)
{
    static char data[64 << 10];
    union {
        struct cmsghdr align;
        char bytes[CONTROL_RECEIVE_SIZE];
    } control;
    struct iovec buffer = { data, sizeof(data) };
    struct msghdr header = { .msg_iov = &buffer, .msg_iovlen = 1 };

    header.msg_control = descriptors ? control.bytes : NULL;
    header.msg_controllen = descriptors ? sizeof(control.bytes) : 0;
    ssize_t size = recvmsg(from, &header, MSG_CMSG_CLOEXEC);
    if (size <= 0)
        return false;
    int fds[3];
    struct control_facts facts;
    control_walk(&header, fds, 3, socket_descriptor_close, &facts);
    bool good = raw_send(to, data, (size_t)size, fds, facts.descriptor_count) == 0;
    for (size_t i = 0; i < facts.descriptor_count; i++)
        close(fds[i]);
    return good;
}

/* A process that accepts one connection, dials another, and passes on what comes. */
static pid_t relay_start(const char *place, const char *to, bool descriptors)
{
    int listening = bound_socket(place, SOCK_SEQPACKET, 1);
    pid_t pid = fork();

    if (pid > 0)
        close(listening);
    if (pid != 0)
        return pid;
    int ends[] = { accept(listening, NULL, NULL), raw_dial(to) };
    for (;;) {
        struct pollfd polled[] = { { ends[0], POLLIN, 0 }, { ends[1], POLLIN, 0 } };
        if (poll(polled, 2, -1) < 0)
            _exit(1);
        for (int i = 0; i < 2; i++)
            if (polled[i].revents && !pass_on(ends[i], ends[!i], descriptors))
                _exit(0);
    }
}

/* One that is blind to what it passes on, and one that keeps descriptors to itself. */
START_TEST(behind_a_relay_it_stays_on_the_socket)
{
    bool descriptors = _i % 2;
    const char *place = place_new(), *between = place_new();
    struct pair pair = { .listener = listen_auto(place, _i / 2 ? ",ring=yes" : "", false),
        .inbox = inbox_of(0, 16) };
    pid_t relay = relay_start(between, place, descriptors);

    pair.dialled = dial_auto(between, ",ring=yes", false);
    pair.accepted = accept_auto(pair.listener);
    talk(&pair, 40);
    is_on_socket(pair.dialled, FERRY_AUTO_NOT_DIRECT);
    is_on_socket(pair.accepted, FERRY_AUTO_NOT_DIRECT);
    pair_free(&pair);
    ck_assert_int_eq(child_status(relay), 0);
}
END_TEST

/* Whoever dialled hands the connection to a child: it is another's now. */
START_TEST(a_connection_that_was_handed_on_stays_on_the_socket)
{
    struct pair pair = pair_make(_i ? ",ring=yes" : "", "");
    pid_t child = fork();

    if (child == 0) {
        ferry_auto_prefer(pair.dialled, FERRY_AUTO_PREFER_RING);
        for (int i = 0; i < 20; i++) {
            MUST(say(pair.dialled, "forth") == 1);
            ck_assert_hears(pair.dialled, pair.inbox, "back");
        }
        is_on_socket(pair.dialled, FERRY_AUTO_NOT_DIRECT);
        _exit(0);
    }
    for (int i = 0; i < 20; i++) {
        ck_assert_hears(pair.accepted, pair.inbox, "forth");
        ck_assert_int_eq(say(pair.accepted, "back"), 1);
    }
    is_on_socket(pair.accepted, FERRY_AUTO_NOT_DIRECT);
    ck_assert_int_eq(child_status(child), 0);
    pair_free(&pair);
}
END_TEST

/* The other way it may be: who listens is often not who accepts. */
START_TEST(who_accepts_may_be_another_than_who_listens)
{
    const char *place = place_new();
    struct pair pair = { .listener = listen_auto(place, "", false), .inbox = inbox_of(0, 16) };
    pid_t child = fork();

    if (child == 0) {
        pair.accepted = accept_auto(pair.listener);
        ferry_auto_prefer(pair.accepted, FERRY_AUTO_PREFER_RING);
        for (int i = 0; i < 20; i++) {
            ck_assert_hears(pair.accepted, pair.inbox, "forth");
            MUST(say(pair.accepted, "back") == 1);
        }
        is_in_ring(pair.accepted);
        _exit(0);
    }
    pair.dialled = dial_auto(place, ",ring=yes", false);
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(say(pair.dialled, "forth"), 1);
        ck_assert_hears(pair.dialled, pair.inbox, "back");
    }
    is_in_ring(pair.dialled);
    ck_assert_int_eq(child_status(child), 0);
    pair_free(&pair);
}
END_TEST

START_TEST(a_peer_of_another_namespace_is_unknown)
{
    if (skipped_without_root())
        return;
    const char *place = place_new();
    struct pair pair = { .listener = listen_auto(place, "", false), .inbox = inbox_of(0, 16) };

    pid_t child = fork();
    if (child == 0) {
        MUST(unshare(CLONE_NEWPID) == 0); /* of its children, to whom we are nobody */
        pid_t grandchild = fork();
        if (grandchild > 0)
            _exit(child_status(grandchild));
        pair.accepted = accept_auto(pair.listener);
        for (int i = 0; i < 20; i++) {
            ck_assert_hears(pair.accepted, pair.inbox, "forth");
            MUST(say(pair.accepted, "back") == 1);
        }
        is_on_socket(pair.accepted, FERRY_AUTO_UNKNOWN_PEER);
        _exit(0);
    }
    pair.dialled = dial_auto(place, ",ring=yes", false);
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(say(pair.dialled, "forth"), 1);
        ck_assert_hears(pair.dialled, pair.inbox, "back");
    }
    is_on_socket(pair.dialled, FERRY_AUTO_UNKNOWN_PEER);
    ck_assert_int_eq(child_status(child), 0);
    pair_free(&pair);
}
END_TEST

/* --- after a fork ----------------------------------------------------------------------------- */

static int refused_everything(const struct pair *pair, struct ferry_channel *channel)
{
    struct ferry_message message;

    if (say(channel, "of a child") != -EBADFD)
        return 1;
    if (!ferry_channel_pending(channel))
        return 2;
    if (ferry_channel_try_receive(channel, pair->inbox, &message, 1) != -EBADFD)
        return 3;
    if (ferry_channel_receive(channel, pair->inbox, &message, ferry_deadline(0)) != -EBADFD)
        return 4;
    ferry_channel_stop_receiving(channel);
    ferry_channel_close(channel);
    return 0;
}

/* One end sleeps, the other has something unread: the child changes nothing of that. */
START_TEST(a_child_can_but_close_what_has_rings)
{
    struct pair pair = pair_in_ring();
    struct ferry_message none;

    ck_assert_int_eq(
        ferry_channel_try_receive(pair.dialled, pair.inbox, &none, 1), -EAGAIN); /* asleep */
    ck_assert(!ferry_channel_pending(pair.dialled));
    ck_assert_int_eq(say(pair.dialled, "before"), 1);
    pid_t child = fork();
    if (child == 0) {
        int r = refused_everything(&pair, pair.dialled);
        _exit(r ? r : 10 * refused_everything(&pair, pair.accepted));
    }
    ck_assert_int_eq(child_status(child), 0);
    uint64_t wakes = stats_of(pair.accepted).wakes;
    ck_assert_hears(pair.accepted, pair.inbox, "before");
    ck_assert_int_eq(say(pair.accepted, "back"), 1);
    ck_assert_uint_eq(stats_of(pair.accepted).wakes, wakes + 1);
    ck_assert_hears(pair.dialled, pair.inbox, "back");
    is_in_ring(pair.dialled);
    pair_free(&pair);
}
END_TEST

/* A server that accepts, forks and has the child serve. */
START_TEST(a_child_may_use_what_has_none)
{
    struct pair pair = pair_make("", "");

    pid_t child = fork();
    if (child == 0) {
        ferry_channel_close(pair.dialled);
        ferry_auto_prefer(pair.accepted, FERRY_AUTO_PREFER_RING);
        for (int i = 0; i < 20; i++) {
            ck_assert_hears(pair.accepted, pair.inbox, "forth");
            MUST(say(pair.accepted, "back") == 1);
        }
        is_in_ring(pair.accepted);
        _exit(0);
    }
    ferry_channel_close(pair.accepted);
    ferry_auto_prefer(pair.dialled, FERRY_AUTO_PREFER_RING);
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(say(pair.dialled, "forth"), 1);
        ck_assert_hears(pair.dialled, pair.inbox, "back");
    }
    ck_assert_int_eq(child_status(child), 0);
    is_in_ring(pair.dialled);
    pair.accepted = NULL;
    pair_free(&pair);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("transport/auto/handshake");
    TCase *tests = tcase_create("handshake");

    suite_add_tcase(suite, tests);
    tcase_set_timeout(tests, 30);
    tcase_add_loop_test(tests, either_may_ask_for_rings_and_either_refuse, 0, 7);
    tcase_add_test(tests, what_was_refused_is_not_asked_for_again);
    tcase_add_test(tests, both_may_ask_at_once);
    tcase_add_test(tests, the_answer_and_what_follows_it_come_at_once);
    tcase_add_loop_test(tests, what_is_forbidden_meanwhile_is_refused, 0, 2);
    tcase_add_loop_test(tests, who_only_sends_has_its_answer, 0, 2);
    tcase_add_test(tests, the_answer_is_looked_for_now_and_then);
    tcase_add_test(tests, an_offer_is_owed_until_there_is_room);
    tcase_add_test(tests, what_could_not_be_offered_is_not_waited_for);
    tcase_add_loop_test(tests, an_answer_is_owed_until_there_is_room, 0, 2);
    tcase_add_loop_test(tests, an_offer_without_descriptors_to_spare, 0, 6);
    tcase_add_loop_test(tests, an_offer_is_received_without_descriptors_to_spare, 0, 12);
    tcase_add_loop_test(tests, an_answer_is_received_without_descriptors_to_spare, 0, 2);
    tcase_add_test(tests, an_offer_that_does_not_go_now_is_made_again);
    tcase_add_test(tests, an_offer_is_made_again_after_a_while);
    tcase_add_loop_test(tests, a_system_call_fails, 0, 6);
    tcase_add_loop_test(tests, an_allocation_fails, 0, 4);
    tcase_add_test(tests, an_allocation_fails_before_anybody_has_talked);
    tcase_add_test(tests, an_end_says_who_is_there);
    tcase_add_test(tests, nobody_of_no_name_is_nobody);
    tcase_add_test(tests, who_has_one_processor_is_together);
    tcase_add_loop_test(tests, a_peer_of_another_processor_is_apart, 0, 3);
    tcase_add_loop_test(tests, what_has_no_two_lanes_is_refused, 0, 4);
    tcase_add_test(tests, nobody_listens_where_somebody_does);
    tcase_add_test(tests, messages_bring_no_credentials);
    tcase_add_test(tests, nobody_else_can_be_spoken_for);
    tcase_add_loop_test(tests, behind_a_relay_it_stays_on_the_socket, 0, 4);
    tcase_add_loop_test(tests, a_connection_that_was_handed_on_stays_on_the_socket, 0, 2);
    tcase_add_test(tests, who_accepts_may_be_another_than_who_listens);
    tcase_add_test(tests, a_peer_of_another_namespace_is_unknown);
    tcase_add_test(tests, a_child_can_but_close_what_has_rings);
    tcase_add_test(tests, a_child_may_use_what_has_none);
    return scratch_run(suite);
}
