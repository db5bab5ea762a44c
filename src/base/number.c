/* number.c - whole numbers from text. */
#include "base/number.h"

int64_t number_parse(const char *text, unsigned base, int64_t most)
{
    int64_t number = 0;

    if (!*text)
        return -1;
    for (; *text; text++) {
        if (*text < '0' || *text >= (char)('0' + base))
            return -1;
        int digit = *text - '0';
        if (__builtin_mul_overflow(number, (int64_t)base, &number) ||
            __builtin_add_overflow(number, (int64_t)digit, &number) || number > most)
            return -1;
    }
    return number;
}
