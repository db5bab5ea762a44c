"""Records from one process to another through memory that both have."""

import ctypes
import errno
import os
import select
from typing import Any, List, NamedTuple, Optional, Sequence, Tuple, Union

from ._error import FerryError, failure
from ._library import RING_DESCRIPTORS, RING_TYPE_MAX
from ._library import ferry_error, ferry_record, ferry_ring_options, ferry_ring_stats, lib
from ._loan import Loans
from ._message import Bytes, lend
from ._open import Direction, Open
from ._wait import Timeout, Wait


class Record(NamedTuple):
    """What goes through a ring.

    data  up to record_max bytes
    type  what the two ends agree on, up to 0x3fffffff
    """

    data: Bytes
    type: int = 0


class Ring(Open):
    """One end of a ring, which sends or receives; its descriptors make the other, in another process,
    by Ring.attach(). A record is there whole or not at all, whatever becomes of the sender.

    direction  what this end does
    capacity   bytes of records that it holds, a power of two from 4 KiB to 1 GiB; 0: 1 MiB

    FerryError: EINVAL, ENOSPC, ENOMEM, EMFILE. Of every call: EPROTO, the peer broke the ring.
    """

    def __init__(self, direction: Direction, capacity: int = 0) -> None:
        options, error = _options(capacity), ferry_error()
        handle = ctypes.c_void_p()
        code = lib.ferry_ring_new(
            direction, ctypes.byref(options), ctypes.byref(handle), ctypes.byref(error)
        )
        if code < 0:
            raise failure(code, "ring", error)
        self._begin(handle, direction)

    @classmethod
    def attach(cls, direction: Direction, descriptors: Sequence[int], capacity: int = 0) -> "Ring":
        """To a ring that somebody else made.

        direction    what this end does: the other of what the maker's does
        descriptors  the three, as received; taken, and closed on failure too
        capacity     at most so large; 0: any, which lets the peer have us allocate a GiB

        FerryError: EPROTO (they are no ring), EPROTONOSUPPORT, E2BIG, ENOSPC, ENOMEM.
        """
        if len(descriptors) != RING_DESCRIPTORS:
            for fd in descriptors:
                os.close(fd)
            raise FerryError(errno.EPROTO, "ring", f"{len(descriptors)} descriptors make none")
        options, error = _options(capacity), ferry_error()
        handle = ctypes.c_void_p()
        code = lib.ferry_ring_attach(
            direction,
            (ctypes.c_int * RING_DESCRIPTORS)(*descriptors),
            ctypes.byref(options),
            ctypes.byref(handle),
            ctypes.byref(error),
        )
        if code < 0:
            raise failure(code, "ring", error)
        ring = cls.__new__(cls)
        ring._begin(handle, direction)
        return ring

    def _begin(self, handle: ctypes.c_void_p, direction: Direction) -> None:
        super().__init__(handle, "ring")
        self.direction = direction
        self._loans = Loans()
        self._loan: Optional[memoryview] = None

    def _of(self, direction: Direction) -> None:
        if self.direction != direction:
            raise ValueError(f"this end does not {direction.name.lower()}")

    @property
    def descriptors(self) -> Tuple[int, ...]:
        """What the peer needs to attach. Lent until the ring is closed: send them, nothing else."""
        array = (ctypes.c_int * RING_DESCRIPTORS)()
        self._ask(lib.ferry_ring_get_descriptors, array)
        return tuple(array)

    @property
    def record_max(self) -> int:
        """The size of the largest record, in bytes: an eighth of the capacity."""
        return self._ask(lib.ferry_ring_record_max)

    # --- sending ---

    def try_send(self, batch: Sequence[Record]) -> int:
        """Sends what has room now, all of it visible at once. Returns how many were sent, from the front:
        at least 1.

        FerryError: EAGAIN (BlockingIOError; no room for the first), EMSGSIZE (it is larger than
        record_max), EINVAL (its type is too large), EPIPE (the peer is gone).
        """
        self._of(Direction.SEND)
        if not batch:
            raise ValueError("an empty batch")
        array, kept = (ferry_record * len(batch))(), []
        for slot, (data, kind) in zip(array, batch):
            slot.data, slot.size, holder = lend(data)
            slot.type = kind
            kept.append(holder)
        with self._lock:
            self._end_loans()
            return self._check(lib.ferry_ring_try_send, array, len(batch))

    def send(
        self, data: Bytes, type: int = 0, timeout: Timeout = None, other: Optional[Any] = None
    ) -> None:
        """Sends one record, waiting for room.

        other  as of wait(). FerryError: EPIPE, when it became readable before there was room
        """
        wait = Wait(timeout, self._thing)
        while True:
            try:
                self.try_send([Record(data, type)])
                return
            except BlockingIOError:
                if not self._wait(wait, other):
                    raise FerryError(errno.EPIPE, self._thing, "the peer stirred") from None

    def loan(self, size: int) -> memoryview:
        """Room for a record, to be filled in place, without a copy. It lasts until it is committed, or
        until the next loan or send; what was not committed nobody sees.

        size  bytes that are wanted

        FerryError: as of try_send().
        """
        self._of(Direction.SEND)
        data = ctypes.c_void_p()
        with self._lock:
            self._end_loans()
            self._check(lib.ferry_ring_loan, size, ctypes.byref(data))
            self._loan = self._loans.lend(self, data.value, size, writable=True)
            return self._loan

    def commit(self, size: Optional[int] = None, type: int = 0) -> None:
        """Sends what was lent, and ends the view of it. BufferError: a slice of that is still held.

        size  bytes of it, from the front; None: all
        """
        with self._lock:
            if self._loan is None:
                raise ValueError("nothing is lent")
            lent = len(self._loan)
            size = lent if size is None else size
            if not 0 <= size <= lent or not 0 <= type <= RING_TYPE_MAX:
                raise ValueError("more than was lent, or a type that is too large")
            self._end_loans()
            self._ask(lib.ferry_ring_commit, size, type)

    def _end_loans(self) -> None:
        if self._loans:
            self._loans.end()
        self._loan = None

    # --- receiving ---

    def try_receive(self, count: int = 16) -> List[Record]:
        """Receives what is there, at most so many records; their data are copies. What was borrowed is
        released with it.

        FerryError: EAGAIN (BlockingIOError; nothing is there), EPIPE (the peer is gone, and all that it
        sent was received).
        """
        with self._lock:
            self.release()
            try:
                return [
                    Record(ctypes.string_at(one.data, one.size) if one.size else b"", one.type)
                    for one in self._borrowed(count)
                ]
            finally:
                self.release()

    def receive(
        self, count: int = 16, timeout: Timeout = None, other: Optional[Any] = None
    ) -> List[Record]:
        """The same, waiting. Empty when `other` became readable before anything came.

        other  as of wait()
        """
        wait = Wait(timeout, self._thing)
        while True:
            try:
                return self.try_receive(count)
            except BlockingIOError:
                if not self._wait(wait, other):
                    return []

    def borrow(self, count: int = 16) -> List[Record]:
        """As try_receive() without a copy: the data are memoryviews of the ring, until release(). For
        peers that one trusts: another could change them meanwhile."""
        with self._lock:
            return [
                Record(self._loans.lend(self, one.data, one.size), one.type)
                for one in self._borrowed(count)
            ]

    def _borrowed(self, count: int) -> Any:
        self._of(Direction.RECEIVE)
        if count < 1:
            raise ValueError("count is at least 1")
        array = (ferry_record * count)()
        return array[: self._check(lib.ferry_ring_borrow, array, count)]

    def release(self) -> None:
        """Gives back the room of all that was borrowed. BufferError: a slice of it is still held."""
        self._of(Direction.RECEIVE)
        with self._lock:
            self._end_loans()
            self._ask(lib.ferry_ring_release)

    # --- waiting ---

    def fileno(self) -> int:
        """The descriptor to wait for in a loop, always until it is readable, after prepare_sleep() has
        allowed it. Poll it, nothing else."""
        return self._ask(lib.ferry_ring_fd)

    def prepare_sleep(self) -> bool:
        """Ask before each sleep. True: don't, there is something to receive (to send: room), or the ring
        has ended. False: sleep, the peer will wake fileno(); then receive (send) again."""
        return self._ask(lib.ferry_ring_prepare_sleep)

    def wait(self, timeout: Timeout = None, other: Optional[Any] = None) -> bool:
        """Until receiving (sending) is worth another try. False: only `other` has something.

        other  a channel or descriptor that ends the wait too when it becomes readable: that by which
               the peer's death is seen

        FerryError: ETIMEDOUT.
        """
        return self._wait(Wait(timeout, self._thing), other)

    def _wait(self, wait: Wait, other: Union[int, Any, None]) -> bool:
        if self.prepare_sleep():
            return True
        ring = self.fileno()
        watched = [(ring, select.POLLIN)]
        if other is not None:
            fd = other if isinstance(other, int) else other.fileno()
            watched.append((fd, select.POLLIN))
        ready = [fd for fd, _ in wait.until(*watched)]
        return not ready or ring in ready or self.prepare_sleep()

    def set_peer_gone(self) -> None:
        """The peer has died or left. What it had committed is still received, then EPIPE; sending is
        EPIPE at once."""
        self._ask(lib.ferry_ring_set_peer_gone)

    @property
    def stats(self) -> "dict[str, int]":
        """Counts since it was opened, by the names of struct ferry_ring_stats."""
        counts = ferry_ring_stats()
        self._ask(lib.ferry_ring_get_stats, ctypes.byref(counts))
        return {name: getattr(counts, name) for name, _ in counts._fields_}

    def close(self) -> None:
        """Unmaps it, and ends what was lent of it. The peer is not told: it sees so by the socket.
        BufferError: a slice of what was lent is still held. Again, it does nothing."""
        with self._lock:
            self._end_loans()
            self._close(lib.ferry_ring_free)


def _options(capacity: int) -> ferry_ring_options:
    return ferry_ring_options(struct_size=ctypes.sizeof(ferry_ring_options), capacity=capacity)
