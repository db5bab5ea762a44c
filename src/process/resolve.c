/* resolve.c - names to addresses without blocking.
 *
 * c-ares opens and closes sockets as it likes and says which it wants watched; each becomes a
 * source of the loop, and its next time-out becomes our timer. It answers from inside its own
 * functions, where it must not be destroyed: the answer is kept, and handed on when they have
 * returned. Every lookup has a c-ares channel of its own, so that a changed resolv.conf counts at
 * once and nothing is shared between routes.
 */
#include "process/resolve.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/list.h"
#include "process/limits.h"

#include <ares.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>

struct watch {
    struct list node;
    struct resolve *resolve;
    int fd;
    struct ferry_source *source;
};

struct resolve {
    struct ferry_loop *loop;
    ares_channel channel;
    struct ferry_source *timer;
    struct list watches; /* of struct watch */
    bool answered;
    int code;
    const char *reason;
    char *hosts[RESOLVE_HOSTS_MAX];
    size_t count;
    resolve_done done;
    void *data;
};

void resolve_stop(struct resolve *resolve)
{
    if (!resolve)
        return;
    if (resolve->channel)
        ares_destroy(resolve->channel);
    struct list *node, *after;
    list_each_safe (node, after, &resolve->watches) {
        struct watch *watch = LIST_ENTRY(node, struct watch, node);
        ferry_source_remove(watch->source);
        free(watch);
    }
    ferry_source_remove(resolve->timer);
    for (size_t i = 0; i < resolve->count; i++)
        free(resolve->hosts[i]);
    ares_library_cleanup();
    free(resolve);
}

/* After every call into c-ares: hands the answer on, or waits for what it wants next. */
static void resolve_continue(struct resolve *resolve)
{
    struct timeval span;
    if (resolve->answered) {
        resolve->done(resolve->code, (const char *const *)resolve->hosts, resolve->count,
            resolve->reason, resolve->data);
        resolve_stop(resolve);
        return;
    }
    int64_t deadline_ns = CLOCK_NEVER;
    if (ares_timeout(resolve->channel, NULL, &span))
        deadline_ns = clock_after(clock_now_ns(), span.tv_sec * NS_PER_S + span.tv_usec * 1000);
    ferry_source_set_deadline(resolve->timer, deadline_ns);
}

