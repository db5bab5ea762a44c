"""`ferry replay`: what a file holds, message by message, to whatever takes messages or bytes."""

import contextlib
import fcntl
import json
import os
import pty
import signal
import socket
import struct
import subprocess
import threading

import pytest

from crossings import queue_unlink
from support import listens, wait_until

MiB = 1 << 20
LINES = [b"one", b"", b"two words", b"\xff\x00binary", b"x" * 5000]
FRAME_SIZE_MAX = 256 * 1024


def framed(messages, how):
    if how == "lf":
        return b"".join(one + b"\n" for one in messages)
    return b"".join(struct.pack(">I", len(one)) + one for one in messages)


def said(done):
    """The one line of JSON."""
    [line] = done.stdout.splitlines()
    return json.loads(line)


@pytest.fixture
def file(runtime_dir):
    """file(bytes) is a file that holds them."""

    def write(content, name="file"):
        (runtime_dir / name).write_bytes(content)
        return name

    return write


def waits_in_poll(pid):
    return "poll" in open(f"/proc/{pid}/wchan").read()


class Receiver:
    """A server of one connection that keeps what comes: messages of a seqpacket or datagram socket, or
    the bytes of a stream. With `answer` it answers everything with so many bytes."""

    def __init__(self, path, kind, answer=0):
        self.socket = socket.socket(socket.AF_UNIX, kind)
        self.socket.settimeout(20)
        self.socket.bind(str(path))
        self.kind, self.answer, self.got, self.reads = kind, answer, [], threading.Event()
        if kind != socket.SOCK_DGRAM:
            self.socket.listen()
        self.reads.set()
        self.closing = False
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        with contextlib.suppress(OSError):  # a datagram socket has no other end than being closed
            self.receive()

    def receive(self):
        peer = self.socket
        if self.kind != socket.SOCK_DGRAM:
            peer = self.socket.accept()[0]
            peer.settimeout(20)
        while True:
            self.reads.wait(20)
            one = peer.recv(MiB)
            if not one and (self.kind != socket.SOCK_DGRAM or self.closing):
                break
            self.got.append(one)
            if self.answer:
                peer.sendall(bytes(self.answer))
        peer.close()

    def close(self):
        self.closing = True
        self.reads.set()
        if self.kind == socket.SOCK_DGRAM:
            with socket.socket(socket.AF_UNIX, self.kind) as last:
                last.sendto(b"", self.socket.getsockname())
        else:
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join(20)
        self.socket.close()

    def end(self):
        self.thread.join(20)
        assert not self.thread.is_alive()
        return b"".join(self.got) if self.kind == socket.SOCK_STREAM else self.got


