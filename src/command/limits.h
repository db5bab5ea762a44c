/* Limits of the command floor. */
#ifndef FERRY_COMMAND_LIMITS_H
#define FERRY_COMMAND_LIMITS_H

/* Descriptors that `take` receives: as many as a careful sender passes, far below what would
 * exhaust the process. */
#define TAKE_DESCRIPTORS_MAX 4096u
/* Bytes of names that come with them: NAME_MAX (255) and a line feed each. */
#define TAKE_NAMES_SIZE_MAX (TAKE_DESCRIPTORS_MAX * 256u)
/* Files that `pass` opens, the same bound seen from the other end. */
#define PASS_FILES_MAX TAKE_DESCRIPTORS_MAX
/* Bytes of one reply from a control socket: a status of 10,000 connections is about 5 MB. */
#define CONTROL_REPLY_SIZE_MAX (64u << 20)
/* The same of a ferry that `top` and `why` have found by themselves, and that is another user's:
 * some 500 connections. */
#define STRANGER_REPLY_SIZE_MAX (256u << 10)
/* Milliseconds to wait for such a reply. */
#define CONTROL_TIMEOUT_MS 10000
/* Milliseconds that connections get to finish after the first request to stop (--grace). */
#define GRACE_MS 5000
/* Milliseconds until a connection that could not be handed to the service manager is tried again.
 */
#define KEEP_RETRY_MS 20
/* Milliseconds of silence that end `connect` to a target without an end (--wait). */
#define CONNECT_WAIT_MS 500
/* Milliseconds until `connect` and `pass` give up dialling (--timeout). */
#define CONNECT_TIMEOUT_MS 10000
/* Bytes of a file that `replay` looks at, or of a pipe that it holds: the longest frame twice, so
 * that most of it is new each time, and still in a processor's second cache. */
#define REPLAY_PIECE_SIZE ((size_t)512 << 10)
/* Messages that go by one call, as many as sendmmsg(2) is given at once. */
#define REPLAY_BATCH 64u
/* Messages a second (--rate): as many as a look at the clock each allows. */
#define REPLAY_RATE_MAX 10000000
/* Nanoseconds by which a message may be late and the next still keeps its own time: being woken
 * takes less, a receiver that holds up takes more. */
#define REPLAY_LATE_NS (5 * NS_PER_MS)
/* Milliseconds from one look of a terminal at how far it is to the next. */
#define REPLAY_PROGRESS_MS 100
/* Milliseconds between tries while a writable socket takes nothing all the same; doubles up to the
 * maximum. */
#define REPLAY_PAUSE_MS     1
#define REPLAY_PAUSE_MS_MAX 32
/* Receives of what the receiver answers, in one go, so that an endless answer keeps nothing up. */
#define REPLAY_RECEIVES 64u
/* Bytes of a message that is an answer; a longer one is dropped as well, by the kernel. */
#define REPLAY_ANSWER_SIZE ((size_t)64 << 10)
/* Bytes of a message that -x shows; the rest is only counted. */
#define DUMP_SIZE_MAX (64u << 10)
/* Bytes that stand in one line of it, as with socat. */
#define DUMP_WIDTH 16u
/* Groups of somebody that `check --as` asks about: NGROUPS_MAX is 65536, nobody has that many. */
#define PERSON_GROUPS_MAX 1024
/* Bytes of a word that is looked for among those that are known, with its NUL; none is as long. */
#define NEAREST_WORD_SIZE 32u
/* Columns of a table that is printed for people. */
#define TABLE_COLUMNS_MAX 12u
/* --allow and --deny on one command line. */
#define RULE_OPTIONS_MAX 64u
/* Addresses that one `ping` asks side by side; each costs some 220 KB. */
#define PING_ADDRESSES_MAX 256u
/* Bytes of a message of `ping`: at least its stamp, at most what an IPv4 datagram carries. */
#define PING_SIZE_MIN     16u
#define PING_SIZE_MAX     65507u
#define PING_SIZE_DEFAULT 56u
/* Questions whose echo is known to be late or to come twice; one that is older counts as late. */
#define PING_NUMBERS_KEPT 1024u
/* Milliseconds between questions (--interval), what others than root may not go below (as ping(8)
 * has it), and until one is given up (--timeout). */
#define PING_INTERVAL_MS     1000
#define PING_INTERVAL_MS_MIN 2
#define PING_TIMEOUT_MS      1000
/* Milliseconds that either may be: days that nobody waits, and no sum of times overflows. */
#define PING_SPAN_MS_MAX (20 * 86400000)
/* Milliseconds between tries while a backlog or queue is full, or a FIFO has no reader; doubles up
 * to the maximum. */
