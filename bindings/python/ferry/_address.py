"""Where something listens, or whom to dial."""

import ctypes
import enum
import os
from typing import Optional, Union

from ._error import failure
from ._library import ferry_error, lib


class Scheme(enum.IntEnum):
    """What carries a channel, ferry-address(7)."""

    UNIX = 0
    UNIX_DGRAM = 1
    UNIX_SEQ = 2
    TCP = 3
    UDP = 4
    FIFO = 5
    MQ = 6
    FD = 7
    EXEC = 8
    FILE = 9
    STDIO = 10
    ICMP = 11
    AUTO = 12


class Address:
    """An address, parsed. Wherever one is asked for, its text will do as well; an Address serves to ask
    about it, or to use it often. It does not change, and threads may share it.

    text  scheme:rest,key=value,... as ferry-address(7) has it
    base  folder that relative paths start from; None: the process's working directory

    FerryError: EINVAL, with the column in its reason; ENAMETOOLONG.
    """

    def __init__(self, text: str, base: Union[str, "os.PathLike[str]", None] = None) -> None:
        self._handle = ctypes.c_void_p()
        error = ferry_error()
        folder = None if base is None else os.fsencode(base)
        encoded = os.fsencode(text)
        if b"\0" in encoded:
            raise ValueError("an address holds no null character")
        code = lib.ferry_address_parse(
            encoded, folder, ctypes.byref(self._handle), ctypes.byref(error)
        )
        if code < 0:
            raise failure(code, text, error)

    @property
    def scheme(self) -> Scheme:
        return Scheme(lib.ferry_address_scheme(self._handle))

    def option(self, key: str) -> Optional[str]:
        """The value of an option, unescaped; "" for an option without a value; None when absent."""
        value = lib.ferry_address_option(self._handle, key.encode())
        return None if value is None else os.fsdecode(value)

    def __str__(self) -> str:
        """The canonical text: parsing it gives an equal address."""
        return os.fsdecode(lib.ferry_address_text(self._handle))

    def __repr__(self) -> str:
        return f"Address({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        """Whether both mean the same place with the same options, in any order."""
        if not isinstance(other, Address):
            return NotImplemented
        return bool(lib.ferry_address_equal(self._handle, other._handle))

    __hash__ = None  # type: ignore[assignment] # equal ones may be written differently

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            lib.ferry_address_free(self._handle)


def address_of(address: Union[str, Address]) -> Address:
    return address if isinstance(address, Address) else Address(address)
