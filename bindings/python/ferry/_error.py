"""Failures as exceptions."""

import errno
import os
from typing import Optional

from ._library import ferry_error


class FerryError(OSError):
    """What failed, why, and what would mend it, as ferry_error of ferry/error.h.

    errno   the number, as errno(3)
    thing   what failed: an address, a path, a key
    reason  why; strerror is the same
    remedy  what would mend it; may be empty

    It is at the same time the exception that Python has for the number: TimeoutError,
    BlockingIOError, FileNotFoundError, ConnectionRefusedError, BrokenPipeError, ...
    """

    thing: str
    reason: str
    remedy: str

    def __new__(cls, code: int, thing: str, reason: Optional[str] = None, remedy: str = ""):
        reason = reason or os.strerror(code)
        error = super().__new__(_kind(code) if cls is FerryError else cls, code, reason)
        error.thing, error.reason, error.remedy = thing, reason, remedy
        return error

    def __str__(self) -> str:
        return f"{self.thing}: {self.reason}" + (f"; {self.remedy}" if self.remedy else "")

    def __reduce__(self):
        return FerryError, (self.errno, self.thing, self.reason, self.remedy)


_kinds = {OSError: FerryError}


def _kind(code: int) -> type:
    python_s = type(OSError(code, ""))
    if python_s not in _kinds:
        place = {"__module__": FerryError.__module__, "__doc__": FerryError.__doc__}
        _kinds[python_s] = type("FerryError", (FerryError, python_s), place)
    return _kinds[python_s]


def failure(code: int, thing: str, error: Optional[ferry_error] = None) -> FerryError:
    """The exception for what a call returned, in its own words where it has filled some in.

    code  -errno
    """
    if error is None or not error.reason:
        return FerryError(-code, thing)
    words = (bytes(word).decode(errors="replace") for word in (error.thing, error.reason, error.remedy))
    return FerryError(-code, *words)


def closed(thing: str) -> FerryError:
    return FerryError(errno.EBADF, thing, "is closed")
