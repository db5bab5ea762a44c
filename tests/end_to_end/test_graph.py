"""ferry ls --graph and --since: who talks to whom, who waits for each other, and what has changed.

Every process here is asked for by its pid, so that what else the machine does stays out of it.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack

import pytest

from support import state_of, wait_until

ENDED = "import signal; print('ready', flush=True); signal.pause()"


def said(done):
    """Its lines on stderr, without what this machine may hide even from root."""
    return [line for line in done.stderr.splitlines() if "not seen:" not in line]


@pytest.fixture
def python(start):
    """python(code, argument...) runs a program until it has said "ready"."""

    def run(code, *arguments, ending=ENDED, ready="ready"):
        process = start(sys.executable, "-c", f"{code}\n{ending}", *arguments)
        process.wait_for(ready)
        return process

    return run


@pytest.fixture
def graph(run_ferry):
    """graph(pid, option...) is the graph of a process, as JSON."""

    def draw(pid, *options):
        done = run_ferry("ls", "--graph=json", *options, pid)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return draw


@pytest.fixture
def text(run_ferry):
    """text(pid, option...) is the graph of a process, as lines."""

    def draw(pid, *options):
        done = run_ferry("ls", "--graph", *options, pid)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return draw


def edges_of(graph):
    """Edges with their ends' labels in place of the numbers."""
    labels = {node["id"]: node["label"] for node in graph["nodes"]}
    return [
        {**edge, "client": labels[edge["client"]], "server": labels[edge["server"]]}
        for edge in graph["edges"]
    ]


def label(process):
    """As the kernel names it."""
    with open(f"/proc/{process.pid}/comm") as comm:
        return f"{comm.read().strip()}[{process.pid}]"


# Accepts the first `accepted` clients, and leaves the rest in the backlog.
SERVER = """
import socket, sys
kind, path, accepted = sys.argv[1], sys.argv[2], int(sys.argv[3])
if kind == "tcp":
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    print("port", server.getsockname()[1], flush=True)
else:
    server = socket.socket(socket.AF_UNIX, getattr(socket, kind))
    server.bind(path)
server.listen(16)
print("listening", flush=True)
held = [server.accept()[0] for _ in range(accepted)]
"""

CLIENT = """
import socket, sys
kind, where, count, size = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
held = []
for _ in range(count):
    if kind == "tcp":
        client = socket.create_connection(("127.0.0.1", int(where)))
    else:
        client = socket.socket(socket.AF_UNIX, getattr(socket, kind))
        client.connect(where)
    client.send(b"x" * size)
    held.append(client)
"""


def test_clients_accepted_and_waiting(python, text, graph, runtime_dir):
    server = python(SERVER, "SOCK_STREAM", "app.sock", "3", ready="listening")
    client = python(CLIENT, "SOCK_STREAM", runtime_dir / "app.sock", "5", "100")
    server.wait_for("ready")
    waits = wait_until(lambda: [e for e in edges_of(graph(server.pid)) if e["waiting"] == 2])
    assert [
        {key: edge[key] for key in ("client", "server", "kind", "address", "connections")}
        for edge in waits
    ] == [
        {
            "client": label(client),
            "server": label(server),
            "kind": "u_str",
            "address": "app.sock",
            "connections": 5,
        }
    ]
    [edge] = waits
    # Of the accepted the bytes, of those that wait the memory that they take.
    assert edge["directed"] and edge["queued_to_client"] == 0
    assert edge["queued_to_server"] >= 500
    assert text(server.pid) == [
        f"{label(server)}  unix:app.sock",
        f"  <- {label(client)}  5 connections, 2 waiting, "
        f"{edge['queued_to_server']} bytes to it",
    ]


def test_bytes_each_way(python, graph, runtime_dir):
    server = python(
        SERVER + "held[0].send(b'y' * 7)", "SOCK_SEQPACKET", "seq.sock", "1", ready="listening"
    )
    python(CLIENT, "SOCK_SEQPACKET", runtime_dir / "seq.sock", "1", "1000")
    server.wait_for("ready")
    [edge] = edges_of(graph(server.pid))
    assert edge["kind"] == "u_seq"
    assert (edge["queued_to_server"], edge["queued_to_client"]) == (1000, 7)


