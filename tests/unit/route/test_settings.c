/* test_settings.c - what a configuration asks for, and everything that is wrong with one. */
#include "route/settings.h"
#include "service/service.h"
#include "suite.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/ferry-settings-XXXXXX";
static struct settings *settings;

static void setup(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void teardown(void)
{
    char command[128];
    settings_free(settings);
    snprintf(command, sizeof(command), "rm -r %s", folder);
    ck_assert_int_eq(system(command), 0);
}

static void load(const char *text)
{
    settings_free(settings);
    settings = NULL;
    ck_assert_int_eq(settings_load_text("test", text, folder, services_all, &settings), 0);
}

static const char *put(const char *name, const char *text)
{
    static char path[256];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
    chmod(path, 0644);
    return path;
}

/* Finds "LINE:COLUMN KEY: TEXT"; COLUMN 0 stands for any. TEXT is a part of the problem's. */
static bool has_problem(unsigned line, unsigned column, const char *key, const char *text)
{
    for (size_t i = 0; i < config_problem_count(settings->config); i++) {
        const struct config_problem *problem = config_get_problem(settings->config, i);
        if (problem->place.line == line && (!column || problem->place.column == column) &&
            strcmp(problem->key, key) == 0 && strstr(problem->text, text))
            return true;
    }
    for (size_t i = 0; i < config_problem_count(settings->config); i++) {
        const struct config_problem *problem = config_get_problem(settings->config, i);
        fprintf(stderr, "%s:%u:%u: %s: %s\n", problem->place.file, problem->place.line,
            problem->place.column, problem->key, problem->text);
    }
    return false;
}

static size_t problems(void)
{
    return config_problem_count(settings->config);
}

START_TEST(test_a_whole_route)
{
    load("[ferry]\nlog = json\n"
         "[route docker]\n"
         "listen = unix:run/docker.sock,mode=0660\n"
         "deny   = uid:7\n"
         "allow  = uid:0 gid:0\n"
         "to     = unix:/run/docker.sock\n"
         "idle   = 5m\n"
         "total  = 2h\n"
         "[route echo]\nlisten = unix:e\nto = echo\n");
    ck_assert_uint_eq(problems(), 0);
    ck_assert(settings->log_given);
    ck_assert_int_eq(settings->log, LOG_JSON);
    ck_assert_uint_eq(settings->route_count, 2);
    const struct route_settings *route = settings->routes[0];
    char listen[256];
    snprintf(listen, sizeof(listen), "unix:%s/run/docker.sock,mode=0660", folder);
    ck_assert_str_eq(route->name, "docker");
    ck_assert_uint_eq(route->place.line, 3);
    ck_assert_str_eq(ferry_address_text(route->listen), listen);
    ck_assert_uint_eq(route->rule_count, 2);
    ck_assert(!route->rules[0].allow);
    ck_assert_str_eq(route->rules[1].subjects, "uid:0 gid:0");
    ck_assert_ptr_null(route->service);
    ck_assert_str_eq(route->to, "unix:/run/docker.sock");
    ck_assert_int_eq(route->idle_ms, 300000);
    ck_assert_int_eq(route->total_ms, 7200000);
    ck_assert_ptr_eq(settings->routes[1]->service, &service_echo);
    ck_assert_str_eq(settings->routes[1]->argument, "");
    ck_assert_ptr_null(settings->routes[1]->target);
}
END_TEST

START_TEST(test_all_problems_at_once)
{
    load("[route one]\n"               /* 1 */
         "listen = unix:a,moode=1\n"   /* 2 */
         "to = echo\n"                 /* 3 */
         "colour = red\n"              /* 4 */
         "[route two]\n"               /* 5 */
         "listen = unix:b\n"           /* 6 */
         "listen = unix:c\n"           /* 7 */
         "to = ecko\n"                 /* 8 */
         "idle = soon\n"               /* 9 */
         "[route three]\n"             /* 10 */
         "[route two]\n"               /* 11 */
         "listen = unix:b,mode=0666\n" /* 12 */
         "to = echo\n"                 /* 13 */
         "[rout]\n"                    /* 14 */
         "[ferry]\n"                   /* 15 */
         "log = xml\n"                 /* 16 */
         "level = 3\n"                 /* 17 */
         "[route]\n"                   /* 18 */
         "[route four]\n"              /* 19 */
         "listen = unix:d\n"           /* 20 */
         "allow = nobody-here\n"       /* 21 */
         "to = echo:loud\n");          /* 22 */
    ck_assert(has_problem(2, 0, "listen", "moode"));
    ck_assert(has_problem(4, 0, "colour", "listen, allow, deny, to, idle, total"));
    ck_assert(has_problem(7, 10, "listen", "line 6"));
    ck_assert(has_problem(8, 6, "to", "echo, clock, control"));
    ck_assert(has_problem(9, 8, "idle", "soon"));
    ck_assert(has_problem(10, 0, "listen", "missing"));
    ck_assert(has_problem(10, 0, "to", "missing"));
    ck_assert(has_problem(11, 0, "", "test:5"));
    ck_assert(has_problem(12, 10, "listen", "route two"));
    ck_assert(has_problem(14, 0, "", "[rout]"));
    ck_assert(has_problem(16, 7, "log", "xml"));
    ck_assert(has_problem(17, 0, "level", "log, per-uid, include"));
    ck_assert(has_problem(18, 0, "", "[route NAME]"));
    ck_assert(has_problem(21, 9, "allow", "nobody-here"));
    ck_assert_uint_eq(problems(), 14);
}
END_TEST

START_TEST(test_columns_point_into_the_address)
{
    load("[route one]\n  listen =   unix:abc,mode=9\n  to = echo\n");
    /* the value begins in column 14, the 9 stands 14 bytes into it */
    ck_assert(has_problem(2, 28, "listen", ""));
    ck_assert_uint_eq(problems(), 1);
    ck_assert_ptr_null(strstr(config_get_problem(settings->config, 0)->text, "column"));
}
END_TEST

START_TEST(test_a_scheme_is_never_a_service)
{
    static const struct service unix_service = { .name = "unix" };
    static const struct service *const own[] = { &unix_service, NULL };
    ck_assert_int_eq(
        settings_load_text("test", "[route a]\nlisten=unix:a\nto=unix:b\n", folder, own, &settings),
        0);
    ck_assert_uint_eq(problems(), 0);
    ck_assert_ptr_null(settings->routes[0]->service);
    ck_assert_ptr_nonnull(settings->routes[0]->target);
}
END_TEST

START_TEST(test_ports_need_rules)
{
    load("[route a]\nlisten = tcp:8080\nto = unix:b\n"
         "[route b]\nlisten = tcp:8081\nto = echo\n"
         "[route c]\nlisten = tcp:8082\nallow = any\nto = unix:b\n"
         "[route d]\nlisten = tcp:*:8083\nto = echo\n"
         "[route e]\nlisten = tcp:8084\nto = control\n"
         "[route f]\nlisten = tcp:8085\nallow = uid:0\nto = echo\n");
    ck_assert(has_problem(2, 10, "listen", "every local user can connect"));
    ck_assert(
        has_problem(2, 10, "listen", "say allow = any (--allow any), or listen on unix:PATH"));
    ck_assert(has_problem(12, 10, "listen", "everybody who reaches this machine"));
    ck_assert(has_problem(15, 10, "listen", "listen on unix:PATH"));
    ck_assert(has_problem(19, 9, "allow", "nobody vouches"));
    ck_assert_uint_eq(problems(), 4);
}
END_TEST

START_TEST(test_rules_of_an_address_are_the_routes)
{
    load("[route a]\nlisten = unix:a,mode=0666,allow=uid:1 uid:2,deny=gid:3\nto = echo\n"
         "[route b]\nlisten = tcp:*:8080,allow=peer:10.0.0.0/8\nto = unix:b\n");
    ck_assert_uint_eq(problems(), 0);
    const struct route_settings *route = settings->routes[0];
    ck_assert_uint_eq(route->rule_count, 2);
    ck_assert(!route->rules[0].allow && route->rules[1].allow);
    ck_assert_str_eq(route->rules[0].subjects, "gid:3");
    ck_assert_str_eq(route->rules[1].subjects, "uid:1 uid:2");
    ck_assert_ptr_null(strstr(ferry_address_text(route->listen), "allow"));
    ck_assert_ptr_nonnull(strstr(ferry_address_text(route->listen), "mode=0666"));
    ck_assert_uint_eq(settings->routes[1]->rule_count, 1);
}
END_TEST

START_TEST(test_mistakes_in_the_rules_of_an_address)
{
    load("[route a]\nlisten = unix:a,allow=uid:1\nallow = uid:2\nto = echo\n"
         "[route b]\nallow = uid:2\ndeny = any\nlisten = unix:b,deny=uid:1\nto = echo\n"
         "[route c]\nlisten = unix:c,allow=user:nobody-here\nto = echo\n"
         "[route d]\nlisten = unix:d,allow=peer:::1\nto = echo\n"
         "[route e]\nlisten = tcp:8099,allow=uid:0\nto = echo\n"
         "[route f]\nlisten = unix:f,allow=uid:x\nto = echo\n"
         "[route g]\nlisten = unix:g\nto = unix:h,allow=any\n");
    ck_assert(has_problem(3, 9, "allow", "line 2 says with allow= or deny= in the address"));
    ck_assert(has_problem(6, 9, "allow", "line 8 says with allow= or deny= in the address"));
    ck_assert(has_problem(11, 10, "listen", "there is no such user"));
    ck_assert(has_problem(14, 10, "listen", "by no network"));
    ck_assert(has_problem(17, 10, "listen", "nobody vouches"));
    ck_assert(has_problem(20, 0, "listen", "uid:x: expected a number after uid:"));
    ck_assert(has_problem(24, 6, "to", "dialling cannot use allow"));
    ck_assert_uint_eq(problems(), 7);
}
END_TEST

START_TEST(test_a_dry_run_is_a_change)
{
    load("[route a]\nlisten = unix:a\nto = echo\ndry-run = yes\n"
         "[route b]\nlisten = unix:b\nto = echo\ndry-run = no\n"
         "[route c]\nlisten = unix:c\nto = echo\ndry-run = 1\n");
    ck_assert(settings->routes[0]->dry_run && !settings->routes[1]->dry_run);
    ck_assert(has_problem(12, 11, "dry-run", "\"1\" is neither yes nor no"));
    ck_assert(route_settings_equal(settings->routes[0], settings->routes[0]));
    settings->routes[0]->dry_run = false;
    struct route_settings other = *settings->routes[0];
    other.dry_run = true;
    ck_assert(!route_settings_equal(settings->routes[0], &other));
}
END_TEST

START_TEST(test_who_writes_a_fifo_is_unknown)
{
    load("[route a]\nlisten = fifo:a\nallow = uid:0\nto = unix:b\n"
         "[route b]\nlisten = fifo:b\nallow = any\nto = unix:b\n"
         "[route c]\nlisten = fifo:c\nto = unix:b\n");
    ck_assert(has_problem(3, 9, "allow", "nobody vouches"));
    ck_assert_uint_eq(problems(), 1);
}
END_TEST

START_TEST(test_bytes_and_messages_need_a_frame)
{
    load("[route a]\nlisten = unix:a\nto = unix-dgram:b\n"
         "[route b]\nlisten = unix:c,frame=lf\nto = unix-dgram:b\n"
         "[route c]\nlisten = unix-dgram:d\nto = unix:b,frame=none\n");
    ck_assert(has_problem(3, 6, "to", "frame=lf"));
    ck_assert_uint_eq(problems(), 1);
}
END_TEST

START_TEST(test_a_broken_route_has_its_rules_checked)
{
    static const unsigned lines[] = { 1, 2, 4, 8 };
    load("[route b]\nlisen = x\nto = echo\nallow = uid:x\n"
         "[route c]\nlisten = unix:c\nallow = uid:1\ndeny = uid:2 nobody-here\nallow = any\n"
         "to = echo\n");
    ck_assert(has_problem(1, 0, "listen", "missing"));
    ck_assert(has_problem(2, 0, "lisen", "no such key"));
    ck_assert(has_problem(4, 9, "allow", "expected a number after uid:"));
    ck_assert(has_problem(8, 8, "deny", "nobody-here"));
    ck_assert_uint_eq(problems(), 4);
    for (size_t i = 0; i < 4; i++)
        ck_assert_uint_eq(config_get_problem(settings->config, i)->place.line, lines[i]);
}
END_TEST

START_TEST(test_a_service_needs_what_its_listener_has)
{
    load("[route a]\nlisten = tcp:18200\nallow = any\nto = control\n"
         "[route b]\nlisten = unix-dgram:b\nto = control\n"
         "[route c]\nlisten = unix:c,frame=lf\nto = control\n"
         "[route d]\nlisten = unix:d\nto = control\n"
         "[route e]\nlisten = fd:e\nto = control\n"
         "[route f]\nlisten = fifo:f\nto = echo\n"
         "[route g]\nlisten = fifo:g,reply=h\nto = echo\n"
         "[route i]\nlisten = mq:/i\nto = clock\n"
         "[route j]\nlisten = file:j\nto = echo\n"
         "[route k]\nlisten = file:k,append\nto = echo\n"
         "[route l]\nlisten = file:l,append\nto = clock\n");
    ck_assert(has_problem(2, 10, "listen", "nobody vouches for who comes there"));
    ck_assert(has_problem(2, 10, "listen", "listen on unix:PATH"));
    ck_assert(has_problem(6, 10, "listen", "control takes bytes, not messages"));
    ck_assert(has_problem(9, 10, "listen", "control takes bytes, not messages"));
    ck_assert(has_problem(18, 10, "listen", "nothing can be answered there; give reply=PATH"));
    ck_assert(has_problem(24, 10, "listen", "nothing can be answered there; give reply=/NAME"));
    ck_assert(has_problem(27, 10, "listen", "nothing can be answered there"));
    ck_assert(has_problem(30, 10, "listen", "nothing comes from there"));
    ck_assert_uint_eq(problems(), 7);
}
END_TEST

START_TEST(test_a_command_stands_beside_no_configuration)
{
    struct ferry_error error;
    const char *path = put("a.conf", "[route a]\nlisten = unix:a\nto = exec:./hi.sh\n");
    ck_assert_int_eq(settings_load(path, services_all, &settings, &error), 0);
    ck_assert(has_problem(3, 11, "to", "a name that PATH finds, found './hi.sh'"));
    settings_free(settings);
    settings = NULL;
    ck_assert_int_eq(chdir(folder), 0); /* and so that the text of the path makes no difference */
    ck_assert_int_eq(settings_load("a.conf", services_all, &settings, &error), 0);
    ck_assert(has_problem(3, 11, "to", "a name that PATH finds, found './hi.sh'"));
}
END_TEST

START_TEST(test_includes)
{
    char text[512];
    put("one.conf", "include = two.conf\n[route one]\nlisten = unix:one\nto = echo\n");
    put("two.conf", "[route two]\nlisten = unix:two\nto = nothing\n");
    snprintf(text, sizeof(text), "include = o*.conf\ninclude = none-*.conf\ninclude = missing\n");
    load(text);
    ck_assert_uint_eq(settings->route_count, 2);
    ck_assert(has_problem(3, 11, "include", "no such file"));
    ck_assert(has_problem(3, 6, "to", "nothing"));
    ck_assert_uint_eq(problems(), 2);
    char two[128];
    snprintf(two, sizeof(two), "%s/two.conf", folder);
    bool there = false;
    for (size_t i = 0; i < 2; i++)
        there |= strcmp(config_get_problem(settings->config, i)->place.file, two) == 0;
    ck_assert(there);
}
END_TEST

/* What stands there is not left out unseen, as a folder is that is not there. */
START_TEST(test_an_include_whose_folder_cannot_be_read)
{
    char loop[128];
    snprintf(loop, sizeof(loop), "%s/loop", folder);
    ck_assert_int_eq(symlink("loop", loop), 0);
    load("include = nowhere/*.conf\ninclude = loop/*.conf\n");
    ck_assert(has_problem(2, 11, "include", "loop/*.conf: a directory can't be read"));
    ck_assert_uint_eq(problems(), 1);
}
END_TEST

START_TEST(test_includes_have_an_end)
{
    char name[32], text[64];
    put("self.conf", "include = self.conf\n[route self]\nlisten = unix:s\nto = echo\n");
    load("include = self.conf\n");
    ck_assert_uint_eq(settings->route_count, 1);
    ck_assert_uint_eq(problems(), 0);
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "deep%d", i);
        snprintf(text, sizeof(text), "include = deep%d\n", i + 1);
        put(name, text);
    }
    load("include = deep0\n");
    ck_assert(has_problem(1, 11, "include", "more than 8 deep"));
    ck_assert_uint_eq(problems(), 1);
}
END_TEST

