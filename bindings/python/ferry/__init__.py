"""libferry from Python: bytes, messages, descriptors and identity between the processes of a machine.

dial() and listen() lead to a Channel; README.md shows both. The library is libferry.so.0, or what the
environment variable FERRY_LIBRARY names; without it importing fails.
"""

from ._address import Address, Scheme
from ._auto import AutoPreference, AutoReason, AutoStats, Lane
from ._channel import Capability, Channel, Listener, dial, listen, pair, try_dial
from ._error import FerryError
from ._identity import Fact, Identity, Known
from ._message import Inbox, Message, Outgoing
from ._open import Direction
from ._ring import Record, Ring
from ._wait import Deadline

__all__ = [
    "Address",
    "AutoPreference",
    "AutoReason",
    "AutoStats",
    "Capability",
    "Channel",
    "Deadline",
    "Direction",
    "Fact",
    "FerryError",
    "Identity",
    "Inbox",
    "Known",
    "Lane",
    "Listener",
    "Message",
    "Outgoing",
    "Record",
    "Ring",
    "Scheme",
    "dial",
    "listen",
    "pair",
    "try_dial",
]
