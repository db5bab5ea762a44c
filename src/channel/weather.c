/* weather.c - what a bad path does to what crosses it. */
#include "channel/weather.h"
#include "base/clock.h"
#include "channel/limits.h"
#include "wire/address.h"
#include "wire/limits.h"

/* --- what is said ----------------------------------------------------------------------------- */

static int64_t span_ns(int64_t span_ms)
{
    int64_t span;
    return __builtin_mul_overflow(span_ms, NS_PER_MS, &span) ? CLOCK_NEVER : span;
}

void weather_read(const struct ferry_address *address, struct weather *ret_weather)
{
    int64_t reset_ms = address_get_span_ms(address, "reset-after", -1);
    *ret_weather = (struct weather){
        .delay_ns = span_ns(address_get_span_ms(address, "delay", 0)),
        .jitter_ns = span_ns(address_get_span_ms(address, "jitter", 0)),
        .rate = (uint64_t)address_get_size(address, "rate", 0),
        .loss = address_get_share(address, "loss"),
        .reset_ns = reset_ms < 0 ? CLOCK_NEVER : span_ns(reset_ms),
    };
}

/* What survives both survives the whole. */
static unsigned share_join(unsigned one, unsigned other)
{
    uint64_t kept = (uint64_t)(MILLIONTHS - one) * (MILLIONTHS - other);
    return MILLIONTHS - (unsigned)(kept / MILLIONTHS);
}

void weather_add(struct weather *weather, const struct weather *other, bool datagrams)
{
    weather->delay_ns = clock_after(weather->delay_ns, other->delay_ns);
    weather->jitter_ns = clock_after(weather->jitter_ns, other->jitter_ns);
    if (!weather->rate || (other->rate && other->rate < weather->rate))
        weather->rate = other->rate;
    unsigned *share = datagrams ? &weather->loss : &weather->stall;
    *share = share_join(*share, other->loss);
    weather->reorders |= datagrams && other->jitter_ns;
    if (other->reset_ns < weather->reset_ns)
        weather->reset_ns = other->reset_ns;
}

/* --- how much at once ------------------------------------------------------------------------- */

/* Bytes that the link sends in a span, between two bounds. */
static size_t rate_size(const struct weather *weather, int64_t in_ns, size_t least, size_t most)
{
    double size = (double)weather->rate * (double)in_ns / (double)NS_PER_S;
    if (!weather->rate || size >= (double)most)
        return most;
    return size < (double)least ? least : (size_t)size;
}

size_t weather_piece_size(const struct weather *weather)
{
    return rate_size(
        weather, WEATHER_PIECE_MS * NS_PER_MS, WEATHER_SEGMENT_SIZE, WEATHER_PIECE_SIZE_MAX);
}

size_t weather_held_size(const struct weather *weather)
{
    int64_t way_ns = clock_after(weather->delay_ns, weather->jitter_ns);
    return rate_size(weather, clock_after(way_ns, WEATHER_QUEUE_MS * NS_PER_MS),
        WEATHER_HELD_SIZE_MIN, WEATHER_HELD_SIZE_MAX);
}

/* --- when, and whether ------------------------------------------------------------------------ */

/* splitmix64: any state will do, and one flow's dice say nothing about another's. */
static uint64_t throw_dice(struct departures *departures)
{
    uint64_t value = departures->random += UINT64_C(0x9e3779b97f4a7c15);
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

static bool happens(struct departures *departures, unsigned share)
{
    return share && throw_dice(departures) % MILLIONTHS < share;
}

static bool any_segment_stalls(struct departures *departures, unsigned share, size_t size)
{
    if (!share)
        return false;
    for (size_t sent = 0; sent == 0 || sent < size; sent += WEATHER_SEGMENT_SIZE)
        if (happens(departures, share))
            return true;
    return false;
}

/* When the link has sent `size` bytes more. */
static int64_t link_take(
    struct departures *departures, const struct weather *weather, size_t size, int64_t now_ns)
{
    int64_t from_ns = departures->link_free_ns > now_ns ? departures->link_free_ns : now_ns;
    double sending_ns = weather->rate ? (double)size * (double)NS_PER_S / (double)weather->rate : 0;
    departures->link_free_ns =
        sending_ns < (double)CLOCK_NEVER ? clock_after(from_ns, (int64_t)sending_ns) : CLOCK_NEVER;
    return departures->link_free_ns;
}

/* The delay, a little less or more; never less than none. */
static int64_t travel(struct departures *departures, const struct weather *weather)
{
    if (!weather->jitter_ns || weather->jitter_ns > CLOCK_NEVER / 2)
        return weather->delay_ns;
    int64_t width = 2 * weather->jitter_ns + 1;
    int64_t more_ns = (int64_t)(throw_dice(departures) % (uint64_t)width) - weather->jitter_ns;
    if (more_ns >= 0)
        return clock_after(weather->delay_ns, more_ns);
    return weather->delay_ns > -more_ns ? weather->delay_ns + more_ns : 0;
}

bool departures_next(struct departures *departures, const struct weather *weather, size_t size,
    int64_t now_ns, int64_t *ret_arrival_ns)
{
    if (happens(departures, weather->loss))
        return false;
    int64_t arrival_ns =
        clock_after(link_take(departures, weather, size, now_ns), travel(departures, weather));
    if (any_segment_stalls(departures, weather->stall, size)) {
        int64_t trip_ns = clock_after(weather->delay_ns, weather->delay_ns);
        arrival_ns = clock_after(arrival_ns, WEATHER_RETRANSMIT_MS * NS_PER_MS);
        arrival_ns = clock_after(arrival_ns, trip_ns);
    }
    if (!weather->reorders && arrival_ns < departures->latest_ns)
        arrival_ns = departures->latest_ns;
    if (arrival_ns > departures->latest_ns)
        departures->latest_ns = arrival_ns;
    *ret_arrival_ns = arrival_ns;
    return true;
}

int64_t departures_end(
    const struct departures *departures, const struct weather *weather, int64_t now_ns)
{
    int64_t arrival_ns = clock_after(now_ns, weather->delay_ns);
    return arrival_ns > departures->latest_ns ? arrival_ns : departures->latest_ns;
}
