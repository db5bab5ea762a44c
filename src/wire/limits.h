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

#endif
