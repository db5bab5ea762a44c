"""Channels, and the listeners that they come from."""

import ctypes
import enum
import errno
import os
import select
import threading
import weakref
from typing import Any, Callable, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

from ._address import Address, Scheme, address_of
from ._auto import AutoPreference, AutoStats, callback, stats_of
from ._error import FerryError, failure
from ._identity import Identity
from ._library import ferry_auto_stats, ferry_credentials, ferry_dial_options, ferry_error
from ._library import ferry_listen_options, ferry_outgoing, lib
from ._message import Bytes, Credentials, Inbox, Message, Outgoing, inbox_of_thread
from ._open import Direction, Open
from ._wait import Timeout, Wait, deadline_of


class Capability(enum.IntFlag):
    """What a channel can do."""

    CAN_SEND = 1 << 0
    CAN_RECEIVE = 1 << 1
    HAS_BOUNDARIES = 1 << 2
    HAS_DESCRIPTORS = 1 << 3
    HAS_IDENTITY = 1 << 4
    HAS_HALF_CLOSE = 1 << 5
    HAS_PRIORITY = 1 << 6
    HAS_END = 1 << 7
    HAS_HOST = 1 << 8


# Receives that wait before they try, once one had to wait: in a conversation the answer is not there
# at once. Each time but one in so many.
_QUIET = 16


