/* request.c - the head of one HTTP/1.x request (RFC 9112, RFC 9110). */
#include "service/metrics/request.h"
#include "service/limits.h"

#include <string.h>
#include <strings.h>

/* A part of the head, without its line end. */
struct span {
    const char *data;
    size_t size;
};

struct head {
    struct span method, target;
    bool http_1_0;
    unsigned hosts, lengths, encodings;
    bool has_content;
};

static bool refuse(struct request *request, int status, const char *why)
{
    request->status = status;
    request->why = why;
    return false;
}

static bool span_is(struct span span, const char *text)
{
    return span.size == strlen(text) && memcmp(span.data, text, span.size) == 0;
}

static bool span_is_nocase(struct span span, const char *text)
{
    return span.size == strlen(text) && strncasecmp(span.data, text, span.size) == 0;
}

static bool is_token(struct span span)
{
    static const char others[] = "!#$%&'*+-.^_`|~";

    for (size_t i = 0; i < span.size; i++) {
        char c = span.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && (!c || !strchr(others, c)))
            return false;
    }
    return span.size > 0;
}

static struct span trim(struct span span)
{
    while (span.size && (span.data[0] == ' ' || span.data[0] == '\t'))
        span = (struct span){ span.data + 1, span.size - 1 };
    while (span.size && (span.data[span.size - 1] == ' ' || span.data[span.size - 1] == '\t'))
        span.size--;
    return span;
}

/* Takes the next line off *rest; false: it is not complete. */
static bool line_take(struct span *rest, struct span *ret_line)
{
    const char *feed = rest->size ? memchr(rest->data, '\n', rest->size) : NULL;

    if (!feed)
        return false;
    size_t size = (size_t)(feed - rest->data);
    *ret_line = (struct span){ rest->data, size };
    if (size && rest->data[size - 1] == '\r')
        ret_line->size--;
    *rest = (struct span){ feed + 1, rest->size - size - 1 };
    return true;
}

