/* datagram.h - whether a unix datagram socket has room for a message, and who has filled it.
 *
 * The kernel does not tell how many messages a queue holds. It tells a socket that is connected
 * there, by poll(2), whether one more finds room. So one connects, sends nothing and is closed;
 * whoever is bound there does not notice.
 *
 * Each returns 1 (there is room), 0 (it is full), or why it can't be told: -ECONNREFUSED (nobody is
 * bound there, in whatever network namespace), -EPROTOTYPE (somebody is, whose socket is of another
 * type), -EPERM (it is connected to another, and has no messages but his), -EACCES and others.
 */
#ifndef FERRY_COMMAND_WHY_DATAGRAM_H
#define FERRY_COMMAND_WHY_DATAGRAM_H

#include "base/bytes.h"

#include <ferry/endpoints.h>

/*   file  opened with O_PATH */
int datagram_room_of_file(int file);
int datagram_room_of_path(const char *path);
/* -ENOENT if its path does not lead to it, -EXDEV if its abstract name is of another network. */
int datagram_room(const struct ferry_endpoint *endpoint);

/* How many have messages there that are not read. */
unsigned datagram_sender_count(const struct ferry_endpoint *endpoint);
/* Names the first of them. */
void datagram_print_senders(const struct ferry_endpoint *endpoint, struct bytes *text);

#endif
