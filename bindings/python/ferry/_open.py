"""What channels, listeners and rings have in common."""

import ctypes
import enum
import threading
import warnings
from typing import Any, Callable, Optional

from ._error import closed, failure


class Direction(enum.IntEnum):
    """One of the two that a channel has, or that of an end of a ring."""

    RECEIVE = 0
    SEND = 1


class Open:
    """Something of the library's that is closed once. Calls of several threads follow one another: the
    lock is held during each call, and never during a wait."""

    _handle: Optional[ctypes.c_void_p] = None

    def __init__(self, handle: ctypes.c_void_p, thing: str, lock: Optional[Any] = None) -> None:
        self._lock = lock or threading.RLock()
        self._thing = thing
        self._handle = handle

    def _get(self) -> ctypes.c_void_p:
        if self._handle is None:
            raise closed(self._thing)
        return self._handle

    def _ask(self, function: Callable[..., Any], *arguments: Any) -> Any:
        with self._lock:
            return function(self._get(), *arguments)

    def _check(self, function: Callable[..., int], *arguments: Any) -> int:
        code = self._ask(function, *arguments)
        if code < 0:
            raise failure(code, self._thing)
        return code

    def _close(self, function: Callable[[ctypes.c_void_p], None]) -> None:
        with self._lock:
            handle, self._handle = self._handle, None
            if handle is not None:
                function(handle)

    @property
    def closed(self) -> bool:
        return self._handle is None

    def close(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __del__(self) -> None:
        if self._handle is not None:
            warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self)
            self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._thing}{' (closed)' if self.closed else ''}>"
