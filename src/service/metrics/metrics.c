/* metrics.c - the service that tells a collector (Prometheus) what this machine has open and what
 * ferry carries: one HTTP request, one answer, and the end.
 *
 * The service sits at one end of a socket pair and a relay carries between the other end and the
 * client, as with the clock: so any stream will do, and slow clients, half-closed ones and
 * time-outs are the relay's. What a client can cost us is this connection until METRICS_TOTAL_MS
 * have passed, and REQUEST_SIZE_MAX bytes; the answer is shared by all (look.h).
 *
 * A serving owns the relay (which owns the client's channel), its own end of the pair, `desk`, and
 * a reference to the page that is being sent.
 */
#include "base/bytes.h"
#include "base/cleanup.h"
#include "process/sandbox.h"
#include "service/limits.h"
#include "service/metrics/look.h"
#include "service/metrics/request.h"
#include "service/service.h"

#include <errno.h>
#include <string.h>
#include <time.h>

struct serving {
    struct registry *registry; /* borrowed */
    struct ferry_relay *relay;
    struct ferry_channel *desk;
    struct ferry_source *source;
    struct ferry_inbox *inbox;
    struct bytes input; /* of a request whose head is not complete */
    struct bytes head;  /* of the answer, with its content if that is no page */
    struct page *page;  /* NULL: none */
    struct iovec buffers[2];
    struct ferry_outgoing outgoing; /* the answer on its way */
    bool answering;
    size_t answer_size;
    size_t discarded; /* bytes that came behind the request */
    ferry_relay_tap tap;
    void *tap_data;
    void (*done)(int code, const char *reason, void *data);
    void *data;
};

static void metrics_free(struct serving *serving)
{
    ferry_source_remove(serving->source);
    ferry_channel_close(serving->desk);
    ferry_inbox_free(serving->inbox);
    bytes_fini(&serving->input);
    bytes_fini(&serving->head);
    page_release(serving->page);
    free(serving);
}

/* --- answering -------------------------------------------------------------------------------- */

/* The names of days and months are HTTP's, not the locale's. */
static void append_date(struct bytes *head)
{
    static const char days[][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep",
        "Oct", "Nov", "Dec" };
    time_t now = time(NULL);
    struct tm date;

    if (gmtime_r(&now, &date))
        bytes_print(head, "Date: %s, %02d %s %d %02d:%02d:%02d GMT\r\n", days[date.tm_wday],
            date.tm_mday, months[date.tm_mon], date.tm_year + 1900, date.tm_hour, date.tm_min,
            date.tm_sec);
}

static void append_head(struct bytes *head, int status, size_t content_size)
{
    bytes_print(head, "HTTP/1.1 %d %s\r\n", status, request_status_name(status));
    append_date(head);
    bytes_print(head, "Content-Type: text/plain%s; charset=utf-8\r\nContent-Length: %zu\r\n",
        status == 200 ? "; version=0.0.4" : "", content_size);
    if (status == 405)
        bytes_append_text(head, "Allow: GET, HEAD\r\n");
    bytes_append_text(head, "Connection: close\r\n\r\n");
}

static void append_refusal(struct bytes *head, const struct request *request)
{
    append_head(head, request->status, strlen(request->why) + 1);
    if (request->head_only)
        return;
    bytes_append_text(head, request->why);
    bytes_append_char(head, '\n');
}

static int metrics_answer(struct serving *serving, struct request *request)
{
    struct ferry_outgoing *outgoing = &serving->outgoing;

    bytes_fini(&serving->input);
    if (request->status == 200)
        serving->page = look_get_page(serving->registry);
    if (request->status == 200 && !serving->page) {
        request->status = 503;
        request->why = "out of memory";
    }
    if (serving->page)
        append_head(&serving->head, request->status, serving->page->text.size);
    else
        append_refusal(&serving->head, request);
    if (bytes_failed(&serving->head))
        return -ENOMEM;
    serving->buffers[0] = (struct iovec){ serving->head.data, serving->head.size };
    outgoing->buffers = serving->buffers;
    outgoing->buffer_count = 1;
    if (serving->page && !request->head_only)
        serving->buffers[outgoing->buffer_count++] =
            (struct iovec){ serving->page->text.data, serving->page->text.size };
    for (size_t i = 0; i < outgoing->buffer_count; i++)
        serving->answer_size += serving->buffers[i].iov_len;
    serving->answering = true;
    return 0;
}

/* Sends on; once all is gone, that is the end of what we say. */
static int metrics_send(struct serving *serving)
{
    int code = ferry_channel_try_send(serving->desk, &serving->outgoing, 1);

    if (code < 0)
        return code;
    page_release(TAKE(serving->page));
    bytes_fini(&serving->head);
    return ferry_channel_shutdown(serving->desk);
}

/* --- receiving -------------------------------------------------------------------------------- */

/* Takes what has come. Returns 1, 0 (nothing more will come), -EAGAIN, -errno.
 *   ret_line  whether that ended a line; may be NULL */
static int metrics_receive(struct serving *serving, bool *ret_line)
{
    struct ferry_message message;
    int code = ferry_channel_try_receive(serving->desk, serving->inbox, &message, 1);

    if (code <= 0)
        return code;
    if (ret_line)
        *ret_line = memchr(message.data, '\n', message.size);
    if (serving->answering)
        serving->discarded += message.size;
    else
        bytes_append(&serving->input, message.data, message.size);
    ferry_message_fini(&message);
    return bytes_failed(&serving->input) ? -ENOMEM : 1;
}

/* Receives the request, and makes the answer once its head is there. It is read again with each
 * line only, so that who sends it byte by byte takes no more of us. Returns 1, 0 (not yet), -errno.
 */
