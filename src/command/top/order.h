/* order.h - which rows are shown, and in what order.
 *
 * Only the rows that fit are sorted: the first `wanted` of all are selected, which takes time in
 * proportion to how many there are, and then put in order.
 */
#ifndef FERRY_COMMAND_TOP_ORDER_H
#define FERRY_COMMAND_TOP_ORDER_H

#include "command/top/cells.h"

struct top_order {
    enum top_column sort;
    bool reverse;
    const char *filter; /* NULL or "": all */
    uint32_t *places;   /* of rows in the model: the first `sorted` of them in order */
    size_t count;       /* that pass the filter */
    size_t sorted, capacity;
};

void top_order_fini(struct top_order *order);
/* Returns 0, -ENOMEM. */
int top_order_make(struct top_order *order, const struct top_model *model, size_t wanted);

#endif
