/* config.c - the configuration's text, read line by line.
 *
 * The config owns every section, entry, problem and string that it shows, one allocation each, in a
 * chain that lives as long as the config. So they never move: who walks the entries may parse an
 * included file meanwhile. Entries of one section share its strings. After a problem the reader
 * goes on with the next line, so that all are found at once.
 */
#include "wire/config.h"
#include "base/array.h"
#include "base/bytes.h"
#include "base/cleanup.h"
#include "wire/limits.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* Memory that goes with the config. */
struct kept {
    struct kept *next;
    max_align_t data[];
};

/* A growing array of pointers into what is kept. */
struct table {
    void **items;
    size_t count, capacity;
};

struct config {
    struct kept *kept;
    struct table files; /* of const char *, in the order in which they were read */
    struct table sections, entries, problems;
};

/* The file that is being read. */
struct reader {
    struct config *config;
    const char *file;
    unsigned line;
    const struct config_section *section;
    bool lost; /* the section's own line could not be read: its keys belong nowhere */
    size_t problem_count;
};

/* A stretch of the line. */
struct span {
    const char *data;
    size_t size;
    unsigned column; /* of its first byte, from 1 */
};

int config_new(struct config **ret_config)
{
    struct config *config = calloc(1, sizeof(*config));
    if (!config)
        return -ENOMEM;
    *ret_config = config;
    return 0;
}

void config_free(struct config *config)
{
    if (!config)
        return;
    for (struct kept *kept = config->kept, *next; kept; kept = next) {
        next = kept->next;
        free(kept);
    }
    free(config->files.items);
    free(config->sections.items);
    free(config->entries.items);
    free(config->problems.items);
    free(config);
}

/* NULL: out of memory; so with the others. */
static void *config_keep(struct config *config, size_t size)
{
    struct kept *kept = malloc(sizeof(*kept) + size);
    if (!kept)
        return NULL;
    kept->next = config->kept;
    config->kept = kept;
    return kept->data;
}

