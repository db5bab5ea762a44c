/* name.h - whether this kernel can prove what a process at the other end is. */
#ifndef FERRY_PROCESS_NAME_H
#define FERRY_PROCESS_NAME_H

#include <stdbool.h>

/* It lends proofs of a process (its name, executable, unit): SO_PEERPIDFD, from Linux 6.5. Asked of
 * it once. */
bool process_names_known(void);

#endif
