"""`ferry why`: servers that do not accept, and connections that do not move."""

import ctypes
import fcntl
import os
import re
import signal
import socket
import subprocess
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from support import wait_until
from why_states import (
    HEAD,
    LISTEN,
    TCP,
    asleep,
    clients,
    evidence,
    free_port,
    in_call,
    port_of,
    program,
    state_of,
    stop,
    why,
)  # noqa: F401 (fixtures)


# --- backlogs -----------------------------------------------------------------------------------


def test_a_stopped_server_with_a_full_backlog(why, program, clients, runtime_dir):
    path = runtime_dir / "app.sock"
    process = program(LISTEN + "listener.accept()\nlistener.accept()\nsignal.pause()", path, "1")
    stop(process)
    clients(path, 4)
    answer = why(path)
    assert answer["verdict"] == "backlog-full" and answer["cause"] == "stopped"
    assert f"[{process.pid}] is stopped" in answer["headline"]
    assert answer["remedy"] == f"kill -CONT {process.pid}"
    assert "EAGAIN" in answer["client"]
    assert "2 wait, and the backlog is 1" in evidence(answer)
    assert f"[{os.getpid()}]" in evidence(answer)  # who waits
    # What is said is what a client gets.
    with socket.socket(socket.AF_UNIX) as one:
        one.setblocking(False)
        with pytest.raises(BlockingIOError):
            one.connect(str(path))
    # And the remedy is one.
    os.kill(process.pid, signal.SIGCONT)
    wait_until(lambda: why(path)["verdict"] == "healthy")


def test_who_hangs_in_connect(why, program, clients, runtime_dir):
    """By an absolute name, a relative one, and an abstract one: not even in the backlog yet."""
    path = runtime_dir / "app.sock"
    program(LISTEN + "signal.pause()", path, "0")
    clients(path, 1)
    source = HEAD + "s = socket.socket(socket.AF_UNIX)\nprint('ready', flush=True)\ns.connect(path)"
    hanging = [program(source, path), program(source, path.name)]
    for process in hanging:
        wait_until(lambda p=process: in_call(p.pid, ("42", "203")), what="in connect")
    answer = why(path)
    assert answer["verdict"] == "backlog-full"
    assert "2 hang in connect(2) for a place" in evidence(answer)
    assert all(f"[{process.pid}]" in evidence(answer) for process in hanging)


def test_who_hangs_in_connect_to_an_abstract_name(why, program, runtime_dir):
    name = "\0" + runtime_dir.name
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as first:
        listener.bind(name)
        listener.listen(0)
        first.connect(name)
        process = program(
            HEAD + "s = socket.socket(socket.AF_UNIX)\nprint('ready', flush=True)\n"
            "s.connect(chr(0) + path)",
            runtime_dir.name,
        )
        wait_until(lambda: in_call(process.pid, ("42", "203")), what="in connect")
        answer = why(f"@{runtime_dir.name}")
    assert answer["verdict"] == "backlog-full"
    assert f"1 hangs in connect(2) for a place: python3[{process.pid}]" in evidence(answer)


def test_workers_that_are_all_stopped(why, program, runtime_dir):
    """Each of them is named in the remedy; the parent, which only waits for them, is not."""
    path = runtime_dir / "app.sock"
    source = LISTEN + """
for _ in range(3):
    if os.fork() == 0:
        listener.accept()
os.wait()
"""
    process = program(source, path)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    workers = wait_until(lambda: (c := children.read_text().split()) and len(c) == 3 and c)
    for worker in workers[:2]:
        os.kill(int(worker), signal.SIGSTOP)
        wait_until(lambda w=worker: state_of(w) == "T")
    # One is enough.
    assert why(path)["verdict"] == "healthy"
    os.kill(int(workers[2]), signal.SIGSTOP)
    wait_until(lambda: state_of(workers[2]) == "T")
    answer = why(path)
    assert answer["verdict"] == "server-stopped"
    assert answer["remedy"] == "kill -CONT " + " ".join(sorted(workers, key=int))
    assert "4 processes have it open" in evidence(answer)


