/* routes.h - what ferry itself carries and refuses, as series: a rendering of the registry. */
#ifndef FERRY_SERVICE_METRICS_ROUTES_H
#define FERRY_SERVICE_METRICS_ROUTES_H

#include "route/registry.h"
#include "service/metrics/exposition.h"

/* Appends the families of routes, rules, events and of this process. */
void routes_print(const struct registry *registry, struct bytes *text);

#endif
