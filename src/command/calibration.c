/* calibration.c (command) - what is kept of a machine. */
#include "command/calibration.h"
#include "base/state.h"
#include "wire/limits.h"

#include <time.h>

void calibration_load(struct calibration *ret_calibration, char **ret_path)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;
    struct machine here;

    int code =
        state_load(CALIBRATION_VARIABLE, CALIBRATION_FILE, CALIBRATION_SIZE_MAX, ret_path, &text);

    machine_read(&here);
    calibration_make(code, &text, &here, ret_calibration);
}

void calibration_name(const struct calibration *calibration, struct bytes *text)
{
    time_t time_s = (time_t)calibration->time_s;
    struct tm date;
    char day[32] = "";

    if (calibration->time_s > 0) {
        if (localtime_r(&time_s, &date))
            (void)strftime(day, sizeof(day), "%F %R", &date);
        bytes_print(text, "as calibrated here %s", day);
    } else if (calibration->reason[0]) {
        bytes_print(text, "built in: there is a calibration, but %s", calibration->reason);
    } else {
        bytes_append_text(text, "built in; `ferry bench --calibrate` measures this machine");
    }
}
