"""Much at once: gigabytes, thousands of connections, readers that stop, clients that
are killed. Facts and counts only; what it costs is measured elsewhere."""

import array
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from support import descriptor_count, descriptors_at_rest, fill, wait_until

BLOCK = os.urandom(4 << 20)


def connect(path, timeout=20, kind=socket.SOCK_STREAM):
    client = socket.socket(socket.AF_UNIX, kind)
    client.settimeout(timeout)
    client.connect(str(path))
    return client


def listen(path, backlog=4096, kind=socket.SOCK_STREAM):
    server = socket.socket(socket.AF_UNIX, kind)
    server.bind(str(path))
    server.listen(backlog)
    server.settimeout(20)
    return server


def resident_kib(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError("no VmRSS")


def heap_resident_size(pid):
    """Bytes of the heap that are in memory."""
    area = Path(f"/proc/{pid}/smaps").read_text().split(" [heap]\n", 1)[1]
    return next(int(line.split()[1]) << 10 for line in area.splitlines() if line[:4] == "Rss:")


@pytest.fixture
def relay(start_ferry, runtime_dir):
    """relay(listen, to, option...) starts one and waits until it listens."""

    def run(listen_at, to, *options, **process_options):
        process = start_ferry("relay", listen_at, to, *options, **process_options)
        process.wait_for("started")
        return process

    return run


def send_blocks(client, total):
    whole, rest = divmod(total, len(BLOCK))
    for _ in range(whole):
        client.sendall(BLOCK)
    client.sendall(BLOCK[:rest])
    client.shutdown(socket.SHUT_WR)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_gigabytes_arrive_whole(relay, runtime_dir, sanitizer, kind):
    """10 GB in all (5 by copying, 5 by splicing), each byte compared with the one that was sent."""
    total = (5_000_000_000 if not sanitizer else 500_000_000) + 12345
    server = listen(runtime_dir / "target.sock")
    if kind == "unix":
        relay(f"unix:{runtime_dir}/r.sock", f"unix:{runtime_dir}/target.sock")
        client = connect(runtime_dir / "r.sock")
    else:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        relay(f"tcp:{port}", f"unix:{runtime_dir}/target.sock", "--allow", "any")
        client = socket.create_connection(("127.0.0.1", port), 20)
    arrived, _ = server.accept()
    arrived.settimeout(60)
    sender = threading.Thread(target=send_blocks, args=(client, total))
    sender.start()
    size, buffer = 0, bytearray(1 << 20)
    sent = memoryview(BLOCK + BLOCK[: len(buffer)])
    while got := arrived.recv_into(buffer):
        at = size % len(BLOCK)
        assert buffer.startswith(sent[at : at + got]), f"between bytes {size} and {size + got}"
        size += got
    sender.join()
    assert size == total
    arrived.sendall(b"done")
    arrived.close()
    assert client.recv(10) == b"done"


@pytest.mark.timeout(120)
def test_ten_thousand_connections_leave_no_descriptor(relay, runtime_dir, sanitizer):
    count = 10_000 if not sanitizer else 2_000
    process = relay(f"unix:{runtime_dir}/e.sock", "echo")
    relayed = relay(f"unix:{runtime_dir}/r.sock", f"unix:{runtime_dir}/e.sock")
    with connect(runtime_dir / "r.sock") as first:
        first.sendall(b"warm")
        assert first.recv(10) == b"warm"
    for which in (relayed, process):
        wait_until(lambda: "closed" in which.stderr())
    before = descriptors_at_rest(relayed.pid), descriptors_at_rest(process.pid)
    for number in range(count):
        with connect(runtime_dir / "r.sock") as client:
            if number % 3 == 0:
                continue
            client.sendall(b"x")
            if number % 3 == 1:
                assert client.recv(1) == b"x"
    for which, wanted in zip((relayed, process), before):
        wait_until(lambda: descriptor_count(which.pid) == wanted, what="descriptors as before")


@pytest.mark.timeout(120)
def test_a_thousand_clients_at_once(relay, runtime_dir, run_ferry):
    relay(f"unix:{runtime_dir}/e.sock", "echo")
    relay(
        f"unix:{runtime_dir}/r.sock",
        f"unix:{runtime_dir}/e.sock",
        "--control",
        f"unix:{runtime_dir}/control.sock",
    )
    clients = [connect(runtime_dir / "r.sock") for _ in range(1000)]
    for turn in range(3):
        for number, client in enumerate(clients):
            client.sendall(b"%d-%d" % (turn, number))
        for number, client in enumerate(clients):
            wanted, got = b"%d-%d" % (turn, number), b""
            while len(got) < len(wanted):
                got += client.recv(len(wanted) - len(got))
            assert got == wanted
    status = run_ferry("status", "--json", "-s", f"unix:{runtime_dir}/control.sock")
    assert status.stdout.count('"age_ms"') >= 1000
    for client in clients:
        client.shutdown(socket.SHUT_WR)
    assert all(client.recv(1) == b"" for client in clients)


@pytest.mark.plain_build  # a sanitizer's allocator has memory of its own around each piece
@pytest.mark.timeout(120)
def test_an_idle_connection_takes_a_kibibyte(relay, runtime_dir):
    """What is lent while something passes and while the target is dialled has been given back, so
    each is measured after a byte has passed both ways."""
    server = listen(runtime_dir / "target.sock")
    process = relay(f"unix:{runtime_dir}/r.sock", f"unix:{runtime_dir}/target.sock")
    pairs = []

    def connect_more(count):
        for _ in range(count):
            client = connect(runtime_dir / "r.sock")
            arrived, _ = server.accept()
            client.sendall(b"x")
            assert arrived.recv(1) == b"x"
            arrived.sendall(b"y")
            assert client.recv(1) == b"y"
            pairs.append((client, arrived))
        return heap_resident_size(process.pid)

    before = connect_more(200)
    count = 2000
    # A page at each end of the heap, and nothing else, is not the connections' own.
    assert connect_more(count) - before <= count * 1024 + 2 * 4096


@pytest.mark.plain_build
@pytest.mark.timeout(120)
def test_an_idle_auto_connection_takes_little_more_than_one_of_packets(relay, runtime_dir):
    """What each end of it has measured. The peers speak it by hand."""
    message = b"\xfe\x01\x01\0\0\0\0\0x"

    def size_of_each(scheme):
        server = listen(runtime_dir / f"{scheme}.target", kind=socket.SOCK_SEQPACKET)
        process = relay(f"{scheme}:{scheme}.sock", f"{scheme}:{scheme}.target")
        pairs = []

        def connect_more(count):
            for _ in range(count):
                client = connect(runtime_dir / f"{scheme}.sock", kind=socket.SOCK_SEQPACKET)
                arrived, _ = server.accept()
                for sender, receiver in ((client, arrived), (arrived, client)):
                    sender.send(message)
                    assert receiver.recv(100) == message
                pairs.append((client, arrived))
            return heap_resident_size(process.pid)

        before = connect_more(200)
        return (connect_more(2000) - before) / 2000

    assert size_of_each("auto") <= size_of_each("unix-seq") + 2 * 368


def test_a_reader_that_stops_costs_bounded_memory(relay, runtime_dir, sanitizer):
    server = listen(runtime_dir / "target.sock")
    process = relay(f"unix:{runtime_dir}/r.sock", f"unix:{runtime_dir}/target.sock")
    pairs = []
    for _ in range(20):
        client = connect(runtime_dir / "r.sock")
        pairs.append((client, server.accept()[0]))
    before = resident_kib(process.pid)
    sent = 0

    def send():
        nonlocal sent
        sent += client.send(BLOCK)
        assert sent < 1 << 30

    for client, _ in pairs:
        fill(client, send, [process.pid])
    # 20 blocked flows: one buffer of 64 KiB each, and what comes with it.
    if not sanitizer:
        assert resident_kib(process.pid) - before < 20 * 128
    # Backpressure has reached the senders: a few socket buffers each went in, no more.
    assert sent < 20 * (4 << 20)
    got = 0
    for client, arrived in pairs:
        client.shutdown(socket.SHUT_WR)
        while size := len(arrived.recv(1 << 20)):
            got += size
    assert got == sent


KILLED = """
import os, socket, sys
path, stage = sys.argv[1], int(sys.argv[2])
client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
if stage > 0: client.connect(path)
if stage > 1: client.sendall(b"half a requ")
if stage > 2: client.recv(5)
if stage > 3: socket.send_fds(client, [b"x"], [0, 1, 2])
if stage > 4: client.shutdown(socket.SHUT_WR)
print("ready", flush=True)
sys.stdin.read()
"""


def test_a_client_killed_at_every_stage_leaves_nothing(relay, runtime_dir):
    relay(f"unix:{runtime_dir}/e.sock", "echo")
    process = relay(f"unix:{runtime_dir}/r.sock", f"unix:{runtime_dir}/e.sock")
    with connect(runtime_dir / "r.sock") as client:
        client.sendall(b"warm")
        assert client.recv(10) == b"warm"
    wait_until(lambda: "closed" in process.stderr())
    before = descriptors_at_rest(process.pid)
    for stage in range(6):
        child = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(runtime_dir / "r.sock"), str(stage)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert child.stdout.readline() == b"ready\n"
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdin.close()
        child.stdout.close()
        wait_until(lambda: descriptor_count(process.pid) == before, what=f"stage {stage}")
    with connect(runtime_dir / "r.sock") as client:
        client.sendall(b"still here")
        assert client.recv(20) == b"still here"


def test_descriptors_out_is_waited_for_and_nobody_is_lost(start_ferry, runtime_dir):
    """EMFILE neither spins nor kills: clients wait in the backlog and are served later."""
    process = start_ferry(
        "relay",
        f"unix:{runtime_dir}/e.sock",
        "echo",
        preexec_fn=lambda: __import__("resource").setrlimit(
            __import__("resource").RLIMIT_NOFILE, (24, 24)
        ),
    )
    process.wait_for("started")
    clients = [connect(runtime_dir / "e.sock") for _ in range(60)]
    process.wait_for("trouble")

    def ticks():
        fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    start = ticks()
    threading.Event().wait(1.0)
    assert ticks() - start <= 10, "it spins while it has no descriptor to give"
    for client in clients:
        client.sendall(b"hello")
        client.shutdown(socket.SHUT_WR)
        assert client.recv(10) == b"hello"
        assert client.recv(10) == b""
        client.close()
    assert process.running()


def test_many_descriptors_in_one_message(relay, runtime_dir):
    """253 pass exactly; all are open at the other end, and the relay keeps none."""
    server = listen(runtime_dir / "target.sock")
    process = relay(f"unix:{runtime_dir}/r.sock", f"unix:{runtime_dir}/target.sock")
    client = connect(runtime_dir / "r.sock")
    arrived, _ = server.accept()
    arrived.settimeout(20)
    before = descriptors_at_rest(process.pid)
    read_end, write_end = os.pipe()
    inode = os.fstat(read_end).st_ino
    client.sendmsg(
        [b"many"],
        [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [read_end] * 253))],
    )
    data, received, flags, _ = socket.recv_fds(arrived, 100, 253)
    assert data == b"many" and len(received) == 253 and not flags & socket.MSG_CTRUNC
    assert all(os.fstat(number).st_ino == inode for number in received)
    for number in received + [read_end, write_end]:
        os.close(number)
    wait_until(lambda: descriptor_count(process.pid) == before, what="the relay keeps none")
