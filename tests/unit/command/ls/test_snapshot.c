/* test_snapshot.c - what a snapshot may say, and what it may not. */
#include "base/cleanup.h"
#include "command/ls/snapshot.h"
#include "command/view/json.h"
#include "suite.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

static const char whole[] =
    "{\"schema\": 1, \"boot\": \"BOOT\", \"kinds\": [\"u_str\", \"tcp\", \"pipe\"],"
    " \"processes\": [{\"pid\": 9, \"parent\": 1, \"start_ticks\": 77, \"command\": \"nine\","
    "   \"unit\": \"nine.service\", \"container\": \"c\"}],"
    " \"endpoints\": ["
    "  {\"kind\": \"u_str\", \"state\": \"ESTAB\", \"inode\": 100, \"cookie\": \"ff\","
    "   \"local\": \"/run/a\", \"remote\": \"\", \"ends\": \"rw\", \"peer_gone\": false,"
    "   \"namespace\": {\"inode\": 5, \"name\": \"n\"},"
    "   \"owners\": [{\"pid\": 9, \"command\": \"nine\", \"fd\": 3, \"ends\": \"rw\"},"
    "               {\"pid\": 8, \"command\": \"eight\", \"fd\": 4, \"ends\": \"rw\"}],"
    "   \"peer\": {\"inode\": 101}},"
    "  {\"kind\": \"u_str\", \"state\": \"WAITING\", \"inode\": 101, \"listener\": 102,"
    "   \"owners\": [], \"peer\": {\"inode\": 100, \"local\": \"/run/a\", \"owners\": []}},"
    "  {\"kind\": \"u_str\", \"state\": \"LISTEN\", \"inode\": 102, \"local\": \"/run/a\"},"
    "  {\"kind\": \"tcp\", \"state\": \"ESTAB\", \"inode\": 103, \"cookie\": \"1\","
    "   \"local\": \"127.0.0.1:80\", \"remote\": \"127.0.0.1:81\","
    "   \"peer\": {\"inode\": 0, \"local\": \"127.0.0.1:81\","
    "     \"owners\": [{\"pid\": 7, \"command\": \"seven\", \"fd\": 1, \"ends\": \"rw\"}]}},"
    "  {\"kind\": \"pipe\", \"inode\": 104, \"ends\": \"r\", \"peer\": {\"inode\": 104}},"
    "  {\"kind\": \"pipe\", \"inode\": 104, \"ends\": \"w\", \"peer\": {\"inode\": 104}}"
    " ]}";

static json_t *document(void)
{
    char boot[VIEW_BOOT_SIZE];
    json_t *json = json_loads(whole, 0, NULL);
    ck_assert_ptr_nonnull(json);
    ck_assert(view_boot_read(boot));
    json_object_set_new(json, "boot", json_string(boot));
    return json;
}

