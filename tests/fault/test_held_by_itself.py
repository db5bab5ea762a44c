"""Connections that nobody holds any more but they themselves."""

import array
import socket

import pytest

from support import FAST, descriptor_count, descriptors_at_rest, wait_until


def connect(path):
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(20)
    client.connect(str(path))
    return client


def rights(*descriptors):
    return [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]


@pytest.mark.plain_build
@pytest.mark.parametrize("target", ["echo", "unix:behind.sock"])
def test_a_connection_that_is_held_by_nobody_but_itself_ends(start_ferry, runtime_dir, target):
    """A peer passes its own end of the connection into it, takes nothing and goes: the connection
    waits for a reader that only the connection holds, in ferry or on the way to it. It ends after
    150 s. One that merely takes nothing, with no descriptor waiting, is left in peace."""
    processes = [start_ferry("relay", "unix:front.sock", target, env=FAST)]
    if target != "echo":
        processes.append(start_ferry("relay", "unix:behind.sock", "echo", env=FAST))
    for process in processes:
        process.wait_for("started")
    patient = connect(runtime_dir / "front.sock")
    patient.sendall(b"x" * 300_000)
    patient.sendall(b"y")
    with connect(runtime_dir / "front.sock") as client:
        client.sendall(b"warm")
        assert client.recv(10) == b"warm"
    for process in processes:
        process.wait_for("closed")
    before = [descriptors_at_rest(process.pid) for process in processes]
    for late in (False, True):
        with connect(runtime_dir / "front.sock") as client:
            client.settimeout(0.2)
            if late:
                client.sendall(b"x" * 300_000)
                client.sendmsg([b"x"], rights(client.fileno()))
                continue
            with pytest.raises(TimeoutError):
                while True:
                    client.sendmsg([b"x" * 1000], rights(client.fileno()))
    assert [descriptor_count(process.pid) for process in processes] > before
    for process, count in zip(processes, before):
        wait_until(lambda: descriptor_count(process.pid) == count, 30, process.stderr())
    assert any("descriptors waited" in process.stderr() for process in processes)
    patient.shutdown(socket.SHUT_WR)
    assert len(patient.makefile("rb").read()) == 300_001
