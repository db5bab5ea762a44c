/* capability.c - what this thread may do. */
#include "process/capability.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

int capability_get(struct __user_cap_data_struct ret_data[_LINUX_CAPABILITY_U32S_3])
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    return syscall(SYS_capget, &header, ret_data) < 0 ? -errno : 0;
}

bool capability_is_effective(int capability)
{
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };
    return capability_get(data) == 0 &&
           data[CAP_TO_INDEX(capability)].effective & CAP_TO_MASK(capability);
}
