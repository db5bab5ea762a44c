/* Limits of the wire floor. */
#ifndef FERRY_WIRE_LIMITS_H
#define FERRY_WIRE_LIMITS_H

/* Bytes in the text of an address: PATH_MAX twice (a path and a reply path), each byte written as
 * an escape of four, and options; so whatever can be parsed can be printed and parsed again. */
#define ADDRESS_SIZE_MAX 40960u
/* Options in one address: more than any scheme knows. */
#define ADDRESS_OPTIONS_MAX 96u
/* The whole of what loss= says a part of. */
#define MILLIONTHS 1000000
/* Bytes in a list of keys that a failure can print and still say the rest (struct ferry_error). */
#define KEYS_SIZE_MAX 150u
/* Bytes in the name of an interface or an algorithm: IFNAMSIZ and TCP_CA_NAME_MAX less the NUL. */
#define WORD_SIZE_MAX 15u
/* Bytes in an abstract name: sun_path (108) less the leading NUL, unix(7). */
#define ABSTRACT_SIZE_MAX 107u
/* Bytes in one framed message: what a unix datagram can carry on a default machine
 * (net.core.wmem_max, 212992) rounded up; a peer must not make us hold more. */
#define FRAME_SIZE_MAX (256u << 10)
/* Bytes of a security label: those of SELinux, AppArmor and Smack are some tens. */
#define CONTROL_LABEL_SIZE 1024
/* Bytes in one configuration file and in one line of it (the longest address fits); entries in a
 * whole configuration; problems reported of one file, more than anybody mends at once. */
#define CONFIG_SIZE_MAX     (4u << 20)
#define CONFIG_LINE_MAX     (64u << 10)
#define CONFIG_ENTRIES_MAX  65536u
#define CONFIG_PROBLEMS_MAX 1000u

/* Nanoseconds that a ring looks out before it sleeps, unless it is told otherwise (ferry/ring.h).
 */
#define CHOICE_LOOK_OUT_NS 20000.0
/* Nanoseconds after which a processor that has nothing to do sleeps as deep as it does. */
#define CHOICE_RESTED_NS 1e6
/* Nanoseconds that a cache line takes from one processor to another, and some instructions. */
#define CHOICE_HAND_OVER_NS 250.0
/* Bytes of a message of a queue: what fs.mqueue.msgsize_max is by default; and of a record of the
 * largest ring. */
#define CHOICE_QUEUE_SIZE_MAX ((size_t)8 << 10)
#define CHOICE_RING_SIZE_MAX  (((size_t)128 << 20) - 8)
/* The fixed rule's: bytes from which on it takes memory, messages a second above which no queue. */
#define CHOICE_RULE_SIZE  ((size_t)1000000)
#define CHOICE_RULE_PER_S 10000
/* A channel moves where that saves a fifth, and a thousandth of a processor: memory is not to be
 * had for nothing, and measurements differ by a tenth. */
#define CHOICE_WORTH_SHARE    0.8
#define CHOICE_WORTH_NS_PER_S 1e6
/* Rates that are tried for a threshold: from one message a second, each so much more than the one
 * before, and so many. */
#define CHOICE_RATE_STEP  1.1
#define CHOICE_RATE_STEPS 175u
/* Bytes of what `ferry bench --calibrate` wrote, several times what it writes, and of a line of it;
 * nanoseconds in it, a quarter of an hour. */
#define CALIBRATION_SIZE_MAX ((size_t)64 << 10)
#define CALIBRATION_LINE_MAX 256u
#define CALIBRATION_NS_MAX   INT64_C(1000000000000)
/* Bytes between which it is looked for where a memfd begins to pay: below, each is a page. */
#define CHOICE_MEMFD_SIZE_MIN ((size_t)4 << 10)
#define CHOICE_MEMFD_SIZE_MAX ((size_t)16 << 20)
/* Of what another mechanism costs, more than which is little more than chance. */
#define CHOICE_CHANCE_SHARE 0.9
/* Wake-ups a message below which they are not what it costs; messages at a time that are advised;
 * bytes from which on a copy is worth words. */
#define CHOICE_WAKES_FEW 0.2
#define CHOICE_BATCH     16.0
#define CHOICE_LOAN_SIZE ((size_t)16 << 10)

#endif
