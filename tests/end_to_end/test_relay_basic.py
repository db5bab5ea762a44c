"""`ferry relay`: one route from the words of the command line."""

import array
import os
import re
import signal
import socket
import subprocess
import time

import pytest

from support import descriptor_count, descriptors_at_rest, listens, wait_until


def unix_client(path, kind=socket.SOCK_STREAM):
    client = socket.socket(socket.AF_UNIX, kind)
    client.settimeout(10)
    client.connect(str(path))
    return client


def receive_all(client):
    data = b""
    while chunk := client.recv(65536):
        data += chunk
    return data


def test_the_first_line_says_the_way_and_why(start_ferry):
    relay = start_ferry("relay", "unix:a.sock", "unix:b.sock")
    relay.wait_for("started")
    (line,) = relay.stderr().splitlines()
    assert "relay: unix:a.sock -> unix:b.sock" in line or "a.sock" in line
    assert "copy" in line and "descriptors" in line


def test_bytes_and_half_close_through_a_relay(start, start_ferry, runtime_dir):
    start("socat", "UNIX-LISTEN:b.sock,fork", "EXEC:sort")
    wait_until(lambda: listens(runtime_dir / "b.sock"))
    relay = start_ferry("relay", "unix:a.sock", "unix:b.sock")
    relay.wait_for("started")
    with unix_client(runtime_dir / "a.sock") as client:
        client.sendall(b"b\na\n")
        client.shutdown(socket.SHUT_WR)
        assert receive_all(client) == b"a\nb\n"
    relay.wait_for("closed")
    assert "in 4 out 4 bytes" in relay.stderr()


def test_a_port_before_a_socket(start_ferry, runtime_dir):
    echo = start_ferry("relay", "unix:e.sock", "echo")
    echo.wait_for("started")
    relay = start_ferry("relay", "tcp:127.0.0.1:0", "unix:e.sock", "--allow", "any")
    relay.wait_for("started")
    port = int(re.search(r"tcp:127\.0\.0\.1:(\d+)", relay.stderr()).group(1))
    data = os.urandom(1_000_000)
    done = subprocess.run(
        ["nc", "-N", "127.0.0.1", str(port)], input=data, capture_output=True, timeout=20
    )
    assert done.stdout == data


def test_a_port_without_rules_is_refused_for_what_is_not_harmless(run_ferry):
    done = run_ferry("relay", "tcp:127.0.0.1:0", "unix:e.sock")
    assert done.returncode == 1
    assert "allow" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("scheme", ["unix-dgram", "unix-seq"])
def test_messages_keep_their_boundaries(start_ferry, runtime_dir, scheme):
    kind = socket.SOCK_DGRAM if scheme == "unix-dgram" else socket.SOCK_SEQPACKET
    relay = start_ferry("relay", f"{scheme}:a.sock", "echo")
    relay.wait_for("started")
    with socket.socket(socket.AF_UNIX, kind) as client:
        client.settimeout(10)
        if kind == socket.SOCK_DGRAM:
            client.bind(str(runtime_dir / "client.sock"))
        client.connect(str(runtime_dir / "a.sock"))
        for message in (b"one", b"", b"three" * 1000, b"4"):
            client.send(message)
            assert client.recv(65536) == message


def test_descriptors_pass(start_ferry, runtime_dir):
    echo = start_ferry("relay", "unix:b.sock", "echo")
    echo.wait_for("started")
    relay = start_ferry("relay", "unix:a.sock", "unix:b.sock")
    relay.wait_for("started")
    before = descriptors_at_rest(relay.pid), descriptors_at_rest(echo.pid)
    with unix_client(runtime_dir / "a.sock") as client, open("/etc/hostname", "rb") as file:
        socket.send_fds(client, [b"take this"], [file.fileno()])
        data, (back,), flags, _ = socket.recv_fds(client, 100, 4)
        assert data == b"take this"
        assert not flags & socket.MSG_CTRUNC
        assert os.fstat(back).st_ino == os.fstat(file.fileno()).st_ino
        os.close(back)
    wait_until(lambda: (descriptor_count(relay.pid), descriptor_count(echo.pid)) == before)
    relay.wait_for("closed")
    assert "2 descriptors" in relay.stderr()


