/* machine.h - what machine the figures are of. */
#ifndef FERRY_COMMAND_BENCH_MACHINE_H
#define FERRY_COMMAND_BENCH_MACHINE_H

#include "base/bytes.h"

/* Each appends one line's worth, without its end; "unknown" where nothing tells. */

/* "Linux 6.1.0-18-amd64". */
void machine_kernel_print(struct bytes *text);
/* The processor's name as the kernel has it, or the machine's. */
void machine_processor_print(struct bytes *text);
/* "8, of which 2 may be used", "2". */
void machine_cores_print(struct bytes *text);
/* "15.6 GiB". */
void machine_memory_print(struct bytes *text);
/* "yes (KVM)", "yes", "no sign of it". */
void machine_virtual_print(struct bytes *text);

#endif
