/* tuned.h - a connection by TCP that a profile has tuned. */
#ifndef FERRY_COMMAND_BENCH_TUNED_H
#define FERRY_COMMAND_BENCH_TUNED_H

#include "command/bench/mechanism.h"

/* "none", which tunes nothing, and the built-in ones of ferry-address(7). */
#define TUNED_COUNT 4
extern const char *const tuned_profiles[TUNED_COUNT];

/* Opens the link over the loopback device with the profile that its crossing names. 0, -errno. */
int tuned_open(struct bench_link *link);

#endif
