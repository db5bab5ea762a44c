"""Descriptors that lead to a file whose owner answers nothing: whoever receives one asks it nothing,
lest it wait, and all whom it serves with it."""

import os
import socket
import struct

import pytest

from mute_files import GETATTR, MuteFile
from support import listens, wait_until

MESSAGE, OFFER, REFUSE = 1, 4, 6


@pytest.fixture
def mute_file(runtime_dir):
    """mute_file(kind...) is a mute_files.MuteFile; it ends with the test."""
    made = []

    def make(*kinds, **options):
        made.append(MuteFile(runtime_dir, *kinds, **options))
        if not made[-1].is_there:
            pytest.skip("nobody may mount a FUSE here: root, and /dev/fuse")
        return made[-1]

    yield make
    for one in made:
        one.end()


def dial(path):
    client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    client.settimeout(20)
    client.connect(str(path))
    return client


def head(kind):
    return struct.pack("<BBBBI", 0xFE, 1, kind, 0, 0)


def seal_of(connection):
    """As src/transport/auto/seal.c has it."""
    seal = socket.socket(socket.AF_UNIX)
    seal.bind(b"\0ferry-seal.%x.%016x" % (os.fstat(connection.fileno()).st_ino, 1 << 60))
    seal.listen(0)
    return seal


def test_a_file_that_is_offered_as_a_ring_is_asked_nothing(start_ferry, mute_file, runtime_dir):
    """Whether it is memory is known without asking whoever it belongs to."""
    start_ferry("relay", "auto:a.sock", "echo:")
    wait_until(lambda: listens(runtime_dir / "a.sock"))
    files = mute_file(GETATTR)
    descriptor = os.open(files.path, os.O_RDWR)
    try:
        hostile, other = dial(runtime_dir / "a.sock"), dial(runtime_dir / "a.sock")
        seal = seal_of(hostile)
        files.mute()
        socket.send_fds(hostile, [head(OFFER)], [seal.fileno(), descriptor, descriptor])
        assert hostile.recv(100)[:3] == head(REFUSE)[:3]
        other.send(head(MESSAGE) + b"text")
        assert other.recv(100) == head(MESSAGE) + b"text"
    finally:
        os.close(descriptor)


def test_a_file_that_looks_like_a_ring_is_asked_nothing_by_who_looks(
    start_ferry, mute_file, run_ferry, runtime_dir
):
    """`ferry why` of an auto: socket looks for rings among what all processes have open."""
    start_ferry("relay", "auto:a.sock", "echo:")
    wait_until(lambda: listens(runtime_dir / "a.sock"))
    files = mute_file(GETATTR, name="memfd:ferry-ring")
    descriptor = os.open(files.path, os.O_RDWR)
    try:
        files.detach()
        assert os.readlink(f"/proc/self/fd/{descriptor}") == "/memfd:ferry-ring"
        files.mute()
        assert run_ferry("why", "auto:a.sock").returncode == 0
    finally:
        os.close(descriptor)
