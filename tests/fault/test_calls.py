"""What the kernel may answer at any time: less than was asked for, not now, no more room."""

import array
import ctypes
import hashlib
import os
import re
import socket
import subprocess
import threading
import time
from collections import Counter

import pytest

import crossings
from support import BUILD, wait_until

DATA = os.urandom(8_000)
# What ferry splices: more than one receive takes.
BULK = os.urandom(90_000)


def connect(path, kind=socket.SOCK_STREAM):
    client = socket.socket(socket.AF_UNIX, kind)
    client.settimeout(20)
    client.connect(str(path))
    return client


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def exchange(client, data):
    """All that comes back when `data` was sent."""
    sender = threading.Thread(target=lambda: (client.sendall(data), client.shutdown(socket.SHUT_WR)))
    sender.start()
    back = client.makefile("rb").read()
    sender.join(20)
    return hashlib.sha256(back).hexdigest()


# --- one byte at a time -----------------------------------------------------------------------------


@pytest.fixture
def short(start_ferry):
    """short(what, argument...) starts a ferry for which every "send" or every "receive" moves one
    byte."""

    def run(what, *arguments):
        env = {"LD_PRELOAD": str(BUILD / "fault-short.so"), "FERRY_SHORT": what}
        process = start_ferry(*arguments, env=env)
        process.wait_for("started")
        return process

    return run


@pytest.mark.plain_build  # what is preloaded and a sanitizer want to be first, both
@pytest.mark.parametrize(
    "what, front, target",
    [
        ("send", "unix", "echo"),
        ("send", "unix", "unix:back.sock"),
        ("send", "unix", "exec:cat"),
        ("send", "unix", "tcp"),
        ("send", "tcp", "tcp"),
        ("receive", "unix", "unix:back.sock"),
        ("receive", "tcp", "tcp"),
    ],
)
def test_all_of_it_passes_one_byte_at_a_time(short, start_ferry, runtime_dir, what, front, target):
    """Whatever carries it, by copying or by splicing: nothing is lost, doubled or out of order."""
    listen, to = "unix:r.sock", target
    if front == "tcp":
        listen = f"tcp:{free_port()}"
    if target == "tcp":
        to = f"tcp:{free_port()}"
        start_ferry("relay", to, "echo", "--allow", "any").wait_for("started")
    elif target == "unix:back.sock":
        start_ferry("relay", to, "echo").wait_for("started")
    short(what, "relay", listen, to, *(["--allow", "any"] if front == "tcp" else []))
    client = connect(runtime_dir / "r.sock") if front == "unix" else socket.create_connection(
        ("127.0.0.1", int(listen[4:])), 20
    )
    data = BULK if (what, front, target) == ("send", "tcp", "tcp") else DATA
    with client:
        assert exchange(client, data) == hashlib.sha256(data).hexdigest()


@pytest.mark.plain_build
def test_a_descriptor_passes_once_with_the_first_byte(short, runtime_dir):
    """The rest of what was sent with it goes without it."""
    short("send", "relay", "unix:r.sock", "echo")
    with connect(runtime_dir / "r.sock") as client:
        reading, writing = os.pipe()
        client.sendmsg([b"once"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [writing]))])
        os.close(writing)
        data, found = b"", []
        while len(data) < len(b"once"):
            more, passed, *_ = socket.recv_fds(client, 1, 10)
            data, found = data + more, found + passed
        assert data == b"once" and len(found) == 1
        os.write(found[0], b"through")
        os.close(found[0])
        assert os.read(reading, 100) == b"through"
        os.close(reading)


@pytest.mark.plain_build
def test_a_file_is_written_one_byte_at_a_time(short, runtime_dir):
    short("send", "relay", "unix:r.sock", "file:out,append")
    with connect(runtime_dir / "r.sock") as client:
        client.sendall(DATA)
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""
    wait_until(lambda: (runtime_dir / "out").read_bytes() == DATA)


