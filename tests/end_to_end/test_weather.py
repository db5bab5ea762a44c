"""Weather: what delay=, jitter=, rate=, loss= and reset-after= of an address do to what crosses.

Counts, order, and what can never be: that something arrives before it could. That it arrives soon
after is nothing a test can say of a machine that others use too."""

import hashlib
import json
import os
import random
import re
import shutil
import socket
import subprocess
import threading
import time
from collections import Counter

import pytest

from support import descriptor_count, descriptors_at_rest, fill, wait_until


def listen(path, kind=socket.SOCK_STREAM):
    server = socket.socket(socket.AF_UNIX, kind)
    server.bind(str(path))
    if kind != socket.SOCK_DGRAM:
        server.listen()
    server.settimeout(20)
    return server


def dial(path, kind=socket.SOCK_STREAM):
    client = socket.socket(socket.AF_UNIX, kind)
    if kind == socket.SOCK_DGRAM:
        client.bind("")
    client.connect(str(path))
    client.settimeout(20)
    return client


@pytest.fixture
def relayed(start_ferry, runtime_dir):
    """relayed(options, kind) starts a relay whose target's address has these options; returns it,
    a client, and what the client's connection leads to."""

    def run(options, kind=socket.SOCK_STREAM, listening="", arguments=()):
        scheme = {socket.SOCK_STREAM: "unix", socket.SOCK_DGRAM: "unix-dgram"}.get(kind, "unix-seq")
        server = listen(runtime_dir / "t.sock", kind)
        process = start_ferry(
            "relay", *arguments, f"{scheme}:r.sock{listening}", f"{scheme}:t.sock{options}"
        )
        process.wait_for("started")
        client = dial(runtime_dir / "r.sock", kind)
        if kind == socket.SOCK_DGRAM:
            return process, client, server
        target, _ = server.accept()
        target.settimeout(20)
        return process, client, target

    return run


CONTROL = ("--control", "unix:c.sock")


def status(run_ferry, control):
    done = run_ferry("status", "--json", "-s", control)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["routes"][0]


def resident(pid):
    with open(f"/proc/{pid}/status") as facts:
        return int(re.search(r"VmRSS:\s+(\d+) kB", facts.read())[1])


def open_files(pid):
    """Where the descriptors of a process lead."""
    links = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            links.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
        except FileNotFoundError:
            pass  # closed meanwhile
    return links


def receive_all(channel):
    data = bytearray()
    while piece := channel.recv(1 << 16):
        data += piece
    return bytes(data)


# --- streams ---------------------------------------------------------------------------------------


def test_every_byte_arrives_in_its_order(relayed):
    process, client, target = relayed(",delay=5ms,jitter=5ms,rate=40M,loss=0.2%", listening=",delay=1ms")
    data = random.Random(1).randbytes(20 << 20)
    sender = threading.Thread(target=lambda: (client.sendall(data), client.shutdown(socket.SHUT_WR)))
    sender.start()
    received = receive_all(target)
    sender.join()
    assert hashlib.sha1(received).digest() == hashlib.sha1(data).digest()
    assert "by copy (the weather holds it back)" in process.stderr()


def test_the_end_travels_behind_the_last_byte(relayed):
    process, client, target = relayed(",delay=100ms,jitter=50ms")
    client.sendall(b"question")
    client.shutdown(socket.SHUT_WR)
    assert receive_all(target) == b"question"
    target.sendall(b"answer")
    target.shutdown(socket.SHUT_WR)
    assert receive_all(client) == b"answer"
    process.wait_for("closed")
    assert "both sides finished; in 8 out 6 bytes" in process.stderr()


def test_nothing_comes_before_its_delay(start_ferry, runtime_dir):
    """An echo is crossed there and back."""
    start_ferry("relay", "unix:e.sock,delay=60ms", "echo").wait_for("started")
    client = dial(runtime_dir / "e.sock")
    for _ in range(5):
        before = time.monotonic()
        client.sendall(b"x")
        assert client.recv(10) == b"x"
        assert time.monotonic() - before >= 0.12


