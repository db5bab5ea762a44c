"""Descriptors that go wrong: messages that no program sends by mistake, receivers without room for
more, and a user who has parked as many as the kernel lets be on their way.

FERRY_FAULT_MESSAGES is how many malformed messages are sent; `make fault` sends a million.
"""

import array
import contextlib
import json
import os
import re
import resource
import signal
import socket

import pytest

from support import descriptor_count, descriptors_at_rest, listens, wait_until

MESSAGES = int(os.environ.get("FERRY_FAULT_MESSAGES", "30000"))
ALICE = 4001

# One that has passed its own connection away is over when it is idle.
ROUTES = """
[route streams]
listen = unix:streams.sock
to = unix:echo.sock
idle = 500ms

[route echo]
listen = unix:echo.sock
to = echo
idle = 500ms

[route packets]
listen = unix-seq:packets.sock
to = unix-seq:back.sock
idle = 500ms

[route back]
listen = unix-seq:back.sock
to = echo
idle = 500ms

[route datagrams]
listen = unix-dgram:datagrams.sock
to = echo
idle = 500ms

[route nowhere]
listen = unix:nowhere.sock
to = file:/dev/null

[route refusing]
listen = unix:refusing.sock,descriptors=no
to = unix:echo.sock
"""
# Who sends where.
PEERS = [
    ("stream", "streams.sock"),
    ("stream", "echo.sock"),
    ("packet", "packets.sock"),
    ("datagram", "datagrams.sock"),
    ("stream", "nowhere.sock"),
    ("stream", "refusing.sock"),
]


def limited(count):
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))


def connect(path, kind=socket.SOCK_STREAM):
    client = socket.socket(socket.AF_UNIX, kind)
    client.settimeout(20)
    client.connect(str(path))
    return client


def rights(*descriptors):
    return [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]


