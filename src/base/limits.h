/* Limits of the base floor. */
#ifndef FERRY_BASE_LIMITS_H
#define FERRY_BASE_LIMITS_H

/* Bytes a text may grow to. A guard against our own mistakes, far above any real use. */
#define TEXT_SIZE_MAX (64u << 20)

#endif