@pytest.mark.plain_build
@pytest.mark.parametrize("what", ["send", "receive"])
def test_frames_are_put_together_from_single_bytes(short, runtime_dir, what):
    """A frame's head comes and goes in pieces, too; each message is whole, and so is each answer."""
    target = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    target.bind(str(runtime_dir / "target.sock"))
    target.settimeout(20)
    short(what, "relay", "unix:r.sock,frame=length", "unix-dgram:target.sock")
    with connect(runtime_dir / "r.sock") as client:
        answers = client.makefile("rb")
        frames = [size.to_bytes(4, "big") + b"x" * size for size in (0, 1, 1000)]
        for frame in frames:
            client.sendall(frame)
            message, sender = target.recvfrom(2000)
            assert message == frame[4:]
            target.sendto(message, sender)
            assert answers.read(len(frame)) == frame


# --- not now, for ever ------------------------------------------------------------------------------


@pytest.fixture
def always(start, runtime_dir, ferry):
    """always(call, error) starts an echo whose call fails so every time; returns a function that
    counts its calls."""

    def run(call, error):
        tracer = start(
            *("strace", "-f", "-qq", "-o", "trace", "-e", f"inject={call}:error={error}:when=1+"),
            *(ferry, "relay", "unix:e.sock", "echo"),
            env={"ASAN_OPTIONS": "detect_leaks=0"},
        )
        tracer.wait_for("started")
        trace = runtime_dir / "trace"
        return lambda: Counter(re.findall(r"^\d+\s+([a-z0-9_]+)\(", trace.read_text(), re.M))

    return run


@pytest.mark.parametrize(
    "call, error",
    [
        ("sendmsg", "EAGAIN"),
        ("accept4", "EMFILE"),
        ("accept4", "ENOBUFS"),
    ],
)
def test_what_never_gets_better_is_not_asked_all_the_time(always, runtime_dir, call, error):
    """Though epoll says that the socket is ready: a pause is made between two tries, so that a
    second holds some tens of system calls and not hundred thousands."""
    calls = always(call, error)
    with connect(runtime_dir / "e.sock") as client:
        client.sendall(b"in vain")
        wait_until(lambda: calls()[call] >= 2)
        before = calls()
        time.sleep(1)
        made = calls() - before
    assert 1 <= made[call] and made.total() < 200, made


# --- interrupted, and overtaken ---------------------------------------------------------------------


@pytest.fixture
def queue():
    name = f"/ferry-fault-{os.getpid()}"
    yield name
    ctypes.CDLL(None).mq_unlink(name.encode())


@pytest.fixture
def traced(ferry, runtime_dir):
    """traced(strace's words, argument...) runs a ferry to its end, a call of which fails."""

    def run(words, *arguments, **options):
        return subprocess.run(
            ["strace", "-f", "-qq", "-o", "trace", *words, ferry, *arguments],
            capture_output=True, text=True, cwd=runtime_dir, timeout=20,
            env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}, **options,
        )  # fmt: skip

    return run


@pytest.mark.parametrize("call", ["accept4", "recvmsg", "sendmsg", "epoll_wait"])
def test_what_is_interrupted_again_and_again_goes_on(start, ferry, runtime_dir, call):
    tracer = start(
        *("strace", "-f", "-qq", "-o", "trace", "-e", f"inject={call}:error=EINTR:when=1+2"),
        *(ferry, "relay", "unix:e.sock", "echo"),
        env={"ASAN_OPTIONS": "detect_leaks=0"},
    )
    tracer.wait_for("started")
    for _ in range(3):
        with connect(runtime_dir / "e.sock") as client:
            assert exchange(client, DATA) == hashlib.sha256(DATA).hexdigest()
    assert "trouble" not in tracer.stderr()
    assert re.search(rf"{call}\(.* = \S+ EINTR .*\(INJECTED\)", (runtime_dir / "trace").read_text())


@pytest.mark.parametrize("address", ["unix:@ferry-{}", "unix:{}.sock"])
def test_connecting_that_was_interrupted_is_done_again(traced, runtime_dir, address):
    address = address.format(os.getpid())
    place = address.removeprefix("unix:")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("\0" + place[1:] if place[0] == "@" else str(runtime_dir / place))
        server.listen()
        visit = threading.Thread(target=lambda: server.accept()[0].close())
        visit.start()
        done = traced(["-e", "inject=connect:error=EINTR:when=1"], "connect", address, input="")
        server.shutdown(socket.SHUT_RDWR)
        visit.join(20)
    assert done.stderr == ""
    assert (runtime_dir / "trace").read_text().count(" connect(") == 2


