"""Programs in Python, Java, Node, Perl and shell, written as their own manuals have it, talk to ferry and
through it without knowing of it."""

import array
import os
import re
import socket
import subprocess

import pytest

from programs import listening_port, need
from support import ROOT, wait_until

MEGABYTE = 1 << 20


def echo_through_a_relay(start_ferry, runtime_dir, scheme):
    """An echo, and a relay before it, both of that scheme; returns the relay's path."""
    start_ferry("relay", f"{scheme}:echo.sock", "echo").wait_for("started")
    relay = start_ferry("relay", f"{scheme}:front.sock", f"{scheme}:echo.sock")
    relay.wait_for("started")
    return str(runtime_dir / "front.sock")


def receive_all(client):
    received = b""
    while part := client.recv(65536):
        received += part
    return received


# --- Python ----------------------------------------------------------------------------------------


def test_python_stream(start_ferry, runtime_dir):
    path = echo_through_a_relay(start_ferry, runtime_dir, "unix")
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(path)
        client.sendall(b"a request")
        assert client.recv(100) == b"a request"
        client.shutdown(socket.SHUT_WR)
        assert client.recv(100) == b""


def test_python_tcp(start_ferry, runtime_dir):
    start_ferry("relay", "unix:echo.sock", "echo").wait_for("started")
    relay = start_ferry("relay", "tcp:127.0.0.1:0", "unix:echo.sock", "--allow", "any")
    with socket.create_connection(("127.0.0.1", listening_port(relay)), 10) as client:
        data = os.urandom(MEGABYTE)
        child = os.fork()
        if child == 0:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            os._exit(0)
        received = receive_all(client)
        assert os.waitpid(child, 0)[1] == 0
    assert received == data


def test_python_datagrams_to_a_named_client(start_ferry, runtime_dir):
    path = echo_through_a_relay(start_ferry, runtime_dir, "unix-dgram")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        client.settimeout(10)
        client.bind(str(runtime_dir / "client.sock"))
        client.connect(path)
        for size in (1, 0, 1000, 65536):
            client.send(b"m" * size)
            assert client.recv(MEGABYTE) == b"m" * size


def test_python_seqpacket(start_ferry, runtime_dir):
    path = echo_through_a_relay(start_ferry, runtime_dir, "unix-seq")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
        client.settimeout(10)
        client.connect(path)
        for size in (1, 1000, 65536):
            client.send(b"m" * size)
            assert client.recv(MEGABYTE) == b"m" * size


def test_python_send_fds(start_ferry, runtime_dir):
    """socket.send_fds() through the relay to another process's socket.recv_fds()."""
    server = socket.socket(socket.AF_UNIX)
    server.settimeout(10)
    server.bind(str(runtime_dir / "server.sock"))
    server.listen()
    start_ferry("relay", "unix:front.sock", "unix:server.sock").wait_for("started")
    files = []
    for number in range(5):
        (runtime_dir / f"file{number}").write_text(f"content {number}")
        files.append(os.open(runtime_dir / f"file{number}", os.O_RDONLY))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(runtime_dir / "front.sock"))
        socket.send_fds(client, [b"five files"], files)
        arrived, _ = server.accept()
        arrived.settimeout(10)
        data, received, flags, _ = socket.recv_fds(arrived, 100, 10)
        assert data == b"five files" and not flags & socket.MSG_CTRUNC
        assert [os.read(fd, 100).decode() for fd in received] == [
            f"content {number}" for number in range(5)
        ]
        arrived.close()
    for fd in files + list(received):
        os.close(fd)
    server.close()


def test_python_peer_credentials_are_the_relay_s(start_ferry, runtime_dir):
    """Honest about what a relay is: the server's peer is ferry, the event names who is behind."""
    server = socket.socket(socket.AF_UNIX)
    server.settimeout(10)
    server.bind(str(runtime_dir / "server.sock"))
    server.listen()
    relay = start_ferry("relay", "unix:front.sock", "unix:server.sock")
    relay.wait_for("started")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(runtime_dir / "front.sock"))
        arrived, _ = server.accept()
        pid, uid, _ = array.array(
            "i", arrived.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        )
        arrived.close()
    assert (pid, uid) == (relay.pid, os.geteuid())
    relay.wait_for("closed")
    assert f"pid {os.getpid()}" in relay.stderr()
    server.close()


# --- the clients in examples/ ----------------------------------------------------------------------

EXAMPLES = ROOT / "examples"


def run_client(*words, seconds=60):
    """Runs a client as its first lines say; returns what it printed."""
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, timeout=seconds
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.rstrip("\n")


def java(name, *words):
    """Java runs a source file as it is."""
    need("javac")
    return run_client(need("java"), EXAMPLES / "java" / f"{name}.java", *words)


def python(name, *words):
    return run_client("/usr/bin/python3", EXAMPLES / "python" / f"{name}.py", *words)


def node(name, *words):
    return run_client(need("node"), EXAMPLES / "node" / f"{name}.js", *words)


def perl(name, *words):
    return run_client(need("perl"), EXAMPLES / "perl" / f"{name}.pl", *words)