def test_tcp_is_drawn_from_the_client_to_the_listener(python, graph, text):
    server = python(SERVER, "tcp", "", "2", ready="listening")
    port = re.search(rb"port (\d+)", server.stdout())[1].decode()
    client = python(CLIENT, "tcp", port, "3", "10")
    server.wait_for("ready")
    [edge] = edges_of(graph(server.pid))
    assert (edge["client"], edge["server"]) == (label(client), label(server))
    assert (edge["address"], edge["connections"], edge["waiting"]) == (f"127.0.0.1:{port}", 3, 1)
    assert text(client.pid)[0] == f"{label(server)}  tcp:127.0.0.1:{port}"


PAIR = """
import os, socket
one, other = socket.socketpair()
child = os.fork()
(other if child else one).close()
if not child:
    import signal
    signal.pause()
print("child", child, flush=True)
"""


def children_of(process):
    return [int(pid) for pid in re.findall(rb"child (\d+)", process.stdout())]


def test_a_pair_has_no_direction(python, graph, text):
    parent = python(PAIR)
    [child] = children_of(parent)
    [edge] = [edge for edge in edges_of(graph(parent.pid)) if edge["kind"] == "u_str"]
    assert not edge["directed"] and "address" not in edge
    assert {edge["client"], edge["server"]} == {label(parent), f"python3[{child}]"}
    lines = text(child)
    assert any(line.endswith("  unix socketpair") for line in lines)
    assert any(line.startswith("  -- python3[") for line in lines)


def test_datagrams_go_to_their_server(python, graph):
    code = "import socket, sys\ns = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
    server = python(code + "s.bind('log.sock')")
    client = python(code + "s.connect('log.sock'); s.send(b'hello')")
    [edge] = edges_of(graph(client.pid))
    assert (edge["client"], edge["server"]) == (label(client), label(server))
    assert (edge["kind"], edge["address"], edge["directed"]) == ("u_dgr", "log.sock", True)
    assert edge["queued_to_server"] > 0 and edge["queued_to_client"] == 0


def test_pipes_lead_from_the_writer_to_the_reader(python, graph):
    parent = python(
        "import os\n"
        "r, w = os.pipe()\n"
        "child = os.fork()\n"
        "os.close(w if child else r)\n"
        "if not child:\n"
        "    import signal; signal.pause()\n"
        "print('child', child, flush=True)"
    )
    [child] = children_of(parent)
    [edge] = [edge for edge in edges_of(graph(parent.pid)) if edge["kind"] == "pipe"]
    assert (edge["client"], edge["server"]) == (f"python3[{child}]", label(parent))
    assert edge["directed"] and "queued_to_server" not in edge


def test_a_shared_socket_is_said_to_be_shared(python, text):
    parent = python(
        "import os, socket, signal\n"
        "s = socket.socket(socket.AF_UNIX); s.bind('a.sock'); s.listen()\n"
        "c = socket.socket(socket.AF_UNIX); c.connect('a.sock'); a = s.accept()[0]\n"
        "child = os.fork()\n"
        "if not child: signal.pause()\n"
        "print('child', child, flush=True)"
    )
    [child] = children_of(parent)
    assert text(parent.pid) == [
        f"python3[{child}]  unix:a.sock",
        f"  <- {label(parent)}  1 connection, 1 shared with others",
    ]


def test_processes_by_command(python, graph, runtime_dir):
    name = "import ctypes; ctypes.CDLL(None).prctl(15, b'ferry-worker')\n"
    server = python(SERVER, "SOCK_STREAM", "app.sock", "2", ready="listening")
    one = python(name + CLIENT, "SOCK_STREAM", runtime_dir / "app.sock", "1", "1")
    python(name + CLIENT, "SOCK_STREAM", runtime_dir / "app.sock", "1", "1")
    server.wait_for("ready")
    drawn = graph(server.pid, "--by=command")
    assert drawn["by"] == "command"
    [edge] = edges_of(drawn)
    assert (edge["client"], edge["connections"]) == ("ferry-worker", 2)
    [edge] = edges_of(graph(one.pid, "--by=process"))
    assert (edge["client"], edge["connections"]) == (f"ferry-worker[{one.pid}]", 1)
    for by in ("unit", "container"):
        types = {node["type"] for node in graph(server.pid, f"--by={by}")["nodes"]}
        assert types == {by}


