/* policy.h - who may: ordered rules over an identity, first match wins.
 *
 * A rule is "allow" or "deny" with one subject: uid:NUMBER, user:NAME, gid:NUMBER, group:NAME,
 * exe:PATH, unit:NAME, peer:HOST[/BITS], any (ferry.conf(5) says what each proves). An identity
 * that no rule matches is denied. A fact that cannot be had denies only if the rule reached needs
 * it. Names and links are looked up when the rule is added, never per connection.
 */
#ifndef FERRY_POLICY_H
#define FERRY_POLICY_H

#include <ferry/address.h>
#include <ferry/identity.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ferry_policy;

/* A new policy without rules (it denies everyone).
 *   ret_policy  receives it; free with ferry_policy_free()
 * Returns 0, -ENOMEM. */
FERRY_PUBLIC FERRY_CHECK int ferry_policy_new(struct ferry_policy **ret_policy);
FERRY_PUBLIC void ferry_policy_free(struct ferry_policy *policy);

/* Appends rules, one a subject.
 *   allow     true to allow, false to deny
 *   subjects  blank- or comma-separated subjects, NUL-terminated, borrowed for the call
 *   error     may be NULL
 * Nothing is appended on failure. Returns 0, -EINVAL (bad subject), -ENOENT (no such user,
 * group or program), -E2BIG (too many rules), -ENOMEM. */
FERRY_PUBLIC FERRY_CHECK int ferry_policy_add(
    struct ferry_policy *policy, bool allow, const char *subjects, struct ferry_error *error);

/* Appends the rules of deny= and allow= in an address, in this order; nothing without them. Peers
 * of a listener are judged by them already, unless it was opened with admit_all.
 *   listen  borrowed
 * Returns as ferry_policy_add(). */
FERRY_PUBLIC FERRY_CHECK int ferry_policy_add_address(
    struct ferry_policy *policy, const struct ferry_address *listen, struct ferry_error *error);

/* Whether every rule is about something that peers somewhere can be known by: a uid is nothing that
 * a TCP connection has, nor a host one of a unix socket.
 *   capabilities  of the listener or channel, enum ferry_capability
 * Returns 0, -EOPNOTSUPP. */
FERRY_PUBLIC FERRY_CHECK int ferry_policy_check(
    const struct ferry_policy *policy, unsigned capabilities, struct ferry_error *error);

/* Appends the rules that the kernel itself applies to a listening address without rules: what
 * mode, owner and group of a path admit; for an abstract name this process's own uid; for a FIFO
 * or queue any, since its mode admits and nobody is known; for fd:, exec:, file: and `-` any, since
 * this process opened them itself (whoever inherits a listening socket adds rules of its own); for
 * tcp: and udp: nothing. Owner and group that the address does not state are those of the socket
 * that stands there, so call it once the listener is open; without one, this process's own. Where
 * the mode admits a group but not the rest (or the other way round) and the listener is unix-dgram,
 * everybody is allowed, because a message tells no groups: the kernel checks the mode at each send.
 *   listen  borrowed
 * Returns 0, -ENOENT (no such owner or group), -ENOMEM. */
FERRY_PUBLIC FERRY_CHECK int ferry_policy_add_default(
    struct ferry_policy *policy, const struct ferry_address *listen, struct ferry_error *error);

/* A verdict, with what led to it. */
struct ferry_verdict {
    bool allowed;
    int rule;       /* which rule decided, counted from 1; 0: none matched */
    char text[128]; /* the rule's text, or why none matched */
};

/* Decides. Counts a hit on the rule that decided. Facts are gathered only as far as the rules that
 * are reached need them.
 *   identity     borrowed; NULL: nothing is known
 *   ret_verdict  filled */
FERRY_PUBLIC void ferry_policy_decide(struct ferry_policy *policy, struct ferry_identity *identity,
    struct ferry_verdict *ret_verdict);

FERRY_PUBLIC size_t ferry_policy_count(const struct ferry_policy *policy);
/* A rule's text, and how often it decided; `rule` counts from 1. The text is borrowed. */
FERRY_PUBLIC const char *ferry_policy_rule(
    const struct ferry_policy *policy, size_t rule, uint64_t *ret_hits);
/* What a rule asks of an identity; FERRY_FACT_COUNT: nothing (any). A rule on a group asks for the
 * gid first, and for FERRY_FACT_GROUPS if that is another. */
FERRY_PUBLIC enum ferry_fact ferry_policy_fact(const struct ferry_policy *policy, size_t rule);
/* How often it refused: always, for a rule that denies; for one that allows, when a fact that it
 * needs was unknown. Rule 0: those whom no rule matched. */
FERRY_PUBLIC uint64_t ferry_policy_refusals(const struct ferry_policy *policy, size_t rule);

#ifdef __cplusplus
}
#endif
#endif
