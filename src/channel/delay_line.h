/* delay_line.h - what is on its way through bad weather: received from one side of a relay, not yet
 * due at the other.
 *
 * A flow has one only when an address says weather; else NULL, and it costs nothing. The line owns
 * copies of the bytes, and the descriptors; it has no memory but its own struct while nothing is on
 * the way. What is due is lent to a batch, which the flow sends as any other; it is freed once the
 * flow has said that the batch is gone.
 *
 * At the bound (weather_held_size(), WEATHER_DESCRIPTORS_MAX, WEATHER_POOL_SIZE_MAX): what may be
 * lost is dropped and counted, as a router does whose queue is full; all else is not received.
 */
#ifndef FERRY_CHANNEL_DELAY_LINE_H
#define FERRY_CHANNEL_DELAY_LINE_H

#include "channel/pool.h"
#include "channel/weather.h"

#include <stdbool.h>

struct delay_line;

/*   datagrams  what comes may be dropped at the bound
 * NULL: out of memory. */
struct delay_line *delay_line_new(
    const struct weather *weather, bool datagrams, struct ferry_relay_pool *pool);
/* Drops what is held; NULL is allowed. */
void delay_line_free(struct delay_line *line);

/* There may be received more. */
bool delay_line_has_room(const struct delay_line *line);
/* Takes the messages of a batch over, their descriptors too.
 *   ret_lost  how many it dropped is added
 * Returns 0, or -ENOMEM: something that must not be lost could not be kept. */
int delay_line_take(
    struct delay_line *line, struct batch *batch, int64_t now_ns, uint64_t *ret_lost);
/* Nothing more comes: the end travels behind the last. */
void delay_line_end(struct delay_line *line, int64_t now_ns);
/* Both everything and the end have arrived. */
bool delay_line_is_over(const struct delay_line *line, int64_t now_ns);

/* When the next thing arrives, or CLOCK_NEVER. */
int64_t delay_line_next_ns(const struct delay_line *line);
/* Something has arrived that can be lent. */
bool delay_line_is_due(const struct delay_line *line, int64_t now_ns);
/* Lends what has arrived to an empty batch: its messages stay until delay_line_sent(). Returns how
 * many. */
size_t delay_line_lend(struct delay_line *line, struct batch *batch, int64_t now_ns);
/* The batch has been given back. */
void delay_line_sent(struct delay_line *line);
/* Drops everything; returns how many messages were not lent. */
size_t delay_line_clear(struct delay_line *line);

/* Bytes held, heads counted; another number whenever something came or went. */
size_t delay_line_size(const struct delay_line *line);
size_t delay_line_descriptors(const struct delay_line *line);
/* Messages dropped by the weather so far. */
uint64_t delay_line_lost(const struct delay_line *line);

#endif
