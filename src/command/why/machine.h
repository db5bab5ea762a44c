/* machine.h - `ferry why` without an argument: what on this machine will bite, worst first. */
#ifndef FERRY_COMMAND_WHY_MACHINE_H
#define FERRY_COMMAND_WHY_MACHINE_H

#include <stdbool.h>

/* Looks, and says what it found on stdout. Returns the exit status: 0 nothing worse than a note, 1
 * found something, or could not look. */
int why_machine(bool json);

#endif