#define PING_PAUSE_MS     1
#define PING_PAUSE_MS_MAX 50
/* Messages received in one turn of the loop, so that a flood on one address leaves room for the
 * others. */
#define PING_RECEIVES 64u
/* Columns of one `ls`: far more than there are. */
#define LS_COLUMNS_MAX 64u
/* Processes that one `ls --pid` names. */
#define LS_PIDS_MAX 256u
/* How many rows ahead `ls` has one fetched: as long as memory takes to answer. */
#define LS_ROWS_AHEAD 4u
/* Bytes of rows that `ls` collects before it writes them: few calls, little memory. */
#define LS_WRITE_SIZE ((size_t)32 << 10)
/* Characters that a text keeps where the screen is too narrow for all. */
#define LS_CUT_WIDTH_MIN 8u
/* Milliseconds from one look of `ls --follow` to the next, and at least: a look at tens of
 * thousands of sockets takes some 100 ms of a processor. */
#define LS_INTERVAL_MS     1000
#define LS_INTERVAL_MS_MIN 10
/* Percent of a backlog that are worth a word (--backlog). */
#define LS_BACKLOG_PERCENT 80u
/* Milliseconds after which bytes that do not move are worth a word (--stuck). */
#define LS_STUCK_MS 10000

/* Bytes of a snapshot that `ls --since` reads: one of 100,000 sockets with their processes is about
 * 60 MB, and in memory ten times that. */
#define SNAPSHOT_SIZE_MAX (128u << 20)
/* Milliseconds between the two looks at a suspected deadlock: long beside the time that a busy
 * reader leaves a full queue untouched, short beside a person's patience. */
#define DEADLOCK_PAUSE_MS 200
/* Owners of a peer that stand with each of those connected to it: some 300 bytes each in memory,
 * for thousands of clients of one server; more than any sane server has workers. */
#define VIEW_PEER_OWNERS_MAX 64u
/* Threads of one process whose waits are looked at: some 50 us each; servers with more have one
 * that is told among the first. */
#define BLOCKED_THREADS_MAX 4096u
/* Descriptors of one poll(2), select(2) or epoll set that are looked at: FD_SETSIZE's count times
 * sixteen, 64 KiB. */
#define BLOCKED_FDS_MAX 16384u
/* Those of all threads of one process together: a thousand threads that wait at one large epoll set
 * are told of some of them; the kernel takes some 100 ns for each. */
#define BLOCKED_FDS_OF_ALL_MAX ((size_t)1 << 20)
/* Of those, how many are named to people: more than a line holds tell nobody anything. */
#define BLOCKED_FDS_SHOWN 4u
/* Bytes of a path that open(2) waits in: PATH_MAX. */
#define BLOCKED_PATH_SIZE 4096u
/* Generations up to pid 1 that are told: nobody nests deeper, and /proc may change as we climb. */
#define SHOW_ANCESTORS_MAX 64u
/* Endpoints that are told in full when a word means many: more is no longer read. */
#define SHOW_ENDPOINTS_MAX 32u
/* Clients of a listener's backlog, or of a datagram server, that are told by name. */
#define SHOW_CLIENTS_MAX 10u
/* Options of one descriptor: the table of them, and what is told besides. */
#define SHOW_OPTIONS_MAX 80u
/* Characters for what a line of `show` is about. */
#define SHOW_LABEL_WIDTH 12
/* Columns that lists of figures are broken at, whatever the terminal has: they can be compared. */
#define SHOW_WIDTH 100u
/* Milliseconds from one look to the next (--interval), and the least: a look walks /proc. */
#define SHOW_INTERVAL_MS     1000
#define SHOW_INTERVAL_MS_MIN 10
/* Milliseconds that it may be: a day; nobody waits longer, and no sum of times overflows. */
#define SHOW_INTERVAL_MS_MAX 86400000
/* Things wrong at one address that `why` tells; what follows is the same over and over. */
#define FINDINGS_MAX 32u
/* Entries of one file's access list: those that fit into a page of attributes. */
#define ACL_ENTRIES_MAX 512u
/* Clients, holders or connections that one line of `why` names. */
#define WHY_NAMES_MAX 5u
/* Symbolic links of one path that are followed: the kernel's MAXSYMLINKS. */
#define WHY_LINKS_MAX 40
/* Retransmissions that are no longer a packet lost by chance: a second and more of silence. */
#define WHY_RETRANSMITS_MIN 3
/* Milliseconds that `why --try` waits for a connection. */
#define WHY_TRY_MS 1000

