/* control_socket.c - what must hold of the control socket, on both sides of it.
 *
 * The first byte chooses the side, the second how the bytes are cut into pieces. One side is the
 * service, asked by anybody whom its rules admit; the other one `ferry status` and `top`, answered
 * by whatever listens there.
 */
#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "command/ask.h"
#include "command/limits.h"
#include "command/options.h"
#include "command/status.h"
#include "properties.h"
#include "require.h"
#include "route/registry.h"
#include "service/control/protocol.h"
#include "service/limits.h"
#include "service/service.h"
#ifdef HAVE_ENDPOINTS
#include "command/top/words.h"
#endif

#include <errno.h>
#include <string.h>

/* Milliseconds after which something hangs. */
#define PATIENCE_MS 5000

/* --- requests --------------------------------------------------------------------------------- */

struct exchange {
    struct ferry_channel *client;
    struct ferry_inbox *inbox;
    struct bytes replies;
    unsigned done_count;
    int done_code;
};

static struct ferry_loop *loop;
static struct events events;
static struct registry registry;

static int reload(struct registry *asked, struct bytes *ret_text, void *data)
{
    (void)asked;
    (void)data;
    bytes_append_text(ret_text, "1 added\n\033[2K");
    return 0;
}

static void start_once(void)
{
    if (loop)
        return;
    REQUIRE(ferry_loop_new(FERRY_EPOLL, &loop) == 0);
    REQUIRE(registry_init(&registry, loop, &events) == 0);
    registry.reload = reload;
}

static void on_done(int code, const char *reason, void *data)
{
    struct exchange *exchange = data;
    REQUIRE(reason && reason[0]);
    exchange->done_count++;
    exchange->done_code = code;
}

/* Takes what has come. Returns whether more may. */
static bool exchange_listen(struct exchange *exchange)
{
    struct ferry_message message;
    int code;

    while ((code = ferry_channel_try_receive(exchange->client, exchange->inbox, &message, 1)) > 0) {
        bytes_append(&exchange->replies, message.data, message.size);
        ferry_message_fini(&message);
    }
    return code == -EAGAIN;
}

/* Says all of it, piece by piece, and listens until the service has ended. */
static void exchange_run(struct exchange *exchange, const char *text, size_t size, size_t piece)
{
    int64_t end_ns = clock_now_ns() + PATIENCE_MS * NS_PER_MS;
    bool ended = false;

    do {
        struct iovec buffer = { (void *)(uintptr_t)text, size < piece ? size : piece };
        struct ferry_outgoing outgoing = { .buffers = &buffer, .buffer_count = 1 };
        if (size && ferry_channel_try_send(exchange->client, &outgoing, 1) != -EPIPE) {
            text += outgoing.sent_size;
            size -= outgoing.sent_size;
        }
        if (!size && !ended)
            ended = ferry_channel_shutdown(exchange->client) == 0;
        REQUIRE(ferry_loop_turn(loop, 0) >= 0);
        REQUIRE(clock_now_ns() < end_ns);
    } while (exchange_listen(exchange));
}

static void require_reply(const char *line, size_t size, const char *request, size_t request_size)
{
    AUTO_BYTES struct bytes why = BYTES_EMPTY, again_why = BYTES_EMPTY;
    enum control_request kind, again;

    int code = control_request_parse(request, request_size, &kind, &why);
    REQUIRE(control_request_parse(request, request_size, &again, &again_why) == code);
    REQUIRE(
        code == 0 ? kind == again && !why.size : why.size && strcmp(why.data, again_why.data) == 0);
    json_t *reply = json_loadb(line, size, JSON_REJECT_DUPLICATES, NULL);
    REQUIRE(json_integer_value(json_object_get(reply, "version")) == CONTROL_VERSION);
    REQUIRE(json_is_boolean(json_object_get(reply, "ok")));
    REQUIRE(json_is_true(json_object_get(reply, "ok")) == (code == 0));
    if (code < 0)
        REQUIRE(json_is_string(json_object_get(reply, "error")));
    else if (kind == CONTROL_RELOAD)
        REQUIRE(json_is_string(json_object_get(reply, "text")));
    else
        REQUIRE(json_is_array(json_object_get(reply, "routes")));
    json_decref(reply);
}

/* Takes a line off a text; the last one needs no line feed. */
static bool line_take(const char **text, size_t *size, const char **ret_line, size_t *ret_size)
{
    const char *feed = *size ? memchr(*text, '\n', *size) : NULL;

    if (!*size)
        return false;
    *ret_line = *text;
    *ret_size = feed ? (size_t)(feed - *text) : *size;
    *size -= *ret_size + (feed != NULL);
    *text += *ret_size + (feed != NULL);
    return true;
}

/* Every line but an empty one has its reply, in order, one line each, however it was cut. */
static void require_replies(const struct bytes *replies, const char *text, size_t size)
{
    const char *rest = replies->data, *line, *request;
    size_t rest_size = replies->size, line_size, request_size;

    REQUIRE(!rest_size || rest[rest_size - 1] == '\n');
    while (line_take(&text, &size, &request, &request_size)) {
        if (!request_size)
            continue;
        REQUIRE(line_take(&rest, &rest_size, &line, &line_size));
        require_reply(line, line_size, request, request_size);
    }
    REQUIRE(!rest_size);
}

