/* user.h - the names of users, remembered: the name service may ask a directory far away. */
#ifndef FERRY_PROCESS_USER_H
#define FERRY_PROCESS_USER_H

#include <sys/types.h>

/* The name of a user, or NULL if it has none (or none can be had now). Borrowed until the next
 * call in this thread. */
const char *user_name(uid_t uid);

#endif
