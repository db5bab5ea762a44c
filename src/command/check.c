/* check.c - `ferry check`: reads a configuration, or addresses, and says what is wrong; with --as,
 * who would be admitted; with --options, what the kernel would make of an address's options. */
#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "command/argument.h"
#include "command/command.h"
#include "command/options.h"
#include "command/person.h"
#include "command/problems.h"
#include "route/admission.h"
#include "route/expect.h"
#include "route/settings_rules.h"
#include "service/service.h"
#include "wire/address.h"
#include "wire/capabilities.h"

#include <argp.h>
#include <errno.h>
#include <ferry/address.h>
#include <ferry/profile.h>
#include <stdio.h>
#include <string.h>

struct check {
    const char *path;    /* NULL: the default */
    const char *as;      /* NULL: nobody */
    const char *profile; /* by name; NULL: none */
    bool options;
    char **words; /* of argv: addresses; with --as names of routes too */
    size_t word_count;
};

enum { KEY_AS = 0x400, KEY_OPTIONS, KEY_PROFILE };

static const struct argp_option options[] = {
    { "config", 'c', "PATH", 0, "A file, or a directory of *.conf (" SETTINGS_FOLDER ")", 0 },
    { "as", KEY_AS, "WHO", 0,
        "Say whether WHO would be admitted, and by which rule: uid:N or user:NAME, gid:N, "
        "group:NAME, exe:PATH, unit:NAME, peer:HOST, parted by commas",
        0 },
    { "options", KEY_OPTIONS, NULL, 0,
        "Try the socket options of each ADDRESS on a socket that goes nowhere, and show what was "
        "asked, what is in effect, and why",
        0 },
    { "profile", KEY_PROFILE, "NAME", 0,
        "With --options: tune as the profile says, too: web, realtime, bulk, or one of the "
        "configuration that -c names",
        0 },
    { 0 },
};

static bool is_address(const char *word)
{
    return strchr(word, ':') || word[0] == '-';
}

static error_t check_parse(int key, char *argument, struct argp_state *state)
{
    struct check *check = state->input;
    switch (key) {
    case 'c':
        check->path = argument;
        return 0;
    case KEY_AS:
        check->as = argument;
        return 0;
    case KEY_OPTIONS:
        check->options = true;
        return 0;
    case KEY_PROFILE:
        check->profile = argument;
        return 0;
    case ARGP_KEY_ARGS:
        check->words = state->argv + state->next;
        check->word_count = (size_t)(state->argc - state->next);
        return 0;
    case ARGP_KEY_END:
        if (check->path && check->word_count && !check->as && !check->profile)
            argp_error(state, "either a configuration or addresses");
        if (check->options && !check->word_count)
            argp_error(state, "--options needs an address");
        if (check->profile && !check->options)
            argp_error(state, "--profile goes with --options");
        if (check->options && check->as)
            argp_error(state, "either --options or --as");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = options,
    .parser = check_parse,
    .args_doc = "[ADDRESS|ROUTE...]",
    .doc = "Read the configuration as `ferry up` would and print every problem in it, each with "
           "its file, line and column. Nothing is started. With ADDRESS, print each the way ferry "
           "understands it. With --as, say of every route (or of those named, or of addresses to "
           "listen on) whether it would admit WHO; what is not said of WHO is unknown. The exit "
           "status is 1 if one would not.\v"
           "EXAMPLES\n"
           "  ferry check\n"
           "  ferry check -c ferry.conf\n"
           "  ferry check --options tcp:8080,rcvbuf=64M,keepidle=30s\n"
           "  ferry check --options --profile bulk tcp:8080 unix:/run/x.sock\n"
           "  ferry check tcp://localhost:8080 'unix:@name' unix:///run/x.sock,mode=0660\n"
           "  ferry check --as user:alice -c ferry.conf\n"
           "  ferry check --as uid:1000,group:dev 'unix:/run/x.sock,allow=group:dev'\n",
};

static void options_list_print(const struct ferry_options *list, struct bytes *text)
{
    struct table table;
    options_table_init(&table);
    for (size_t i = 0; i < ferry_options_count(list); i++) {
        const struct ferry_option *option = ferry_options_item(list, i);
        const char *asked = option->asked;
        options_table_add(&table, &(struct options_line){ .key = option->key,
                                      .asked = asked && !*asked ? "yes" : asked,
                                      .by = !asked                 ? NULL
                                            : option->from_profile ? "profile"
                                                                   : "address",
                                      .effective = option->effective,
                                      .note = option->note,
                                      .differs = option->differs });
    }
    options_table_finish(&table, text);
}

/* As a listener, unless an option of it is for dialling only. */
static int check_options(const struct ferry_address *address, const struct ferry_profile *profile)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;
    struct ferry_options *list;
    struct ferry_error error;
    bool listens = address_check_verb(address, ADDRESS_LISTEN, NULL) == 0;
    if (ferry_address_get_options(address, listens, profile, &list, &error) < 0)
        return command_fail("check", &error);
    if (ferry_options_count(list))
        options_list_print(list, &text);
    else
        bytes_append_text(&text, "  no socket options\n");
    ferry_options_free(list);
    if (bytes_failed(&text))
        return command_fail_errno("check", "memory", -ENOMEM);
    fwrite(text.data, 1, text.size, stdout);
    return EXIT_DONE;
}

