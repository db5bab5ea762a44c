"""What a service manager keeps: listeners and connections outlive ferry, whatever else is in the
store. The manager here is a small and strict one, as sd_notify(3) and sd_listen_fds(3) specify it;
tests/interop has the real one."""

import array
import json
import os
import re
import signal
import socket
import sys

import pytest

from support import descriptor_count, wait_until

# Gives the descriptors their numbers from 3 on, and itself the program's place.
LAUNCH = """import fcntl, os, sys
count = int(sys.argv[1])
fds = [fcntl.fcntl(int(word), fcntl.F_DUPFD, 20000 - count) for word in sys.argv[2:2 + count]]
for number, fd in enumerate(fds):
    os.dup2(fd, 3 + number)
os.closerange(3 + count, 20000)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[2 + count], sys.argv[2 + count:])
"""


class Manager:
    def __init__(self, start, ferry, folder):
        self.start_process, self.ferry, self.folder = start, ferry, folder
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(folder / "notify"))
        self.socket.setblocking(False)
        self.store, self.said, self.process = [], [], None

    def run(self, *arguments, env=None):
        """Starts ferry with what is kept; returns when it is ready."""
        self.launch(*arguments, env=env)
        self.wait_for("READY=1")

    def launch(self, *arguments, env=None):
        fds = [fd for _, fd in self.store]
        names = {"LISTEN_FDNAMES": ":".join(name for name, _ in self.store)} if fds else {}
        if fds:
            names["LISTEN_FDS"] = str(len(fds))
        self.said.clear()
        self.process = self.start_process(
            sys.executable,
            "-c",
            LAUNCH,
            len(fds),
            *fds,
            self.ferry,
            *arguments,
            env={"NOTIFY_SOCKET": f"{self.folder}/notify", **names, **(env or {})},
            pass_fds=fds,
        )

    def read(self):
        """Does what ferry has told so far."""
        while True:
            try:
                data, control, _, _ = self.socket.recvmsg(4096, socket.CMSG_SPACE(4 * 768))
            except BlockingIOError:
                return
            fds = array.array("i")
            for _, kind, value in control:
                assert kind == socket.SCM_RIGHTS
                fds.frombytes(value)
            self.take(data.decode(), list(fds))

    def take(self, text, fds):
        self.said.append(text)
        fields = dict(line.split("=", 1) for line in text.splitlines())
        name = fields.get("FDNAME")
        if name is not None:
            assert 0 < len(name) <= 255 and ":" not in name
            assert all(" " <= letter < "\x7f" for letter in name)
        if fields.get("FDSTORE") == "1":
            assert len(fds) == 1 and name
            self.store.append((name, fds[0]))
        elif fields.get("FDSTOREREMOVE") == "1":
            assert not fds and name
            for entry in [entry for entry in self.store if entry[0] == name]:
                os.close(entry[1])
                self.store.remove(entry)
        elif fields.get("BARRIER") == "1":
            assert len(fds) == 1 and text == "BARRIER=1", "a barrier stands alone"
            os.close(fds[0])
        else:
            assert not fds

    def wait_for(self, text):
        def told():
            self.read()
            assert self.process.running() or any(text in line for line in self.said), (
                self.process.stderr()
            )
            return any(text in line for line in self.said)

        wait_until(told, 20, text)

    def stop(self, number=signal.SIGTERM):
        """Ends it and returns the exit status; reads all the while, as a manager does."""
        self.process.send(number)

        def ended():
            self.read()
            return not self.process.running()

        wait_until(ended, 20, "it ended")
        self.read()
        return self.process.wait()

    def names(self, kind):
        return [name for name, _ in self.store if name.startswith(f"ferry-{kind}-")]


@pytest.fixture
def manager(start, ferry, runtime_dir):
    manager = Manager(start, ferry, runtime_dir)
    yield manager
    manager.socket.close()
    for _, fd in manager.store:
        os.close(fd)


@pytest.fixture
def conf(runtime_dir):
    """conf(routes) writes a configuration with a control socket and returns its path."""

    def write(routes):
        path = runtime_dir / "ferry.conf"
        path.write_text(f"[route c]\nlisten = unix:{runtime_dir}/c.sock\nto = control\n{routes}")
        return path

    return write


