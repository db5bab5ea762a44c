"""What an auto: channel does, and why: ferry/auto.h."""

import ctypes
import enum
from typing import Any, Callable, NamedTuple, Union

from ._library import ferry_auto_stats, lib


class Lane(enum.IntEnum):
    """By which a message travels."""

    SOCKET = 0
    RING = 1

    def __str__(self) -> str:
        return lib.ferry_lane_name(self).decode()


class AutoReason(enum.IntEnum):
    """Why sending takes the lane that it takes; `text` says it as a sentence."""

    NEW = 0
    SLOW = 1
    FAST = 2
    SLEEPY = 3
    FULL = 4
    PASSING = 5
    WAITING = 6
    FORCED = 7
    FORBIDDEN = 8
    PEER_FORBIDS = 9
    NOT_DIRECT = 10
    UNKNOWN_PEER = 11
    NO_MEMORY = 12
    UNUSABLE = 13
    HOPEFUL = 14

    def __str__(self) -> str:
        return lib.ferry_auto_reason_name(self).decode()

    @property
    def text(self) -> str:
        return lib.ferry_auto_reason_text(self).decode()


class AutoPreference(enum.IntEnum):
    """By which lane to send: whichever is cheaper, or always one, where it can be had."""

    MEASURE = 0
    PREFER_SOCKET = 1
    PREFER_RING = 2


class AutoStats(NamedTuple):
    """Of one end of an auto: channel.

    sending, receiving  the lane of each
    reason              of that of sending; a number where the library knows more of them than this
    moves               how often sending has changed lanes, moments included
    socket_messages, ring_messages  sent by each
    large_messages      of those by the socket: in a memfd of their own
    wakes               how often the peer slept, and was woken
    rate_per_s          messages sent, as last measured; 0: not yet
    mean_size           bytes of them
    """

    sending: Lane
    receiving: Lane
    reason: Union[AutoReason, int]
    moves: int
    socket_messages: int
    ring_messages: int
    large_messages: int
    wakes: int
    rate_per_s: float
    mean_size: float


def stats_of(struct: ferry_auto_stats) -> AutoStats:
    receiving, sending = map(Lane, struct.lanes)
    reason: Union[AutoReason, int] = struct.reason
    if reason in AutoReason._value2member_map_:
        reason = AutoReason(reason)
    counts = (getattr(struct, name) for name in AutoStats._fields[3:])
    return AutoStats(sending, receiving, reason, *counts)


_MOVED = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.POINTER(ferry_auto_stats))


def callback(moved: Callable[[AutoStats], Any]) -> Any:
    """What the library calls with its own stats."""
    return _MOVED(lambda data, stats: moved(stats_of(stats.contents)))
