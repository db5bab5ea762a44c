/* target.h - the service that an address is: see service_target in route/service.h. */
#ifndef FERRY_ROUTE_TARGET_H
#define FERRY_ROUTE_TARGET_H

/* Removes FERRY_ROUTE, FERRY_PEER and the like from our environment: they tell an exec: target who
 * called, and those of whoever started us must not pass for our peer's. Before threads start. */
void target_forget_caller(void);

#endif
