/* options.c - the options of a socket as a list: what was asked, what is in effect, and why.
 *
 * A list owns one text for all its strings; while it is being made they are offsets, because the
 * text moves as it grows.
 */
#include "channel/options.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "wire/limits.h"

#include <errno.h>
#include <string.h>

/* --- what was asked --------------------------------------------------------------------------- */

struct asked {
    unsigned references;
    enum ferry_scheme scheme;
    enum address_verb verb;
    size_t count;
    struct asked_item {
        const struct socket_option *option;
        const char *value; /* behind the items */
        bool from_profile;
    } items[];
};

int asked_new(const struct option_source *source, struct asked **ret_asked)
{
    const struct socket_option *option;
    size_t count = 0, size = 0;
    bool from_profile;

    for (size_t i = 0; (option = socket_option_get(i)); i++) {
        const char *value = option_asked(source, option, &from_profile);
        count += value != NULL;
        size += value ? strlen(value) + 1 : 0;
    }
    *ret_asked = NULL;
    if (!count)
        return 0;
    struct asked *asked = malloc(sizeof(*asked) + count * sizeof(asked->items[0]) + size);
    if (!asked)
        return -ENOMEM;
    *asked =
        (struct asked){ .references = 1, .scheme = source->address->scheme, .verb = source->verb };
    char *text = (char *)&asked->items[count];
    for (size_t i = 0; (option = socket_option_get(i)); i++) {
        const char *value = option_asked(source, option, &from_profile);
        if (!value)
            continue;
        asked->items[asked->count++] = (struct asked_item){ option, text, from_profile };
        text = stpcpy(text, value) + 1;
    }
    *ret_asked = asked;
    return 0;
}

struct asked *asked_ref(struct asked *asked)
{
    if (asked)
        __atomic_add_fetch(&asked->references, 1, __ATOMIC_RELAXED);
    return asked;
}

void asked_unref(struct asked *asked)
{
    if (asked && __atomic_sub_fetch(&asked->references, 1, __ATOMIC_ACQ_REL) == 0)
        free(asked);
}

static const struct asked_item *asked_find(
    const struct asked *asked, const struct socket_option *option)
{
    for (size_t i = 0; asked && i < asked->count; i++)
        if (asked->items[i].option == option)
            return &asked->items[i];
    return NULL;
}

/* --- the list --------------------------------------------------------------------------------- */

struct ferry_options {
    struct bytes text;
    size_t count;
    struct ferry_option items[];
};

/* A string in the text, from `start` on; NULL while the text may still move. */
struct draft {
    struct ferry_options *options;
    struct draft_strings {
        size_t asked, effective, note;
    } strings[ADDRESS_OPTIONS_MAX];
};

#define NO_STRING SIZE_MAX

static size_t draft_string(struct draft *draft, const char *text)
{
    size_t start = draft->options->text.size;

    if (!text)
        return NO_STRING;
    bytes_append(&draft->options->text, text, strlen(text) + 1);
    return start;
}

static void draft_add(struct draft *draft, const struct socket_option *option,
    const struct asked_item *item, const char *effective, const char *note, bool differs)
{
    size_t index = draft->options->count++;

    draft->options->items[index] = (struct ferry_option){
        .key = option->key, .from_profile = item && item->from_profile, .differs = differs
    };
    draft->strings[index] =
        (struct draft_strings){ .asked = draft_string(draft, item ? item->value : NULL),
            .effective = draft_string(draft, effective),
            .note = draft_string(draft, note ? note : "") };
}

static const char *text_at(const struct ferry_options *options, size_t start)
{
    return start == NO_STRING ? NULL : options->text.data + start;
}

/* What the socket has. */
static int draft_read(
    struct draft *draft, int fd, enum socket_sort sort, const struct asked *asked, bool all)
{
    const struct socket_option *option;

