"""The library itself: where it is, the structs that it shares with its callers, and the functions of
it that are used here, each as include/ferry/ declares it.

Functions that may wait, or that read or write what may be slow, let other threads of Python run
meanwhile; those that only ask something of an object do not, which would cost more than they do.
"""

import ctypes
import os
from ctypes import POINTER, c_bool, c_char, c_char_p, c_double, c_int, c_int64, c_size_t, c_uint
from ctypes import c_uint32, c_uint64, c_void_p

SONAME = "libferry.so.0"
VERSION = "LIBFERRY_0"  # of its symbols, src/libferry.map

NEVER = (1 << 63) - 1
DESCRIPTORS_MAX = 253
RING_DESCRIPTORS = 3
RING_TYPE_MAX = 0x3FFFFFFF


class iovec(ctypes.Structure):
    _fields_ = [("iov_base", c_void_p), ("iov_len", c_size_t)]


class ferry_error(ctypes.Structure):
    _fields_ = [
        ("code", c_int),
        ("thing", c_char * 256),
        ("reason", c_char * 256),
        ("remedy", c_char * 256),
    ]


class ferry_credentials(ctypes.Structure):
    _fields_ = [("pid", c_int), ("uid", c_uint32), ("gid", c_uint32)]


class ferry_outgoing(ctypes.Structure):
    _fields_ = [
        ("buffers", c_void_p),
        ("buffer_count", c_size_t),
        ("descriptors", c_void_p),
        ("descriptor_count", c_size_t),
        ("priority", c_uint),
        ("credentials", c_void_p),
        ("sent_size", c_size_t),
        ("complete", c_bool),
    ]


class ferry_message(ctypes.Structure):
    _fields_ = [
        ("data", c_void_p),
        ("size", c_size_t),
        ("descriptors", POINTER(c_int)),
        ("descriptor_count", c_size_t),
        ("priority", c_uint),
        ("sender", c_void_p),
    ]


class ferry_dial_options(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("extra", POINTER(c_char_p)),
        ("refuse_descriptors", c_bool),
        ("message_pidfd", c_bool),
        ("message_label", c_bool),
        ("credentials", POINTER(ferry_credentials)),
        ("profile", c_void_p),
        ("accepted", c_bool),
    ]


class ferry_listen_options(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("refuse_descriptors", c_bool),
        ("message_pidfd", c_bool),
        ("message_label", c_bool),
        ("admit_all", c_bool),
        ("profile", c_void_p),
    ]


class ferry_record(ctypes.Structure):
    _fields_ = [("data", c_void_p), ("size", c_size_t), ("type", c_uint)]


class ferry_ring_options(ctypes.Structure):
    _fields_ = [("struct_size", c_size_t), ("capacity", c_size_t), ("spin_max_ns", c_int64)]


class ferry_ring_stats(ctypes.Structure):
    _fields_ = [
        (name, c_uint64)
        for name in ("records", "bytes", "refusals", "spins", "spins_paid", "sleeps", "wakes")
    ]


class ferry_auto_stats(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("lanes", c_int * 2),
        ("reason", c_int),
        ("moves", c_uint64),
        ("socket_messages", c_uint64),
        ("ring_messages", c_uint64),
        ("large_messages", c_uint64),
        ("wakes", c_uint64),
        ("rate_per_s", c_double),
        ("mean_size", c_double),
    ]


