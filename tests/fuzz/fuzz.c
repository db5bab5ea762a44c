/* fuzz.c - libFuzzer's entry to one property. */
#include "properties.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PROPERTY(data, size);
    return 0;
}
