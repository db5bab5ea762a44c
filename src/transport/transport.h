/* transport.h - one file per mechanism behind one table of operations.
 *
 * A mechanism gives two things: a *link*, one end of an open way (the channel floor wraps it as
 * ferry_channel), and a *listening*, a place where links arrive (wrapped as ferry_listener). Both
 * are plain structs that their owner embeds; a link moves by assignment until it is in its final
 * place, so a mechanism never keeps a pointer to it.
 *
 * Every operation is non-blocking and returns as its public namesake in ferry/channel.h says. A
 * mechanism sees whole requests: framing, deadlines, policy and identity caching are not its job.
 */
#ifndef FERRY_TRANSPORT_TRANSPORT_H
#define FERRY_TRANSPORT_TRANSPORT_H

#include "transport/identity.h"
#include "wire/address.h"

#include <ferry/channel.h>
#include <ferry/listener.h>

struct link;
struct option_source; /* transport/socket_options.h: what is asked for of a socket's options */
struct unix_path;     /* transport/unix_path.h: a path that we bound and shall remove */

struct link_ops {
    int (*send)(struct link *link, struct ferry_outgoing *batch, size_t count);
    int (*receive)(
        struct link *link, struct ferry_inbox *inbox, struct ferry_message *batch, size_t count);
    int (*shutdown)(struct link *link); /* ends our sending */
    /* Lets nothing more come: what is there is still received, then the end. The peer is told where
     * there is a way. False (or NULL): the link has no end of its own, its owner stops asking it.
     */
    bool (*stop_receiving)(struct link *link);
    void (*close)(struct link *link);         /* gives everything back; called once */
    int (*connected)(struct link *link);      /* NULL: always */
    bool (*pending)(const struct link *link); /* NULL: never */
    /* As `receive`, of one message, for which it looks out for a while where that is cheaper than
     * to sleep and be woken; -EAGAIN also where something else is to be done first, which `receive`
     * does. NULL: it never is cheaper. A link that has it is never framed, always receives, and has
     * an end of its own (stop_receiving). */
    int (*receive_soon)(struct link *link, struct ferry_inbox *inbox, struct ferry_message *message,
        int64_t deadline_ns);
    /* The peer's address as text for people into text[size]; NULL: it has none. */
    void (*peer)(const struct link *link, char *text, size_t size);
    /* Puts a fact about the peer into the identity; it stays unknown where nobody vouches.
     * FERRY_FACT_PID stands for uid and gid too; what /proc tells is not asked here. NULL: nobody
     * vouches for anything. */
    void (*identity)(struct link *link, enum ferry_fact fact, struct ferry_identity *identity);
};

enum link_flag {
    /* The descriptors are shared with other processes and so may be blocking: poll(2) before each
     * call, send at most PIPE_BUF at once to a pipe or terminal, MSG_DONTWAIT on sockets. */
    LINK_SHARED = 1 << 0,
    /* receive_fd is a regular file (sendfile(2) works from it). */
    LINK_FILE = 1 << 1,
    /* receive_fd / send_fd is a socket, pipe or FIFO that splice(2) takes, and plain bytes only
     * pass: no descriptors, no boundaries. */
    LINK_SPLICE_FROM = 1 << 2,
    LINK_SPLICE_TO = 1 << 3,
    /* A datagram session: its descriptors are the listening's socket, shared with all its other
     * sessions. Poll them only when waiting for this session alone; in a loop the listening is
     * watched, and on_change tells. Receiving takes in what the socket has and deals it out. */
    LINK_SESSION = 1 << 4,
    /* Closing it with something unread destroys what the peer has yet to read of us (TCP resets):
     * receive and drop for a while first. */
    LINK_DRAIN = 1 << 5,
    /* All that the link is lies in its one descriptor: another process could go on with it. */
    LINK_WHOLE = 1 << 6,
    /* linger= of a span was asked for: the kernel would make close(2) wait, whatever O_NONBLOCK
     * says, and with it everything else that the thread does. It is taken back before closing. */
    LINK_LINGERS = 1 << 7,
    /* Large outgoings are sent from the caller's pages (transport/zero_copy.c). */
    LINK_ZERO_COPY = 1 << 8,
    /* All of what was to be sent is with the kernel, which has not done with its pages: poll(2)
     * tells of that by POLLERR, while the socket is writable anyway. */
    LINK_AWAITS = 1 << 9,
};