@pytest.fixture
def receiver(runtime_dir):
    made = []

    def make(kind=socket.SOCK_SEQPACKET, **options):
        made.append(Receiver(runtime_dir / "r.sock", kind, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


# --- what arrives ----------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["lf", "length"])
def test_messages_of_datagrams(run_ferry, receiver, file, how):
    there = receiver(socket.SOCK_DGRAM)
    done = run_ferry("replay", "--json", f"--frame={how}", file(framed(LINES, how)), "unix-dgram:r.sock")
    assert (done.returncode, done.stderr) == (0, "")
    wait_until(lambda: len(there.got) == len(LINES))
    assert there.got == LINES
    report = said(done)
    assert report.pop("seconds") >= 0
    assert report == {
        "file": "file",
        "address": "unix-dgram:r.sock",
        "messages": len(LINES),
        "bytes": sum(map(len, LINES)),
        "refused": 0,
    }


def test_packets_in_order(run_ferry, receiver, file):
    """An empty packet looks to many like the end, so none is among them."""
    there = receiver()
    lines = [b"%d" % number for number in range(20000)]
    done = run_ferry("replay", file(framed(lines, "lf")), "unix-seq:r.sock")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert there.end() == lines


@pytest.fixture(params=["unix-seq:m.sock", "auto:m.sock", "mq"])
def message_address(request):
    """A queue outlives who made it."""
    if request.param != "mq":
        yield request.param
        return
    name = f"/ferry-replay-{os.getpid()}"
    yield f"mq:{name}"
    queue_unlink(name)


@pytest.mark.parametrize("how", ["lf", "length"])
def test_through_a_relay_to_a_file(
    run_ferry, start_ferry, file, runtime_dir, message_address, how
):
    """Empty ones too."""
    start_ferry("relay", message_address, f"file:got,append,frame={how}").wait_for("started")
    messages = [b"%d" % number * (number % 50) for number in range(30000)]
    content = framed(messages, how)
    done = run_ferry("replay", f"--frame={how}", file(content), message_address)
    assert (done.returncode, done.stderr) == (0, "")
    wait_until(lambda: (runtime_dir / "got").stat().st_size >= len(content))
    assert (runtime_dir / "got").read_bytes() == content


@pytest.mark.parametrize("how", ["lf", "length"])
def test_bytes_go_as_they_lie_in_the_file(run_ferry, receiver, file, how):
    there = receiver(socket.SOCK_STREAM)
    content = framed(LINES, how)
    assert run_ferry("replay", f"--frame={how}", file(content), "unix:r.sock").returncode == 0
    assert there.end() == content


def test_an_address_may_have_another_frame(run_ferry, receiver, file):
    there = receiver(socket.SOCK_STREAM)
    done = run_ferry("replay", file(framed(LINES, "lf")), "unix:r.sock,frame=length")
    assert done.returncode == 0
    assert there.end() == framed(LINES, "length")


@pytest.mark.parametrize("address", ["-", "unix:r.sock,frame=lf", "fd:1"])
def test_a_last_line_without_its_line_feed(run_ferry, receiver, file, address):
    there = receiver(socket.SOCK_STREAM) if address.startswith("unix") else None
    done = run_ferry("replay", "--times=2", file(b"one\ntwo"), address)
    assert (done.returncode, done.stderr) == (0, "")
    assert (there.end().decode() if there else done.stdout) == "one\ntwo\none\ntwo\n"


def test_an_empty_file(run_ferry, receiver, file):
    there = receiver()
    done = run_ferry("replay", "--json", file(b""), "unix-seq:r.sock")
    assert (done.returncode, said(done)["messages"]) == (0, 0)
    assert there.end() == []


def test_lines_at_the_borders_of_pieces(run_ferry, receiver, file):
    """A piece is 512 KiB: lines that end at it, one before and one behind, and the longest."""
    there = receiver(socket.SOCK_STREAM)
    half = 256 * 1024
    lines = [b"a" * (half - 1), b"b" * (half - 1), b"c" * (half - 2), b"d" * half, b""]
    lines += [b"e" * FRAME_SIZE_MAX, b"f" * FRAME_SIZE_MAX, b"g"]
    done = run_ferry("replay", "--json", file(framed(lines, "lf")), "unix:r.sock,frame=length")
    assert (done.returncode, said(done)["messages"]) == (0, len(lines))
    assert there.end() == framed(lines, "length")


def test_frames_at_the_borders_of_pieces(run_ferry, receiver, file):
    there = receiver(socket.SOCK_STREAM)
    half = 256 * 1024
    messages = [b"a" * half, b"b" * (half - 10), b"c", b"", b"d" * half, b"e" * half]
    content = framed(messages, "length")
    assert run_ferry("replay", "--frame=length", file(content), "unix:r.sock").returncode == 0
    assert there.end() == content


def test_a_part(run_ferry, file):
    name = file(b"".join(b"%d\n" % number for number in range(1, 1001)))
    done = run_ferry("replay", "--from=998", name, "-")
    assert done.stdout == "998\n999\n1000\n"
    done = run_ferry("replay", "--from=10", "--count=2", name, "-")
    assert done.stdout == "10\n11\n"
    done = run_ferry("replay", "--count=2", "--times=3", name, "-")
    assert done.stdout == "1\n2\n" * 3
    done = run_ferry("replay", "--from=1001", name, "-")
    assert (done.returncode, done.stdout) == (0, "")
    done = run_ferry("replay", "--from=1002", "--times=2", name, "-")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "ferry replay: file: there is no message 1002 to begin with: it has 1000; begin with one that it has\n"
    )


def test_at_a_rate(run_ferry, receiver, file):
    there = receiver()
    lines = [b"%d" % number for number in range(300)]
    done = run_ferry("replay", "--rate=100000", file(framed(lines, "lf")), "unix-seq:r.sock")
    assert (done.returncode, done.stderr) == (0, "")
    assert there.end() == lines


def test_sealed_memory_is_mapped(run_ferry, runtime_dir):
    """Frames lie across its pieces all the same."""
    content = framed([b"%d" % number * 20 for number in range(100000)], "lf")
    memory = os.memfd_create("m", os.MFD_ALLOW_SEALING)
    os.write(memory, content)
    fcntl.fcntl(memory, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_WRITE)
    words = [f"/proc/self/fd/{memory}", "-"]
    done = run_ferry("replay", *words, text=False, pass_fds=[memory])
    os.close(memory)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == content


def test_a_size_that_never_was_true(run_ferry):
    """Files of /sys have a page, whatever they hold."""
    path = "/sys/devices/system/cpu/possible"
    assert os.stat(path).st_size > len(open(path).read())
    done = run_ferry("replay", path, "-")
    assert (done.returncode, done.stdout) == (0, open(path).read())


# --- what is no file -------------------------------------------------------------------------------


def test_standard_input_as_file_and_as_pipe(run_ferry, file, runtime_dir):
    content = framed([b"%d" % number for number in range(200000)], "lf")
    with open(runtime_dir / file(content)) as opened:
        opened.seek(2)
        done = run_ferry("replay", "-", "-", stdin=opened, text=False)
    assert (done.returncode, done.stdout) == (0, content[2:])
    done = run_ferry("replay", "-", "-", input=content, text=False)
    assert (done.returncode, done.stdout) == (0, content)


def test_a_pipe_is_sent_as_it_comes(start_ferry, receiver):
    there = receiver()
    process = start_ferry("replay", "-", "unix-seq:r.sock", stdin=subprocess.PIPE)
    process.stdin.write(b"one\ntw")
    process.stdin.flush()
    wait_until(lambda: there.got == [b"one"])
    process.stdin.write(b"o\nthree")
    process.stdin.close()
    assert process.wait() == 0
    assert there.end() == [b"one", b"two", b"three"]


def test_a_pipe_comes_once(run_ferry, receiver):
    there = receiver(socket.SOCK_DGRAM)
    done = run_ferry("replay", "--times=2", "-", "unix-dgram:r.sock", input="one\n")
    assert done.returncode == 1
    assert "what comes through a pipe comes once" in done.stderr
    assert there.got == []


def test_a_pipe_is_read_no_further_than_was_asked_for(start_ferry):
    process = start_ferry("replay", "--count=2", "-", "-", stdin=subprocess.PIPE)
    process.stdin.write(b"one\ntwo\n")
    process.stdin.flush()
    assert process.wait() == 0
    assert process.stdout() == b"one\ntwo\n"


def test_an_interrupt_while_a_pipe_is_quiet(start_ferry, receiver):
    there = receiver()
    process = start_ferry("replay", "--json", "-", "unix-seq:r.sock", stdin=subprocess.PIPE)
    process.stdin.write(b"one\ntw")
    process.stdin.flush()
    wait_until(lambda: there.got == [b"one"])
    os.kill(process.pid, signal.SIGINT)
    assert process.wait() == 1
    report = json.loads(process.stdout())
    assert (report["messages"], report["next"], report["offset"]) == (1, 2, 4)


def test_where_a_pipe_breaks_off(run_ferry):
    """Behind many pieces."""
    whole = framed([b"x" * 1000] * 3000, "length")
    done = run_ferry("replay", "--frame=length", "-", "-", input=whole + b"\0", text=False)
    assert (done.returncode, done.stdout) == (1, whole)
    assert b"standard input: message 3001 at byte %d: the file ends" % len(whole) in done.stderr


@pytest.mark.parametrize("path, mend", [("missing", "check the path"), (".", "name a file in it")])
def test_what_cannot_be_read(run_ferry, path, mend):
    done = run_ferry("replay", path, "unix:r.sock")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"ferry replay: {path}: ") and done.stderr.endswith(f"; {mend}\n")