def test_both_addresses_count(relayed):
    _process, client, target = relayed(",delay=40ms", listening=",delay=30ms")
    before = time.monotonic()
    client.sendall(b"x")
    assert target.recv(10) == b"x"
    assert time.monotonic() - before >= 0.07
    target.sendall(b"y")
    assert client.recv(10) == b"y"
    assert time.monotonic() - before >= 0.14


def test_nothing_is_faster_than_the_rate(relayed):
    _process, client, target = relayed(",rate=2M")
    data = random.Random(2).randbytes(1 << 20)
    before = time.monotonic()
    sender = threading.Thread(target=lambda: (client.sendall(data), client.shutdown(socket.SHUT_WR)))
    sender.start()
    assert receive_all(target) == data
    assert time.monotonic() - before >= 0.5
    sender.join()


def test_a_stream_loses_nothing_and_stalls(relayed):
    """Lost altogether: everything comes one retransmission later, 200 ms and a round trip."""
    _process, client, target = relayed(",delay=10ms,loss=100%")
    before = time.monotonic()
    client.sendall(b"x" * 5000)
    got = 0
    while got < 5000:
        got += len(target.recv(5000))
    assert time.monotonic() - before >= 0.01 + 0.2 + 0.02


def test_reliable_messages_keep_their_order(relayed):
    _process, client, target = relayed(",delay=5ms,jitter=5ms,loss=1%", socket.SOCK_SEQPACKET)
    count = 5000

    def send():
        for i in range(count):
            client.send(b"%d" % i)
        client.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=send)
    sender.start()
    assert [target.recv(100) for _ in range(count)] == [b"%d" % i for i in range(count)]
    assert target.recv(100) == b""
    sender.join()


# --- datagrams -------------------------------------------------------------------------------------


def collect(target, count, dropped):
    """What comes, until it and what was dropped by its own account are all."""
    messages = []
    target.settimeout(0.2)

    def all_told():
        try:
            while True:
                messages.append(target.recv(1 << 16))
        except TimeoutError:
            return len(messages) + dropped() == count

    wait_until(all_told, 30, "all came or were dropped")
    return messages


def sending(client, messages):
    """A thread that sends: a full receiver holds up whoever sends datagrams of this kind."""

    def send():
        for message in messages:
            client.send(message)

    thread = threading.Thread(target=send)
    thread.start()
    return thread


@pytest.fixture
def dropped(run_ferry):
    """dropped() is what the relay says of its one session."""

    def ask():
        connections = status(run_ferry, "unix:c.sock")["connections"]
        return connections[0]["dropped"] if connections else 0

    return ask


def test_datagrams_are_lost_and_counted(relayed, dropped):
    """Of each what the count says, no more and no less, is missing at the receiver."""
    process, client, target = relayed(",loss=20%", socket.SOCK_DGRAM, arguments=CONTROL)
    count = 10000
    sender = sending(client, [b"%d" % i for i in range(count)])
    received = [int(number) for number in collect(target, count, dropped)]
    sender.join()
    assert 0.18 * count <= count - len(received) <= 0.22 * count
    # Without jitter those that arrive are in order.
    assert received == sorted(received)
    client.close()
    assert process.stop() == 0
    assert f", {count - len(received)} dropped in " in process.stderr()


def test_all_datagrams_can_be_lost(relayed, dropped):
    process, client, target = relayed(",loss=100%", socket.SOCK_DGRAM, arguments=CONTROL)
    for _ in range(50):
        with open("/dev/null") as file:
            socket.send_fds(client, [b"gone"], [file.fileno()])
    wait_until(lambda: dropped() == 50, what="all were dropped")
    assert open_files(process.pid).count("/dev/null") == 1  # its own standard input
    target.setblocking(False)
    with pytest.raises(BlockingIOError):
        target.recv(10)


def test_jitter_lets_datagrams_overtake(relayed):
    _process, client, target = relayed(",delay=50ms,jitter=50ms", socket.SOCK_DGRAM)
    count = 500
    sender = sending(client, [b"%d" % i for i in range(count)])
    received = [int(target.recv(100)) for _ in range(count)]
    sender.join()
    assert sorted(received) == list(range(count))
    assert received != sorted(received)


