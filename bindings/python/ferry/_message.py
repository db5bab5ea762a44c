"""What is to be sent, what was received, and the memory that it was received into."""

import ctypes
import errno
import os
import threading
from typing import Any, Iterable, List, Optional, Sequence, Tuple, Union

from ._error import FerryError, closed, failure
from ._identity import Identity
from ._library import ferry_credentials, ferry_message, ferry_outgoing, iovec, lib
from ._loan import Loans

Bytes = Union[bytes, bytearray, memoryview]
Credentials = Tuple[int, int, int]


def lend(data: Bytes) -> Tuple[int, int, Any]:
    """Where its bytes are, how many, and what keeps them there."""
    if isinstance(data, bytes):
        holder = ctypes.c_char_p(data)
        return ctypes.c_void_p.from_buffer(holder).value or 0, len(data), holder
    view = memoryview(data)
    if view.readonly or not view.c_contiguous or not view.nbytes:
        return lend(view.tobytes())
    first = ctypes.c_char.from_buffer(view)
    return ctypes.addressof(first), view.nbytes, first


class Outgoing:
    """What is to be sent, and how far it has come: what try_send() left of it the next one goes on with.
    Complete, it does not begin anew.

    data         bytes, or a list of them to be sent as one; bytes and bytearray are lent, not
                 copied, until all of it is sent
    descriptors  to pass along with the first byte, at most 253; lent, and must stay open until then
    priority     where the channel has priorities
    credentials  (pid, uid, gid) to send as; None: as the channel was dialled
    """

    __slots__ = ("_struct", "_kept")

    def __init__(
        self,
        data: Union[Bytes, Sequence[Bytes]] = b"",
        descriptors: Iterable[int] = (),
        priority: int = 0,
        credentials: Optional[Credentials] = None,
    ) -> None:
        parts = data if isinstance(data, (list, tuple)) else (data,)
        vector = (iovec * len(parts))()
        self._struct = struct = ferry_outgoing(ctypes.addressof(vector), len(parts))
        self._kept = kept = [vector]
        for slot, part in zip(vector, parts):
            slot.iov_base, slot.iov_len, holder = lend(part)
            kept.append(holder)
        if descriptors:
            passed = list(descriptors)
            array = (ctypes.c_int * len(passed))(*passed)
            struct.descriptors, struct.descriptor_count = ctypes.addressof(array), len(passed)
            kept.append(array)
        if credentials is not None:
            speaker = ferry_credentials(*credentials)
            struct.credentials = ctypes.addressof(speaker)
            kept.append(speaker)
        if priority:
            struct.priority = priority

    @property
    def sent_size(self) -> int:
        """Bytes of it that the kernel has taken."""
        return self._struct.sent_size

    @property
    def complete(self) -> bool:
        return self._struct.complete


class Message:
    """What was received. It owns its descriptors: those that are not taken are closed by close(), at the
    end of a `with`, and when it is forgotten.

    data      bytes, a copy; or, received into an Inbox, a memoryview of it, until the next receive
    priority  where the channel has priorities
    sender    who sent it, as the kernel says with each message of a unix datagram or packet socket;
              None: nobody vouches. What else than pid, uid and gid is to be known of it must be asked
              before the next receive of this thread; received into an Inbox, all of it must
    """

    __slots__ = ("data", "priority", "sender", "_descriptors")

    data: Union[bytes, memoryview]
    priority: int
    sender: Optional[Identity]

    def __init__(self, data: Union[bytes, memoryview], priority: int, descriptors: List[int]) -> None:
        self.data, self.priority, self._descriptors = data, priority, descriptors
        self.sender = None

    @property
    def descriptors(self) -> Tuple[int, ...]:
        """Those that have not been taken: lent, and closed with the message."""
        return tuple(self._descriptors)

    def take(self) -> int:
        """The first descriptor that has not been taken, for the caller to close.

        FerryError: EBADF, there is none.
        """
        if not self._descriptors:
            raise FerryError(errno.EBADF, "message", "holds no descriptor that was not taken")
        return self._descriptors.pop(0)

    def take_all(self) -> List[int]:
        """All that have not been taken, for the caller to close."""
        taken, self._descriptors = self._descriptors, []
        return taken

    def close(self) -> None:
        """Closes what was not taken."""
        while self._descriptors:
            os.close(self._descriptors.pop())

    def __enter__(self) -> "Message":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __del__(self) -> None:
        if self._descriptors:
            self.close()

    def __repr__(self) -> str:
        return f"<Message {self.data!r:.40}, {len(self._descriptors)} descriptors>"


