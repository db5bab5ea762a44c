/* test_journal.c - what the journal receives, read strictly as its native protocol says. */
#include "route/journal.h"
#include "suite.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char folder[] = "/tmp/ferry-journal-XXXXXX", path[64];
static struct journal journal;
static int reader;

static void setup(void)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/socket", folder);
    strcpy(address.sun_path, path);
    reader = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ck_assert_int_eq(bind(reader, (struct sockaddr *)&address, sizeof(address)), 0);
    journal_init(&journal, path);
}

static void teardown(void)
{
    journal_fini(&journal);
    close(reader);
    unlink(path);
    rmdir(folder);
}

static char record[65536];
static size_t record_size;

static bool receive(void)
{
    ssize_t size = recv(reader, record, sizeof(record), 0);
    record_size = size > 0 ? (size_t)size : 0;
    return size > 0;
}

/* The value of a field, with its size; walks the whole record and fails on anything malformed. */
static const char *field(const char *name, size_t *ret_size)
{
    const char *at = record, *end = record + record_size, *found = NULL;
    while (at < end) {
        size_t length = strspn(at, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"), size = 0;
        const char *value;
        ck_assert_uint_gt(length, 0);
        ck_assert_uint_le(length, 64);
        ck_assert(at[0] >= 'A' && at[0] <= 'Z');
        if (at[length] == '=') {
            value = at + length + 1;
            const char *feed = memchr(value, '\n', (size_t)(end - value));
            ck_assert_ptr_nonnull(feed);
            size = (size_t)(feed - value);
        } else {
            ck_assert_int_eq(at[length], '\n');
            ck_assert_int_ge(end - at, (ptrdiff_t)(length + 9));
            for (int i = 7; i >= 0; i--)
                size = size << 8 | (unsigned char)at[length + 1 + (size_t)i];
            value = at + length + 9;
            ck_assert_uint_lt(size, (size_t)(end - value));
            ck_assert_int_eq(value[size], '\n');
        }
        if (strlen(name) == length && memcmp(at, name, length) == 0) {
            ck_assert_ptr_null(found);
            found = value;
            *ret_size = size;
        }
        at = value + size + 1;
    }
    return found;
}

static void expect(const char *name, const char *wanted)
{
    size_t size = 0;
    const char *value = field(name, &size);
    ck_assert_msg(value != NULL, "no field %s", name);
    ck_assert_msg(size == strlen(wanted) && memcmp(value, wanted, size) == 0,
        "%s is \"%.*s\", not \"%s\"", name, (int)size, value, wanted);
}

START_TEST(test_each_fact_is_a_field)
{
    struct event_who who = { .pid = 4711, .uid = 1000, .gid = 100 };
    size_t size;
    struct event event = { .kind = EVENT_FAILED,
        .time_ns = 1,
        .route = "db",
        .who = &who,
        .name = "mysql",
        .executable = "/usr/bin/mysql",
        .unit = "x.service",
        .via = "unix:/run/db.sock",
        .to = "unix:/run/mysqld.sock",
        .bytes_in = 5,
        .bytes_out = 7,
        .verdict = "rule 1: allow any",
        .reason = "gone" };
    ck_assert(journal_event(&journal, &event));
    ck_assert(receive());
    expect("PRIORITY", "4");
    expect("SYSLOG_IDENTIFIER", "ferry");
    expect("FERRY_EVENT", "failed");
    expect("FERRY_ROUTE", "db");
    expect("FERRY_PEER_PID", "4711");
    expect("FERRY_PEER_UID", "1000");
    expect("FERRY_PEER_GID", "100");
    expect("FERRY_PEER_NAME", "mysql");
    expect("FERRY_PEER_EXECUTABLE", "/usr/bin/mysql");
    expect("FERRY_PEER_UNIT", "x.service");
    expect("FERRY_VIA", "unix:/run/db.sock");
    expect("FERRY_TO", "unix:/run/mysqld.sock");
    expect("FERRY_VERDICT", "rule 1: allow any");
    expect("FERRY_REASON", "gone");
    expect("FERRY_BYTES_IN", "5");
    expect("FERRY_BYTES_OUT", "7");
    ck_assert_ptr_null(field("FERRY_PEER", &size));
    const char *message = field("MESSAGE", &size);
    ck_assert_int_eq(strncmp(message, "failed   db: pid 4711 (mysql)", 29), 0);
}
END_TEST

/* What a peer calls itself must not become a field of its own. */
START_TEST(test_a_line_feed_in_a_value_stays_in_it)
{
    size_t size;
    struct event event = { .kind = EVENT_REFUSED,
        .time_ns = 1,
        .route = "db",
        .name = "evil\nPRIORITY=0\n_UID=0",
        .peer = "unix:/tmp/a\nb" };
    ck_assert(journal_event(&journal, &event));
    ck_assert(receive());
    expect("PRIORITY", "5");
    expect("FERRY_PEER_NAME", "evil\nPRIORITY=0\n_UID=0");
    expect("FERRY_PEER", "unix:/tmp/a\nb");
    ck_assert_ptr_null(field("_UID", &size));
}
END_TEST

START_TEST(test_a_full_queue_is_counted_and_told)
{
    struct event event = { .kind = EVENT_TROUBLE, .time_ns = 1, .reason = "again" };
    char wanted[64];
    unsigned sent = 0, told = 0;
    for (; journal.lost == 0 && sent < 100000; sent++)
        ck_assert(journal_event(&journal, &event));
    for (int i = 0; i < 9; i++)
        ck_assert(journal_event(&journal, &event));
    ck_assert_uint_eq(journal.lost, 10);
    while (receive())
        told++;
    ck_assert_uint_eq(told, sent - 1);
    ck_assert(journal_event(&journal, &event));
    ck_assert(receive());
    snprintf(wanted, sizeof(wanted), "10 events not written");
    expect("FERRY_REASON", wanted);
    ck_assert(receive());
    expect("FERRY_REASON", "again");
}
END_TEST

START_TEST(test_without_a_journal_the_caller_is_told)
{
    struct event event = { .kind = EVENT_TROUBLE, .time_ns = 1, .reason = "x" };
    close(reader);
    ck_assert(!journal_event(&journal, &event));
    unlink(path);
    ck_assert(!journal_event(&journal, &event));
    ck_assert_uint_eq(journal.lost, 0);
}
END_TEST

START_TEST(test_standard_error_that_the_journal_reads)
{
    struct stat status;
    char text[64];
    ck_assert_int_eq(fstat(STDERR_FILENO, &status), 0);
    unsetenv("JOURNAL_STREAM");
    ck_assert_int_eq(journal_default_format(), LOG_TEXT);
    snprintf(text, sizeof(text), "%llu:%llu", (unsigned long long)status.st_dev,
        (unsigned long long)status.st_ino);
    setenv("JOURNAL_STREAM", text, 1);
    ck_assert_int_eq(journal_default_format(), LOG_JOURNAL);
    snprintf(text, sizeof(text), "%llu:%llu", (unsigned long long)status.st_dev,
        (unsigned long long)status.st_ino + 1);
    setenv("JOURNAL_STREAM", text, 1);
    ck_assert_int_eq(journal_default_format(), LOG_TEXT);
    setenv("JOURNAL_STREAM", "nonsense", 1);
    ck_assert_int_eq(journal_default_format(), LOG_TEXT);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("route/journal");
    TCase *cases = tcase_create("journal");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, test_each_fact_is_a_field);
    tcase_add_test(cases, test_a_line_feed_in_a_value_stays_in_it);
    tcase_add_test(cases, test_a_full_queue_is_counted_and_told);
    tcase_add_test(cases, test_without_a_journal_the_caller_is_told);
    tcase_add_test(cases, test_standard_error_that_the_journal_reads);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
