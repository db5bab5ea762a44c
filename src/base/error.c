/* error.c - failures in words, and the classes of errno. */
#include "base/error.h"
#include "base/bytes.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int error_set_va(struct ferry_error *error, int code, const char *thing, const char *remedy,
    const char *reason, va_list arguments)
{
    char raw[sizeof(error->reason)];
    vsnprintf(raw, sizeof(raw), reason, arguments);
    error->code = code;
    text_escape(thing, strlen(thing), error->thing, sizeof(error->thing));
    text_escape(raw, strlen(raw), error->reason, sizeof(error->reason));
    text_escape(remedy, strlen(remedy), error->remedy, sizeof(error->remedy));
    return code;
}

int error_set(struct ferry_error *error, int code, const char *thing, const char *remedy,
    const char *reason, ...)
{
    if (!error)
        return code;
    va_list arguments;
    va_start(arguments, reason);
    error_set_va(error, code, thing, remedy ? remedy : "", reason, arguments);
    va_end(arguments);
    return code;
}

int error_set_errno(struct ferry_error *error, int code, const char *thing, const char *remedy)
{
    const char *description = strerrordesc_np(-code);
    if (!remedy && code == -ECONNREFUSED)
        remedy = "start its server, or check the address";
    return error_set(error, code, thing, remedy, "%s", description ? description : "unknown error");
}

int error_set_path(struct ferry_error *error, int code, const char *path)
{
    const char *remedy = code == -ENOENT || code == -ENOTDIR ? "check the path"
                         : code == -EISDIR                   ? "name a file in it"
                         : code == -EACCES                   ? "run as who may, or change its mode"
                                                             : NULL;
    return error_set_errno(error, code, path, remedy);
}

int ferry_error_format(const struct ferry_error *error, char *text, size_t size)
{
    return snprintf(text, size, "%s%s%s%s%s", error->thing, error->thing[0] ? ": " : "",
        error->reason, error->remedy[0] ? "; " : "", error->remedy);
}

bool error_is_retry(int code)
{
    return code == -EAGAIN || code == -EINTR || code == -ETOOMANYREFS;
}

bool error_is_peer_gone(int code)
{
    switch (-code) {
    case EPIPE:
    case ECONNRESET:
    case ECONNABORTED:
    case ENOTCONN:
    case ESHUTDOWN:
    case ETIMEDOUT:
    case EHOSTUNREACH:
    case ETIME: /* farther than the hops that it may take */
    case ENETUNREACH:
    case ENETDOWN:
    case ECONNREFUSED:
        return true;
    default:
        return false;
    }
}

bool error_is_out_of_resources(int code)
{
    return code == -EMFILE || code == -ENFILE || code == -ENOBUFS || code == -ENOMEM;
}
