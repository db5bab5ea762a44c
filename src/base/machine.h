/* machine.h - what this machine is: enough to tell whether something was measured on it. */
#ifndef FERRY_BASE_MACHINE_H
#define FERRY_BASE_MACHINE_H

#include <stdbool.h>

struct machine {
    char kernel[65];    /* utsname.release */
    char processor[65]; /* what the kernel calls it, or the architecture */
    unsigned processors;
};

/* Never fails: what can't be told is "unknown". */
void machine_read(struct machine *ret_machine);
/* Whether this process may use one processor only. */
bool machine_is_single(void);
bool machine_equal(const struct machine *one, const struct machine *other);

#endif
