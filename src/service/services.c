/* services.c - the table of services. */
#include "service/service.h"

#include <stddef.h>

const struct service *const services_all[] = {
    &service_echo,
    &service_clock,
    &service_control,
#ifdef HAVE_ENDPOINTS
    &service_metrics,
#endif
    NULL,
};