class Channel(Open):
    """An open way to a peer, whatever carries it: from dial(), pair(), a Listener, or Channel.adopt().

    Every call that sends or receives may fail as ferry/channel.h says, with a FerryError: EPIPE and
    ECONNRESET (the peer is gone), ETIMEDOUT, EMSGSIZE, EOPNOTSUPP, EBADF (closed), ...
    """

    def __init__(self, handle: ctypes.c_void_p, thing: str, lock: Optional[Any] = None) -> None:
        super().__init__(handle, thing, lock)
        self._identity: Optional[Identity] = None
        self.capabilities = Capability(lib.ferry_channel_capabilities(handle))
        # Without an end it may be a session, whose descriptor is not quiet while others are spoken to.
        self._has_end = Capability.HAS_END in self.capabilities
        self._quiet = 0
        self._on_move: Any = None  # of the library's, and what it has told
        self._moves: List[AutoStats] = []

    @classmethod
    def adopt(cls, fd: int) -> "Channel":
        """A channel of an open descriptor (socket, pipe, file, terminal), which it takes, and closes on
        failure too.

        FerryError: EBADF, EINVAL (it listens).
        """
        handle = ctypes.c_void_p()
        code = lib.ferry_channel_adopt(fd, ctypes.byref(handle))
        if code < 0:
            raise failure(code, f"fd:{fd}")
        return cls(handle, f"fd:{fd}")

    # --- sending ---

    def try_send(self, batch: Sequence[Outgoing]) -> int:
        """Sends what can be sent now. Returns how many are complete, from the front: at least 1.

        FerryError: EAGAIN (BlockingIOError; part of the first may have gone), ...
        """
        if not batch:
            raise ValueError("an empty batch")
        code = self._try_send(batch)
        if code < 0:
            raise failure(code, self._thing)
        return code

    def _try_send(self, batch: Sequence[Outgoing]) -> int:
        if len(batch) == 1:
            sent = self._ask(lib.ferry_channel_try_send, ctypes.addressof(batch[0]._struct), 1)
        else:
            sent = self._try_send_many(batch)
        if self._moves:
            self._tell_moves()
        return sent

    def _try_send_many(self, batch: Sequence[Outgoing]) -> int:
        array = (ferry_outgoing * len(batch))(*(outgoing._struct for outgoing in batch))
        try:
            return self._ask(lib.ferry_channel_try_send, ctypes.addressof(array), len(batch))
        finally:
            for outgoing, sent in zip(batch, array):
                outgoing._struct.sent_size, outgoing._struct.complete = sent.sent_size, sent.complete

    def send(
        self,
        data: Union[Bytes, Sequence[Bytes]],
        descriptors: Iterable[int] = (),
        *,
        priority: int = 0,
        credentials: Optional[Credentials] = None,
        timeout: Timeout = None,
    ) -> None:
        """Sends one message (on a stream: some bytes) whole. The arguments are those of Outgoing; who
        must know how far it came when it fails makes one, for send_batch()."""
        self.send_batch([Outgoing(data, descriptors, priority, credentials)], timeout)

    def send_batch(self, batch: Iterable[Outgoing], timeout: Timeout = None) -> None:
        """Sends all of it whole, in as few calls of the kernel as it takes."""
        left = [outgoing for outgoing in batch if not outgoing.complete]
        wait, before = None, -1
        while left:
            code = self._try_send(left)
            if code >= 0:
                del left[:code]
                before = -1
                continue
            if code != -errno.EAGAIN:
                raise failure(code, self._thing)
            wait = wait or Wait(timeout, self._thing)
            # Nothing went although it was writable.
            if before == left[0].sent_size:
                wait.pause()
            else:
                wait.until((self.fileno(Direction.SEND), select.POLLOUT))
            before = left[0].sent_size

    # --- receiving ---

    def try_receive(self, count: int = 1, inbox: Optional[Inbox] = None) -> List[Message]:
        """Receives what is there now, up to so many messages; a stream brings one, some bytes. Empty at
        the end of the peer's sending.

        inbox  to receive into without a copy; None: data are copied

        FerryError: EAGAIN (BlockingIOError; nothing is there), ...
        """
        return self._received(self._try_receive(count, inbox))

    def _try_receive(self, count: int, inbox: Optional[Inbox]) -> Union[List[Message], int]:
        if count < 1:
            raise ValueError("count is at least 1")
        with self._lock:
            handle = self._get()
            if inbox is None:
                return inbox_of_thread.get()._receive(handle, count, True)
            return inbox._receive(handle, count, False)

    def _received(self, received: Union[List[Message], int]) -> List[Message]:
        if self._moves:
            self._tell_moves()
        if isinstance(received, list):
            return received
        if received == 0:
            return []
        if received == -errno.EMSGSIZE:
            remedy = "receive into an Inbox of a larger message_size"
            raise FerryError(errno.EMSGSIZE, self._thing, "a message did not fit", remedy)
        raise failure(received, self._thing)

    def receive(
        self, timeout: Timeout = None, inbox: Optional[Inbox] = None
    ) -> Optional[Message]:
        """Receives one message (on a stream: some bytes). None at the end of the peer's sending.

        inbox  to receive into without a copy; None: its data are copied
        """
        batch = self.receive_batch(1, timeout, inbox)
        return batch[0] if batch else None

    def receive_batch(
        self, count: int = 16, timeout: Timeout = None, inbox: Optional[Inbox] = None
    ) -> List[Message]:
        """Waits for a message and receives what is there then, up to so many; otherwise as
        try_receive()."""
        wait = Wait(timeout, self._thing)
        if self._quiet and not self.pending:
            self._quiet -= 1
            wait.perhaps((self.fileno(), select.POLLIN))
        fruitless = False
        while True:
            received = self._try_receive(count, inbox)
            if received != -errno.EAGAIN:
                return self._received(received)
            if fruitless:
                wait.pause()
            else:
                self._quiet = _QUIET if self._has_end else 0
                wait.until((self.fileno(), select.POLLIN))
            fruitless = True

    def __iter__(self) -> Iterator[Message]:
        """What comes, to the end of the peer's sending."""
        while True:
            message = self.receive()
            if message is None:
                return
            yield message

    # --- auto: ---

    def _check_auto(self, function: Callable[..., int], *arguments: Any) -> None:
        code = self._ask(function, *arguments)
        if code == -errno.EOPNOTSUPP:
            raise FerryError(-code, self._thing, "is no auto: channel", "use auto: at both ends")
        if code < 0:
            raise failure(code, self._thing)

    @property
    def auto_stats(self) -> AutoStats:
        """What an auto: channel does, and why. FerryError: EOPNOTSUPP (it is none)."""
        struct = ferry_auto_stats(struct_size=ctypes.sizeof(ferry_auto_stats))
        self._check_auto(lib.ferry_auto_get_stats, ctypes.byref(struct))
        return stats_of(struct)

    def auto_prefer(self, preference: AutoPreference) -> None:
        """Has what is sent from now on take a lane, where it can, or whichever is cheaper.

        FerryError: EOPNOTSUPP.
        """
        self._check_auto(lib.ferry_auto_prefer, preference)

    def auto_on_move(self, moved: Optional[Callable[[AutoStats], Any]]) -> None:
        """Has it called whenever sending has moved to the other lane for more than a moment, at the end
        of the send or receive in which it did.

        moved  None: no more

        FerryError: EOPNOTSUPP.
        """
        with self._lock:
            # The library may still have the one before until it has the new.
            told = None if moved is None else callback(self._moves.append)
            address = ctypes.cast(told, ctypes.c_void_p) if told else None
            self._check_auto(lib.ferry_auto_on_move, address, None)
            self._on_move = told and (told, moved)

    def _tell_moves(self) -> None:
        """Outside the call of the library, so that it may do what it likes with the channel."""
        with self._lock:
            moves, self._moves[:] = list(self._moves), []
            on_move = self._on_move
        for stats in moves if on_move else ():
            on_move[1](stats)

    # --- ending, asking ---

    def shutdown(self) -> None:
        """Ends our sending (half-close): the peer's receive comes to its end. A sending descriptor of its
        own is closed by it: stop watching that one before.

        FerryError: EOPNOTSUPP.
        """
        self._check(lib.ferry_channel_shutdown)

    def stop_receiving(self) -> None:
        """Ends our receiving: what is already taken from the kernel is still received, then the end."""
        self._ask(lib.ferry_channel_stop_receiving)

    def connected(self) -> bool:
        """Whether what try_dial() has begun is done: if not, wait until fileno(Direction.SEND) is
        writable. FerryError: why connecting failed."""
        code = self._ask(lib.ferry_channel_connected)
        if code < 0 and code != -errno.EAGAIN:
            raise failure(code, self._thing)
        return code == 0

    def fileno(self, direction: Direction = Direction.RECEIVE) -> int:
        """The descriptor to poll before receiving, or sending; -1 when that direction does not exist. Poll
        it, nothing else. It may be quiet although something can be received: see pending."""
        return self._ask(lib.ferry_channel_fd, direction)

    @property
    def pending(self) -> bool:
        """A receive would bring something although the descriptor is quiet. Ask before sleeping."""
        return self._ask(lib.ferry_channel_pending)

    @property
    def peer(self) -> str:
        """Where the peer is, as address text for people; "" when it has no address."""
        return os.fsdecode(self._ask(lib.ferry_channel_peer))

    @property
    def identity(self) -> Identity:
        """Who is at the other end."""
        with self._lock:
            if self._identity is None:
                borrowed = ctypes.c_void_p()
                self._check(lib.ferry_channel_identity, ctypes.byref(borrowed))
                this = weakref.ref(self)

                def is_there(identity: Identity) -> bool:
                    return getattr(this(), "_identity", None) is identity

                self._identity = Identity(borrowed.value, self._lock, is_there)
            return self._identity

    def forget_identity(self) -> None:
        """Gives back what the identity holds. Who asks again gathers anew."""
        with self._lock:
            self._identity = None
            self._ask(lib.ferry_channel_forget_identity)

    def close(self) -> None:
        """Closes; what the kernel has not sent yet it goes on sending. Again, it does nothing."""
        with self._lock:
            self._identity = None
            self._close(lib.ferry_channel_close)


