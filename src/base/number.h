/* number.h - whole numbers from text. */
#ifndef FERRY_BASE_NUMBER_H
#define FERRY_BASE_NUMBER_H

#include <stdint.h>

/* Digits only, no sign and no blanks, in base 8 or 10; -1 when it is none, or larger than `most`.
 */
int64_t number_parse(const char *text, unsigned base, int64_t most);

#endif