/* Small, because an idle connection has two. */
struct link {
    const struct link_ops *ops;
    int receive_fd;         /* -1: cannot receive (or: a session, see pending) */
    int send_fd;            /* may equal receive_fd; -1: cannot send */
    uint16_t capabilities;  /* enum ferry_capability */
    uint16_t flags;         /* enum link_flag */
    uint16_t segment_max;   /* udp: largest datagram that UDP_SEGMENT may be tried with */
    uint16_t priority;      /* default for messages (mq) */
    int64_t remaining;      /* file: bytes still to be read, -1 to the end */
    void *state;            /* the mechanism's own, or NULL */
    struct unix_path *path; /* of a client with bind=PATH: removed at close; else NULL */
    /* As whom outgoings are sent that do not say so; borrowed from the channel. NULL: as we are. */
    const struct ferry_credentials *credentials;
    /* Set by who watches. Links without a descriptor of their own to poll (datagram sessions) call
     * this, and the channel itself when its receiving is stopped, when `pending` or the ability to
     * send may have become true; links whose shutdown closes send_fd call it just before, with
     * send_fd -1 already: stop watching it. */
    void (*on_change)(void *data);
    void *on_change_data;
};

struct listening;

struct listening_ops {
    int (*accept)(struct listening *listening, struct link *ret_link);
    void (*close)(struct listening *listening);
    int (*socket)(const struct listening *listening); /* itself; NULL: it has none */
};

struct listening {
    const struct listening_ops *ops;
    int fd;                /* poll for POLLIN before accept, nothing else; -1: always try */
    unsigned capabilities; /* what its links will have */
    bool refuse_descriptors;
    uint8_t preference; /* auto: enum ferry_auto_preference of what it brings */
    void *state;
    struct ferry_address *bound; /* owned: as it really is (tcp:0 with its port) */
    struct unix_path *path;      /* owned: removed at close; NULL where there is none of ours */
};

/* Datagrams of a listening that were dropped because a bound was reached; 0 where none can be. */
uint64_t listening_dropped(const struct listening *listening);

/* The socket behind a listening, borrowed; -1: there is none. */
int listening_socket(const struct listening *listening);

/* The addresses of a name, each with a number for its host, the likeliest to answer first
 * (RFC 6724). None: the address has no name in it and is dialled as it is. */
struct resolved {
    struct ferry_address **addresses;
    size_t count;
};

void resolved_fini(struct resolved *resolved);

/* What each mechanism offers. NULL where it cannot. */
struct transport {
    int (*listen)(const struct ferry_address *address, const struct ferry_listen_options *options,
        struct listening *ret_listening, struct ferry_error *error);
    int (*resolve)(const struct ferry_address *address, struct resolved *ret_resolved,
        struct ferry_error *error); /* NULL: no names */
    int (*dial)(const struct ferry_address *address, const struct ferry_dial_options *options,
        struct link *ret_link, struct ferry_error *error);
};

extern const struct transport transport_unix; /* unix, unix-dgram, unix-seq */
extern const struct transport transport_inet; /* tcp, udp */
extern const struct transport transport_fifo;
extern const struct transport transport_mq;
extern const struct transport transport_descriptor; /* fd (by number), - */
extern const struct transport transport_exec;
extern const struct transport transport_file;
extern const struct transport transport_icmp;
extern const struct transport transport_auto;

/* By the address's scheme. A scheme without listen of its own is dialled once and arrives as the
 * only link (transport/single.c). */
int transport_listen(const struct ferry_address *address,
    const struct ferry_listen_options *options, struct listening *ret_listening,
    struct ferry_error *error);
/* What dialling may try one after the other; it may block for as long as name servers take.
 *   ret_resolved  end it with resolved_fini() */
int transport_resolve(
    const struct ferry_address *address, struct resolved *ret_resolved, struct ferry_error *error);
/* -EAGAIN: not now, try again later. */
int transport_dial(const struct ferry_address *address, const struct ferry_dial_options *options,
    struct link *ret_link, struct ferry_error *error);

/* A link of any open descriptor; takes it, and closes it on failure.
 *   shared  others have the same open file description: leave its O_NONBLOCK alone */