/* A carriage return inside a line ends it for some readers. */
static bool has_controls(struct span line)
{
    for (size_t i = 0; i < line.size; i++) {
        unsigned char c = (unsigned char)line.data[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return true;
    }
    return false;
}

/* Takes the word before the next blank off *line; false: there is no blank. */
static bool word_take(struct span *line, struct span *ret_word)
{
    const char *blank = line->size ? memchr(line->data, ' ', line->size) : NULL;

    if (!blank)
        return false;
    *ret_word = (struct span){ line->data, (size_t)(blank - line->data) };
    *line = (struct span){ blank + 1, line->size - ret_word->size - 1 };
    return ret_word->size > 0;
}

static bool read_start(struct span line, struct head *head, struct request *request)
{
    static const char bad[] = "the first line is no METHOD TARGET HTTP/1.x";

    if (!word_take(&line, &head->method) || !word_take(&line, &head->target) ||
        !is_token(head->method) || memchr(head->target.data, '\t', head->target.size))
        return refuse(request, 400, bad);
    bool versioned = line.size == 8 && memcmp(line.data, "HTTP/", 5) == 0 && line.data[6] == '.' &&
                     line.data[5] >= '0' && line.data[5] <= '9' && line.data[7] >= '0' &&
                     line.data[7] <= '9';
    if (!versioned)
        return refuse(request, 400, bad);
    if (line.data[5] != '1')
        return refuse(request, 505, "HTTP/1.0 and HTTP/1.1 are spoken here");
    head->http_1_0 = line.data[7] == '0';
    return true;
}

static bool read_length(struct span value, struct head *head, struct request *request)
{
    if (!value.size)
        return refuse(request, 400, "Content-Length is no number");
    for (size_t i = 0; i < value.size; i++) {
        if (value.data[i] < '0' || value.data[i] > '9')
            return refuse(request, 400, "Content-Length is no number");
        head->has_content |= value.data[i] != '0';
    }
    head->lengths++;
    return true;
}

static bool read_field(struct span line, struct head *head, struct request *request)
{
    const char *colon = memchr(line.data, ':', line.size);

    if (!colon)
        return refuse(request, 400, "a header line has no colon");
    struct span name = { line.data, (size_t)(colon - line.data) };
    if (!is_token(name)) /* folded lines and blanks before the colon, too */
        return refuse(request, 400, "a header line has no proper name");
    struct span value = trim((struct span){ colon + 1, line.size - name.size - 1 });
    head->hosts += span_is_nocase(name, "Host");
    head->encodings += span_is_nocase(name, "Transfer-Encoding");
    if (span_is_nocase(name, "Content-Length"))
        return read_length(value, head, request);
    return true;
}

/* Reads the lines; true: all are proper. *ret_complete says whether there was the empty one. */
static bool read_lines(
    struct span rest, struct head *head, struct request *request, bool *ret_complete)
{
    struct span line;
    bool started = false;

    *ret_complete = false;
    for (bool first = true; line_take(&rest, &line); first = false) {
        if (has_controls(line))
            return refuse(request, 400, "a control character stands in the head");
        if (!line.size && first) /* RFC 9112, 2.2: one empty line may come before */
            continue;
        if (!line.size && started) {
            *ret_complete = true;
            return true;
        }
        if (started ? !read_field(line, head, request) : !read_start(line, head, request))
            return false;
        started = true;
    }
    return true;
}

static bool check_framing(const struct head *head, struct request *request)
{
    if (head->hosts > 1 || (!head->hosts && !head->http_1_0))
        return refuse(request, 400, "HTTP/1.1 wants one Host, and no request may have two");
    if (head->lengths > 1 || (head->lengths && head->encodings) || head->encodings > 1)
        return refuse(request, 400, "how long the content is, is said twice");
    if (head->encodings && head->http_1_0)
        return refuse(request, 400, "HTTP/1.0 has no Transfer-Encoding");
    return true;
}

/* The path of "/metrics?x", "http://host/metrics". */
static struct span target_path(struct span target)
{
    const char *query = memchr(target.data, '?', target.size);

    if (query)
        target.size = (size_t)(query - target.data);
    if (target.size < 7 || strncasecmp(target.data, "http://", 7) != 0)
        return target;
    const char *slash = memchr(target.data + 7, '/', target.size - 7);
    if (!slash)
        return (struct span){ "/", 1 };
    return (struct span){ slash, target.size - (size_t)(slash - target.data) };
}

static bool check_meaning(const struct head *head, struct request *request)
{
    struct span path = target_path(head->target);

    request->head_only = span_is(head->method, "HEAD");
    if (!request->head_only && !span_is(head->method, "GET"))
        return refuse(request, 405, "GET and HEAD only");
    if (head->has_content || head->encodings)
        return refuse(request, 400, "a request for metrics has no content");
    if (path.data[0] != '/')
        return refuse(request, 400, "the target is no path");
    if (!span_is(path, "/metrics") && !span_is(path, "/"))
        return refuse(request, 404, "there is /metrics only");
    return true;
}

int request_read(const char *data, size_t size, bool ended, struct request *ret_request)
{
    struct head head = { 0 };
    struct span rest = { data, size < REQUEST_SIZE_MAX ? size : REQUEST_SIZE_MAX };
    bool complete;

    *ret_request = (struct request){ .status = 200 };
    if (!read_lines(rest, &head, ret_request, &complete))
        return 1;
    if (!complete && size >= REQUEST_SIZE_MAX)
        refuse(ret_request, 431, "the head is longer than 16 KiB");
    else if (!complete && ended)
        refuse(ret_request, 400, "the head ended early");
    else if (!complete)
        return 0;
    else if (check_framing(&head, ret_request))
        check_meaning(&head, ret_request);
    return 1;
}

const char *request_status_name(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 431:
        return "Request Header Fields Too Large";
    case 503:
        return "Service Unavailable";
    case 505:
        return "HTTP Version Not Supported";
    default:
        return "Bad Request";
    }
}