def test_a_configuration_whose_reading_was_interrupted_is_read(traced, runtime_dir):
    (runtime_dir / "f.conf").write_text("[route e]\nlisten = unix:e.sock\nto = echo\n")
    words = ["-P", str(runtime_dir / "f.conf"), "-e", "inject=read:error=EINTR:when=1"]
    done = traced(words, "check", "-c", runtime_dir / "f.conf")
    assert (done.returncode, done.stderr) == (0, "")
    assert "EINTR" in (runtime_dir / "trace").read_text()


def test_a_queue_that_goes_while_it_is_opened_is_opened_again(start, ferry, queue):
    """It was there when it should be made, and is not there when it should be opened."""
    os.close(crossings.queue_open(queue, os.O_RDWR | os.O_CREAT))
    tracer = start(
        *("strace", "-f", "-qq", "-o", "trace", "-e", "inject=mq_open:error=ENOENT:when=2"),
        *(ferry, "relay", f"mq:{queue}", "unix-dgram:t", "--allow", "any"),
        env={"ASAN_OPTIONS": "detect_leaks=0"},
    )
    tracer.wait_for("started")


@pytest.mark.parametrize(
    "call, error, listen, to, said",
    [
        ("flock", "ENOLCK", "fifo:f", "unix:t", "No locks available"),
        ("flock", "EAGAIN", "fifo:f", "unix:t", "is in use by another process"),
        ("fchmod", "EPERM", "mq:{queue},mode=0640", "unix-dgram:t", "mode, owner or group could not be set"),
    ],
)
def test_what_the_kernel_refuses_a_listener_is_said(traced, queue, call, error, listen, to, said):
    words = ["-e", f"inject={call}:error={error}"]
    done = traced(words, "relay", listen.format(queue=queue), to, "--allow", "any")
    assert done.returncode == 1
    assert said in done.stderr


# --- no more room -----------------------------------------------------------------------------------


def test_a_message_that_the_other_side_cannot_carry_is_not_cut(start_ferry, runtime_dir):
    """A datagram larger than UDP has: an error of that one alone; the next arrives, and whole."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as target:
        target.bind(("127.0.0.1", 0))
        target.settimeout(20)
        port = target.getsockname()[1]
        process = start_ferry("relay", "unix-dgram:d.sock", f"udp:127.0.0.1:{port}", "--idle", "1s")
        process.wait_for("started")
        with connect(runtime_dir / "d.sock", socket.SOCK_DGRAM) as client:
            client.send(b"x" * 100_000)
            client.send(b"y" * 60_000)
            assert target.recv(100_000) == b"y" * 60_000
    process.wait_for("1 dropped")


def test_a_full_queue_makes_its_sender_wait(start_ferry, runtime_dir, queue):
    """It holds up who sends, and nothing is lost: what was sent arrives once the queue is read."""
    fd = crossings.queue_open(queue, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK, messages=8, size=4000)
    start_ferry("relay", "unix:r.sock,frame=lf", f"mq:{queue}").wait_for("started")
    buffer = ctypes.create_string_buffer(4000)
    lines = [b"%06d" % number + b"x" * 3000 for number in range(400)]
    with connect(runtime_dir / "r.sock") as client:
        client.setblocking(False)
        text, sent = b"".join(line + b"\n" for line in lines), 0
        while True:
            try:
                sent += client.send(text[sent:])
            except BlockingIOError:
                attributes = (ctypes.c_long * 8)()
                crossings.LIBC.mq_getattr(fd, attributes)
                if attributes[3] == 8:
                    break
        assert sent < len(text), "backpressure has reached the sender"
        client.settimeout(20)
        sender = threading.Thread(target=client.sendall, args=(text[sent:],))
        sender.start()
        got = []
        while len(got) < len(lines):
            size = crossings.LIBC.mq_receive(fd, buffer, 4000, None)
            if size >= 0:
                got.append(buffer.raw[:size])
        sender.join()
    os.close(fd)
    assert got == lines
