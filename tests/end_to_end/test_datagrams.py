"""Datagrams of `udp:` keep their boundaries and order, however the kernel joins and cuts them."""

import os
import random
import re
import signal
import socket
from pathlib import Path

import pytest

from machines import Machine
from support import wait_until

UDP_SEGMENT = 103


def udp_socket():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(10)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    return sock


def numbered(number, size):
    """A datagram that is like no other of its size."""
    return (number.to_bytes(4, "big") * (size // 4 + 1))[:size]


def send_run(sock, run, joined):
    """Sends datagrams of one size, as one train where `joined`."""
    if not joined or len(run[0]) == 0:
        for datagram in run:
            sock.send(datagram)
        return
    sock.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, len(run[0]))
    sock.send(b"".join(run))
    sock.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 0)


def windows(runs):
    """Runs in portions that every buffer of the way holds: 100 datagrams, 100,000 bytes."""
    window, count, size = [], 0, 0
    for run in runs:
        window.append(run)
        count, size = count + len(run), size + sum(map(len, run))
        if count > 36 or size > 40_000:  # and one run more
            yield window
            window, count, size = [], 0, 0
    yield window


def send_and_expect(sender, receiver, runs, joined):
    for window in windows(runs):
        for run in window:
            send_run(sender, run, joined)
        for datagram in (datagram for run in window for datagram in run):
            assert receiver.recv(1 << 16) == datagram


