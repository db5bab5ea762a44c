/* ring.pml - the ring of src/memory, between two processors whose stores take their time.
 *
 * A sender that may be killed at every step, a receiver that sleeps whenever it can. Words and steps
 * are those of ring.c and ring_wait.c. What one processor stores goes through a buffer and reaches
 * memory later, in order, as on x86; a fence waits until it has.
 *
 * Shown for all interleavings:
 *   - a record that is received is whole, and the next one (the assertion at "whole")
 *   - all that was committed is received, whenever the sender is killed (at "nothing is lost")
 *   - nobody sleeps for ever: no end but the two at "end"
 *
 * Each of these must be found wrong: -DNO_HEAD_FENCE, -DNO_TAIL_FENCE, -DNO_RECEIVER_FENCE,
 * -DNO_SENDER_FENCE: nothing waits for a position that was published, or for the bell of who falls
 * asleep. -DNO_RECHECK: no second look after the bell. -DNO_SNAPSHOT: after the sender's death it is
 * not looked once more. -DHEED=4: the receiver looks at the sender's bell so seldom that the ring may
 * be empty by then.
 */
#define CAPACITY 3 /* records */
#define RECORDS  6
/* The receiver looks at the sender's bell whenever it has given so many back. */
#ifndef HEED
#define HEED 2
#endif

/* Shared words, and what lies in the slots; GARBAGE is half a record. */
#define GARBAGE 255
byte slots[CAPACITY];
#define HEAD          0
#define TAIL          1
#define RECEIVER_BELL 2 /* twice the number of the sleep, and 1 while it lasts */
#define SENDER_BELL   3
byte words[4];

bool wake_receiver, wake_sender; /* the bells' timers */
bool gone;                       /* the socket has hung up */
byte received;

/* Stores on their way to memory: {word, value} */
chan sender_stores = [3] of { byte, byte };
chan receiver_stores = [3] of { byte, byte };

#define FENCE(stores) empty(stores)

active proctype memory()
{
    byte word, value;

end:
    do
    :: atomic { sender_stores ? word, value -> words[word] = value }
    :: atomic { receiver_stores ? word, value -> words[word] = value }
    od
}

/* Killed here, or not. */
#define STEP                                                                                       \
    if                                                                                             \
    :: skip                                                                                        \
    :: goto killed                                                                                 \
    fi

active proctype sender()
{
    byte own, seen, sleeps, bell, rung;

    do
    :: own == RECORDS -> break
    :: else ->
        STEP;
        seen = words[TAIL];
        if
        :: own - seen < CAPACITY ->
            STEP;
            slots[own % CAPACITY] = GARBAGE;
            STEP;
            slots[own % CAPACITY] = own;
            STEP;
            own++;
            sender_stores ! HEAD, own;
#ifndef NO_HEAD_FENCE
            FENCE(sender_stores);
#endif
            STEP;
            bell = words[RECEIVER_BELL];
            STEP;
            if
            :: bell % 2 == 1 && bell / 2 != rung ->
                rung = bell / 2;
                STEP;
                wake_receiver = true
            :: else
            fi
        :: else ->
            wake_sender = false;
            sleeps++;
            sender_stores ! SENDER_BELL, sleeps * 2 + 1;
#ifndef NO_SENDER_FENCE
            FENCE(sender_stores);
#endif
            STEP;
#ifndef NO_RECHECK
            if
            :: words[TAIL] != seen
            :: else ->
                STEP;
                wake_sender
            fi;
#else
            wake_sender;
#endif
            sender_stores ! SENDER_BELL, sleeps * 2
        fi
    od;
    received == RECORDS; /* it lives on meanwhile */
killed:
    /* What it had stored still reaches memory; then the kernel closes its socket. */
    empty(sender_stores);
    gone = true
}

active proctype receiver()
{
    byte seen, sleeps, bell, rung, heeded;
    bool last; /* the sender is gone: `seen` is final */

    do
    :: received != seen ->
        assert(slots[received % CAPACITY] == received); /* whole */
        received++;
        receiver_stores ! TAIL, received;
        if
        :: received - heeded == HEED ->
            heeded = received;
#ifndef NO_TAIL_FENCE
            FENCE(receiver_stores);
#endif
            bell = words[SENDER_BELL];
            if
            :: bell % 2 == 1 && bell / 2 != rung ->
                rung = bell / 2;
                wake_sender = true
            :: else
            fi
        :: else
        fi
    :: received == seen && last -> break
    :: received == seen && !last ->
        seen = words[HEAD];
        if
        :: received != seen
        :: else ->
            wake_receiver = false;
            sleeps++;
            receiver_stores ! RECEIVER_BELL, sleeps * 2 + 1;
#ifndef NO_RECEIVER_FENCE
            FENCE(receiver_stores);
#endif
#ifndef NO_RECHECK
            if
            :: words[HEAD] != seen
            :: else ->
                if
                :: wake_receiver
                :: gone -> last = true
                fi
            fi;
#else
            if
            :: wake_receiver
            :: gone -> last = true
            fi;
#endif
            receiver_stores ! RECEIVER_BELL, sleeps * 2;
#ifndef NO_SNAPSHOT
            if
            :: last -> seen = words[HEAD]
            :: else
            fi
#endif
        fi
    od;
    assert(received == words[HEAD]) /* nothing is lost */
}
