/* settings.c - what must hold of a configuration as a whole: the routes that it asks for, or what
 * is wrong with it. */
#include "route/settings.h"
#include "base/cleanup.h"
#include "properties.h"
#include "require.h"
#include "service/service.h"

#include <string.h>

static size_t count_lines(const char *text)
{
    size_t count = 1;
    for (; *text; text++)
        count += *text == '\n';
    return count;
}

/* Each is told at its place, in one line that can stand on a terminal. */
static void require_problems(const struct settings *settings, const char *text)
{
    size_t lines = count_lines(text);

    for (size_t i = 0; i < config_problem_count(settings->config); i++) {
        const struct config_problem *problem = config_get_problem(settings->config, i);
        REQUIRE(problem->place.line >= 1 && problem->place.line <= lines);
        REQUIRE(problem->place.column >= 1 && problem->place.column <= strlen(text) + 1);
        REQUIRE(problem->text[0] && !strchr(problem->text, '\n'));
        require_printable(problem->text, strlen(problem->text));
    }
}

/* What is asked for can be had: an address to listen on, something to lead to, and nothing that is
 * found wrong when it is looked at again. */
static void require_route(const struct route_settings *route)
{
    struct ferry_address *again;
    struct ferry_error error = { 0 };

    REQUIRE(route->name && route->name[0] && route->listen && route->to);
    REQUIRE(!route->target != !route->service);
    REQUIRE(!ferry_address_option(route->listen, "allow"));
    REQUIRE(!ferry_address_option(route->listen, "deny"));
    REQUIRE(ferry_address_parse(ferry_address_text(route->listen), NULL, &again, NULL) == 0);
    REQUIRE(ferry_address_equal(route->listen, again));
    ferry_address_free(again);
    REQUIRE(route_settings_check(route, &error) == 0);
    REQUIRE(route->idle_ms >= 0 && route->total_ms >= 0);
}

/* Read twice, it asks for the same, or a reload would touch what nobody changed. */
static void require_same(const struct settings *one, const struct settings *other)
{
    size_t count = config_problem_count(one->config);

    REQUIRE(count == config_problem_count(other->config));
    REQUIRE(one->route_count == other->route_count && one->log == other->log);
    for (size_t i = 0; i < count; i++)
        REQUIRE(strcmp(config_get_problem(one->config, i)->text,
                    config_get_problem(other->config, i)->text) == 0);
    for (size_t i = 0; i < one->route_count && !count; i++)
        REQUIRE(route_settings_equal(one->routes[i], other->routes[i]));
}

/* Without files that it includes: they would be whatever stands on this machine. */
int property_settings(const uint8_t *data, size_t size)
{
    AUTO_FREE char *text = strndup((const char *)data, size);
    struct settings *one, *other;

    REQUIRE(text);
    if (strstr(text, "include"))
        return 0;
    size_t descriptors = count_descriptors();
    REQUIRE(settings_load_text("one", text, "/folder", services_all, &one) == 0);
    REQUIRE(settings_load_text("one", text, "/folder", services_all, &other) == 0);
    require_problems(one, text);
    require_same(one, other);
    bool good = config_problem_count(one->config) == 0;
    for (size_t i = 0; i < one->route_count && good; i++)
        require_route(one->routes[i]);
    int found = good && one->route_count > 0;
    settings_free(one);
    settings_free(other);
    REQUIRE(count_descriptors() == descriptors);
    return found;
}
