"""ferry ping: every method against real peers, what is counted, and what it says."""

import ctypes
import json
import os
import re
import signal
import socket
import subprocess
import threading

import pytest

from support import wait_until

NOBODY = 65534
QUEUES = f"mq:/ferry-ping-{os.getpid()},reply=/ferry-pong-{os.getpid()}"


@pytest.fixture(scope="module", autouse=True)
def no_queue_is_left():
    """All queues of a user share one limit, and a server that was killed leaves its own behind."""
    yield
    for name in (f"/ferry-ping-{os.getpid()}", f"/ferry-pong-{os.getpid()}"):
        ctypes.CDLL(None).mq_unlink(name.encode())


def may_echo():
    """Whether the kernel gives us a socket for echo requests."""
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP).close()
            return True
        except PermissionError:
            pass
    return False


ICMP = pytest.mark.skipif(
    not may_echo(), reason="needs root, or a group in net.ipv4.ping_group_range"
)


def ping(run_ferry, *arguments, status=0):
    """The summary of a quiet run: {address: what came of it}."""
    done = run_ferry("ping", "-q", "--json", *arguments)
    assert done.returncode == status, done.stderr
    assert len(done.stdout.splitlines()) == 1
    summary = json.loads(done.stdout)
    assert summary["event"] == "summary"
    return {entry["address"]: entry for entry in summary["addresses"]}


def assert_times(entry):
    """The figures of a summary agree with each other."""
    assert 0 < entry["min_ns"] <= entry["median_ns"] <= entry["p99_ns"] <= entry["max_ns"]
    assert entry["min_ns"] <= entry["mean_ns"] <= entry["max_ns"]
    assert 0 <= entry["jitter_ns"] <= entry["max_ns"] - entry["min_ns"]
    assert sum(bucket["count"] for bucket in entry["histogram"]) == entry["answered"]
    assert entry["histogram"][0]["from_ns"] <= entry["min_ns"] < entry["histogram"][0]["to_ns"]
    assert entry["histogram"][-1]["from_ns"] <= entry["max_ns"] < entry["histogram"][-1]["to_ns"]