def pair(scheme: Scheme = Scheme.UNIX) -> Tuple[Channel, Channel]:
    """Two connected channels of a unix scheme."""
    one, other = ctypes.c_void_p(), ctypes.c_void_p()
    code = lib.ferry_channel_pair(scheme, ctypes.byref(one), ctypes.byref(other))
    if code < 0:
        raise failure(code, "pair")
    return Channel(one, "pair"), Channel(other, "pair")


# --- dialling ---------------------------------------------------------------------------------------


def _dial_options(
    environment: Optional[Mapping[str, str]],
    refuse_descriptors: bool,
    message_pidfd: bool,
    message_label: bool,
    credentials: Optional[Credentials],
) -> ferry_dial_options:
    options = ferry_dial_options(
        struct_size=ctypes.sizeof(ferry_dial_options),
        refuse_descriptors=refuse_descriptors,
        message_pidfd=message_pidfd,
        message_label=message_label,
    )
    if environment is not None:
        lines = [os.fsencode(f"{name}={value}") for name, value in environment.items()]
        options.extra = (ctypes.c_char_p * (len(lines) + 1))(*lines)
    if credentials is not None:
        options.credentials = ctypes.pointer(ferry_credentials(*credentials))
    return options


def _dial(function: Callable[..., int], address: Address, *arguments: Any) -> Channel:
    handle, error = ctypes.c_void_p(), ferry_error()
    code = function(address._handle, *arguments, ctypes.byref(handle), ctypes.byref(error))
    if code < 0:
        raise failure(code, str(address), error)
    return Channel(handle, str(address))


