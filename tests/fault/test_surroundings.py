"""Machines that go wrong around ferry: it is stopped for a while, the clock jumps, the disk is full,
memory is short, packets are lost."""

import contextlib
import hashlib
import os
import re
import resource
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

import machines
from support import descriptor_count, descriptors_at_rest, listens, wait_until

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root for namespaces and mounts")


def connect(path):
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(20)
    client.connect(str(path))
    return client


def echoed(path, data=b"hello"):
    with connect(path) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        return client.makefile("rb").read() == data


# --- stopped ----------------------------------------------------------------------------------------


def stop_for(process, seconds):
    """The time is the fault."""
    process.send(signal.SIGSTOP)
    wait_until(lambda: re.search(r"State:\s+[Tt]", open(f"/proc/{process.pid}/status").read()))
    time.sleep(seconds)
    process.send(signal.SIGCONT)


def test_who_was_stopped_does_not_make_up_for_it(start_ferry, start, runtime_dir):
    """A hundred probes were due while ping was stopped: they are not sent in one go afterwards."""
    start_ferry("relay", "unix-dgram:e.sock", "echo").wait_for("started")
    process = start_ferry("ping", "-i", "10ms", "-c", "1000", "unix-dgram:e.sock")
    start("strace", "-qq", "-o", "trace", "-p", process.pid)
    trace = runtime_dir / "trace"

    def sent():
        return len(re.findall(r"^send(?:to|msg|mmsg)\(", trace.read_text(), re.M)) if trace.exists() else 0

    wait_until(lambda: sent() > 20)
    stop_for(process, 1)
    before = sent()
    wait_until(lambda: sent() > before + 60, 20)
    # A wait for the next round's time is one that ends without an event.
    calls = re.findall(r"^(send)|^epoll_wait\(.*, (?:[1-9]\d*)\) += (0)$", trace.read_text(), re.M)
    runs = "".join("s" if sending else "w" for sending, _ in calls).split("w")
    assert max(map(len, runs)) <= 30, runs


def test_what_came_while_it_was_stopped_counts_as_traffic(start_ferry, runtime_dir):
    """The idle time-out has passed when ferry goes on, but the client has not been idle."""
    process = start_ferry("relay", "unix:e.sock", "echo", "--idle", "500ms")
    process.wait_for("started")
    with connect(runtime_dir / "e.sock") as client:
        client.sendall(b"before")
        assert client.recv(20) == b"before"
        process.send(signal.SIGSTOP)
        client.sendall(b"meanwhile")
        stop_for(process, 1)
        assert client.recv(20) == b"meanwhile"


# --- the clock --------------------------------------------------------------------------------------