def test_a_full_path_drops_datagrams(relayed, dropped):
    """100 ms and at least 32 KiB are held; nobody is told of the rest but by the count."""
    _process, client, target = relayed(",rate=100k", socket.SOCK_DGRAM, arguments=CONTROL)
    count = 1000
    sender = sending(client, [bytes(1000)] * count)
    received = collect(target, count, dropped)
    sender.join()
    assert 16 <= len(received) < count


def test_udp_through_weather(start_ferry, run_ferry):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as target:
        target.bind(("127.0.0.1", 0))
        target.settimeout(20)
        process = start_ferry(
            "relay", "--allow", "any", "udp:0,delay=20ms",
            f"udp:127.0.0.1:{target.getsockname()[1]},delay=10ms",
        )
        process.wait_for("started")
        port = int(re.search(r"udp:(\d+),", process.stderr())[1])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(20)
            before = time.monotonic()
            client.sendto(b"question", ("127.0.0.1", port))
            question, peer = target.recvfrom(100)
            target.sendto(b"answer to " + question, peer)
            assert client.recv(100) == b"answer to question"
            assert time.monotonic() - before >= 0.06


# --- descriptors -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_SEQPACKET, socket.SOCK_DGRAM])
def test_descriptors_cross(relayed, runtime_dir, kind):
    process, client, target = relayed(",delay=30ms", kind)
    sent = []
    for i in range(5):
        path = runtime_dir / f"file{i}"
        path.write_text(f"content {i}")
        with open(path) as file:
            sent.append(os.fstat(file.fileno()).st_ino)
            socket.send_fds(client, [b"%d" % i], [file.fileno()])
    text, got = b"", []
    while len(text) < 5:
        data, fds, _, _ = socket.recv_fds(target, 100, 10)
        # Of a stream, descriptors never come later than their byte.
        text += data
        got += fds
        assert len(got) >= len(text)
    assert text == b"01234"
    assert [os.fstat(fd).st_ino for fd in got] == sent
    assert [os.read(fd, 100) for fd in got] == [b"content %d" % i for i in range(5)]
    for fd in got:
        os.close(fd)
    passed = {str(runtime_dir / f"file{i}") for i in range(5)}
    wait_until(lambda: not passed & set(open_files(process.pid)), what="its own are closed")


def test_descriptors_on_the_way_to_nobody_are_closed(relayed):
    process, client, target = relayed(",delay=3s")
    before = descriptors_at_rest(process.pid)
    for _ in range(5):
        with open("/dev/zero") as file:
            socket.send_fds(client, [b"x"], [file.fileno()])
    wait_until(lambda: descriptor_count(process.pid) == before + 5, what="all are held")
    target.close()
    client.close()
    process.wait_for("the target takes no more")
    wait_until(lambda: descriptor_count(process.pid) == before - 2, what="all are closed")
    assert re.search(r"5 descriptors, \d dropped", process.stderr())


# --- reset-after -----------------------------------------------------------------------------------


def tcp_pair(start_ferry, options, listening=""):
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen()
    server.settimeout(20)
    process = start_ferry(
        "relay", "--allow", "any", f"tcp:0{listening}",
        f"tcp:127.0.0.1:{server.getsockname()[1]}{options}",
    )
    process.wait_for("started")
    port = int(re.search(r"tcp:(\d+)[, ]", process.stderr())[1])
    client = socket.create_connection(("127.0.0.1", port), 20)
    target, _ = server.accept()
    target.settimeout(20)
    server.close()
    return process, client, target


@pytest.mark.parametrize("options, listening", [(",reset-after=2s", ""), ("", ",reset-after=2s")])
def test_both_peers_see_a_reset(start_ferry, options, listening):
    process, client, target = tcp_pair(start_ferry, options, listening)
    client.sendall(b"before")
    assert target.recv(10) == b"before"
    for end in client, target:
        with pytest.raises(ConnectionResetError):
            end.recv(10)
    process.wait_for("failed")
    assert "broken off by the weather (reset-after): Connection reset by peer" in process.stderr()


