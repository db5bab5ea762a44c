/* schedule.h - at most so many messages a second, evenly; pure, no clock of its own. */
#ifndef FERRY_COMMAND_REPLAY_SCHEDULE_H
#define FERRY_COMMAND_REPLAY_SCHEDULE_H

#include <stddef.h>
#include <stdint.h>

struct schedule {
    double interval_ns; /* from one message to the next; 0: all may go at once */
    double due_ns;      /* when the next may go */
};

/*   rate  messages a second; 0: as many as may be */
void schedule_init(struct schedule *schedule, uint64_t rate, int64_t now_ns);
/* How many may go now, `most` at most. What was late by more than REPLAY_LATE_NS is not made up
 * for. */
size_t schedule_allows(struct schedule *schedule, int64_t now_ns, size_t most);
/* So many have gone, no more than were allowed. */
void schedule_take(struct schedule *schedule, size_t count);
/* When the next may go, if none may now. */
int64_t schedule_due_ns(const struct schedule *schedule);

#endif