def test_once_ends_with_0_after_a_good_connection(start_ferry, runtime_dir):
    relay = start_ferry("relay", "--once", "unix:a.sock", "echo")
    relay.wait_for("started")
    with unix_client(runtime_dir / "a.sock") as client:
        client.sendall(b"x")
        assert client.recv(10) == b"x"
    assert relay.wait() == 0
    assert not (runtime_dir / "a.sock").exists()


def test_once_ends_with_1_when_the_target_is_not_there(start_ferry, runtime_dir):
    relay = start_ferry("relay", "--once", "unix:a.sock", "unix:missing.sock")
    relay.wait_for("started")
    with unix_client(runtime_dir / "a.sock") as client:
        assert receive_all(client) == b""
    assert relay.wait() == 1
    assert "failed" in relay.stderr() and "missing.sock" in relay.stderr()


def test_standard_input_as_a_route(run_ferry):
    done = run_ferry("relay", "-q", "-", "exec:sort", input="b\na\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "a\nb\n", "")


def test_show_prints_both_directions(start_ferry, runtime_dir):
    relay = start_ferry("relay", "-x", "unix:a.sock", "exec:tr a-z A-Z")
    relay.wait_for("started")
    with unix_client(runtime_dir / "a.sock") as client:
        client.sendall(b"hello\n")
        client.shutdown(socket.SHUT_WR)
        assert receive_all(client) == b"HELLO\n"
    relay.wait_for("closed")
    shown = relay.stderr()
    assert re.search(r"^> \d{4}/\d\d/\d\d [\d:.]+ length=6 from=0 to=5$", shown, re.M)
    assert re.search(r"^< \d{4}/\d\d/\d\d [\d:.]+ length=6 from=0 to=5$", shown, re.M)
    assert " 68 65 6c 6c 6f 0a" in shown and "hello." in shown
    assert " 48 45 4c 4c 4f 0a" in shown and "HELLO." in shown


def test_show_counts_descriptors_and_offsets(start_ferry, runtime_dir):
    relay = start_ferry("relay", "-x", "unix:a.sock", "echo")
    relay.wait_for("started")
    with unix_client(runtime_dir / "a.sock") as client:
        socket.send_fds(client, [b"abc"], [0, 1])
        _, fds, _, _ = socket.recv_fds(client, 10, 4)
        for fd in fds:
            os.close(fd)
        client.sendall(b"def")
        assert client.recv(10) == b"def"
    relay.wait_for("closed")
    heads = [line for line in relay.stderr().splitlines() if re.match(r"[<>] ", line)]
    assert [re.sub(r"^(.).*length", r"\1 length", head) for head in heads] == [
        "> length=3 from=0 to=2 descriptors=2",
        "< length=3 from=0 to=2 descriptors=2",
        "> length=3 from=3 to=5",
        "< length=3 from=3 to=5",
    ]


def test_idle_ends_a_silent_connection(start_ferry, runtime_dir):
    relay = start_ferry("relay", "--idle", "200ms", "unix:a.sock", "echo")
    relay.wait_for("started")
    with unix_client(runtime_dir / "a.sock") as client:
        client.sendall(b"x")
        assert receive_all(client) == b"x"
    relay.wait_for("failed")
    assert "idle" in relay.stderr()


def test_total_ends_a_busy_connection(start_ferry, runtime_dir):
    relay = start_ferry("relay", "--total", "300ms", "unix:a.sock", "echo")
    relay.wait_for("started")
    with unix_client(runtime_dir / "a.sock") as client:
        try:
            while True:
                client.sendall(b"x")
                if not client.recv(10):
                    break
                time.sleep(0.01)
        except (BrokenPipeError, ConnectionResetError):
            pass
    relay.wait_for("total")


def test_deny_is_an_event_with_the_rule(start_ferry, runtime_dir):
    uid = os.getuid()
    relay = start_ferry("relay", "unix:a.sock", "echo", "--deny", f"uid:{uid}", "--allow", "any")
    relay.wait_for("started")
    with unix_client(runtime_dir / "a.sock") as client:
        assert receive_all(client) == b""
    relay.wait_for("refused")
    assert f"deny uid:{uid}" in relay.stderr()
    assert f"pid {os.getpid()} " in relay.stderr()


def test_quiet_says_only_what_fails(start_ferry, runtime_dir):
    relay = start_ferry("relay", "-q", "unix:a.sock", "echo", "--deny", "any")
    wait_until(lambda: listens(runtime_dir / "a.sock"))
    with unix_client(runtime_dir / "a.sock") as client:
        assert receive_all(client) == b""
    relay.wait_for("refused")
    assert relay.stop() == 0
    (line,) = relay.stderr().splitlines()
    assert " refused " in line


def test_log_json_is_one_object_a_line(start_ferry, runtime_dir):
    import json

    relay = start_ferry("relay", "--log=json", "unix:a.sock", "echo")
    relay.wait_for("started")
    with unix_client(runtime_dir / "a.sock") as client:
        client.sendall(b"12345")
        assert client.recv(10) == b"12345"
    relay.wait_for("closed")
    events = [json.loads(line) for line in relay.stderr().splitlines()]
    assert [event["event"] for event in events] == ["started", "closed"]
    assert events[1]["pid"] == os.getpid()
    assert (events[1]["bytes_in"], events[1]["bytes_out"]) == (5, 5)


def test_a_second_relay_changes_nothing(start_ferry, run_ferry, runtime_dir):
    first = start_ferry("relay", "unix:a.sock", "echo")
    first.wait_for("started")
    second = run_ferry("relay", "unix:a.sock", "echo")
    assert second.returncode == 1
    assert str(first.pid) in second.stderr
    with unix_client(runtime_dir / "a.sock") as client:
        client.sendall(b"x")
        assert client.recv(10) == b"x"


def test_after_kill_9_the_next_start_works(start_ferry, runtime_dir):
    first = start_ferry("relay", "unix:a.sock", "echo")
    first.wait_for("started")
    assert first.stop(signal.SIGKILL) == -signal.SIGKILL
    assert (runtime_dir / "a.sock").exists()
    second = start_ferry("relay", "unix:a.sock", "echo")
    second.wait_for("started")
    with unix_client(runtime_dir / "a.sock") as client:
        client.sendall(b"x")
        assert client.recv(10) == b"x"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_and_removes_the_path(start_ferry, runtime_dir, number):
    relay = start_ferry("relay", "unix:a.sock", "echo")
    relay.wait_for("started")
    assert relay.stop(number) == 0
    assert not (runtime_dir / "a.sock").exists()


def test_open_connections_may_finish_after_sigterm(start_ferry, runtime_dir):
    relay = start_ferry("relay", "unix:a.sock", "echo")
    relay.wait_for("started")
    with unix_client(runtime_dir / "a.sock") as client:
        client.sendall(b"x")
        assert client.recv(10) == b"x"
        relay.send(signal.SIGTERM)
        wait_until(lambda: not (runtime_dir / "a.sock").exists())
        client.sendall(b"y")
        assert client.recv(10) == b"y"
        assert relay.running()
    assert relay.wait() == 0


def test_a_second_signal_ends_at_once(start_ferry, runtime_dir):
    relay = start_ferry("relay", "unix:a.sock", "echo")
    relay.wait_for("started")
    with unix_client(runtime_dir / "a.sock") as client:
        client.sendall(b"x")
        assert client.recv(10) == b"x"
        relay.send(signal.SIGTERM)
        wait_until(lambda: not (runtime_dir / "a.sock").exists())
        assert relay.stop() == 0
        assert receive_all(client) == b""


def test_a_child_of_exec_has_signals_as_usual(start_ferry, runtime_dir):
    """What this program blocks and ignores for itself is not handed down."""
    relay = start_ferry("relay", "unix:a.sock", "exec:cat /proc/self/status")
    relay.wait_for("started")
    with unix_client(runtime_dir / "a.sock") as client:
        status = receive_all(client).decode()
    assert re.search(r"^SigBlk:\s+0+$", status, re.M), status
    ignored = int(re.search(r"^SigIgn:\s+(\w+)$", status, re.M).group(1), 16)
    assert not ignored & 1 << (signal.SIGPIPE - 1)


def test_descriptors_that_nobody_receives_are_closed(start_ferry, runtime_dir):
    """More in one message than fit is refused by the kernel; 253 pass."""
    relay = start_ferry("relay", "unix:a.sock", "echo")
    relay.wait_for("started")
    before = descriptors_at_rest(relay.pid)
    with unix_client(runtime_dir / "a.sock") as client, open("/dev/null") as null:
        fds = array.array("i", [null.fileno()] * 253)
        client.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
        # Not one is received: read(2) drops them.
        assert client.recv(10) == b"x"
    wait_until(lambda: descriptor_count(relay.pid) == before)