int descriptor_link(int fd, bool shared, struct link *ret_link);
/* The same for separate receiving and sending descriptors (pipes; standard input and output);
 * either may be -1. */
int descriptor_link_two(int receive_fd, int send_fd, bool shared, struct link *ret_link);
/* The same of what another process dialled at that address, perhaps a connection in progress; they
 * may be one. */
int descriptor_link_dialled(const struct ferry_address *address, int receive_fd, int send_fd,
    bool refuse_descriptors, struct link *ret_link);
/* A link of a connected socket that has been a channel of that address before, and is nobody
 * else's; takes it, and closes it on failure.
 * Returns 0, -ENOTSOCK, -ENOTCONN, -EPROTOTYPE (a socket of another kind), ... */
int resume_link(int fd, const struct option_source *source, bool refuse_descriptors,
    struct link *ret_link, struct ferry_error *error);
/* The same for the socket of a listening. -ESTALE: it is not bound at that address (any more). */
int resume_listening(int fd, const struct ferry_address *address,
    const struct ferry_listen_options *options, struct listening *ret_listening,
    struct ferry_error *error);
/* A listening of a socket that listens (or of a bound datagram socket); takes fd. */
int descriptor_listening(int fd, const struct ferry_address *address,
    const struct ferry_listen_options *options, struct listening *ret_listening,
    struct ferry_error *error);
/* Reaps commands of exec: links that outlived their link and have ended since. Every exec: dial and
 * close does so too; a process that stops dialling calls it from a timer. */
void exec_sweep(void);
/* socketpair(2). */
int unix_pair(enum ferry_scheme scheme, struct link *ret_one, struct link *ret_other);

/* Gives the link of a connected packet socket what auto: has beside it; closes it on failure. It
 * must not refuse descriptors itself: what makes rings are descriptors.
 * Returns 0, -EPROTOTYPE (it is no such link), -ENOMEM. */
int auto_link(
    const struct ferry_address *address, bool dialled, bool refuse_descriptors, struct link *link);
/* The same for what a listening will bring. */
void auto_listening(
    const struct ferry_address *address, bool refuse_descriptors, struct listening *listening);

/* --- sockets of every family: socket.c -------------------------------------------------------- */

/* Fills a link of a connected (or connecting) socket, with the options that every socket of ours
 * has (SO_PASSCRED where unix messages pass, so that they carry identity and an empty seqpacket is
 * told from the end; TCP_NODELAY). Takes fd, and closes it on failure. O_NONBLOCK is the caller's
 * business, since others may share the description: every call here has MSG_DONTWAIT.
 *   connecting          connect(2) returned EINPROGRESS
 *   refuse_descriptors  SO_PASSRIGHTS=0 where the kernel knows it, else received ones are closed */
int socket_link(int fd, bool connecting, bool refuse_descriptors, struct link *ret_link);
/* The same for a stream or seqpacket socket that listens; takes fd and bound, frees both on
 * failure. It must be non-blocking. */
int socket_listening(
    int fd, struct ferry_address *bound, bool refuse_descriptors, struct listening *ret_listening);
/* For a bound datagram socket (unix or inet): session.c. Each sender arrives as a link. Takes fd
 * and bound, frees both on failure. */
int session_listening(
    int fd, struct ferry_address *bound, bool refuse_descriptors, struct listening *ret_listening);
/* Whether the kernel lets us send with these credentials, tried between two ends of our own.
 * Returns 0, -EPERM, -ESRCH (no such process), or another -errno. */
int socket_credentials_check(const struct ferry_credentials *credentials);
/* Asks for what messages shall bring of their sender beside credentials; before any can arrive. A
 * stream, which has none, is left alone; an old kernel may refuse: then it stays unknown. */
void socket_pass(int fd, bool pidfd, bool label);
/* Sets the options that are asked for on a listening of either kind, and for what will be accepted.
 *   moments  enum option_moment of transport/socket_options.h; 0: only for what will be accepted
 * Returns 0, or -errno with *error; the listening stays the caller's. */
int listening_apply_options(struct listening *listening, unsigned moments,
    const struct option_source *source, struct ferry_error *error);
/* The text of a socket address: "unix:/path", "unix:@name", "tcp:127.0.0.1:80"; "" for unnamed. */
void socket_address_text(const void *address, unsigned size, int type, char *text, size_t room);

#endif