/* --- `why` without an argument: what will bite ------------------------------------------------ */

/* Findings of one kind and severity that are shown; the rest is counted. */
#define FINDINGS_SHOWN_MAX 8u
/* Lines of evidence that are a list of things. */
#define EVIDENCE_SHOWN_MAX 6u
/* Milliseconds between the two looks of `why`: what is full for as long is no moment's burst, a
 * server that works has taken many turns, and nobody waits long for the answer. */
#define LOOKS_APART_MS 200
/* Percent of its room at which a backlog or a queue of messages, what a unix socket has sent and
 * nobody has taken, and any limit of the kernel's is near. */
#define BACKLOG_HIGH_PERCENT 80u
#define QUEUE_HIGH_PERCENT   80u
#define SENT_HIGH_PERCENT    80u
#define LIMIT_HIGH_PERCENT   80u
/* Connections of one process that the other side has closed and it has not: fewer may be about to
 * be read to their end. */
#define NOT_CLOSED_MIN 32u
/* User ids from which on people have them (UID_MIN of login.defs(5)). */
#define PERSONS_UID_MIN 1000u
/* Folders, and entries of all of them, that are looked at for socket files: some seconds' worth of
 * a slow disk at most. */
#define SEARCH_FOLDERS_MAX 4096u
#define SEARCH_ENTRIES_MAX 262144u
/* Files of /dev/shm that are looked for in the maps of all processes; each some 200 bytes. */
#define SHARED_FILES_MAX 65536u
/* Users whose queues, and whose descriptors on their way, are added up. */
#define QUEUE_USERS_MAX 64u
#define SENDERS_MAX     64u
/* Semaphores of one set that are asked who used them last; the kernel's usual most (SEMMSL) is
 * 32000, and one call each. */
#define SEMAPHORES_ASKED_MAX 256u
/* Milliseconds between looks of `top` (--delay), and the least that may be asked for: a look at a
 * large machine takes some 50. */
#define TOP_DELAY_MS     1000
#define TOP_DELAY_MS_MIN 100
/* Running ferries that `top` asks; more on one machine is somebody's play. */
#define TOP_FERRIES_MAX 16u
/* Milliseconds that all of them may take in one look, and until one that failed is asked again: a
 * stopped ferry must not stop the screen. */
#define TOP_ASK_MS       250
#define TOP_ASK_PAUSE_MS 10000
/* Asking a large ferry is dear on both sides: it is left in peace for so many times what its reply
 * took. */
#define TOP_ASK_REST 20
/* Connections of a route that the screen shows, the busiest. */
#define TOP_FLOWS_SHOWN 3u
/* Sockets of a process that the screen lists when one looks into it: it scrolls, but not for ever.
 */
#define TOP_SOCKETS_SHOWN 1000u
/* Keys taken in one turn of the loop: a paste must not hold up the looks. */
#define TOP_KEYS 64u
/* Milliseconds after an Esc in which the rest of a key's sequence must come. */
#define TOP_ESCAPE_MS 50
/* Columns for names below which the remote address is left to the selected row's line. */
#define TOP_REMOTE_WIDTH_MIN 72u
/* Lines of the screen below which there is no room for a row, and those that what stands above the
 * list leaves to it: title, heading, selected row, foot, and one row at least. */
#define TOP_LINES_MIN   6
#define TOP_LINES_OTHER 5
/* Bytes of the filter that is typed. */
#define TOP_FILTER_SIZE 64u

/* Bytes of JSON that are printed at once. */
#define VIEW_PRINT_SIZE ((size_t)64 << 10)
/* Bytes of a message of `bench` (--size): at least its number; at most what has two rings of 256
 * MiB. */
#define BENCH_SIZE_MIN  ((size_t)8)
#define BENCH_SIZE_MAX  ((size_t)16 << 20)
#define BENCH_SIZES_MAX 16u
/* Milliseconds of one slice (--time) and how many there are of each case (--rounds). */
#define BENCH_SLICE_MS     20
#define BENCH_SLICE_MS_MAX 10000
#define BENCH_ROUNDS       3u
#define BENCH_ROUNDS_MAX   100u
/* How long it takes, about: milliseconds that a slice takes besides, each way, and one more for so
 * many bytes of a message, whose memory has to be made; until many descriptors are watched. How
 * long it may take (--budget): unless it is given several times that, since the machine may be
 * busy. */
