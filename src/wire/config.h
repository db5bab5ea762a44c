/* config.h - the configuration's text: sections of "key = value" lines. Pure: no file is opened.
 *
 *     # a comment; also ;
 *     include = more.conf
 *     [route docker]
 *     listen = unix:/run/ferry/docker.sock
 *
 * A value runs to the end of its line; surrounding blanks are not part of it; there are no quotes
 * and no continuation lines. A key may stand several times. Order is kept. Every problem is
 * reported, not the first only.
 */
#ifndef FERRY_WIRE_CONFIG_H
#define FERRY_WIRE_CONFIG_H

#include <stddef.h>

struct config_place {
    const char *file; /* borrowed from the config */
    unsigned line;    /* from 1 */
    unsigned column;  /* of the value, in bytes from 1 */
};

struct config_entry {
    struct config_place place;
    const char *section;               /* "route", "ferry", ...; "" before the first section */
    const char *name;                  /* what follows it in [section name]; "" if nothing */
    struct config_place section_place; /* of its [section name]: two of one name differ in it */
    const char *key;
    const char *value;
};

/* A [section name] as it stands, so that one without keys is seen too. */
struct config_section {
    struct config_place place;
    const char *section;
    const char *name;
};

struct config_problem {
    struct config_place place;
    const char *key;  /* may be "" */
    const char *text; /* reason and remedy, one line, printable */
};

/* Owns all that it shows, and keeps it in place until it is freed. */
struct config;

int config_new(struct config **ret_config);
void config_free(struct config *config);

/* Appends the entries and problems of one file's text.
 *   file  the name that places carry; copied
 * Returns 0 (also when there are problems), -ENOMEM.
 * Problems are: a line without "=", a key without a name, a key other than `include` before the
 * first section, a section that is never closed, has no name, or has text after its "]", a control
 * character other than a tab, and what exceeds a limit of wire/limits.h. Lines may end in CR LF. */
int config_parse(struct config *config, const char *file, const char *text, size_t size);

/* Adds a problem found elsewhere (a bad value); `text` is copied. Problems stand in the order of
 * the files as they were parsed, and of their lines and columns, whenever they are found. */
int config_add_problem(
    struct config *config, const struct config_place *place, const char *key, const char *text);

size_t config_section_count(const struct config *config);
const struct config_section *config_get_section(const struct config *config, size_t index);
size_t config_entry_count(const struct config *config);
const struct config_entry *config_get_entry(const struct config *config, size_t index);
size_t config_problem_count(const struct config *config);
const struct config_problem *config_get_problem(const struct config *config, size_t index);

#endif
