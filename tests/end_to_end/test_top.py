"""ferry top: what it says is held against what the test itself has opened, sent and closed.

Rates are figures of a span that top names beside them, so that rate times span is a count of bytes
or connections: that is what is compared, never how fast it was."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import time

import pytest

from support import wait_until


def inode(sock):
    return os.fstat(sock.fileno()).st_ino


def looks(done):
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def row_of(look, sock):
    found = [row for row in look["rows"] if row["inode"] == inode(sock)]
    assert len(found) == 1, found
    return found[0]


def listener(path, backlog, kind=socket.SOCK_STREAM):
    sock = socket.socket(socket.AF_UNIX, kind)
    sock.bind(str(path))
    sock.listen(backlog)
    return sock


def dial(path):
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(str(path))
    return sock


class Looking:
    """A top that runs; look(n) waits for the n-th and returns it."""

    def __init__(self, start_ferry, count, *words):
        self.process = start_ferry("top", "--json", "-d", "2s", "-n", count, *words)

    def look(self, number):
        def there():
            lines = self.process.stdout().split(b"\n")
            return lines[number - 1] if len(lines) > number else None

        return json.loads(wait_until(there, 20, f"look {number}"))

    def end(self):
        assert self.process.wait(20) == 0, self.process.stderr()


@pytest.fixture
def looking(start_ferry):
    return lambda count, *words: Looking(start_ferry, count, *words)


def seconds(look):
    return look["elapsed_ms"] / 1000


def is_count(rate, span, count):
    """The span is told in whole milliseconds."""
    return abs(rate * span - count) <= abs(count) * 0.002 + 0.01


# --- rows ------------------------------------------------------------------------------------------


def test_who_waits_in_a_backlog(run_ferry, runtime_dir):
    with listener(runtime_dir / "full.sock", 4) as server:
        clients = [dial(runtime_dir / "full.sock") for _ in range(3)]
        (look,) = looks(run_ferry("top", "--json", "-n", "1", "-x"))
        row = row_of(look, server)
        assert (row["state"], row["waiting"], row["backlog"]) == ("LISTEN", 3, 4)
        assert row["fill_percent"] == 60  # there is room for one more than the backlog
        assert look["waiting"] >= 3 and look["fullest_backlog"]["waiting"] >= 1
        assert sorted(row["clients"]) == sorted(inode(client) for client in clients)
        for client in clients:
            waits = row_of(look, client)
            assert (waits["state"], waits["listener"]) == ("WAITING", inode(server))
        assert look["counts"]["u_str"]["WAITING"] >= 3
        for client in clients:
            client.close()


def test_a_connection_is_one_row_its_servers(run_ferry, runtime_dir):
    with listener(runtime_dir / "app.sock", 4) as server:
        client = dial(runtime_dir / "app.sock")
        accepted, _ = server.accept()
        (look,) = looks(run_ferry("top", "--json", "-n", "1", "-x"))
        row = row_of(look, accepted)
        assert row["local"] == str(runtime_dir / "app.sock")
        assert row["peer"]["inode"] == inode(client)
        assert row["peer"]["owners"][0]["pid"] == os.getpid()
        assert inode(client) not in [row["inode"] for row in look["rows"]]
        client.close()
        accepted.close()


def test_one_of_a_socketpair_only(run_ferry):
    one, other = socket.socketpair()
    (look,) = looks(run_ferry("top", "--json", "-n", "1", "-x"))
    inodes = [row["inode"] for row in look["rows"]]
    assert (inode(one) in inodes) != (inode(other) in inodes)
    one.close()
    other.close()


def test_a_full_buffer_is_full_whichever_end_the_row_is(run_ferry):
    for sender in (0, 1):
        pair = socket.socketpair()
        pair[sender].setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                pair[sender].send(b"x" * 4096)
        (look,) = looks(run_ferry("top", "--json", "-n", "1", "-x"))
        inodes = [inode(pair[0]), inode(pair[1])]
        (row,) = [row for row in look["rows"] if row["inode"] in inodes]
        assert row["fill_percent"] >= 90
        # It stands first: fill is what rows are sorted by.
        fills = [row.get("fill_percent", -1) for row in look["rows"]]
        assert fills == sorted(fills, reverse=True)
        pair[0].close()
        pair[1].close()


def test_kinds(run_ferry, runtime_dir):
    with listener(runtime_dir / "a.sock", 1), socket.socket(type=socket.SOCK_DGRAM) as datagram:
        datagram.bind(("127.0.0.1", 0))
        (unix,) = looks(run_ferry("top", "--json", "-n", "1", "-x"))
        (udp,) = looks(run_ferry("top", "--json", "-n", "1", "-u"))
        assert {row["kind"] for row in unix["rows"]} <= {"u_str", "u_dgr", "u_seq"}
        assert {row["kind"] for row in udp["rows"]} == {"udp"}
        row_of(udp, datagram)
        assert udp["sockets"] == sum(udp["counts"]["udp"].values()) >= len(udp["rows"])


def test_sums_of_processes(run_ferry, start, runtime_dir):
    fixture = start(
        "/usr/bin/python3",
        "-c",
        """import socket, sys
