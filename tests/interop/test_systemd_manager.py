"""Under a real systemd: what it keeps for ferry outlives restarts and crashes, its watchdog hears of
us, its journal gets every fact as a field."""

import json
import os
import select
import signal
import socket
import threading
import time

import pytest

from support import wait_until

UNIT = """[Unit]
DefaultDependencies=no
StartLimitIntervalSec=0
[Service]
Type=notify
ExecStart={ferry} up -c {conf} {options}
ExecReload=kill -HUP $MAINPID
Restart=always
RestartSec=0
FileDescriptorStoreMax=500
{more}
"""


@pytest.fixture
def service(manager, ferry, runtime_dir):
    """service(routes, options, more) writes ferry.conf and ferry.service, and starts it."""

    def run(routes, options="--keep", more=""):
        conf = runtime_dir / "ferry.conf"
        control = f"[route control]\nlisten = unix:{runtime_dir}/control.sock\nto = control\n"
        conf.write_text(control + routes)
        manager.write(
            "ferry.service", UNIT.format(ferry=ferry, conf=conf, options=options, more=more)
        )
        manager.systemctl("daemon-reload")
        manager.systemctl("start", "ferry.service")
        return manager

    return run


class Server:
    """Answers each line with the same line, counted; says how many connections it ever had."""

    def __init__(self, path):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(100)
        self.accepted = 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            with connection, connection.makefile("rb") as stream:
                for number, line in enumerate(stream):
                    connection.sendall(b"%d %s" % (number, line))
        except OSError:
            pass  # the other end was killed


def connect(path):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(20)
    client.connect(str(path))
    return client


def pid_of(manager):
    return manager.show("ferry.service", "MainPID")


