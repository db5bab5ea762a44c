/* look.c - the text that all who ask are told. */
#include "service/metrics/look.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "service/limits.h"
#include "service/metrics/machine.h"
#include "service/metrics/routes.h"

#include <time.h>

struct look {
    struct machine machine;
    struct page *page; /* the last; NULL */
    int64_t fresh_until_ns;
    bool told; /* that looking fails */
};

void page_release(struct page *page)
{
    if (!page || --page->references)
        return;
    bytes_fini(&page->text);
    free(page);
}

static void look_free(void *data)
{
    struct look *look = data;

    page_release(look->page);
    machine_fini(&look->machine);
    free(look);
}

static struct look *look_of(struct registry *registry)
{
    if (!registry->look) {
        registry->look = calloc(1, sizeof(struct look));
        registry->look_free = look_free;
    }
    return registry->look;
}

/* Told once for each time that it begins to fail. */
static void look_report(
    struct look *look, struct registry *registry, int code, const struct ferry_error *error)
{
    char reason[sizeof(*error) + 8];

    if (code < 0 && !look->told) {
        ferry_error_format(error, reason, sizeof(reason));
        event_emit(registry->events, &(struct event){ .kind = EVENT_TROUBLE, .reason = reason });
    }
    look->told = code < 0;
}

static void print_duration(int64_t took_ns, struct bytes *text)
{
    static const struct family family = { "ferry_look_seconds", "gauge",
        "How long the look at the machine took, during which nothing else was carried." };

    family_begin(text, &family);
    family_sample_seconds(text, &family, "", (double)took_ns / (double)NS_PER_S);
}

static struct page *page_make(struct look *look, struct registry *registry)
{
    struct page *page = calloc(1, sizeof(*page));
    struct ferry_error error;

    if (!page)
        return NULL;
    page->references = 1;
    int64_t begin_ns = clock_now_ns();
    look_report(look, registry, machine_look(&look->machine, &error), &error);
    int64_t took_ns = clock_now_ns() - begin_ns;
    routes_print(registry, &page->text);
    machine_print(&look->machine, &page->text);
    print_duration(took_ns, &page->text);
    if (bytes_failed(&page->text)) {
        page_release(page);
        return NULL;
    }
    return page;
}

/* Processor time: what a look takes from the rest, however busy the machine is with others. */
static int64_t work_now_ns(void)
{
    struct timespec now;

    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) < 0)
        return 0;
    return now.tv_sec * NS_PER_S + now.tv_nsec;
}

static void look_renew(struct look *look, struct registry *registry)
{
    int64_t begin_ns = work_now_ns();

    page_release(TAKE(look->page));
    look->page = page_make(look, registry);
    int64_t span_ns = (work_now_ns() - begin_ns) * LOOK_SHARE;
    look->fresh_until_ns = clock_after(
        clock_now_ns(), span_ns > LOOK_FRESH_MS * NS_PER_MS ? span_ns : LOOK_FRESH_MS * NS_PER_MS);
}

struct page *look_get_page(struct registry *registry)
{
    struct look *look = look_of(registry);

    if (!look)
        return NULL;
    if (!look->page || clock_now_ns() >= look->fresh_until_ns)
        look_renew(look, registry);
    if (look->page)
        look->page->references++;
    return look->page;
}