static int metrics_ask(struct serving *serving)
{
    struct request request;
    bool line = false;
    int code = metrics_receive(serving, &line);

    if (code < 0)
        return code == -EAGAIN ? 0 : code;
    if (code == 0 && !serving->input.size)
        return -EPIPE;
    if (code > 0 && !line && serving->input.size < REQUEST_SIZE_MAX)
        return 0;
    if (!request_read(serving->input.data, serving->input.size, code == 0, &request))
        return 0;
    code = metrics_answer(serving, &request);
    return code < 0 ? code : 1;
}

/* Works until there is nothing to do now: returns what to wait for; 0: nothing ever; -errno. */
static int metrics_work(struct serving *serving)
{
    int code = serving->answering ? 1 : metrics_ask(serving);

    if (code <= 0)
        return code < 0 ? code : FERRY_READABLE;
    if (!serving->outgoing.complete) {
        code = metrics_send(serving);
        return code == -EAGAIN ? FERRY_WRITABLE : code < 0 ? code : FERRY_READABLE;
    }
    code = metrics_receive(serving, NULL);
    if (code < 0)
        return code == -EAGAIN ? FERRY_READABLE : code;
    return code > 0 && serving->discarded < REQUEST_DISCARD_MAX ? FERRY_READABLE : 0;
}

static void metrics_ready(struct ferry_source *source, unsigned events, void *data)
{
    struct serving *serving = data;
    int interest = metrics_work(serving);

    (void)events;
    if (interest > 0) {
        ferry_source_set_interest(source, (unsigned)interest);
        return;
    }
    /* Who asks nothing is told nothing: the relay passes this end on. */
    if (interest < 0)
        (void)ferry_channel_shutdown(serving->desk);
    ferry_source_remove(TAKE(serving->source));
}

/* --- life ------------------------------------------------------------------------------------- */

/* Who was told all and then stays is no failure. */
static void metrics_done(struct ferry_relay *relay, int code, const char *text, void *data)
{
    struct serving *serving = data;
    struct ferry_relay_stats stats;

    ferry_relay_get_stats(relay, &stats);
    if (code == -ETIMEDOUT && serving->answering && stats.back.bytes == serving->answer_size)
        code = 0;
    serving->done(code, text, serving->data);
    metrics_free(serving);
}

static void metrics_tap(
    struct ferry_relay *relay, bool forth, const struct ferry_message *message, void *data)
{
    const struct serving *serving = data;
    serving->tap(relay, forth, message, serving->tap_data);
}

/* Starts the relay between the client and the far end of the pair; takes both, and closes them on
 * failure too. */
static int metrics_connect(
    struct serving *serving, const struct service_call *call, struct ferry_channel *far)
{
    bool sooner = call->total_ms && call->total_ms < METRICS_TOTAL_MS;
    struct ferry_relay_options options = {
        .struct_size = sizeof(options),
        .idle_timeout_ms = call->idle_ms,
        .total_timeout_ms = sooner ? call->total_ms : METRICS_TOTAL_MS,
        .done = metrics_done,
        .tap = call->tap ? metrics_tap : NULL,
        .quota = call->quota,
        .data = serving,
    };
    return ferry_relay_start(call->loop, call->pool, call->channel, far, &options, &serving->relay);
}

static int metrics_begin(struct serving *serving, struct ferry_loop *loop)
{
    int code = ferry_inbox_new(REQUEST_SIZE_MAX, 1, &serving->inbox);

    if (code < 0)
        return code;
    int fd = ferry_channel_fd(serving->desk, FERRY_RECEIVE);
    return ferry_loop_watch(loop, fd, FERRY_READABLE, metrics_ready, serving, &serving->source);
}

static int metrics_serve(const struct service_call *call, struct serving **ret_serving)
{
    struct ferry_channel *far = NULL;
    struct serving *serving = calloc(1, sizeof(*serving));
    int code = -ENOMEM;

    if (!serving)
        goto fail;
    serving->registry = call->registry;
    serving->tap = call->tap;
    serving->tap_data = call->tap_data;
    serving->done = call->done;
    serving->data = call->data;
    code = ferry_channel_pair(FERRY_UNIX, &far, &serving->desk);
    if (code < 0)
        goto fail;
    code = metrics_begin(serving, call->loop);
    if (code < 0)
        goto fail;
    code = metrics_connect(serving, call, far);
    if (code < 0) {
        metrics_free(serving);
        return code;
    }
    *ret_serving = serving;
    return 0;

fail:
    ferry_channel_close(far);
    ferry_channel_close(call->channel);
    if (serving)
        metrics_free(serving);
    return code;
}

static void metrics_stop(struct serving *serving)
{
    ferry_relay_stop(serving->relay);
    metrics_free(serving);
}

static void metrics_get_stats(const struct serving *serving, struct ferry_relay_stats *ret_stats)
{
    ferry_relay_get_stats(serving->relay, ret_stats);
}

static struct ferry_channel *metrics_get_channel(const struct serving *serving, bool other)
{
    return other ? NULL : ferry_relay_get_channel(serving->relay, false);
}

const struct service service_metrics = {
    .name = "metrics",
    .help = "tells Prometheus what is open here and what ferry carries",
    .harmless = false,
    .needs = FERRY_CAN_SEND | FERRY_CAN_RECEIVE,
    .refuses = FERRY_HAS_BOUNDARIES,
    .sandbox = SANDBOX_LOOK,
    .drains = true,
    .serve = metrics_serve,
    .stop = metrics_stop,
    .get_stats = metrics_get_stats,
    .get_channel = metrics_get_channel,
};
