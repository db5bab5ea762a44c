/* metrics.c - the service that tells a collector (Prometheus) what this machine has open and what
 * ferry carries: one HTTP request, one answer, and the end.
 *
 * What a client can cost us is a connection until METRICS_TOTAL_MS have passed, and
 * REQUEST_SIZE_MAX bytes; the answer is shared by all (look.h).
 */
#include "base/bytes.h"
#include "base/cleanup.h"
#include "process/sandbox.h"
#include "service/desk.h"
#include "service/limits.h"
#include "service/metrics/look.h"
#include "service/metrics/request.h"
#include "service/service.h"

#include <errno.h>
#include <string.h>
#include <time.h>

struct metrics {
    struct serving serving;
    struct bytes input; /* of a request whose head is not complete */
    struct bytes head;  /* of the answer, with its content if that is no page */
    struct page *page;  /* a reference to the one that is being sent; NULL: none */
    struct iovec buffers[2];
    struct ferry_outgoing outgoing; /* the answer on its way */
    bool answering;
    size_t answer_size;
    size_t discarded; /* bytes that came behind the request */
};

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

static int metrics_answer(struct metrics *metrics, struct request *request)
{
    struct ferry_outgoing *outgoing = &metrics->outgoing;

    bytes_fini(&metrics->input);
    if (request->status == 200)
        metrics->page = look_get_page(metrics->serving.registry);
    if (request->status == 200 && !metrics->page) {
        request->status = 503;
        request->why = "out of memory";
    }
    if (metrics->page)
        append_head(&metrics->head, request->status, metrics->page->text.size);
    else
        append_refusal(&metrics->head, request);
    if (bytes_failed(&metrics->head))
        return -ENOMEM;
    metrics->buffers[0] = (struct iovec){ metrics->head.data, metrics->head.size };
    outgoing->buffers = metrics->buffers;
    outgoing->buffer_count = 1;
    if (metrics->page && !request->head_only)
        metrics->buffers[outgoing->buffer_count++] =
            (struct iovec){ metrics->page->text.data, metrics->page->text.size };
    for (size_t i = 0; i < outgoing->buffer_count; i++)
        metrics->answer_size += metrics->buffers[i].iov_len;
    metrics->answering = true;
    return 0;
}

/* Sends on; once all is gone, that is the end of what we say. */
static int metrics_send(struct metrics *metrics)
{
    int code = ferry_channel_try_send(metrics->serving.channel, &metrics->outgoing, 1);

    if (code < 0)
        return code;
    page_release(TAKE(metrics->page));
    bytes_fini(&metrics->head);
    return ferry_channel_shutdown(metrics->serving.channel);
}

/* --- receiving -------------------------------------------------------------------------------- */

/* Takes what has come. Returns 1, 0 (nothing more will come), -EAGAIN, -errno.
 *   ret_line  whether that ended a line; may be NULL */
static int metrics_receive(struct metrics *metrics, bool *ret_line)
{
    struct ferry_message message;
    int code =
        ferry_channel_try_receive(metrics->serving.channel, metrics->serving.inbox, &message, 1);

    if (code <= 0)
        return code;
    if (ret_line)
        *ret_line = memchr(message.data, '\n', message.size);
    if (metrics->answering)
        metrics->discarded += message.size;
    else
        bytes_append(&metrics->input, message.data, message.size);
    ferry_message_fini(&message);
    return bytes_failed(&metrics->input) ? -ENOMEM : 1;
}

/* Receives the request, and makes the answer once its head is there. It is read again with each
 * line only, so that who sends it byte by byte takes no more of us. Returns 1, 0 (not yet), -errno.
 */
static int metrics_ask(struct metrics *metrics)
{
    struct request request;
    bool line = false;
    int code = metrics_receive(metrics, &line);

    if (code < 0)
        return code == -EAGAIN ? 0 : code;
    if (code == 0 && !metrics->input.size)
        return -EPIPE;
    if (code > 0 && !line && metrics->input.size < REQUEST_SIZE_MAX)
        return 0;
    if (!request_read(metrics->input.data, metrics->input.size, code == 0, &request))
        return 0;
    code = metrics_answer(metrics, &request);
    return code < 0 ? code : 1;
}

/* Works until there is nothing to do now. */
static int metrics_work(struct serving *serving)
{
    struct metrics *metrics = CONTAINER_OF(serving, struct metrics, serving);
    int code = metrics->answering ? 1 : metrics_ask(metrics);

    if (code <= 0)
        return code < 0 ? code : FERRY_READABLE;
    if (!metrics->outgoing.complete) {
        code = metrics_send(metrics);
        return code == -EAGAIN ? FERRY_WRITABLE : code < 0 ? code : FERRY_READABLE;
    }
    code = metrics_receive(metrics, NULL);
    if (code < 0)
        return code == -EAGAIN ? FERRY_READABLE : code;
    return code > 0 && metrics->discarded < REQUEST_DISCARD_MAX ? FERRY_READABLE : 0;
}

/* --- life ------------------------------------------------------------------------------------- */

/* Who was told all and then stays is no failure. */
static bool metrics_told(const struct serving *serving, const struct ferry_relay_stats *stats)
{
    const struct metrics *metrics = CONTAINER_OF(serving, const struct metrics, serving);
    return metrics->answering && stats->back.bytes == metrics->answer_size;
}

static void metrics_fini(struct serving *serving)
{
    struct metrics *metrics = CONTAINER_OF(serving, struct metrics, serving);

    bytes_fini(&metrics->input);
    bytes_fini(&metrics->head);
    page_release(metrics->page);
}

static int metrics_serve(const struct service_call *call, struct serving **ret_serving)
{
    static const struct desk_handler handler = {
        .pair = FERRY_UNIX,
        .size = sizeof(struct metrics),
        .inbox_size = REQUEST_SIZE_MAX,
        .total_ms_max = METRICS_TOTAL_MS,
        .work = metrics_work,
        .told = metrics_told,
        .fini = metrics_fini,
    };
    return desk_serve(call, &handler, ret_serving);
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
    .stop = desk_stop,
    .get_stats = desk_get_stats,
    .get_channel = desk_get_channel,
};