def test_without_it_nobody_sees_one(start_ferry):
    process, client, target = tcp_pair(start_ferry, ",delay=1ms")
    client.sendall(b"all")
    client.close()
    assert receive_all(target) == b"all"
    target.close()
    process.wait_for("closed")
    assert "failed" not in process.stderr()


def test_a_unix_peer_with_something_unread_sees_it_too(relayed):
    process, client, _target = relayed(",rate=1k,reset-after=2s")
    client.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            client.send(bytes(1 << 16))
    client.settimeout(20)
    with pytest.raises(ConnectionResetError):
        client.recv(10)
    process.wait_for("broken off by the weather (reset-after)")


def test_a_datagram_session_ends(relayed):
    process, client, target = relayed(",reset-after=500ms", socket.SOCK_DGRAM)
    client.send(b"one")
    assert target.recv(10) == b"one"
    process.wait_for("broken off by the weather (reset-after)")
    client.send(b"two")
    assert target.recv(10) == b"two"


# --- bounds ----------------------------------------------------------------------------------------


@pytest.mark.plain_build
def test_what_is_held_is_bounded(relayed):
    """4 MiB, a receive, and what the kernel holds: then the sender waits."""
    process, client, _target = relayed(",delay=1h")
    before = resident(process.pid)
    sent = 0

    def send():
        nonlocal sent
        sent += client.send(bytes(1 << 16))
        assert sent <= 8 << 20

    fill(client, send, [process.pid])
    assert sent >= 4 << 20
    assert resident(process.pid) - before < 8 << 10


def test_what_is_held_counts_for_its_user(relayed, run_ferry):
    """Both directions at once: neither hides behind the other, as a blocked one may."""
    arguments = ("--per-uid", "bytes=256k", *CONTROL)
    process, client, target = relayed(",delay=1h", arguments=arguments)
    for end in client, target:
        fill(end, lambda: end.send(bytes(1 << 16)), [process.pid])
    (holder,) = status(run_ferry, "unix:c.sock")["per_uid"]["holders"]
    assert 256 << 10 <= holder["bytes"] <= 640 << 10


def test_a_blocked_reader_holds_the_sender(relayed):
    process, client, target = relayed(",delay=10ms")
    client.settimeout(2)
    sent = 0
    with pytest.raises(TimeoutError):
        while sent < 64 << 20:
            sent += client.send(bytes(1 << 16))
    assert sent <= 8 << 20
    client.shutdown(socket.SHUT_WR)
    assert len(receive_all(target)) == sent


@pytest.fixture
def counted(start, runtime_dir):
    """counted(process, work) runs work() while strace counts the process's system calls."""
    assert shutil.which("strace")

    def run(process, work):
        trace = runtime_dir / "trace"
        tracer = start("strace", "-f", "-qq", "-o", trace, "-p", str(process.pid))
        wait_until(
            lambda: re.search(r"TracerPid:\t[1-9]", open(f"/proc/{process.pid}/status").read())
        )
        work()
        tracer.stop(2)
        return Counter(
            re.findall(r"^\d+\s+(?:\[[^]]*\]\s+)?([a-z0-9_]+)\(", trace.read_text(), re.M)
        )

    return run


@pytest.mark.plain_build
def test_an_idle_relay_with_weather_does_not_wake(relayed, counted):
    process, client, target = relayed(",delay=1ms,jitter=1ms,rate=1M,loss=1%,reset-after=1h")
    client.sendall(b"warm")
    assert target.recv(10) == b"warm"
    calls = counted(process, lambda: subprocess.run(["sleep", "1"], check=True))
    assert calls.total() <= 2, calls


