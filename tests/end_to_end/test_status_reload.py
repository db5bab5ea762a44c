"""`ferry up` and those who ask it: status, reload, signals, the service manager."""

import ctypes
import errno
import json
import os
import signal
import socket
import struct
import subprocess

import pytest

from support import descriptor_count, descriptors_at_rest, listens, wait_until


def route(name, listen, to, *lines):
    return "\n".join([f"[route {name}]", f"listen = {listen}", f"to = {to}", *lines, ""])


def unix_client(path):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(10)
    client.connect(str(path))
    return client


def echoes(client, data=b"ping"):
    client.sendall(data)
    return client.recv(100) == data


class Up:
    """A running `ferry up`, its configuration, and its control socket."""

    def __init__(self, process, folder, control, run_ferry):
        self.process, self.folder, self.run_ferry = process, folder, run_ferry
        self.control = folder / control

    def write(self, *routes):
        (self.folder / "f.conf").write_text("".join(routes))

    def ask(self, line):
        with unix_client(self.control) as client:
            client.sendall(line)
            with client.makefile() as stream:
                return json.loads(stream.readline())

    def status(self):
        done = self.run_ferry("status", "--json", "-s", self.control)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def route(self, name):
        (found,) = [route for route in self.status()["routes"] if route["name"] == name]
        return found

    def reload(self):
        return self.run_ferry("reload", "-s", self.control)


@pytest.fixture
def up(start_ferry, run_ferry, runtime_dir):
    """up(route...) starts `ferry up` on these routes."""

    def run(*routes, options=(), env=None, control="ferry/control.sock", **more):
        (runtime_dir / "f.conf").write_text("".join(routes))
        environment = {"XDG_RUNTIME_DIR": str(runtime_dir), "RUNTIME_DIRECTORY": ""}
        if os.getuid() == 0:
            # Root's own would be /run/ferry.
            (runtime_dir / "ferry").mkdir(mode=0o700)
            environment["RUNTIME_DIRECTORY"] = str(runtime_dir / "ferry")
        process = start_ferry(
            "up", "-c", "f.conf", *options, env={**environment, **(env or {})}, **more
        )
        up = Up(process, runtime_dir, control, run_ferry)
        wait_until(lambda: not process.running() or listens(up.control))
        assert process.running(), process.stderr()
        return up

    return run


ECHO = route("echo", "unix:e.sock", "echo")


# --- status --------------------------------------------------------------------------------------


def test_the_control_socket_is_added_for_the_owner_alone(up):
    running = up(ECHO)
    assert running.control.stat().st_mode & 0o777 == 0o600
    report = running.status()
    assert (report["ok"], report["version"]) == (True, 1)
    assert report["pid"] == running.process.pid
    assert report["configuration"] == "f.conf"
    assert [route["name"] for route in report["routes"]] == ["echo", "control"]


def test_status_tells_by_which_lane_an_auto_connection_sends(up, run_ferry, runtime_dir):
    """Of each end for itself, and of other schemes nothing."""
    running = up(
        route("echo", "auto:e.sock,ring=no", "echo"), route("front", "unix:f.sock,frame=lf", "auto:e.sock")
    )
    with unix_client(runtime_dir / "f.sock") as client:
        for _ in range(3):
            assert echoes(client, b"ping\n")
        (front,), (echo,) = (running.route(name)["connections"] for name in ("front", "echo"))
        assert "auto" not in front["peer"]
        for end in (front["target"]["auto"], echo["peer"]["auto"]):
            assert (end["sends_by"], end["receives_by"], end["moves"]) == ("socket", "socket", 0)
            assert (end["socket_messages"], end["ring_messages"]) == (3, 0)
        assert echo["peer"]["auto"]["reason"] == "forbidden"
        assert echo["peer"]["auto"]["why"] == "shared memory is forbidden here"
        assert front["target"]["auto"]["reason"] != "forbidden"


