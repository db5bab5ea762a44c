/* ring_stop.pml - a receiver that wants no more, ring_stop_receiving() of src/memory/ring_wait.c,
 * between two processors whose stores take their time, as in ring.pml.
 *
 * It says so by its bell, as one that sleeps and is never made quiet, and looks once more. Of what
 * it receives nothing matters here but how far it has come.
 *
 * Shown for all interleavings: what was published is received, or its sender is told (the
 * assertion at "nothing is lost unheard").
 *
 * Each of these must be found wrong: -DNO_HEAD_FENCE, -DNO_BELL_FENCE: nothing waits for what was
 * published, or for the bell. -DLOOK_FIRST: it looks, and says so afterwards.
 */
#define RECORDS 3

#define HEAD 0
#define BELL 1 /* twice the number of the sleep, and 1 while it lasts */
byte words[2];

bool told;          /* the sender: nobody receives any more */
bool sends_no_more; /* it has looked at the bell for the last time */
byte seen;          /* all of that is received */

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

active proctype sender()
{
    byte own, bell;

    do
    :: own == RECORDS || told -> break
    :: else ->
        own++;
        sender_stores ! HEAD, own;
#ifndef NO_HEAD_FENCE
        FENCE(sender_stores);
#endif
        bell = words[BELL];
        if
        :: bell % 2 == 1 -> told = true
        :: else
        fi
    od;
    empty(sender_stores);
    sends_no_more = true
}

active proctype receiver()
{
    byte sleeps;

    /* It may have slept, and woken up, before. */
    do
    :: sleeps == 0 ->
        sleeps++;
        receiver_stores ! BELL, sleeps * 2
    :: break
    od;
#ifdef LOOK_FIRST
    seen = words[HEAD];
#endif
    sleeps++;
    receiver_stores ! BELL, sleeps * 2 + 1;
#ifndef NO_BELL_FENCE
    FENCE(receiver_stores);
#endif
#ifndef LOOK_FIRST
    seen = words[HEAD];
#endif
    sends_no_more;
    assert(seen == words[HEAD] || told) /* nothing is lost unheard */
}