static int read_text(const char *text, size_t size, struct snapshot **ret_snapshot)
{
    char path[64];
    struct ferry_error error;
    AUTO_FD int fd = memfd_create("snapshot", MFD_CLOEXEC);
    ck_assert_int_eq(write(fd, text, size), (ssize_t)size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return snapshot_read(path, ret_snapshot, &error);
}

static int read_json(const json_t *json, struct snapshot **ret_snapshot)
{
    AUTO_FREE char *text = json_dumps(json, JSON_COMPACT);
    return read_text(text, strlen(text), ret_snapshot);
}

START_TEST(test_everything_is_read)
{
    struct snapshot *snapshot;
    json_t *json = document();
    ck_assert_int_eq(read_json(json, &snapshot), 0);
    ck_assert_uint_eq(snapshot_count(snapshot), 6);
    ck_assert_uint_eq(snapshot_kinds(snapshot),
        1u << FERRY_ENDPOINT_UNIX_STREAM | 1u << FERRY_ENDPOINT_TCP | 1u << FERRY_ENDPOINT_PIPE);
    const struct ferry_endpoint *first = snapshot_get(snapshot, 0);
    ck_assert_uint_eq(first->cookie, 0xff);
    ck_assert_str_eq(first->name, "/run/a");
    ck_assert_uint_eq(first->network->inode, 5);
    ck_assert(!first->network->own && snapshot_get(snapshot, 1)->network->own);
    ck_assert_uint_eq(first->owner_count, 2);
    ck_assert_int_eq(first->owners[0].process->pid, 8);
    ck_assert_str_eq(first->owners[0].process->name, "eight");
    ck_assert_str_eq(first->owners[1].process->unit, "nine.service");
    ck_assert_uint_eq(first->owners[1].process->start_ticks, 77);
    ck_assert_ptr_eq(first->peer, snapshot_get(snapshot, 1));
    ck_assert_ptr_eq(first->peer->peer, first);
    ck_assert_ptr_eq(first->peer->listener, snapshot_get(snapshot, 2));
    ck_assert_int_eq(snapshot_get(snapshot, 3)->peer->owners[0].process->pid, 7);
    ck_assert_ptr_eq(snapshot_get(snapshot, 4)->peer, snapshot_get(snapshot, 5));
    ck_assert_ptr_eq(snapshot_get(snapshot, 5)->peer, snapshot_get(snapshot, 4));
    snapshot_free(snapshot);
    json_decref(json);
}
END_TEST

START_TEST(test_found_by_the_cookie_else_by_inode_and_end)
{
    struct snapshot *snapshot;
    json_t *json = document();
    ck_assert_int_eq(read_json(json, &snapshot), 0);
    struct ferry_endpoint wanted = { .kind = FERRY_ENDPOINT_TCP, .cookie = 1, .inode = 999 };
    ck_assert_ptr_eq(snapshot_find(snapshot, &wanted), snapshot_get(snapshot, 3));
    wanted = (struct ferry_endpoint){ .kind = FERRY_ENDPOINT_TCP, .cookie = 2, .inode = 103 };
    ck_assert_ptr_null(snapshot_find(snapshot, &wanted));
    wanted = (struct ferry_endpoint){ .kind = FERRY_ENDPOINT_PIPE, .inode = 104, .ends = 2 };
    ck_assert_ptr_eq(snapshot_find(snapshot, &wanted), snapshot_get(snapshot, 5));
    wanted.kind = FERRY_ENDPOINT_FIFO;
    ck_assert_ptr_null(snapshot_find(snapshot, &wanted));
    ck_assert_int_eq(json_integer_value(json_object_get(
                         snapshot_json(snapshot, snapshot_get(snapshot, 3)), "inode")),
        103);
    snapshot_free(snapshot);
    json_decref(json);
}
END_TEST

/* --- what it may not say ---------------------------------------------------------------------- */

static json_t *wrong_values(void)
{
    return json_loads(
        "[0, 1, 104, -1, 1.5, 9223372036854775807, \"\", \"x\", \"\\u001b[2J\", \"r\","
        " null, true, [], {}, [0], [[]], [null], {\"a\": 0}, {\"inode\": -1},"
        " [{\"pid\": 0}], [{\"pid\": 9, \"fd\": -1}], [{\"pid\": 9, \"ends\": 1}]]",
        0, NULL);
}

/* Reads it, and touches what came of it. */
static bool is_read(const json_t *json)
{
    struct snapshot *snapshot;
    char text[4096];
    int code = read_json(json, &snapshot);
    ck_assert(code == 0 || code == -EINVAL);
    for (size_t i = 0; code == 0 && i < snapshot_count(snapshot); i++) {
        const struct ferry_endpoint *row = snapshot_get(snapshot, i);
        ck_assert(row->kind < FERRY_ENDPOINT_KIND_COUNT && row->state < FERRY_STATE_COUNT);
        ferry_endpoint_print_local(row, text, sizeof(text));
        ck_assert_ptr_null(strchr(text, '\x1b'));
        ferry_endpoint_print_remote(row, text, sizeof(text));
        ck_assert_ptr_null(strchr(text, '\x1b'));
        ck_assert_ptr_nonnull(snapshot_find(snapshot, row));
    }
    if (code == 0)
        snapshot_free(snapshot);
    return code == 0;
}

struct tries {
    json_t *json;
    unsigned read, refused;
};

/* Puts each wrong value in the place of each member of an object, one at a time. */
static void try_members(struct tries *tries, json_t *object)
{
    json_t *values = wrong_values(), *copy = json_copy(object), *kept, *value;
    const char *key;
    size_t i;

    json_object_foreach(copy, key, kept)
    {
        json_array_foreach(values, i, value)
        {
            json_object_set(object, key, value);
            if (is_read(tries->json))
                tries->read++;
            else
                tries->refused++;
        }
        json_object_set(object, key, kept);
    }
    json_decref(copy);
    json_decref(values);
}

START_TEST(test_every_member_is_another)
{
    struct tries tries = { .json = document() };
    json_t *rows = json_object_get(tries.json, "endpoints"), *row;
    size_t i;

    try_members(&tries, tries.json);
    try_members(&tries, json_array_get(json_object_get(tries.json, "processes"), 0));
    json_array_foreach(rows, i, row)
    {
        json_t *owners = json_object_get(row, "owners"), *peer = json_object_get(row, "peer");
        try_members(&tries, row);
        if (peer)
            try_members(&tries, peer);
        if (json_array_size(owners))
            try_members(&tries, json_array_get(owners, 0));
    }
    ck_assert_uint_gt(tries.refused, tries.read);
    ck_assert_uint_gt(tries.read, 100);
    ck_assert(is_read(tries.json));
    json_decref(tries.json);
}
END_TEST

START_TEST(test_every_truncation_is_refused)
{
    json_t *json = document();
    AUTO_FREE char *text = json_dumps(json, JSON_COMPACT);
    for (size_t size = 0; size < strlen(text); size++) {
        struct snapshot *snapshot;
        ck_assert_int_eq(read_text(text, size, &snapshot), -EINVAL);
    }
    json_decref(json);
}
END_TEST

/* Whatever inodes they claim, to look for one costs no walk over all: this would take hours. */
START_TEST(test_many_of_one_inode)
{
    struct snapshot *snapshot;
    json_t *json = document();
    json_t *rows = json_object_get(json, "endpoints");
    json_array_clear(rows);
    for (unsigned i = 0; i < 200000; i++)
        json_array_append_new(rows, json_pack("{s:s, s:i, s:{s:i}}", "kind",
                                        i % 2 ? "u_str" : "u_seq", "inode", 1, "peer", "inode", 1));
    ck_assert_int_eq(read_json(json, &snapshot), 0);
    ck_assert_uint_eq(snapshot_count(snapshot), 200000);
    ck_assert_ptr_nonnull(snapshot_get(snapshot, 199999)->peer);
    snapshot_free(snapshot);
    json_decref(json);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("command/ls/snapshot");
    TCase *cases = tcase_create("snapshot");
    tcase_set_timeout(cases, 50);
    tcase_add_test(cases, test_everything_is_read);
    tcase_add_test(cases, test_found_by_the_cookie_else_by_inode_and_end);
    tcase_add_test(cases, test_every_member_is_another);
    tcase_add_test(cases, test_every_truncation_is_refused);
    tcase_add_test(cases, test_many_of_one_inode);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
