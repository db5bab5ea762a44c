/* fuzz_address.c - libFuzzer's entry to property_address(). Build with
 * clang -fsanitize=fuzzer,address,undefined, properties.c and the sources of src/base and src/wire.
 */
#include "properties.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    property_address(data, size);
    return 0;
}