server = socket.socket(socket.AF_UNIX); server.bind("many.sock"); server.listen(7)
clients = [socket.socket(socket.AF_UNIX) for _ in range(5)]
for client in clients: client.connect("many.sock")
accepted = [server.accept()[0] for _ in range(3)]
clients[0].send(b"abc")
again = [client.dup() for client in clients]
print("ready", flush=True)
sys.stdin.read()""",
        stdin=subprocess.PIPE,
    )
    fixture.wait_for("ready")
    (look,) = looks(run_ferry("top", "--json", "-n", "1", "-p", "-x"))
    (row,) = [row for row in look["processes"] if row["pid"] == fixture.pid]
    # A descriptor's copy is the same socket.
    assert (row["sockets"], row["listeners"], row["waiting"]) == (9, 1, 2)
    assert row["receive_queue"] == 3
    assert row["command"] == "python3"


# --- over time -------------------------------------------------------------------------------------


def test_rates_of_tcp_are_the_bytes_that_passed(looking):
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        accepted, _ = server.accept()
        top = looking(2, "-t")
        first = row_of(top.look(1), accepted)
        assert not {"in_per_s", "out_per_s"} & first.keys()
        client.sendall(b"i" * 123456)
        left = 123456
        while left:
            left -= len(accepted.recv(left))
        accepted.sendall(b"o" * 654)
        assert len(client.recv(654, socket.MSG_WAITALL)) == 654
        second = top.look(2)
        row = row_of(second, accepted)
        assert is_count(row["in_per_s"], seconds(second), 123456)
        assert is_count(row["out_per_s"], seconds(second), 654)
        assert second["tcp_in_per_s"] >= row["in_per_s"]
        top.end()
        client.close()
        accepted.close()


def test_unix_sockets_have_no_rates(looking):
    one, other = socket.socketpair()
    top = looking(2, "-x")
    top.look(1)
    one.send(b"x" * 1000)
    second = top.look(2)
    (row,) = [row for row in second["rows"] if row["inode"] in (inode(one), inode(other))]
    assert not {"in_per_s", "out_per_s"} & row.keys()
    assert not [row for row in second["rows"] if "in_per_s" in row]
    top.end()
    one.close()
    other.close()


@pytest.mark.parametrize("kind", ["unix", "tcp", "tcp6"])
def test_connections_made_and_closed(looking, runtime_dir, kind):
    if kind == "unix":
        server = listener(runtime_dir / "churn.sock", 8)
        name, family = str(runtime_dir / "churn.sock"), socket.AF_UNIX
    else:
        # Any address: its connections have others than it has.
        host = {"tcp": "", "tcp6": "::"}[kind]
        family = {"tcp": socket.AF_INET, "tcp6": socket.AF_INET6}[kind]
        server = socket.create_server((host, 0), family=family)
        name = ({"tcp": "127.0.0.1", "tcp6": "::1"}[kind], server.getsockname()[1])

    def connect():
        client = socket.socket(family)
        client.connect(name)
        return client, server.accept()[0]

    pairs = [connect() for _ in range(3)]
    top = looking(2)
    assert not {"made_per_s", "closed_per_s"} & row_of(top.look(1), server).keys()
    for pair in pairs[:2]:
        pair[0].close()
        pair[1].close()
    pairs += [connect() for _ in range(5)]
    second = top.look(2)
    row = row_of(second, server)
    assert is_count(row["made_per_s"], seconds(second), 5)
    assert is_count(row["closed_per_s"], seconds(second), 2)
    top.end()
    for client, accepted in pairs:
        client.close()
        accepted.close()
    server.close()


def test_two_listeners_at_one_address_are_not_guessed_apart(looking):
    with socket.socket() as one, socket.socket() as other:
        for sock in (one, other):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            sock.bind(("127.0.0.1", one.getsockname()[1] if sock is other else 0))
            sock.listen()
        top = looking(2, "-t")
        top.look(1)
        second = top.look(2)
        for sock in (one, other):
            assert not {"made_per_s", "closed_per_s"} & row_of(second, sock).keys()
        top.end()


def test_ages(looking):
    one, other = socket.socketpair()
    top = looking(2, "-x")
    top.look(1)
    new, peer = socket.socketpair()
    second = top.look(2)

    def row(pair):
        return next(row for row in second["rows"] if row["inode"] in map(inode, pair))

    assert row((one, other))["older"] is True
    assert row((one, other))["age_ms"] == second["elapsed_ms"]
    assert (row((new, peer))["older"], row((new, peer))["age_ms"]) == (False, 0)
    top.end()
    for sock in (one, other, new, peer):
        sock.close()


# --- what running ferries carry --------------------------------------------------------------------


@pytest.fixture
def carried(start_ferry, runtime_dir):
    """A ferry that carries one connection: (process, client, target)."""
    target = listener(runtime_dir / "target.sock", 4)
    (runtime_dir / "ferry.conf").write_text(
        "[route carried]\nlisten = unix:carry.sock\nto = unix:target.sock\n"
        "[route orders]\nlisten = unix:control.sock\nto = control\n"
    )
    process = start_ferry("up", "-c", runtime_dir / "ferry.conf")
    process.wait_for("started  orders")
    client = dial(runtime_dir / "carry.sock")
    far, _ = target.accept()
    yield process, client, far
    for sock in (client, far, target):
        sock.close()


def ferry_of(look, process):
    (ferry,) = [ferry for ferry in look["ferries"] if ferry["pid"] == process.pid]
    return ferry


def route_of(look, process, name):
    (route,) = [route for route in ferry_of(look, process)["routes"] if route["name"] == name]
    return route


def test_true_rates_where_ferry_carries(looking, carried):
    process, client, far = carried
    top = looking(3, "-x")
    first = route_of(top.look(1), process, "carried")
    assert "in_per_s" not in first and "in_per_s" not in first["connections"][0]
    client.sendall(b"x" * 50000)
    assert len(far.recv(50000, socket.MSG_WAITALL)) == 50000
    far.sendall(b"y" * 777)
    assert len(client.recv(777, socket.MSG_WAITALL)) == 777
    second = top.look(2)
    span = ferry_of(second, process)["elapsed_ms"] / 1000
    route = route_of(second, process, "carried")
    (connection,) = route["connections"]
    for flow in (route, connection):
        assert (flow["bytes_in"], flow["bytes_out"]) == (50000, 777)
        assert is_count(flow["in_per_s"], span, 50000)
        assert is_count(flow["out_per_s"], span, 777)
    assert connection["peer"]["pid"] == os.getpid()
    # One conversation for all looks: each is an event in its log. (Others may look too.)
    ours = f"orders: pid {top.process.pid} "
    orders = route_of(top.look(3), process, "orders")["connections"]
    assert [end["peer"]["pid"] for end in orders].count(top.process.pid) == 1
    top.end()
    wait_until(lambda: f"closed   {ours}" in process.stderr())
    assert process.stderr().count(ours) == 1


def test_a_ferry_that_is_stopped_does_not_stop_the_looks(looking, carried):
    process, _, _ = carried
    top = looking(2, "-x")
    assert ferry_of(top.look(1), process)["routes"]
    process.send(signal.SIGSTOP)
    ferry = ferry_of(top.look(2), process)
    process.send(signal.SIGCONT)
    assert ferry["failure"] and not ferry["routes"]
    top.end()


def test_ferries_that_are_stopped_silence_no_other(looking, start_ferry, runtime_dir):
    """Each look asks all side by side: they share one span to answer in."""
    ferries = []
    for name in ("one", "two", "three"):
        (runtime_dir / name).mkdir()
        (runtime_dir / name / "ferry.conf").write_text(
            "[route orders]\nlisten = unix:control.sock\nto = control\n"
        )
        ferries.append(start_ferry("up", "-c", runtime_dir / name / "ferry.conf"))
        ferries[-1].wait_for("started  orders")
    try:
        for stopped in (ferries[0], ferries[2]):
            stopped.send(signal.SIGSTOP)
        top = looking(1, "-x")
        look = top.look(1)
        assert ferry_of(look, ferries[0])["failure"] and ferry_of(look, ferries[2])["failure"]
        assert not ferry_of(look, ferries[1]).get("failure") and ferry_of(look, ferries[1])["routes"]
        top.end()
    finally:
        for stopped in (ferries[0], ferries[2]):
            stopped.send(signal.SIGCONT)


def test_what_a_false_ferry_answers_is_only_shown(run_ferry, start, runtime_dir):
    """Anybody may call his process ferry."""
    false = start(
        "/usr/bin/python3",
        "-c",
        """import ctypes, json, socket
