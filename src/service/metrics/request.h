/* request.h - the head of one HTTP/1.x request, read strictly.
 *
 * What can be understood in two ways is refused with 400, since whoever stands between a client and
 * us may have understood the other: control characters, folded lines, a blank before the colon,
 * two lengths, a length and an encoding, two hosts. Lines may end with LF alone, as people type
 * them. Pure: no I/O here.
 */
#ifndef FERRY_SERVICE_METRICS_REQUEST_H
#define FERRY_SERVICE_METRICS_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

struct request {
    int status;      /* what the answer says: 200, or 400, 404, 405, 431, 505 */
    bool head_only;  /* HEAD: no content in the answer */
    const char *why; /* of what is not 200: a static text */
};

/* Reads the head.
 *   data, size   what has come so far; borrowed
 *   ended        nothing more will come
 *   ret_request  what to answer
 * Returns 1, 0 (the head is not complete, and may become so). */
int request_read(const char *data, size_t size, bool ended, struct request *ret_request);

/* "Not Found" of 404. */
const char *request_status_name(int status);

#endif
