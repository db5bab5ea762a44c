"""What one user may have at a time: connections, their rate, bytes and descriptors that wait."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from support import fill, wait_until

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become other users")

ALICE, BOB = 4001, 4002


def connect(path):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(10)
    client.connect(str(path))
    return client


def is_served(client):
    try:
        client.sendall(b"x")
        return client.recv(1) == b"x"
    except (ConnectionResetError, BrokenPipeError):
        return False


def is_served_as(uid, path):
    code = (
        "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]);"
        "s.sendall(b'x'); sys.exit(s.recv(1) != b'x')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, path], user=uid, group=uid, stderr=subprocess.DEVNULL
    )
    return done.returncode == 0


@pytest.fixture
def route(start_ferry, run_ferry, runtime_dir):
    """route(to, argument...) relays s.sock to it; returns the process and what its status says."""
    os.chmod(runtime_dir, 0o755)

    def run(to, *arguments):
        relay = start_ferry(
            "relay", "unix:s.sock,mode=0666", to, *arguments, "--control", "unix:c.sock"
        )
        relay.wait_for("control")

        def status():
            done = run_ferry("status", "--json", "-s", "unix:c.sock")
            return json.loads(done.stdout)["routes"][0]

        return relay, status

    return run


def test_connections(route, runtime_dir):
    relay, status = route("echo", "--per-uid", "connections=3")
    clients = [connect(runtime_dir / "s.sock") for _ in range(3)]
    assert all(is_served(client) for client in clients)
    assert not is_served(connect(runtime_dir / "s.sock"))
    relay.wait_for("connections=3")
    assert f"uid {os.getuid()}" in relay.stderr()
    clients.pop().close()
    wait_until(lambda: is_served(connect(runtime_dir / "s.sock")))
    assert status()["refused"] >= 1
    assert status()["per_uid"]["limits"] == "connections=3"


@as_root
def test_one_user_s_limit_is_not_another_s(route, runtime_dir):
    _, status = route("echo", "--per-uid", "connections=2", "--allow", "any")
    path = runtime_dir / "s.sock"
    clients = [connect(path) for _ in range(2)]
    assert all(is_served(client) for client in clients)
    assert not is_served(connect(path))
    assert is_served_as(ALICE, path) and is_served_as(BOB, path)
    holders = status()["per_uid"]["holders"]
    assert {"who": "uid 0", "connections": 2, "refused": 1, "bytes": 0, "descriptors": 0} in holders


def test_rate(route, runtime_dir):
    """A burst of as many as a second allows; of 200 at once no more than that and a few."""
    _, status = route("echo", "--per-uid", "rate=20/s")
    started = time.monotonic()
    served = sum(is_served(connect(runtime_dir / "s.sock")) for _ in range(200))
    allowed = 20 + (time.monotonic() - started) * 20 + 1
    assert 20 <= served <= allowed
    assert status()["refused"] == 200 - served


def test_bytes(route, runtime_dir):
    """Ten clients of one user flood a target that takes nothing: what they hold stays bounded, and
    once there is room everything arrives."""
    target = socket.socket(socket.AF_UNIX)
    target.bind(str(runtime_dir / "target.sock"))
    target.listen(20)
    relay, status = route("unix:target.sock", "--per-uid", "bytes=128k", "--allow", "any")
    clients = [connect(runtime_dir / "s.sock") for _ in range(10)]
    ends = [target.accept()[0] for _ in clients]
    for client in clients:
        fill(client, lambda: client.send(b"x" * 65536), [relay.pid])
    (holder,) = status()["per_uid"]["holders"]
    assert 65536 <= holder["bytes"] <= 2 * 131072 + 65536
    assert holder["connections"] == 10
    for client in clients:
        client.settimeout(10)
        client.shutdown(socket.SHUT_WR)
    for end in ends:
        end.settimeout(10)
        while end.recv(1 << 20):
            pass
        end.close()
    wait_until(lambda: status()["ended"] == 10)
    assert status()["per_uid"]["holders"] == []


def test_bytes_of_a_service(start_ferry, run_ferry, runtime_dir):
    """Who asks for the time and reads no answer is charged for what waits for it."""
    relay = start_ferry(
        *("relay", "unix-seq:q.sock", "clock", "--per-uid", "bytes=1M", "--control", "unix:c.sock")
    )
    relay.wait_for("control")
    client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    client.connect(str(runtime_dir / "q.sock"))
    fill(client, lambda: client.send(b"what time is it?"), [relay.pid])

    def held():
        status = json.loads(run_ferry("status", "--json", "-s", "unix:c.sock").stdout)
        return status["routes"][0]["per_uid"]["holders"][0]["bytes"]

    wait_until(lambda: held() >= 65536)


def test_descriptors(route, runtime_dir):
    """Descriptors that wait in ferry are as many as the limit, where each message has one."""
    target = socket.socket(socket.AF_UNIX)
    target.bind(str(runtime_dir / "target.sock"))
    target.listen(20)
    relay, status = route("unix:target.sock", "--per-uid", "descriptors=5", "--allow", "any")
    clients = [connect(runtime_dir / "s.sock") for _ in range(10)]
    ends = [target.accept()[0] for _ in clients]
    null = os.open("/dev/null", os.O_RDONLY)
    for client in clients:
        fill(client, lambda: socket.send_fds(client, [b"x" * 4096], [null]), [relay.pid])
    (holder,) = status()["per_uid"]["holders"]
    assert holder["descriptors"] == 5
    links = (os.readlink(entry.path) for entry in os.scandir(f"/proc/{relay.pid}/fd"))
    assert sum(link == "/dev/null" for link in links) <= 5 + 3
    for end in ends:
        end.close()
    os.close(null)


@as_root
def test_datagrams_beyond_the_limit_hold_up_nobody_else(start_ferry, run_ferry, runtime_dir):
    """All senders share a socket: one who has too much under way must not keep it from being read."""
    os.chmod(runtime_dir, 0o755)
    target = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    target.bind(str(runtime_dir / "t.sock"))
    relay = start_ferry(
        *("relay", "unix-dgram:s.sock,mode=0666", "unix-dgram:t.sock,delay=1h"),
        *("--per-uid", "bytes=64k", "--allow", "any", "--control", "unix:c.sock"),
    )
    relay.wait_for("control")
    flood = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    flood.bind("")
    flood.connect(str(runtime_dir / "s.sock"))
    flood.settimeout(20)
    for _ in range(600):
        flood.send(b"x" * 4000)
    code = (
        "import socket, sys; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM);"
        "s.bind(''); s.settimeout(20); s.sendto(b'x', sys.argv[1])"
    )
    command = [sys.executable, "-c", code, runtime_dir / "s.sock"]
    assert subprocess.run(command, user=ALICE, group=ALICE).returncode == 0

    def uids():
        [route, _] = json.loads(run_ferry("status", "--json", "-s", "unix:c.sock").stdout)["routes"]
        return {end["peer"]["uid"]: end for end in route["connections"] if end["bytes_in"]}

    wait_until(lambda: ALICE in uids())
    held = uids()[0]
    assert 65536 <= held["bytes_in"] <= 65536 + 16 * 4000
    assert wait_until(lambda: uids()[0]["dropped"] == 600 - held["bytes_in"] // 4000)
    relay.send(signal.SIGKILL)


def test_of_all_routes_and_after_a_reload(start_ferry, run_ferry, runtime_dir):
    configuration = runtime_dir / "f.conf"
    text = (
        "[ferry]\nper-uid = connections={}\n"
        "[route one]\nlisten = unix:1.sock\nto = echo\n"
        "[route two]\nlisten = unix:2.sock\nto = echo\nper-uid = connections=1\n"
        "[route control]\nlisten = unix:c.sock\nto = control\n"
    )
    configuration.write_text(text.format(3))
    up = start_ferry("up", "-c", "f.conf")
    up.wait_for("control")
    one = [connect(runtime_dir / "1.sock") for _ in range(2)]
    assert all(is_served(client) for client in one)
    two = connect(runtime_dir / "2.sock")
    assert is_served(two) and not is_served(connect(runtime_dir / "2.sock"))
    assert not is_served(connect(runtime_dir / "1.sock"))
    # Who asks how it goes gets in all the same.
    assert "connections=3" in run_ferry("status", "--json", "-s", "unix:c.sock").stdout
    configuration.write_text(text.format(10))
    assert run_ferry("reload", "-s", "unix:c.sock").returncode == 0
    assert all(is_served(connect(runtime_dir / "1.sock")) for _ in range(3))


def test_what_is_wrong_with_limits_is_said(run_ferry, runtime_dir):
    (runtime_dir / "f.conf").write_text(
        "[route r]\nlisten = unix:1.sock\nto = echo\nper-uid = connections=lots\n"
    )
    done = run_ferry("check", "-c", "f.conf")
    assert done.returncode == 1
    assert done.stderr.startswith("f.conf:4:") and "connections=lots" in done.stderr