def test_by_needs_a_graph(run_ferry):
    done = run_ferry("ls", "--by=unit")
    assert done.returncode == 2 and "--graph" in done.stderr


def test_nothing_to_draw(python, run_ferry):
    done = run_ferry("ls", "--graph", python("").pid)
    assert (done.returncode, done.stdout) == (1, "")
    assert said(done) == ["ferry ls: no connections to draw"]


# --- DOT -----------------------------------------------------------------------------------------

HOSTILE = 'a"b\\N&lt;<i>\n\x1b[2J\\'


@pytest.fixture
def hostile(python, runtime_dir):
    """A process with a name and a socket that quote badly."""
    code = "import ctypes, socket, sys\nctypes.CDLL(None).prctl(15, b'x\"];\\\\n y&#')\n"
    code += "s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen()\n"
    code += "c = socket.socket(socket.AF_UNIX); c.connect(sys.argv[1]); a = s.accept()[0]\n"
    return python(code, HOSTILE)


def unquoted(label):
    """What a label's source means to graphviz, line feeds aside."""
    assert re.fullmatch(r'(?:[^"\\&\x00-\x1f]|\\["\\n]|&amp;)*', label), label
    return re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], label).replace("&amp;", "&")


def test_hostile_names_in_dot(hostile, run_ferry):
    done = run_ferry("ls", "--graph=dot", hostile.pid)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert (lines[0], lines[-1]) == ("digraph ferry {", "}")
    [node] = [re.fullmatch(r'  n0 \[shape=box, label="(.*)"\];', line) for line in lines[2:3]]
    assert unquoted(node[1]) == f'x"];\\n y&#[{hostile.pid}]'
    [edge] = [re.fullmatch(r'  n0 -> n0 \[label="(.*)"\];', line) for line in lines[3:-1]]
    name = HOSTILE.replace("\n", "\\x0a").replace("\x1b", "\\x1b")
    assert unquoted(edge[1]) == f"unix:{name}\n1"


@pytest.mark.skipif(not shutil.which("dot"), reason="needs graphviz")
def test_graphviz_reads_it(hostile, run_ferry):
    done = run_ferry("ls", "--graph=dot", hostile.pid)
    drawn = subprocess.run(
        ["dot", "-Tplain"], input=done.stdout, capture_output=True, text=True, timeout=30
    )
    assert drawn.returncode == 0 and not drawn.stderr, drawn.stderr
    assert len(re.findall(r"^node ", drawn.stdout, re.MULTILINE)) == 1
    assert len(re.findall(r"^edge ", drawn.stdout, re.MULTILINE)) == 1


def test_hostile_names_in_text_and_json(hostile, run_ferry):
    for form in ("text", "json"):
        done = run_ferry("ls", f"--graph={form}", hostile.pid)
        assert done.returncode == 0 and "\x1b" not in done.stdout


# --- deadlocks -----------------------------------------------------------------------------------

# Processes 0, 1, ... of a ring of socket pairs, each of which sends to the next and never reads.
RING = """
import os, socket, sys
count = int(sys.argv[1])
pairs = [socket.socketpair() for _ in range(count)]
for i in range(count):
    child = os.fork()
    if child:
        print("child", child, flush=True)
        continue
    send, receive = pairs[i][0], pairs[i - 1][1]
    for one, other in pairs:
        for end in (one, other):
            if end not in (send, receive):
                end.close()
    send.sendall(b"x" * 10_000_000)
for one, other in pairs:
    one.close()
    other.close()
"""

# The same, but the last sends nothing.
ROW = RING.replace(
    'send.sendall(b"x" * 10_000_000)',
    'i < count - 1 and send.sendall(b"x" * 10_000_000)\n    import signal\n    signal.pause()',
)

# Two processes, one socket pair, both send.
BOTH = """
import os, socket
one, other = socket.socketpair()
child = os.fork()
(other if child else one).close()
if child:
    print("child", child, flush=True)
    print("ready", flush=True)
(one if child else other).sendall(b"x" * 10_000_000)
"""


def asleep_in_a_write(pid):
    """As the kernel says it."""
    try:
        with open(f"/proc/{pid}/syscall") as file:
            words = file.read().split()
    except (PermissionError, FileNotFoundError):
        pytest.skip("needs root, and /proc/PID/syscall")
    return words[0] in {str(number) for number in WRITES}