def test_status_names_both_ends(up, runtime_dir, start):
    server = start("socat", "UNIX-LISTEN:b.sock,fork", "EXEC:cat")
    wait_until(lambda: listens(runtime_dir / "b.sock"))
    running = up(route("front", "unix:a.sock", "unix:b.sock"))
    with unix_client(runtime_dir / "a.sock") as client:
        assert echoes(client, b"12345")
        front = running.route("front")
        (connection,) = front["connections"]
        peer, target = connection["peer"], connection["target"]
        with open("/proc/self/comm") as comm:
            assert peer["name"] == comm.read().strip()
        assert (peer["pid"], peer["uid"], peer["gid"]) == (os.getpid(), os.getuid(), os.getgid())
        assert target["pid"] == server.pid
        assert target["name"] == "socat"
        assert (connection["bytes_in"], connection["bytes_out"]) == (5, 5)
        assert connection["ways"] == {"forth": "copy", "back": "copy"}
        assert (front["admitted"], front["ended"]) == (1, 0)
        assert front["rules"][0]["hits"] == 1

        shown = running.run_ferry("status", "-s", running.control).stdout
        assert f"pid {os.getpid()} ({peer['name']}) uid {os.getuid()}" in shown
        assert f"->  pid {server.pid} (socat) uid {os.getuid()}" in shown
    wait_until(lambda: running.route("front")["ended"] == 1)
    front = running.route("front")
    assert (front["bytes_in"], front["bytes_out"], front["connections"]) == (5, 5, [])


def deny_peer_pidfd():
    """For preexec_fn: getsockopt(SO_PEERPIDFD) fails as it does before Linux 6.5."""
    numbers = {"x86_64": 55, "aarch64": 209}
    if os.uname().machine not in numbers:
        pytest.skip("the number of getsockopt(2) is not known for this machine")
    load, equal, answer = 0x20, 0x15, 0x06
    steps = [
        (load, 0, 0, 0),  # the number of the call
        (equal, 0, 3, numbers[os.uname().machine]),
        (load, 0, 0, 32),  # its third argument
        (equal, 0, 1, 77),
        (answer, 0, 0, 0x00050000 | errno.ENOPROTOOPT),
        (answer, 0, 0, 0x7FFF0000),
    ]
    text = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = ctypes.create_string_buffer(struct.pack("HP", len(steps), ctypes.addressof(text)))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl.argtypes = [ctypes.c_int] + [ctypes.c_void_p] * 4

    def install(keep=text):
        if prctl(38, 1, None, None, None) or prctl(22, 2, ctypes.addressof(program), None, None):
            raise OSError(ctypes.get_errno(), "prctl")

    return install


def test_status_says_why_there_are_no_command_names(up):
    running = up(ECHO, preexec_fn=deny_peer_pidfd())
    done = running.run_ferry("status", "-s", running.control)
    assert done.returncode == 0
    assert f"uid {os.getuid()}" in done.stdout
    expected = "ferry status: command names need Linux 6.5 or newer (SO_PEERPIDFD)\n"
    assert done.stderr == expected
    done = running.run_ferry("status", "--json", "-s", running.control)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["names"] is False


def test_status_is_silent_about_names_where_there_are_some(up):
    running = up(ECHO)
    if not running.status()["names"]:
        pytest.skip("this kernel has no SO_PEERPIDFD")
    assert running.run_ferry("status", "-s", running.control).stderr == ""


def test_status_counts_refusals(up, runtime_dir):
    running = up(route("closed", "unix:a.sock", "echo", f"deny = uid:{os.getuid()}", "allow = any"))
    for _ in range(3):
        with unix_client(runtime_dir / "a.sock") as client:
            assert client.recv(10) == b""
    closed = running.route("closed")
    assert (closed["refused"], closed["admitted"]) == (3, 0)
    assert [rule["hits"] for rule in closed["rules"]] == [3, 0]


def test_status_leaves_no_descriptor(up):
    running = up(ECHO)
    before = descriptors_at_rest(running.process.pid)
    for _ in range(20):
        running.status()
    # The connection that asked may have been counted too; a leak would be twenty.
    wait_until(lambda: descriptor_count(running.process.pid) <= before)


def test_status_without_a_ferry(run_ferry, runtime_dir):
    done = run_ferry("status", "-s", runtime_dir / "none.sock")
    assert done.returncode == 1
    assert "no ferry listens there" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_status_of_something_else(run_ferry, runtime_dir, start):
    start("socat", "UNIX-LISTEN:x.sock", "EXEC:cat")
    wait_until(lambda: listens(runtime_dir / "x.sock"))
    done = run_ferry("status", "-s", "x.sock")
    assert done.returncode == 1
    assert "no ferry" in done.stderr


def test_status_of_a_ferry_that_refuses_us(up, runtime_dir, run_ferry):
    control = route("mine", "unix:mine.sock", "control", "deny = any")
    running = up(ECHO, control, control="mine.sock")
    done = run_ferry("status", "-s", "mine.sock")
    assert done.returncode == 1
    assert "closed without an answer" in done.stderr
    running.process.wait_for("refused")


