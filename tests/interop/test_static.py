"""The program that `make static` builds: it needs no other file, and does what the shared one does."""

import json
import os
import re
import shutil
import socket
import subprocess
import threading

import pytest

from programs import free_port, need
from support import ROOT, listens, wait_until

pytestmark = [
    pytest.mark.plain_build,
    pytest.mark.timeout(600),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root for chroot(2)"),
]

PROGRAM = ROOT / "build-static/ferry"

# Runs the program with a folder as the root of all files, and /proc there.
THERE = ["unshare", "--mount", "sh", "-c"]
THERE += ['mount -t proc proc "$0/proc" && exec chroot "$0" /ferry "$@"']


@pytest.fixture(scope="module")
def said():
    """The last line of `make static`."""
    done = subprocess.run(
        ["make", "--no-print-directory", "static"], cwd=ROOT, capture_output=True, text=True, timeout=580
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()[-1]


@pytest.fixture
def alone(said, runtime_dir):
    """A folder with the program and the files that names stand in."""
    shutil.copy(PROGRAM, runtime_dir)
    (runtime_dir / "proc").mkdir()
    (runtime_dir / "etc").mkdir()
    (runtime_dir / "etc/passwd").write_text("bob:x:4711:4711::/:/bin/sh\n")
    (runtime_dir / "etc/group").write_text("crew:x:4712:bob\n")
    (runtime_dir / "etc/hosts").write_text("127.0.0.1 quay\n")
    return runtime_dir


def run_there(alone, *words, **options):
    return subprocess.run([*THERE, alone, *words], capture_output=True, text=True, timeout=20, **options)


def test_it_needs_nothing(said):
    for what in ("--program-headers", "--dynamic"):
        done = subprocess.run(["readelf", what, PROGRAM], capture_output=True, text=True, check=True)
        assert "INTERP" not in done.stdout and "NEEDED" not in done.stdout
    done = subprocess.run(["ldd", PROGRAM], capture_output=True, text=True)
    assert done.stdout.strip() == "statically linked"


def test_its_size_is_told(said):
    size = PROGRAM.stat().st_size
    assert said == f"build-static/ferry: {size} bytes, needs no other file"
    told = re.search(r"`make static`[^.]*?([\d.]+) MB", (ROOT / "README.md").read_text())
    assert abs(float(told[1]) - size / 1e6) < 0.2


def test_it_relays_where_nothing_else_is(alone, start):
    start(*THERE, alone, "relay", "unix:/echo.sock", "echo").wait_for("started")
    data = os.urandom(1 << 20)
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(str(alone / "echo.sock"))
        sender = threading.Thread(target=lambda: (client.sendall(data), client.shutdown(socket.SHUT_WR)))
        sender.start()
        received = b""
        while piece := client.recv(1 << 16):
            received += piece
        sender.join()
    assert received == data


def test_it_finds_accounts(alone):
    done = run_there(alone, "check", "--as", "user:bob", "unix:/x.sock,allow=group:crew")
    assert (done.returncode, done.stderr) == (0, "")
    done = run_there(alone, "check", "--as", "user:eve", "unix:/x.sock,allow=group:crew")
    assert done.returncode == 2 and "there is no such user" in done.stderr


def test_it_finds_hosts(alone):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        threading.Thread(target=lambda: server.accept()[0].close(), daemon=True).start()
        done = run_there(alone, "connect", f"tcp:quay:{port}", stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stderr) == (0, "")


def test_it_sees_what_the_other_sees(alone, start, ferry):
    """The kernel's answers are read without libmnl."""
    path, port = alone / "seen.sock", free_port()
    start(PROGRAM, "relay", f"unix:{path}", "echo")
    start(PROGRAM, "relay", f"tcp:127.0.0.1:{port}", "echo").wait_for("started")
    wait_until(lambda: listens(path))
    with socket.socket(socket.AF_UNIX) as near, socket.create_connection(("127.0.0.1", port)) as far:
        near.connect(str(path))
        for client in (near, far):
            client.sendall(b"x")
            assert client.recv(1) == b"x"
        for words in (["-x", path], ["-t", f"127.0.0.1:{port}"]):
            seen = [
                json.loads(subprocess.run([one, "ls", "--json", "-a", *words], capture_output=True).stdout)
                for one in (PROGRAM, ferry)
            ]
            kernel = [
                [(row["kind"], row["state"], row["inode"], row["owners"]) for row in one["endpoints"]]
                for one in seen
            ]
            assert kernel[0] == kernel[1] and len(kernel[0]) > 1


def test_top_says_that_it_has_no_screen(alone):
    done = subprocess.run(
        [need("script"), "--quiet", "--return", "--command", f"{PROGRAM} top -n 1", "/dev/null"],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "TERM": "xterm"},
        timeout=30,
    )
    assert done.returncode == 0
    assert "ferry top: built without ncurses: no screen; as text (--batch)" in done.stdout
