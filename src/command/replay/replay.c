/* replay.c - `ferry replay`: what a file holds, message by message, to an address.
 *
 * The file gives messages (messages.c), the schedule says how many may go now (schedule.c), the
 * sender sends them as they are taken (sender.c). Nothing is held but the piece of the file that is
 * being looked at: a receiver that is slow is one for whom no further piece is fetched.
 */
#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "command/argument.h"
#include "command/command.h"
#include "command/progress.h"
#include "command/replay/schedule.h"
#include "command/replay/sender.h"
#include "command/table.h"

#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

struct replay {
    const char *file;
    enum frame frame;
    uint64_t rate, from, count, times; /* count: 0, all */
    bool json, shows;                  /* shows: how far it is, and at the end what was sent */
    struct messages *messages;
    struct schedule schedule;
    struct sender sender;
    int64_t begin_ns, shown_ns; /* when the first went, and when progress was last shown */
};

enum {
    KEY_FRAME = 0x400,
    KEY_RATE,
    KEY_FROM,
    KEY_COUNT,
    KEY_TIMES,
    KEY_KEEP,
    KEY_TIMEOUT,
    KEY_JSON
};

static const struct argp_option options[] = {
    { "frame", KEY_FRAME, "FRAME", 0,
        "How messages lie in the file: lf, a line is one; length, each follows its length in 4 "
        "bytes (lf)",
        0 },
    { "rate", KEY_RATE, "NUMBER", 0,
        "At most so many messages a second (else: as fast as they are taken)", 0 },
    { "from", KEY_FROM, "NUMBER", 0, "Begin with this message; the first is 1", 0 },
    { "count", KEY_COUNT, "COUNT", 0, "End after so many messages", 0 },
    { "times", KEY_TIMES, "COUNT", 0, "Send all of it so many times (1)", 0 },
    { "keep-going", KEY_KEEP, NULL, 0,
        "Leave out what the address does not take, and go on (else: that is the end)", 0 },
    { "timeout", KEY_TIMEOUT, "SPAN", 0,
        "Give up on a receiver that takes nothing for so long (else: never)", 0 },
    { "json", KEY_JSON, NULL, 0, "Print at the end what was sent, as one line of JSON", 0 },
    { 0 },
};

static enum frame parse_frame(struct argp_state *state, const char *argument)
{
    enum frame frame = frame_from_name(argument);
    if (frame != FRAME_LF && frame != FRAME_LENGTH)
        argp_error(state, "--frame: lf or length is expected%s",
            frame == FRAME_NONE ? "; with none, nothing parts the messages of a file" : "");
    return frame;
}

static error_t replay_parse(int key, char *argument, struct argp_state *state)
{
    struct replay *replay = state->input;
    switch (key) {
    case KEY_FRAME:
        replay->frame = parse_frame(state, argument);
        return 0;
    case KEY_RATE:
        replay->rate = (uint64_t)argument_number(state, argument, 1, REPLAY_RATE_MAX);
        return 0;
    case KEY_FROM:
        replay->from = (uint64_t)argument_number(state, argument, 1, INT64_MAX);
        return 0;
    case KEY_COUNT:
        replay->count = (uint64_t)argument_number(state, argument, 1, INT64_MAX);
        return 0;
    case KEY_TIMES:
        replay->times = (uint64_t)argument_number(state, argument, 1, INT64_MAX);
        return 0;
    case KEY_KEEP:
        replay->sender.keep_going = true;
        return 0;
    case KEY_TIMEOUT:
        replay->sender.timeout_ns = argument_span_ms(state, argument, 1, INT64_MAX / NS_PER_MS);
        replay->sender.timeout_ns *= NS_PER_MS;
        return 0;
    case KEY_JSON:
        replay->json = true;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num > 1)
            return ARGP_ERR_UNKNOWN;
        *(state->arg_num ? &replay->sender.address : &replay->file) = argument;
        return 0;
    case ARGP_KEY_END:
        if (!replay->sender.address)
            argp_error(state, "a file and an address are needed");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = options,
    .parser = replay_parse,
    .args_doc = "FILE ADDRESS",
    .doc = "Send what FILE holds (-: standard input) to ADDRESS, message by message, in little "
           "memory however large it is. What is answered is dropped. Quiet unless it fails, but on "
           "a terminal it shows how far it is.\v"
           "EXAMPLES\n"
           "  ferry replay lines.txt unix-dgram:/dev/log\n"
           "  ferry replay --json --rate 100 lines.txt udp:9999\n"
           "  ferry replay --json --from 2 --count 1 lines.txt unix-seq:/tmp/s.sock\n"
           "  ferry replay --json --frame length --times 3 requests.bin auto:/tmp/a.sock\n",
};