class Inbox:
    """Memory to receive into. What is received into it is borrowed: a message's data is a memoryview of
    it, and ends with the next receive into it. One serves any number of channels, in turn.

    message_size   bytes, the largest message that can be received; 0: large enough for what this
                   machine's unix sockets take. A stream receives so much at once
    message_count  how many messages one receive may bring

    FerryError: EINVAL, ENOMEM.
    """

    def __init__(self, message_size: int = 0, message_count: int = 16) -> None:
        self._handle = ctypes.c_void_p()
        code = lib.ferry_inbox_new(message_size, message_count, ctypes.byref(self._handle))
        if code < 0:
            raise failure(code, "inbox")
        self._count = message_count or 16
        self._batch = (ferry_message * self._count)()
        self._address = ctypes.addressof(self._batch)
        self._lock = threading.RLock()
        self._loans = Loans()
        # Senders are in the inbox too: those of earlier receives are gone.
        self._receives = 0

    def _receive(self, channel: Any, count: int, copies: bool) -> Union[List[Message], int]:
        """Messages, in a list of its own; or what the library returned: 0, or -errno."""
        with self._lock:
            if self._loans:
                self._loans.end()
            self._receives += 1
            batch = self._batch
            try:
                if self._handle is None:
                    raise closed("inbox")
                code = lib.ferry_channel_try_receive(
                    channel, self._handle, self._address, min(count, self._count)
                )
                if code <= 0:
                    batch[0].descriptor_count = 0
                    return code
                return [self._message(batch[index], copies) for index in range(code)]
            except BaseException:  # a signal's: whatever has arrived is closed
                for message in batch:
                    self._descriptors(message, close=True)
                raise

    def _message(self, raw: ferry_message, copies: bool) -> Message:
        if copies:
            data = ctypes.string_at(raw.data, raw.size) if raw.size else b""
        else:
            data = self._loans.lend(self, raw.data, raw.size)
        message = Message(data, raw.priority, self._descriptors(raw) if raw.descriptor_count else [])
        if raw.sender:
            receives = self._receives
            sender = Identity(raw.sender, self._lock, lambda _: self._receives == receives)
            message.sender = sender
            if copies:  # as good as the data: other channels of the thread use this inbox too
                sender._keep()
        return message

    @staticmethod
    def _descriptors(raw: ferry_message, close: bool = False) -> List[int]:
        """Takes them out of the library's hands."""
        owned = raw.descriptors[: raw.descriptor_count]
        raw.descriptor_count = 0
        for fd in owned if close else ():
            os.close(fd)
        return owned

    def close(self) -> None:
        """Frees it, and ends what was borrowed from it. BufferError: a slice of that is still held."""
        with self._lock:
            self._loans.end()
            self._receives += 1
            lib.ferry_inbox_free(self._handle)
            self._handle = None

    def __enter__(self) -> "Inbox":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            lib.ferry_inbox_free(self._handle)


class _OfThread(threading.local):
    """What is copied is received into an inbox that the thread's channels share."""

    inbox: Optional[Inbox] = None

    def get(self) -> Inbox:
        if self.inbox is None:
            self.inbox = Inbox()
        return self.inbox


inbox_of_thread = _OfThread()