def test_status_of_a_relay(start_ferry, run_ferry, runtime_dir):
    relay = start_ferry("relay", "unix:a.sock", "echo", "--control", "unix:c.sock")
    wait_until(lambda: listens(runtime_dir / "c.sock"))
    for _ in range(2):
        report = json.loads(run_ferry("status", "--json", "-s", "unix:c.sock").stdout)
        assert report["pid"] == relay.pid
    done = run_ferry("reload", "-s", "c.sock")
    assert done.returncode == 1
    assert "without a configuration" in done.stderr
    assert relay.stop() == 0


# --- the protocol --------------------------------------------------------------------------------


def test_requests_are_answered_in_order_on_one_connection(up):
    running = up(ECHO)
    with unix_client(running.control) as client, client.makefile() as stream:
        client.sendall(b'{"do":"status"}\n\nnonsense\n{"do":"stop"}\n{"do":"status"}')
        client.shutdown(socket.SHUT_WR)
        replies = [json.loads(line) for line in stream]
    assert [reply["ok"] for reply in replies] == [True, False, False, True]
    assert all(reply["version"] == 1 for reply in replies)
    assert "not JSON" in replies[1]["error"]
    assert '"stop" is not known' in replies[2]["error"]


def test_a_thousand_requests_at_once(up):
    running = up(ECHO)
    with unix_client(running.control) as client, client.makefile() as stream:
        client.sendall(b"{}\n" * 1000)
        client.shutdown(socket.SHUT_WR)
        assert len(stream.readlines()) == 1000


def test_a_request_without_end_is_refused(up):
    running = up(ECHO)
    reply = running.ask(b"x" * (64 << 10))
    assert not reply["ok"]
    assert "64 KiB" in reply["error"]
    assert running.status()["ok"]


# --- reload --------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["verb", "signal"])
def test_reload_by_difference_keeps_connections(up, runtime_dir, by):
    running = up(ECHO, route("old", "unix:old.sock", "echo"))
    with unix_client(runtime_dir / "e.sock") as kept, unix_client(
        runtime_dir / "old.sock"
    ) as leaving:
        assert echoes(kept) and echoes(leaving)
        inode = (runtime_dir / "e.sock").stat().st_ino
        running.write(ECHO, route("new", "unix:new.sock", "clock"))
        if by == "verb":
            done = running.reload()
            assert (done.returncode, done.stderr) == (0, "")
            assert done.stdout == "1 added, 0 changed, 1 removed, 2 untouched\n"
        else:
            running.process.send(signal.SIGHUP)
        running.process.wait_for("1 added, 0 changed, 1 removed, 2 untouched")
        assert (runtime_dir / "e.sock").stat().st_ino == inode
        assert not (runtime_dir / "old.sock").exists()
        assert (runtime_dir / "new.sock").exists()
        assert echoes(kept) and echoes(leaving)
        routes = {route["name"]: route for route in running.status()["routes"]}
        assert routes["old"]["leaving"] and len(routes["old"]["connections"]) == 1
        assert not routes["echo"]["leaving"]
    wait_until(lambda: "old" not in [route["name"] for route in running.status()["routes"]])


def test_routes_on_any_port_keep_their_own(up):
    """Their addresses are the same, so that only their names tell them apart."""
    names = ["one", "two", "three"]
    running = up(*(route(name, "tcp:0", "echo") for name in names))
    ports = {name: running.route(name)["listen"] for name in names}
    assert len(set(ports.values())) == 3
    running.write(*(route(name, "tcp:0", "echo") for name in reversed(names)))
    assert running.reload().stdout == "0 added, 0 changed, 0 removed, 4 untouched\n"
    assert {name: running.route(name)["listen"] for name in names} == ports


@pytest.mark.parametrize("by", ["verb", "signal"])
def test_a_bad_file_changes_nothing_and_says_why(up, runtime_dir, by):
    running = up(ECHO)
    with unix_client(runtime_dir / "e.sock") as kept:
        assert echoes(kept)
        running.write(route("a", "tcp:99999", "echo"), route("b", "unix:b.sock", "nowhere"))
        if by == "verb":
            done = running.reload()
            assert done.returncode == 1
            lines = done.stderr.splitlines()
            assert len(lines) >= 2
            assert all(line.startswith("ferry reload: ") and "f.conf:" in line for line in lines)
        else:
            running.process.send(signal.SIGHUP)
        running.process.wait_for("nothing changed: ")
        assert echoes(kept)
        assert [route["name"] for route in running.status()["routes"]] == ["echo", "control"]


