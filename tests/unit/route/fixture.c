/* fixture.c - a registry in a loop, in a folder of its own, with the events that it emitted. */
#include "fixture.h"
#include "base/cleanup.h"
#include "service/service.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

struct ferry_loop *loop;
struct registry registry;
static struct events events;
char folder[] = "/tmp/ferry-route-XXXXXX";
unsigned emitted[EVENT_KINDS];
char lines[EVENT_KINDS][2048];
char summary[256], problem[1024];
int ended;

static void on_event(const struct event *event, void *data)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;
    (void)data;
    event_print_text(event, &text);
    ck_assert(!bytes_failed(&text));
    emitted[event->kind]++;
    snprintf(lines[event->kind], sizeof(lines[event->kind]), "%s", text.data);
}

static void on_ended(struct registry *of, int code, void *data)
{
    (void)of;
    (void)code;
    (void)data;
    ended++;
}

void fixture_setup(void)
{
    signal(SIGPIPE, SIG_IGN);
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(ferry_loop_new(FERRY_EPOLL, &loop), 0);
    events_add(&events, on_event, NULL);
    ck_assert_int_eq(registry_init(&registry, loop, &events), 0);
    registry.on_ended = on_ended;
}

void fixture_teardown(void)
{
    char path[512];
    registry_fini(&registry);
    ferry_loop_free(loop);
    DIR *directory = opendir(folder);
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        unlink(path);
    }
    closedir(directory);
    rmdir(folder);
}

int apply(const char *text)
{
    AUTO_BYTES struct bytes said = BYTES_EMPTY;
    struct ferry_error error = { 0 };
    struct settings *settings;
    ck_assert_int_eq(settings_load_text("test", text, folder, services_all, &settings), 0);
    ck_assert_msg(config_problem_count(settings->config) == 0, "%s",
        config_problem_count(settings->config) ? config_get_problem(settings->config, 0)->text
                                               : "");
    int r = registry_apply(&registry, settings, &said, &error);
    settings_free(settings);
    snprintf(summary, sizeof(summary), "%s", said.data ? said.data : "");
    ferry_error_format(&error, problem, sizeof(problem));
    return r;
}

static void name_socket(const char *name, struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){ .sun_family = AF_UNIX };
    snprintf(address->sun_path, sizeof(address->sun_path), "%s/%s", folder, name);
}

int dial(const char *name, int type)
{
    const struct timeval limit = { 5, 0 };
    struct sockaddr_un address;
    name_socket(name, &address);
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    ck_assert_msg(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0, "connect %s: %s",
        address.sun_path, strerror(errno));
    return fd;
}

int serve(const char *name, int backlog)
{
    struct sockaddr_un address;
    name_socket(name, &address);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_int_eq(listen(fd, backlog), 0);
    return fd;
}

void exchange(int fd, const char *text, const char *wanted)
{
    char back[256] = "";
    size_t size = 0, room = strlen(wanted);
    ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
    for (int i = 0; i < 500 && size < room; i++) {
        ck_assert_int_ge(ferry_loop_turn(loop, 10), 0);
        ssize_t got = recv(fd, back + size, room - size, MSG_DONTWAIT);
        size += got > 0 ? (size_t)got : 0;
    }
    ck_assert_str_eq(back, wanted);
}

void expect_closed(int fd)
{
    char byte;
    ssize_t got = -1;
    for (int i = 0; i < 500; i++) {
        do
            got = recv(fd, &byte, 1, MSG_DONTWAIT);
        while (got > 0);
        if (got == 0 || errno != EAGAIN)
            break;
        ck_assert_int_ge(ferry_loop_turn(loop, 10), 0);
    }
    ck_assert(got == 0 || (got < 0 && errno == ECONNRESET));
}

struct route *route_called(const char *name)
{
    struct list *node;
    list_each (node, &registry.routes) {
        struct route *route = LIST_ENTRY(node, struct route, node);
        if (strcmp(route->settings->name, name) == 0)
            return route;
    }
    return NULL;
}

unsigned open_descriptors(void)
{
    unsigned count = 0;
    DIR *directory = opendir("/proc/self/fd");
    while (readdir(directory))
        count++;
    closedir(directory);
    return count - 3; /* ".", ".." and the folder itself */
}