/* --- saying ----------------------------------------------------------------------------------- */

/* Counts that can be read in full are. */
static void print_count(double count, char text[24])
{
    if (count < 10000)
        snprintf(text, 24, "%.0f", count);
    else
        number_print(count, text);
}

/* "345k messages, 1.2G, 2.1 s, 164k/s" */
static void print_sent(const struct replay *replay, struct bytes *text)
{
    const struct sender *sender = &replay->sender;
    double seconds = (double)(clock_now_ns() - replay->begin_ns) / (double)NS_PER_S;
    char count[24], size[24], rate[24];

    print_count((double)sender->sent_count, count);
    size_print(true, sender->sent_size, size);
    print_count(seconds > 0 ? (double)sender->sent_count / seconds : 0, rate);
    bytes_print(text, "%s messages, %s, %.1f s, %s/s", count, size, seconds, rate);
}

static void replay_progress(void *data)
{
    struct replay *replay = data;
    AUTO_BYTES struct bytes text = BYTES_EMPTY;
    int64_t now_ns = clock_now_ns();

    if (now_ns - replay->shown_ns < REPLAY_PROGRESS_MS * NS_PER_MS)
        return;
    replay->shown_ns = now_ns;
    print_sent(replay, &text);
    if (!bytes_failed(&text))
        progress_draw(messages_share(replay->messages), text.data);
}

static void say_person(const struct replay *replay)
{
    AUTO_BYTES struct bytes text = BYTES_EMPTY;

    if (!replay->shows)
        return;
    progress_end();
    print_sent(replay, &text);
    if (!bytes_failed(&text))
        fprintf(stderr, "%s\n", text.data);
}

static json_t *json_text(const char *text)
{
    json_t *string = json_string(text); /* NULL: no UTF-8 */
    return string ? string : json_string("?");
}

/*   error  NULL: nothing has failed */
static int say_json(const struct replay *replay, const struct ferry_error *error)
{
    const struct sender *sender = &replay->sender;
    uint64_t next, offset;
    char reason[sizeof(*error) + 8];
    json_t *object = json_pack("{s:o, s:o, s:I, s:I, s:I, s:f}", "file", json_text(replay->file),
        "address", json_text(sender->address), "messages", (json_int_t)sender->sent_count, "bytes",
        (json_int_t)sender->sent_size, "refused", (json_int_t)sender->refused_count, "seconds",
        (double)(clock_now_ns() - replay->begin_ns) / (double)NS_PER_S);

    if (error) {
        ferry_error_format(error, reason, sizeof(reason));
        json_object_set_new(object, "reason", json_text(reason));
    }
    if (sender_unsent(sender, &next, &offset)) {
        json_object_set_new(object, "next", json_integer((json_int_t)next));
        json_object_set_new(object, "offset", json_integer((json_int_t)offset));
    }
    char *line = object ? json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(6)) : NULL;
    json_decref(object);
    if (!line)
        return command_fail_errno("replay", "JSON", -ENOMEM);
    puts(line);
    free(line);
    return EXIT_DONE;
}

static int replay_say(const struct replay *replay, const struct ferry_error *error)
{
    int status = EXIT_DONE;

    say_person(replay);
    if (replay->json)
        status = say_json(replay, error);
    return error ? command_fail("replay", error) : status;
}

/* --- sending ---------------------------------------------------------------------------------- */

/* Returns 1, 0 (that was all), or -errno. */
static int replay_fetch(struct replay *replay, struct ferry_error *error)
{
    struct sender *sender = &replay->sender;

    if (messages_ended(replay->messages))
        return 0;
    int r = sender_wait(sender, -1, 0, error); /* a signal may have come, or answers */
    if (r == 0)
        r = messages_fetch(replay->messages, error);
    if (r == -EAGAIN)
        r = sender_wait(sender, messages_fd(replay->messages), CLOCK_NEVER, error);
    return r < 0 ? r : 1;
}