def _dial_until(address: Address, options: ferry_dial_options, deadline_ns: int) -> Channel:
    return _dial(lib.ferry_dial, address, ctypes.byref(options), deadline_ns)


def try_dial(
    address: Union[str, Address],
    *,
    environment: Optional[Mapping[str, str]] = None,
    refuse_descriptors: bool = False,
    message_pidfd: bool = False,
    message_label: bool = False,
    credentials: Optional[Credentials] = None,
) -> Channel:
    """As dial(), without waiting. It may come back still connecting: Channel.connected() tells. Of a name
    it takes the first address that does not fail at once.

    FerryError: EAGAIN (BlockingIOError; not now: a backlog is full, a FIFO has no reader), ...
    """
    options = _dial_options(
        environment, refuse_descriptors, message_pidfd, message_label, credentials
    )
    return _dial(lib.ferry_try_dial, address_of(address), ctypes.byref(options))


def dial(
    address: Union[str, Address],
    timeout: Timeout = None,
    *,
    environment: Optional[Mapping[str, str]] = None,
    refuse_descriptors: bool = False,
    message_pidfd: bool = False,
    message_label: bool = False,
    credentials: Optional[Credentials] = None,
) -> Channel:
    """Opens a channel to an address.

    timeout             a full backlog, a FIFO without reader, a connection in progress are waited for
    environment         added to that of a command (exec:)
    refuse_descriptors  receive none
    message_pidfd       every message of a unix datagram or packet socket brings its sender's pidfd
    message_label       and its security label
    credentials         (pid, uid, gid) to speak as on a unix socket; None: as ourselves

    FerryError: ETIMEDOUT, ECONNREFUSED, ENOENT, EACCES, EINVAL (an option that dialling cannot use),
    ..., with the address that was tried, the reason, and what would mend it.
    """
    options = _dial_options(
        environment, refuse_descriptors, message_pidfd, message_label, credentials
    )
    parsed, deadline_ns = address_of(address), deadline_of(timeout)
    if threading.current_thread() is not threading.main_thread():
        return _dial_until(parsed, options, deadline_ns)
    if parsed.scheme != Scheme.TCP:  # whose connection in progress would be begun a second time
        try:
            return _dial_until(parsed, options, deadline_of(0))
        except TimeoutError:
            if deadline_ns <= deadline_of(0):
                raise
    return _interruptible(lambda: _dial_until(parsed, options, deadline_ns))


def _interruptible(call: Callable[[], Channel]) -> Channel:
    """Makes a call that no signal ends in a thread of its own, so that the main thread, the only one
    that handles signals, can leave it. What it brings then is closed."""
    outcome: List[Any] = []
    left = threading.Event()

    def run() -> None:
        try:
            outcome.append(call())
        except BaseException as error:  # raised again where it is waited for
            outcome.append(error)
        if left.is_set():
            end()

    def end() -> None:
        for channel in outcome:
            if isinstance(channel, Channel):
                channel.close()

    thread = threading.Thread(target=run, daemon=True)
    try:
        thread.start()
        thread.join()
    except BaseException:
        left.set()
        end()
        raise
    if isinstance(outcome[0], Channel):
        return outcome[0]
    raise outcome[0]


# --- listening --------------------------------------------------------------------------------------


def _listen_options(
    refuse_descriptors: bool, message_pidfd: bool, message_label: bool, admit_all: bool
) -> ferry_listen_options:
    return ferry_listen_options(
        struct_size=ctypes.sizeof(ferry_listen_options),
        refuse_descriptors=refuse_descriptors,
        message_pidfd=message_pidfd,
        message_label=message_label,
        admit_all=admit_all,
    )


