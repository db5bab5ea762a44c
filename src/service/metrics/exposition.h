/* exposition.h - Prometheus' text format, version 0.0.4, written line by line.
 *
 * Labels are made first, as text ("kind=\"tcp\",state=\"LISTEN\""), since that text is also what
 * series are told apart by. What a label says may come from any process: control characters and
 * what is no UTF-8 are written as \xHH, and the format's own escapes come on top, so a value can
 * neither end its line nor its quotes. Pure: no I/O here.
 */
#ifndef FERRY_SERVICE_METRICS_EXPOSITION_H
#define FERRY_SERVICE_METRICS_EXPOSITION_H

#include "base/bytes.h"

#include <stdint.h>

/* What a family of series is called, and what it counts. */
struct family {
    const char *name, *type, *help;
};

/* Appends one label.
 *   value, size  any bytes; of a name with its place in the text, see label_add_text() */
void label_add(struct bytes *labels, const char *name, const void *value, size_t size);
void label_add_text(struct bytes *labels, const char *name, const char *value);

/* Appends the two lines that begin a family: once, before its samples. */
void family_begin(struct bytes *text, const struct family *family);
/* Appends one sample.
 *   labels  as label_add() makes them; "" for none */
void family_sample(
    struct bytes *text, const struct family *family, const char *labels, uint64_t value);
void family_sample_seconds(
    struct bytes *text, const struct family *family, const char *labels, double seconds);

#endif