# sendto, sendmsg, write on x86-64 and on the generic table
WRITES = {1, 44, 46, 64, 206, 211}


def wait_asleep(*pids):
    for pid in pids:
        wait_until(lambda: asleep_in_a_write(pid), what=f"{pid} sleeps in a write")


def members(graph):
    """Sets of pids, one for each deadlock."""
    return sorted(
        sorted({wait["pid"] for wait in deadlock["waits"]}) for deadlock in graph["deadlocks"]
    )


def test_two_that_send_to_each_other(python, graph, text):
    parent = python(BOTH, ending="")
    pids = [parent.pid, *children_of(parent)]
    wait_asleep(*pids)
    drawn = graph(parent.pid)
    assert members(drawn) == [sorted(pids)]
    [edge] = [edge for edge in drawn["edges"] if edge["kind"] == "u_str"]
    number = edge["deadlock"]  # others on this machine may come before it
    waits = {wait["pid"]: wait for wait in drawn["deadlocks"][0]["waits"]}
    assert waits[pids[0]]["waits_for"] == [pids[1]] and waits[pids[1]]["waits_for"] == [pids[0]]
    assert waits[pids[0]]["tid"] == pids[0]
    lines = text(parent.pid)
    mark = f"DEADLOCK? {number}"
    assert [line for line in lines if line.startswith("  -- ") and line.endswith(mark)]
    listed = lines[lines.index(mark) + 1 :]
    assert sorted(int(re.search(r"\[(\d+)\] waits", line)[1]) for line in listed) == sorted(pids)


def test_three_in_a_ring(python, graph):
    parent = python(RING, "3")
    pids = children_of(parent)
    wait_asleep(*pids)
    drawn = graph(pids[0])
    assert members(drawn) == [sorted(pids)]
    waits = {wait["pid"]: wait["waits_for"] for wait in drawn["deadlocks"][0]["waits"]}
    assert waits == {pids[i]: [pids[(i + 1) % 3]] for i in range(3)}


def test_a_child_whose_pipes_are_both_full(python, graph):
    """Who writes all of a command's input before reading any of its output."""
    parent = python(
        "import subprocess, sys\n"
        "code = 'import sys; sys.stdout.buffer.write(b\"x\" * 10**6); sys.stdin.buffer.read()'\n"
        "p = subprocess.Popen([sys.executable, '-c', code], stdin=-1, stdout=-1, bufsize=0)\n"
        "print('child', p.pid, flush=True)\n"
        "print('ready', flush=True)\n"
        "p.stdin.write(b'x' * 10**6)\n",
        ending="",
    )
    [child] = children_of(parent)
    wait_asleep(parent.pid, child)
    drawn = graph(parent.pid)
    assert members(drawn) == [sorted([parent.pid, child])]
    assert {edge["kind"] for edge in drawn["edges"] if "deadlock" in edge} == {"pipe"}


TCP_BOTH = """
import os, socket
server = socket.create_server(("127.0.0.1", 0))
child = os.fork()
if child:
    end = server.accept()[0]
    print("child", child, flush=True)
    print("ready", flush=True)
else:
    end = socket.create_connection(server.getsockname())
server.close()
end.sendall(b"x" * 100_000_000)
"""


def test_two_that_send_to_each_other_over_tcp(python, graph):
    parent = python(TCP_BOTH, ending="")
    pids = [parent.pid, *children_of(parent)]
    wait_asleep(*pids)
    wait_until(lambda: members(graph(parent.pid)) == [sorted(pids)], what="a deadlock")


# Two loops that read nothing before they have written, and sleep until they may.
LOOPS = """
import os, select, socket, sys
one, other = socket.socketpair()
child = os.fork()
end, left = (one, other) if child else (other, one)
left.close()
end.setblocking(False)
if child and sys.argv[1:] == ["idle"]:
    print("child", child, flush=True)
    print("ready", flush=True)
    import signal
    signal.pause()
try:
    while True:
        end.send(b"x" * 1024)
except BlockingIOError:
    pass
if child:
    print("child", child, flush=True)
    print("ready", flush=True)
select.select([], [end], [])
"""