def inside_to_outside(manager, pid):
    """The number that a process inside has out here."""
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            status = open(f"/proc/{entry}/status", encoding="utf-8").read()
            same = os.readlink(f"/proc/{entry}/ns/pid") == os.readlink(f"/proc/{manager.pid}/ns/pid")
        except OSError:
            continue
        [numbers] = [line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:")]
        if same and numbers[-1] == pid:
            return int(entry)
    raise AssertionError(f"process {pid} of the manager is not to be found")


def stored(manager):
    return int(manager.show("ferry.service", "NFileDescriptorStore"))


def blocked(client):
    """Nothing more goes into it at the moment: what is between has filled up."""
    return not any(select.select([], [client], [], 0.2)[1] for _ in range(3))


def journal(manager, *matches):
    """Records of the manager's journal, as journalctl reads them."""
    done = manager.run(
        "journalctl", "--no-pager", "-o", "json", "--all", "SYSLOG_IDENTIFIER=ferry", *matches
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def journal_kinds(manager):
    return [record.get("FERRY_EVENT") for record in journal(manager)]


def test_a_connection_outlives_twenty_restarts(service, runtime_dir):
    server = Server(runtime_dir / "server.sock")
    front = runtime_dir / "front.sock"
    manager = service(f"[route db]\nlisten = unix:{front}\nto = unix:{runtime_dir}/server.sock\n")
    inode, pids = os.stat(front).st_ino, set()
    with connect(front) as client, client.makefile("rwb") as stream:
        for number in range(60):
            if number % 3 == 2:
                pids.add(pid_of(manager))
                manager.systemctl("restart", "ferry.service")
            stream.write(b"line %d\n" % number)
            stream.flush()
            assert stream.readline() == b"%d line %d\n" % (number, number)
    assert len(pids) == 20, "each time another process"
    assert server.accepted == 1, "it was one connection all the time"
    assert os.stat(front).st_ino == inode, "and one socket"
    manager.systemctl("stop", "ferry.service")
    assert manager.show("ferry.service", "NFileDescriptorStore") == "0"


def test_nobody_is_refused_while_it_is_killed(service, runtime_dir):
    Server(runtime_dir / "server.sock")
    front = runtime_dir / "front.sock"
    manager = service(f"[route db]\nlisten = unix:{front}\nto = unix:{runtime_dir}/server.sock\n")
    failures, answered, stop = [], [0] * 50, threading.Event()

    def ask(index):
        while not stop.is_set():
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(20)
                try:
                    client.connect(str(front))
                except OSError as error:  # refused, or no such path: what must never be
                    failures.append(error)
                    return
                try:
                    client.sendall(b"x\n")
                    answered[index] += client.recv(100) == b"0 x\n"
                except OSError:
                    pass  # it was being served when its ferry was killed

    threads = [threading.Thread(target=ask, args=(index,)) for index in range(50)]
    for thread in threads:
        thread.start()
    for kills in range(1, 6):
        before = pid_of(manager)
        os.kill(inside_to_outside(manager, before), signal.SIGKILL)
        wait_until(lambda: pid_of(manager) not in ("0", before))
        counts = list(answered)
        wait_until(lambda: all(now > then for now, then in zip(answered, counts)), 30)
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert int(manager.show("ferry.service", "NRestarts")) == kills


def test_what_is_under_way_follows_when_it_has_arrived(service, runtime_dir):
    """A taker that is slow keeps bytes in ferry: the connection is kept once they are delivered."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(runtime_dir / "server.sock"))
    listener.listen()
    front = runtime_dir / "front.sock"
    manager = service(
        f"[route db]\nlisten = unix:{front}\nto = unix:{runtime_dir}/server.sock\n",
        "--keep --grace=60s",
    )
    data = os.urandom(8 << 20)
    with connect(front) as client:
        taker, _ = listener.accept()
        sender = threading.Thread(target=client.sendall, args=(data,))
        sender.start()
        wait_until(lambda: blocked(client))
        manager.systemctl("--no-block", "restart", "ferry.service")
        wait_until(lambda: manager.show("ferry.service", "SubState") == "stop-sigterm")
        taker.settimeout(20)
        received = b""
        while len(received) < len(data):
            received += taker.recv(1 << 20)
        sender.join()
        assert received == data
        wait_until(lambda: manager.show("ferry.service", "SubState") == "running")
        taker.sendall(b"answer")
        assert client.recv(100) == b"answer", "the same connection, after all"
    assert "kept" in journal_kinds(manager) and "resumed" in journal_kinds(manager)


def test_what_is_said_while_ferry_is_away_arrives(service, runtime_dir):
    """The client has left by then: the manager must not throw away what it said before."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(runtime_dir / "server.sock"))
    listener.listen()
    front = runtime_dir / "front.sock"
    manager = service(
        f"[route db]\nlisten = unix:{front}\nto = unix:{runtime_dir}/server.sock\n",
        more="RestartSec=1",
    )
    client = connect(front)
    taker, _ = listener.accept()
    taker.settimeout(20)
    manager.systemctl("kill", "-s", "TERM", "ferry.service")
    wait_until(lambda: manager.show("ferry.service", "SubState") == "auto-restart")
    client.sendall(b"last words")
    client.close()
    manager.systemctl("list-units")  # the manager has turned since
    assert manager.show("ferry.service", "SubState") == "auto-restart"
    assert taker.recv(100) == b"last words" and taker.recv(100) == b""


def test_the_journal_has_every_fact_as_a_field(service, runtime_dir):
    manager = service(
        f"[route who]\nlisten = unix:{runtime_dir}/who.sock\ndeny = uid:0\nto = echo\n"
        f"[route echo]\nlisten = unix:{runtime_dir}/echo.sock\nto = echo\n"
    )
    with connect(runtime_dir / "who.sock") as client:
        assert client.recv(1) == b""
    with connect(runtime_dir / "echo.sock") as client:
        client.sendall(b"four")
        assert client.recv(10) == b"four"
    [refused] = wait_until(lambda: journal(manager, "FERRY_EVENT=refused"))
    assert refused["FERRY_ROUTE"] == "who" and refused["FERRY_PEER_UID"] == "0"
    assert refused["FERRY_VERDICT"] == "rule 1: deny uid:0"
    assert refused["FERRY_VIA"] == f"unix:{runtime_dir}/who.sock" and refused["FERRY_TO"] == "echo"
    assert refused["PRIORITY"] == "5" and refused["_SYSTEMD_UNIT"] == "ferry.service"
    assert refused["_TRANSPORT"] == "journal", "the native protocol, not lines on standard error"
    assert refused["MESSAGE"].startswith("refused  who: ")
    [closed] = wait_until(lambda: journal(manager, "FERRY_EVENT=closed", "FERRY_ROUTE=echo"))
    assert (closed["FERRY_BYTES_IN"], closed["FERRY_BYTES_OUT"]) == ("4", "4")
    assert closed["PRIORITY"] == "6"
    started = journal(manager, "FERRY_EVENT=started")
    assert {record["FERRY_ROUTE"] for record in started} == {"control", "who", "echo"}


def test_a_journal_that_stands_still_costs_lines_and_says_so(service, runtime_dir):
    manager = service(f"[route e]\nlisten = unix:{runtime_dir}/e.sock\nto = echo\n")
    wait_until(lambda: "started" in journal_kinds(manager))
    reader = inside_to_outside(manager, manager.show("systemd-journald.service", "MainPID"))
    os.kill(reader, signal.SIGSTOP)
    try:
        for _ in range(1000):
            with connect(runtime_dir / "e.sock") as client:
                client.sendall(b"x")
                assert client.recv(1) == b"x", "the loop does not wait for the journal"
    finally:
        os.kill(reader, signal.SIGCONT)
    wait_until(lambda: len(journal(manager, "FERRY_EVENT=closed")) > 0)
    with connect(runtime_dir / "e.sock") as client:
        client.sendall(b"x")
        assert client.recv(1) == b"x"

    def told():
        closed = len(journal(manager, "FERRY_EVENT=closed"))
        lost = sum(
            int(record["FERRY_REASON"].split()[0])
            for record in journal(manager, "FERRY_EVENT=trouble")
        )
        return lost > 0 and closed + lost == 1001

    wait_until(told, 20, "every event is there or counted")


def test_the_watchdog_hears_of_a_loop_that_turns(service, runtime_dir):
    manager = service(
        f"[route e]\nlisten = unix:{runtime_dir}/e.sock\nto = echo\n", more="WatchdogSec=1"
    )
    before = pid_of(manager)
    first = manager.show("ferry.service", "WatchdogTimestampMonotonic")
    wait_until(lambda: manager.show("ferry.service", "WatchdogTimestampMonotonic") != first)
    time.sleep(2.5)  # longer than it may be silent
    assert pid_of(manager) == before
    os.kill(inside_to_outside(manager, before), signal.SIGSTOP)
    wait_until(lambda: pid_of(manager) not in ("0", before), 20, "it was replaced")
    with connect(runtime_dir / "e.sock") as client:
        client.sendall(b"again")
        assert client.recv(10) == b"again"


def test_what_the_new_configuration_does_not_want_goes(service, runtime_dir):
    Server(runtime_dir / "server.sock")
    routes = "".join(
        f"[route {name}]\nlisten = unix:{runtime_dir}/{name}.sock\nto = unix:{runtime_dir}/server.sock\n"
        for name in ("stays", "denied", "moved", "removed")
    )
    manager = service(routes)
    assert stored(manager) == 5, "four and the control socket"
    clients = {name: connect(runtime_dir / f"{name}.sock") for name in ("stays", "denied", "moved", "removed")}
    for client in clients.values():
        client.sendall(b"x\n")
        assert client.recv(10) == b"0 x\n"
    conf = (runtime_dir / "ferry.conf").read_text().split("[route removed]")[0]
    conf = conf.replace("[route denied]", "[route denied]\ndeny = any")
    conf = conf.replace(f"{runtime_dir}/moved.sock", f"{runtime_dir}/elsewhere.sock")
    (runtime_dir / "ferry.conf").write_text(conf)
    manager.systemctl("restart", "ferry.service")
    clients["stays"].sendall(b"y\n")
    assert clients["stays"].recv(10) == b"1 y\n"
    for name in ("denied", "moved", "removed"):
        assert clients[name].recv(10) == b"", f"{name}: its end"
    assert sorted(path.name for path in runtime_dir.glob("*.sock")) == [
        "control.sock", "denied.sock", "elsewhere.sock", "server.sock", "stays.sock",
    ]  # fmt: skip
    assert stored(manager) == 4, "nothing of the old is held any more"
    assert "refused" in journal_kinds(manager)
    [trouble] = journal(manager, "FERRY_EVENT=trouble")
    assert trouble["FERRY_REASON"].startswith("4 kept descriptors were closed")
    for client in clients.values():
        client.close()


def test_a_reload_puts_and_removes(service, runtime_dir, run_ferry):
    manager = service(f"[route a]\nlisten = tcp:127.0.0.1:7001\nallow = any\nto = echo\n")
    assert stored(manager) == 2
    conf = (runtime_dir / "ferry.conf").read_text()
    (runtime_dir / "ferry.conf").write_text(conf.replace(":7001", ":7001,backlog=5"))
    manager.systemctl("reload", "ferry.service")
    wait_until(lambda: any("reloaded" == kind for kind in journal_kinds(manager)))
    [reloaded] = journal(manager, "FERRY_EVENT=reloaded")
    assert reloaded["FERRY_REASON"] == "0 added, 1 changed, 0 removed, 1 untouched"
    assert stored(manager) == 2, "the new one in place of the old"
    (runtime_dir / "ferry.conf").write_text(conf.split("[route a]")[0])
    manager.systemctl("reload", "ferry.service")
    wait_until(lambda: stored(manager) == 1)


def test_datagrams_wait_for_the_next_start(service, runtime_dir):
    path = runtime_dir / "d.sock"
    manager = service(f"[route d]\nlisten = unix-dgram:{path}\nto = echo\n")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        client.settimeout(20)
        client.bind(str(runtime_dir / "client"))
        client.connect(str(path))
        for number in range(3):
            client.send(b"before")
            assert client.recv(100) == b"before"
            os.kill(inside_to_outside(manager, pid_of(manager)), signal.SIGKILL)
            client.send(b"meanwhile %d" % number)
            assert client.recv(100) == b"meanwhile %d" % number


def test_without_being_asked_it_leaves_the_store_alone(service, runtime_dir):
    manager = service(f"[route e]\nlisten = unix:{runtime_dir}/e.sock\nto = echo\n", options="")
    assert stored(manager) == 0, "before version 254 nobody says that there is one"
    manager.systemctl("stop", "ferry.service")
    assert not (runtime_dir / "e.sock").exists()
