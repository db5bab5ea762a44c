/* capability.h - what this thread may do: capabilities(7). */
#ifndef FERRY_PROCESS_CAPABILITY_H
#define FERRY_PROCESS_CAPABILITY_H

#include <linux/capability.h>
#include <stdbool.h>

/* The effective, permitted and inheritable ones. 0; -errno, which no caller takes for good. */
int capability_get(struct __user_cap_data_struct ret_data[_LINUX_CAPABILITY_U32S_3]);
/* Whether one is in effect; false also if that is not to be known. */
bool capability_is_effective(int capability);

#endif
