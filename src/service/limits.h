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

#endif
