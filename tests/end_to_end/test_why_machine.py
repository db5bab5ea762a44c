"""`ferry why` without an argument: what on this machine will bite.

Every test has a machine of its own (network, IPC, mount and process namespaces with fresh /run, /tmp
and /dev/shm), so that what is found is what the test has made, and nothing else.
"""

import json
import os
import re
import subprocess
import textwrap
from pathlib import Path

import pytest

from support import assert_no_report, wait_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes namespaces, as root only")

PYTHON = "/usr/bin/python3"
SETUP = """
set -e
mount --bind "$0" /mnt # wherever that is, a folder below may hide it
for folder in /run /tmp /var/tmp /var/lib /dev; do mount -t tmpfs -o mode=1777 tmpfs $folder; done
chmod 755 /run /var/lib /dev
mkdir /dev/shm
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mknod -m 666 /dev/null c 1 3; mknod -m 666 /dev/urandom c 1 9; mknod /dev/fuse c 10 229
ip link set lo up
echo ready
exec cat
"""


class Machine:
    """A machine made of namespaces; what is started in it ends with it."""

    def __init__(self, start, ferry, tmp_path):
        self.start, self.ferry = start, f"/mnt/{ferry.name}"
        # The test's own folder is hidden inside; what a test says there is read from outside.
        self.outer = start(
            "unshare", "--net", "--ipc", "--mount", "--pid", "--fork", "--kill-child",
            "--mount-proc", "sh", "-c", SETUP, ferry.parent, stdin=subprocess.PIPE, cwd="/",
        )  # fmt: skip
        self.outer.wait_for("ready")
        children = Path(f"/proc/{self.outer.pid}/task/{self.outer.pid}/children")
        self.pid = int(children.read_text().split()[0])

    def enter(self, *command, uid=0):
        user = ["setpriv", f"--reuid={uid}", "--clear-groups"] if uid else []
        spaces = ["nsenter", f"--target={self.pid}", "--net", "--ipc", "--mount", "--pid", "--wd=/"]
        return [*spaces, *user, *command]

    def python(self, code, uid=0):
        """Runs code that ends by itself."""
        done = subprocess.run(
            self.enter(PYTHON, "-c", textwrap.dedent(code), uid=uid),
            capture_output=True, text=True, timeout=30,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def serve(self, code, uid=0):
        """Runs code, says when it is done, and keeps what it has until the end of the test."""
        code = "import os, signal, socket\n" + textwrap.dedent(code)
        code += "\nprint('pid', os.getpid(), flush=True)\n"
        code += "signal.pause()\n"
        process = self.start(*self.enter(PYTHON, "-c", code, uid=uid), cwd="/")
        process.wait_for("pid ")
        process.inner = int(wait_until(lambda: re.search(rb"pid (\d+)\n", process.stdout()))[1])
        return process

    def run(self, *words, uid=0):
        done = subprocess.run(
            self.enter(self.ferry, "why", *words, uid=uid), capture_output=True, text=True, timeout=60
        )
        assert_no_report(done.stderr)
        return done

    def why(self, uid=0):
        """{id: [finding]}, and the exit status is the one that they ask for."""
        done = self.run("--json", uid=uid)
        assert done.stdout, done.stderr
        self.document = json.loads(done.stdout)
        found = {}
        for finding in self.document["findings"]:
            found.setdefault(finding["id"], []).append(finding)
        bites = any(each["severity"] != "note" for each in self.document["findings"])
        assert done.returncode == int(bites), done.stderr
        self.stderr = done.stderr
        return found

    def only(self, name, uid=0):
        """The one finding that there is, of that kind."""
        found = self.why(uid)
        assert list(found) == [name] and len(found[name]) == 1, self.document
        return found[name][0]


@pytest.fixture
def machine(start, ferry, tmp_path):
    return Machine(start, ferry, tmp_path)


def mend(machine, finding):
    """The command that is said to mend it does."""
    done = subprocess.run(
        machine.enter("bash", "-c", finding["remedy"]), capture_output=True, text=True, timeout=20
    )
    assert done.returncode == 0, (finding["remedy"], done.stderr)


# --- nothing --------------------------------------------------------------------------------------


def test_nothing_is_found_on_a_machine_with_nothing(machine):
    done = machine.run()
    assert done.returncode == 0
    assert done.stdout.startswith("nothing found that will bite, among 0 endpoints")
    assert done.stderr == ""


def test_healthy_daemons_are_no_finding(machine):
    """Thirty that listen, accept, hold connections, queues, memory and FIFOs."""
    machine.serve(
        """
        import ctypes
        libc = ctypes.CDLL(None)
        libc.mmap.restype = ctypes.c_void_p
        libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
        os.makedirs('/run/healthy')
        for i in range(30):
            if os.fork() == 0:
                server = socket.socket(socket.AF_UNIX); server.bind(f'/run/healthy/{i}.sock')
                server.listen(8)
                client = socket.socket(socket.AF_UNIX); client.connect(f'/run/healthy/{i}.sock')
                accepted = server.accept()[0]
                client.send(b'x' * 100)
                waiting = socket.socket(socket.AF_UNIX); waiting.connect(f'/run/healthy/{i}.sock')
                datagrams = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                datagrams.bind(f'/run/healthy/{i}.dgram')
                abstract = socket.socket(socket.AF_UNIX); abstract.bind(f'\\0healthy{i}')
                abstract.listen()
                tcp = socket.create_server(('127.0.0.1', 3000 + i))
                connection = socket.create_connection(('127.0.0.1', 3000 + i))
                served = tcp.accept()[0]
                udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); udp.bind(('', 3000 + i))
                shared = os.open(f'/dev/shm/{i}', os.O_RDWR | os.O_CREAT); os.ftruncate(shared, 8192)
                if i % 2:   # the mapping is all that holds it
                    assert libc.mmap(None, 8192, 3, 1, shared, 0) != 2**64 - 1; os.close(shared)
                if i < 4:
                    queue = libc.mq_open(f'/healthy{i}'.encode(), os.O_RDWR | os.O_CREAT, 0o600, None)
                    assert queue >= 0 and libc.mq_send(queue, b'x', 1, 0) == 0
                os.mkfifo(f'/run/healthy/{i}.fifo')
                fifo = os.open(f'/run/healthy/{i}.fifo', os.O_RDWR)
                signal.pause()
        import time
        while len(os.listdir('/run/healthy')) < 90 or len(os.listdir('/dev/shm')) < 30:
            time.sleep(0.01)
        """
    )
    done = machine.run()
    assert done.stdout.startswith("nothing found that will bite, among "), done.stdout
    assert done.returncode == 0
    assert int(re.search(r"of (\d+) processes", done.stdout)[1]) == 30


# --- socket files ---------------------------------------------------------------------------------


def test_a_socket_file_of_nobody_is_stale_and_rm_mends_it(machine):
    machine.python(
        """
        import os, socket
        os.makedirs('/run/a/b')
        socket.socket(socket.AF_UNIX).bind('/run/a/b/app.sock')
        os.utime('/run/a/b/app.sock', (0, 86400 * 365))
        os.chown('/run/a/b/app.sock', 4711, 0)
        """
    )
    finding = machine.only("stale-socket")
    assert finding["path"] == "/run/a/b/app.sock"
    assert finding["severity"] == "risk"
    assert finding["uid"] == 4711 and finding["sure"] is True
    assert finding["age_ms"] > 86400 * 1000
    mend(machine, finding)
    assert machine.why() == {}


def test_a_socket_of_the_same_inode_elsewhere_is_no_excuse(machine):
    """Fresh file systems number their files alike: the live one must not hide the dead one."""
    machine.serve("s = socket.socket(socket.AF_UNIX); s.bind('/run/live'); s.listen(1)")
    machine.python(
        """
        import os, socket
        wanted, number = os.stat('/run/live').st_ino, 0
        while number < wanted - 1:
            open('/var/tmp/filler', 'w').close()
            number = os.stat('/var/tmp/filler').st_ino
            os.rename('/var/tmp/filler', f'/var/tmp/{number}')
        socket.socket(socket.AF_UNIX).bind('/var/tmp/dead')
        assert os.stat('/var/tmp/dead').st_ino == wanted
        """
    )
    assert machine.only("stale-socket")["path"] == "/var/tmp/dead"


def test_a_socket_that_another_network_holds_is_not_stale(machine):
    """Its namespace lives by a descriptor only: no process is in it, so that the table lacks it."""
    machine.serve(
        """
        import ctypes
        libc = ctypes.CDLL(None)
        before = os.open('/proc/self/ns/net', os.O_RDONLY)
        assert libc.unshare(0x40000000) == 0
        kept = [socket.socket(socket.AF_UNIX, kind) for kind in (
            socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET)]
        for each in kept: each.bind(f'/run/{each.type}')
        assert libc.setns(before, 0) == 0
        """
    )
    assert machine.why() == {}


def test_names_are_hostile_and_the_remedy_is_quoted(machine):
    machine.python(
        r"""
        import os, socket
        os.mkdir("/tmp/a b")
        for name in ("/tmp/a b/it's", "/tmp/new\nline;touch x", "/tmp/$(touch y)", "/tmp/\x1b[31m"):
            socket.socket(socket.AF_UNIX).bind(name)
        """
    )
    done = machine.run()
    assert done.returncode == 1
    assert "\x1b" not in done.stdout and "/tmp/new\\x0aline" in done.stdout
    assert len(done.stdout.splitlines()) == 4 * 3
    found = machine.why()
    assert len(found["stale-socket"]) == 4
    for finding in found["stale-socket"]:
        mend(machine, finding)
    assert machine.why() == {}
    assert machine.python("import os; print(os.path.exists('/x') or os.path.exists('/y'))") == "False\n"


def test_of_one_kind_the_worst_are_shown_and_the_rest_counted(machine):
    machine.python(
        """
        import os, socket
        for i in range(20):
            socket.socket(socket.AF_UNIX).bind(f'/run/{i}')
            os.utime(f'/run/{i}', (0, 1000000 + i))
        """
    )
    done = machine.run()
    assert done.stdout.count("stale: ") == 8
    assert "and 12 more of this kind (stale-socket)" in done.stdout
    found = machine.why()["stale-socket"]
    assert [each["path"] for each in found] == [f"/run/{i}" for i in range(8)]
    assert machine.document["more"] == [{"id": "stale-socket", "severity": "risk", "count": 12}]


def test_links_are_not_followed_and_fifos_not_opened(machine):
    machine.python(
        """
        import os
        os.mkfifo("/tmp/fifo")
        os.symlink("/", "/tmp/root")
        os.symlink("/tmp", "/tmp/loop")
        """
    )
    assert machine.why() == {}


# --- listeners ------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["missing", "replaced"])
def test_a_listener_whose_path_is_gone(machine, state):
    process = machine.serve(
        f"""
        s = socket.socket(socket.AF_UNIX); s.bind('/run/app.sock'); s.listen()
        os.unlink('/run/app.sock')
        if {state!r} == 'replaced': open('/run/app.sock', 'w')
        """
    )
    finding = machine.only("orphaned-listener")
    assert (finding["severity"], finding["state"]) == ("breaks now", state)
    assert finding["path"] == "/run/app.sock" and finding["pid"] == process.inner
    assert f"python3[{process.inner}]" in finding["headline"]


def test_a_listener_that_has_renamed_its_path_is_no_orphan(machine):
    machine.serve(
        """
        s = socket.socket(socket.AF_UNIX); s.bind('/run/app.sock.4711.tmp'); s.listen()
        os.rename('/run/app.sock.4711.tmp', '/run/app.sock')
        """
    )
    assert machine.why() == {}


@pytest.mark.parametrize(
    "into", ["libc.unshare(0x20000) or libc.mount(b'x', b'/run', b'tmpfs', 0, None)", "os.chroot('/tmp')"]
)
def test_a_listener_that_sees_its_path_from_elsewhere_is_no_orphan(machine, into):
    """In another mount namespace, as in a container; and in another root."""
    machine.serve(
        f"""
        import ctypes
        libc = ctypes.CDLL(None)
        os.mkdir('/tmp/run')
        assert not ({into})
        s = socket.socket(socket.AF_UNIX); s.bind('/run/app.sock'); s.listen()
        """
    )
    assert machine.python("import os; print(os.path.exists('/run/app.sock'))") == "False\n"
    assert machine.why() == {}


def test_a_link_of_another_root_leads_into_that_root(machine):
    """A container's /var/run is an absolute link to its own /run."""
    machine.serve(
        """
        os.makedirs('/tmp/root/run'); os.mkdir('/tmp/root/var')
        os.symlink('/run', '/tmp/root/var/run')
        os.chroot('/tmp/root')
        s = socket.socket(socket.AF_UNIX); s.bind('/var/run/app.sock'); s.listen()
        """
    )
    assert machine.why() == {}


def test_a_listener_is_where_any_of_its_owners_sees_it(machine):
    """One makes the socket, another binds it, in another root."""
    machine.serve(
        """
        os.makedirs('/tmp/root/run')
        s = socket.socket(socket.AF_UNIX)
        if os.fork() == 0:
            os.chroot('/tmp/root'); s.bind('/run/app.sock'); s.listen()
            signal.pause()
        import time
        while not os.path.exists('/tmp/root/run/app.sock'): time.sleep(0.01)
        while not s.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN): time.sleep(0.01)
        """
    )
    assert machine.why() == {}


def fill(kind, backlog, clients):
    where = "'/run/full.sock'" if kind == "AF_UNIX" else "('127.0.0.1', 7000)"
    return f"""
        s = socket.socket(socket.{kind}); s.bind({where}); s.listen({backlog})
        clients = [socket.socket(socket.{kind}) for i in range({clients})]
        for c in clients: c.connect({where})
    """


@pytest.mark.parametrize("kind", ["AF_UNIX", "AF_INET"])
def test_a_full_backlog_breaks_now(machine, kind):
    process = machine.serve(fill(kind, 4, 5))
    finding = machine.only("backlog")
    assert finding["severity"] == "breaks now"
    assert (finding["waiting"], finding["backlog"], finding["pid"]) == (5, 4, process.inner)
    assert finding["remedy"] == (
        "ferry why /run/full.sock" if kind == "AF_UNIX" else "ferry why tcp:127.0.0.1:7000"
    )


def test_a_backlog_is_nearly_full_from_four_fifths_on(machine):
    machine.serve(fill("AF_UNIX", 9, 8))
    assert machine.only("backlog")["severity"] == "will break"


def test_a_backlog_below_is_nothing(machine):
    machine.serve(fill("AF_UNIX", 9, 7))
    assert machine.why() == {}


def test_a_stopped_server_that_somebody_waits_for_breaks_now(machine):
    process = machine.serve(fill("AF_UNIX", 9, 1))

    def send(signal, state):
        """A signal is there at once, what it does is not."""
        until = f"until grep -q '^State:.{state}' /proc/{process.inner}/status; do sleep 0.01; done"
        command = machine.enter("sh", "-c", f"kill -{signal} {process.inner}; {until}")
        subprocess.run(command, check=True, timeout=20)

    send("STOP", "T")
    finding = machine.only("stopped")
    assert finding["severity"] == "breaks now"
    assert (finding["waiting"], finding["pid"]) == (1, process.inner)
    assert f"[{process.inner}] is stopped, and 1 wait" in finding["headline"]
    send("CONT", "S")
    assert machine.why() == {}


def fill_datagrams(name, messages=99):
    """Until there is no more room, or so many messages."""
    return f"""
        s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind({name!r})
        c = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); c.connect({name!r})
        c.setblocking(False)
        try:
            for i in range({messages}): c.send(b'four')
        except BlockingIOError: pass
    """


@pytest.mark.parametrize("name", ["/run/log", "\0log", "/run/" + "x" * 90 + "'s log"])
def test_a_full_datagram_queue_breaks_now(machine, name):
    process = machine.serve(fill_datagrams(name))
    finding = machine.only("datagram-queue-full")
    assert finding["severity"] == "breaks now"
    assert finding["local"] == name.replace("\0", "@") and finding["pid"] == process.inner
    assert f"its queue is full: python3[{process.inner}] does not read" in finding["headline"]
    assert f"unread messages there: python3[{process.inner}]" in "\n".join(finding["evidence"])
    answer = subprocess.run(
        machine.enter("bash", "-c", finding["remedy"].replace("ferry", machine.ferry, 1)),
        capture_output=True, text=True, timeout=20,
    )  # fmt: skip
    assert answer.returncode == 1 and "its queue is full" in answer.stdout, answer


def test_a_datagram_queue_is_full_whoever_has_sent(machine):
    """Who has not connected is no client, and hangs as well. A path of another root is one too."""
    machine.serve(
        """
        os.mkdir('/tmp/root'); os.chroot('/tmp/root')
        s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind('/log')
        c = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        c.setblocking(False)
        try:
            while True: c.sendto(b'x', '/log')
        except BlockingIOError: pass
        """
    )
    finding = machine.only("datagram-queue-full")
    assert finding["senders"] == 0 and finding["remedy"].endswith("/root/log"), finding


def test_a_datagram_queue_with_room_is_nothing(machine):
    machine.serve(fill_datagrams("/run/log", messages=3))
    # Who is connected to another takes messages from him only, and of him the room is not counted.
    machine.serve(
        """
        a, b = [socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) for i in range(2)]
        a.bind('/run/a'); b.bind('/run/b'); a.connect('/run/b'); b.connect('/run/a')
        for i in range(50): a.send(b'x')
        """
    )
    assert machine.why() == {}
    assert "datagram" not in machine.stderr


def test_a_datagram_queue_that_can_not_be_asked_is_said_so(machine):
    machine.serve(fill_datagrams("/run/log") + "    os.chmod('/run/log', 0o600)")
    assert machine.why(uid=4002) == {}
    assert "whether the queue of 1 datagram socket is full" in machine.stderr


def test_who_does_not_read_is_stuck(machine):
    machine.serve(
        """
        a, b = socket.socketpair()
        a.setblocking(False)
        try:
            while True: a.send(b'x' * 4096)
        except BlockingIOError: pass
        """
    )
    finding = machine.only("stuck")
    assert (finding["severity"], finding["count"]) == ("risk", 1)


def test_who_keeps_the_window_closed_is_stuck(machine):
    """The kernel asks for a window by its persist timer, 4 in /proc/net/tcp."""
    process = machine.serve(
        """
        import time
        server = socket.socket()
        # A size that is set does not grow: the window stays closed.
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        server.bind(('127.0.0.1', 7000)); server.listen()
        c = socket.create_connection(('127.0.0.1', 7000)); accepted = server.accept()[0]
        c.setblocking(False)
        def persists():
            lines = open('/proc/net/tcp').readlines()[1:]
            return any(line.split()[5].startswith('04:') for line in lines)
        while not persists():
            try: c.send(b'x' * 65536)
            except BlockingIOError: time.sleep(0.01)
        """
    )
    finding = machine.only("stuck")
    assert (finding["severity"], finding["count"]) == ("risk", 1)
    assert finding["evidence"][0].startswith(f"python3[{process.inner}] waits for python3[")


def test_what_is_sent_and_taken_is_not_stuck(machine):
    """Four fifths of its room are its own; below them nothing is said."""
    machine.serve("a, b = socket.socketpair(); a.send(b'x' * 65536)")
    assert machine.why() == {}


def test_connections_that_are_never_closed(machine):
    code = """
        pairs = [socket.socketpair() for i in range({0})]
        for a, b in pairs: b.close()
    """
    machine.serve(code.format(31))
    assert machine.why() == {}
    process = machine.serve(
        """
        server = socket.create_server(('127.0.0.1', 7000), backlog=64)
        kept = []
        for i in range(40):
            client = socket.create_connection(('127.0.0.1', 7000))
            kept.append(server.accept()[0]); client.close()
        """
    )
    finding = machine.only("not-closed")
    assert (finding["pid"], finding["count"]) == (process.inner, 40)


def test_connections_that_were_dropped_are_a_note(machine):
    machine.python(
        """
        import socket
        s = socket.create_server(('127.0.0.1', 7000), backlog=0)
        clients = [socket.socket() for i in range(6)]
        for c in clients: c.setblocking(False)
        for c in clients: c.connect_ex(('127.0.0.1', 7000))
        import time
        while not int(dict(zip(*[l.split() for l in open('/proc/net/netstat')][:2]))['ListenOverflows']):
            time.sleep(0.01)
        """
    )
    finding = machine.only("listen-overflows")
    assert finding["severity"] == "note" and finding["count"] >= 1


def test_datagrams_that_were_dropped_are_a_note(machine):
    machine.serve(
        """
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('127.0.0.1', 7000))
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        c = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for i in range(100): c.sendto(b'x' * 1000, ('127.0.0.1', 7000))
        """
    )
    finding = machine.only("datagrams-dropped")
    assert finding["severity"] == "note" and 0 < finding["drops"] < 100


def test_ports_that_run_out(machine):
    machine.python("open('/proc/sys/net/ipv4/ip_local_port_range', 'w').write('40000 40009')")
    machine.serve(
        """
        server = socket.create_server(('127.0.0.1', 7000), backlog=64)
        kept = []
        for i in range(9):
            kept.append(socket.create_connection(('127.0.0.1', 7000))); kept.append(server.accept()[0])
        """
    )
    finding = machine.only("ports")
    assert (finding["count"], finding["limit"], finding["time_wait"]) == (9, 10, 0)
    assert finding["remote"] == "127.0.0.1:7000" and finding["severity"] == "will break"


# --- who may --------------------------------------------------------------------------------------


def listen(path, mode, folder_mode=None):
    folder = os.path.dirname(path)
    chmod = f"os.chmod({folder!r}, {folder_mode})" if folder_mode is not None else ""
    return f"""
        os.makedirs({folder!r}, exist_ok=True); {chmod}
        s = socket.socket(socket.AF_UNIX); s.bind({path!r}); s.listen(); os.chmod({path!r}, {mode})
    """


def test_what_a_person_serves_to_all_is_a_risk(machine):
    process = machine.serve(listen("/tmp/mine/app.sock", 0o777), uid=1234)
    finding = machine.only("world-writable-socket")
    assert (finding["severity"], finding["uid"], finding["pid"]) == ("risk", 1234, process.inner)
    mend(machine, finding)
    assert machine.why() == {}


def test_what_daemons_serve_to_all_is_one_note(machine):
    machine.serve(listen("/run/one.sock", 0o666))
    machine.serve(listen("/run/two.sock", 0o777))
    finding = machine.only("world-writable-socket")
    assert (finding["severity"], finding["count"]) == ("note", 2)
    assert len(finding["evidence"]) == 2


def test_a_folder_that_lets_nobody_pass_protects(machine):
    machine.serve(listen("/tmp/mine/app.sock", 0o777, 0o700), uid=1234)
    assert machine.why() == {}


def test_a_folder_without_the_sticky_bit_lets_everybody_replace_it(machine):
    machine.serve(listen("/tmp/open/app.sock", 0o700, 0o777))
    finding = machine.only("replaceable-socket")
    assert finding["path"] == "/tmp/open/app.sock" and finding["severity"] == "risk"
    mend(machine, finding)
    assert machine.why() == {}


def test_a_folder_with_the_sticky_bit_protects(machine):
    machine.serve(listen("/tmp/open/app.sock", 0o700, 0o1777))
    assert machine.why() == {}


# --- queues ---------------------------------------------------------------------------------------

QUEUE = """
    import ctypes, os
    libc = ctypes.CDLL(None)
    def queue(name, most, count, size=8):
        attributes = (ctypes.c_long * 8)(0, most, size, 0)
        q = libc.mq_open(name, os.O_RDWR | os.O_CREAT, 0o600, attributes)
        assert q >= 0, name
        for i in range(count): assert libc.mq_send(q, b'12345', 5, 0) == 0
        return q
"""


def test_a_queue_of_nobody_is_orphaned(machine):
    machine.python(QUEUE + "    os.close(queue(b'/left', 10, 3)); os.close(queue(b'/empty', 10, 0))")
    finding = machine.only("orphaned-queue")
    assert (finding["queue"], finding["messages"], finding["bytes"]) == ("/left", 3, 15)
    mend(machine, finding)
    assert machine.why() == {}


@pytest.mark.parametrize("count, severity", [(10, "breaks now"), (8, "will break"), (7, None)])
def test_a_queue_that_is_full(machine, count, severity):
    machine.serve(QUEUE + f"    q = queue(b'/busy', 10, {count})")
    if severity is None:
        assert machine.why() == {}
        return
    finding = machine.only("queue-full")
    assert (finding["severity"], finding["messages"], finding["messages_max"]) == (severity, count, 10)


def test_queues_near_their_number(machine):
    machine.python("open('/proc/sys/fs/mqueue/queues_max', 'w').write('5')")
    machine.serve(QUEUE + "    q = [queue(b'/%d' % i, 1, 0) for i in range(4)]")
    finding = machine.only("queue-limit")
    assert (finding["severity"], finding["count"], finding["limit"]) == ("will break", 4, 5)
    mend(machine, finding)
    assert machine.why() == {}


def test_queues_near_what_a_user_may_have(machine):
    machine.serve(
        QUEUE
        + """
    import resource
    resource.setrlimit(resource.RLIMIT_MSGQUEUE, (100000, 100000))
    q = queue(b'/large', 10, 0, 8192)
    """,
        uid=1234,
    )
    finding = machine.only("queue-limit")
    assert (finding["uid"], finding["bytes"], finding["limit"]) == (1234, 81920, 100000)


# --- memory ---------------------------------------------------------------------------------------


def test_shared_memory_of_nobody_is_orphaned(machine):
    machine.python("open('/dev/shm/left', 'wb').write(b'x' * 65536)")
    machine.serve("f = os.open('/dev/shm/held', os.O_RDWR | os.O_CREAT)")
    finding = machine.only("orphaned-memory")
    assert (finding["path"], finding["bytes"]) == ("/dev/shm/left", 65536)
    mend(machine, finding)
    assert machine.why() == {}


SYSV = """
    import ctypes, os
    libc = ctypes.CDLL(None)
"""


def test_system_v_memory_of_nobody_is_orphaned(machine):
    machine.python(SYSV + "    assert libc.shmget(0, 1 << 20, 0o1600) >= 0")
    # Of one that lives, who may be about to attach it.
    machine.serve(SYSV + "    assert libc.shmget(0, 1 << 20, 0o1600) >= 0")
    finding = machine.only("sysv-memory")
    assert finding["bytes"] == 1 << 20 and finding["severity"] == "risk"
    mend(machine, finding)
    assert machine.why() == {}


def test_a_system_v_queue_of_nobody_is_orphaned(machine):
    send = "    q = libc.msgget(0, 0o1600); assert libc.msgsnd(q, b'\\1' + bytes(7) + b'hello', 5, 0) == 0"
    machine.python(SYSV + send)
    machine.serve(SYSV + send)
    finding = machine.only("sysv-queue")
    assert (finding["messages"], finding["bytes"]) == (1, 5)
    mend(machine, finding)
    assert machine.why() == {}


def test_system_v_semaphores_of_nobody_are_a_note(machine):
    use = "    s = libc.semget(0, 2, 0o1600); assert libc.semctl(s, 0, 16, 1) == 0"
    machine.python(SYSV + use)
    machine.serve(SYSV + use)
    finding = machine.only("sysv-semaphores")
    assert (finding["severity"], finding["count"]) == ("note", 1)
    mend(machine, finding)
    assert machine.why() == {}


def test_system_v_limits(machine):
    machine.python("open('/proc/sys/kernel/shmmni', 'w').write('2')")
    machine.serve(SYSV + "    assert libc.shmget(0, 1, 0o1600) >= 0 and libc.shmget(0, 1, 0o1600) >= 0")
    finding = machine.only("sysv-limit")
    assert (finding["severity"], finding["count"], finding["limit"]) == ("breaks now", 2, 2)
    mend(machine, finding)
    assert machine.why() == {}


# --- limits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit, severity", [(20, "breaks now"), (25, "will break"), (26, None)])
def test_a_process_near_its_descriptors(machine, limit, severity):
    process = machine.serve(
        f"""
        import resource
        kept = []
        while len(os.listdir('/proc/self/fd')) - 1 < 20: kept.append(os.open('/dev/null', 0))
        resource.setrlimit(resource.RLIMIT_NOFILE, ({limit}, 4096))
        """
    )
    if severity is None:
        assert machine.why() == {}
        return
    finding = machine.only("descriptors")
    assert finding["severity"] == severity
    assert (finding["pid"], finding["count"], finding["limit"]) == (process.inner, 20, limit)
    mend(machine, finding)
    assert machine.why() == {}


def test_descriptors_on_their_way(machine):
    machine.serve(
        """
        import resource
        a, b = socket.socketpair()
        f = os.open('/dev/null', 0)
        for i in range(25): socket.send_fds(a, [b'x'], [f])
        resource.setrlimit(resource.RLIMIT_NOFILE, (30, 30))
        """,
        uid=1234,
    )
    finding = machine.only("descriptors-in-flight")
    assert (finding["uid"], finding["count"], finding["limit"]) == (1234, 25, 30)


# --- two looks ------------------------------------------------------------------------------------

NANOSLEEP = {"x86_64": 230, "aarch64": 115}.get(os.uname().machine)


@pytest.mark.plain_build
@pytest.mark.skipif(NANOSLEEP is None, reason="the number of clock_nanosleep(2) is not known here")
@pytest.mark.parametrize(
    "meanwhile, found",
    [("pass", ["/busy"]), ("drain(q)", []), ("fill(other)", ["/busy"])],
    ids=["full", "drained", "filled"],
)
def test_what_is_full_in_one_look_only_is_a_burst(machine, meanwhile, found):
    """strace(1) holds ferry between its two looks, until the queue's owner has seen it there."""
    machine.serve(
        QUEUE
        + f"""
    import threading, time
    q, other = queue(b'/busy', 10, 10), queue(b'/other', 10, 0)
    libc.mq_receive.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p]
    def between_looks(pid):
        try:
            return (open(f'/proc/{{pid}}/comm').read() == 'ferry\\n'
                    and open(f'/proc/{{pid}}/syscall').read().split()[0] == '{NANOSLEEP}')
        except OSError:
            return False
    def drain(q):
        for i in range(10): assert libc.mq_receive(q, bytes(64), 64, None) == 5
    def fill(q):
        for i in range(10): assert libc.mq_send(q, b'12345', 5, 0) == 0
    def watch():
        while not any(between_looks(pid) for pid in os.listdir('/proc') if pid.isdigit()):
            time.sleep(0.01)
        {meanwhile}
        os.mkdir('/run/seen')
    threading.Thread(target=watch, daemon=True).start()
    """
    )
    hold = "inject=clock_nanosleep:delay_enter=3000000"
    trace = ["strace", "-qq", "-o", "/dev/null", "-e", "trace=clock_nanosleep", "-e", hold]
    done = subprocess.run(
        machine.enter(*trace, machine.ferry, "why", "--json"), capture_output=True, timeout=60
    )
    assert machine.python("import os; print(os.path.exists('/run/seen'))") == "True\n", done
    assert [each.get("queue") for each in json.loads(done.stdout)["findings"]] == found


# --- how it is said -------------------------------------------------------------------------------


def test_the_worst_comes_first(machine):
    machine.python("import socket; socket.socket(socket.AF_UNIX).bind('/run/stale')")
    machine.serve(listen("/run/all.sock", 0o777))
    machine.serve(fill("AF_UNIX", 9, 8))
    machine.serve("s = socket.socket(socket.AF_UNIX); s.bind('/run/gone'); s.listen(); os.unlink('/run/gone')")
    machine.why()
    assert [each["severity"] for each in machine.document["findings"]] == [
        "breaks now",
        "will break",
        "risk",
        "note",
    ]
    heads = re.findall(r"^(\S.*?)  ", machine.run().stdout, re.MULTILINE)
    assert heads == ["breaks now", "will break", "risk", "note"]


def test_who_may_not_see_all_says_so_once_and_is_not_sure(machine):
    machine.serve("f = os.open('/dev/shm/held', os.O_RDWR | os.O_CREAT)")
    machine.python(
        """
        import os, socket
        os.mkdir('/run/secret', 0o700)
        socket.socket(socket.AF_UNIX).bind('/run/stale')
        """
    )
    found = machine.why(uid=1234)
    assert set(found) == {"stale-socket", "orphaned-memory"}
    (stale,), (memory,) = found["stale-socket"], found["orphaned-memory"]
    assert stale["sure"] is False and "perhaps" in stale["headline"]
    assert memory["sure"] is False and "perhaps" in memory["headline"]
    lines = machine.stderr.splitlines()
    assert len(lines) == 2, lines
    assert re.match(r"ferry why: not seen: \d+ process.*CAP_SYS_PTRACE", lines[0])
    assert lines[1] == "ferry why: not looked at: 1 directory that you may not read"


DEAD = """
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    def mount_dead(path):
        fd = os.open('/dev/fuse', os.O_RDWR)
        options = f'fd={fd},rootmode=40000,user_id=0,group_id=0'.encode()
        assert libc.mount(b'dead', path.encode(), b'fuse', 0, options) == 0, ctypes.get_errno()
        return fd
"""


def test_a_file_system_that_does_not_answer_holds_nobody_up(machine):
    """FUSE without a server behind it: whoever opens its root waits for ever."""
    process = machine.serve(DEAD + "    os.mkdir('/run/dead'); fd = mount_dead('/run/dead')")
    assert machine.why() == {}
    assert process.running()


@pytest.mark.parametrize("way", ["mount", "link"])
def test_a_path_that_leads_to_one_later_holds_nobody_up(machine, way):
    process = machine.serve(
        DEAD
        + f"""
    os.mkdir('/tmp/dir')
    s = socket.socket(socket.AF_UNIX); s.bind('/tmp/dir/app.sock'); s.listen()
    os.rename('/tmp/dir', '/tmp/away')
    os.mkdir('/tmp/dead')
    if {way!r} == 'mount': os.mkdir('/tmp/dir')
    else: os.symlink('/tmp/dead', '/tmp/dir')
    fd = mount_dead('/tmp/dir' if {way!r} == 'mount' else '/tmp/dead')
    """
    )
    # Where it leads can't be told, so nothing is said of it; nor is it stale where it is now.
    assert machine.why() == {}
    assert process.running()


@pytest.mark.parametrize("call", ["open", "connect"])
def test_who_hangs_in_one_does_not_make_us_hang(machine, call):
    """What somebody waits for is looked at: a FIFO without a reader, a backlog that is full."""
    machine.serve(
        DEAD
        + f"""
    os.mkdir('/tmp/dead')
    fd = mount_dead('/tmp/dead')
    os.mkfifo('/run/fifo')
    s = socket.socket(socket.AF_UNIX); s.bind('/run/full'); s.listen(0)
    first = socket.socket(socket.AF_UNIX); first.connect('/run/full')
    for path in '/tmp/dead/it', '/run/full':
        if os.fork() == 0:
            if {call!r} == 'open' and path != '/run/full': os.open(path, os.O_RDONLY)
            socket.socket(socket.AF_UNIX).connect(path)
    """
    )
    asked = {"open": ("/run/fifo", "no-reader"), "connect": ("/run/full", "backlog-full")}
    target, verdict = asked[call]
    done = machine.run("--json", target)
    assert json.loads(done.stdout)["verdict"] == verdict, done.stderr


def test_a_folder_that_was_made_anew_has_no_socket_any_more(machine):
    machine.serve(
        """
        os.mkdir('/tmp/dir')
        s = socket.socket(socket.AF_UNIX); s.bind('/tmp/dir/app.sock'); s.listen()
        os.unlink('/tmp/dir/app.sock'); os.rmdir('/tmp/dir'); os.mkdir('/tmp/dir')
        """
    )
    assert machine.only("orphaned-listener")["state"] == "missing"
