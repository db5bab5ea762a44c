/* identity.h - what stands behind the public, opaque ferry_identity, and how mechanisms fill it.
 *
 * All zeroes is somebody of whom nothing is known, so that those in the slots of an inbox need no
 * beginning. A fact's value counts only where `known` says that it is known. Texts, groups and
 * pidfd are owned.
 */
#ifndef FERRY_TRANSPORT_IDENTITY_H
#define FERRY_TRANSPORT_IDENTITY_H

#include <ferry/identity.h>
#include <stdint.h>
#include <sys/socket.h>

struct link;

struct ferry_identity {
    struct link *link; /* who is asked for facts not gathered yet; NULL: nobody can be */
    uint16_t asked;    /* facts that have been asked for, 1 << fact: not again */
    unsigned char known[FERRY_FACT_COUNT]; /* enum ferry_known */
    pid_t pid;
    uid_t uid;
    gid_t gid;
    int pidfd;
    gid_t *groups; /* sorted; NULL when there are none */
    size_t group_count;
    /* By fact; NULL where it is unknown or no text. */
    char *texts[FERRY_FACT_COUNT];
    /* The label that a message brought: borrowed from its slot, copied when asked for. */
    const char *label;
    size_t label_size;
    /* The executable's file. */
    dev_t device;
    ino_t inode;
    unsigned char host[16];
};

/* What the kernel shows for a uid that our user namespace has no number for. Where every uid has
 * its number (the first namespace) it is a true one: nobody. */
#define OVERFLOW_ID 65534u

/* Gives back all that it owns; nothing is known any more. It keeps whom to ask. */
void identity_clear(struct ferry_identity *identity);

/* pid, uid and gid; those that our namespaces have no number for stay unknown. */
void identity_set_credentials(
    struct ferry_identity *identity, const struct ucred *credentials, enum ferry_known known);
/* Takes the descriptor. */
void identity_set_pidfd(struct ferry_identity *identity, int pidfd, enum ferry_known known);
/* Takes the groups, in any order; NULL when count is 0. */
void identity_set_groups(
    struct ferry_identity *identity, gid_t *groups, size_t count, enum ferry_known known);
/* Takes the text; NULL (out of memory): the fact stays unknown. */
void identity_set_text(
    struct ferry_identity *identity, enum ferry_fact fact, char *text, enum ferry_known known);
/* The address of a socket address; others than IPv4 and IPv6 leave it unknown. */
void identity_set_host(
    struct ferry_identity *identity, const void *address, socklen_t size, enum ferry_known known);

#endif