    for (size_t i = 0; (option = socket_option_get(i)); i++) {
        const struct asked_item *item = asked_find(asked, option);
        AUTO_BYTES struct bytes text = BYTES_EMPTY;
        AUTO_BYTES struct bytes note = BYTES_EMPTY;
        if (!item && !all)
            continue;
        int r = socket_option_read(fd, sort, option, item ? item->value : NULL, &text, &note);
        if (r == -ENOMEM || bytes_failed(&text) || bytes_failed(&note))
            return -ENOMEM;
        if (r >= 0)
            draft_add(draft, option, item, text.data, note.data, r > 0);
        else if (item && option->sorts & sort)
            draft_add(draft, option, item, NULL, "this kernel does not know it", true);
    }
    return 0;
}

/* What the profile says and the socket cannot have. What a listener alone has is not missed on its
 * connections. */
static void draft_left_out(struct draft *draft, enum socket_sort sort, const struct asked *asked)
{
    char note[64];

    for (size_t i = 0; asked && i < asked->count; i++) {
        const struct asked_item *item = &asked->items[i];
        if (item->option->sorts & sort)
            continue;
        bool listener_only = sort == SORT_TCP && item->option->sorts == SORT_TCP_LISTENER;
        if (listener_only && asked->verb == ADDRESS_LISTEN)
            continue;
        snprintf(note, sizeof(note), "not for %s",
            listener_only ? "dialling" : address_scheme_name(asked->scheme));
        draft_add(draft, item->option, item, NULL, note, false);
    }
}

int options_read_back(int fd, enum address_verb verb, const struct asked *asked, bool all,
    struct ferry_options **ret_options)
{
    size_t size = sizeof(struct ferry_options) + ADDRESS_OPTIONS_MAX * sizeof(struct ferry_option);
    struct draft draft = { .options = calloc(1, size) };
    struct ferry_options *options = draft.options;
    enum socket_sort sort = asked || all ? socket_sort(fd, verb) : SORT_NONE;

    if (!options)
        return -ENOMEM;
    int r = draft_read(&draft, fd, sort, asked, all);
    draft_left_out(&draft, sort, asked);
    if (r < 0 || bytes_failed(&options->text)) {
        ferry_options_free(options);
        return -ENOMEM;
    }
    for (size_t i = 0; i < options->count; i++) {
        options->items[i].asked = text_at(options, draft.strings[i].asked);
        options->items[i].effective = text_at(options, draft.strings[i].effective);
        options->items[i].note = text_at(options, draft.strings[i].note);
    }
    *ret_options = options;
    return 0;
}

size_t ferry_options_count(const struct ferry_options *options)
{
    return options->count;
}

const struct ferry_option *ferry_options_item(const struct ferry_options *options, size_t index)
{
    return &options->items[index];
}

void ferry_options_free(struct ferry_options *options)
{
    if (!options)
        return;
    bytes_fini(&options->text);
    free(options);
}

/* --- trying ----------------------------------------------------------------------------------- */

int ferry_address_get_options(const struct ferry_address *address, bool listens,
    const struct ferry_profile *profile, struct ferry_options **ret_options,
    struct ferry_error *error)
{
    struct option_source source = { address, profile, listens ? ADDRESS_LISTEN : ADDRESS_DIAL };
    const char *thing = ferry_address_text(address);
    struct asked *asked;
    AUTO_FD int fd = -1;

    int r = address_check_verb(address, source.verb, error);
    if (r < 0)
        return r;
    if (address->scheme == FERRY_FD)
        return error_set(error, -EOPNOTSUPP, thing, "ferry status --options tells of a running one",
            "what it is shows only when it is opened");
    r = socket_for_trial(&source, &fd);
    if (r < 0 && r != -EOPNOTSUPP)
        return error_set_errno(error, r, thing, NULL);
    r = socket_options_apply(fd, MOMENT_MADE | MOMENT_READY, &source, error);
    if (r < 0)
        return r;
    r = asked_new(&source, &asked);
    if (r == 0) {
        r = options_read_back(fd, source.verb, asked, true, ret_options);
        asked_unref(asked);
    }
    return r < 0 ? error_set_errno(error, r, thing, NULL) : 0;
}