static int check_addresses(const struct check *check, const struct ferry_profile *profile)
{
    int status = EXIT_DONE;
    for (size_t i = 0; i < check->word_count; i++) {
        struct ferry_address *address;
        struct ferry_error error;
        if (ferry_address_parse(check->words[i], NULL, &address, &error) < 0) {
            status = command_fail("check", &error);
            continue;
        }
        printf("%s\n", ferry_address_text(address));
        if (profile || check->options)
            status = check_options(address, profile) == EXIT_DONE ? status : EXIT_FAILED;
        ferry_address_free(address);
    }
    return status;
}

/* What no peer there could tell, as a note: it is no mistake. */
static void print_gaps(const struct route_settings *route)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;
    struct ferry_policy *policy;
    unsigned capabilities;
    if (!expect_capabilities(route->listen, ADDRESS_LISTEN, &capabilities) ||
        admission_make_policy(route, NULL, &policy, NULL) < 0)
        return;
    admission_print_gaps(policy, capabilities, "; ", &text);
    ferry_policy_free(policy);
    if (text.size && !bytes_failed(&text))
        printf("%s: %s\n", route->name, text.data);
}

/* Reads the configuration; EXIT_DONE when nothing is wrong with it. */
static int load_sound(const char *path, struct settings **ret_settings)
{
    struct settings *settings;
    struct ferry_error error;
    if (settings_load(path, services_all, &settings, &error) < 0)
        return command_fail("check", &error);
    if (problems_print(settings, stderr) > 0) {
        settings_free(settings);
        return EXIT_FAILED;
    }
    *ret_settings = settings;
    return EXIT_DONE;
}

static int check_settings(const char *path)
{
    struct settings *settings;
    int status = load_sound(path, &settings);
    if (status != EXIT_DONE)
        return status;
    size_t count = settings->route_count;
    for (size_t i = 0; i < count; i++)
        print_gaps(settings->routes[i]);
    settings_free(settings);
    printf("%zu route%s, no problem found\n", count, count == 1 ? "" : "s");
    return EXIT_DONE;
}

/* --- as somebody ------------------------------------------------------------------------------ */

/* Whom is asked about: as connections know him, and as messages do. */
struct persons {
    struct ferry_identity *connected, *sender;
};

static bool tells_by_message(const struct ferry_address *listen)
{
    unsigned capabilities;
    return expect_capabilities(listen, ADDRESS_LISTEN, &capabilities) &&
           capabilities_are_endless(capabilities);
}

/* What to say of him so that the rule can be decided; "" where nothing would help: a message, say,
 * never tells its sender's groups. */
static const char *missing_word(
    const struct ferry_policy *policy, int rule, bool by_message, struct ferry_identity *who)
{
    static const char *const words[FERRY_FACT_COUNT] = {
        [FERRY_FACT_UID] = "; say uid:N or user:NAME too",
        [FERRY_FACT_GROUPS] = "; say group:NAME or user:NAME too",
        [FERRY_FACT_EXECUTABLE] = "; say exe:PATH too",
        [FERRY_FACT_UNIT] = "; say unit:NAME too",
        [FERRY_FACT_HOST] = "; say peer:HOST too",
    };
    enum ferry_fact fact = rule ? ferry_policy_fact(policy, (size_t)rule) : FERRY_FACT_COUNT;
    bool missing = fact != FERRY_FACT_COUNT && ferry_identity_known(who, fact) == FERRY_UNKNOWN;
    if (fact == FERRY_FACT_GROUPS && by_message)
        missing = ferry_identity_known(who, FERRY_FACT_GID) == FERRY_UNKNOWN;
    return missing && words[fact] ? words[fact] : "";
}

