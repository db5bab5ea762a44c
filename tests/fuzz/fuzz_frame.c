/* fuzz_frame.c - libFuzzer's entry to property_frame(). Build with
 * clang -fsanitize=fuzzer,address,undefined, properties.c and the sources of src/base and src/wire.
 */
#include "properties.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    property_frame(data, size);
    return 0;
}
