/* digest.c - the SHA-256 of bytes that come piece by piece, by libcrypto.
 *
 * libcrypto is loaded when it is asked for, not when the program starts: linked, it would cost
 * every start 0.6 ms and every process 1.5 MiB. The kernel's own (AF_ALG), which would take a file
 * without a copy, is not built into every kernel. Nor is a copy the cost: of a file that is mapped
 * the digest takes longer (doc/zero_copy.md).
 */
#include "command/digest.h"
#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/error.h"

#include <jansson.h>
#include <stdint.h>
#include <string.h>

#define DIGEST_SIZE 32 /* bytes */

#ifdef HAVE_LIBCRYPTO

#include <dlfcn.h>
#include <openssl/evp.h>

/* What is called of it. */
struct library {
    __typeof__(EVP_MD_CTX_new) *context_new;
    __typeof__(EVP_MD_CTX_free) *context_free;
    __typeof__(EVP_sha256) *sha256;
    __typeof__(EVP_DigestInit_ex) *begin;
    __typeof__(EVP_DigestUpdate) *add;
    __typeof__(EVP_DigestFinal_ex) *end;
};

struct digest {
    struct library library;
    EVP_MD_CTX *context;
    uint64_t size; /* bytes */
    bool failed;
};

/* It stays loaded: what it has set up is for the whole process. */
static int library_load(struct library *ret_library, struct ferry_error *error)
{
    static const char name[] = "libcrypto.so." OPENSSL_MSTR(OPENSSL_VERSION_MAJOR);
    void *handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);

    if (!handle)
        return error_set(
            error, -EOPNOTSUPP, "SHA-256", "install libssl3, which brings it", "%s", dlerror());
    struct library library = {
        dlsym(handle, "EVP_MD_CTX_new"),
        dlsym(handle, "EVP_MD_CTX_free"),
        dlsym(handle, "EVP_sha256"),
        dlsym(handle, "EVP_DigestInit_ex"),
        dlsym(handle, "EVP_DigestUpdate"),
        dlsym(handle, "EVP_DigestFinal_ex"),
    };
    if (!library.context_new || !library.context_free || !library.sha256 || !library.begin ||
        !library.add || !library.end)
        return error_set(error, -EOPNOTSUPP, "SHA-256", NULL, "%s lacks what it should have", name);
    *ret_library = library;
    return 0;
}

int digest_new(struct digest **ret_digest, struct ferry_error *error)
{
    AUTO_FREE struct digest *digest = calloc(1, sizeof(*digest));
    if (!digest)
        return error_set_errno(error, -ENOMEM, "SHA-256", NULL);
    int r = library_load(&digest->library, error);
    if (r < 0)
        return r;
    const struct library *library = &digest->library;
    digest->context = library->context_new();
    if (!digest->context)
        return error_set_errno(error, -ENOMEM, "SHA-256", NULL);
    digest->failed = library->begin(digest->context, library->sha256(), NULL) != 1;
    *ret_digest = TAKE(digest);
    return 0;
}

void digest_free(struct digest *digest)
{
    if (!digest)
        return;
    digest->library.context_free(digest->context);
    free(digest);
}

void digest_add(struct digest *digest, const void *data, size_t size)
{
    digest->size += size;
    if (digest->library.add(digest->context, data, size) != 1)
        digest->failed = true;
}

/* In hexadecimal. */
static int digest_end(struct digest *digest, char ret_text[2 * DIGEST_SIZE + 1])
{
    unsigned char sum[DIGEST_SIZE];
    if (digest->failed || digest->library.end(digest->context, sum, NULL) != 1)
        return -EIO;
    for (size_t i = 0; i < sizeof(sum); i++)
        snprintf(ret_text + 2 * i, 3, "%02x", sum[i]);
    return 0;
}

#else

struct digest {
    uint64_t size;
};

int digest_new(struct digest **ret_digest, struct ferry_error *error)
{
    (void)ret_digest;
    return error_set(error, -EOPNOTSUPP, "SHA-256",
        "build it with -Ddigest=enabled where libssl-dev is installed, and not static",
        "this ferry was built without libcrypto");
}

void digest_free(struct digest *digest)
{
    (void)digest;
}

void digest_add(struct digest *digest, const void *data, size_t size)
{
    (void)digest, (void)data, (void)size;
}

static int digest_end(struct digest *digest, char ret_text[2 * DIGEST_SIZE + 1])
{
    (void)digest, (void)ret_text;
    return -EOPNOTSUPP;
}

#endif

/* --- printing --------------------------------------------------------------------------------- */

/* The path of an address that stands for all of a file; false: it does not. */
static bool path_of(const char *address, struct bytes *path)
{
    if (strncmp(address, "file:", 5) != 0)
        return false;
    for (const char *at = address + 5; *at; at++) {
        if (*at == ',')
            return false;
        if (*at == '\\' && (at[1] == ',' || at[1] == '\\'))
            at++;
        bytes_append_char(path, *at);
    }
    return path->size > 0;
}

/* sha256sum's way with a name that would break its line. */
static void print_line(const char *sum, const char *name, struct bytes *text)
{
    bool escaped = name[strcspn(name, "\\\n\r")];

    bytes_print(text, "%s%s  ", escaped ? "\\" : "", sum);
    for (; *name; name++) {
        if (*name == '\n')
            bytes_append_text(text, "\\n");
        else if (*name == '\r')
            bytes_append_text(text, "\\r");
        else if (*name == '\\')
            bytes_append_text(text, "\\\\");
        else
            bytes_append_char(text, *name);
    }
    bytes_append_char(text, '\n');
}

static void print_json(
    const struct digest *digest, const char *sum, const char *address, struct bytes *text)
{
    json_t *name = json_string(address); /* NULL: no UTF-8 */
    json_t *object = json_pack("{s:o, s:I, s:s}", "address", name ? name : json_string("?"),
        "bytes", (json_int_t)digest->size, "sha256", sum);
    char *line = object ? json_dumps(object, JSON_COMPACT) : NULL;

    if (line)
        bytes_print(text, "%s\n", line);
    else
        text->failed = true;
    free(line);
    json_decref(object);
}

int digest_print(struct digest *digest, const char *address, bool json, struct ferry_error *error)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY, path = BYTES_EMPTY;
    char sum[2 * DIGEST_SIZE + 1];

    int r = digest_end(digest, sum);
    if (r < 0)
        return error_set_errno(error, r, "SHA-256", NULL);
    if (json)
        print_json(digest, sum, address, &text);
    else
        print_line(sum, path_of(address, &path) ? path.data : address, &text);
    if (bytes_failed(&text) || bytes_failed(&path))
        return error_set_errno(error, -ENOMEM, "SHA-256", NULL);
    fwrite(text.data, 1, text.size, stdout);
    return 0;
}