static void on_timer(struct ferry_source *source, void *data)
{
    struct resolve *resolve = data;
    (void)source;
    if (!resolve->answered)
        ares_process_fd(resolve->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    resolve_continue(resolve);
}

static void on_ready(struct ferry_source *source, unsigned events, void *data)
{
    const struct watch *watch = data;
    struct resolve *resolve = watch->resolve;
    int fd = watch->fd; /* c-ares may close it, and the watch is gone then */
    unsigned interest = ferry_source_get_interest(source);
    bool hangup = events & FERRY_HANGUP;
    int readable = events & FERRY_READABLE || (hangup && interest & FERRY_READABLE);
    int writable = events & FERRY_WRITABLE || (hangup && interest & FERRY_WRITABLE);
    ares_process_fd(
        resolve->channel, readable ? fd : ARES_SOCKET_BAD, writable ? fd : ARES_SOCKET_BAD);
    resolve_continue(resolve);
}

static struct watch *watch_find(struct resolve *resolve, int fd)
{
    struct list *node;
    list_each (node, &resolve->watches) {
        struct watch *watch = LIST_ENTRY(node, struct watch, node);
        if (watch->fd == fd)
            return watch;
    }
    return NULL;
}

/* Failing leaves the socket unwatched: its query ends by c-ares's time-out. */
static void watch_add(struct resolve *resolve, int fd, unsigned interest)
{
    struct watch *watch = calloc(1, sizeof(*watch));
    if (!watch)
        return;
    watch->resolve = resolve;
    watch->fd = fd;
    if (ferry_loop_watch(resolve->loop, fd, interest, on_ready, watch, &watch->source) < 0) {
        free(watch);
        return;
    }
    list_add_last(&resolve->watches, &watch->node);
}

static void on_socket(void *data, ares_socket_t fd, int readable, int writable)
{
    struct resolve *resolve = data;
    struct watch *watch = watch_find(resolve, fd);
    unsigned interest = (readable ? FERRY_READABLE : 0) | (writable ? FERRY_WRITABLE : 0);

    if (watch && interest) {
        ferry_source_set_interest(watch->source, interest);
    } else if (watch) {
        ferry_source_remove(watch->source);
        list_remove(&watch->node);
        free(watch);
    } else if (interest) {
        watch_add(resolve, fd, interest);
    }
}

static int status_code(int status)
{
    switch (status) {
    case ARES_ENOTFOUND:
    case ARES_ENODATA:
    case ARES_EBADNAME:
        return -ENOENT;
    case ARES_ETIMEOUT:
    case ARES_ECONNREFUSED:
        return -ETIMEDOUT;
    case ARES_ENOMEM:
        return -ENOMEM;
    default:
        return -EAGAIN;
    }
}

/* Keeps one address as text; one that cannot be kept is left out. */
static void host_keep(struct resolve *resolve, const struct ares_addrinfo_node *node)
{
    char host[NI_MAXHOST];
    if (resolve->count == RESOLVE_HOSTS_MAX || getnameinfo(node->ai_addr, node->ai_addrlen, host,
                                                   sizeof(host), NULL, 0, NI_NUMERICHOST) != 0)
        return;
    char *copy = strdup(host);
    if (copy)
        resolve->hosts[resolve->count++] = copy;
}

static void on_answer(void *data, int status, int timeouts, struct ares_addrinfo *answer)
{
    struct resolve *resolve = data;
    (void)timeouts;
    if (!resolve->answered) {
        resolve->answered = true;
        resolve->code = status == ARES_SUCCESS ? 0 : status_code(status);
        resolve->reason = status == ARES_SUCCESS     ? "found"
                          : resolve->code == -ENOENT ? "there is no such host"
                                                     : ares_strerror(status);
        for (struct ares_addrinfo_node *node = answer ? answer->nodes : NULL; node;
             node = node->ai_next)
            host_keep(resolve, node);
        if (resolve->code == 0 && resolve->count == 0) {
            resolve->code = -ENOENT;
            resolve->reason = "the host has no address";
        }
    }
    if (answer)
        ares_freeaddrinfo(answer);
}

static int channel_init(struct resolve *resolve, const char *servers)
{
    char lookups[] = "fb"; /* the file, then name servers */
    struct ares_options options = {
        .timeout = RESOLVE_TIMEOUT_MS,
        .tries = RESOLVE_TRIES,
        .lookups = lookups,
        .sock_state_cb = on_socket,
        .sock_state_cb_data = resolve,
    };
    int given = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB;
    int status = ares_init_options(&resolve->channel, &options, given);
    if (status != ARES_SUCCESS) {
        resolve->channel = NULL;
        return status == ARES_ENOMEM ? -ENOMEM : -EINVAL;
    }
    return servers && ares_set_servers_ports_csv(resolve->channel, servers) ? -EINVAL : 0;
}

int resolve_start(struct ferry_loop *loop, const char *host, const char *servers, resolve_done done,
    void *data, struct resolve **ret_resolve)
{
    static const struct ares_addrinfo_hints hints = { .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM };
    struct resolve *resolve = calloc(1, sizeof(*resolve));
    if (!resolve)
        return -ENOMEM;
    *resolve = (struct resolve){ .loop = loop, .done = done, .data = data };
    list_init(&resolve->watches);
    int r = ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS ? 0 : -ENOMEM;
    if (r == 0)
        r = channel_init(resolve, servers);
    if (r == 0)
        r = ferry_loop_timer(loop, CLOCK_NEVER, on_timer, resolve, &resolve->timer);
    if (r < 0) {
        resolve_stop(resolve);
        return r;
    }
    ares_getaddrinfo(resolve->channel, host, NULL, &hints, on_answer, resolve);
    if (resolve->answered)
        ferry_source_set_deadline(resolve->timer, 0);
    else
        resolve_continue(resolve);
    *ret_resolve = resolve;
    return 0;
}
