/* properties.h - what must hold for any bytes of what reads them, and of what tells of them.
 *
 * Each takes arbitrary input and aborts when its property does not hold. They are driven by
 * libFuzzer (fuzz.c), by what libFuzzer found before (replay.c), and, those of the wire floor, by
 * mutated samples (tests/unit/wire/test_mutation.c).
 */
#ifndef FERRY_TESTS_FUZZ_PROPERTIES_H
#define FERRY_TESTS_FUZZ_PROPERTIES_H

#include <stddef.h>
#include <stdint.h>

/* What parses prints, and parses again to an equal address; what does not says at which column.
 * In the weather that an address says nothing arrives before it was sent. Returns 1 if it was an
 * address. */
int property_address(const uint8_t *data, size_t size);
/* What is read without problems and written out is read again to the same entries.
 * Returns 1 if it was a configuration with at least one entry. */
int property_config(const uint8_t *data, size_t size);
/* A walk over control data stays inside it and accounts for every descriptor; what is laid out for
 * sending is found again.
 * Returns 1 if at least one descriptor was found. */
int property_control(const uint8_t *data, size_t size);
/* Found frames, wrapped again, are the bytes they were found in.
 * Returns 1 if at least one frame was found. */
int property_frame(const uint8_t *data, size_t size);
/* What a subject holds lies in its word, and a range of hosts, written out, is read again.
 * Returns 1 if it was a subject. */
int property_subject(const uint8_t *data, size_t size);
/* The path stands in one line of the file, and the unit is one component of the path.
 * Returns 1 if a path was found. */
int property_cgroup(const uint8_t *data, size_t size);
/* A policy decides as its words read one after the other; a rule's text is read again as that rule;
 * a line that is refused leaves nothing behind. The two above hold besides.
 * Returns 1 if at least one rule was added. */
int property_policy(const uint8_t *data, size_t size);
/* No text of an event leaves its line or its field; JSON has each fact once, as it was; every event
 * goes into a log that has room. Returns 1 if a peer was named. */
int property_event(const uint8_t *data, size_t size);
/* A configuration is read twice to the same; what is wrong is told at its place in one line, and
 * what nothing is wrong with can be had. Returns 1 if it asked for a route. */
int property_settings(const uint8_t *data, size_t size);
/* Every request has one reply, in order, however the bytes come; what a reply says is shown without
 * control characters, or the reply is refused. No descriptor is left open.
 * Returns 1 if there was a reply, or one was understood. */
int property_control_socket(const uint8_t *data, size_t size);

#endif