def sleeping_pair(python, *arguments):
    parent = python(LOOPS, *arguments, ending="")
    pids = [parent.pid, *children_of(parent)]

    def stand_still():
        full = subprocess.run(["ss", "-xpH"], capture_output=True, text=True).stdout
        waits = re.findall(r" (\d+) +\* \d+ +\* \d+ +users:\(\(\"[^\"]*\",pid=(\d+),", full)
        filled = {int(pid) for bytes, pid in waits if int(bytes)}
        return all(state_of(pid) == "S" for pid in pids) and filled >= set(pids[len(arguments) :])

    wait_until(stand_still, what="full queues")
    return pids


def test_two_loops_that_wait_until_they_may_write(python, graph):
    pids = sleeping_pair(python)
    drawn = graph(pids[0])
    assert members(drawn) == [sorted(pids)]
    assert not [wait for wait in drawn["deadlocks"][0]["waits"] if "tid" in wait]


def test_one_loop_that_waits_for_an_idle_reader_is_none(python, graph):
    pids = sleeping_pair(python, "idle")
    assert graph(pids[0])["deadlocks"] == []


SELF = """
import socket
one, other = socket.socketpair()
one.setblocking(False)
try:
    while True:
        one.send(b"x" * 1024)
except BlockingIOError:
    pass
"""


def test_one_with_both_ends_that_does_something_else_is_none(python, graph):
    process = python(SELF)
    wait_until(lambda: state_of(process.pid) == "S")
    assert graph(process.pid)["deadlocks"] == []


def test_one_that_waits_for_itself(python, graph):
    process = python("print('ready', flush=True)\n" + SELF.replace("(False)", "(True)"), ending="")
    wait_asleep(process.pid)
    assert members(graph(process.pid)) == [[process.pid]]


def test_one_that_was_stopped_does_not_wait(python, graph):
    pids = sleeping_pair(python)
    os.kill(pids[1], signal.SIGSTOP)
    wait_until(lambda: state_of(pids[1]) != "S")
    assert graph(pids[0])["deadlocks"] == []
    os.kill(pids[1], signal.SIGCONT)
    wait_until(lambda: state_of(pids[1]) == "S")
    assert members(graph(pids[0])) == [sorted(pids)]


def test_deadlocks_of_others_are_not_told(python, graph):
    """Of a process that is asked for: its own."""
    one, other = sleeping_pair(python), sleeping_pair(python)
    assert members(graph(one[0])) == [sorted(one)]
    assert members(graph(other[0])) == [sorted(other)]


def test_a_full_queue_whose_reader_sleeps_is_none(python, graph):
    """The first of a row waits for the second, which waits for the third, which waits for nobody."""
    parent = python(ROW, "3")
    pids = children_of(parent)
    wait_asleep(*pids[:2])
    drawn = graph(pids[1])
    assert drawn["deadlocks"] == [] and not [e for e in drawn["edges"] if "deadlock" in e]


def test_who_waits_for_a_ring_is_not_in_it(python, graph):
    """Two are deadlocked; a third has filled a queue towards one of them."""
    parent = python(
        BOTH.replace(
            "one, other = socket.socketpair()\n",
            "one, other = socket.socketpair()\n"
            "third, end = socket.socketpair()\n"
            "child = os.fork()\n"
            "print('child', child, flush=True) if child else None\n"
            "if not child:\n"
            "    one.close(); other.close(); end.close()\n"
            "    third.sendall(b'x' * 10_000_000)\n"
            "third.close()\n",
        ),
        ending="",
    )
    third, child = children_of(parent)
    wait_asleep(parent.pid, child, third)
    assert members(graph(parent.pid)) == [sorted([parent.pid, child])]


# Each end has a thread that sends and one that receives, as fast as they can: full for moments.
BUSY = """
import os, socket, threading
children = []
# None begins before all are there: they would leave their parent no time to make the others.
begin, go = os.pipe()
for _ in range(30):
    one, other = socket.socketpair()
    for mine, theirs in ((one, other), (other, one)):
        child = os.fork()
        if child:
            children.append(child)
            continue
        theirs.close()
        os.close(go)
        os.nice(19)  # who looks gets a turn, however many are busy
        os.read(begin, 1)
        def receive():
            while mine.recv(65536):
                pass
        threading.Thread(target=receive, daemon=True).start()
        while True:
            mine.sendall(b"x" * 65536)
    one.close()
    other.close()
print("child", *children, flush=True)
os.close(go)
"""


