/* Limits of the memory floor. */
#ifndef FERRY_MEMORY_LIMITS_H
#define FERRY_MEMORY_LIMITS_H

/* Bytes of a memfd that are allocated at a time: in less time than between two signals. */
#define MEMFD_SLICE ((size_t)1 << 20)
/* Bytes that a ring holds: a page at least; at most what leaves room for doubt neither in positions
 * of 32 bits nor in who pays for it. */
#define RING_CAPACITY_MIN ((size_t)4 << 10)
#define RING_CAPACITY_MAX ((size_t)1 << 30)
/* Unless asked otherwise: what a processor's second cache holds. */
#define RING_CAPACITY ((size_t)1 << 20)
/* The largest record has this part of the ring, so that one always has room in an empty ring, what
 * is left unused at its end included, and several are on their way. */
#define RING_RECORD_SHARE 8
/* The receiver looks whether the sender sleeps each time it has given back this part of the ring.
 */
#define RING_HEED_SHARE 8

/* Nanoseconds to look out for the peer before sleeping: what it takes to be woken across processors
 * and to answer, so that looking out in vain costs at most as much as sleeping too early. */
#define RING_SPIN_NS 50000
/* At most, whatever is asked for: a deadline is kept to within so much. */
#define RING_SPIN_NS_MAX 100000000
/* What has paid least is tried no more. */
#define RING_SPIN_NS_MIN 1000
/* Sleeps after which it is tried again: in vain, that costs one part in so many of being woken. */
#define RING_SPIN_RETRY 64
/* Pauses of the processor by which whoever comes later does: time for several records, and much
 * less than a wake-up takes. */
#define RING_LATER_PAUSES 8
/* Waits that come later without finding several records, until none does. */
#define RING_LATER_TRUST 4
/* Waits after which it is tried whether coming later brings several. */
#define RING_LATER_RETRY 64
/* Wake-ups one after the other that nothing came with; a peer that keeps to the rules causes one, a
 * successor of it another. */
#define RING_FALSE_WAKES_MAX 64
/* Bells of a fan-in that are heard at a time; a loop comes back for more. */
#define FAN_IN_BELLS 64
/* Bytes of a piece of a file that is read, unless asked otherwise: what a processor's second cache
 * holds, so that what was copied is looked at from there; with 1 MiB it takes a twentieth longer.
 */
#define WINDOW_READ_SIZE ((size_t)256 << 10)
/* The same where it is mapped: of 1 MiB, making and taking down each costs a tenth of the looking;
 * beyond 4 MiB nothing is won any more. */
#define WINDOW_MAPPED_SIZE ((size_t)4 << 20)
/* At most: it is memory that one asked to be bounded. */
#define WINDOW_PIECE_SIZE_MAX ((size_t)1 << 30)
/* Looks between two looks at the clock, which costs more than they do. */
#define RING_SPIN_LOOKS 16

#endif