def listen(path, kind=socket.SOCK_STREAM):
    listener = socket.socket(socket.AF_UNIX, kind)
    listener.bind(str(path))
    listener.listen(1000)
    listener.settimeout(20)
    return listener


def connect(path, kind=socket.SOCK_STREAM):
    client = socket.socket(socket.AF_UNIX, kind)
    client.settimeout(20)
    client.connect(str(path))
    return client


def through(runtime_dir, scheme="unix"):
    return f"[route r]\nlisten = {scheme}:{runtime_dir}/front\nto = {scheme}:{runtime_dir}/back\n"


def exchange(one, other, data):
    for sender, receiver in ((one, other), (other, one)):
        sender.sendall(data)
        received = b""
        while len(received) < len(data):
            part = receiver.recv(1 << 16)
            assert part, "the connection has ended"
            received += part
        assert received == data


def test_a_manager_that_says_it_has_a_store_is_used(manager, conf, runtime_dir):
    """FDSTORE in the environment, as systemd 254 and newer have it: no option is needed."""
    back = listen(runtime_dir / "back")
    path = conf(through(runtime_dir))
    for number in range(3):
        manager.run("up", "-c", path, env={"FDSTORE": "100"})
        assert len(manager.names("listen")) == 2 and not manager.names("pair")
        if number == 0:
            client = connect(runtime_dir / "front")
            taker, _ = back.accept()
            taker.settimeout(20)
        exchange(client, taker, b"%d" % number * 1000)
        assert manager.stop() == 0
        assert len(manager.names("pair")) == 2
    client.sendall(b"meanwhile")
    manager.run("up", "-c", path)
    assert taker.recv(100) == b"meanwhile"
    client.close()
    assert taker.recv(100) == b"", "nobody else holds it"


def test_without_a_store_nothing_is_told_of_one(manager, conf, runtime_dir):
    manager.run("up", "-c", conf(through(runtime_dir)))
    assert manager.stop() == 0
    assert not [line for line in manager.said if "FD" in line or "BARRIER" in line]
    assert not (runtime_dir / "front").exists()


def test_a_thousand_connections(manager, conf, runtime_dir):
    back = listen(runtime_dir / "back")
    path = conf(through(runtime_dir))
    manager.run("up", "--keep", "-c", path)
    pairs = []
    for _ in range(1000):
        client = connect(runtime_dir / "front")
        taker, _ = back.accept()
        taker.settimeout(20)
        pairs.append((client, taker))
    for _ in range(2):
        assert manager.stop() == 0
        assert len(manager.names("pair")) == 2000
        manager.run("up", "--keep", "-c", path)
        wait_until(lambda: manager.read() or not manager.names("pair"), what="none is held")
        for number, (client, taker) in enumerate(pairs):
            exchange(client, taker, b"%d" % number)
    for client, taker in pairs:
        client.close()
        assert taker.recv(1) == b""
        taker.close()
    wait_until(lambda: descriptor_count(manager.process.pid) < 100)


def test_packets_and_descriptors_under_way_arrive_later(manager, conf, runtime_dir):
    kind = socket.SOCK_SEQPACKET
    back = listen(runtime_dir / "back", kind)
    path = conf(through(runtime_dir, "unix-seq"))
    manager.run("up", "--keep", "-c", path)
    client = connect(runtime_dir / "front", kind)
    taker, _ = back.accept()
    taker.settimeout(20)
    exchange(client, taker, b"first")
    assert manager.stop() == 0
    inside, outside = os.pipe()
    socket.send_fds(client, [b"two"], [outside])
    os.close(outside)
    client.sendall(b"three")
    manager.run("up", "--keep", "-c", path)
    data, [passed], _, _ = socket.recv_fds(taker, 100, 1)
    assert data == b"two" and taker.recv(100) == b"three"
    os.write(passed, b"through it")
    os.close(passed)
    assert os.read(inside, 100) == b"through it" and os.read(inside, 100) == b""
    os.close(inside)


def test_a_manager_that_is_stuck_is_waited_for_once(manager, conf, runtime_dir):
    """Its queue has room for a handful, and every wait may last a second."""
    back = listen(runtime_dir / "back")
    manager.run("up", "--keep", "-c", conf(through(runtime_dir)))
    clients = [connect(runtime_dir / "front") for _ in range(120)]
    takers = [back.accept()[0] for _ in clients]
    manager.process.send(signal.SIGTERM)  # and nobody reads
    assert manager.process.wait(60) == 0
    assert "the service manager could not be told to keep it" in manager.process.stderr()
    manager.read()
    del takers