def shell(name, *words):
    need("nc", "bash")
    return run_client(EXAMPLES / "shell" / f"{name}.sh", *words)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*/*.*")), ids=lambda path: path.name)
def test_a_client_is_short(path):
    if path.parent.name in ("java", "python", "node", "perl", "shell"):
        assert len(path.read_text().splitlines()) < 40


@pytest.mark.timeout(120)
@pytest.mark.parametrize("run", [python, node, perl, shell], ids=lambda run: run.__name__)
@pytest.mark.parametrize("where", ["path", "port"])
def test_a_stream_client(run, where, start_ferry, runtime_dir):
    path = echo_through_a_relay(start_ferry, runtime_dir, "unix")
    if where == "port":
        relay = start_ferry("relay", "tcp:127.0.0.1:0", "unix:echo.sock", "--allow", "any")
        path = listening_port(relay)
    text = "good day, " * 10000
    assert run("stream_client", path, text) == text


@pytest.mark.timeout(120)
def test_java_s_stream_clients(start_ferry, runtime_dir):
    path = echo_through_a_relay(start_ferry, runtime_dir, "unix")
    relay = start_ferry("relay", "tcp:127.0.0.1:0", "unix:echo.sock", "--allow", "any")
    text = "good day, " * 10000
    assert java("StreamClient", "127.0.0.1", listening_port(relay), text) == text
    assert java("UnixClient", path, text) == text


def udp_echo(start_ferry):
    relay = start_ferry("relay", "udp:127.0.0.1:0", "echo")
    relay.wait_for("started")
    return relay.stderr().split("udp:127.0.0.1:")[1].split()[0]


@pytest.mark.timeout(120)
def test_datagram_clients(start_ferry, runtime_dir):
    port = udp_echo(start_ferry)
    assert java("DatagramClient", "127.0.0.1", port, "one", "two") == "one\ntwo"
    assert python("datagram_client", port, "one", "two") == "one\ntwo"
    assert sorted(node("datagram_client", port, "one", "two").split()) == ["one", "two"]
    path = echo_through_a_relay(start_ferry, runtime_dir, "unix-dgram")
    assert python("datagram_client", path, "one", "two") == "one\ntwo"


@pytest.mark.timeout(120)
def test_java_s_multicast_receiver(start, ferry):
    """One sender, two receivers, in a network of its own where a group has a way."""
    need("javac")
    receiver = f"{need('java')} {EXAMPLES}/java/MulticastReceiver.java 239.7.7.7 4747 lo 2"
    network = start(
        "unshare",
        "--net",
        "bash",
        "-euc",
        f"""
        ip link set lo up multicast on
        ip route add 239.0.0.0/8 dev lo
        {receiver} >one & one=$!
        {receiver} >two & two=$!
        read -r # until both have joined
        printf 'first\nsecond\n' | {ferry} connect --frame=lf udp:239.7.7.7:4747 || true
        wait $one; wait $two
        paste one two; echo done
        """,
        stdin=subprocess.PIPE,
    )
    wait_until(lambda: network.stderr().count("joined") == 2, 60)
    network.stdin.write(b"\n")
    network.stdin.flush()
    network.wait_for("done", 30)
    assert network.stdout() == b"first\tfirst\nsecond\tsecond\ndone\n"


def need_msghdr():
    if subprocess.run([need("perl"), "-MSocket::MsgHdr", "-e", "1"], capture_output=True).returncode:
        pytest.skip("libsocket-msghdr-perl is not installed: scripts/install-dependencies interop")


@pytest.mark.parametrize("run", [python, perl], ids=lambda run: run.__name__)
def test_a_client_passes_descriptors(run, start_ferry, runtime_dir):
    if run is perl:
        need_msghdr()
    for number in range(3):
        (runtime_dir / f"file{number}").write_text(f"content {number}\n")
    command = ["cat", "/dev/fd/3", "/dev/fd/4", "/dev/fd/5"]
    taker = start_ferry("take", "unix:files.sock", "--", *command)
    wait_until((runtime_dir / "files.sock").exists)
    files = [runtime_dir / f"file{number}" for number in range(3)]
    run("descriptor_client", runtime_dir / "files.sock", *files)
    assert taker.wait() == 0
    assert taker.stdout() == b"content 0\ncontent 1\ncontent 2\n"


@pytest.mark.parametrize("program", ["python3 python/identity_client.py", "perl perl/identity_client.pl"])
def test_a_client_asks_who_serves(program, start_ferry, runtime_dir):
    language, name = program.split()
    relay = start_ferry("relay", "unix:echo.sock", "echo")
    relay.wait_for("started")
    command = [need(language), EXAMPLES / name, runtime_dir / "echo.sock", "good day"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "good day\n")
    assert done.stderr == f"served by pid {relay.pid} uid {os.geteuid()} gid {os.getegid()}\n"


def test_node_s_http_client(start_ferry, start, runtime_dir):
    (runtime_dir / "page").write_text("a page\n")
    server = start("/usr/bin/python3", "-um", "http.server", "--bind", "127.0.0.1", "0")
    wait_until(lambda: b"port" in server.stdout())
    port = server.stdout().split(b"port ")[1].split()[0].decode()
    start_ferry("relay", "unix:http.sock", f"tcp:127.0.0.1:{port}").wait_for("started")
    assert node("http_client", runtime_dir / "http.sock", "/page") == "a page"


def test_the_shell_reads_a_service_with_nothing_but_bash(start_ferry):
    relay = start_ferry("relay", "tcp:127.0.0.1:0", "clock")
    assert re.match(r"\d{4}-\d\d-\d\dT", shell("plain_client", listening_port(relay)))


def test_the_shell_asks_over_two_fifos(start_ferry, runtime_dir):
    relay = start_ferry("relay", "fifo:requests,reply=answers", "echo", "--allow", "any")
    relay.wait_for("started")
    got = shell("fifo_client", runtime_dir / "requests", runtime_dir / "answers", "good day")
    assert got == "good day"
