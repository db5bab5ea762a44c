/* calibration.c - what was measured of a machine, as text. */
#include "wire/calibration.h"
#include "base/cleanup.h"
#include "base/number.h"
#include "wire/limits.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#define VERSION "1"

static const char *const places[CHOICE_PLACES] = {
    [CHOICE_APART] = "apart", [CHOICE_TOGETHER] = "together"
};

/* The numbers of a cost, in the order in which they stand in a line. */
static const size_t numbers[] = { offsetof(struct choice_cost, busy_ns),
    offsetof(struct choice_cost, way_ns), offsetof(struct choice_cost, asleep_ns),
    offsetof(struct choice_cost, trip_ns), offsetof(struct choice_cost, spun_ns),
    offsetof(struct choice_cost, spun_trip_ns) };
static_assert(sizeof(struct choice_cost) == COUNT_OF(numbers) * sizeof(double), "all of them");
#define NUMBERS_NEEDED 4u /* the others may be 0 */

static double *number_of(struct choice_cost *cost, size_t index)
{
    return (double *)(void *)((char *)cost + numbers[index]);
}

/* --- reading ---------------------------------------------------------------------------------- */

/* Which of the lines that stand once have been read. */
enum {
    VERSION_READ = 1,
    KERNEL_READ = 2,
    PROCESSORS_READ = 4,
    PROCESSOR_READ = 8,
    TIME_READ = 16,
    RESTED_READ = 32, /* apart; twice that: together */
};

struct reader {
    unsigned read;
    struct calibration found;
};

static bool read_text(const char *value, char *text, size_t size)
{
    return (size_t)snprintf(text, size, "%s", value) < size;
}

static bool read_number(const char *value, int64_t most, int64_t *ret_number)
{
    *ret_number = number_parse(value, 10, most);
    return *ret_number >= 0;
}

static bool read_once(struct reader *reader, const char *key, const char *value)
{
    struct machine *machine = &reader->found.machine;
    static const char *const keys[] = { "version", "kernel", "processors", "processor", "time" };
    int64_t processors;
    unsigned i = 0;

    while (i < COUNT_OF(keys) && strcmp(keys[i], key) != 0)
        i++;
    if (i == COUNT_OF(keys) || reader->read & 1u << i)
        return false;
    reader->read |= 1u << i;
    switch (1u << i) {
    case VERSION_READ:
        return strcmp(value, VERSION) == 0;
    case KERNEL_READ:
        return read_text(value, machine->kernel, sizeof(machine->kernel));
    case PROCESSORS_READ:
        if (!read_number(value, UINT32_MAX, &processors))
            return false;
        machine->processors = (unsigned)processors;
        return true;
    case PROCESSOR_READ:
        return read_text(value, machine->processor, sizeof(machine->processor));
    default:
        return read_number(value, INT64_MAX, &reader->found.time_s) && reader->found.time_s > 0;
    }
}

static struct choice_cost *cost_find(struct calibration *calibration, enum choice_place place,
    const char *mechanism, const char *size)
{
    unsigned j = 0, k = 0;

    while (j < CHOICE_MECHANISMS && strcmp(choice_name(j), mechanism) != 0)
        j++;
    while (k < CHOICE_SIZES && number_parse(size, 10, INT64_MAX) != (int64_t)choice_sizes[k])
        k++;
    return j < CHOICE_MECHANISMS && k < CHOICE_SIZES ? &calibration->costs.of[place][j][k] : NULL;
}

/* The next word of a line, which it cuts out; "" at its end. */
static char *word_take(char **cursor)
{
    char *word = *cursor + strspn(*cursor, " ");

    *cursor = word + strcspn(word, " ");
    if (**cursor)
        *(*cursor)++ = '\0';
    return word;
}

static bool read_rest(struct reader *reader, enum choice_place place, char *rest)
{
    int64_t cpu_ns, wait_ns;

    if (reader->read & RESTED_READ << place ||
        !read_number(word_take(&rest), CALIBRATION_NS_MAX, &cpu_ns) ||
        !read_number(word_take(&rest), CALIBRATION_NS_MAX, &wait_ns))
        return false;
    reader->read |= RESTED_READ << place;
    reader->found.costs.rested[place] =
        (struct choice_rest){ .cpu_ns = (double)cpu_ns, .wait_ns = (double)wait_ns };
    return *rest == '\0';
}

static bool read_cost(struct reader *reader, enum choice_place place, char *rest)
{
    const char *mechanism = word_take(&rest);

    if (strcmp(mechanism, "rested") == 0)
        return read_rest(reader, place, rest);
    const char *size = word_take(&rest);
    struct choice_cost *cost = cost_find(&reader->found, place, mechanism, size);

    if (!cost || cost->busy_ns > 0)
        return false;
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        int64_t number;
        if (!read_number(word_take(&rest), CALIBRATION_NS_MAX, &number) ||
            (number == 0 && i < NUMBERS_NEEDED))
            return false;
        *number_of(cost, i) = (double)number;
    }
    return *rest == '\0';
}