START_TEST(test_a_folder_is_read_in_order)
{
    struct ferry_error error;
    put("20-b.conf", "[route b]\nlisten = unix:b\nto = echo\n");
    put("10-a.conf", "[route a]\nlisten = unix:a\nto = echo\n");
    put("readme.txt", "not a configuration\n");
    ck_assert_int_eq(settings_load(folder, services_all, &settings, &error), 0);
    ck_assert_uint_eq(problems(), 0);
    ck_assert_uint_eq(settings->route_count, 2);
    ck_assert_str_eq(settings->routes[0]->name, "a");
    ck_assert_str_eq(settings->routes[1]->name, "b");
}
END_TEST

START_TEST(test_a_folder_without_a_configuration_has_no_routes)
{
    struct ferry_error error;
    put("readme.txt", "not a configuration\n");
    ck_assert_int_eq(settings_load(folder, services_all, &settings, &error), 0);
    ck_assert_uint_eq(problems(), 0);
    ck_assert_uint_eq(settings->route_count, 0);
}
END_TEST

START_TEST(test_a_path_that_cannot_be_read)
{
    struct ferry_error error;
    struct settings *none = NULL;
    ck_assert_int_eq(settings_load("/nowhere/x.conf", services_all, &none, &error), -ENOENT);
    ck_assert_str_eq(error.thing, "/nowhere/x.conf");
    ck_assert_ptr_null(none);
}
END_TEST

