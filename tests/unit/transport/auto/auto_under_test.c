/* auto_under_test.c - auto: connections as they are, and what only tests may do to them. */
#define AUTO_TEST
#define RING_TEST

static unsigned made_max(void);

#include "transport/auto/auto.c"
#include "transport/auto/claim.c"
#include "transport/auto/handshake.c"
#include "transport/auto/receive.c"
#include "transport/auto/send.c"

static void step_quietly(enum auto_step step)
{
    (void)step;
}

void (*auto_test_step)(enum auto_step step) = step_quietly;

/* Connections that may have made rings. */
extern unsigned auto_test_made_max;
unsigned auto_test_made_max = AUTO_MADE_MIN;

static unsigned made_max(void)
{
    return auto_test_made_max;
}