# --- what goes wrong -------------------------------------------------------------------------------


def test_a_message_that_is_too_large(run_ferry, receiver, file):
    there = receiver(socket.SOCK_DGRAM)
    name = file(framed([b"one", b"x" * 250000, b"three"], "lf"))
    done = run_ferry("replay", "--json", name, "unix-dgram:r.sock,sndbuf=64k")
    assert done.returncode == 1
    assert "message 2 at byte 4" in done.stderr
    assert "250000 bytes" in done.stderr
    report = said(done)
    assert (report["messages"], report["next"], report["offset"]) == (1, 2, 4)
    assert f"ferry replay: {report['reason']}\n" == done.stderr
    wait_until(lambda: there.got == [b"one"])


def test_what_is_refused_may_be_left_out(run_ferry, receiver, file):
    there = receiver(socket.SOCK_DGRAM)
    name = file(framed([b"one", b"x" * 250000, b"y" * 250000, b"four"], "lf"))
    done = run_ferry("replay", "--json", "--keep-going", name, "unix-dgram:r.sock,sndbuf=64k")
    assert done.returncode == 1
    assert "message 2 at byte 4" in done.stderr
    assert "refused in all: 2" in done.stderr
    report = said(done)
    assert (report["messages"], report["bytes"], report["refused"]) == (2, 7, 2)
    assert "next" not in report
    wait_until(lambda: there.got == [b"one", b"four"])