def test_thirty_busy_pairs_are_none(python, run_ferry):
    parent = python(BUSY)
    children = [int(pid) for pid in re.search(rb"child ([\d ]+)", parent.stdout())[1].split()]
    assert len(children) == 60
    for _ in range(2):
        done = run_ferry("ls", "-x", "--graph=json")
        drawn = json.loads(done.stdout)
        marked = {wait["pid"] for deadlock in drawn["deadlocks"] for wait in deadlock["waits"]}
        assert not marked & set(children)
    labels = {node["label"] for node in drawn["nodes"]}
    assert {f"python3[{pid}]" for pid in children} <= labels


# The writers sleep before full queues all the time, but byte by byte they are read.
SLOW = """
import os, socket, threading, time
one, other = socket.socketpair()
child = os.fork()
end, left = (one, other) if child else (other, one)
left.close()
def receive():
    while end.recv(1):
        time.sleep(0.01)
threading.Thread(target=receive, daemon=True).start()
if child:
    print("child", child, flush=True)
    print("ready", flush=True)
end.sendall(b"x" * 10_000_000)
"""


def test_a_pair_that_reads_slowly_is_none(python, graph):
    parent = python(SLOW, ending="")
    pids = [parent.pid, *children_of(parent)]
    wait_asleep(*pids)
    drawn = graph(parent.pid)
    assert drawn["deadlocks"] == []
    [edge] = [edge for edge in drawn["edges"] if edge["kind"] == "u_str"]
    assert edge["queued_to_server"] and edge["queued_to_client"]


def test_who_fills_the_same_pipe_is_not_in_the_ring(python, graph):
    """Nobody waits for the third, though all could: by a pipe that nobody writes into."""
    parent = python(
        "import os\n"
        "there, back, unused = os.pipe(), os.pipe(), os.pipe()\n"
        "def fill(pipe, *left):\n"
        "    for fd in left: os.close(fd)\n"
        "    while True: os.write(pipe[1], b'x' * 4096)\n"
        "child = os.fork()\n"
        "if not child: fill(back, there[1], back[0])\n"
        "third = os.fork()\n"
        "if not third: fill(there, there[0], *back)\n"
        "print('child', child, flush=True)\n"
        "print('child', third, flush=True)\n"
        "print('ready', flush=True)\n"
        "fill(there, there[0], back[1])",
        ending="",
    )
    child, third = children_of(parent)
    wait_asleep(parent.pid, child, third)
    drawn = graph(parent.pid)
    assert members(drawn) == [sorted([parent.pid, child])]
    assert any(edge["client"] == f"python3[{third}]" for edge in edges_of(drawn))


# --- since ---------------------------------------------------------------------------------------


@pytest.fixture
def snapshot(run_ferry, runtime_dir):
    """snapshot(pid...) writes one of everything; its path."""

    def make(*words):
        path = runtime_dir / "snapshot.json"
        done = run_ferry("ls", "--json", *words)
        assert done.returncode == 0, done.stderr
        path.write_text(done.stdout)
        return path

    return make


def inode_of(end):
    return os.fstat(end.fileno()).st_ino


def rows(done):
    """{mark: lines} of a list."""
    assert done.returncode == 0, done.stderr
    found = {}
    for line in done.stdout.splitlines()[1:]:
        found.setdefault(line[0], []).append(line[1:].split())
    return found


def test_nothing_has_changed(python, run_ferry, snapshot, runtime_dir):
    server = python(SERVER, "SOCK_STREAM", "app.sock", "0")
    path = snapshot(server.pid)
    done = run_ferry("ls", f"--since={path}", server.pid)
    assert (done.returncode, done.stdout) == (1, "")
    assert said(done) == [f"ferry ls: nothing is new, gone or changed since {path}"]


