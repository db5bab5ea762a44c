"""System calls that fail, injected by strace: what the kernel may do at any time and must not cost a
byte, a spin or a connection."""

import re
import socket
import time
from collections import Counter
from pathlib import Path

import pytest

from support import descriptor_count, descriptors_at_rest, wait_until


@pytest.fixture
def injected(start, runtime_dir, ferry):
    """injected(inject, argument...) starts ferry under strace with one injection; returns the tracer
    and a function that counts its system calls so far."""
    # LeakSanitizer stops the process by ptrace, which strace holds already.
    env = {"ASAN_OPTIONS": "detect_leaks=0"}

    def run(inject, *arguments):
        trace = runtime_dir / "trace"
        tracer = start("strace", "-f", "-qq", "-o", trace, "-e", f"inject={inject}", ferry, *arguments, env=env)
        tracer.wait_for("started")

        def calls():
            return Counter(re.findall(r"^\d+\s+([a-z0-9_]+)\(", trace.read_text(), re.M))

        return tracer, calls

    return run


def connect(path):
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(20)
    client.connect(str(path))
    return client


@pytest.mark.parametrize(
    "inject",
    [
        "recvmsg:error=EINTR:when=1+2",
        "sendmsg:error=EINTR:when=1+2",
        "epoll_wait:error=EINTR:when=1+2",
        "accept4:error=EINTR:when=1+2",
        "accept4:error=ECONNABORTED:when=1+2",
        "sendmsg:error=EAGAIN:when=1+2",
        "recvmsg:error=EAGAIN:when=1+2",
    ],
)
def test_what_may_happen_costs_nothing(injected, runtime_dir, inject):
    injected(inject, "relay", f"unix:{runtime_dir}/e.sock", "echo")
    for _ in range(3):
        with connect(runtime_dir / "e.sock") as client:
            client.sendall(b"whole")
            client.shutdown(socket.SHUT_WR)
            assert client.makefile("rb").read() == b"whole"


def test_too_many_descriptors_in_flight_is_waited_for_without_spinning(injected, runtime_dir):
    """The kernel's limit is per user, so somebody else may hold it, and poll(2) does not tell."""
    _, calls = injected(
        "sendmsg:error=ETOOMANYREFS:when=1+", "relay", f"unix:{runtime_dir}/e.sock", "echo"
    )
    with connect(runtime_dir / "e.sock") as client:
        client.sendall(b"never")
        time.sleep(1)
        counted = calls()
    # Pauses of 1, 2, 4 ... 32 ms make some 35 tries of a second.
    assert 3 < counted["sendmsg"] < 100, counted
    assert counted["epoll_wait"] < 120, counted


def test_a_blocking_send_does_not_spin_either(start, start_ferry, runtime_dir, build):
    """The library's own wait, in the example client: it gives up at its deadline of 5 s."""
    start_ferry("relay", f"unix:{runtime_dir}/e.sock", "echo").wait_for("started")
    trace = runtime_dir / "trace"
    client = start(
        "strace",
        *("-f", "-qq", "-o", trace, "-e", "inject=sendmsg:error=ETOOMANYREFS:when=1+"),
        *(build / "examples" / "example-stream_client", f"unix:{runtime_dir}/e.sock"),
        env={"ASAN_OPTIONS": "detect_leaks=0"},
    )
    assert client.wait(20) == 1
    assert 10 < trace.read_text().count("sendmsg(") < 500


def test_descriptors_in_flight_go_once_there_is_room(injected, runtime_dir):
    injected("sendmsg:error=ETOOMANYREFS:when=1..12", "relay", f"unix:{runtime_dir}/e.sock", "echo")
    with connect(runtime_dir / "e.sock") as client:
        client.sendall(b"in the end")
        client.shutdown(socket.SHUT_WR)
        assert client.makefile("rb").read() == b"in the end"


def test_accept_without_descriptors_does_not_spin(injected, runtime_dir):
    _, calls = injected(
        "accept4:error=EMFILE:when=1..5", "relay", f"unix:{runtime_dir}/e.sock", "echo"
    )
    with connect(runtime_dir / "e.sock") as client:
        client.sendall(b"served in the end")
        client.shutdown(socket.SHUT_WR)
        assert client.makefile("rb").read() == b"served in the end"
    counted = calls()
    assert counted["epoll_wait"] < 40, counted


def test_a_target_that_is_full_for_a_while_is_dialled_again(injected, runtime_dir):
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(str(runtime_dir / "target.sock"))
    server.listen()
    server.settimeout(10)
    injected(
        "connect:error=EAGAIN:when=1..4",
        "relay",
        f"unix:{runtime_dir}/r.sock",
        f"unix:{runtime_dir}/target.sock",
    )
    with connect(runtime_dir / "r.sock") as client:
        client.sendall(b"patience")
        arrived, _ = server.accept()
        assert arrived.recv(20) == b"patience"


def test_commands_that_have_ended_leave_no_zombie(start_ferry, runtime_dir):
    process = start_ferry("relay", f"unix:{runtime_dir}/c.sock", "exec:cat")
    process.wait_for("started")
    before = descriptors_at_rest(process.pid)
    clients = [connect(runtime_dir / "c.sock") for _ in range(20)]
    for client in clients:
        client.sendall(b"x")
        assert client.recv(1) == b"x"
    for client in clients:
        client.close()
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    wait_until(lambda: not children.read_text().split(), what="all children reaped")
    wait_until(lambda: descriptor_count(process.pid) == before, what="descriptors as before")


def test_status_of_many_connections_keeps_no_descriptor(start_ferry, run_ferry, runtime_dir):
    process = start_ferry(
        "relay",
        f"unix:{runtime_dir}/e.sock",
        "echo",
        "--control",
        f"unix:{runtime_dir}/control.sock",
    )
    process.wait_for("started")
    clients = [connect(runtime_dir / "e.sock") for _ in range(50)]
    for client in clients:
        client.sendall(b"x")
        assert client.recv(1) == b"x"
    before = descriptors_at_rest(process.pid)
    status = run_ferry("status", "--json", "-s", f"unix:{runtime_dir}/control.sock")
    assert status.stdout.count('"name"') >= 50
    wait_until(lambda: descriptor_count(process.pid) == before, what="descriptors as before")