def test_a_line_feed_where_lines_are_messages(run_ferry, file):
    name = file(framed([b"one", b"t\nwo", b"three"], "length"))
    done = run_ferry("replay", "--frame=length", "--", name, "-,frame=lf")
    assert (done.returncode, done.stdout) == (1, "one\n")
    assert "message 2 at byte 7: -,frame=lf: a line feed is inside" in done.stderr
    done = run_ferry("replay", "--frame=length", "--keep-going", "--", name, "-,frame=lf")
    assert (done.returncode, done.stdout) == (1, "one\nthree\n")


@pytest.mark.parametrize("rest", [b"\0", b"\0\0\0\5", b"\0\0\0\5four"])
def test_a_file_that_ends_in_a_frame(run_ferry, file, rest):
    whole = framed([b"one", b"two"], "length")
    done = run_ferry("replay", "--frame=length", file(whole + rest), "-", text=False)
    assert (done.returncode, done.stdout) == (1, whole)
    assert b"message 3 at byte 14: the file ends in the middle of it" in done.stderr


@pytest.mark.parametrize("how", ["lf", "length"])
def test_a_frame_that_is_too_long(run_ferry, file, how):
    content = framed([b"one", b"x" * (FRAME_SIZE_MAX + 1), b"three"], how)
    done = run_ferry("replay", f"--frame={how}", file(content), "-", text=False)
    assert (done.returncode, done.stdout) == (1, framed([b"one"], how))
    offset = len(framed([b"one"], how))
    assert b"message 2 at byte %d: it is longer than 262144 bytes" % offset in done.stderr


