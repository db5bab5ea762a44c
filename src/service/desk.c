/* desk.c - where a service sits that only answers. */
#include "service/desk.h"
#include "base/cleanup.h"
#include "route/limits.h"
#include "wire/capabilities.h"

#include <errno.h>

static void desk_free(struct serving *serving)
{
    ferry_source_remove(serving->source);
    ferry_channel_close(serving->channel);
    ferry_inbox_free(serving->inbox);
    if (serving->handler->fini)
        serving->handler->fini(serving);
    free(serving);
}

static void desk_ready(struct ferry_source *source, unsigned events, void *data)
{
    struct serving *serving = data;
    int interest = serving->handler->work(serving);

    (void)events;
    if (interest > 0) {
        ferry_source_set_interest(source, (unsigned)interest);
        return;
    }
    /* Who asks nothing more is told nothing more: the relay passes this end on. */
    if (interest < 0)
        (void)ferry_channel_shutdown(serving->channel);
    ferry_source_remove(TAKE(serving->source));
}

static void desk_done(struct ferry_relay *relay, int code, const char *text, void *data)
{
    struct serving *serving = data;
    const struct desk_handler *handler = serving->handler;
    struct ferry_relay_stats stats;

    ferry_relay_get_stats(relay, &stats);
    if (code == -ETIMEDOUT && handler->told && handler->told(serving, &stats))
        code = 0;
    serving->done(code, text, serving->data);
    desk_free(serving);
}

static void desk_tap(
    struct ferry_relay *relay, bool forth, const struct ferry_message *message, void *data)
{
    const struct serving *serving = data;
    serving->tap(relay, forth, message, serving->tap_data);
}

/* The relay's time-outs. A sender of datagrams never says that it has gone. */
static void desk_limit(const struct service_call *call, const struct desk_handler *handler,
    struct ferry_relay_options *options)
{
    unsigned capabilities = ferry_channel_capabilities(call->channel);
    bool endless = capabilities_are_endless(capabilities);
    int64_t most = handler->total_ms_max;

    options->idle_timeout_ms = endless && !call->idle_ms ? SESSION_IDLE_MS : call->idle_ms;
    options->total_timeout_ms = call->total_ms;
    if (most && (!call->total_ms || call->total_ms > most))
        options->total_timeout_ms = most;
}

/* Starts the relay between the client and the far end of the pair; takes both, and closes them on
 * failure too. */
static int desk_connect(
    struct serving *serving, const struct service_call *call, struct ferry_channel *far)
{
    struct ferry_relay_options options = {
        .struct_size = sizeof(options),
        .done = desk_done,
        .tap = call->tap ? desk_tap : NULL,
        .quota = call->quota,
        .data = serving,
    };
    desk_limit(call, serving->handler, &options);
    return ferry_relay_start(call->loop, call->pool, call->channel, far, &options, &serving->relay);
}

static int desk_begin(struct serving *serving, struct ferry_loop *loop)
{
    const struct desk_handler *handler = serving->handler;
    int code = handler->inbox_size ? ferry_inbox_new(handler->inbox_size, 1, &serving->inbox) : 0;

    if (code < 0)
        return code;
    int interest = handler->begin ? handler->begin(serving) : FERRY_READABLE;
    if (interest <= 0)
        return interest;
    int fd = ferry_channel_fd(serving->channel, FERRY_RECEIVE);
    return ferry_loop_watch(loop, fd, (unsigned)interest, desk_ready, serving, &serving->source);
}

static struct serving *serving_new(
    const struct service_call *call, const struct desk_handler *handler)
{
    struct serving *serving = calloc(1, handler->size);

    if (serving)
        *serving = (struct serving){
            .handler = handler,
            .registry = call->registry,
            .tap = call->tap,
            .tap_data = call->tap_data,
            .done = call->done,
            .data = call->data,
        };
    return serving;
}

int desk_serve(const struct service_call *call, const struct desk_handler *handler,
    struct serving **ret_serving)
{
    struct ferry_channel *far = NULL;
    struct serving *serving = serving_new(call, handler);
    int code = -ENOMEM;

    if (!serving)
        goto fail;
    code = ferry_channel_pair(handler->pair, &far, &serving->channel);
    if (code < 0)
        goto fail;
    code = desk_begin(serving, call->loop);
    if (code < 0)
        goto fail;
    code = desk_connect(serving, call, far);
    if (code < 0) {
        desk_free(serving);
        return code;
    }
    *ret_serving = serving;
    return 0;

fail:
    ferry_channel_close(far);
    ferry_channel_close(call->channel);
    if (serving)
        desk_free(serving);
    return code;
}

void desk_stop(struct serving *serving)
{
    ferry_relay_stop(serving->relay);
    desk_free(serving);
}

void desk_get_stats(const struct serving *serving, struct ferry_relay_stats *ret_stats)
{
    ferry_relay_get_stats(serving->relay, ret_stats);
}

struct ferry_channel *desk_get_channel(const struct serving *serving, bool other)
{
    return other ? NULL : ferry_relay_get_channel(serving->relay, false);
}
