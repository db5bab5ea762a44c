/* weather.h - what a bad path does to what crosses it.
 *
 * Pure: nothing here waits or sends, and the time is an argument. Each address says its own weather
 * (delay= and the others of ferry-address(7)); what crosses two addresses meets that of both.
 *
 * A message takes its turn on the link (rate), then travels (delay, jitter). Of datagrams some
 * never arrive (loss) and jitter may change their order, as on a network. Of everything else all
 * arrives in order: what is lost there comes late by one retransmission, and what follows waits
 * behind it.
 */
#ifndef FERRY_CHANNEL_WEATHER_H
#define FERRY_CHANNEL_WEATHER_H

#include <ferry/address.h>
#include <stddef.h>
#include <stdint.h>

struct weather {
    int64_t delay_ns, jitter_ns;
    uint64_t rate;    /* bytes a second; 0: no bound */
    unsigned loss;    /* of datagrams, in millionths */
    unsigned stall;   /* of the segments of everything else, in millionths */
    bool reorders;    /* the jitter is one of datagrams */
    int64_t reset_ns; /* the connection is reset after so long, or CLOCK_NEVER */
};

#define WEATHER_FAIR                                                                               \
    (struct weather)                                                                               \
    {                                                                                              \
        .reset_ns = INT64_MAX                                                                      \
    }

/* What an address says; of its loss it is not yet known what may be lost. */
void weather_read(const struct ferry_address *address, struct weather *ret_weather);
/* Adds what was read of an address: what crosses meets that too.
 *   datagrams  it carries datagrams, so its loss is of them */
void weather_add(struct weather *weather, const struct weather *other, bool datagrams);

/* Bytes of a stream that travel together. */
size_t weather_piece_size(const struct weather *weather);
/* Bytes that a flow may hold back. */
size_t weather_held_size(const struct weather *weather);

/* When what came before leaves and arrives. */
struct departures {
    int64_t link_free_ns; /* the link has sent it all */
    int64_t latest_ns;    /* the last of it arrives */
    uint64_t random;      /* the state of the dice; any value */
};

/* When what came now arrives at the other end. False: never, it is lost. */
bool departures_next(struct departures *departures, const struct weather *weather, size_t size,
    int64_t now_ns, int64_t *ret_arrival_ns);
/* When the end arrives, which nothing may overtake. */
int64_t departures_end(
    const struct departures *departures, const struct weather *weather, int64_t now_ns);

#endif
