"""Socket activation by systemd's own tool: the socket is open before ferry is, and stays when ferry
has gone."""

import os
import signal
import socket

import pytest

from programs import free_port, need


def ask(client, data=b"hello"):
    client.settimeout(10)
    client.sendall(data)
    client.shutdown(socket.SHUT_WR)
    received = b""
    while part := client.recv(65536):
        received += part
    return received


def connect(path):
    client = socket.socket(socket.AF_UNIX)
    client.connect(str(path))
    return client


@pytest.fixture
def activate(start, ferry, runtime_dir):
    """activate(options, words...) starts ferry by systemd-socket-activate when a client comes."""
    program = need("systemd-socket-activate")

    def run(options, *words):
        process = start(program, *options, ferry, *words)
        process.wait_for("Listening on")
        return process

    return run


def write(runtime_dir, text):
    path = runtime_dir / "ferry.conf"
    path.write_text(
        f"[route control]\nlisten = unix:{runtime_dir}/control.sock\nto = control\n{text}"
    )
    return path


def test_a_named_socket(activate, runtime_dir):
    path = runtime_dir / "web.sock"
    conf = write(runtime_dir, "[route web]\nlisten = fd:web\nto = echo\n")
    process = activate(["-l", path, "--fdname=web"], "up", "-c", conf)
    inode = os.stat(path).st_ino
    with connect(path) as client:
        assert ask(client) == b"hello", "the client that woke it"
    process.wait_for("started  web")
    with connect(path) as client:
        assert ask(client, b"again") == b"again"
    assert process.stop(signal.SIGTERM) == 0
    assert os.stat(path).st_ino == inode, "the path is the manager's, not ours to remove"


def test_several_sockets_by_their_names(activate, runtime_dir):
    port = free_port()
    conf = write(
        runtime_dir,
        "[route tcp]\nlisten = fd:tcp\nallow = any\nto = echo\n"
        "[route unix]\nlisten = fd:unix\nto = clock\n",
    )
    path = runtime_dir / "u.sock"
    process = activate(
        ["-l", f"127.0.0.1:{port}", "-l", path, "--fdname=tcp:unix"], "up", "-c", conf
    )
    with socket.create_connection(("127.0.0.1", port), 10) as client:
        assert ask(client) == b"hello"
    with connect(path) as client:
        client.settimeout(10)
        assert client.recv(100)[:2] == b"20", "the year"
    assert process.stop(signal.SIGTERM) == 0


def test_a_reload_keeps_what_was_passed(activate, run_ferry, runtime_dir):
    path = runtime_dir / "web.sock"
    conf = write(runtime_dir, "[route web]\nlisten = fd:web\nto = echo\n")
    process = activate(["-l", path, "--fdname=web"], "up", "-c", conf)
    with connect(path) as staying:
        process.wait_for("started  web")
        write(runtime_dir, "[route web]\nlisten = fd:web\nto = echo\nidle = 1h\n")
        done = run_ferry("reload", "-s", runtime_dir / "control.sock")
        assert done.returncode == 0, done.stderr
        with connect(path) as client:
            assert ask(client, b"after") == b"after"
        assert ask(staying, b"before") == b"before"


def test_what_nobody_listens_on_is_said(activate, runtime_dir):
    conf = write(runtime_dir, "")
    process = activate(["-l", runtime_dir / "web.sock", "--fdname=web"], "up", "-c", conf)
    with connect(runtime_dir / "web.sock"):
        process.wait_for("no route listens on fd:web")


def test_as_inetd(activate, start_ferry, runtime_dir):
    """A process for every connection, the connection its standard input and output."""
    start_ferry("relay", f"unix:{runtime_dir}/echo.sock", "echo").wait_for("started")
    path = runtime_dir / "inetd.sock"
    activate(
        ["--accept", "--inetd", "-l", path], "relay", "-q", "-", f"unix:{runtime_dir}/echo.sock"
    )
    for number in range(3):
        with connect(path) as client:
            data = f"client {number} ".encode() * 20000
            assert ask(client, data) == data