START_TEST(test_what_anybody_can_change_is_not_believed)
{
    struct ferry_error error;
    struct settings *none = NULL;
    if (skipped_without_root())
        return; /* others can only harm themselves */
    const char *path = put("a.conf", "[route a]\nlisten = unix:a\nto = echo\n");
    chmod(path, 0646);
    ck_assert_int_eq(settings_load(path, services_all, &none, &error), -EPERM);
    ck_assert_str_eq(error.reason, "could be changed by anybody");
    load("include = a.conf\n");
    ck_assert(has_problem(1, 11, "include", "could be changed by anybody; chmod o-w"));
}
END_TEST

START_TEST(test_routes_from_the_command_line)
{
    struct ferry_error error;
    const struct rule_settings rule = { true, (char *)(uintptr_t) "uid:0" };
    const struct route_words words = { .name = "relay",
        .listen = "unix:a",
        .to = "unix:b",
        .rules = &rule,
        .rule_count = 1,
        .idle_ms = 5,
        .total_ms = 6,
        .per_uid = "rate=7/s",
        .profile = "web",
        .group = "0",
        .dry_run = true };
    ck_assert_int_eq(settings_new(&settings), 0);
    ck_assert_int_eq(settings_add_route(settings, &words, services_all, &error), 0);
    ck_assert_uint_eq(settings->route_count, 1);
    const struct route_settings *route = settings->routes[0];
    ck_assert_int_eq(route->idle_ms, 5);
    ck_assert_int_eq(route->total_ms, 6);
    ck_assert_uint_eq(route->per_uid.rate, 7);
    ck_assert_str_eq(route->profile_name, "web");
    ck_assert_str_eq(route->group, "0");
    ck_assert(route->dry_run);
    const struct route_words open = { .name = "b", .listen = "tcp:1", .to = "unix:b" };
    const struct route_words bad = { .name = "c", .listen = "unix:", .to = "unix:b" };
    ck_assert_int_eq(settings_add_route(settings, &open, services_all, &error), -EACCES);
    ck_assert_str_eq(error.thing, "tcp:1");
    ck_assert_int_eq(settings_add_route(settings, &bad, services_all, &error), -EINVAL);
    ck_assert_uint_eq(settings->route_count, 1);
}
END_TEST