class Listener(Open):
    """A place where peers arrive, each as a channel: from listen() or Listener.adopt()."""

    @classmethod
    def adopt(
        cls,
        fd: int,
        address: Union[str, Address],
        *,
        refuse_descriptors: bool = False,
        message_pidfd: bool = False,
        message_label: bool = False,
        admit_all: bool = False,
    ) -> "Listener":
        """Of a socket that is listening already, which it takes, and closes on failure too; its path, if
        any, is never removed.

        address  says how to print it
        others   as of listen()
        """
        options = _listen_options(refuse_descriptors, message_pidfd, message_label, admit_all)
        handle, error, parsed = ctypes.c_void_p(), ferry_error(), address_of(address)
        code = lib.ferry_listener_adopt(
            fd,
            parsed._handle,
            ctypes.byref(options),
            ctypes.byref(handle),
            ctypes.byref(error),
        )
        if code < 0:
            raise failure(code, str(parsed), error)
        return cls(handle, str(parsed))

    def try_accept(self) -> Channel:
        """The next peer. One that the rules of the address refuse is closed before anything is read of
        it.

        FerryError: EAGAIN (BlockingIOError; nobody now), ENOTCONN (there will be nobody any more),
        EMFILE, ENFILE, ENOBUFS, ENOMEM (wait, then try again: peers queue in the kernel).
        """
        handle = ctypes.c_void_p()
        with self._lock:
            self._check(lib.ferry_listener_try_accept, ctypes.byref(handle))
            capabilities = lib.ferry_channel_capabilities(handle)
            # Sessions share their listener's socket, and so its lock.
            is_alone = capabilities & Capability.HAS_END
            peer = os.fsdecode(lib.ferry_channel_peer(handle))
            return Channel(handle, peer or self._thing, None if is_alone else self._lock)

    def accept(self, timeout: Timeout = None) -> Channel:
        """The same, waiting. FerryError: ETIMEDOUT."""
        wait = Wait(timeout, self._thing)
        while True:
            try:
                return self.try_accept()
            except BlockingIOError:
                wait.until((self.fileno(), select.POLLIN))

    def __iter__(self) -> Iterator[Channel]:
        """Peers, as they arrive, for ever."""
        while True:
            yield self.accept()

    def fileno(self) -> int:
        """The descriptor to poll until it is readable, before accepting; -1: accept is always worth a
        try."""
        return self._ask(lib.ferry_listener_fd)

    @property
    def address(self) -> str:
        """Where it really listens (the port that the kernel chose for tcp:0)."""
        with self._lock:
            borrowed = self._ask(lib.ferry_listener_address)
            return os.fsdecode(lib.ferry_address_text(borrowed))

    @property
    def capabilities(self) -> Capability:
        """What the channels from here can do."""
        return Capability(self._ask(lib.ferry_listener_capabilities))

    @property
    def dropped(self) -> int:
        """Messages that found no channel and were dropped; only datagram listeners drop anything."""
        return self._ask(lib.ferry_listener_dropped)

    @property
    def refused(self) -> int:
        """Peers that the rules in the address refused."""
        return self._ask(lib.ferry_listener_refused)

    def close(self) -> None:
        """Stops listening and removes the path if it is still ours. Channels that came from it live on,
        except datagram sessions: they end. Again, it does nothing."""
        self._close(lib.ferry_listener_close)


def listen(
    address: Union[str, Address],
    *,
    refuse_descriptors: bool = False,
    message_pidfd: bool = False,
    message_label: bool = False,
    admit_all: bool = False,
) -> Listener:
    """Starts to listen. For a path it may wait up to 1 s for the lock of its directory.

    refuse_descriptors  accept channels that receive no descriptors
    message_pidfd       every message of a unix datagram or packet socket brings its sender's pidfd
    message_label       and its security label
    admit_all           leave the rules of allow= and deny= in the address to the caller

    FerryError: EADDRINUSE (the reason names the owner where known), EACCES, EPERM, ENOENT, EINVAL (an
    option that listening cannot use), ...
    """
    options = _listen_options(refuse_descriptors, message_pidfd, message_label, admit_all)
    handle, error, parsed = ctypes.c_void_p(), ferry_error(), address_of(address)
    code = lib.ferry_listen(
        parsed._handle, ctypes.byref(options), ctypes.byref(handle), ctypes.byref(error)
    )
    if code < 0:
        raise failure(code, str(parsed), error)
    return Listener(handle, str(parsed))