@pytest.mark.plain_build  # the preloaded clock and a sanitizer want to be first, both
def test_a_clock_that_jumps_ends_nothing(start_ferry, run_ferry, runtime_dir):
    """The time of day goes a day on, then two back: what is due comes, what is not does not, and
    only events and the clock service show the other day."""
    now = runtime_dir / "now"
    now.write_text("+0")
    clock = {
        "LD_PRELOAD": "/usr/$LIB/faketime/libfaketime.so.1",
        "FAKETIME_TIMESTAMP_FILE": str(now),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    (runtime_dir / "ferry.conf").write_text(
        "[route a]\nlisten = unix:e.sock\nto = echo\nidle = 1h\n"
        "[route b]\nlisten = unix:slow.sock,delay=50ms\nto = echo\n"
        "[route c]\nlisten = unix:short.sock\nto = echo\nidle = 200ms\n"
        "[route d]\nlisten = unix:clock.sock\nto = clock\n"
    )
    process = start_ferry(
        *("up", "-c", "ferry.conf", "--log=json"), env={**clock, "RUNTIME_DIRECTORY": str(runtime_dir)}
    )
    process.wait_for('"control"')

    def day():
        with connect(runtime_dir / "clock.sock") as client:
            return client.makefile().read().split("T")[0].split()[0]

    today = day()
    with connect(runtime_dir / "e.sock") as client:
        client.sendall(b"here")
        assert client.recv(20) == b"here"
        days = set()
        for jump in ("+1d", "-1d", "+0"):
            now.write_text(jump)
            days.add(day())
            client.sendall(b"still here")
            assert client.recv(20) == b"still here"
            assert echoed(runtime_dir / "slow.sock")
            with connect(runtime_dir / "short.sock") as idle:
                assert idle.recv(1) == b""
        assert len(days) == 3 and today in days
        client.sendall(b"to the end")
        assert client.recv(20) == b"to the end"
    days = set(re.findall(r'"time": ?"(\d+-\d+-\d+)T', process.stderr()))
    assert len(days) == 3, process.stderr()


# --- the disk ---------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(start, ferry, runtime_dir):
    """small_disk(script) runs a shell script in a folder on a disk of 64 KiB that nobody else sees;
    `$0` is ferry. Returns the process and the folder as it is seen from here."""

    def run(script):
        (runtime_dir / "disk").mkdir()
        process = start(
            *("unshare", "--mount", "sh", "-c"),
            f"mount -t tmpfs -o size=64k,nr_inodes=32,mode=0700 none disk && cd disk && {script}",
            ferry,
        )
        return process, runtime_dir.__class__(f"/proc/{process.pid}/root{runtime_dir}/disk")

    return run


def fill(folder):
    with open(folder / "filler", "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)


@needs_root
def test_events_that_a_full_disk_does_not_take_are_counted(small_disk):
    """Clients are served meanwhile, and the first event that is written again says how many were
    not; no line is cut in its middle."""
    process, disk = small_disk("exec $0 relay unix:e.sock echo 2>log")
    wait_until(lambda: listens(disk / "e.sock") and (disk / "log").read_text())
    fill(disk)
    wait_until(lambda: echoed(disk / "e.sock") and os.statvfs(disk).f_bfree == 0)
    count = 60
    assert all(echoed(disk / "e.sock") for _ in range(count))
    (disk / "filler").unlink()

    def told():
        echoed(disk / "e.sock")
        return re.search(r"(\d+) events not written", (disk / "log").read_text())

    lost = int(wait_until(told)[1])
    lines = (disk / "log").read_text().splitlines()
    assert lost > 0 and all(re.match(r"\d\d:\d\d:\d\d \w+ ", line) for line in lines), lines
    written = sum(" closed " in line for line in lines)
    assert process.stop() == 0
    assert lost + written > count


@needs_root
def test_a_target_on_a_full_disk_fails_alone(small_disk):
    """Who writes there is told; the event says why; others are served, and it, too, once there is
    room again."""
    process, disk = small_disk(
        "printf '[route file]\\nlisten = unix:f.sock\\nto = file:out,append\\n"
        "[route echo]\\nlisten = unix:e.sock\\nto = echo\\n' >ferry.conf && "
        "RUNTIME_DIRECTORY=$PWD exec $0 up -c ferry.conf"
    )
    process.wait_for("started  control")
    fill(disk)
    with connect(disk / "f.sock") as client:
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            for _ in range(10_000):
                client.sendall(b"x" * 4096)
    process.wait_for("No space left on device")
    assert echoed(disk / "e.sock")
    (disk / "filler").unlink()
    with connect(disk / "f.sock") as client:
        client.sendall(b"fits")
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""
    wait_until(lambda: (disk / "out").read_bytes().endswith(b"fits"))


@needs_root
def test_a_path_that_a_full_disk_has_no_room_for_is_said(small_disk):
    """No inode is left: the start fails with one line that names the path and the reason."""
    process, disk = small_disk(
        "i=0; while touch f$i 2>/dev/null; do i=$((i + 1)); done; exec $0 relay unix:e.sock echo"
    )
    assert process.wait() == 1
    (line,) = process.stderr().splitlines()
    assert "e.sock" in line and "No space left on device" in line


# --- memory -----------------------------------------------------------------------------------------


def address_space(pid):
    return int(re.search(r"VmSize:\s+(\d+)", open(f"/proc/{pid}/status").read())[1]) << 10


def test_names_of_users_are_looked_up_before_anybody_is_served(start, ferry, runtime_dir):
    """The C library reads its configuration then, and does not survive that there is no memory for it."""
    process = start(
        "strace", "-qq", "-o", "trace", "-e", "trace=listen,openat",
        ferry, "relay", "unix:s.sock", "echo",
        env={"ASAN_OPTIONS": "detect_leaks=0"},
    )
    process.wait_for("started")
    calls = (runtime_dir / "trace").read_text()
    assert 0 < calls.find("/etc/nsswitch.conf") < calls.find("listen(")


@pytest.mark.plain_build  # a sanitizer reserves terabytes
def test_without_memory_some_are_served_and_all_afterwards(start_ferry, runtime_dir):
    """A hundred connections hold what memory there is, since nobody reads: ferry ends those that it
    has none for, says so, and stays. When they are gone everybody is served, and nothing is left."""
    deaf = socket.socket(socket.AF_UNIX)
    deaf.bind(str(runtime_dir / "back.sock"))
    deaf.listen(200)
    process = start_ferry("relay", "unix:r.sock", "unix:back.sock")
    process.wait_for("started")
    before = descriptors_at_rest(process.pid)
    room = address_space(process.pid) + (2 << 20)
    resource.prlimit(process.pid, resource.RLIMIT_AS, (room, resource.RLIM_INFINITY))
    clients = [connect(runtime_dir / "r.sock") for _ in range(100)]

    def ended():
        for client in clients:
            client.setblocking(False)
            with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
                client.send(b"x" * 65536)
        return "Cannot allocate memory" in process.stderr()

    wait_until(ended, 30, process.stderr())
    for client in clients:
        client.close()
    deaf.close()
    wait_until(lambda: descriptor_count(process.pid) == before, what="descriptors as before")
    os.unlink(runtime_dir / "back.sock")
    start_ferry("relay", "unix:back.sock", "echo").wait_for("started")
    assert all(echoed(runtime_dir / "r.sock", b"x" * 100_000) for _ in range(20))
    assert process.stop() == 0


# --- the network ------------------------------------------------------------------------------------


# What is lost several times over is sent again after a second at most (since Linux 6.15), and what is left
# of a connection that was closed as often as of any.
PERSISTENCE = {"tcp_rto_max_ms": 1000, "tcp_orphan_retries": 15}


@pytest.fixture
def machine():
    """A machine that soon sends again what was lost, in packets as large as the network's: on its way to
    itself it would send dozens in one, so that one in five might be none, or all."""
    machine = machines.Machine()
    with machine.inside():
        subprocess.run("ip link set lo up mtu 1500 gso_max_segs 1", shell=True, check=True)
        subprocess.run(
            "ip route replace local 127.0.0.0/8 dev lo table local rto_min 5ms", shell=True, check=True
        )
        for name, value in PERSISTENCE.items():
            path = Path("/proc/sys/net/ipv4") / name
            if path.exists():
                path.write_text(str(value))
    yield machine
    machine.end()


LOSS = """table inet faults {
    chain in {
        type filter hook input priority 0
        meta l4proto tcp numgen random mod 100 < 20 counter drop
    }
}
"""


def lose_packets(machine):
    with machine.inside():
        subprocess.run(["nft", "-f", "-"], input=LOSS, text=True, check=True)


def dropped(machine):
    with machine.inside():
        done = subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=True)
    return int(re.search(r"counter packets (\d+)", done.stdout)[1])


@needs_root
def test_a_network_that_loses_packets_loses_no_byte(start_ferry, runtime_dir, machine):
    """Both sides of a relay over TCP lose one packet in five: every byte arrives, there and back.
    (From the first byte on: the kernel waits a second for the answer to a SYN.)"""
    data = os.urandom(60_000)
    with machine.inside():
        start_ferry("relay", "tcp:7001", "echo", "--allow", "any").wait_for("started")
        start_ferry("relay", "tcp:7000", "tcp:127.0.0.1:7001", "--allow", "any").wait_for("started")
        client = socket.socket()
    with client:
        client.settimeout(40)
        client.connect(("127.0.0.1", 7000))
        client.sendall(b"x")
        assert client.recv(1) == b"x"
        lose_packets(machine)
        sender = threading.Thread(target=lambda: (client.sendall(data), client.shutdown(socket.SHUT_WR)))
        sender.start()
        back = client.makefile("rb").read()
        sender.join()
    assert hashlib.sha256(back).digest() == hashlib.sha256(data).digest()
    assert dropped(machine) > 5