def test_new_and_gone(run_ferry, snapshot, runtime_dir):
    pid = os.getpid()
    with ExitStack() as held:
        leaving = socket.socket(socket.AF_UNIX)
        leaving.bind(str(runtime_dir / "leaving"))
        leaving.listen()
        path = snapshot()
        gone = inode_of(leaving)
        leaving.close()
        coming = held.enter_context(socket.socket(socket.AF_UNIX))
        coming.bind(str(runtime_dir / "coming"))
        coming.listen()
        done = run_ferry("ls", f"--since={path}", "--json", pid)
        assert done.returncode == 0, done.stderr
        difference = json.loads(done.stdout)
        assert [row["inode"] for row in difference["new"]] == [inode_of(coming)]
        assert [row["inode"] for row in difference["gone"]] == [gone]
        assert difference["changed"] == []
        before = [row for row in json.loads(path.read_text())["endpoints"] if row["inode"] == gone]
        assert difference["gone"] == before
        found = rows(run_ferry("ls", f"--since={path}", pid))
        assert [row[2] for row in found["+"]] == [str(runtime_dir / "coming")]
        assert [row[2] for row in found["-"]] == [str(runtime_dir / "leaving")]
        assert set(found) == {"+", "-"}


def test_another_owner(run_ferry, snapshot, python, runtime_dir):
    pid = os.getpid()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(runtime_dir / "passed"))
        server.listen()
        path = snapshot()
        child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=[server.fileno()])
        try:
            wait_until(lambda: os.path.realpath(f"/proc/{child.pid}/exe").endswith("cat"))
            done = run_ferry("ls", "-x", f"--since={path}", "--json")
            changed = [
                row
                for row in json.loads(done.stdout)["changed"]
                if row["now"]["inode"] == inode_of(server)
            ]
            assert [row["what"] for row in changed] == [["owner"]]
            assert [owner["pid"] for owner in changed[0]["before"]["owners"]] == [pid]
            assert sorted(o["pid"] for o in changed[0]["now"]["owners"]) == sorted([pid, child.pid])
            [line] = rows(run_ferry("ls", "-x", f"--since={path}", child.pid))["~"]
            assert " ".join(line).endswith(f"process {line[line.index('process') + 1]}")
            assert f"[{pid}]" in line[-1]
        finally:
            child.stdin.close()
            child.wait(10)
        # Another descriptor of the same process is no other owner.
        with server.dup():
            done = run_ferry("ls", "-x", f"--since={path}", pid)
            assert (done.returncode, done.stdout) == (1, "")


def test_another_peer(run_ferry, snapshot, runtime_dir):
    pid = os.getpid()
    kind = socket.SOCK_DGRAM
    with ExitStack() as held:
        one, other, client = (
            held.enter_context(socket.socket(socket.AF_UNIX, kind)) for _ in range(3)
        )
        one.bind(str(runtime_dir / "one"))
        other.bind(str(runtime_dir / "other"))
        client.connect(str(runtime_dir / "one"))
        path = snapshot()
        client.connect(str(runtime_dir / "other"))
        difference = json.loads(run_ferry("ls", f"--since={path}", "--json", pid).stdout)
        assert difference["new"] == difference["gone"] == []
        [row] = difference["changed"]
        assert row["what"] == ["peer"] and row["now"]["inode"] == inode_of(client)
        assert row["before"]["peer"]["inode"] == inode_of(one)
        assert row["now"]["peer"]["inode"] == inode_of(other)


def test_an_accepted_tcp_connection_is_the_one_that_waited(run_ferry, snapshot):
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname()) as client:
            path = snapshot()
            with server.accept()[0] as accepted:
                done = run_ferry("ls", "-t", f"--since={path}", "--json", os.getpid())
                difference = json.loads(done.stdout)
                assert difference["new"] == difference["gone"] == []
                changed = {row["now"]["inode"]: row["what"] for row in difference["changed"]}
                assert changed == {inode_of(client): ["peer"], inode_of(accepted): ["owner"]}


def test_kinds_that_are_not_asked_for_have_not_gone(run_ferry, snapshot, runtime_dir):
    with socket.create_server(("127.0.0.1", 0)):
        path = snapshot()
        done = run_ferry("ls", "-x", f"--since={path}", os.getpid())
        assert (done.returncode, done.stdout) == (1, "")


def test_a_snapshot_of_other_kinds(run_ferry, snapshot):
    path = snapshot("-t")
    done = run_ferry("ls", "-x", f"--since={path}")
    assert (done.returncode, done.stdout) == (1, "")
    assert "has none of the kinds that are asked for" in done.stderr