def test_workers_that_are_all_busy(why, program, clients, runtime_dir):
    """It is one of them who tells why, not the parent."""
    path = runtime_dir / "app.sock"
    source = LISTEN + """
r, w = os.pipe()
for _ in range(2):
    if os.fork() == 0:
        os.read(r, 1)
os.wait()
"""
    process = program(source, path)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    workers = wait_until(lambda: (c := children.read_text().split()) and len(c) == 2 and c)
    for worker in workers:
        wait_until(lambda w=worker: state_of(w) == "S")
    clients(path, 1)
    answer = why(path)
    assert answer["verdict"] == "not-accepting" and answer["cause"] == "blocked"
    assert any(f"[{worker}]" in answer["headline"] for worker in workers)
    assert "in read on" in evidence(answer) and "3 processes have it open" in evidence(answer)


def test_a_stopped_server_that_nobody_has_asked(why, program, runtime_dir):
    path = runtime_dir / "app.sock"
    process = program(LISTEN + "listener.accept()", path)
    stop(process)
    answer = why(path)
    assert answer["verdict"] == "server-stopped"
    assert answer["remedy"] == f"kill -CONT {process.pid}"
    assert "succeeds" in answer["client"]


def test_a_traced_server(why, program, runtime_dir):
    """Stopped by a tracer: strace in the middle of it, or a debugger."""
    path = runtime_dir / "app.sock"
    process = program(LISTEN + "listener.accept()", path)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    assert libc.ptrace(16, process.pid, None, None) == 0, ctypes.get_errno()  # PTRACE_ATTACH
    try:
        wait_until(lambda: state_of(process.pid) == "t")
        answer = why(path)
        assert answer["verdict"] == "server-stopped" and answer["cause"] == "traced"
        assert str(os.getpid()) in answer["remedy"]
    finally:
        libc.ptrace(17, process.pid, None, None)


