/* profile.h - how sockets are tuned: named sets of options, and what came of them.
 *
 * An option has one name, in addresses (tcp:80,keepidle=30s) and in profiles; ferry-address(7)
 * lists them. What the address says itself goes before the profile, and what a profile says that is
 * not for this kind of socket, or that this kernel does not know, is left out. The address's own
 * options are not left out: they fail. The kernel may double, round or cut what it is given, so
 * every option is read back when one asks.
 */
#ifndef FERRY_PROFILE_H
#define FERRY_PROFILE_H

#include <ferry/listener.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A new profile. May be changed until it is given to a call; then read by several threads at once.
 *   extends      the built-in profile that it begins as: "web", "realtime", "bulk"; NULL: empty
 *   ret_profile  free with ferry_profile_free(); listeners and channels keep nothing of it
 * Returns 0, -ENOENT (no such built-in profile), -ENOMEM. */
FERRY_PUBLIC FERRY_CHECK int ferry_profile_new(
    const char *extends, struct ferry_profile **ret_profile);
FERRY_PUBLIC void ferry_profile_free(struct ferry_profile *profile);

/* Sets an option, in place of what the profile had for it.
 *   key    the option's name, as "keepidle"
 *   value  as an address would have it, without escapes; borrowed for the call
 *   error  may be NULL; of a bad value its reason begins "column N:", counted within the value
 * Returns 0, -ENOENT (no socket option has that name), -EINVAL (bad value), -ENOMEM. */
FERRY_PUBLIC FERRY_CHECK int ferry_profile_set(
    struct ferry_profile *profile, const char *key, const char *value, struct ferry_error *error);

/* The value that a profile has for an option, in its canonical spelling; "" for a flag that is set;
 * NULL: none. Borrowed until the option is set again. */
FERRY_PUBLIC const char *ferry_profile_get(const struct ferry_profile *profile, const char *key);

/* One option of one socket. Everything is owned by the list that it stands in. */
struct ferry_option {
    const char *key;
    const char *asked;     /* as the address or the profile has it; NULL: nobody asked */
    const char *effective; /* as the kernel tells it; NULL: the socket does not have the option */
    const char *note;      /* why it is so, in words; may be "" */
    bool from_profile;     /* asked by the profile, not by the address */
    bool differs;          /* not as asked, in a way that matters: cut, rounded, left out by the
                              kernel. What is doubled for bookkeeping does not differ */
};

/* The options of a socket as they were when it was asked for them. */
struct ferry_options;

/* What is in effect on a channel's socket: the options that this kind of socket has, and after them
 * those of the profile that it does not have. A channel without a socket (a FIFO, a queue, a file)
 * lists only the latter.
 *   all          also what nobody asked for; without it a channel that is not tuned costs nothing
 *   ret_options  free with ferry_options_free()
 * Returns 0, -ENOMEM. */
FERRY_PUBLIC FERRY_CHECK int ferry_channel_get_options(
    const struct ferry_channel *channel, bool all, struct ferry_options **ret_options);

/* The same of a listener's socket. */
FERRY_PUBLIC FERRY_CHECK int ferry_listener_get_options(
    const struct ferry_listener *listener, bool all, struct ferry_options **ret_options);

/* What would be in effect on an address, found by trying on a socket that is never bound and never
 * connected. What only a connection can tell (quickack) is told as the fresh socket has it.
 *   address  borrowed
 *   listens  as listening would set it, else as dialling would
 *   profile  may be NULL; borrowed for the call
 *   error    may be NULL
 * Returns 0, or -errno as ferry_listen() and ferry_dial() fail when the kernel refuses an option;
 * -EOPNOTSUPP: fd: is something only when it is opened. */
FERRY_PUBLIC FERRY_CHECK int ferry_address_get_options(const struct ferry_address *address,
    bool listens, const struct ferry_profile *profile, struct ferry_options **ret_options,
    struct ferry_error *error);

FERRY_PUBLIC size_t ferry_options_count(const struct ferry_options *options);
/* index: less than the count. Borrowed, lives as long as the list. */
FERRY_PUBLIC const struct ferry_option *ferry_options_item(
    const struct ferry_options *options, size_t index);
FERRY_PUBLIC void ferry_options_free(struct ferry_options *options);

#ifdef __cplusplus
}
#endif
#endif
