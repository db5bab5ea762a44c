/* roudi.h - iox-roudi, the daemon without which iceoryx carries nothing.
 *
 * It has one set of names on a machine. So one that runs already is used, whatever memory it has;
 * otherwise one runs for as long as a link is there, with memory for that link alone, and takes its
 * names away when it ends, also when this process is killed. Of several that measure one at a time
 * has its turn, or they would end each other's daemon.
 */
#ifndef FERRY_COMMAND_BENCH_ROUDI_H
#define FERRY_COMMAND_BENCH_ROUDI_H

#include <stddef.h>
#include <sys/types.h>

struct roudi {
    pid_t watcher;  /* its parent; 0: none was started */
    int watched_fd; /* whose end is the daemon's end; -1: none */
    int turn_fd;    /* -1: it is not our turn */
};

/* Bytes of a user's name, a 0 included. */
#define ROUDI_NAME_SIZE 64

#define ROUDI_NONE                                                                                 \
    {                                                                                              \
        .watched_fd = -1, .turn_fd = -1                                                            \
    }

/* What a user of the daemon is called: that side of a link of that name. */
void roudi_user_print(const char *link, unsigned side, char ret_name[ROUDI_NAME_SIZE]);
/* Takes away where the daemon answers to both, which it does before messages go. */
void roudi_users_unname(const char *link);

/* Waits for our turn, and until there is a daemon.
 *   link  whose users it is for
 *   pool_size, pool_count  of the messages that it is to have room for, if it is started
 * 0, -EBUSY (it was never our turn), -EACCES (another user's runs), -EHOSTDOWN (it is not
 * installed), -EHOSTUNREACH (it does not start), -errno. */
int roudi_start(const char *link, size_t pool_size, unsigned pool_count, struct roudi *ret_roudi);
/* Ends what was started; nothing else is done to what was not. */
void roudi_stop(struct roudi *roudi);

#endif