def resident_kib(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{pid}/status").read())[1])


def returned(path, kind=socket.SOCK_STREAM):
    """A pipe goes there and back, and is still one: what was written into it is read."""
    reading, writing = os.pipe()
    with connect(path, kind) as client:
        client.sendmsg([b"mine"], rights(writing))
        os.close(writing)
        data, (again,), *_ = socket.recv_fds(client, 100, 1)
    os.write(again, b"through it")
    os.close(again)
    assert data == b"mine" and os.read(reading, 100) == b"through it"
    os.close(reading)


@pytest.fixture
def malformed(start, build):
    """malformed(count, seed, folder) sends so many messages to all of PEERS at the same time; returns
    how many messages the kernel took, how many it refused, how many connections ferry ended and how
    many descriptors came back."""

    def run(count, seed, folder, peers=PEERS):
        senders = [
            start(build / "fault-malformed", kind, folder / name, count // len(peers) + 1, seed + number)
            for number, (kind, name) in enumerate(peers)
        ]
        for sender in senders:
            assert sender.wait(900) == 0, sender.stderr()
        return [sum(column) for column in zip(*(map(int, one.stdout().split()) for one in senders))]

    return run


@pytest.mark.timeout(1000)
@pytest.mark.parametrize("room", [None, 100])
def test_malformed_messages_leave_nothing(
    start_ferry, malformed, runtime_dir, sanitizer, capsys, room
):
    """Each is passed on, dropped or costs its sender the connection. Afterwards ferry has exactly as
    many descriptors as before, no memory for each of them, and serves as before; also where it has no
    room for more than a hundred descriptors, so that the kernel cuts what it receives (MSG_CTRUNC)."""
    (runtime_dir / "ferry.conf").write_text(ROUTES)
    process = start_ferry(
        *("up", "-c", "ferry.conf"),
        env={"RUNTIME_DIRECTORY": str(runtime_dir)},
        preexec_fn=room and limited(room),
    )
    process.wait_for("started  control")
    count = MESSAGES if not room else MESSAGES // 5
    before = descriptors_at_rest(process.pid)
    malformed(600, 1000, runtime_dir)
    memory = resident_kib(process.pid)
    taken, refused, ended, back = malformed(count, 1, runtime_dir)
    with capsys.disabled():
        print(f"\n{taken + refused} malformed messages ({room or 'no'} limit): {taken} arrived, {refused} "
              f"refused by the kernel, {ended} connections ended, {back} descriptors came back")
    assert taken > count / 3 and refused > count / 3 and back > count / 50
    wait_until(lambda: descriptor_count(process.pid) == before, 30, "descriptors as before")
    assert not room or "Bad message" in process.stderr()
    if not sanitizer:
        assert resident_kib(process.pid) - memory < 16384
    returned(runtime_dir / "streams.sock")
    returned(runtime_dir / "packets.sock", socket.SOCK_SEQPACKET)
    with connect(runtime_dir / "refusing.sock") as client:
        client.sendall(b"served")
        assert client.recv(10) == b"served"
    assert process.stop() == 0, process.stderr()


# --- a user who has parked as many as may be on their way -------------------------------------------

PARK = """
ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
socket.send_fds(ends[0], [b"parked"], [0] * 253)
"""
as_alice = ["setpriv", f"--reuid={ALICE}", f"--regid={ALICE}", "--clear-groups"]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")


@pytest.fixture
def parked(start, ferry, runtime_dir, actor):
    """parked(option...) starts a relay of a user who may have 64 descriptors on their way, where
    another process of that user's has 253; returns it, that process, and what listens at its target.
    (The limit is not root's.)"""

    def run(*options):
        os.chown(runtime_dir, ALICE, ALICE)
        target = socket.socket(socket.AF_UNIX)
        target.bind(str(runtime_dir / "target.sock"))
        os.chown(runtime_dir / "target.sock", ALICE, ALICE)
        target.listen()
        target.settimeout(20)
        process = start(
            *as_alice, ferry, "relay", "unix:r.sock", "unix:target.sock", *options, preexec_fn=limited(64)
        )
        process.wait_for("started")
        other = actor(before=as_alice)
        other.run(PARK)
        return process, other, target

    return run


@needs_root
def test_what_cannot_be_on_its_way_yet_waits(parked, runtime_dir):
    """sendmsg(2) says ETOOMANYREFS: the descriptor waits in ferry, other connections go on, and it
    arrives as soon as the other process's have been received."""
    process, other, target = parked()
    reading, writing = os.pipe()
    with connect(runtime_dir / "r.sock") as client, connect(runtime_dir / "r.sock") as bystander:
        arrived, beside = target.accept()[0], target.accept()[0]
        before = descriptors_at_rest(process.pid)
        client.sendmsg([b"mine"], rights(writing))
        os.close(writing)
        wait_until(lambda: descriptor_count(process.pid) == before + 1, what="ferry has it")
        bystander.sendall(b"bytes only")
        beside.settimeout(20)
        assert beside.recv(20) == b"bytes only"
        arrived.setblocking(False)
        with pytest.raises(BlockingIOError):
            arrived.recv(20)
        arrived.settimeout(20)
        other.run("ends[1].recv(100)")
        data, (passed,), *_ = socket.recv_fds(arrived, 100, 1)
        os.write(passed, b"in the end")
        os.close(passed)
        assert data == b"mine" and os.read(reading, 100) == b"in the end"
        wait_until(lambda: descriptor_count(process.pid) == before, what="ferry has it no more")
    os.close(reading)


@needs_root
def test_what_cannot_be_on_its_way_at_all_ends_with_its_connection(parked, runtime_dir):
    """At the connection's deadline both ends are told, and nothing is left."""
    process, _, target = parked("--idle", "1s")
    before = descriptors_at_rest(process.pid)
    reading, writing = os.pipe()
    with connect(runtime_dir / "r.sock") as client:
        arrived, _ = target.accept()
        arrived.settimeout(20)
        client.sendmsg([b"mine"], rights(writing))
        os.close(writing)
        assert arrived.recv(20) == b"" and client.recv(20) == b""
    process.wait_for("idle time-out")
    assert os.read(reading, 1) == b"", "nobody holds the pipe's other end any more"
    os.close(reading)
    wait_until(lambda: descriptor_count(process.pid) == before, what="descriptors as before")


# --- no room for what comes -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "scheme, kind",
    [
        ("unix", socket.SOCK_STREAM),
        ("unix-seq", socket.SOCK_SEQPACKET),
        ("unix-dgram", socket.SOCK_DGRAM),
    ],
)
def test_a_message_that_was_cut_is_not_passed_on(
    start_ferry, run_ferry, runtime_dir, scheme, kind
):
    """A receiver at its limit of descriptors gets some of a message's, and MSG_CTRUNC. Ferry passes
    on neither that message nor any of them, keeps none, says so, and serves the next: of datagrams
    the same sender's, of connections the next one."""
    target = socket.socket(socket.AF_UNIX, kind)
    target.bind(str(runtime_dir / "target.sock"))
    target.settimeout(20)
    if kind != socket.SOCK_DGRAM:
        target.listen()
    process = start_ferry(
        *("relay", f"{scheme}:r.sock", f"{scheme}:target.sock", "--idle", "1s"),
        *("--control", f"unix:{runtime_dir}/control.sock"),
        preexec_fn=limited(40),
    )
    process.wait_for("started  control")
    before = descriptors_at_rest(process.pid)

    def dropped():
        report = json.loads(run_ferry("status", "--json", "-s", f"unix:{runtime_dir}/control.sock").stdout)
        return report["routes"][0]["dropped"]

    def arrivals(client):
        """All that the target gets of one client, with the number of descriptors."""
        end = target if kind == socket.SOCK_DGRAM else target.accept()[0]
        end.settimeout(20)
        while True:
            data, passed, flags, _ = socket.recv_fds(end, 100, 100)
            for number in passed:
                os.close(number)
            if not data:
                return
            yield data, len(passed)
            if data == b"last":
                return

    for _ in range(3):
        with connect(runtime_dir / "r.sock", kind) as client:
            client.sendmsg([b"cut"], rights(*[1] * 60))
            if kind != socket.SOCK_DGRAM:
                assert list(arrivals(client)) == []
    if kind == socket.SOCK_DGRAM:
        wait_until(lambda: dropped() == 3)
    else:
        wait_until(lambda: process.stderr().count("Bad message") == 3)
    with connect(runtime_dir / "r.sock", kind) as client:
        client.sendmsg([b"last"], rights(1, 2))
        assert list(arrivals(client)) == [(b"last", 2)]
    wait_until(lambda: descriptor_count(process.pid) == before, what="descriptors as before")


def test_take_says_that_it_has_no_room(start_ferry, runtime_dir):
    taker = start_ferry("take", "unix:t.sock", "--", "echo", "started", preexec_fn=limited(24))
    wait_until(lambda: listens(runtime_dir / "t.sock"))
    with connect(runtime_dir / "t.sock") as client:
        client.sendmsg([b"x"], rights(*[1] * 60))
        assert taker.wait() == 1
    assert taker.stdout() == b"" and "t.sock: " in taker.stderr()


def test_take_gives_its_command_what_it_counts(start, start_ferry, build, runtime_dir):
    """Whatever comes: the command has exactly the descriptors that LISTEN_FDS says, or is not
    started; and what passed through a relay leaves nothing in it."""
    relay = start_ferry("relay", "unix:r.sock", "unix:t.sock", "--idle", "300ms")
    relay.wait_for("started")
    before = descriptors_at_rest(relay.pid)
    started = 0
    # The folder that the shell reads is one more.
    count = ["sh", "-c", "set -- /proc/$$/fd/*; echo $# $LISTEN_FDS"]
    for seed in range(1, 9):
        # It would wait for ever for the end of a connection that it was given itself.
        taker = start_ferry("take", "--timeout", "500ms", "unix:t.sock", "--", *count)
        wait_until(lambda: listens(runtime_dir / "t.sock"))
        path = runtime_dir / ("r.sock" if seed % 2 else "t.sock")
        start(build / "fault-malformed", "stream", path, 8, seed).wait(20)
        assert taker.wait() in (0, 1), taker.stderr()
        if taker.stdout():
            there, told = map(int, taker.stdout().split())
            assert there == told + 4
            started += 1
    assert started > 1
    wait_until(lambda: descriptor_count(relay.pid) == before, what="descriptors as before")


# --- killed while it hands on -----------------------------------------------------------------------


STEPS = [
    ("accept4", 1), ("connect", 1), ("recvmsg", 1), ("sendmsg", 1), ("close", 1), ("recvmsg", 2),
    ("shutdown", 1), ("recvmsg", 3), ("close", 2), ("close", 3),
]


def traced(pid):
    return not re.search(r"TracerPid:\t0\n", open(f"/proc/{pid}/status").read())


def receive_all(target):
    """The descriptors of the first connection that comes, if one does."""
    try:
        end, _ = target.accept()
    except TimeoutError:
        return []
    with end:
        end.settimeout(20)
        found, data = [], b"x"
        while data:
            data, passed, *_ = socket.recv_fds(end, 100, 10)
            found += passed
        return found


@pytest.mark.parametrize("call, number", STEPS)
def test_a_hand_off_is_served_once_or_closed(start, start_ferry, runtime_dir, call, number):
    """Ferry is killed at a step between accepting a client and having passed on what it brought, one
    end of a pair: the target gets that once, or not at all, and then the pair's other end is told."""
    target = socket.socket(socket.AF_UNIX)
    target.bind(str(runtime_dir / "target.sock"))
    target.listen()
    process = start_ferry("relay", "unix:r.sock", "unix:target.sock")
    process.wait_for("started")
    start("strace", "-qq", "-o", "trace", "-e", f"inject={call}:signal=KILL:when={number}", "-p", process.pid)
    wait_until(lambda: traced(process.pid))
    mine, handed = socket.socketpair()
    mine.settimeout(20)
    with connect(runtime_dir / "r.sock") as client:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.sendmsg([b"serve"], rights(handed.fileno()))
            client.shutdown(socket.SHUT_WR)
        handed.close()
        target.settimeout(20 if call not in ("accept4", "connect") else 0.2)
        got = receive_all(target)
        assert process.wait() == -signal.SIGKILL
    assert len(got) == (0 if STEPS.index((call, number)) < 4 else 1)
    for number in got:
        os.write(number, b"served")
        os.close(number)
    assert mine.makefile("rb").read() == b"served" * len(got)
