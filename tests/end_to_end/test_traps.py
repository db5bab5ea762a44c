"""The traps of doc/traps.md, each walked into on purpose: one test a trap, in the page's order."""

import ctypes
import errno
import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from support import listens, wait_until

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")


def ask(path, text=b"good day"):
    """What an echo on a path answers."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(path))
        client.sendall(text)
        client.shutdown(socket.SHUT_WR)
        return client.makefile("rb").read()


def test_a_path_that_is_served_is_not_taken(start_ferry, run_ferry, runtime_dir):
    path = runtime_dir / "s.sock"
    serving = start_ferry("relay", "unix:s.sock", "echo")
    serving.wait_for("started")
    inode = path.stat().st_ino
    second = run_ferry("relay", "unix:s.sock", "echo")
    assert second.returncode == 1 and f"pid {serving.pid}" in second.stderr
    assert path.stat().st_ino == inode and ask(path) == b"good day"


@as_root
def test_chmod_666_opens_nothing(start_ferry, runtime_dir):
    os.chmod(runtime_dir, 0o755)
    path = runtime_dir / "s.sock"
    relay = start_ferry("relay", "unix:s.sock", "echo")
    relay.wait_for("started")
    os.chmod(path, 0o666)
    code = (
        "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]);"
        "print(s.recv(1))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, path], user=65534, capture_output=True, text=True, timeout=10
    )
    assert done.stdout == "b''\n", done.stderr
    relay.wait_for("refused")
    assert "uid 65534" in relay.stderr() and ask(path) == b"good day"


def test_full_buffers_have_no_terminator(start_ferry, runtime_dir):
    """Sizes around every power of two; -x makes text of them as well."""
    relay = start_ferry("relay", "-x", "unix-seq:s.sock", "echo")
    relay.wait_for("started")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
        client.settimeout(10)
        client.connect(str(runtime_dir / "s.sock"))
        for size in [2**power + more for power in range(1, 17) for more in (-1, 0, 1)]:
            client.send(b"\xff" * size)
            assert client.recv(1 << 20) == b"\xff" * size
    assert relay.running()


def test_control_messages_that_do_not_come(start_ferry, runtime_dir):
    """A taker that meets bytes without descriptors looks at none."""
    taker = start_ferry("take", "unix:s.sock")
    wait_until(lambda: listens(runtime_dir / "s.sock"))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(runtime_dir / "s.sock"))
        client.sendall(b"files")
    assert taker.wait() == 1
    assert "no descriptor" in taker.stderr()


def test_ready_means_ready(start_ferry, runtime_dir):
    """Nobody sleeps a second: the notice comes once every route listens."""
    (runtime_dir / "f.conf").write_text(
        "".join(f"[route r{i}]\nlisten = unix:{i}.sock\nto = echo\n" for i in range(50))
    )
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(10)
        manager.bind(str(runtime_dir / "notify.sock"))
        environment = {"NOTIFY_SOCKET": f"{runtime_dir}/notify.sock", "RUNTIME_DIRECTORY": str(runtime_dir)}
        start_ferry("up", "-c", "f.conf", env=environment)
        while b"READY=1" not in manager.recv(4096):
            pass
    for i in range(50):
        assert ask(runtime_dir / f"{i}.sock") == b"good day"


def test_a_queue_s_second_slash(run_ferry):
    """The kernel says EACCES, as if it were a matter of rights; ferry says what it is."""
    librt = ctypes.CDLL("librt.so.1", use_errno=True)
    assert librt.mq_open(b"/a/b", os.O_RDWR | os.O_CREAT, 0o600, None) == -1
    assert ctypes.get_errno() == errno.EACCES
    done = run_ferry("relay", "mq:/a/b", "echo", "--allow", "any")
    assert done.returncode != 0 and "second slash" in done.stderr


@as_root
def test_a_priority_above_6_needs_a_right(ferry, runtime_dir):
    """Whoever is refused by the kernel is told by ferry which right is missing."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, 6)
    code = "import socket; socket.socket().setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, 7)"
    options = {"user": 65534, "capture_output": True, "text": True, "timeout": 20}
    assert "PermissionError" in subprocess.run([sys.executable, "-c", code], **options).stderr
    command = [ferry, "relay", "tcp:127.0.0.1:0,priority=7", "echo"]
    done = subprocess.run(command, cwd=runtime_dir, **options)
    assert done.returncode == 1
    assert "priority" in done.stderr and "CAP_NET_ADMIN" in done.stderr


