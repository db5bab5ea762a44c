/* calibration.h (command) - what `ferry bench --calibrate` keeps, and everybody else reads. */
#ifndef FERRY_COMMAND_CALIBRATION_H
#define FERRY_COMMAND_CALIBRATION_H

#include "wire/calibration.h"

/* What a channel would decide by, made here and now.
 *   ret_path  where it is, or would be: free() it; NULL: nowhere */
void calibration_load(struct calibration *ret_calibration, char **ret_path);

/* "as calibrated here 2026-11-30 09:44", or "built in", and why. */
void calibration_name(const struct calibration *calibration, struct bytes *text);

#endif