@pytest.mark.plain_build
def test_a_delayed_message_wakes_it_twice(relayed, counted):
    """When it comes and when it is due; each time one call more, and one to wait again."""
    process, client, target = relayed(",delay=5ms")
    client.sendall(b"warm")
    assert target.recv(10) == b"warm"
    count = 100

    def work():
        for _ in range(count):
            client.sendall(b"x" * 100)
            assert len(target.recv(200)) == 100

    calls = counted(process, work)
    assert calls["recvmsg"] == count, calls
    assert calls["sendmsg"] == count, calls
    # A wait that is told in milliseconds may end just before the time, and is then taken up again.
    assert calls.total() <= count * 5 + 20, calls


# --- where it works, and where not -----------------------------------------------------------------


def test_a_configuration_has_weather(start_ferry, runtime_dir):
    (runtime_dir / "ferry.conf").write_text(
        "[route far]\nlisten = unix:far.sock,delay=50ms\nto = echo\n"
        f"[route c]\nlisten = unix:c.sock\nto = control\n"
    )
    start_ferry("up", "-c", "ferry.conf").wait_for("started  c")
    client = dial(runtime_dir / "far.sock")
    before = time.monotonic()
    client.sendall(b"x")
    assert client.recv(10) == b"x"
    assert time.monotonic() - before >= 0.1


@pytest.mark.parametrize("service", ["clock", "control"])
def test_a_service_that_does_not_relay_says_so(run_ferry, service):
    done = run_ferry("relay", "unix:x.sock,jitter=20ms", service)
    assert done.returncode == 1
    assert done.stderr == (
        f"ferry relay: unix:x.sock,jitter=20ms: {service} does not relay, so there is nothing for "
        "jitter to work on; leave it out, or set it on the address of a relay that leads here\n"
    )


def test_check_says_so_too(run_ferry, runtime_dir):
    (runtime_dir / "ferry.conf").write_text("[route c]\nlisten = tcp:0,rate=1k\nto = clock\n")
    done = run_ferry("check", "-c", "ferry.conf")
    assert done.returncode == 1
    assert "ferry.conf:2" in done.stdout + done.stderr
    assert "clock does not relay" in done.stdout + done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("pass", "unix:x.sock,delay=1s", "/dev/null"),
        ("take", "unix:x.sock,delay=1s"),
        ("status", "-s", "unix:x.sock,delay=1s"),
        ("ping", "unix:x.sock,delay=1s"),
    ],
)
def test_a_verb_that_does_not_relay_says_so(run_ferry, words):
    done = run_ferry(*words)
    assert done.returncode == 1
    assert "does not relay, so there is nothing for delay to work on" in done.stderr


def test_connect_waits_for_what_is_on_its_way(run_ferry, start_ferry):
    """An answer that is later than the silence that ends it: what is on its way is no silence."""
    start_ferry("relay", "unix-dgram:e.sock", "echo").wait_for("started")
    done = run_ferry("connect", "--wait", "1s", "unix-dgram:e.sock,delay=1500ms", input="question\n")
    assert (done.returncode, done.stdout) == (0, "question\n"), done.stderr


def test_idle_waits_for_what_is_on_its_way(relayed):
    process, client, target = relayed(",delay=2s", arguments=("--idle", "1s"))
    client.sendall(b"x")
    assert target.recv(10) == b"x"
    process.wait_for("idle time-out")


def test_a_reload_changes_the_weather(start_ferry, run_ferry, runtime_dir):
    """Of connections that come; those that are there keep theirs."""

    def write(delay):
        (runtime_dir / "ferry.conf").write_text(
            f"[route far]\nlisten = unix:far.sock,delay={delay}\nto = echo\n"
            "[route c]\nlisten = unix:c.sock\nto = control\n"
        )

    def trip(client):
        before = time.monotonic()
        client.sendall(b"x")
        assert client.recv(10) == b"x"
        return time.monotonic() - before

    write("200ms")
    start_ferry("up", "-c", "ferry.conf").wait_for("started  c")
    old = dial(runtime_dir / "far.sock")
    assert trip(old) >= 0.4
    write("300ms")
    done = run_ferry("reload", "-s", "unix:c.sock")
    assert done.returncode == 0, done.stderr
    new = dial(runtime_dir / "far.sock")
    assert trip(new) >= 0.6
    assert trip(old) >= 0.4