def test_a_receiver_that_goes(run_ferry, file, runtime_dir):
    server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    server.settimeout(20)
    server.bind(str(runtime_dir / "r.sock"))
    server.listen()

    def serve():
        peer = server.accept()[0]
        peer.settimeout(20)
        for _ in range(3):
            peer.recv(100)
        peer.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    name = file(framed([b"x" * 1000] * 5000, "lf"))
    done = run_ferry("replay", "--json", name, "unix-seq:r.sock")
    thread.join(20)
    server.close()
    report = said(done)
    assert done.returncode == 1
    assert 3 <= report["messages"] < 5000
    assert report["next"] == report["messages"] + 1
    assert report["offset"] == report["messages"] * 1001
    assert f"message {report['next']} at byte {report['offset']}: unix-seq:r.sock: " in done.stderr


def test_nobody_at_a_port(run_ferry, file):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    for content in [b"one\n", b"one\ntwo\n" * 100]:
        done = run_ferry("replay", file(content), f"udp:{port}")
        assert done.returncode == 1
        assert "nobody takes what was sent before" in done.stderr


def test_a_receiver_that_takes_nothing(run_ferry, file, runtime_dir):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(runtime_dir / "r.sock"))
        server.listen()
        name = file(framed([b"x" * 1000] * 5000, "lf"))
        done = run_ferry("replay", "--json", "--timeout=200ms", name, "unix:r.sock")
        report = said(done)
        assert done.returncode == 1
        assert "the receiver takes nothing" in done.stderr
        assert 0 < report["messages"] < 5000
        assert report["next"] == report["messages"] + 1


def test_a_receiver_that_does_not_end(run_ferry, file, runtime_dir):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(runtime_dir / "r.sock"))
        server.listen()
        done = run_ferry("replay", "--json", "--timeout=200ms", file(b"one\n"), "unix:r.sock")
        assert done.returncode == 1
        assert "unix:r.sock: the receiver does not end" in done.stderr
        assert said(done)["messages"] == 1
        assert "next" not in said(done)


@pytest.mark.parametrize("scheme", ["unix-seq", "unix-dgram"])
def test_a_slow_receiver_is_waited_for(start_ferry, receiver, file, scheme):
    there = receiver(socket.SOCK_DGRAM if scheme == "unix-dgram" else socket.SOCK_SEQPACKET)
    there.reads.clear()
    lines = [b"%d" % number for number in range(5000)]
    process = start_ferry("replay", file(framed(lines, "lf")), f"{scheme}:r.sock")
    wait_until(lambda: waits_in_poll(process.pid))
    there.reads.set()
    assert process.wait() == 0
    wait_until(lambda: len(there.got) == len(lines))
    assert there.got == lines


def test_answers_keep_nobody_from_reading(run_ferry, receiver, file):
    """64 KiB for whatever one receive has brought: who did not take them would block the server, which
    would block them."""
    there = receiver(socket.SOCK_STREAM, answer=64 * 1024)
    content = framed([b"x" * 1000] * 20000, "lf")
    assert run_ferry("replay", file(content), "unix:r.sock").returncode == 0
    assert there.end() == content


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_says_how_far_it_is(start_ferry, receiver, file, number):
    there = receiver()
    lines = [b"%d" % line for line in range(10000)]
    process = start_ferry(
        "replay", "--json", "--rate=20", file(framed(lines, "lf")), "unix-seq:r.sock"
    )
    wait_until(lambda: len(there.got) >= 3)
    os.kill(process.pid, number)
    assert process.wait() == 1
    report = json.loads(process.stdout())
    assert there.end() == lines[: report["messages"]]
    assert report["next"] == report["messages"] + 1
    assert 3 <= report["messages"] < 1000
    assert "interrupted" in process.stderr()


