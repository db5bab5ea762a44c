/* require.c - what several properties ask for. */
#include "require.h"
#include "base/bytes.h"
#include "base/cleanup.h"

#include <poll.h>
#include <string.h>

/* poll(2) says of those that are not open that they are not, all in one call. */
size_t count_descriptors(void)
{
    struct pollfd asked[100];
    size_t count = 0;

    for (size_t i = 0; i < COUNT_OF(asked); i++)
        asked[i] = (struct pollfd){ .fd = (int)i };
    REQUIRE(poll(asked, COUNT_OF(asked), 0) >= 0);
    for (size_t i = 0; i < COUNT_OF(asked); i++)
        count += !(asked[i].revents & POLLNVAL);
    return count;
}

/* What is escaped already, escaping leaves alone. */
void require_printable(const char *text, size_t size)
{
    AUTO_BYTES struct bytes again = BYTES_EMPTY;

    for (size_t at = 0; at < size;) {
        const char *feed = memchr(text + at, '\n', size - at);
        size_t length = feed ? (size_t)(feed - text) - at : size - at;
        bytes_append_escaped(&again, text + at, length);
        if (feed)
            bytes_append_char(&again, '\n');
        at += length + (feed != NULL);
    }
    REQUIRE(!bytes_failed(&again) && again.size == size);
    REQUIRE(!size || memcmp(again.data, text, size) == 0);
}
