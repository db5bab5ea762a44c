/* calibration.c (transport) - the file of `ferry bench --calibrate`, read. */
#include "transport/calibration.h"
#include "base/cleanup.h"
#include "base/state.h"
#include "wire/limits.h"

void calibration_read(struct calibration *ret_calibration)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;
    AUTO_FREE char *path = NULL;
    struct machine here;
    int code =
        state_load(CALIBRATION_VARIABLE, CALIBRATION_FILE, CALIBRATION_SIZE_MAX, &path, &text);

    machine_read(&here);
    calibration_make(code, &text, &here, ret_calibration);
}