ctypes.CDLL(None).prctl(15, b"ferry")
import os
server = socket.socket(socket.AF_UNIX); server.bind(os.getcwd() + "/control.sock"); server.listen(8)
print("ready", flush=True)
answers = [{"ok": True, "routes": [{"name": "\\x1b[31mred", "bytes_in": -5, "connections": 7},
    {"name": 5}, None, 3, {"connections": [None, 1, {"peer": [], "started_ns": "x"}]}]},
    {"ok": True, "routes": 5}, {"ok": True}]
while True:
    client, _ = server.accept()
    for answer in answers:
        client.recv(100)
        client.send(json.dumps(answer).encode() + b"\\n")
    client.close()""",
    )
    false.wait_for("ready")
    done = run_ferry("top", "-b", "-x", "-n", "4", "-d", "300ms", text=False)
    assert done.returncode == 0, done.stderr
    assert b"\\x1b[31mred" in done.stdout and b"\x1b" not in done.stdout


def test_a_false_ferry_leads_to_nobody_else(run_ferry, start, runtime_dir):
    """Who puts a link in his socket's place makes nobody dial another's."""
    with listener(runtime_dir / "other.sock", 8) as other:
        false = start(
            "/usr/bin/python3",
            "-c",
            """import ctypes, os, signal, socket
