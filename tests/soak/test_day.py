"""An ordinary day in five minutes: `ferry up` under load, reloaded every second, while memory and
descriptors stay flat and no client sees a failure. FERRY_SOAK_SECONDS shortens it."""

import os
import signal
import socket
import sys
import time
from pathlib import Path

import pytest

from support import descriptor_count, listens, wait_until

SECONDS = int(os.environ.get("FERRY_SOAK_SECONDS", "300"))

ROUTES = """
[route echo]
listen = unix:echo.sock
to = echo

[route relay]
listen = unix:relay.sock
to = unix:echo.sock

[route packets]
listen = unix-seq:packets.sock
to = echo

[route datagrams]
listen = unix-dgram:datagrams.sock
idle = 2s
to = echo

[route clock]
listen = unix:clock.sock
to = clock

[route command]
listen = unix:command.sock
to = exec:cat
"""

# Comes and goes, and is changed, with every reload.
GUEST = """
[route guest]
listen = unix:guest.sock
allow = uid:{uid} uid:{turn}
to = echo
"""

# One client process: connections short and long, checked byte for byte, until its input ends.
CLIENT = """
import os, select, socket, sys
folder, kind = sys.argv[1], sys.argv[2]
def connect(name, type=socket.SOCK_STREAM):
    s = socket.socket(socket.AF_UNIX, type)
    s.settimeout(20)
    s.connect(os.path.join(folder, name))
    return s
def exact(s, size):
    data = b""
    while len(data) < size:
        got = s.recv(size - len(data))
        assert got, "ended early"
        data += got
    return data
def short():
    with connect("relay.sock") as s:
        block = os.urandom(3000)
        s.sendall(block)
        s.shutdown(socket.SHUT_WR)
        assert exact(s, 3000) == block and s.recv(1) == b""
    with connect("clock.sock") as s:
        assert exact(s, 20)
kept = connect("relay.sock") if kind == "long" else None
packets = connect("packets.sock", socket.SOCK_SEQPACKET) if kind == "packets" else None
def long():
    block = os.urandom(200_000)
    kept.sendall(block)
    assert exact(kept, len(block)) == block
def packet():
    for size in (0, 1, 5000):
        packets.send(b"x" * size)
        assert packets.recv(10000) == b"x" * size
def datagram():
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.bind("")
    s.settimeout(20)
    s.connect(os.path.join(folder, "datagrams.sock"))
    for number in range(20):
        s.send(b"%d" % number)
        assert s.recv(100) == b"%d" % number
    s.close()
def command():
    with connect("command.sock") as s:
        s.sendall(b"through cat")
        s.shutdown(socket.SHUT_WR)
        assert exact(s, 11) == b"through cat"
work = dict(short=short, long=long, packets=packet, datagrams=datagram, command=command)[kind]
count = 0
while not select.select([sys.stdin], [], [], 0.002 if kind != "command" else 0.05)[0]:
    work()
    count += 1
print(count)
"""


def resident_kib(pid):
    return int(
        next(
            line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "VmRSS" in line
        ).split()[1]
    )


def zombies_of(pid):
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [
        child
        for child in children
        if Path(f"/proc/{child}/stat").exists()
        and Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    ]


@pytest.mark.timeout(SECONDS + 120)
def test_an_ordinary_day(start_ferry, start, runtime_dir, run_ferry, sanitizer):
    conf = runtime_dir / "ferry.conf"
    conf.write_text(ROUTES)
    env = {"XDG_RUNTIME_DIR": str(runtime_dir), "RUNTIME_DIRECTORY": str(runtime_dir)}
    process = start_ferry("up", "-c", conf, "--log=json", env=env)
    wait_until(lambda: listens(runtime_dir / "command.sock"))
    kinds = ["short", "short", "long", "packets", "datagrams", "command"]
    clients = []
    for kind in kinds:
        read_end, write_end = os.pipe()
        clients.append(
            (start(sys.executable, "-c", CLIENT, runtime_dir, kind, stdin=read_end), write_end)
        )
        os.close(read_end)

    samples, reloads = [], 0
    begin = time.monotonic()
    while time.monotonic() - begin < SECONDS:
        time.sleep(1)
        guest = GUEST.format(uid=os.geteuid(), turn=1000 + reloads) if reloads % 3 else ""
        conf.write_text(ROUTES + guest + ("[route broken]\n" if reloads % 10 == 9 else ""))
        process.send(signal.SIGHUP)
        reloads += 1
        samples.append((descriptor_count(process.pid), resident_kib(process.pid)))
        for client, _ in clients:
            assert client.running(), client.stderr()
        assert process.running(), process.stderr()[-2000:]

    for client, write_end in clients:
        os.close(write_end)
    turns = {}
    for (client, _), kind in zip(clients, kinds):
        assert client.wait(30) == 0, client.stderr()
        turns[kind] = turns.get(kind, 0) + int(client.stdout())
    print(f"reloads {reloads}, work {turns}")
    assert all(count > 10 for count in turns.values()), turns

    reloaded = process.stderr().count('"event":"reloaded"') + process.stderr().count(
        '"event": "reloaded"'
    )
    assert reloaded >= reloads * 0.9, f"{reloaded} of {reloads}"
    third = max(len(samples) // 3, 1)
    early, late = samples[third : 2 * third] or samples, samples[2 * third :]
    print(f"descriptors, KiB: early {max(early)}, late {max(late)}")
    assert max(d for d, _ in late) <= max(d for d, _ in early) + 16
    if not sanitizer:
        assert max(m for _, m in late) <= max(m for _, m in early) + 512
    wait_until(lambda: not zombies_of(process.pid), what="no zombie is left")
    assert process.stop() == 0
    assert not list(runtime_dir.glob("*.sock"))
