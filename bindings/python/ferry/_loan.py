"""Memory of the library's, lent as memoryviews."""

import ctypes
import weakref
from typing import Any, List, Tuple

# A type for each size would have to be made when the size is first seen: this one is cut to size.
_Memory = ctypes.c_ubyte * (1 << 40)


class Loans:
    """What an owner of memory has lent. Each view keeps the owner, so that the memory stays mapped, and
    can be ended, after which using it is a ValueError. A slice of a view, or an array made of it,
    cannot: but it is known whether there is one."""

    __slots__ = ("_lent",)

    def __init__(self) -> None:
        self._lent: List[Tuple["weakref.ref[Any]", memoryview]] = []

    def __bool__(self) -> bool:
        return bool(self._lent)

    def lend(self, owner: Any, address: int, size: int, writable: bool = False) -> memoryview:
        if not size:
            return memoryview(b"")
        memory = _Memory.from_address(address)
        memory.owner = owner
        view = memoryview(memory).cast("B")[:size]
        if not writable:
            view = view.toreadonly()
        self._lent.append((weakref.ref(memory), view))
        return view

    def end(self) -> None:
        """BufferError: a slice of one is still held. Then it stays as it is."""
        for _, view in self._lent:
            view.release()
        if any(memory() is not None for memory, _ in self._lent):
            raise BufferError("a slice of what was lent is still held: release it first")
        self._lent.clear()