static int judge(const struct route_settings *route, const struct persons *persons)
{
    const bool by_message = tells_by_message(route->listen);
    struct ferry_identity *who = by_message ? persons->sender : persons->connected;
    struct ferry_policy *policy;
    struct ferry_verdict verdict;
    struct ferry_error error = { 0 };
    char rule[32] = "";
    if (admission_make_policy(route, NULL, &policy, &error) < 0)
        return command_fail("check", &error);
    ferry_policy_decide(policy, who, &verdict);
    const char *missing =
        verdict.allowed ? "" : missing_word(policy, verdict.rule, by_message, who);
    ferry_policy_free(policy);
    bool admitted = verdict.allowed || route->dry_run;
    if (verdict.rule)
        snprintf(rule, sizeof(rule), "rule %d: ", verdict.rule);
    printf("%s %s: %s%s%s%s\n", admitted ? "admitted" : "refused ", route->name,
        admitted && !verdict.allowed ? "dry run, " : "", rule, verdict.text, missing);
    return admitted ? EXIT_DONE : EXIT_FAILED;
}

/* An address is judged as a route that listens there would. */
static int judge_address(char *text, const struct persons *persons)
{
    struct route_settings route = { .name = text };
    struct ferry_error error;
    int code = ferry_address_parse(text, NULL, &route.listen, &error);
    if (code == 0)
        code = address_check_verb(route.listen, ADDRESS_LISTEN, &error);
    if (code == 0 && settings_rules_in_address(route.listen)) {
        code = settings_rules_take(&route);
        if (code < 0)
            error_set_errno(&error, code, text, NULL);
    }
    int status = code < 0 ? command_fail("check", &error) : judge(&route, persons);
    settings_rules_free(&route);
    ferry_address_free(route.listen);
    return status;
}

static int judge_routes(
    const struct settings *settings, const char *name, const struct persons *persons)
{
    int status = EXIT_DONE;
    bool found = false;
    for (size_t i = 0; i < settings->route_count; i++) {
        const struct route_settings *route = settings->routes[i];
        if (name && strcmp(route->name, name) != 0)
            continue;
        found = true;
        if (judge(route, persons) != EXIT_DONE)
            status = EXIT_FAILED;
    }
    if (!name || found)
        return status;
    struct ferry_error error;
    error_set(
        &error, -ENOENT, name, "an address has a colon, as unix:PATH", "no route has this name");
    return command_fail("check", &error);
}

static int judge_words(
    const struct check *check, const struct settings *settings, const struct persons *persons)
{
    int status = check->word_count ? EXIT_DONE : judge_routes(settings, NULL, persons);
    for (size_t i = 0; i < check->word_count; i++) {
        char *word = check->words[i];
        int one =
            is_address(word) ? judge_address(word, persons) : judge_routes(settings, word, persons);
        if (one != EXIT_DONE)
            status = one;
    }
    return status;
}

static bool needs_settings(const struct check *check)
{
    bool named = check->path || check->word_count == 0;
    for (size_t i = 0; i < check->word_count; i++)
        named = named || !is_address(check->words[i]);
    return named;
}

static int check_as(const struct check *check)
{
    struct settings *settings = NULL;
    struct persons persons = { 0 };
    struct ferry_error error = { 0 };
    int status = EXIT_USAGE;
    if (person_parse(check->as, false, &persons.connected, &error) < 0 ||
        person_parse(check->as, true, &persons.sender, &error) < 0)
        command_fail("check", &error);
    else
        status = needs_settings(check) ? load_sound(check->path, &settings) : EXIT_DONE;
    if (status == EXIT_DONE)
        status = judge_words(check, settings, &persons);
    settings_free(settings);
    ferry_identity_free(persons.connected);
    ferry_identity_free(persons.sender);
    return status;
}

static int check_with_profile(const struct check *check)
{
    struct settings *settings = NULL;
    const struct ferry_profile *profile = NULL;
    struct ferry_error error;
    int r = 0;
    if (check->path && settings_load(check->path, services_all, &settings, &error) < 0)
        return command_fail("check", &error);
    int status = settings && problems_print(settings, stderr) > 0 ? EXIT_FAILED : EXIT_DONE;
    if (!settings)
        r = settings_new(&settings);
    if (r < 0)
        return command_fail_errno("check", "memory", r);
    if (status == EXIT_DONE && check->profile &&
        settings_find_profile(settings, check->profile, &profile, &error) < 0)
        status = command_fail("check", &error);
    if (status == EXIT_DONE)
        status = check_addresses(check, profile);
    settings_free(settings);
    return status;
}

int command_check(int argc, char **argv)
{
    struct check check = { 0 };
    if (argument_parse("check", &argp, argc, argv, 0, &check) != EXIT_DONE)
        return EXIT_FAILED;
    if (check.as)
        return check_as(&check);
    return check.word_count ? check_with_profile(&check) : check_settings(check.path);
}