def mixed_runs(total, seed):
    """`total` datagrams in runs of one size, 60,000 bytes and 64 datagrams a run at most."""
    chooser = random.Random(seed)
    number = 0
    while number < total:
        size = chooser.choice([0, 1, 2, 100, 100, 101, 1400, 1472, 9000, 30000])
        count = min(chooser.choice([1, 1, 2, 3, 5, 64]), 60000 // max(size, 1), total - number)
        run = [numbered(number + i, size) for i in range(count)]
        if size > 1 and len(run) > 1 and chooser.random() < 0.5:
            run[-1] = run[-1][: size // 2]  # a train may end with a shorter one
        yield run
        number += count


def relay_to(start_ferry, receiver, *wrapper, **options):
    start = options.pop("start", None)
    words = ("relay", "udp:127.0.0.1:0", f"udp:127.0.0.1:{receiver.getsockname()[1]}")
    allow = ("--allow", "any")
    if wrapper:
        relay = start(*wrapper, *words, *allow)
    else:
        relay = start_ferry(*words, *allow)
    relay.wait_for("started")
    return relay, int(re.search(r"udp:127\.0\.0\.1:(\d+)", relay.stderr())[1])


@pytest.mark.parametrize("joined", [False, True])
def test_ten_thousand_datagrams_through_a_relay(start_ferry, joined):
    with udp_socket() as sender, udp_socket() as receiver:
        receiver.bind(("127.0.0.1", 0))
        _, port = relay_to(start_ferry, receiver)
        sender.connect(("127.0.0.1", port))
        send_and_expect(sender, receiver, mixed_runs(10_000, 1), joined)


def test_answers_of_a_relay_and_an_echo(start_ferry):
    echo = start_ferry("relay", "udp:127.0.0.1:0", "echo", "--allow", "any")
    echo.wait_for("started")
    port = re.search(r"udp:127\.0\.0\.1:(\d+)", echo.stderr())[1]
    relay = start_ferry("relay", "udp:127.0.0.1:0", f"udp:127.0.0.1:{port}", "--allow", "any")
    relay.wait_for("started")
    port = int(re.search(r"udp:127\.0\.0\.1:(\d+)", relay.stderr())[1])
    with udp_socket() as client:
        client.connect(("127.0.0.1", port))
        send_and_expect(client, client, mixed_runs(2000, 2), joined=True)


def test_senders_at_the_same_time_are_not_mixed_up(start_ferry):
    echo = start_ferry("relay", "udp:127.0.0.1:0", "echo", "--allow", "any")
    echo.wait_for("started")
    port = int(re.search(r"udp:127\.0\.0\.1:(\d+)", echo.stderr())[1])
    clients = [udp_socket() for _ in range(4)]
    try:
        for client in clients:
            client.connect(("127.0.0.1", port))
        for round in range(50):
            runs = [
                [numbered(10_000 * round + 1000 * i + j, 100 + i) for j in range(30)]
                for i in range(len(clients))
            ]
            for client, run in zip(clients, runs):
                send_run(client, run, joined=True)
            for client, run in zip(clients, runs):
                assert [client.recv(1 << 16) for _ in run] == run
    finally:
        for client in clients:
            client.close()


def test_hundreds_that_the_kernel_joined_are_not_too_many_at_once(start_ferry):
    with udp_socket() as sender, udp_socket() as receiver:
        receiver.bind(("127.0.0.1", 0))
        relay, port = relay_to(start_ferry, receiver)
        sender.connect(("127.0.0.1", port))
        send_and_expect(sender, receiver, [[b"first"]], joined=False)
        relay.send(signal.SIGSTOP)
        trains = [[numbered(64 * i + j, 10) for j in range(64)] for i in range(5)]
        for train in trains:
            send_run(sender, train, joined=True)
        relay.send(signal.SIGCONT)
        for datagram in (datagram for train in trains for datagram in train):
            assert receiver.recv(100) == datagram


# --- what the kernel is asked, and refuses ---------------------------------------------------------


def traced(start, ferry, tmp_path, receiver, *inject):
    trace = tmp_path / "trace"
    relay, port = relay_to(
        None, receiver, "strace", "-f", "-e", "trace=sendmmsg,setsockopt", *inject,
        "-o", trace, ferry, start=start,
    )  # fmt: skip
    return relay, port, trace


def cut_calls(trace):
    """Of each finished call in a trace, how many trains it had, and what it returned."""
    calls = re.findall(r"sendmmsg\((.*)\) += (.*)\n", Path(trace).read_text())
    return [(words.count("cmsg_level=SOL_UDP"), returned) for words, returned in calls]


RUN = [numbered(i, 100) for i in range(60)]


def test_a_run_of_equal_datagrams_is_cut_by_the_kernel(start, ferry, tmp_path):
    with udp_socket() as sender, udp_socket() as receiver:
        receiver.bind(("127.0.0.1", 0))
        _, port, trace = traced(start, ferry, tmp_path, receiver)
        sender.connect(("127.0.0.1", port))
        send_and_expect(sender, receiver, [RUN] * 5, joined=True)
    calls = cut_calls(trace)
    assert calls
    assert all(joined == 1 and done == "1" for joined, done in calls), calls


@pytest.mark.parametrize("code", ["EIO", "EINVAL", "EMSGSIZE", "ENOPROTOOPT", "EOPNOTSUPP"])
def test_a_kernel_that_cannot_cut_is_asked_once(start, ferry, tmp_path, code):
    with udp_socket() as sender, udp_socket() as receiver:
        receiver.bind(("127.0.0.1", 0))
        inject = ("-e", f"inject=sendmmsg:error={code}:when=1")
        _, port, trace = traced(start, ferry, tmp_path, receiver, *inject)
        sender.connect(("127.0.0.1", port))
        send_and_expect(sender, receiver, [RUN] * 5, joined=True)
    (asked, refused), *after = cut_calls(trace)
    assert asked == 1 and code in refused
    assert after and all(joined == 0 for joined, _ in after), after


def test_a_kernel_that_cannot_join(start, ferry, tmp_path):
    with udp_socket() as sender, udp_socket() as receiver:
        receiver.bind(("127.0.0.1", 0))
        inject = ("-e", "inject=setsockopt:error=ENOPROTOOPT")
        _, port, trace = traced(start, ferry, tmp_path, receiver, *inject)
        assert "ENOPROTOOPT" in trace.read_text()
        sender.connect(("127.0.0.1", port))
        send_and_expect(sender, receiver, [RUN] * 5, joined=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="a network namespace needs root")
def test_what_a_packet_of_the_path_cannot_hold_is_not_cut(start_ferry):
    here, there = Machine(), Machine()
    try:
        here.ip("link", "add", "v0", "type", "veth", "peer", "name", "w0",
                "netns", str(there.holder.pid))  # fmt: skip
        for machine, wire, number in ((here, "v0", 1), (there, "w0", 2)):
            machine.ip("addr", "add", f"10.9.0.{number}/24", "dev", wire)
            for name in (wire, "lo"):
                machine.ip("link", "set", name, "up")
        with there.inside():
            receiver = udp_socket()
            receiver.bind(("10.9.0.2", 0))
        with here.inside():
            sender = udp_socket()
            relay = start_ferry("relay", "udp:127.0.0.1:5000",
                                f"udp:10.9.0.2:{receiver.getsockname()[1]}",
                                "--allow", "any")  # fmt: skip
        with sender, receiver:
            relay.wait_for("started")
            sender.connect(("127.0.0.1", 5000))
            for size in (9000, 1400, 1472, 1473, 1400):
                run = [numbered(i, size) for i in range(60000 // size)]
                send_and_expect(sender, receiver, [run], joined=True)
        wait_until(relay.running)
    finally:
        here.end()
        there.end()