static const struct {
    const char *one, *other;
    bool equal;
} pairs[] = {
    { "listen=unix:a\nto=echo\n", "to = echo\nlisten = unix:a\n", true },
    { "listen=unix:a\nto=echo\n", "listen=unix:b\nto=echo\n", false },
    { "listen=unix:a\nto=echo\n", "listen=unix:a\nto=clock\n", false },
    { "listen=unix:a\nto=echo\n", "listen=unix:a\nto=unix:b\n", false },
    { "listen=unix:a\nto=unix:c\n", "listen=unix:a\nto=unix:b\n", false },
    { "listen=unix:a\nto=unix:b\n", "listen=unix:a\nto=unix:b\n", true },
    { "listen=unix:a\nallow=any\nto=echo\n", "listen=unix:a\ndeny=any\nto=echo\n", false },
    { "listen=unix:a\nallow=any\nto=echo\n", "listen=unix:a\nto=echo\n", false },
    { "listen=unix:a\nidle=1\nto=echo\n", "listen=unix:a\nidle=2\nto=echo\n", false },
    { "listen=unix:a\ntotal=1\nto=echo\n", "listen=unix:a\nto=echo\n", false },
    { "listen=unix:a\nprofile=web\nto=echo\n", "listen=unix:a\nto=echo\n", false },
    { "listen=unix:a\nprofile=web\nto=echo\n",
        "listen=unix:a\nto=echo\nprofile=p\n"
        "[profile p]\nextends=web\n",
        true },
    { "listen=unix:a\nprofile=p\nto=echo\n[profile p]\nkeepcnt=1\n",
        "listen=unix:a\nto=echo\nprofile=p\n[profile p]\nkeepcnt=2\n", false },
};

