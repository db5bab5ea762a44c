"""What an older kernel lacks, injected by strace: ferry goes on without it, or says what is missing.
(Facts about peers that need a new kernel: test_identity.py. Options: test_options.py. Datagrams that
pass as one: test_datagrams.py.)"""

import os
import shutil
import socket

import pytest

from support import wait_until

pytestmark = [
    pytest.mark.plain_build,
    pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed"),
]


@pytest.fixture
def without(start, ferry, runtime_dir):
    """without(call, error, argument...) runs ferry on a kernel where `call` fails so."""

    def run(call, error, *arguments):
        process = start(
            "strace", "-f", "-qq", "-o", runtime_dir / "trace",
            "-e", f"trace={call}", "-e", f"inject={call}:error={error}",
            ferry, *arguments,
        )  # fmt: skip
        process.wait_for("started")
        return process

    return run


def injected(runtime_dir):
    return (runtime_dir / "trace").read_text().count("(INJECTED)")


def ask(path):
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(path))
        client.sendall(b"good day")
        client.shutdown(socket.SHUT_WR)
        return client.makefile("rb").read()


def test_pipes_without_pwritev2(without, runtime_dir):
    """RWF_NOSIGNAL is of Linux 6.18: before, SIGPIPE is kept off in another way."""
    os.mkfifo(runtime_dir / "out")
    reader = os.open(runtime_dir / "out", os.O_RDONLY | os.O_NONBLOCK)
    relay = without("pwritev2", "ENOSYS", "relay", "unix:s.sock", "fifo:out")
    assert ask(runtime_dir / "s.sock") == b""
    assert os.read(reader, 100) == b"good day"
    os.close(reader)
    assert injected(runtime_dir) == 1, "asked for once"
    assert relay.running()


def test_seeds_without_getrandom(without, runtime_dir):
    without("getrandom", "ENOSYS", "relay", "unix:s.sock", "echo", "--per-uid", "connections=9")
    assert ask(runtime_dir / "s.sock") == b"good day"
    assert injected(runtime_dir)


def test_a_filter_without_seccomp(without, runtime_dir):
    """seccomp(2) is of Linux 3.17; prctl(2) can do it for the one thread that there is."""
    relay = without("seccomp", "ENOSYS", "relay", "unix:s.sock", "echo")
    assert ask(runtime_dir / "s.sock") == b"good day"
    assert injected(runtime_dir) and relay.running()


def test_descriptors_are_closed_where_the_kernel_cannot_refuse_them(without, runtime_dir):
    """SO_PASSRIGHTS is of Linux 6.16: before, they come and are closed, and the bytes pass."""
    relay = without(
        "setsockopt", "ENOPROTOOPT", "relay", "unix:s.sock,descriptors=no", "echo", "--sandbox=no"
    )
    (child,) = open(f"/proc/{relay.pid}/task/{relay.pid}/children").read().split()
    before = len(os.listdir(f"/proc/{child}/fd"))
    null = os.open("/dev/null", os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(runtime_dir / "s.sock"))
        socket.send_fds(client, [b"good day"], [null, null])
        text, descriptors, _, _ = socket.recv_fds(client, 100, 10)
    os.close(null)
    assert (text, descriptors) == (b"good day", [])
    wait_until(lambda: len(os.listdir(f"/proc/{child}/fd")) <= before)
    assert injected(runtime_dir)


def test_nobody_is_believed_without_so_peercred(start, ferry, runtime_dir):
    """A kernel that vouches for nobody: every rule that needs it refuses."""
    relay = start(
        "strace", "-f", "-qq", "-o", runtime_dir / "trace",
        "-e", "trace=getsockopt", "-e", "inject=getsockopt:error=ENOPROTOOPT:when=10+",
        ferry, "relay", "unix:s.sock", "echo",
    )  # fmt: skip
    relay.wait_for("started")
    answers = set()
    for _ in range(20):
        try:
            answers.add(ask(runtime_dir / "s.sock"))
        except (ConnectionResetError, BrokenPipeError):
            answers.add(b"refused")
    assert answers == {b"good day", b"refused"}
    assert "nobody vouches for its uid" in relay.stderr()
