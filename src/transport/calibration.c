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
    int code = state_path(CALIBRATION_VARIABLE, CALIBRATION_FILE, &path);

    if (code == 0)
        code = state_read(path, CALIBRATION_SIZE_MAX, &text);
    machine_read(&here);
    calibration_make(code, &text, &here, ret_calibration);
}
