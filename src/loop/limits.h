/* Limits of the loop floor. */
#ifndef FERRY_LOOP_LIMITS_H
#define FERRY_LOOP_LIMITS_H

/* Items: ready descriptors taken from the kernel in one turn. Large, so that a system call serves
 * many; bounded, so that timers and pending sources get their turn. What does not fit comes first
 * in the next one. */
#define LOOP_BATCH_COUNT 256

/* Items: signals read in one turn. Only real-time signals queue, so more are rare. */
#define SIGNAL_BATCH_COUNT 16

/* Milliseconds: how often select(2) looks for a hang-up that nobody reads towards; it has no way to
 * wait for one. Short to a person, rare to a processor. */
#define SELECT_HANGUP_MS 100

#endif