START_TEST(test_equality)
{
    struct settings *one;
    char text[256];
    snprintf(text, sizeof(text), "[route r]\n%s", pairs[_i].one);
    load(text);
    one = settings;
    settings = NULL;
    snprintf(text, sizeof(text), "[route r]\n%s", pairs[_i].other);
    load(text);
    ck_assert_int_eq(route_settings_equal(one->routes[0], settings->routes[0]), pairs[_i].equal);
    settings_free(one);
}
END_TEST

START_TEST(test_profiles_extend_profiles)
{
    load("[route r]\nlisten = unix:a\nto = echo\nprofile = last\n"
         "[profile last]\nextends = middle\nkeepcnt = 3\n"
         "[profile middle]\nextends = web\nkeepcnt = 2\nkeepidle = 9s\nlinger = 0\n");
    ck_assert_uint_eq(problems(), 0);
    const struct ferry_profile *profile = settings->routes[0]->profile;
    ck_assert_str_eq(settings->routes[0]->profile_name, "last");
    ck_assert_str_eq(ferry_profile_get(profile, "keepcnt"), "3");
    ck_assert_str_eq(ferry_profile_get(profile, "keepidle"), "9s");
    ck_assert_str_eq(ferry_profile_get(profile, "linger"), "0");
    ck_assert_str_eq(ferry_profile_get(profile, "keepintvl"), "15s");
}
END_TEST