def test_a_listener_that_cannot_open_changes_nothing(up, runtime_dir):
    running = up(ECHO)
    with socket.socket(socket.AF_UNIX) as foreign:
        foreign.bind(str(runtime_dir / "taken.sock"))
        foreign.listen()
        running.write(
            ECHO, route("good", "unix:g.sock", "echo"), route("bad", "unix:taken.sock", "echo")
        )
        done = running.reload()
        assert done.returncode == 1
        assert "taken.sock" in done.stderr
        assert not (runtime_dir / "g.sock").exists()
        assert [route["name"] for route in running.status()["routes"]] == ["echo", "control"]


def test_a_reload_keeps_the_control_socket_whatever_has_become_of_its_folder(up, runtime_dir):
    """It is open already: that its folder would not be chosen now takes nothing away."""
    one = up(route("echo", "unix:e.sock", "echo"))
    (runtime_dir / "ferry").chmod(0o777)
    done = one.reload()
    assert done.returncode == 0 and done.stdout == "0 added, 0 changed, 0 removed, 2 untouched\n"
    assert [route["name"] for route in one.status()["routes"]] == ["echo", "control"]


def test_a_reload_that_takes_its_own_control_route_away_is_answered(up, runtime_dir):
    running = up(ECHO, route("mine", "unix:mine.sock", "control"), control="mine.sock")
    running.write(ECHO, route("other", "unix:other.sock", "control"))
    done = running.reload()
    assert done.returncode == 0, done.stderr
    assert done.stdout == "1 added, 0 changed, 1 removed, 1 untouched\n"
    assert not (runtime_dir / "mine.sock").exists()
    running.control = runtime_dir / "other.sock"
    assert running.status()["ok"]


def test_fifty_reloads_under_traffic(up, runtime_dir):
    running = up(ECHO)
    with unix_client(runtime_dir / "e.sock") as kept:
        assert echoes(kept)
        counts = []
        for number in range(50):
            running.write(ECHO, route("x", f"unix:x{number % 2}.sock", "echo"))
            assert running.reload().returncode == 0
            assert echoes(kept)
            with unix_client(runtime_dir / f"x{number % 2}.sock") as fresh:
                assert echoes(fresh)
            counts.append(descriptor_count(running.process.pid))
    wait_until(lambda: descriptor_count(running.process.pid) <= min(counts))


# --- stopping, the service manager ---------------------------------------------------------------


def test_grace_bounds_the_wait(up, runtime_dir):
    running = up(ECHO, options=["--grace=200ms"])
    with unix_client(runtime_dir / "e.sock") as client:
        assert echoes(client)
        assert running.process.stop() == 0
        assert client.recv(10) == b""
    assert "grace" in running.process.stderr()
    assert not running.control.exists()


def test_a_stop_that_nobody_holds_up_is_immediate(up, runtime_dir):
    running = up(ECHO, options=["--grace=1h"])
    assert running.process.stop() == 0
    assert not (runtime_dir / "e.sock").exists()


def test_systemd_is_told(up, runtime_dir):
    told = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(runtime_dir / "notify.sock"))
        manager.settimeout(10)

        def words():
            message = manager.recv(4096).decode()
            told.append(message)
            return dict(line.split("=", 1) for line in message.splitlines())

        running = up(ECHO, env={"NOTIFY_SOCKET": str(runtime_dir / "notify.sock")})
        ready = words()
        assert ready["READY"] == "1"
        assert ready["STATUS"] == "2 routes"
        running.write(ECHO)
        running.process.send(signal.SIGHUP)
        reloading = words()
        assert reloading["RELOADING"] == "1"
        assert int(reloading["MONOTONIC_USEC"]) > 0
        assert words()["READY"] == "1"
        running.process.send(signal.SIGTERM)
        assert words()["STOPPING"] == "1"
        assert running.process.wait() == 0


def test_sockets_of_systemd_are_adopted_by_name(ferry, start, runtime_dir):
    """What systemd-socket-activate does, without it: descriptor 3, and the variables."""
    (runtime_dir / "f.conf").write_text(route("web", "fd:web", "echo"))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(runtime_dir / "activated.sock"))
        listener.listen()
        script = (
            f"exec 3<&{listener.fileno()} {listener.fileno()}<&-; "
            "export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=web; "
            f"exec {ferry} up -c f.conf"
        )
        process = start(
            "bash",
            "-c",
            script,
            env={"XDG_RUNTIME_DIR": str(runtime_dir), "RUNTIME_DIRECTORY": str(runtime_dir)},
            pass_fds=[listener.fileno()],
        )
        process.wait_for("started")
    with unix_client(runtime_dir / "activated.sock") as client:
        assert echoes(client)
    assert process.stop() == 0
    assert (runtime_dir / "activated.sock").exists()  # the manager's, not ours to remove