static const char *config_keep_text(struct config *config, const char *data, size_t size)
{
    char *text = config_keep(config, size + 1);
    if (!text)
        return NULL;
    memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

/* Room for an item of `size` bytes, as the last of the table. */
static void *config_add(struct config *config, struct table *table, size_t size)
{
    if (!array_reserve(&table->items, table->count, &table->capacity, sizeof(void *)))
        return NULL;
    void *item = config_keep(config, size);
    if (item)
        table->items[table->count++] = item;
    return item;
}

/* --- problems --------------------------------------------------------------------------------- */

static size_t file_rank(const struct config *config, const char *file)
{
    size_t rank = 0;
    while (
        rank < config->files.count && strcmp(*(const char **)config->files.items[rank], file) != 0)
        rank++;
    return rank;
}

static bool place_before(
    const struct config *config, const struct config_place *one, const struct config_place *other)
{
    if (one->file != other->file && strcmp(one->file, other->file) != 0)
        return file_rank(config, one->file) < file_rank(config, other->file);
    return one->line != other->line ? one->line < other->line : one->column < other->column;
}

/* Moves the last problem to its place: who reads them goes through the files from the top. */
static void problem_settle(struct config *config)
{
    void **items = config->problems.items;
    size_t at = config->problems.count - 1;
    struct config_problem *last = items[at];
    for (; at > 0; at--) {
        const struct config_problem *before = items[at - 1];
        if (!place_before(config, &last->place, &before->place))
            break;
        items[at] = items[at - 1];
    }
    items[at] = last;
}

int config_add_problem(
    struct config *config, const struct config_place *place, const char *key, const char *text)
{
    AUTO_BYTES struct bytes printable = BYTES_EMPTY;

    bytes_append_escaped(&printable, text, strlen(text));
    if (bytes_failed(&printable))
        return -ENOMEM;
    const char *kept_key = config_keep_text(config, key, strlen(key));
    const char *kept_text = config_keep_text(config, printable.data, printable.size);
    struct config_problem *problem =
        kept_key && kept_text ? config_add(config, &config->problems, sizeof(*problem)) : NULL;
    if (!problem)
        return -ENOMEM;
    *problem = (struct config_problem){ *place, kept_key, kept_text };
    problem_settle(config);
    return 0;
}

static int reader_complain(
    struct reader *reader, unsigned column, struct span key, const char *text)
{
    const struct config_place place = { reader->file, reader->line, column };
    const char *kept_key = config_keep_text(reader->config, key.data, key.size);

    reader->problem_count++;
    return kept_key ? config_add_problem(reader->config, &place, kept_key, text) : -ENOMEM;
}

static const struct span no_key = { "", 0, 0 };

/* --- lines ------------------------------------------------------------------------------------ */

static bool is_blank(char character)
{
    return character == ' ' || character == '\t';
}

static struct span span_trim(struct span span)
{
    while (span.size && is_blank(span.data[span.size - 1]))
        span.size--;
    while (span.size && is_blank(span.data[0])) {
        span.data++;
        span.size--;
        span.column++;
    }
    return span;
}

/* What is left of `span` after its first `size` bytes. */
static struct span span_after(struct span span, size_t size)
{
    return (struct span){ span.data + size, span.size - size, span.column + (unsigned)size };
}

/* `line` begins with '['. A line with a mistake opens its section all the same, as far as that can
 * be read: its keys are to be checked too. */
static int read_section(struct reader *reader, struct span line)
{
    struct span inside = span_after(line, 1);
    const char *close = memchr(inside.data, ']', inside.size);
    int r = 0;

    if (!close)
        r = reader_complain(
            reader, line.column, no_key, "the section is never closed; write ] at its end");
    else if (close + 1 < inside.data + inside.size)
        r = reader_complain(reader, inside.column + (unsigned)(close + 1 - inside.data), no_key,
            "text after ]; only a line of its own can be a key or a comment");
    if (close)
        inside.size = (size_t)(close - inside.data);
    inside = span_trim(inside);
    reader->lost = !inside.size;
    if (reader->lost && r == 0 && close)
        r = reader_complain(
            reader, line.column, no_key, "the section has no name; write [route NAME]");
    if (r < 0 || reader->lost)
        return r;

    struct config *config = reader->config;
    size_t word = 0;
    while (word < inside.size && !is_blank(inside.data[word]))
        word++;
    struct span rest = span_trim(span_after(inside, word));
    const char *section = config_keep_text(config, inside.data, word);
    const char *name = config_keep_text(config, rest.data, rest.size);
    struct config_section *added =
        section && name ? config_add(config, &config->sections, sizeof(*added)) : NULL;
    if (!added)
        return -ENOMEM;
    *added =
        (struct config_section){ { reader->file, reader->line, inside.column }, section, name };
    reader->section = added;
    return 0;
}

static int add_entry(struct reader *reader, struct span key, struct span value)
{
    struct config *config = reader->config;

    if (config->entries.count >= CONFIG_ENTRIES_MAX)
        return reader_complain(reader, key.column, key, "the configuration has too many keys");
    const char *kept_key = config_keep_text(config, key.data, key.size);
    const char *kept_value = config_keep_text(config, value.data, value.size);
    struct config_entry *entry =
        kept_key && kept_value ? config_add(config, &config->entries, sizeof(*entry)) : NULL;
    if (!entry)
        return -ENOMEM;
    *entry = (struct config_entry){
        .place = { reader->file, reader->line, value.column },
        .section = reader->section->section,
        .name = reader->section->name,
        .section_place = reader->section->place,
        .key = kept_key,
        .value = kept_value,
    };
    return 0;
}

static int read_key(struct reader *reader, struct span line)
{
    const char *equals = memchr(line.data, '=', line.size);

    if (!equals)
        return reader_complain(
            reader, line.column, no_key, "no = in the line; write key = value, or # before it");
    size_t before = (size_t)(equals - line.data);
    struct span key = span_trim((struct span){ line.data, before, line.column });
    struct span value = span_trim(span_after(line, before + 1));
    if (!key.size)
        return reader_complain(reader, line.column, no_key, "no key before the =");
    bool include = key.size == strlen("include") && memcmp(key.data, "include", key.size) == 0;
    if (!reader->lost && !*reader->section->section && !include)
        return reader_complain(reader, line.column, key,
            "only include can stand before the first section; write [route NAME] above it");
    return reader->lost ? 0 : add_entry(reader, key, value);
}

/* Where a control character stands in the line, or its size. Tabs are blanks. */
static size_t find_control(struct span line)
{
    size_t at = 0;
    while (at < line.size && ((unsigned char)line.data[at] >= 0x20 || line.data[at] == '\t') &&
           line.data[at] != 0x7f)
        at++;
    return at;
}

static int read_line(struct reader *reader, struct span line)
{
    if (line.size && line.data[line.size - 1] == '\r')
        line.size--;
    if (line.size > CONFIG_LINE_MAX)
        return reader_complain(reader, CONFIG_LINE_MAX + 1, no_key, "the line is too long");
    size_t control = find_control(line);
    if (control < line.size)
        return reader_complain(reader, line.column + (unsigned)control, no_key,
            line.data[control] ? "a control character in the line" : "a NUL byte in the line");
    line = span_trim(line);
    if (!line.size || *line.data == '#' || *line.data == ';')
        return 0;
    return *line.data == '[' ? read_section(reader, line) : read_key(reader, line);
}

int config_parse(struct config *config, const char *file, const char *text, size_t size)
{
    const struct config_section none = { .section = "", .name = "" };
    struct reader reader = { .config = config, .section = &none };
    int r = 0;

    reader.file = config_keep_text(config, file, strlen(file));
    const char **listed =
        reader.file ? config_add(config, &config->files, sizeof(reader.file)) : NULL;
    if (!listed)
        return -ENOMEM;
    *listed = reader.file;
    if (size > CONFIG_SIZE_MAX) {
        reader.line = 1;
        return reader_complain(&reader, 1, no_key, "the file is too large");
    }
    for (size_t at = 0; r == 0 && at < size;) {
        const char *end = memchr(text + at, '\n', size - at);
        size_t line_size = end ? (size_t)(end - text) - at : size - at;
        reader.line++;
        if (reader.problem_count >= CONFIG_PROBLEMS_MAX)
            return reader_complain(
                &reader, 1, no_key, "too many problems; what follows was not read");
        r = read_line(&reader, (struct span){ text + at, line_size, 1 });
        at += line_size + 1;
    }
    return r;
}

/* --- asking ----------------------------------------------------------------------------------- */

size_t config_section_count(const struct config *config)
{
    return config->sections.count;
}

const struct config_section *config_get_section(const struct config *config, size_t index)
{
    return config->sections.items[index];
}

size_t config_entry_count(const struct config *config)
{
    return config->entries.count;
}

const struct config_entry *config_get_entry(const struct config *config, size_t index)
{
    return config->entries.items[index];
}

size_t config_problem_count(const struct config *config)
{
    return config->problems.count;
}

const struct config_problem *config_get_problem(const struct config *config, size_t index)
{
    return config->problems.items[index];
}
