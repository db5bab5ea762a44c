/* Limits of the service floor. */
#ifndef FERRY_SERVICE_LIMITS_H
#define FERRY_SERVICE_LIMITS_H

/* Milliseconds that a clock's client may take to fetch its line and go. A client that only connects
 * and waits must not hold a connection for ever. */
#define CLOCK_LINGER_MS 1000
/* Bytes of one message to the clock that are looked at (none: what is asked does not matter). */
#define CLOCK_INBOX_SIZE 4096u

/* Bytes of one request to control, its line feed included. Requests are a few words; a peer must
 * not make us hold more. */
#define CONTROL_REQUEST_SIZE_MAX (64u << 10)
/* Requests answered in one turn of the loop, so that a flood of them leaves room for the rest. */
#define CONTROL_REQUESTS_PER_TURN 16u

/* Milliseconds that one request to metrics may take, from the connection to the last byte of the
 * answer: what Prometheus waits for by itself. */
#define METRICS_TOTAL_MS 10000
/* Bytes of the head of one request to metrics: more than any collector or browser sends. */
#define REQUEST_SIZE_MAX ((size_t)16 << 10)
/* Bytes that are taken and thrown away behind a request, so that who says too much still reads the
 * answer; then it waits. */
#define REQUEST_DISCARD_MAX ((size_t)256 << 10)
/* Milliseconds for which all who ask are told the same. */
#define LOOK_FRESH_MS 1000
/* A look stands in the way of everything else. So it may serve for so many times the processor time
 * that it took: whatever the machine has open, and however often they ask, that is 1/20 of one
 * processor at most. */
#define LOOK_SHARE 20
/* Series of one family that come of what other processes do; a name for each would fill any
 * collector. */
#define SERIES_MAX 1000u
/* Series of one family that come of the configuration, which has ROUTES_MAX routes. */
#define ROUTE_SERIES_MAX 8192u

#endif
