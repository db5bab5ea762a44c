"""logger(1) into a datagram route: every message whole, in order, and into a file a line each."""

import os
import re
import socket
import subprocess

import pytest

from programs import need
from support import wait_until


def log(path, *words, **options):
    done = subprocess.run(
        [need("logger"), "--socket", path, "--socket-errors=on", "--tag", "ferry-test", *words],
        capture_output=True,
        text=True,
        timeout=30,
        **options,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def receiver(runtime_dir):
    sink = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sink.settimeout(10)
    sink.bind(str(runtime_dir / "sink.sock"))
    yield sink
    sink.close()


def test_messages_arrive_whole(receiver, start_ferry, runtime_dir):
    relay = start_ferry("relay", "unix-dgram:log.sock", "unix-dgram:sink.sock")
    relay.wait_for("started")
    path = runtime_dir / "log.sock"
    log(path, "--priority", "user.warning", "a text, whole: äöü, \\, 'quotes'")
    message = receiver.recv(65536).decode()
    assert message.startswith("<12>")
    assert message.rstrip("\0\n").endswith("a text, whole: äöü, \\, 'quotes'")
    long = "x" * 900
    log(path, long)
    assert long.encode() in receiver.recv(65536)


def test_a_thousand_in_order(receiver, start_ferry, runtime_dir):
    start_ferry("relay", "unix-dgram:log.sock", "unix-dgram:sink.sock").wait_for("started")
    lines = runtime_dir / "lines"
    lines.write_text("".join(f"line {number}\n" for number in range(1000)))
    logger = subprocess.Popen(
        [need("logger"), "--socket", runtime_dir / "log.sock", "--socket-errors=on"]
        + ["--file", lines]
    )
    try:
        for number in range(1000):
            message = receiver.recv(65536).decode().rstrip("\0\n")
            assert message.endswith(f"line {number}")
        assert logger.wait(10) == 0
    finally:
        if logger.poll() is None:
            logger.kill()
            logger.wait()


def test_into_a_file_a_line_each(start_ferry, runtime_dir):
    file = runtime_dir / "app.log"
    relay = start_ferry("relay", "unix-dgram:log.sock", f"file:{file},append,frame=lf")
    relay.wait_for("started")
    path = runtime_dir / "log.sock"
    for number in range(20):
        log(path, f"message {number}")

    def whole():
        return file.exists() and file.read_text().count("\n") >= 20

    wait_until(whole)
    lines = file.read_text().splitlines()
    assert len(lines) == 20
    for number, line in enumerate(lines):
        assert re.fullmatch(rf"<13>.*ferry-test: message {number}\0?", line), line


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_who_may_log_is_judged_by_message(start_ferry, runtime_dir, receiver):
    """A datagram has no connection: its sender is who the kernel says sent this message."""
    os.chmod(runtime_dir, 0o755)
    relay = start_ferry(
        "relay",
        f"unix-dgram:{runtime_dir}/log.sock,mode=0666",
        f"unix-dgram:{runtime_dir}/sink.sock",
        "--allow",
        "uid:4001",
    )
    relay.wait_for("started")
    path = runtime_dir / "log.sock"
    log(path, "from a stranger", user=4002, group=4002, extra_groups=[])
    relay.wait_for("refused")
    log(path, "from a friend", user=4001, group=4001, extra_groups=[])
    assert "from a friend" in receiver.recv(65536).decode()
    line = next(line for line in relay.stderr().splitlines() if " refused " in line)
    assert "uid 4002" in line
