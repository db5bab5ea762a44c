/* address_weather.c - the options that only a relay can give effect to: whoever else is given such
 * an address says so, instead of leaving the path fair in silence.
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "wire/address.h"

const char *address_weather_key(const struct ferry_address *address)
{
    static const char *const keys[] = { "delay", "jitter", "rate", "loss", "reset-after" };
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        if (ferry_address_option(address, keys[i]))
            return keys[i];
    return NULL;
}

int address_refuse_weather(
    const struct ferry_address *address, const char *who, struct ferry_error *error)
{
    const char *key = address_weather_key(address);
    if (!key)
        return 0;
    return error_set(error, -EINVAL, ferry_address_text(address),
        "leave it out, or set it on the address of a relay that leads here",
        "%s does not relay, so there is nothing for %s to work on", who, key);
}
