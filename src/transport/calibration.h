/* calibration.h (transport) - what a channel decides by, as `ferry bench --calibrate` measured it
 * on this machine, or as it is built in: choice_thresholds_make() makes thresholds of the costs.
 *
 * A file that somebody else could have written, of another machine or kernel, or that can't be
 * understood is as none; why, is kept for whoever asks.
 */
#ifndef FERRY_TRANSPORT_CALIBRATION_H
#define FERRY_TRANSPORT_CALIBRATION_H

#include "wire/calibration.h"

/* Never fails. It takes some system calls: once for a channel, not once for a message. */
void calibration_read(struct calibration *ret_calibration);

#endif
