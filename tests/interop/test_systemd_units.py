"""The example units: systemd's own judgement of them, and ferry at work in all their restrictions."""

import os
import shutil
import socket
import subprocess
import threading

import pytest

from programs import need
from support import ROOT, wait_until

PROGRAM = "/run/program/ferry"  # inside the manager's namespaces


@pytest.fixture
def unit_text(build):
    """unit_text(name) is an example unit as it is installed, its program one that runs."""

    def read(name, program):
        path = build / "examples" / "systemd" / name
        text = (path if path.exists() else ROOT / "examples" / "systemd" / name).read_text()
        lines = text.splitlines()
        programs = {line.split("=")[1].split()[0] for line in lines if line[:4] == "Exec"}
        for word in programs:
            assert word.endswith("/bin/ferry")
            text = text.replace(word, str(program))
        return text

    return read


@pytest.fixture
def units(unit_text, ferry, tmp_path):
    """The example units in a folder."""
    for name in ("ferry.service", "ferry.socket"):
        (tmp_path / name).write_text(unit_text(name, ferry))
    return tmp_path


def analyze(*words):
    return subprocess.run(
        [need("systemd-analyze"), *map(str, words)], capture_output=True, text=True, timeout=60
    )


def test_systemd_finds_no_mistake(units):
    done = analyze("verify", "--man=no", units / "ferry.service", units / "ferry.socket")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_service_is_exposed_to_little(units):
    done = analyze("security", "--offline=true", "--threshold=20", units / "ferry.service")
    assert done.returncode == 0, f"above 2.0 of 10:\n{done.stdout}{done.stderr}"


@pytest.fixture
def installed(manager, unit_text, ferry):
    """installed(routes) has both units in the manager, for a user that every machine has."""

    def run(routes):
        folder = manager.path("/run/program")
        folder.mkdir()
        shutil.copy(ferry, folder / "ferry")
        (folder / "ferry.conf").write_text(routes)
        for name in ("ferry.service", "ferry.socket"):
            text = unit_text(name, PROGRAM).replace("=ferry\n", "=nogroup\n")
            text = text.replace("User=nogroup", "User=nobody")
            text = text.replace("RuntimeDirectory=nogroup", "RuntimeDirectory=ferry")
            text = text.replace("up --keep", "up --keep -c /run/program/ferry.conf")
            manager.write(name, text.replace("[Unit]", "[Unit]\nDefaultDependencies=no"))
        manager.systemctl("daemon-reload")
        return manager

    yield run
    # Its private /tmp, which is a folder of this machine's, goes when it ends.
    manager.run("systemctl", "stop", "ferry.socket", "ferry.service")


def connect(path):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(20)
    client.connect(str(path))
    return client


def serve_echo(path):
    """Echoes on the socket `path`; the far end of the connections that are to be kept."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    os.chmod(path, 0o666)
    listener.listen()

    def echo(connection):
        with connection:
            while data := connection.recv(100):
                connection.sendall(data)

    def accept():
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=echo, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


@pytest.mark.plain_build  # a sanitizer needs system calls that the unit denies
def test_ferry_works_in_all_its_restrictions(installed):
    manager = installed(
        "[route web]\nlisten = fd:web\nto = tcp:127.0.0.1:7007\n"
        "[route tcp]\nlisten = tcp:127.0.0.1:7007\nallow = any\nto = unix:/run/server.sock\n"
        "[route udp]\nlisten = udp:127.0.0.1:7007\nto = echo\n"
        "[route seq]\nlisten = unix-seq:/run/ferry/seq.sock,mode=0666\nto = unix-seq:@seq\n"
        "[route abstract]\nlisten = unix-seq:@seq\nto = echo\n"
        "[route cat]\nlisten = unix:/run/ferry/cat.sock,mode=0666\nto = exec:cat\n"
    )
    serve_echo(manager.path("/run/server.sock"))
    manager.systemctl("start", "ferry.socket")
    with connect(manager.path("/run/ferry-web.sock")) as client:  # this starts the service
        client.sendall(b"one")
        assert client.recv(10) == b"one"
        pid = manager.show("ferry.service", "MainPID")
        manager.systemctl("restart", "ferry.service")
        assert manager.show("ferry.service", "MainPID") != pid
        client.sendall(b"two")
        assert client.recv(10) == b"two", "the same connection"
    with connect(manager.path("/run/ferry/cat.sock")) as client:
        client.sendall(b"three")
        assert client.recv(10) == b"three"
    manager.systemctl("reload", "ferry.service")
    trouble = manager.run("journalctl", "-q", "-o", "cat", "FERRY_EVENT=trouble")
    assert trouble.stdout == "", "nothing that it needs is denied"
    manager.systemctl("stop", "ferry.socket", "ferry.service")
    assert not manager.path("/run/ferry").exists()
    wait_until(lambda: manager.show("ferry.service", "NFileDescriptorStore") == "0")


@pytest.mark.plain_build
def test_a_reload_of_what_is_wrong_fails(installed):
    manager = installed("[route echo]\nlisten = unix:/run/ferry/echo.sock\nto = echo\n")
    manager.systemctl("start", "ferry.service")
    manager.path("/run/program/ferry.conf").write_text("[route echo]\nlisten = nonsense\n")
    done = manager.run("systemctl", "reload", "ferry.service")
    assert done.returncode != 0
    assert manager.show("ferry.service", "ActiveState") == "active"
