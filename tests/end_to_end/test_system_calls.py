"""How many system calls a unit of work costs, counted from outside by strace: the numbers that
speed rests on, held so that they cannot grow unseen."""

import re
import signal
import socket
import subprocess
import time
from collections import Counter

import pytest

from support import listens, wait_until


# A sanitizer makes system calls of its own.
pytestmark = pytest.mark.plain_build


def listen(path):
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(str(path))
    server.listen()
    server.settimeout(20)
    return server


def pair_through(start_ferry, runtime_dir):
    server = listen(runtime_dir / "target.sock")
    process = start_ferry("relay", f"unix:{runtime_dir}/r.sock", f"unix:{runtime_dir}/target.sock")
    process.wait_for("started")
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.connect(str(runtime_dir / "r.sock"))
    client.settimeout(20)
    arrived, _ = server.accept()
    arrived.settimeout(20)
    client.sendall(b"warm")
    assert arrived.recv(10) == b"warm"
    return process, client, arrived


def test_a_relayed_64_KiB_costs_three(start_ferry, runtime_dir, counted):
    """One wait, one receive, one send."""
    process, client, arrived = pair_through(start_ferry, runtime_dir)
    count = 200

    def work():
        for _ in range(count):
            client.sendall(b"x" * 65536)
            left = 65536
            while left:
                left -= len(arrived.recv(left))

    calls = counted(process, work)
    # A sender's 64 KiB arrive as two skbs or one, so some blocks take two turns.
    assert calls["recvmsg"] + calls["sendmsg"] <= count * 4.2, calls
    assert calls.total() <= count * 6.5, calls
    assert calls["epoll_ctl"] <= 10, calls


def test_a_flood_is_received_from_once_a_turn(start_ferry, runtime_dir, traced):
    """However much lies there: whoever else has become ready meanwhile comes first."""
    process, client, arrived = pair_through(start_ferry, runtime_dir)

    def work():
        process.send(signal.SIGSTOP)
        client.setblocking(False)
        sent = 0
        try:
            while True:
                sent += client.send(b"x" * 16384)
        except BlockingIOError:
            pass
        assert sent > 2 * 65536, "a turn could take it all"
        process.send(signal.SIGCONT)
        while sent:
            sent -= len(arrived.recv(sent))

    turns = [turn.count("recvmsg") for turn in " ".join(traced(process, work)).split("epoll_wait")]
    assert sum(turns) > 1 and max(turns) == 1, turns


def test_a_relayed_message_costs_three(start_ferry, runtime_dir, counted):
    process, client, arrived = pair_through(start_ferry, runtime_dir)
    count = 500

    def work():
        for _ in range(count):
            client.sendall(b"x" * 100)
            assert len(arrived.recv(200)) == 100

    calls = counted(process, work)
    assert calls["recvmsg"] == count, calls
    assert calls["sendmsg"] == count, calls
    assert calls["epoll_wait"] + calls["epoll_pwait"] <= count + 5, calls
    assert calls.total() <= count * 3 + 15, calls


def test_an_echoed_message_costs_three(start_ferry, runtime_dir, counted):
    process = start_ferry("relay", f"unix:{runtime_dir}/e.sock", "echo")
    process.wait_for("started")
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(20)
    client.connect(str(runtime_dir / "e.sock"))
    client.sendall(b"warm")
    assert client.recv(10) == b"warm"
    count = 500

    def work():
        for _ in range(count):
            client.sendall(b"x" * 100)
            assert len(client.recv(200)) == 100

    calls = counted(process, work)
    assert calls.total() <= count * 3 + 15, calls


@pytest.fixture
def conversed(build, runtime_dir):
    """conversed(answer, count) is what so many questions of a libferry program to a server cost."""

    def run(answer, count):
        server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        server.bind(str(runtime_dir / "m.sock"))
        server.listen()
        client = subprocess.Popen(
            ["strace", "-qq", "-o", "trace", build / "examples" / "example-message_client"]
            + ["unix-seq:m.sock", *map(str, range(count))],
            cwd=runtime_dir,
            stdout=subprocess.DEVNULL,
        )
        answer(server.accept()[0])
        assert client.wait(20) == 0
        return Counter(re.findall(r"^(\w+)\(", (runtime_dir / "trace").read_text(), re.M))

    return run


def test_a_question_whose_answer_takes_time_costs_three(conversed):
    """One to send, one to wait, one to receive: none to find out that it is not there yet."""
    count = 200

    def answer(end):
        while question := end.recv(100):
            time.sleep(0.001)
            end.send(question)

    calls = conversed(answer, count)
    assert calls["sendmsg"] == count
    assert calls["poll"] <= count and calls["recvmsg"] <= count * 17 / 16 + 5, calls


def test_an_answer_that_is_there_costs_no_waiting(conversed):
    count = 200

    def answer(end):
        for _ in range(count):
            end.send(b"at once")
        while end.recv(100):
            pass

    calls = conversed(answer, count)
    assert calls["recvmsg"] <= count + 5 and calls["poll"] <= 5 + 16, calls


def test_an_idle_relay_makes_none(start_ferry, runtime_dir, counted):
    process, _client, _arrived = pair_through(start_ferry, runtime_dir)
    calls = counted(process, lambda: subprocess.run(["sleep", "1"], check=True))
    assert calls.total() <= 2, calls


def test_batched_datagrams_cost_less_than_one_call_each(start_ferry, runtime_dir, counted):
    """While the relay is stopped the queue fills; then one receive brings many."""
    target = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    target.bind(str(runtime_dir / "target.sock"))
    target.settimeout(20)
    process = start_ferry(
        "relay", f"unix-dgram:{runtime_dir}/d.sock", f"unix-dgram:{runtime_dir}/target.sock"
    )
    process.wait_for("started")
    client = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    client.connect(str(runtime_dir / "d.sock"))
    client.send(b"warm")
    assert target.recv(10) == b"warm"
    client.setblocking(False)
    count = 400

    def stopped():
        return (runtime_dir / f"trace-{process.pid}").read_text().count("stopped by SIGSTOP")

    def work():
        sent = got = rounds = 0
        while got < count:
            process.send(signal.SIGSTOP)
            rounds += 1
            wait_until(lambda: stopped() == rounds)
            try:
                while sent < count:
                    client.send(b"%d" % sent)
                    sent += 1
            except BlockingIOError:
                pass
            process.send(signal.SIGCONT)
            while got < sent:
                assert target.recv(100) == b"%d" % got
                got += 1

    calls = counted(process, work)
    assert calls.total() < count, calls


def test_what_goes_to_a_file_is_written_whole(ferry, runtime_dir, start):
    """Standard output is shared, but a file never makes its writer wait."""
    size = 1 << 20
    (runtime_dir / "data").write_bytes(b"x" * size)
    server = start("socat", "-u", "FILE:data", "UNIX-LISTEN:s.sock")
    wait_until(lambda: listens(runtime_dir / "s.sock"))
    trace = runtime_dir / "trace"
    client = start(
        "strace", "-f", "-qq", "-e", "trace=write,writev", "-o", trace, ferry, "connect", "unix:s.sock"
    )
    assert (client.wait(), server.wait()) == (0, 0)
    assert len(client.stdout()) == size
    sizes = [int(size) for size in re.findall(r"writev?\(.* = (\d+)$", trace.read_text(), re.M)]
    assert sum(sizes) == size
    # What socat sends is 8 KiB, and more may lie ready.
    assert len(sizes) <= size // 8192, len(sizes)