/* Each mistake is told once, where it stands: not again by what extends or names it. */
START_TEST(test_what_is_wrong_with_profiles)
{
    load("[route r]\nlisten = unix:a\nto = echo\nprofile = b\nprofile = b\n"
         "[profile a]\nextends = b\n"
         "[profile b]\nextends = c\nextends = web\n"
         "[profile c]\nextends = a\n"
         "[profile d]\nkeepcnt = 300\nkeepcnt = 3\nkeepcnt = 4\n"
         "[profile e]\nextends = d\n"
         "[profile d]\n[profile]\n[profile bulk]\n");
    ck_assert(has_problem(5, 11, "profile", "was set already"));
    ck_assert(has_problem(10, 11, "extends", "was set already in line 9"));
    ck_assert(has_problem(14, 11, "keepcnt", "from 1 to 127"));
    ck_assert(has_problem(16, 11, "keepcnt", "was set already"));
    ck_assert(has_problem(19, 0, "", "there is a profile d already, in test:13"));
    ck_assert(has_problem(20, 0, "", "needs a name"));
    ck_assert(has_problem(21, 0, "", "bulk is built in"));
    ck_assert_uint_eq(problems(), 7);
}
END_TEST

START_TEST(test_a_chain_of_profiles_has_an_end)
{
    load("[profile a]\nextends = b\n[profile b]\nextends = b\n[profile c]\nextends = nosuch\n");
    ck_assert(has_problem(4, 11, "extends", "in the end b extends itself"));
    ck_assert(has_problem(6, 11, "extends", "there are: web, realtime, bulk, a, b, c"));
    ck_assert_uint_eq(problems(), 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("route/settings");
    TCase *cases = tcase_create("settings");
    tcase_set_timeout(cases, 10);
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, test_a_whole_route);
    tcase_add_test(cases, test_all_problems_at_once);
    tcase_add_test(cases, test_columns_point_into_the_address);
    tcase_add_test(cases, test_a_scheme_is_never_a_service);
    tcase_add_test(cases, test_ports_need_rules);
    tcase_add_test(cases, test_rules_of_an_address_are_the_routes);
    tcase_add_test(cases, test_mistakes_in_the_rules_of_an_address);
    tcase_add_test(cases, test_a_dry_run_is_a_change);
    tcase_add_test(cases, test_who_writes_a_fifo_is_unknown);
    tcase_add_test(cases, test_bytes_and_messages_need_a_frame);
    tcase_add_test(cases, test_a_broken_route_has_its_rules_checked);
    tcase_add_test(cases, test_a_service_needs_what_its_listener_has);
    tcase_add_test(cases, test_a_command_stands_beside_no_configuration);
    tcase_add_test(cases, test_includes);
    tcase_add_test(cases, test_an_include_whose_folder_cannot_be_read);
    tcase_add_test(cases, test_includes_have_an_end);
    tcase_add_test(cases, test_a_folder_is_read_in_order);
    tcase_add_test(cases, test_a_folder_without_a_configuration_has_no_routes);
    tcase_add_test(cases, test_a_path_that_cannot_be_read);
    tcase_add_test(cases, test_what_anybody_can_change_is_not_believed);
    tcase_add_test(cases, test_routes_from_the_command_line);
    tcase_add_test(cases, test_profiles_extend_profiles);
    tcase_add_test(cases, test_what_is_wrong_with_profiles);
    tcase_add_test(cases, test_a_chain_of_profiles_has_an_end);
    tcase_add_loop_test(cases, test_equality, 0, sizeof(pairs) / sizeof(pairs[0]));
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
