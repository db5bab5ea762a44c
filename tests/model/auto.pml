/* auto.pml - the two lanes of src/transport/auto, one direction of them, between two processors whose
 * stores take their time.
 *
 * A sender that changes lanes whenever it can, a receiver that sleeps whenever it can; either may be
 * killed at every step. Words and steps are those of send.c, receive.c and ring_wait.c. Stores go
 * through a buffer, as in ring.pml; a system call waits until they have reached memory, since the
 * kernel takes locks.
 *
 * Shown for all interleavings:
 *   - each message is received once, in the order of sending, and none comes by the socket while it
 *     is the ring's turn (the assertions at "in order" and "out of turn")
 *   - all that was sent before the sender was killed is received (at "nothing is lost")
 *   - a mark always has room (at "room")
 *   - nobody sleeps for ever, nor waits for who is gone: no end but those at "end"
 *
 * Each of these must be found wrong: -DMARK_AFTER: the mark follows what it announces.
 * -DNO_SECOND_LOOK: what the socket has while the ring was empty is taken for out of turn at once.
 * -DNO_RECHECK: no second look at the ring after the bell. -DNO_HEAD_FENCE, -DNO_BELL_FENCE: nothing
 * waits for what was published, or for the bell of who falls asleep.
 * -DNO_LAST_LOOK: after the sender's end the ring is not looked at. -DNO_SPARE: records leave no room
 * for a mark. -DNO_BACK: what precedes the ring does not say so.
 */
#define CAPACITY 3 /* records, and marks */
#define QUEUE    1 /* messages that wait in the socket */
#ifdef NO_SPARE
#define SPARE    0
#define MESSAGES 5 /* one more, until there is none */
#else
#define SPARE    1
#define MESSAGES 4
#endif

#define MARK 255
byte slots[CAPACITY];
#define HEAD 0
#define TAIL 1
#define BELL 2 /* of the receiver: twice the number of the sleep, and 1 while it lasts */
byte words[3];

mtype = { MESSAGE, WAKE };
chan socket = [QUEUE] of { mtype, byte, bit }; /* kind, number, AUTO_BACK */
bool sender_gone, receiver_gone;               /* the socket has hung up */
byte sent;                                     /* messages that nobody takes back */
byte received;

/* Stores on their way to memory: {word, value} */
chan sender_stores = [2] of { byte, byte };
chan receiver_stores = [2] of { byte, byte };

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

/* leave_ring() */
#define PUT_MARK                                                                                   \
    seen = words[TAIL];                                                                            \
    assert(own - seen < CAPACITY); /* room */                                                      \
    slots[own % CAPACITY] = MARK;                                                                  \
    own++;                                                                                         \
    sender_stores ! HEAD, own;                                                                     \
    STEP

#ifdef NO_BACK
#define SAID(back) 0
#else
#define SAID(back) back
#endif

/* sendmsg(2), waited for; who is told that nobody is there gives up. */
#define SEND_MESSAGE(back)                                                                         \
    empty(sender_stores);                                                                          \
    if                                                                                             \
    :: atomic { !receiver_gone && nfull(socket) -> socket ! MESSAGE, sent, SAID(back); sent++ }    \
    :: receiver_gone -> goto killed                                                                \
    fi;                                                                                            \
    STEP

active proctype sender()
{
    byte own, seen, bell, rung;
    bit back;
    bool in_ring;

    do
    :: sent == MESSAGES -> break
    :: sent < MESSAGES && !in_ring ->
        STEP;
        seen = words[TAIL];
        if
        :: back = 0
        :: own - seen <= CAPACITY / 2 -> back = 1
        fi;
        SEND_MESSAGE(back);
        in_ring = back
    :: sent < MESSAGES && in_ring -> /* it has to pass, or is wanted elsewhere */
        STEP;
#ifdef MARK_AFTER
        SEND_MESSAGE(0);
        PUT_MARK;
#else
        PUT_MARK;
        if
        :: true -> SEND_MESSAGE(0)
        :: true /* nothing follows it yet */
        fi;
#endif
        in_ring = false
    :: sent < MESSAGES && in_ring ->
        STEP;
        seen = words[TAIL];
        if
        :: own - seen < CAPACITY - SPARE ->
            slots[own % CAPACITY] = sent;
            STEP;
            own++;
            atomic { sender_stores ! HEAD, own; sent++ }
#ifndef NO_HEAD_FENCE
            FENCE(sender_stores);
#endif
            STEP;
            bell = words[BELL];
            STEP;
            if
            :: bell % 2 == 1 && bell / 2 != rung ->
                rung = bell / 2;
                empty(sender_stores);
                if
                :: atomic { nfull(socket) -> socket ! WAKE, 0, 0 }
                :: full(socket) /* who has so much to read is awake */
                :: receiver_gone -> goto killed
                fi
            :: else
            fi
        :: else -> /* it is full */
            PUT_MARK;
            in_ring = false
        fi
    od;
    received == MESSAGES || receiver_gone; /* it lives on meanwhile */
killed:
    /* What it had stored still reaches memory; then the kernel closes its socket. */
    empty(sender_stores);
    sender_gone = true
}

#define IN_ORDER                                                                                   \
    assert(number == received); /* in order */                                                     \
    received++

active proctype receiver()
{
    byte own, seen, sleeps, number;
    bit back;
    bool in_ring, last; /* the sender is gone: `seen` is final */

    do
    :: !in_ring ->
        STEP;
        empty(receiver_stores);
        if
        :: socket ? WAKE, _, _
        :: socket ? MESSAGE, number, back ->
            IN_ORDER;
            in_ring = back
        :: sender_gone && empty(socket) -> break
        fi
    :: in_ring && own != seen ->
        STEP;
        number = slots[own % CAPACITY];
        own++;
        receiver_stores ! TAIL, own;
        if
        :: number == MARK -> in_ring = false
        :: else -> IN_ORDER
        fi
    :: in_ring && own == seen && last -> break
    :: in_ring && own == seen && !last ->
        STEP;
        seen = words[HEAD];
        if
        :: own != seen
        :: else ->
            sleeps++;
            receiver_stores ! BELL, sleeps * 2 + 1;
#ifndef NO_BELL_FENCE
            FENCE(receiver_stores);
#endif
            STEP;
#ifndef NO_RECHECK
            seen = words[HEAD];
#endif
            if
            :: own != seen
            :: else ->
                empty(receiver_stores);
                if /* auto_take_ours(), and poll(2) where it finds nothing */
                :: socket ? WAKE, _, _
                :: socket ? [MESSAGE, _, _] ->
#ifndef NO_SECOND_LOOK
                    seen = words[HEAD];
#endif
                    assert(own != seen) /* out of turn */
                :: sender_gone && empty(socket) ->
                    last = true;
#ifndef NO_LAST_LOOK
                    seen = words[HEAD]
#endif
                fi
            fi;
            receiver_stores ! BELL, sleeps * 2
        fi
    od;
    assert(received == sent); /* nothing is lost */
killed:
    receiver_gone = true
}
