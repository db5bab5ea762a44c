"""Who is at the other end, and how each fact about it is known."""

import ctypes
import enum
import errno
import ipaddress
import os
from functools import cached_property
from threading import RLock
from typing import Callable, Optional, Tuple, Union

from ._error import FerryError
from ._library import lib


def _id(number: int) -> Optional[int]:
    return None if number == 0xFFFFFFFF else number


class Fact(enum.IntEnum):
    """What can be known of a peer."""

    PID = 0
    UID = 1
    GID = 2
    GROUPS = 3
    LABEL = 4
    PIDFD = 5
    NAME = 6
    EXECUTABLE = 7
    CGROUP = 8
    UNIT = 9
    HOST = 10

    def __str__(self) -> str:
        return lib.ferry_fact_name(self).decode()


class Known(enum.IntEnum):
    """How a fact is known; ferry/identity.h says what each proves."""

    UNKNOWN = 0
    AT_CONNECT = 1
    PER_MESSAGE = 2
    FORGEABLE = 3
    BY_PIDFD = 4
    OWN_CHILD = 5

    def __str__(self) -> str:
        return lib.ferry_known_name(self).decode()


def _text(function: str, description: str) -> "cached_property[Optional[str]]":
    def ask(self: "Identity") -> Optional[str]:
        value = self._ask(getattr(lib, function))
        return None if value is None else os.fsdecode(value)

    ask.__doc__ = description
    return cached_property(ask)


class Identity:
    """A peer. Each fact is gathered when it is first asked for, and kept; an unknown one is None. That of
    a channel can be asked until the channel is closed or told to forget, that of a message's sender
    until the next receive; what was asked before stays.

    FerryError: ESTALE, asked too late.
    """

    def __init__(self, handle: int, lock: RLock, is_there: Callable[["Identity"], bool]) -> None:
        self._handle, self._lock, self._is_there = handle, lock, is_there

    def _ask(self, function, *arguments):
        with self._lock:
            if not self._is_there(self):
                remedy = "ask before the channel is closed, and before the next receive"
                raise FerryError(errno.ESTALE, "identity", "is gone with who lent it", remedy)
            return function(self._handle, *arguments)

    def _keep(self) -> None:
        """Asks for what a message has brought anyway, in no more time than that takes: whoever lent the
        identity has the lock."""
        kept, handle = self.__dict__, self._handle
        kept["pid"] = lib.ferry_identity_pid(handle) or None
        kept["uid"] = _id(lib.ferry_identity_uid(handle))
        kept["gid"] = _id(lib.ferry_identity_gid(handle))

    def known(self, fact: Fact) -> Known:
        """Who vouches for a fact."""
        return Known(self._ask(lib.ferry_identity_known, fact))

    @cached_property
    def pid(self) -> Optional[int]:
        return self._ask(lib.ferry_identity_pid) or None

    @cached_property
    def uid(self) -> Optional[int]:
        return _id(self._ask(lib.ferry_identity_uid))

    @cached_property
    def gid(self) -> Optional[int]:
        return _id(self._ask(lib.ferry_identity_gid))

    @cached_property
    def groups(self) -> Optional[Tuple[int, ...]]:
        """Supplementary groups, ascending; the gid need not be among them."""
        with self._lock:
            count = ctypes.c_size_t()
            first = self._ask(lib.ferry_identity_groups, ctypes.byref(count))
            if first is None:
                return None
            return tuple((ctypes.c_uint32 * count.value).from_address(first))

    label = _text("ferry_identity_label", "What a security module calls it.")
    name = _text("ferry_identity_name", "Its command name, which it can choose: for people.")
    executable = _text(
        "ferry_identity_executable",
        "The program that it runs, a path as it sees it: is_executable() decides.",
    )
    cgroup = _text("ferry_identity_cgroup", "Its control group.")
    unit = _text("ferry_identity_unit", "The systemd unit that it belongs to.")

    @cached_property
    def pidfd(self) -> Optional[int]:
        """A descriptor that stands for exactly this process. Lent as long as facts can be asked for:
        os.dup() keeps one."""
        fd = self._ask(lib.ferry_identity_pidfd)
        return None if fd < 0 else fd

    @cached_property
    def host(self) -> Union[ipaddress.IPv4Address, ipaddress.IPv6Address, None]:
        """Its network address."""
        with self._lock:
            first = self._ask(lib.ferry_identity_host)
            if first is None:
                return None
            host = ipaddress.IPv6Address(ctypes.string_at(first, 16))
        return host.ipv4_mapped or host

    def is_executable(self, path: Union[str, "os.PathLike[str]"]) -> bool:
        """Whether it runs this very file, whatever either is called.

        FerryError: ENODATA (its program is unknown), ESRCH (it is gone), or why the path can't be
        looked at.
        """
        code = self._ask(lib.ferry_identity_is_executable, os.fsencode(path))
        if code < 0:
            raise FerryError(-code, os.fsdecode(path))
        return code == 1

    def __repr__(self) -> str:
        said = (f"{name}={value}" for name, value in self.__dict__.items() if name[0] != "_")
        return f"Identity({', '.join(said)})"