static int serve(const char *text, size_t size, size_t piece)
{
    struct exchange exchange = { 0 };
    struct service_call call = {
        .route = "control", .argument = "", .done = on_done, .data = &exchange
    };
    struct serving *serving;

    start_once();
    size_t descriptors = count_descriptors();
    REQUIRE(ferry_channel_pair(FERRY_UNIX, &exchange.client, &call.channel) == 0);
    REQUIRE(ferry_inbox_new(4096, 1, &exchange.inbox) == 0);
    call.loop = loop;
    call.pool = registry.pool;
    call.registry = &registry;
    REQUIRE(service_control.serve(&call, &serving) == 0);
    exchange_run(&exchange, text, size, piece);
    REQUIRE(exchange.done_count == 1 && exchange.done_code == 0);
    require_replies(&exchange.replies, text, size);
    int found = exchange.replies.size > 0;
    ferry_channel_close(exchange.client);
    ferry_inbox_free(exchange.inbox);
    bytes_fini(&exchange.replies);
    REQUIRE(count_descriptors() == descriptors);
    return found;
}

/* --- answers ---------------------------------------------------------------------------------- */

/* What an answer leaves out is left out, not shown as what libc prints of no text. */
static void require_says_null(const json_t *reply)
{
    char *text = json_dumps(reply, JSON_COMPACT);
    REQUIRE(text && strstr(text, "(null)"));
    free(text);
}

static void require_report(void (*print)(const json_t *, struct bytes *), const json_t *reply)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY, again = BYTES_EMPTY;

    print(reply, &text);
    print(reply, &again);
    REQUIRE(!bytes_failed(&text) && text.size == again.size);
    REQUIRE(!text.size || memcmp(text.data, again.data, text.size) == 0);
    require_printable(text.data, text.size);
    if (text.size && strstr(text.data, "(null)"))
        require_says_null(reply);
}

static void print_for_people(const json_t *reply, struct bytes *text)
{
    status_print(reply, true, text);
}

static void print_for_programs(const json_t *reply, struct bytes *text)
{
    status_print(reply, false, text);
}

static void print_refusal(const json_t *reply, struct bytes *text)
{
    ask_print_refusal("status", reply, text);
}

#ifdef HAVE_ENDPOINTS
/* As `top` shows it: what one second brought, after two answers. */
static void print_flows(const json_t *reply, struct bytes *text)
{
    static struct top_ferries ferries;

    ferries.count = 1;
    for (int i = 1; i <= 2; i++)
        top_ferry_answer(&ferries.items[0], json_deep_copy(reply), i * NS_PER_S);
    REQUIRE(ferries.items[0].elapsed_ns == (ferries.items[0].flow_count ? NS_PER_S : 0));
    top_print_ferries(&ferries, true, SIZE_MAX, text);
    top_ferry_fini(&ferries.items[0]);
}
#endif

/* Takes the reply. */
static void require_understood(int outcome, json_t *reply)
{
    REQUIRE(outcome == ASK_DONE || outcome == ASK_REFUSED);
    REQUIRE((outcome == ASK_DONE) == json_is_true(json_object_get(reply, "ok")));
    REQUIRE(outcome == ASK_DONE || json_is_string(json_object_get(reply, "error")));
    require_report(print_for_people, reply);
    require_report(print_for_programs, reply);
    require_report(options_report_print, reply);
    require_report(print_refusal, reply);
#ifdef HAVE_ENDPOINTS
    require_report(print_flows, reply);
#endif
    json_decref(reply);
}

static int answer(const char *text, size_t size)
{
    struct asking asking = { .address = strdup("unix:/s"),
        .reply_size_max = STRANGER_REPLY_SIZE_MAX };
    struct ferry_error error = { 0 };
    struct ferry_channel *peer;
    json_t *reply;

    size_t descriptors = count_descriptors();
    REQUIRE(asking.address && ferry_channel_pair(FERRY_UNIX, &asking.channel, &peer) == 0);
    REQUIRE(ferry_channel_send_bytes(peer, text, size, ferry_deadline(PATIENCE_MS)) == 0);
    REQUIRE(ferry_channel_shutdown(peer) == 0);
    int outcome = asking_ask(&asking, "status", ferry_deadline(PATIENCE_MS), &reply, &error);
    if (!memchr(text, '\n', size))
        REQUIRE(outcome == -ECONNRESET);
    if (outcome >= 0)
        require_understood(outcome, reply);
    else
        REQUIRE(error.code == outcome && error.reason[0]);
    asking_close(&asking);
    ferry_channel_close(peer);
    REQUIRE(count_descriptors() == descriptors);
    return outcome >= 0;
}

int property_control_socket(const uint8_t *data, size_t size)
{
    if (size < 2 || size - 2 >= CONTROL_REQUEST_SIZE_MAX)
        return 0;
    const char *text = (const char *)data + 2;
    size_t piece = 1 + data[1];
    if (data[0] & 1)
        return answer(text, size - 2);
    int found = serve(text, size - 2, piece);
    REQUIRE(serve(text, size - 2, SIZE_MAX) == found);
    return found;
}
