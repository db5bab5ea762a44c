/* service.h - the services that ferry brings along: the table that `to = NAME` is looked up in.
 *
 * A service is one file or one folder; it fills a struct service (route/service.h) and knows
 * nothing of routes, listeners or policy: who reaches it has been admitted.
 */
#ifndef FERRY_SERVICE_SERVICE_H
#define FERRY_SERVICE_SERVICE_H

#include "route/service.h"

extern const struct service service_echo;
extern const struct service service_clock;
extern const struct service service_control;
#ifdef HAVE_ENDPOINTS
extern const struct service service_metrics;
#endif

/* All of them; NULL-terminated. */
extern const struct service *const services_all[];

#endif