def udp_server(answer):
    """answer(server, number, data, sender) is called for each datagram; returns the port."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))

    def serve():
        number = 0
        while True:
            data, sender = server.recvfrom(65536)
            number += 1
            answer(server, number, data, sender)

    threading.Thread(target=serve, daemon=True).start()
    return server.getsockname()[1]


def closed_port(kind):
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# --- every method ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "listen, dial, method",
    [
        ("unix:p.sock", "unix:p.sock", "connect"),
        ("unix-seq:p.sock", "unix-seq:p.sock", "connect"),
        ("unix-dgram:p.sock", "unix-dgram:p.sock", "echo"),
        ("fifo:p,reply=r", "fifo:p,reply=r", "echo"),
        (QUEUES, QUEUES, "echo"),
        ("fifo:p,reply=r", "fifo:p", "open"),
        (QUEUES, QUEUES.split(",")[0], "open"),
    ],
)
def test_the_method_follows_from_the_address(start_ferry, run_ferry, listen, dial, method):
    start_ferry("relay", listen, "echo").wait_for("started")
    entry = ping(run_ferry, "-c", "5", "-i", "2ms", dial)[dial]
    assert entry["method"] == method
    assert (entry["sent"], entry["answered"], entry["loss_percent"]) == (5, 5, 0)
    assert_times(entry)


@pytest.mark.parametrize("scheme", ["unix", "unix-seq"])
def test_a_message_over_a_connection_where_it_is_asked_for(start_ferry, run_ferry, scheme):
    address = f"{scheme}:p.sock"
    echo = start_ferry("relay", address, "echo")
    echo.wait_for("started")
    entry = ping(run_ferry, "-c", "4", "-i", "2ms", "-s", "3000", "--method", "echo", address)[address]
    assert (entry["method"], entry["size"], entry["answered"]) == ("echo", 3000, 4)
    # All over one connection, whole messages and nothing else.
    echo.wait_for("in 12000 out 12000 bytes")


@ICMP
def test_socat_echoes(start, run_ferry):
    tcp, udp = closed_port(socket.SOCK_STREAM), closed_port(socket.SOCK_DGRAM)
    local = "127.0.0.1"
    start("socat", "-d", "-d", f"TCP4-LISTEN:{tcp},bind={local},fork", "PIPE").wait_for("listening on")
    start("socat", "-d", "-d", f"UDP4-RECVFROM:{udp},bind={local},fork", "PIPE").wait_for("receiving on")
    peers = ping(run_ferry, "-c", "3", "-i10ms", "-W5s", f"tcp:{tcp}", f"udp:{udp}", "icmp:127.0.0.1")
    assert [entry["method"] for entry in peers.values()] == ["connect", "echo", "echo"]
    assert [entry["answered"] for entry in peers.values()] == [3, 3, 3]
    entry = ping(run_ferry, "-c3", "-i10ms", "-W5s", "--method=echo", f"tcp:{tcp}")[f"tcp:{tcp}"]
    assert (entry["method"], entry["answered"]) == ("echo", 3)


class Attributes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_long) for name in ("flags", "maxmsg", "msgsize", "curmsgs")] + [
        ("reserved", ctypes.c_long * 4)
    ]


def test_no_message_is_put_into_a_queue_unasked(run_ferry):
    library = ctypes.CDLL("librt.so.1", use_errno=True)
    name = f"/ferry-ping-{os.getpid()}".encode()
    queue = library.mq_open(name, os.O_CREAT | os.O_RDWR, 0o600, None)
    assert queue >= 0, os.strerror(ctypes.get_errno())
    try:
        address = f"mq:{name.decode()}"
        assert ping(run_ferry, "-c", "3", "-i", "2ms", address)[address]["answered"] == 3
        attributes = Attributes()
        assert library.mq_getattr(queue, ctypes.byref(attributes)) == 0
        assert attributes.curmsgs == 0
        refused = run_ferry("ping", "-c1", "--method", "echo", address)
        assert refused.returncode == 1
        assert "give reply=" in refused.stderr
        assert library.mq_getattr(queue, ctypes.byref(attributes)) == 0
        assert attributes.curmsgs == 0
    finally:
        library.mq_close(queue)
        library.mq_unlink(name)


def test_a_fifo_gets_no_byte_unasked(run_ferry, runtime_dir):
    path = runtime_dir / "p"
    os.mkfifo(path)
    done = run_ferry("ping", "-c1", "-W100ms", f"fifo:{path}")
    assert done.returncode == 1
    assert f"nobody reads {path}" in done.stdout
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    entry = ping(run_ferry, "-c3", "-i2ms", f"fifo:{path}")[f"fifo:{path}"]
    assert (entry["method"], entry["answered"]) == ("open", 3)
    assert os.read(reader, 10) == b""
    os.close(reader)


# --- what is counted ---------------------------------------------------------------------------------


def test_a_peer_that_answers_every_second_message(run_ferry):
    def answer(server, number, data, sender):
        assert len(data) == 100
        if number % 2 == 0:
            server.sendto(data, sender)

    address = f"udp:{udp_server(answer)}"
    entry = ping(run_ferry, "-c6", "-i2ms", "-W1s", "-s100", address)[address]
    assert (entry["sent"], entry["answered"], entry["lost"]) == (6, 3, 3)
    assert entry["loss_percent"] == 50
    assert (entry["late"], entry["twice"], entry["foreign"]) == (0, 0, 0)
    assert_times(entry)


def test_an_address_may_have_its_own_time_out(run_ferry):
    port = udp_server(lambda *message: None)
    done = run_ferry("ping", "-c2", "-i2ms", "-W1d", f"udp:{port},timeout=20ms")
    assert done.returncode == 1
    assert done.stdout.count("no answer within 20 ms") == 2
    assert "2 without answer" in done.stdout


def test_late_doubled_and_foreign_answers(run_ferry):
    """Every answer to an odd question comes when the next one is asked, of which there are two."""
    held = []

    def answer(server, number, data, sender):
        if number % 2:
            held.append(data)
            return
        server.sendto(held[-1], sender)
        server.sendto(b"x" * len(data), sender)
        server.sendto(data[:-1], sender)
        server.sendto(data[:-1] + b"?", sender)
        server.sendto(data, sender)
        server.sendto(data, sender)

    address = f"udp:{udp_server(answer)}"
    entry = ping(run_ferry, "-c5", "-i2ms", "-W500ms", address)[address]
    assert (entry["sent"], entry["answered"], entry["lost"]) == (5, 2, 3)
    assert (entry["late"], entry["twice"], entry["foreign"]) == (2, 2, 6)


def test_an_answer_to_another_question_is_none(run_ferry):
    """A peer that lags by one: each question meets the answer to the one before."""
    last = []

    def answer(server, number, data, sender):
        if last:
            server.sendto(last.pop(), sender)
        last.append(data)

    address = f"udp:{udp_server(answer)}"
    entry = ping(run_ferry, "-c3", "-i2ms", "-W500ms", address, status=1)[address]
    assert (entry["answered"], entry["lost"], entry["late"], entry["twice"]) == (0, 3, 2, 0)


@pytest.mark.parametrize(
    "answer, said",
    [
        (lambda data: b"", "the peer ended the connection"),
        (lambda data: b"x" * len(data), "what came back is not what was sent"),
    ],
)
def test_a_connection_that_does_not_echo_is_made_anew(run_ferry, runtime_dir, answer, said):
    accepted = []
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(runtime_dir / "p.sock"))
        server.listen()

        def serve():
            for _ in range(3):
                client, _ = server.accept()
                accepted.append(client)
                client.sendall(answer(client.recv(65536)))
                if said.startswith("the peer"):
                    client.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        done = run_ferry("ping", "-c3", "-i2ms", "-W5s", "--method=echo", "unix:p.sock")
        thread.join(10)
    assert done.returncode == 1
    assert done.stdout.count(f"unix:p.sock: {said}") == 3
    assert "3 failed" in done.stdout
    assert len(accepted) == 3


def test_a_closed_udp_port_is_an_answer_and_said_so(run_ferry):
    address = f"udp:{closed_port(socket.SOCK_DGRAM)}"
    done = run_ferry("ping", "-c2", "-i2ms", address)
    assert done.returncode == 0
    assert done.stdout.count(f"{address}: port unreachable") == 2
    assert f'{address}: 2 answered by "port unreachable"' in done.stdout
    entry = ping(run_ferry, "-c2", "-i2ms", address)[address]
    assert (entry["answered"], entry["refused"]) == (2, 2)


@ICMP
def test_nobody_listens(run_ferry, runtime_dir):
    tcp = f"tcp:{closed_port(socket.SOCK_STREAM)}"
    done = run_ferry("ping", "-c2", "-i2ms", tcp, "unix:missing.sock", "icmp:127.0.0.1")
    assert done.returncode == 1
    assert done.stdout.count(f"{tcp}: nobody listens there") == 2
    assert done.stdout.count("unix:missing.sock: ") >= 2
    peers = ping(run_ferry, "-c2", "-i2ms", tcp, "icmp:127.0.0.1", status=1)
    assert (peers[tcp]["failed"], peers[tcp]["loss_percent"]) == (2, 100)
    assert "min_ns" not in peers[tcp] and peers[tcp]["histogram"] == []
    assert peers["icmp:127.0.0.1"]["answered"] == 2


def test_a_quiet_run_says_why_too(run_ferry):
    done = run_ferry("ping", "-q", "-c1", "unix:nothing.sock")
    assert done.stdout.splitlines()[-1].startswith("unix:nothing.sock: 1 failed (there is no such socket")
    done = run_ferry("ping", "-q", "-c1", "--json", "unix:nothing.sock")
    (entry,) = json.loads(done.stdout.splitlines()[-1])["addresses"]
    assert entry["reason"].startswith("there is no such socket")


def test_a_server_that_comes_later_is_found(start_ferry, run_ferry, ferry, start, runtime_dir):
    """A unix datagram socket cannot be reconnected: each failure is followed by another dial."""
    process = start(ferry, "ping", "-i", "20ms", "unix-dgram:d.sock")
    wait_until(lambda: process.stdout().count(b"unix-dgram:d.sock: ") >= 2)
    echo = start_ferry("relay", "unix-dgram:d.sock", "echo")
    wait_until(lambda: b"us  unix-dgram:d.sock\n" in process.stdout())
    echo.stop()
    before = process.stdout().count(b"\n")
    wait_until(lambda: process.stdout().count(b"\n") > before + 2)
    start_ferry("relay", "unix-dgram:d.sock", "echo").wait_for("started")
    answered = process.stdout().count(b"s  unix-dgram:d.sock\n")
    wait_until(lambda: process.stdout().count(b"s  unix-dgram:d.sock\n") > answered)
    assert process.stop(signal.SIGINT) == 0


# --- what it says ------------------------------------------------------------------------------------


@ICMP
def test_a_line_for_each_question_and_the_order_of_rounds(run_ferry):
    addresses = ["icmp:127.0.0.1", "icmp:127.0.0.2", "icmp:127.0.0.3"]
    done = run_ferry("ping", "--json", "-c3", "-i2ms", *addresses)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["event"] for line in lines] == ["answer"] * 9 + ["summary"]
    answers = lines[:-1]
    assert {line["outcome"] for line in answers} == {"answered"}
    assert [line["number"] for line in answers] == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    # Each round begins with the next address.
    assert [line["address"] for line in answers[::3]] == addresses
    for entry in lines[-1]["addresses"]:
        times = [line["time_ns"] for line in answers if line["address"] == entry["address"]]
        assert (entry["min_ns"], entry["max_ns"]) == (min(times), max(times))
        assert entry["mean_ns"] == sum(times) // 3
        assert entry["jitter_ns"] == (abs(times[1] - times[0]) + abs(times[2] - times[1])) // 2


@ICMP
def test_the_table_and_the_histogram(run_ferry):
    done = run_ferry("ping", "-q", "-c20", "-i2ms", "--histogram", "icmp:127.0.0.1", "icmp:[::1]")
    lines = done.stdout.splitlines()
    assert lines[0].split() == (
        "ADDRESS METHOD SENT ANSWERED LOSS MIN MEDIAN P99 MAX MEAN JITTER".split()
    )
    for line, address in zip(lines[1:3], ("icmp:127.0.0.1", "icmp:[::1]")):
        assert re.fullmatch(
            rf"{re.escape(address)} +echo +20 +20 +0%( +[\d.]+(ns|us|ms|s)){{6}}", line
        ), line
    parts = done.stdout.split(", times from\n")[1:]
    assert len(parts) == 2
    for part in parts:
        rows = re.findall(r"^ +[\d.]+\w+ +(\d+)(?:  (#+))?$", part, re.MULTILINE)
        assert sum(int(count) for count, _ in rows) == 20
        assert max(len(bar) for _, bar in rows) == 50
        assert all(bool(bar) == (count != "0") for count, bar in rows)


@ICMP
def test_it_goes_on_until_interrupted(start_ferry):
    process = start_ferry("ping", "-i", "10ms", "icmp:127.0.0.1")
    wait_until(lambda: process.stdout().count(b"  icmp:127.0.0.1\n") >= 12)
    assert b"ADDRESS" not in process.stdout()
    assert process.stop(signal.SIGINT) == 0
    table = process.stdout().decode().split("ADDRESS")[1].splitlines()[1].split()
    told = process.stdout().count(b"  icmp:127.0.0.1\n")
    assert table[2:5] == [str(told), str(told), "0%"]


@ICMP
def test_a_name_is_said_with_its_address(run_ferry):
    done = run_ferry("ping", "-c2", "-i2ms", "icmp:localhost")
    assert done.returncode == 0
    assert re.search(r"^icmp:localhost is icmp:(127\.0\.0\.1|\[::1\]): echo", done.stdout, re.M)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to have a hosts file of its own")
@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2"])
def test_the_address_of_a_name_that_answers_is_kept(ferry, tmp_path, host):
    """Two addresses have the name, one is served: whichever is tried first."""
    (tmp_path / "hosts").write_text("127.0.0.1 both.test\n127.0.0.2 both.test\n")
    with socket.socket() as server:
        server.bind((host, 0))
        server.listen()
        port = server.getsockname()[1]
        script = 'mount --bind "$1" /etc/hosts; shift; exec "$@"'
        words = [ferry, "ping", "-q", "--json", "-c2", "-i2ms", f"tcp:both.test:{port}"]
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-ec", script, "sh", tmp_path / "hosts", *words],
            capture_output=True,
            text=True,
            timeout=20,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    entry = json.loads(done.stdout)["addresses"][0]
    assert entry["dialled"] == f"tcp:{host}:{port}"
    assert (entry["sent"], entry["answered"]) == (2, 2)


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["exec:cat"], "nobody is there"),
        (["-"], "nobody is there"),
        (["tcp:1", "icmp:a:b"], "column"),
        (["tcp:1,backlog=3"], "backlog"),
        (["--method=connect", "udp:1"], "only an echo tells"),
        (["tcp:nosuchhost.invalid:1"], "nosuchhost.invalid"),
    ],
)
def test_what_cannot_be_asked(run_ferry, arguments, said):
    done = run_ferry("ping", "-c1", *arguments)
    assert done.returncode == 1
    assert said in done.stderr and done.stderr.count("\n") == 1
    assert done.stdout == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_only_root_may_hurry(ferry, runtime_dir):
    program = runtime_dir / "ferry"
    program.write_bytes(ferry.read_bytes())
    os.chmod(program, 0o755)
    os.chmod(runtime_dir, 0o755)
    done = subprocess.run(
        [program, "ping", "-c1", "-i1ms", "udp:1"],
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert (done.returncode, "only root" in done.stderr) == (2, True)


# --- icmp: as any other endpoint ---------------------------------------------------------------------


@ICMP
def test_a_relay_leads_to_echo_requests(start_ferry, runtime_dir):
    relay = start_ferry("relay", "unix-dgram:d.sock", "icmp:127.0.0.1")
    relay.wait_for("started")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        client.settimeout(10)
        client.bind(str(runtime_dir / "client.sock"))
        client.connect(str(runtime_dir / "d.sock"))
        for message in (b"first", b"x" * 5000, b"", b"last"):
            client.send(message)
            assert client.recv(65536) == message


def test_nobody_can_listen_there(run_ferry):
    done = run_ferry("relay", "icmp:127.0.0.1", "echo")
    assert done.returncode == 1
    assert "nobody can listen there" in done.stderr