@pytest.mark.timeout(60)
def test_size_by_round_trip_is_no_bandwidth(start_ferry, runtime_dir):
    """1,000 bytes that take 100 ms there and back would be 10 kB/s, and 4 MB would take minutes; but
    what is on its way does not wait for what went before."""
    start_ferry("relay", "unix:s.sock,delay=50ms", "echo").wait_for("started")
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(30)
        client.connect(str(runtime_dir / "s.sock"))
        started = time.monotonic()
        client.sendall(bytes(1000))
        left = 1000
        while left:
            left -= len(client.recv(left))
        formula = 1000 / (time.monotonic() - started)
        started = time.monotonic()
        threading.Thread(target=client.sendall, args=[bytes(4 << 20)], daemon=True).start()
        left = 4 << 20
        while left:
            left -= len(client.recv(left))
        assert formula <= 1000 / 0.1
        assert (4 << 20) / (time.monotonic() - started) > 10 * formula


def test_signals_run_no_handler(start_ferry):
    """Nothing can be unsafe in a handler that is not there: SigCgt of /proc/PID/status."""
    relay = start_ferry("relay", "unix:s.sock", "echo")
    relay.wait_for("started")
    with open(f"/proc/{relay.pid}/status") as status:
        masks = {line.split(":")[0]: line.split()[1] for line in status if line.startswith("Sig")}
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        assert int(masks["SigBlk"], 16) & 1 << (number - 1)
        assert not int(masks["SigCgt"], 16) & 1 << (number - 1)
    assert relay.stop() == 0


def test_a_fifo_without_its_other_end_holds_nobody_up(start_ferry, runtime_dir):
    """open(2) of a FIFO waits for the other end; the loop goes on meanwhile."""
    os.mkfifo(runtime_dir / "lonely")
    (runtime_dir / "f.conf").write_text(
        "[route fifo]\nlisten = unix:fifo.sock\nto = fifo:lonely\n"
        "[route echo]\nlisten = unix:echo.sock\nto = echo\n"
    )
    start_ferry("up", "-c", "f.conf", env={"RUNTIME_DIRECTORY": str(runtime_dir)})
    wait_until(lambda: listens(runtime_dir / "echo.sock"))
    with socket.socket(socket.AF_UNIX) as waiting:
        waiting.connect(str(runtime_dir / "fifo.sock"))
        waiting.sendall(b"for whoever reads the FIFO\n")
        assert ask(runtime_dir / "echo.sock") == b"good day"
        with open(runtime_dir / "lonely") as reader:
            assert reader.readline() == "for whoever reads the FIFO\n"


def test_memory_that_is_passed_can_be_sealed(start_ferry, runtime_dir):
    """What is shared without synchronisation must not change: the seals travel with the memory."""
    memory = os.memfd_create("table", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(memory, b"a table")
    seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
    fcntl.fcntl(memory, fcntl.F_ADD_SEALS, seals)
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.settimeout(10)
        server.bind(str(runtime_dir / "server.sock"))
        server.listen()
        start_ferry("relay", "unix:front.sock", "unix:server.sock").wait_for("started")
        client.connect(str(runtime_dir / "front.sock"))
        socket.send_fds(client, [b"m"], [memory])
        arrived, _ = server.accept()
        with arrived:
            arrived.settimeout(10)
            _, (received,), _, _ = socket.recv_fds(arrived, 10, 1)
    assert fcntl.fcntl(received, fcntl.F_GET_SEALS) == seals
    assert os.pread(received, 100, 0) == b"a table"
    for change in (lambda: os.pwrite(memory, b"x", 0), lambda: os.ftruncate(received, 0)):
        with pytest.raises(PermissionError):
            change()
    os.close(memory)
    os.close(received)


def test_readiness_is_asked_for_again(start_ferry, runtime_dir):
    """A one-shot event that is not armed again is a connection that hangs after its first turn:
    here both directions fill up, block, and go on, again and again."""
    start_ferry("relay", "unix:s.sock", "echo").wait_for("started")
    block = bytes(range(256)) * 4096
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(runtime_dir / "s.sock"))
        for _ in range(10):
            client.setblocking(False)
            sent = 0
            try:
                while sent < 64 << 20:
                    sent += client.send(block)
            except BlockingIOError:
                pass
            assert 0 < sent < 64 << 20, "it was never full"
            client.settimeout(10)
            while sent > 0:
                sent -= len(client.recv(1 << 20))


def test_sigstop_and_sigkill(start_ferry, runtime_dir):
    """Neither can be caught: clients of a stopped one wait, a killed one's path is taken over."""
    relay = start_ferry("relay", "unix:s.sock", "echo")
    relay.wait_for("started")
    relay.send(signal.SIGSTOP)
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(runtime_dir / "s.sock"))
        client.sendall(b"waiting")
        relay.send(signal.SIGCONT)
        assert client.recv(100) == b"waiting"
    relay.stop(signal.SIGKILL)
    assert (runtime_dir / "s.sock").exists()
    start_ferry("relay", "unix:s.sock", "echo").wait_for("started")
    assert ask(runtime_dir / "s.sock") == b"good day"
