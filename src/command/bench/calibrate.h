/* calibrate.h - what mechanisms cost here, measured for those who choose between them. */
#ifndef FERRY_COMMAND_BENCH_CALIBRATE_H
#define FERRY_COMMAND_BENCH_CALIBRATE_H

#include "command/bench/findings.h"
#include "command/calibration.h"

struct calibrate_result {
    struct calibration found; /* as it is to be kept */
    unsigned rounds;          /* that were finished */
    int64_t time_ns;          /* that they took */
    double load;              /* of the machine, of the minute before: getloadavg(3) */
};

/* Measures by sizes, places and mechanisms, in turns, in CALIBRATE_MS at most, but for the slices
 * that are under way.
 *   method    of its processors one may stand twice: then nothing is measured apart; -1: anywhere,
 *             then nothing is together; what is not measured is as it is built in
 *   slices  none yet; is told how many slices there are
 * 0, -ENOMEM, or why a socket or a ring could not be measured. */
int calibrate_run(
    const struct bench_method *method, struct slices *slices, struct calibrate_result *ret_result);

/* Appends what was found, beside what was in use before.
 *   path  where it is kept */
void calibrate_report(const struct calibrate_result *result, const struct calibration *before,
    const char *path, struct bytes *text);
void calibrate_report_json(const struct calibrate_result *result, const struct calibration *before,
    const char *path, struct bytes *text);

#endif
