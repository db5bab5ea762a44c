/* look.h - the text that all who ask are told, made at most once a second.
 *
 * A look at the machine costs the same whoever asks, and stands in the way of everything else that
 * this process carries. So the text is shared: it serves everybody for LOOK_FRESH_MS, and longer if
 * making it took long (LOOK_SHARE). The look belongs to the registry, which frees it; each page
 * lives for as long as somebody is still being told it, so a slow reader holds no copy of his own.
 */
#ifndef FERRY_SERVICE_METRICS_LOOK_H
#define FERRY_SERVICE_METRICS_LOOK_H

#include "base/bytes.h"
#include "route/registry.h"

struct page {
    unsigned references;
    struct bytes text;
};

/* The page of now; page_release() it. NULL: out of memory. */
struct page *look_get_page(struct registry *registry);
/* NULL is allowed. */
void page_release(struct page *page);

#endif
