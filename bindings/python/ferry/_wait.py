"""Waiting, in Python and not in the library: so a signal ends it, and other threads run meanwhile."""

import errno
import select
import time
from typing import List, Optional, Tuple, Union

from ._error import FerryError
from ._library import NEVER

# Seconds between tries where poll(2) can't tell; doubles up to the maximum.
PAUSE, PAUSE_MAX = 0.001, 0.032
# The longest single wait: poll(2) counts in an int.
POLL_MS_MAX = 1 << 30


class Deadline:
    """A point in time that several calls share.

    seconds  from now
    """

    __slots__ = ("ns",)

    def __init__(self, seconds: float) -> None:
        self.ns = time.monotonic_ns() + round(seconds * 1e9)


Timeout = Union[float, Deadline, None]


def deadline_of(timeout: Timeout) -> int:
    """The point on CLOCK_MONOTONIC in nanoseconds, as the library has it."""
    if timeout is None:
        return NEVER
    deadline = timeout if isinstance(timeout, Deadline) else Deadline(timeout)
    return min(deadline.ns, NEVER)


class Wait:
    """The waits of one call, until its timeout."""

    __slots__ = ("_deadline_ns", "_thing", "_pause")

    def __init__(self, timeout: Timeout, thing: str) -> None:
        self._deadline_ns, self._thing, self._pause = deadline_of(timeout), thing, PAUSE

    def _left(self) -> Optional[float]:
        """Seconds; None: for ever."""
        if self._deadline_ns == NEVER:
            return None
        return max(0, self._deadline_ns - time.monotonic_ns()) / 1e9

    def _timed_out(self) -> FerryError:
        return FerryError(errno.ETIMEDOUT, self._thing)

    def perhaps(self, *descriptors: Tuple[int, int]) -> List[Tuple[int, int]]:
        """Until there is something at one of them, or the time is up. Each with its events, poll(2)."""
        left = self._left()
        poll = select.poll()
        for fd, events in descriptors:
            poll.register(fd, events)
        return poll.poll(None if left is None else min(left * 1000, POLL_MS_MAX))

    def until(self, *descriptors: Tuple[int, int]) -> List[Tuple[int, int]]:
        """Until there is something at one of them. FerryError: ETIMEDOUT."""
        if self._left() == 0:
            raise self._timed_out()
        return self.perhaps(*descriptors)

    def pause(self) -> None:
        """Where the descriptor has just been ready and was of no use: it is shared with others, or there
        is too much in flight already. poll(2) would return at once. FerryError: ETIMEDOUT."""
        left = self._left()
        if left == 0:
            raise self._timed_out()
        time.sleep(self._pause if left is None else min(left, self._pause))
        self._pause = min(self._pause * 2, PAUSE_MAX)