ctypes.CDLL(None).prctl(15, b"ferry")
path = os.getcwd() + "/control.sock"
server = socket.socket(socket.AF_UNIX); server.bind(path); server.listen(8)
os.unlink(path); os.symlink("other.sock", path)
print("ready", flush=True)
signal.pause()""",
        )
        false.wait_for("ready")
        done = run_ferry("top", "-b", "-x", "-n", "2", "-d", "300ms", "--json")
        (ferry,) = [end for end in looks(done)[-1]["ferries"] if end["pid"] == false.pid]
        assert ferry["failure"] and not ferry["routes"]
        other.setblocking(False)
        with pytest.raises(BlockingIOError):
            other.accept()


@pytest.mark.skipif(os.geteuid() != 0, reason="makes itself another user, as root only")
def test_a_stranger_is_not_listened_to_for_long(run_ferry, start, runtime_dir):
    """Whoever calls himself ferry is asked; his reply is bounded."""
    runtime_dir.chmod(0o755)
    stranger = start(
        "/usr/bin/python3",
        "-c",
        """import ctypes, os, socket
server = socket.socket(socket.AF_UNIX)
server.bind(os.getcwd() + "/control.sock")
os.setuid(65534)
server.listen(8)
ctypes.CDLL(None).prctl(15, b"ferry")
print("ready", flush=True)
while True:
    client = server.accept()[0]
    try:
        client.recv(100)
        client.sendall(b'{"ok":true,"routes":[' + b"[]," * 200_000 + b"[]]}\\n")
    except OSError: pass
    client.close()""",
    )
    stranger.wait_for("ready")
    done = run_ferry("top", "-b", "-x", "-n", "2", "-d", "300ms", "--json")
    (ferry,) = [end for end in looks(done)[-1]["ferries"] if end["pid"] == stranger.pid]
    assert "too long" in ferry["failure"] and not ferry["routes"]


def test_who_does_not_answer_is_named_by_the_socket(run_ferry, start, runtime_dir):
    """One process may have several."""
    mute = start(
        "/usr/bin/python3",
        "-c",
        """import ctypes, os, socket
ctypes.CDLL(None).prctl(15, b"ferry")
servers = []
for name in "ab":
    os.mkdir(name)
    servers.append(socket.socket(socket.AF_UNIX))
    servers[-1].bind(f"{os.getcwd()}/{name}/control.sock")
    servers[-1].listen(8)