def test_a_file_that_is_shortened(start_ferry, receiver, runtime_dir):
    """No signal, and no half of a line that looks like one unnoticed."""
    there = receiver(socket.SOCK_STREAM)
    there.reads.clear()
    (runtime_dir / "file").write_bytes(b"0123456789\n" * (4 * MiB // 11))
    process = start_ferry("replay", "--json", "file", "unix:r.sock")
    wait_until(lambda: waits_in_poll(process.pid))
    os.truncate(runtime_dir / "file", 3 * MiB)
    there.reads.set()
    assert process.wait() == 1
    report = json.loads(process.stdout())
    assert f"shortened while it was read, and ends at byte {3 * MiB}" in report["reason"]
    got = there.end()
    assert len(got) == report["messages"] * 11 == 3 * MiB // 11 * 11


@pytest.mark.parametrize(
    "words, what",
    [
        (["file"], "a file and an address are needed"),
        (["--frame=none", "file", "-"], "lf or length is expected"),
        (["--rate=0", "file", "-"], "--rate: '0': a number from 1 to 10000000 is expected"),
        (["file", "--from", "0", "-"], "--from: '0': a number from 1 is expected"),
        (["--timeout=0", "file", "-"], "--timeout: '0': a span from 1ms"),
    ],
)
def test_wrong_usage(run_ferry, words, what):
    done = run_ferry("replay", *words)
    assert done.returncode == 2
    assert what in done.stderr


def test_json_has_output_for_itself(run_ferry, file):
    done = run_ferry("replay", "--json", file(b"one\n"), "-")
    assert (done.returncode, done.stdout) == (1, "")
    assert "--json has standard output for itself" in done.stderr


def test_where_nothing_can_be_sent(run_ferry, file):
    done = run_ferry("replay", file(b"one\n"), "file:file")
    assert done.returncode == 1
    assert "takes no input; add ,append to write" in done.stderr


# --- what it takes ---------------------------------------------------------------------------------


def high_water(pid):
    """KiB that were resident at most so far."""
    [line] = [one for one in open(f"/proc/{pid}/status") if one.startswith("VmHWM")]
    return int(line.split()[1])


@pytest.mark.plain_build
@pytest.mark.parametrize("how", ["lf", "length"])
def test_memory_is_bounded(start_ferry, runtime_dir, how):
    """What is resident is the piece, the program and libc."""
    size, one = 400 * MiB, framed([b"x" * (64 * 1024 - (1 if how == "lf" else 4))], how)
    with open(runtime_dir / "huge", "wb") as huge:
        for _ in range(size // len(one)):
            huge.write(one)
    server = socket.socket(socket.AF_UNIX)
    server.settimeout(20)
    server.bind(str(runtime_dir / "r.sock"))
    server.listen()
    process = start_ferry("replay", "--json", f"--frame={how}", "huge", "unix:r.sock")
    peer = server.accept()[0]
    peer.settimeout(20)
    received, room = 0, bytearray(MiB)
    while got := peer.recv_into(room):
        received += got
    # It waits for our end, having sent everything: what it has taken is still told.
    assert received == size
    assert high_water(process.pid) < 8 * 1024
    peer.close()
    server.close()
    assert process.wait() == 0
    report = json.loads(process.stdout())
    assert report["messages"] == size // len(one)


def on_a_terminal(command, cwd, all_of_it=False):
    """What a command says on a terminal as its standard error (or output too), and how it ends."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [str(word) for word in command],
        cwd=cwd,
        stderr=follower,
        stdout=follower if all_of_it else subprocess.DEVNULL,
    )
    os.close(follower)
    seen = b""
    try:
        while piece := os.read(leader, 65536):
            seen += piece
    except OSError:
        pass  # EIO: the other side has been closed
    os.close(leader)
    return process.wait(20), seen.decode()


def test_progress_on_a_terminal(ferry, file, runtime_dir):
    name = file(b"one\n" * 10)
    status, seen = on_a_terminal([ferry, "replay", "--rate=20", name, "-"], runtime_dir)
    assert status == 0
    assert "[###" in seen
    assert seen.rstrip().split("\r")[-1].startswith("\x1b[K10 messages, 30, ")


def test_messages_on_a_terminal_are_not_drawn_over(ferry, file, runtime_dir):
    name = file(b"one\n" * 5)
    status, seen = on_a_terminal([ferry, "replay", "--rate=20", name, "-"], runtime_dir, True)
    assert (status, seen) == (0, "one\r\n" * 5)
