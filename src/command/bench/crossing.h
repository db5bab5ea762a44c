/* crossing.h - messages between two processes, and what they cost: one slice of a measurement.
 *
 * Round trips: one side sends and waits for the answer, the other answers. One way: one side sends
 * as fast as it can, the other receives, and the time ends when the last message has come. At a
 * rate, both are paced: what pacing itself takes of a processor is not counted, but what a receiver
 * does that looks out is. What moves by itself does so before, for a tenth of a second at most.
 */
#ifndef FERRY_COMMAND_BENCH_CROSSING_H
#define FERRY_COMMAND_BENCH_CROSSING_H

#include "command/bench/mechanism.h"
#include "command/times.h"

struct crossing_result {
    uint64_t messages; /* that came */
    uint64_t lost;
    int64_t time_ns;              /* for all of them */
    int64_t cpu_ns;               /* of both processes, user and system */
    uint64_t counts[BENCH_LANES]; /* of what moves by itself: messages by each lane */
};

/* Round trips; each is counted in *times, and is two messages.
 * 0, -EMSGSIZE (no message is so large), -EBADMSG (not what was sent came back), -errno. */
int crossing_trips(
    const struct crossing *crossing, struct times *times, struct crossing_result *ret_result);
/* The same one way. At a rate, how long each was on its way is counted in *times. */
int crossing_one_way(
    const struct crossing *crossing, struct times *times, struct crossing_result *ret_result);

#endif