# What each returns, and what it takes. Objects and outputs are pointers.
FUNCTIONS = {
    "ferry_address_parse": (c_int, c_char_p, c_char_p, c_void_p, c_void_p),
    "ferry_address_free": (None, c_void_p),
    "ferry_address_text": (c_char_p, c_void_p),
    "ferry_address_scheme": (c_int, c_void_p),
    "ferry_address_option": (c_char_p, c_void_p, c_char_p),
    "ferry_address_equal": (c_bool, c_void_p, c_void_p),
    "ferry_auto_get_stats": (c_int, c_void_p, c_void_p),
    "ferry_auto_reason_name": (c_char_p, c_int),
    "ferry_auto_reason_text": (c_char_p, c_int),
    "ferry_auto_prefer": (c_int, c_void_p, c_int),
    "ferry_auto_on_move": (c_int, c_void_p, c_void_p, c_void_p),
    "ferry_lane_name": (c_char_p, c_int),
    "ferry_dial": (c_int, c_void_p, c_void_p, c_int64, c_void_p, c_void_p),
    "ferry_try_dial": (c_int, c_void_p, c_void_p, c_void_p, c_void_p),
    "ferry_channel_connected": (c_int, c_void_p),
    "ferry_channel_pair": (c_int, c_int, c_void_p, c_void_p),
    "ferry_channel_adopt": (c_int, c_int, c_void_p),
    "ferry_channel_close": (None, c_void_p),
    "ferry_channel_try_send": (c_int, c_void_p, c_void_p, c_size_t),
    "ferry_channel_try_receive": (c_int, c_void_p, c_void_p, c_void_p, c_size_t),
    "ferry_channel_shutdown": (c_int, c_void_p),
    "ferry_channel_stop_receiving": (None, c_void_p),
    "ferry_channel_capabilities": (c_uint, c_void_p),
    "ferry_channel_fd": (c_int, c_void_p, c_int),
    "ferry_channel_pending": (c_bool, c_void_p),
    "ferry_channel_peer": (c_char_p, c_void_p),
    "ferry_channel_identity": (c_int, c_void_p, c_void_p),
    "ferry_channel_forget_identity": (None, c_void_p),
    "ferry_inbox_new": (c_int, c_size_t, c_size_t, c_void_p),
    "ferry_inbox_free": (None, c_void_p),
    "ferry_fact_name": (c_char_p, c_int),
    "ferry_known_name": (c_char_p, c_int),
    "ferry_identity_known": (c_int, c_void_p, c_int),
    "ferry_identity_pid": (c_int, c_void_p),
    "ferry_identity_uid": (c_uint32, c_void_p),
    "ferry_identity_gid": (c_uint32, c_void_p),
    "ferry_identity_groups": (c_void_p, c_void_p, c_void_p),
    "ferry_identity_label": (c_char_p, c_void_p),
    "ferry_identity_name": (c_char_p, c_void_p),
    "ferry_identity_executable": (c_char_p, c_void_p),
    "ferry_identity_cgroup": (c_char_p, c_void_p),
    "ferry_identity_unit": (c_char_p, c_void_p),
    "ferry_identity_pidfd": (c_int, c_void_p),
    "ferry_identity_host": (c_void_p, c_void_p),
    "ferry_identity_is_executable": (c_int, c_void_p, c_char_p),
    "ferry_listen": (c_int, c_void_p, c_void_p, c_void_p, c_void_p),
    "ferry_listener_adopt": (c_int, c_int, c_void_p, c_void_p, c_void_p, c_void_p),
    "ferry_listener_close": (None, c_void_p),
    "ferry_listener_try_accept": (c_int, c_void_p, c_void_p),
    "ferry_listener_fd": (c_int, c_void_p),
    "ferry_listener_address": (c_void_p, c_void_p),
    "ferry_listener_dropped": (c_uint64, c_void_p),
    "ferry_listener_refused": (c_uint64, c_void_p),
    "ferry_listener_capabilities": (c_uint, c_void_p),
    "ferry_ring_new": (c_int, c_int, c_void_p, c_void_p, c_void_p),
    "ferry_ring_get_descriptors": (None, c_void_p, c_void_p),
    "ferry_ring_attach": (c_int, c_int, c_void_p, c_void_p, c_void_p, c_void_p),
    "ferry_ring_free": (None, c_void_p),
    "ferry_ring_record_max": (c_size_t, c_void_p),
    "ferry_ring_try_send": (c_int, c_void_p, c_void_p, c_size_t),
    "ferry_ring_loan": (c_int, c_void_p, c_size_t, c_void_p),
    "ferry_ring_commit": (None, c_void_p, c_size_t, c_uint),
    "ferry_ring_borrow": (c_int, c_void_p, c_void_p, c_size_t),
    "ferry_ring_release": (None, c_void_p),
    "ferry_ring_fd": (c_int, c_void_p),
    "ferry_ring_prepare_sleep": (c_bool, c_void_p),
    "ferry_ring_set_peer_gone": (None, c_void_p),
    "ferry_ring_get_stats": (None, c_void_p, c_void_p),
}

# Each answers from memory, or by one short system call.
QUICK = {
    "ferry_address_option",
    "ferry_address_scheme",
    "ferry_address_text",
    "ferry_auto_get_stats",
    "ferry_auto_prefer",
    "ferry_auto_reason_name",
    "ferry_auto_reason_text",
    "ferry_channel_capabilities",
    "ferry_channel_fd",
    "ferry_channel_pending",
    "ferry_fact_name",
    "ferry_identity_gid",
    "ferry_identity_pid",
    "ferry_identity_uid",
    "ferry_known_name",
    "ferry_lane_name",
    "ferry_listener_fd",
    "ferry_ring_borrow",
    "ferry_ring_fd",
    "ferry_ring_record_max",
    "ferry_ring_release",
}


def load(path):
    """The functions of the library at a path (a name without a slash is looked for as ld.so(8) does).
    ImportError: there is none, or it is not one that this package was written for."""
    remedy = "install libferry, or set FERRY_LIBRARY to its path"
    try:
        slow, quick = ctypes.CDLL(path), ctypes.PyDLL(path)
    except OSError as error:
        raise ImportError(f"{error}; {remedy}") from None
    library = type("Library", (), {"path": path})
    for name, (returns, *takes) in FUNCTIONS.items():
        if not has_symbol(slow, name):
            raise ImportError(f"{path}: has no {name} of version {VERSION}; {remedy}")
        function = getattr(quick if name in QUICK else slow, name)
        function.restype, function.argtypes = returns, takes
        setattr(library, name, staticmethod(function))
    return library


def has_symbol(library, name):
    """Whether it has the function in the version whose structs stand above."""
    find = getattr(ctypes.CDLL(None), "dlvsym", None)
    if find is None:  # musl knows no versions
        return hasattr(library, name)
    find.restype, find.argtypes = c_void_p, (c_void_p, c_char_p, c_char_p)
    return bool(find(library._handle, name.encode(), VERSION.encode()))


lib = load(os.environ.get("FERRY_LIBRARY") or SONAME)