@pytest.mark.parametrize(
    "wait, call",
    [
        ("signal.pause()", "pause"),
        ("time.sleep(600)", "nanosleep"),
        ("r, w = os.pipe()\nos.read(r, 1)", "in read on"),
        ("r, w = os.pipe()\nselect.select([r], [], [])", "select"),
        ("r, w = os.pipe()\np = select.poll()\np.register(r, 1)\np.poll()", "poll on"),
        ("import subprocess\nsubprocess.run(['sleep', '600'])", "wait4"),
        ("import fcntl\nf = open(path + '.lock')\nfcntl.flock(f, fcntl.LOCK_EX)", "in flock on"),
    ],
)
def test_a_server_that_never_accepts(why, program, clients, runtime_dir, wait, call):
    path = runtime_dir / "app.sock"
    lock = open(f"{path}.lock", "w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    process = program(LISTEN + wait, path, "3")
    clients(path, 2)
    asleep(process)
    answer = why(path)
    assert answer["verdict"] == "not-accepting" and answer["cause"] == "blocked"
    assert f"[{process.pid}]" in answer["headline"] and str(process.pid) in answer["remedy"]
    assert call in evidence(answer), answer
    assert "2 wait in the backlog of 3" in evidence(answer)
    clients(path, 3)
    answer = why(path)
    assert answer["verdict"] == "backlog-full" and answer["cause"] == "blocked"
    assert call in evidence(answer)


def test_a_busy_server(why, program, clients, runtime_dir):
    path = runtime_dir / "app.sock"
    process = program(LISTEN + "while True: pass", path, "3")
    clients(path, 1)
    answer = why(path)
    assert answer["verdict"] == "not-accepting" and answer["cause"] == "busy"
    assert f"[{process.pid}]" in answer["headline"]


def test_an_edge_that_was_missed(why, program, clients, runtime_dir):
    """Two connections, one edge, one accept: the second waits for ever."""
    path = runtime_dir / "app.sock"
    source = LISTEN + """
sys.stdin.readline()
epoll = select.epoll()
epoll.register(listener, select.EPOLLIN | select.EPOLLET)
kept = []
while True:
    epoll.poll()
    kept.append(listener.accept())
"""
    process = program(source, path, stdin=subprocess.PIPE)
    clients(path, 2)
    process.stdin.write(b"\n")
    process.stdin.flush()
    answer = wait_until(lambda: (a := why(path))["verdict"] == "not-accepting" and a)
    wait_until(lambda: (a := why(path)).get("cause") == "not-woken" and a)
    answer = why(path)
    assert "edge-triggered" in evidence(answer) and "epoll" in evidence(answer)


def test_a_server_that_accepts_too_slowly(why, program, clients, runtime_dir):
    path = runtime_dir / "app.sock"
    source = LISTEN + """
kept = []
while True:
    time.sleep(.02)
    kept.append(listener.accept())
"""
    program(source, path, "1")
    ended = threading.Event()

    def flood():
        kept = []
        while not ended.is_set():
            one = socket.socket(socket.AF_UNIX)
            try:
                one.connect(str(path))
                kept.append(one)
            except OSError:
                pass

    threads = [threading.Thread(target=flood) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        answer = wait_until(lambda: (a := why(path))["verdict"] == "backlog-full" and a)
        assert answer["cause"] == "slow"
        assert "accepted within" in evidence(answer)
    finally:
        ended.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("hard, limits", [(4096, "48:"), (40, "40:"), (12, "48")])
def test_a_server_without_descriptors(why, program, clients, runtime_dir, hard, limits):
    path = runtime_dir / "app.sock"
    source = LISTEN + """
resource.setrlimit(resource.RLIMIT_NOFILE, (12, int(sys.argv[3])))
kept = []
try:
    while True:
        kept.append(os.open("/dev/null", os.O_RDONLY))
except OSError:
    print("exhausted", flush=True)
while True:
    try:
        kept.append(listener.accept())
    except OSError:
        time.sleep(.01)
"""
    process = program(source, path, "5", str(hard))
    process.wait_for("exhausted")
    clients(path, 2)
    answer = why(path)
    assert answer["verdict"] == "descriptors-exhausted"
    assert f"[{process.pid}]" in answer["headline"]
    assert answer["remedy"].startswith(f"prlimit --pid {process.pid} --nofile={limits} ")
    assert "12 descriptors open, and its limit is 12" in evidence(answer)
    clients(path, 6)
    answer = why(path)
    assert answer["verdict"] == "backlog-full" and answer["cause"] == "descriptors-exhausted"


def test_a_full_tcp_backlog(why, program):
    process = program(TCP + "signal.pause()", "127.0.0.1", "1")
    port = port_of(process)
    kept = []
    for _ in range(4):
        one = socket.socket()
        one.setblocking(False)
        one.connect_ex(("127.0.0.1", port))
        kept.append(one)
    answer = wait_until(
        lambda: (a := why(f"tcp:127.0.0.1:{port}"))["verdict"] == "backlog-full" and a
    )
    assert answer["cause"] == "blocked" and "ETIMEDOUT" in answer["client"]
    assert f"[{process.pid}]" in answer["headline"]
    assert f"[{os.getpid()}]" in evidence(answer)
    assert re.search(r"\n2 hang in connect\(2\) for a place: [^,\n]+\n", evidence(answer)), "once"
    for one in kept:
        one.close()


def test_one_of_two_workers_is_stopped(why, program):
    """SO_REUSEPORT: half of the clients meet it, though the other works."""
    source = HEAD + """
listener = socket.create_server(("127.0.0.1", int(path)), reuse_port=True)
print("ready", flush=True)
while True: listener.accept()
"""
    port = free_port()
    workers = [program(source, str(port)) for _ in range(2)]
    assert why(f"tcp:127.0.0.1:{port}")["verdict"] == "healthy"
    stop(workers[1])
    answer = why(f"tcp:127.0.0.1:{port}")
    assert answer["verdict"] == "server-stopped"
    assert answer["remedy"] == f"kill -CONT {workers[1].pid}"


def test_the_narrower_listener_is_the_one(why, program):
    """At its very address it takes everything from the one at any address."""
    source = HEAD + """
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
s.bind((path, int(sys.argv[2])))
s.listen()
print("ready", flush=True)
while True: s.accept()
"""
    port = free_port()
    program(source, "127.0.0.1", str(port))
    wide = program(source, "0.0.0.0", str(port))
    stop(wide)
    assert why(f"tcp:127.0.0.1:{port}")["verdict"] == "healthy"
    assert why(f"tcp:127.0.0.2:{port}")["verdict"] == "server-stopped"


def test_not_accepting_over_tcp(why, program):
    process = program(TCP + "signal.pause()", "127.0.0.1", "5")
    port = port_of(process)
    with socket.create_connection(("127.0.0.1", port)):
        for word in (f"tcp:{port}", f":{port}", f"127.0.0.1:{port}"):
            answer = why(word)
            assert answer["verdict"] == "not-accepting"
            assert f"[{process.pid}]" in answer["headline"]


# --- connections --------------------------------------------------------------------------------


def fill(one):
    """Sends until there is no room; how many bytes it took."""
    one.setblocking(False)
    sent = 0
    try:
        while True:
            sent += one.send(bytes(65536))
    except BlockingIOError:
        return sent


ACCEPT_AND_SLEEP = "kept = listener.accept()\nprint('accepted', flush=True)\nsignal.pause()"


def test_a_server_that_does_not_read(why, program, runtime_dir):
    path = runtime_dir / "app.sock"
    process = program(LISTEN + ACCEPT_AND_SLEEP, path)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        process.wait_for("accepted")
        assert why(path)["verdict"] == "healthy"
        sent = fill(client)
        answer = why(path)
        assert answer["verdict"] == "server-not-reading" and answer["cause"] == "blocked"
        assert f"{sent} bytes from " in evidence(answer), "bytes, not the memory that they take"
        assert f"[{process.pid}] does not read what" in answer["headline"]
        assert f"[{os.getpid()}]" in answer["headline"]
        assert "pause" in evidence(answer)


def test_many_connections_that_are_not_read(why, program, runtime_dir):
    """A few are told of, and how many there are: the remedy is not to scroll away."""
    path = runtime_dir / "app.sock"
    program(LISTEN + "kept = [listener.accept() for _ in range(9)]\nsignal.pause()", path)
    with ExitStack() as opened:
        for _ in range(9):
            client = opened.enter_context(socket.socket(socket.AF_UNIX))
            client.connect(str(path))
            fill(client)
        answer = why(path)
        assert answer["verdict"] == "server-not-reading"
        assert evidence(answer).count("have not moved") == 5
        assert "it is 9 connections in all" in evidence(answer)


def test_a_client_that_does_not_read(why, program, runtime_dir):
    path = runtime_dir / "app.sock"
    source = LISTEN + """
kept, _ = listener.accept()
kept.setblocking(False)
try:
    while True: kept.send(bytes(65536))
except BlockingIOError:
    print("full", flush=True)
signal.pause()
"""
    process = program(source, path)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        process.wait_for("full")
        answer = why(path)
        assert answer["verdict"] == "client-not-reading"
        assert f"[{os.getpid()}] does not read what" in answer["headline"]
        assert f"[{process.pid}]" in answer["headline"]


def test_a_tcp_server_that_does_not_read(why, program):
    process = program(TCP + ACCEPT_AND_SLEEP, "127.0.0.1")
    port = port_of(process)
    with socket.create_connection(("127.0.0.1", port)) as client:
        process.wait_for("accepted")
        assert why(f"tcp:127.0.0.1:{port}")["verdict"] == "healthy"
        fill(client)
        answer = wait_until(
            lambda: (a := why(f"tcp:127.0.0.1:{port}"))["verdict"] == "server-not-reading" and a
        )
        assert f"[{process.pid}] does not read what" in answer["headline"]
        assert f"[{os.getpid()}]" in answer["headline"]
        wait_until(lambda: "has held the sender up" in evidence(why(f"tcp:127.0.0.1:{port}")))


def test_a_full_datagram_queue(why, program, runtime_dir):
    path = runtime_dir / "log"
    source = HEAD + """
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(path)
print("ready", flush=True)
sys.stdin.readline()
while True: s.recv(100)
"""
    process = program(source, path, stdin=subprocess.PIPE)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        client.connect(str(path))
        client.setblocking(False)
        client.send(b"x")
        assert why(path)["verdict"] == "healthy"
        with pytest.raises(BlockingIOError):
            while True:
                client.send(b"x")
        answer = why(path)
        assert answer["verdict"] == "queue-full"
        assert f"[{process.pid}] does not read" in answer["headline"]
        assert "EAGAIN" in answer["client"] and "max_dgram_qlen" in evidence(answer)
        assert f"[{os.getpid()}]" in evidence(answer)
        # It was only asked about: nothing was sent, and nothing is lost.
        process.stdin.write(b"\n")
        process.stdin.flush()
        wait_until(lambda: why(path)["verdict"] == "healthy")


def test_a_full_udp_queue(why, program):
    source = HEAD + """
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
s.bind(("127.0.0.1", 0))
print("ready", s.getsockname()[1], flush=True)
signal.pause()
"""
    process = program(source, "-")
    port = port_of(process)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        assert why(f"udp:127.0.0.1:{port}")["verdict"] == "healthy"
        for _ in range(100):
            client.sendto(bytes(1000), ("127.0.0.1", port))
        answer = why(f"udp:127.0.0.1:{port}")
    assert answer["verdict"] == "queue-full"
    assert f"[{process.pid}]" in answer["headline"] and "dropped" in evidence(answer)