def test_what_is_no_connection_of_ours_is_closed(manager, conf, runtime_dir):
    """Whatever the store brings back is checked; ferry starts, and holds none of it."""
    back = listen(runtime_dir / "back")
    path = conf(through(runtime_dir))
    manager.run("up", "--keep", "-c", path)
    client = connect(runtime_dir / "front")
    taker, _ = back.accept()
    taker.settimeout(20)
    exchange(client, taker, b"x")
    assert manager.stop() == 0
    [peer] = [entry for entry in manager.store if entry[0].endswith("-peer")]
    key = re.match(r"ferry-pair-[0-9a-f]{16}", peer[0])[0]
    readers = []

    def put(name):
        reader, writer = os.pipe()
        readers.append(reader)
        manager.store.append((name, writer))

    for name in ("ferry-pair-", "ferry-pair-nonsense", f"{key}-", f"{key}-9.9-peer",
                 f"{key}-8.8-target", f"{key}-7.7-peer", f"{key}-7.7-target",
                 "ferry-listen-", "ferry-listen-0123456789abcdef-x",
                 "ferry-pair-0000000000000000-1.1-peer", "ferry-pair-0000000000000000-1.1-target"):  # fmt: skip
        put(name)
    manager.store.reverse()
    manager.run("up", "--keep", "-c", path)
    wait_until(lambda: manager.read() or len(manager.store) == 2, what="only listeners are kept")
    for reader in readers:
        assert os.read(reader, 1) == b"", "closed here and there"
        os.close(reader)
    exchange(client, taker, b"the one that is")
    manager.process.wait_for("kept descriptors were closed")
    assert manager.stop() == 0


def test_a_listener_that_is_not_at_its_path_is_opened_anew(manager, conf, runtime_dir):
    path = conf(f"[route e]\nlisten = unix:{runtime_dir}/front\nto = echo\n")
    manager.run("up", "--keep", "-c", path)
    assert manager.stop(signal.SIGKILL) == -signal.SIGKILL
    os.unlink(runtime_dir / "front")
    manager.launch("up", "--keep", "-c", path)
    manager.wait_for("READY=1")
    manager.process.wait_for("opened anew: the path of the socket that was kept is gone")
    with connect(runtime_dir / "front") as client:
        client.sendall(b"x")
        assert client.recv(1) == b"x"
    manager.read()
    assert len(manager.names("listen")) == 2


def test_a_start_that_fails_leaves_what_waits(manager, conf, runtime_dir):
    good = f"[route e]\nlisten = unix:{runtime_dir}/front\nto = echo\n"
    manager.run("up", "--keep", "-c", conf(good))
    assert manager.stop() == 0
    client = connect(runtime_dir / "front")
    client.sendall(b"patience")
    (runtime_dir / "file").write_text("not a socket")
    manager.launch(
        "up", "--keep", "-c", conf(f"{good}[route f]\nlisten = unix:{runtime_dir}/file\nto = echo\n")
    )
    assert wait_until(lambda: manager.read() or not manager.process.running())
    assert manager.process.wait() == 1
    manager.run("up", "--keep", "-c", conf(good))
    assert client.recv(100) == b"patience"


def test_the_watchdog_is_fed_twice_a_period(manager, conf, runtime_dir):
    path = conf("")
    manager.run("up", "-c", path, env={"WATCHDOG_USEC": "200000"})
    wait_until(lambda: manager.read() or manager.said.count("WATCHDOG=1\n") >= 10)
    assert manager.stop() == 0
    manager.run("up", "-c", path, env={"WATCHDOG_USEC": "200000", "WATCHDOG_PID": "1"})
    assert manager.stop() == 0
    assert "WATCHDOG=1\n" not in manager.said, "it watches somebody else"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root dials as somebody else")