def test_the_limit_of_descriptors_is_raised(start, ferry):
    process = start("bash", "-c", f"ulimit -Sn 64; exec {ferry} relay unix:a.sock echo")
    process.wait_for("started")
    with open(f"/proc/{process.pid}/limits") as limits:
        (line,) = [line for line in limits if line.startswith("Max open files")]
    soft, hard = line.split()[3:5]
    assert soft == hard != "64"


def test_log_of_the_configuration(up, runtime_dir):
    running = up("[ferry]\nlog = json\n", ECHO)
    running.process.wait_for("started")
    events = [json.loads(line) for line in running.process.stderr().splitlines()]
    assert {event["route"] for event in events} == {"echo", "control"}


def told_reloads(running, count):
    """The lines that tell of reloads without a change, once there are so many."""

    def told():
        return [line for line in running.process.stderr().splitlines() if "2 untouched" in line]

    wait_until(lambda: len(told()) == count)
    return told()


def test_the_log_changes_with_a_reload_that_succeeds(up, runtime_dir):
    running = up(ECHO)
    with socket.socket(socket.AF_UNIX) as foreign:
        foreign.bind(str(runtime_dir / "taken.sock"))
        foreign.listen()
        running.write("[ferry]\nlog = json\n", ECHO, route("bad", "unix:taken.sock", "echo"))
        assert running.reload().returncode == 1
        running.process.wait_for("nothing changed")
        assert "{" not in running.process.stderr()
    running.write("[ferry]\nlog = json\n", ECHO)
    assert running.reload().returncode == 0
    assert json.loads(told_reloads(running, 1)[0])["event"] == "reloaded"
    running.write(ECHO)
    assert running.reload().returncode == 0
    assert " reloaded " in told_reloads(running, 2)[1]


def test_the_log_of_the_command_line_stays(up):
    running = up("[ferry]\nlog = text\n", ECHO, options=["--log=json"])
    running.write(ECHO)
    assert running.reload().returncode == 0
    assert json.loads(told_reloads(running, 1)[0])["event"] == "reloaded"


def test_two_ferries_do_not_share_a_configuration(up, runtime_dir, ferry):
    running = up(ECHO)
    second = subprocess.run(
        [ferry, "up", "-c", "f.conf"],
        cwd=runtime_dir,
        capture_output=True,
        text=True,
        timeout=20,
        env={
            **os.environ,
            "XDG_RUNTIME_DIR": str(runtime_dir),
            "RUNTIME_DIRECTORY": str(runtime_dir / "ferry"),
        },
    )
    assert second.returncode == 1
    assert str(running.process.pid) in second.stderr
    assert running.status()["ok"]


def udp_port(port):
    """What the kernel holds for a UDP port, and how many datagrams it has dropped itself."""
    with open("/proc/net/udp") as lines:
        for line in lines:
            fields = line.split()
            if fields[1].endswith(f":{port:04X}"):
                return int(fields[4].split(":")[1], 16), int(fields[-1])
    raise AssertionError(f"nobody has UDP port {port}")


def test_datagrams_that_had_to_be_dropped_are_counted_and_told(up, runtime_dir):
    """A target that takes nothing while UDP senders can't be made to wait."""
    sent, port_taken = 3000, socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with port_taken:
        port_taken.bind(("127.0.0.1", 0))
        port = port_taken.getsockname()[1]
    target = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    target.bind(str(runtime_dir / "target"))
    target.settimeout(10)
    server = up(route("u", f"udp:{port}", "unix-dgram:target", "allow = any"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", port))
        for number in range(sent):
            sender.send(b"%d" % number)
            if number % 50 == 49:
                wait_until(lambda: udp_port(port)[0] == 0)
        assert udp_port(port)[1] == 0, "the kernel dropped nothing"
        dropped = server.route("u")["dropped"]
        assert 0 < dropped < sent
        got = [int(target.recv(100)) for _ in range(sent - dropped)]
        assert got == sorted(got) and got[0] == 0
        target.settimeout(0.3)
        with pytest.raises(TimeoutError):
            target.recv(100)
    assert server.route("u")["dropped"] == dropped
    assert server.process.stderr().count("datagrams were dropped: ") == 1
