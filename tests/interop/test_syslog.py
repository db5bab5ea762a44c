"""logger(1) and rsyslogd(8) into a route: every message whole, in order, and into a file a line each."""

import os
import re
import socket
import subprocess

import pytest

from programs import need
from support import listens, wait_until


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


# --- rsyslog ----------------------------------------------------------------------------------------

COUNT = 500

# How rsyslogd forwards, by the scheme that it forwards to.
FORWARDS = {
    "unix-dgram": 'module(load="omuxsock")\n$OMUxSockSocket {address}\n*.* :omuxsock:;whole\n',
    "tcp": '*.* action(type="omfwd" target="127.0.0.1" port="{address}" protocol="tcp" template="whole")\n',
    "udp": '*.* action(type="omfwd" target="127.0.0.1" port="{address}" protocol="udp" template="whole")\n',
}


@pytest.fixture
def rsyslog(start, runtime_dir):
    """rsyslog(scheme, address): it takes what is sent to in.sock, and forwards it to there."""

    def run(scheme, address):
        configuration = runtime_dir / "rsyslog.conf"
        configuration.write_text(
            f'global(workDirectory="{runtime_dir}")\n'
            'module(load="imuxsock" SysSock.Use="off")\n'
            f'input(type="imuxsock" Socket="{runtime_dir}/in.sock" RateLimit.Interval="0")\n'
            'template(name="whole" type="string" string="<%PRI%>%syslogtag%%msg%")\n'
            + FORWARDS[scheme].format(address=address)
        )
        process = start(
            need("rsyslogd"), "-n", "-f", configuration, "-i", runtime_dir / "rsyslog.pid"
        )
        wait_until(lambda: listens(runtime_dir / "in.sock"), what="rsyslogd listens")
        return process

    return run


def port_of(relay):
    return re.search(r"127\.0\.0\.1:(\d+)", relay.stderr())[1]


@pytest.mark.parametrize("scheme", FORWARDS)
def test_what_rsyslog_forwards_is_in_the_file(scheme, rsyslog, start_ferry, runtime_dir):
    """A line each and in order; by UDP one after the other, since it may lose what is too much."""
    file = runtime_dir / "app.log"
    listen = "unix-dgram:log.sock" if scheme == "unix-dgram" else f"{scheme}:127.0.0.1:0"
    # Of TCP bytes come, which are lines already.
    to = f"file:{file},append" + ("" if scheme == "tcp" else ",frame=lf")
    rules = [] if scheme == "unix-dgram" else ["--allow", "any"]
    relay = start_ferry("relay", listen, to, *rules)
    relay.wait_for("started")
    rsyslog(scheme, runtime_dir / "log.sock" if scheme == "unix-dgram" else port_of(relay))

    def written():
        return file.read_text().splitlines() if file.exists() else []

    expected = [f"<13>ferry-test: line {number}" for number in range(COUNT)]
    if scheme == "udp":
        del expected[20:]
        for number in range(len(expected)):
            log(runtime_dir / "in.sock", f"line {number}")
            wait_until(lambda: len(written()) > number)
    else:
        (runtime_dir / "lines").write_text("".join(f"line {number}\n" for number in range(COUNT)))
        log(runtime_dir / "in.sock", "--file", runtime_dir / "lines")
        wait_until(lambda: len(written()) >= COUNT)
    assert written() == expected