/* Sends what has been fetched, may go now, and was asked for; else waits, or fetches more. Returns
 * 1, 0 (that was all), or -errno. */
static int replay_turn(struct replay *replay, uint64_t last, struct ferry_error *error)
{
    struct sender *sender = &replay->sender;
    struct message message;
    size_t allowed = schedule_allows(&replay->schedule, clock_now_ns(), REPLAY_BATCH), count = 0;
    int r = 0;

    if (!allowed) {
        r = sender_wait(sender, -1, schedule_due_ns(&replay->schedule), error);
        return r < 0 ? r : 1;
    }
    while (count < allowed && messages_number(replay->messages) <= last) {
        r = messages_next(replay->messages, &message, error);
        if (r <= 0)
            break;
        if (message.number < replay->from)
            continue;
        sender_add(sender, &message);
        count++;
    }
    if (count) {
        schedule_take(&replay->schedule, count);
        int sent = sender_flush(sender, error);
        return sent < 0 ? sent : 1; /* what is wrong with the next is met again */
    }
    if (r < 0 || messages_number(replay->messages) > last)
        return r < 0 ? r : 0;
    return replay_fetch(replay, error);
}

static int replay_send(struct replay *replay, struct ferry_error *error)
{
    struct sender *sender = &replay->sender;
    uint64_t last = replay->count ? replay->from + replay->count - 1 : UINT64_MAX;
    int r = 1;

    /* A terminal that the messages go to is not drawn on. */
    replay->shows = progress_is_seen() && !(sender->is_output && isatty(STDOUT_FILENO));
    sender->progress = replay->shows ? replay_progress : NULL;
    sender->data = replay;
    replay->begin_ns = replay->shown_ns = clock_now_ns();
    schedule_init(&replay->schedule, replay->rate, replay->begin_ns);
    for (uint64_t turn = 0; turn < replay->times && r >= 0; turn++) {
        r = turn ? messages_rewind(replay->messages, error) : 1;
        while (r >= 0 && (r = replay_turn(replay, last, error)) > 0)
            ;
    }
    return r < 0 ? r : sender_finish(sender, error);
}

/* Whoever asks for a message far behind the last has sent nothing, and would not notice. To go on
 * right behind the last is to have sent all. */
static int replay_begun(const struct replay *replay, struct ferry_error *error)
{
    uint64_t next = messages_number(replay->messages);

    if (replay->from <= next)
        return 0;
    return error_set(error, -ENODATA, replay->file, "begin with one that it has",
        "there is no message %" PRIu64 " to begin with: it has %" PRIu64, replay->from, next - 1);
}

/* What was left out has failed, although all else has gone. */
static int replay_refused(const struct replay *replay, struct ferry_error *error)
{
    const struct sender *sender = &replay->sender;

    if (!sender->refused_count)
        return 0;
    const struct ferry_error *first = &sender->refusal;
    return error_set(error, first->code, first->thing, NULL, "%.200s; refused in all: %" PRIu64,
        first->reason, sender->refused_count);
}

int command_replay(int argc, char **argv)
{
    struct replay replay = { .frame = FRAME_LF, .from = 1, .times = 1 };
    struct ferry_error error;
    int status;

    replay.sender.timeout_ns = CLOCK_NEVER;
    if (argument_parse("replay", &argp, argc, argv, 0, &replay) != EXIT_DONE)
        return EXIT_FAILED;
    signal(SIGPIPE, SIG_IGN); /* a failure to write is said, not died of */
    replay.sender.file = replay.file;
    int r = messages_open(replay.file, replay.frame, &replay.messages, &error);
    if (r == 0 && replay.times > 1)
        r = messages_rewind(replay.messages, &error); /* what can't be is said at once */
    replay.sender.source = replay.messages;
    if (r == 0)
        r = sender_open(&replay.sender, replay.json, &error);
    if (r < 0) {
        status = command_fail("replay", &error);
    } else {
        r = replay_send(&replay, &error);
        if (r == 0)
            r = replay_begun(&replay, &error);
        if (r == 0)
            r = replay_refused(&replay, &error);
        status = replay_say(&replay, r < 0 ? &error : NULL);
    }
    sender_close(&replay.sender);
    messages_close(replay.messages);
    return status;
}