def test_the_graph_marks_what_is_new_and_what_has_gone(python, run_ferry, snapshot, text):
    server = python(
        SERVER.replace("held = ", "held = [server.accept()[0], server.accept()[0]]\nheld += "),
        "SOCK_STREAM",
        "app.sock",
        "0",
        ready="listening",
    )
    leaving = python(CLIENT, "SOCK_STREAM", "app.sock", "1", "1")
    staying = python(CLIENT, "SOCK_STREAM", "app.sock", "1", "1")
    server.wait_for("ready")
    path = snapshot()
    gone = label(leaving)
    leaving.end()
    coming = python(CLIENT, "SOCK_STREAM", "app.sock", "2", "1")
    lines = text(server.pid, f"--since={path}")
    marks = {line.split()[1 + (line[0] != " ")]: line[0] for line in lines[1:]}
    assert marks == {gone: "-", label(staying): " ", label(coming): "+"}
    assert f"- <- {gone}  0 connections (1 before)" in lines
    done = run_ferry("ls", "--graph=json", f"--since={path}", server.pid)
    edges = {edge["client"]: edge for edge in edges_of(json.loads(done.stdout))}
    assert (edges[gone]["before"], edges[gone]["connections"]) == (1, 0)
    assert "mark" not in edges[label(staying)]
    assert (edges[label(coming)]["mark"], edges[label(coming)]["before"]) == ("+", 0)


# --- snapshots that are none ---------------------------------------------------------------------


def refused(run_ferry, path, reason):
    done = run_ferry("ls", f"--since={path}")
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = said(done)
    assert reason in line


def test_a_snapshot_of_another_boot(run_ferry, snapshot):
    path = snapshot()
    document = json.loads(path.read_text())
    with open("/proc/sys/kernel/random/boot_id") as file:
        boot = file.read().strip()
    assert document["boot"] == boot
    document["boot"] = "00000000-0000-0000-0000-000000000000"
    path.write_text(json.dumps(document))
    refused(run_ferry, path, f"is of another boot, {document['boot']}; this one is {boot}")


def test_a_snapshot_of_another_schema(run_ferry, snapshot):
    path = snapshot()
    document = json.loads(path.read_text())
    document["schema"] += 1
    path.write_text(json.dumps(document))
    refused(run_ferry, path, f"is of schema {document['schema']}; this ferry reads")


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", "{}", '{"schema": "1"}', '{"schema": 1, "schema": 1}', "\0"]
)
def test_what_is_no_snapshot(run_ferry, runtime_dir, content):
    path = runtime_dir / "none.json"
    path.write_text(content)
    refused(run_ferry, path, "is no ")


def test_a_file_that_is_not_there(run_ferry, runtime_dir):
    refused(run_ferry, runtime_dir / "missing", "No such file or directory")


def test_hostile_words_of_a_snapshot_do_not_move_the_terminal(run_ferry, snapshot):
    path = snapshot("-x")
    document = json.loads(path.read_text())
    words = "\x1b[2J\n"
    owner = {"pid": 7, "command": words, "fd": 0, "ends": "rw"}
    row = {"kind": "u_str", "state": "ESTAB", "inode": 1, "ends": "rw", "owners": [owner]}
    document["endpoints"] = [{**row, "local": words, "peer": {**row, "inode": 2, "local": words}}]
    path.write_text(json.dumps(document))
    for options in ([], ["--graph"], ["--graph=dot"], ["--graph=json"], ["--json"]):
        done = run_ferry("ls", "-x", *options, f"--since={path}")
        assert done.returncode == 0, done.stderr
        assert "\x1b" not in done.stdout
        assert "x1b[2J" in done.stdout or "u001b" in done.stdout.lower()
    for place in ("kind", "state", "ends", "local", "owners"):
        wrong = {**document["endpoints"][0], place: words if place != "local" else 7}
        path.write_text(json.dumps({**document, "endpoints": [wrong]}))
        refused(run_ferry, path, "is no snapshot")


def test_a_snapshot_that_is_too_long(ferry):
    """More than can be one: read no further."""
    read, write = os.pipe()

    def feed():
        try:
            for _ in range(256):
                os.write(write, b" " * (1 << 20))
        except BrokenPipeError:
            pass
        finally:
            os.close(write)

    thread = threading.Thread(target=feed)
    thread.start()
    done = subprocess.run(
        [ferry, "ls", "--since=/dev/stdin"], stdin=read, capture_output=True, text=True, timeout=60
    )
    os.close(read)
    thread.join(10)
    assert done.returncode == 1
    assert "/dev/stdin: is longer than 134217728 bytes" in done.stderr