static bool read_line(struct reader *reader, char *line)
{
    char *rest = line, *key = word_take(&rest);

    for (unsigned place = 0; place < CHOICE_PLACES; place++)
        if (strcmp(key, places[place]) == 0)
            return read_cost(reader, place, rest);
    return read_once(reader, key, rest);
}

/* The number of the first line that is wrong; 0: none is. */
static unsigned read_lines(struct reader *reader, const struct bytes *text)
{
    const char *from = text->data, *end = text->data + text->size;
    char line[CALIBRATION_LINE_MAX];

    for (unsigned number = 1; from < end; number++) {
        const char *feed = memchr(from, '\n', (size_t)(end - from));
        size_t size = feed ? (size_t)(feed - from) : sizeof(line);
        if (size >= sizeof(line) || memchr(from, '\0', size))
            return number;
        memcpy(line, from, size);
        line[size] = '\0';
        if (!read_line(reader, line))
            return number;
        from = feed + 1;
    }
    return 0;
}

__attribute__((format(printf, 2, 3))) static void use_built_in(
    struct calibration *calibration, const char *format, ...)
{
    va_list arguments;

    calibration->costs = choice_costs_built_in;
    va_start(arguments, format);
    (void)vsnprintf(calibration->reason, sizeof(calibration->reason), format, arguments);
    va_end(arguments);
}

/* Between two sizes costs are interpolated: none may be missing but the largest, as of what takes
 * no messages so large. */
static bool sizes_are_whole(const struct choice_costs *costs)
{
    for (unsigned place = 0; place < CHOICE_PLACES; place++)
        for (unsigned j = 0; j < CHOICE_MECHANISMS; j++)
            for (unsigned k = 1; k < CHOICE_SIZES; k++)
                if (costs->of[place][j][k].busy_ns > 0 && costs->of[place][j][k - 1].busy_ns <= 0)
                    return false;
    return true;
}

/* What is right in itself can be of little use: without a socket and a ring nothing is compared. */
static bool is_complete(const struct reader *reader)
{
    unsigned all = VERSION_READ | KERNEL_READ | PROCESSORS_READ | PROCESSOR_READ | TIME_READ |
                   RESTED_READ << CHOICE_APART | RESTED_READ << CHOICE_TOGETHER;
    const struct choice_costs *costs = &reader->found.costs;

    return reader->read == all && sizes_are_whole(costs) &&
           costs->of[CHOICE_APART][CHOICE_SOCKET][0].busy_ns > 0 &&
           costs->of[CHOICE_APART][CHOICE_RING][0].busy_ns > 0;
}

void calibration_make(int code, const struct bytes *text, const struct machine *here,
    struct calibration *ret_calibration)
{
    struct reader reader = { .read = 0 };
    const struct machine *there = &reader.found.machine;

    *ret_calibration = (struct calibration){ .machine = *here };
    if (code < 0) {
        use_built_in(ret_calibration, "%s",
            code == -ENOENT    ? ""
            : code == -EPERM   ? "somebody else may have written it"
            : code == -ENODATA ? "it is no file"
                               : strerror(-code));
        return;
    }
    unsigned wrong = read_lines(&reader, text);
    if (wrong)
        use_built_in(ret_calibration, "line %u of it is wrong", wrong);
    else if (!is_complete(&reader))
        use_built_in(ret_calibration, "it is incomplete");
    else if (strcmp(there->kernel, here->kernel) != 0)
        use_built_in(ret_calibration, "it is of another kernel, %s", there->kernel);
    else if (!machine_equal(there, here))
        use_built_in(ret_calibration, "it is of another machine, with %u x %s", there->processors,
            there->processor);
    else
        *ret_calibration = reader.found;
}

/* --- writing ---------------------------------------------------------------------------------- */

static void cost_print(struct choice_cost cost, struct bytes *text)
{
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        double number = *number_of(&cost, i);
        /* What is measured takes a nanosecond at least. */
        bytes_print(text, " %.0f", number < 1 && i < NUMBERS_NEEDED ? 1 : number);
    }
    bytes_append_char(text, '\n');
}

void calibration_print(const struct calibration *calibration, struct bytes *text)
{
    const struct machine *machine = &calibration->machine;

    bytes_print(text,
        "version " VERSION "\nkernel %s\nprocessors %u\nprocessor %s\ntime %" PRId64 "\n",
        machine->kernel, machine->processors, machine->processor, calibration->time_s);
    for (unsigned i = 0; i < CHOICE_PLACES; i++) {
        const struct choice_rest *rested = &calibration->costs.rested[i];
        bytes_print(text, "%s rested %.0f %.0f\n", places[i], rested->cpu_ns, rested->wait_ns);
        for (unsigned j = 0; j < CHOICE_MECHANISMS; j++)
            for (unsigned k = 0; k < CHOICE_SIZES; k++) {
                const struct choice_cost *cost = &calibration->costs.of[i][j][k];
                if (!(cost->busy_ns > 0))
                    continue;
                bytes_print(text, "%s %s %zu", places[i], choice_name(j), choice_sizes[k]);
                cost_print(*cost, text);
            }
    }
}
