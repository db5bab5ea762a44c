/* calibration.h (channel) - what mechanisms cost on this machine, as `ferry bench --calibrate` left
 * it.
 *
 * It lies in $FERRY_CALIBRATION ("": none is read), or $XDG_STATE_HOME/ferry/calibration, which is
 * ~/.local/state where that is not set. One that another could have written, of another machine or
 * kernel, or that cannot be read, is as none: the built-in figures are used and the reason is kept.
 */
#ifndef FERRY_CHANNEL_CALIBRATION_H
#define FERRY_CHANNEL_CALIBRATION_H

#include "wire/calibration.h"

/* Never fails. It takes some system calls: once for a channel, not once for a message.
 *   place  whether this process and its peer have one processor between them */
void calibration_read(enum choice_place place, struct calibration *ret_calibration);

#endif
