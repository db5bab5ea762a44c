/* fuzz_address.c - libFuzzer's entry to property_address() and to the properties of the other words
 * of an address's options. Build with clang -fsanitize=fuzzer,address,undefined, properties.c and
 * the library; address.dict holds the words. */
#include "properties.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    property_address(data, size);
    property_subject(data, size);
    property_cgroup(data, size);
    return 0;
}
