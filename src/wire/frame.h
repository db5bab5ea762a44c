/* frame.h - messages laid into a stream of bytes, and found there again.
 *
 *   lf      each message ends with a line feed, which is not part of it; none inside
 *   length  each message follows its length in bytes, 4 bytes big-endian
 *   none    no boundaries: a message's bytes are written as they are, what one read brings is a
 *           message
 */
#ifndef FERRY_WIRE_FRAME_H
#define FERRY_WIRE_FRAME_H

#include <stddef.h>

enum frame { FRAME_ABSENT, FRAME_LF, FRAME_LENGTH, FRAME_NONE };

#define FRAME_HEAD_MAX 4u /* bytes that a frame puts before a message */
#define FRAME_TAIL_MAX 1u /* and after it */

/* "lf", "length", "none"; FRAME_ABSENT for anything else. */
enum frame frame_from_name(const char *name);

/* Finds the first frame in data[0..size).
 *   ret_body  offset of the message in data
 *   ret_size  its bytes
 *   ret_next  offset of what follows the frame
 * Returns 1, 0 (incomplete so far), -EPROTO (longer than FRAME_SIZE_MAX). */
int frame_find(enum frame frame, const char *data, size_t size, size_t *ret_body, size_t *ret_size,
    size_t *ret_next);

/* The same where nothing follows: of lf, what is left of a line without its end is a message too.
 * Returns 1, 0 (nothing is left), -EPROTO (a frame that is too long, or breaks off). */
int frame_find_last(enum frame frame, const char *data, size_t size, size_t *ret_body,
    size_t *ret_size, size_t *ret_next);

/* What must be written around a message of `size` bytes.
 * Returns 0, -EMSGSIZE (too large for the frame). A message for FRAME_LF must be checked with
 * frame_fits() as well. */
int frame_wrap(enum frame frame, size_t size, char head[FRAME_HEAD_MAX], size_t *ret_head_size,
    char tail[FRAME_TAIL_MAX], size_t *ret_tail_size);

/* Whether bytes may stand inside this frame (no line feed inside lf): 0, or -EINVAL. */
int frame_fits(enum frame frame, const char *data, size_t size);

#endif