print("ready", flush=True)
while True:
    for server in servers: server.accept()[0].close()""",
    )
    mute.wait_for("ready")
    done = run_ferry("top", "-b", "-x", "-n", "3", "-d", "300ms")
    for name in "ab":
        path = re.escape(str(runtime_dir / name / "control.sock"))
        assert re.search(rf"^ferry {mute.pid} at {path} tells nothing: ", done.stdout, re.M)


# --- text ------------------------------------------------------------------------------------------


def test_text_in_a_pipe_is_whole_and_harmless(run_ferry, runtime_dir):
    long = str(runtime_dir / ("l" * (100 - len(str(runtime_dir)))))
    hostile = "\0ferry-top\x1b[31m\n\u202e-%d" % os.getpid()
    with listener(long, 3), listener(hostile, 2):
        done = run_ferry("top", "-x", "-n", "1", env={"COLUMNS": "20"})
    assert done.returncode == 0
    assert re.search(rf"^u_str +LISTEN .* {re.escape(long)} +- +\S+\[{os.getpid()}\] ", done.stdout, re.M)
    assert "\x1b" not in done.stdout
    assert "@ferry-top\\x1b[31m\\x0a" in done.stdout
    assert "no rates" in done.stdout.splitlines()[-1]


def rows_of(text):
    lines = text.splitlines()
    begin = next(i for i, line in enumerate(lines) if line.startswith("KIND"))
    return [line for line in lines[begin + 1 :] if re.match(r"(u_|tcp|udp|raw)", line)]


def test_filter_sort_and_rows(run_ferry, runtime_dir):
    servers = [listener(runtime_dir / f"s{i}.sock", 10 + i) for i in range(4)]
    name = runtime_dir.name.upper()
    words = ("top", "-x", "-b", "-n", "1", f"--filter={name}")

    def order(*more):
        done = run_ferry(*words, *more)
        assert done.returncode == 0, done.stderr
        return [re.search(r"s(\d)\.sock", line)[1] for line in rows_of(done.stdout)]

    assert sorted(order()) == ["0", "1", "2", "3"]
    assert order("--sort=send-q") == ["3", "2", "1", "0"]
    assert order("--sort=send-q", "-r") == ["0", "1", "2", "3"]
    assert order("--sort=local") == ["0", "1", "2", "3"]
    assert order("--sort=send-q", "--rows=2") == ["3", "2"]
    waits = dial(runtime_dir / "s2.sock")
    # The client that waits shows where it leads.
    assert order("--sort=waiting")[0] == "2"
    assert order("--filter=no such line") == []
    waits.close()
    for server in servers:
        server.close()


@pytest.mark.parametrize(
    "words",
    [
        ["-d", "99ms"],
        ["-d", "soon"],
        ["-n", "0"],
        ["-n", "-1"],
        ["--sort=colour"],
        ["-p", "--sort=local"],
        ["--sort=listen"],
        ["--rows=x"],
        ["--filter=" + "x" * 64],
        ["argument"],
    ],
)
def test_usage(run_ferry, words):
    done = run_ferry("top", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr


def test_help_teaches(run_ferry):
    done = run_ferry("help", "top")
    assert done.returncode == 0
    assert "  ferry top" in done.stdout.split("EXAMPLES")[1]


@pytest.mark.skipif(os.geteuid() != 0, reason="makes a network namespace, as root only")
def test_a_namespace_is_there_while_anybody_is_in_it(looking, start):
    """Its first process has ended, and waits for its parent: the second is the way in."""
    words = ["unshare", "--net", "sh", "-c", "echo; read x"]
    first = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    first.stdout.readline()
    code = (
        "import os, socket, time; s = socket.socket(socket.AF_UNIX); s.bind(''); s.listen();"
        "print(os.fstat(s.fileno()).st_ino, flush=True); time.sleep(60)"
    )
    second = start("nsenter", f"--net=/proc/{first.pid}/ns/net", sys.executable, "-c", code)
    wait_until(second.stdout)
    number = int(second.stdout())
    process = looking(4, "-x")
    assert [row for row in process.look(1)["rows"] if row["inode"] == number]
    first.kill()
    os.waitid(os.P_PID, first.pid, os.WEXITED | os.WNOWAIT)
    for look in 2, 3:
        assert [row for row in process.look(look)["rows"] if row["inode"] == number]
    first.communicate()


@pytest.mark.plain_build  # a sanitizer's leak check and strace do not go together
@pytest.mark.skipif(os.geteuid() != 0, reason="makes namespaces, as root only")
def test_what_seldom_changes_is_asked_for_in_turns(ferry, runtime_dir):
    """Of 17 looks where nothing happens but top: peers and memory are asked for at the first
    and every eighth; so are the descriptors of a process that stays, at the first and in its turn."""
    trace = runtime_dir / "trace"
    script = (
        "import socket, subprocess, sys\n"
        "subprocess.run(['mount', '-t', 'tmpfs', 'none', '/run'], check=True)\n"  # no `ip netns`
        "held = socket.socketpair()\n"
        "sys.exit(subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode)\n"
    )
    subprocess.run(
        ["unshare", "--net", "--pid", "--fork", "--mount-proc", sys.executable, "-c", script]
        + ["strace", "-qq", "-o", trace, "-x", "-e", "trace=sendto,newfstatat"]
        + [ferry, "top", "-b", "-x", "-n17", "-d100ms"],
        check=True,
        timeout=30,
    )
    text = trace.read_text()
    # struct unix_diag_req: family, protocol, states, inode, what to show
    asked = re.findall(r'"\\x01\\x00\\x00\\x00\\xff\\xff\\xff\\xff(?:\\x00){4}\\x(..)', text)
    shown = [int(show, 16) for show in asked]
    peer_and_memory = 0x04 | 0x20
    assert [show & peer_and_memory for show in shown].count(peer_and_memory) == 3
    assert [show & peer_and_memory for show in shown].count(0) == 14
    assert 3 <= text.count('"1/fd"') <= 4  # pid 1, at looks 1 and 9, besides the first


def test_an_interrupt_ends_it(start_ferry):
    process = start_ferry("top", "-b", "-x")
    process.wait_for("u_str")
    assert process.stop(signal.SIGINT) == 0


# --- a terminal ------------------------------------------------------------------------------------


class Terminal:
    """A pseudo-terminal with ferry top in it."""

    def __init__(self, ferry, *words, term="xterm", size=(24, 80), hangup=signal.SIG_DFL):
        self.master, self.slave = pty.openpty()
        self.resize(*size)
        self.before = termios.tcgetattr(self.slave)
        self.said = self.seen = b""  # all; what was not waited for yet

        def begin():
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
            signal.signal(signal.SIGHUP, hangup)

        self.process = subprocess.Popen(
            [str(ferry), "top", *words],
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            start_new_session=True,
            preexec_fn=begin,
            env={**os.environ, "TERM": term, "LC_ALL": "C.UTF-8"},
        )

    def resize(self, lines, columns):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def type(self, text):
        os.write(self.master, text.encode())

    def wait_for(self, text, seconds=20):
        """Waits for a text behind those that were waited for before."""
        deadline = time.monotonic() + seconds
        while text.encode() not in self.seen:
            left = max(deadline - time.monotonic(), 0)
            ready, _, _ = select.select([self.master], [], [], left)
            assert ready, f"no {text!r} within {seconds} s in {self.seen!r}"
            piece = os.read(self.master, 65536)
            self.said += piece
            self.seen += piece
        self.seen = self.seen.partition(text.encode())[2]

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def terminal(ferry):
    opened = []

    def run(*words, **options):
        opened.append(Terminal(ferry, *words, **options))
        return opened[-1]

    yield run
    for one in opened:
        one.close()


@pytest.fixture
def screen_is_built(ferry):
    if b"libncursesw.so" not in ferry.read_bytes():
        pytest.skip("built without ncurses (libncurses-dev)")


def test_the_screen_takes_the_terminal_and_gives_it_back(terminal, screen_is_built):
    screen = terminal("-x")
    screen.wait_for("ferry top")
    screen.wait_for("h help")
    screen.type("h")
    screen.wait_for("sort by the next column")
    screen.type("hq")
    assert screen.process.wait(20) == 0
    assert termios.tcgetattr(screen.slave) == screen.before
    screen.wait_for("\x1b[?1049l")  # rmcup: what was on the terminal is there again


def test_a_signal_gives_the_terminal_back_too(terminal, screen_is_built):
    screen = terminal("-x")
    screen.wait_for("ferry top")
    screen.process.terminate()
    assert screen.process.wait(20) == 0
    assert termios.tcgetattr(screen.slave) == screen.before


def test_a_terminal_whose_cursor_stays_gets_text(terminal):
    screen = terminal("-x", "-n", "1", term="dumb")
    screen.wait_for("as text (--batch)")
    screen.wait_for("KIND")
    screen.wait_for("no rates")
    assert screen.process.wait(20) == 0
    assert b"\x1b" not in screen.said


def test_a_terminal_that_goes_away_ends_it(terminal, screen_is_built):
    screen = terminal("-x", hangup=signal.SIG_IGN)
    screen.wait_for("ferry top")
    os.close(screen.master)
    screen.master = os.open("/dev/null", os.O_RDONLY)
    screen.process.wait(20)