#define BENCH_LATE_MS       5
#define BENCH_LATE_BYTES    ((size_t)90000)
#define READY_LATE_MS       1500
#define BENCH_BUDGET_MS_MAX INT64_C(86400000)
#define BENCH_LIMIT_TIMES   4
#define BENCH_LIMIT_MS      60000
/* Milliseconds of silence after which messages count as lost; where none can be, as stuck. */
#define BENCH_LOST_MS  200
#define BENCH_STUCK_MS 10000
/* Tries of who spins between looks at the clock, messages between those of who sends; a look takes
 * as long as a small message in shared memory. Larger ones are worth a look each. */
#define BENCH_TRIES_A_LOOK    1024u
#define BENCH_MESSAGES_A_LOOK 64u
#define BENCH_LARGE_SIZE      ((size_t)16 << 10)
/* A cache line there and back between processors: so often in a batch, so many batches, of which
 * the least counts; milliseconds after which it is given up, and between two such looks. */
#define BENCH_LINE_TRIPS    64u
#define BENCH_LINE_BATCHES  8u
#define BENCH_LINE_MS       20
#define BENCH_LINE_EVERY_MS 50
/* Messages, or round trips, a second (--rate): as many as a look at the clock each allows; and
 * nanoseconds before one is due from which on the clock is looked at, since being woken takes some
 * tens of thousands. */
#define BENCH_RATE_MAX     10000000
#define BENCH_PACE_SPIN_NS 200000
/* Of what moves by itself: nanoseconds for which that is waited for before anything is measured;
 * and those after which who has moved to a ring stays, a little more than an auto: channel tries
 * it. */
#define BENCH_SETTLE_NS INT64_C(100000000)
#define BENCH_TRIAL_NS  INT64_C(25000000)
/* Bytes that every socket has room for anyway: below net.core.wmem_default. */
#define BENCH_BUFFER_MIN ((size_t)128 << 10)
/* Bytes of a ring, unless a message needs a larger one. */
#define BENCH_RING_SIZE ((size_t)1 << 20)
/* Bytes of an IPv4 datagram, and messages of a queue: what mqueue's msg_max is by default. */
#define BENCH_UDP_SIZE_MAX   ((size_t)65507)
#define BENCH_QUEUE_MESSAGES 10
/* `bench --calibrate`: milliseconds of a slice, and how many there are of each case; milliseconds
 * in which there are further slices, so that it ends within twenty seconds in any case; load above
 * which a machine has too much else to do. */
#define CALIBRATE_SLICE_MS 10
#define CALIBRATE_ROUNDS   6u
#define CALIBRATE_MS       15000
#define CALIBRATE_LOAD_MAX 1.0
/* Of other libraries: messages that may be under way, and bytes of them; milliseconds from one try
 * to connect to the next. */
#define PEER_DEPTH_MIN 2
#define PEER_DEPTH_MAX 1000
#define PEER_BYTES_MAX ((size_t)8 << 20)
#define PEER_RETRY_MS  1
/* Of iceoryx and its daemon: messages of each publisher besides those under way (one is filled in,
 * one looked at, the last one kept); what sizes are a multiple of; milliseconds between looks
 * whether the daemon is there, or gone, which takes it some tens. */
#define ROUDI_SPARE   4u
#define ROUDI_ALIGN   ((size_t)64)
#define ROUDI_LOOK_MS 2
/* `bench buffers`: bytes of the smallest buffer, each other one four times as large; and of a
 * message. */
#define BUFFER_STEP_MIN     ((size_t)4 << 10)
#define BUFFER_STEP_COUNT   6u
#define BUFFER_MESSAGE_SIZE ((size_t)64 << 10)
/* `bench profiles`: bytes of a small message and of a large one. */
#define PROFILE_SIZE_SMALL ((size_t)64)
#define PROFILE_SIZE_LARGE ((size_t)64 << 10)
/* `bench ready`: descriptors that are left for everything else, children that hold more than one
 * process may, and events between looks at the clock. */
#define READY_SPARE         64u
#define READY_CHILDREN_MAX  128u
#define READY_EVENTS_A_LOOK 16u
/* Polls that are handed to io_uring at once. */
#define READY_URING_ENTRIES 256u
/* `bench steps`: descriptors that go in one message, and steps between looks at the clock. */
#define STEP_DESCRIPTORS 64u
#define STEPS_A_LOOK     16u
/* Connections of which `why` says by what they send. */
#define LANES_MAX 64u

/* `why --workload`: bytes of a message, and messages a second that are believed. */
#define WORKLOAD_SIZE_MAX (INT64_C(1) << 30)
#define WORKLOAD_RATE_MAX 1000000000

#endif