def test_a_target_that_was_dialled_as_another_user_is_not_kept(manager, conf, runtime_dir):
    back = listen(runtime_dir / "back")
    manager.run("up", "--keep", "-c", conf(through(runtime_dir)))
    client = connect(runtime_dir / "front")
    taker, _ = back.accept()
    taker.settimeout(20)
    exchange(client, taker, b"x" * 10)
    assert manager.stop() == 0
    manager.run("up", "--keep", "-c", conf(through(runtime_dir) + "user = nobody\n"))
    manager.process.wait_for("2 kept descriptors were closed")
    assert client.recv(1) == taker.recv(1) == b""


def test_status_and_events_know_a_resumed_connection(manager, conf, runtime_dir, run_ferry):
    back = listen(runtime_dir / "back")
    path = conf(through(runtime_dir))
    manager.run("up", "--keep", "-c", path)
    client = connect(runtime_dir / "front")
    taker, _ = back.accept()
    taker.settimeout(20)
    exchange(client, taker, b"x" * 10)
    assert manager.stop() == 0
    assert "kept     r: pid " in manager.process.stderr()
    assert "in 10 out 10 bytes" in manager.process.stderr()
    manager.run("up", "--keep", "-c", path)
    manager.process.wait_for("resumed  r: pid ")
    done = run_ferry("status", "--json", "-s", runtime_dir / "c.sock")
    [route] = [route for route in json.loads(done.stdout)["routes"] if route["name"] == "r"]
    [connection] = route["connections"]
    assert connection["peer"]["pid"] == os.getpid()
    client.close()
    assert taker.recv(1) == b""


def test_options_are_told_as_before(manager, conf, runtime_dir, run_ferry):
    """Of a connection that was kept, and of one that the listener which was kept has brought since."""
    back = listen(runtime_dir / "back")
    path = conf(
        f"[profile small]\nrcvbuf = 48k\n[route r]\nlisten = unix:{runtime_dir}/front,sndbuf=64k\n"
        f"to = unix:{runtime_dir}/back,sndbuf=32k\nprofile = small\n"
    )

    def visit():
        client = connect(runtime_dir / "front")
        taker, _ = back.accept()
        exchange(client, taker, b"x")
        return client, taker

    def told():
        done = run_ferry("status", "--json", "-s", runtime_dir / "c.sock")
        [route] = [route for route in json.loads(done.stdout)["routes"] if route["name"] == "r"]
        return [[one[end]["options"] for end in ("peer", "target")] for one in route["connections"]]

    manager.run("up", "--keep", "-c", path)
    first = visit()
    [before] = told()
    asked = [{option["key"]: option["asked"] for option in end} for end in before]
    assert asked == [{"sndbuf": "64k", "rcvbuf": "48k"}, {"sndbuf": "32k", "rcvbuf": "48k"}]
    assert manager.stop() == 0
    manager.run("up", "--keep", "-c", path)
    manager.process.wait_for("resumed  r: pid ")
    second = visit()
    assert told() == [before, before]
    for end in first + second:
        end.close()


def test_without_a_journal_standard_error_has_to_do(start_ferry, runtime_dir):
    if os.path.exists("/run/systemd/journal/socket"):
        pytest.skip("there is a journal here")
    process = start_ferry("relay", "--log=journal", f"unix:{runtime_dir}/e", "echo")
    process.wait_for("started  relay: ")


def test_an_auto_listener_is_kept_and_its_connections_are_not(manager, conf, run_ferry, runtime_dir):
    """Half of such a connection lies in the process that had it."""
    path = conf(f"[route a]\nlisten = auto:{runtime_dir}/front\nto = echo\n")
    manager.run("up", "--keep", "-c", path)
    inode = (runtime_dir / "front").stat().st_ino
    client = connect(runtime_dir / "front", socket.SOCK_SEQPACKET)
    client.send(b"\xfe\x01\x01\0\0\0\0\0hello")
    assert client.recv(100).endswith(b"hello")
    assert manager.stop() == 0
    assert len(manager.names("listen")) == 2 and not manager.names("pair")
    assert client.recv(100) == b""
    manager.run("up", "--keep", "-c", path)
    assert (runtime_dir / "front").stat().st_ino == inode
    done = run_ferry("connect", f"auto:{runtime_dir}/front", input="again")
    assert (done.returncode, done.stdout) == (0, "again")
    with connect(runtime_dir / "front", socket.SOCK_SEQPACKET) as plain:
        plain.send(b"plain")
        assert plain.recv(100).startswith(b"ferry: this is an auto: socket")
