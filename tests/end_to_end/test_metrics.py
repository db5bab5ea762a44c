"""The service `metrics`: Prometheus' text about what this machine has open and what ferry carries.

The text is read by a parser that is stricter than any collector; what it says is compared with what
the test itself has opened.
"""

import ctypes
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest

from support import FAST, wait_until

NAME = r"[a-z_][a-z0-9_]*"
LABEL = re.compile(rf'({NAME})="((?:[^"\\\n]|\\[\\"n])*)"')
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (\d+(?:\.\d+)?)")


@pytest.fixture(autouse=True)
def built_in(run_ferry):
    if "metrics" not in run_ferry("relay", "unix:x.sock", "nosuchservice").stderr:
        pytest.skip("built without libmnl: there is no service metrics")


def parse_labels(text):
    labels, at = {}, 0
    while at < len(text):
        match = LABEL.match(text, at)
        assert match, text
        assert match[1] not in labels, text
        labels[match[1]] = re.sub(
            r'\\([\\"n])', lambda found: {"n": "\n"}.get(found[1], found[1]), match[2]
        )
        at = match.end()
        assert at == len(text) or (text[at] == "," and at + 1 < len(text)), text
        at += 1
    return labels


class Page:
    """One answer, taken apart: {family: {labels: value}}, and nothing in it that is not so."""

    def __init__(self, text):
        assert text.endswith("\n") and not text.endswith("\n\n")
        assert all(character >= " " or character == "\n" for character in text)
        self.families, self.types = {}, {}
        helped, current = set(), None
        for line in text[:-1].split("\n"):
            if line.startswith("# HELP "):
                name, words = re.fullmatch(rf"# HELP ({NAME}) (\S.*)", line).groups()
                assert name not in helped, "HELP stands once"
                assert words.endswith("."), line
                helped.add(name)
                current = None
            elif line.startswith("# TYPE "):
                current, kind = re.fullmatch(rf"# TYPE ({NAME}) (gauge|counter)", line).groups()
                assert current in helped and current not in self.types, "TYPE stands once"
                assert (kind == "counter") == current.endswith("_total"), line
                self.types[current] = kind
                self.families[current] = {}
            else:
                name, labels, value = SAMPLE.fullmatch(line).groups()
                assert name == current, f"{line} stands apart from its family"
                key = frozenset(parse_labels(labels or "").items())
                assert key not in self.families[name], f"{line} stands twice"
                self.families[name][key] = float(value)
        assert helped == set(self.types)

    def series(self, family, /, **labels):
        wanted = set(labels.items())
        return {
            key: value for key, value in self.families[family].items() if wanted <= set(key)
        }

    def get(self, family, /, **labels):
        """The one series with these labels."""
        found = self.series(family, **labels)
        assert len(found) == 1, (family, labels, found)
        return next(iter(found.values()))

    def sum(self, family, /, **labels):
        return sum(self.series(family, **labels).values())


def ask(path, request, half_close=True):
    """What comes for a request as it stands."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(str(path))
        client.sendall(request)
        if half_close:
            client.shutdown(socket.SHUT_WR)
        answer = b""
        while data := client.recv(65536):
            answer += data
    return answer


def split(answer):
    """(status, {header: value}, content)."""
    head, _, content = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("ascii").split("\r\n")
    status = int(re.fullmatch(r"HTTP/1\.1 (\d{3}) [A-Z][A-Za-z ]+", first)[1])
    headers = dict(line.split(": ", 1) for line in lines)
    assert len(headers) == len(lines)
    return status, headers, content


class Service:
    """A running ferry with a route to metrics at m.sock."""

    def __init__(self, process, path):
        self.process, self.path = process, path

    def page(self):
        """One page, as curl gets it."""
        done = subprocess.run(
            ["curl", "-sS", "-f", "--unix-socket", self.path, "http://here/metrics"],
            capture_output=True,
            check=True,
            timeout=30,
        )
        return Page(done.stdout.decode("utf-8"))

    def fresh_page(self):
        """One that was begun after this call: not what others were told before, which is told for a
        while where a look is dear, as looks take a twentieth of the time."""
        looks = self.page().get("ferry_looks_total")

        def later():
            page = self.page()
            return page if page.get("ferry_looks_total") > looks else None

        return wait_until(later, 30)


@pytest.fixture
def service(start_ferry, runtime_dir):
    process = start_ferry("relay", "unix:m.sock", "metrics:")
    process.wait_for("started")
    return Service(process, runtime_dir / "m.sock")


@pytest.fixture
def up(start_ferry, runtime_dir):
    """up(configuration) runs it, with routes to metrics and control besides."""

    def run(text):
        (runtime_dir / "f.conf").write_text(
            f"{text}\n[route metrics]\nlisten = unix:m.sock,mode=0666\nto = metrics\n"
            "[route control]\nlisten = unix:c.sock\nto = control\n"
        )
        process = start_ferry("up", "-c", "f.conf")
        process.wait_for("started  metrics")
        return Service(process, runtime_dir / "m.sock")

    return run


# --- the text ----------------------------------------------------------------------------------------


def test_the_text_is_what_the_format_says(service):
    status, headers, content = split(ask(service.path, b"GET /metrics HTTP/1.0\r\n\r\n"))
    assert status == 200
    assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert int(headers["Content-Length"]) == len(content)
    assert headers["Connection"] == "close"
    page = Page(content.decode("utf-8"))
    assert page.get("ferry_build_info", version="0.1") == 1
    assert page.get("ferry_look_ok") == 1
    assert page.get("ferry_look_failures_total") == 0
    assert page.get("process_resident_memory_bytes") > 100000
    assert 0 < page.get("process_open_fds") < page.get("process_max_fds")


def listener(path, backlog=5):
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen(backlog)
    return server


def connected(address, family=socket.AF_UNIX):
    client = socket.socket(family)
    client.settimeout(10)
    client.connect(address)
    return client


def test_who_waits_at_a_listener_is_counted(service, runtime_dir):
    path = str(runtime_dir / "full.sock")
    with listener(path) as server:
        clients = [connected(path) for _ in range(3)]
        page = service.page()
        assert page.get("ferry_listener_waiting", kind="u_str", address=path) == 3
        assert page.get("ferry_listener_backlog", kind="u_str", address=path) == 5
        name = open("/proc/self/comm").read().strip()
        assert page.get("ferry_listener_backlog", address=path, command=name) == 5
        assert page.sum("ferry_endpoints", kind="u_str", state="WAITING") >= 3
        accepted = [server.accept()[0] for _ in range(2)]
        page = service.fresh_page()
        assert page.get("ferry_listener_waiting", kind="u_str", address=path) == 1
        for one in clients + accepted:
            one.close()


def test_bytes_in_queues_are_counted_by_command(service):
    name = "queue-test"
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import socket; open('/proc/self/comm', 'w').write('%s')\n"
            "a, b = socket.socketpair(); a.send(b'x' * 1234); print(flush=True); input()" % name,
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        holder.stdout.readline()
        page = service.page()
        labels = {"kind": "u_str", "command": name}
        assert page.get("ferry_endpoint_queue_bytes", direction="receive", **labels) == 1234
        assert page.get("ferry_endpoint_queue_bytes", direction="send", **labels) >= 1234
        assert page.get("ferry_command_descriptors", **labels) == 2
        assert page.get("ferry_command_descriptors", kind="pipe", command=name) == 2
    finally:
        holder.communicate(b"\n", timeout=10)
    assert not service.fresh_page().series("ferry_command_descriptors", command=name)


def test_an_orphaned_path_is_named(service, runtime_dir):
    lost, taken = str(runtime_dir / "lost.sock"), str(runtime_dir / "taken.sock")
    with listener(lost), listener(taken):
        before = service.page()
        assert not before.series("ferry_path_orphaned", address=lost)
        os.unlink(lost)
        os.unlink(taken)
        with listener(taken):
            page = service.fresh_page()
        assert page.get("ferry_path_orphaned", address=lost, path="missing") == 1
        assert page.get("ferry_path_orphaned", address=taken, path="replaced") == 1
        # Others' are among them.
        for state in ("missing", "replaced"):
            named = page.sum("ferry_path_orphaned", path=state)
            assert page.get("ferry_paths", state=state) == named


@pytest.mark.parametrize(
    "name, told",
    [
        (b'quote"and\\back', 'quote"and\\back'),
        (b"line\nfeed", "line\\x0afeed"),
        (b'x"} 1\nferry_up 1', 'x"} 1\\x0aferry_up 1'),
        (b"not\xffutf8\xc3", "not\\xffutf8\\xc3"),
        (b"\x1b[2J\x7f", "\\x1b[2J\\x7f"),
        ("für".encode(), "für"),
    ],
)
def test_a_name_cannot_leave_its_quotes(service, runtime_dir, name, told):
    path = os.fsencode(runtime_dir) + b"/" + name
    with listener(path):
        page = service.page()
    assert page.get("ferry_listener_backlog", address=f"{runtime_dir}/{told}") == 5


def test_a_command_cannot_leave_its_quotes(service):
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "open('/proc/self/comm', 'wb').write(b'a\"b\\\\c\\nd\\xff')\n"
            "import socket; pair = socket.socketpair(); print(flush=True); input()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        holder.stdout.readline()
        page = service.page()
        assert page.get("ferry_command_descriptors", kind="u_str", command='a"b\\c\\x0ad\\xff') == 2
    finally:
        holder.communicate(b"\n", timeout=10)


def test_a_family_has_a_bound_and_tells_what_it_left_out(service, runtime_dir):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2048:
        pytest.skip("a process may not have 2048 descriptors here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
    servers = [listener(f"{runtime_dir}/{number}.sock") for number in range(1100)]
    try:
        page = service.page()
    finally:
        for server in servers:
            server.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(page.families["ferry_listener_waiting"]) == 1000
    left_out = page.get("ferry_series_left_out_total", family="ferry_listener_waiting")
    assert left_out >= 101
    assert page.get("ferry_endpoints", kind="u_str", state="LISTEN") >= 1101
    with listener(f"{runtime_dir}/one.sock"):
        later = service.fresh_page()
    assert later.get("ferry_listener_backlog", address=f"{runtime_dir}/one.sock") == 5
    assert later.get("ferry_series_left_out_total", family="ferry_listener_waiting") == left_out


# --- counters ----------------------------------------------------------------------------------------


def assert_no_counter_fell(before, after, but=()):
    for family, kind in before.types.items():
        if kind == "counter" and family not in but:
            for key, value in before.families[family].items():
                assert after.families[family].get(key, value) >= value, (family, key)


def test_what_tcp_carried_is_kept_when_it_is_closed(service):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        client = connected(("127.0.0.1", port), socket.AF_INET)
        accepted = server.accept()[0]
        client.sendall(b"x" * 10000)
        left = 10000
        while left:
            left -= len(accepted.recv(left))
        labels = {"command": open("/proc/self/comm").read().strip(), "port": str(port)}
        first = service.page()
        assert first.get("ferry_tcp_received_bytes_total", **labels) == 10000
        assert first.get("ferry_tcp_retransmits_total", **labels) == 0
        again = service.fresh_page()
        assert again.get("ferry_tcp_received_bytes_total", **labels) == 10000
        accepted.close()
        client.close()
        with connected(("127.0.0.1", port), socket.AF_INET) as client, server.accept()[0] as again:
            client.sendall(b"y" * 500)
            assert again.recv(500, socket.MSG_WAITALL) == b"y" * 500
            second = service.fresh_page()
        third = service.fresh_page()
    assert second.get("ferry_tcp_received_bytes_total", **labels) == 10500
    assert third.get("ferry_tcp_received_bytes_total", **labels) == 10500
    assert_no_counter_fell(first, second)
    assert_no_counter_fell(second, third)


def test_what_was_sent_from_here_has_no_port(service):
    """Its own port would be another series for each connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        with connected(server.getsockname(), socket.AF_INET) as client, server.accept()[0]:
            client.sendall(b"x")
            port = client.getsockname()[1]
            page = service.page()
    assert not page.series("ferry_tcp_sent_segments_total", port=str(port))
    assert [key for key in page.families["ferry_tcp_sent_segments_total"] if len(key) == 1]


def test_what_a_socket_dropped_is_what_the_kernel_says(service):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            for _ in range(50):
                client.sendto(b"x" * 1000, ("127.0.0.1", port))
        line = re.search(rf"^ *\d+: 0100007F:{port:04X} .*$", open("/proc/net/udp").read(), re.M)[0]
        dropped = int(line.split()[-1])
        page = service.page()
        again = service.fresh_page()
    assert dropped > 0
    address = f"127.0.0.1:{port}"
    assert page.get("ferry_socket_drops_total", kind="udp", address=address) == dropped
    for later in (again, service.fresh_page()):
        assert later.get("ferry_socket_drops_total", kind="udp", address=address) == dropped


def test_a_message_queue_is_counted_from_within_the_sandbox(service):
    libc = ctypes.CDLL(None, use_errno=True)
    name = f"/ferry-metrics-{os.getpid()}".encode()

    class Attributes(ctypes.Structure):
        _fields_ = [("numbers", ctypes.c_long * 8)]

    attributes = Attributes((ctypes.c_long * 8)(0, 7, 100))
    queue = libc.mq_open(name, os.O_CREAT | os.O_RDWR, 0o600, ctypes.byref(attributes))
    if queue < 0:
        pytest.skip(f"no message queue here: {os.strerror(ctypes.get_errno())}")
    try:
        for _ in range(2):
            assert libc.mq_send(queue, b"hello", 5, 0) == 0
        page = service.page()
        assert page.get("ferry_queue_messages", name=name.decode()) == 2
        assert page.get("ferry_queue_messages_max", name=name.decode()) == 7
    finally:
        os.close(queue)
        libc.mq_unlink(name)


# --- ferry's own -------------------------------------------------------------------------------------


def exchange(path, data):
    with connected(str(path)) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        assert client.recv(len(data), socket.MSG_WAITALL) == data
        assert client.recv(1) == b""


ECHO = "[route e]\nlisten = unix:e.sock,mode=0666\nto = echo\n"


def test_what_a_route_carried_and_refused(up, runtime_dir):
    service = up(
        f"{ECHO}[route closed]\nlisten = unix:d.sock,mode=0666\ndeny = uid:{os.getuid()}\n"
        "allow = any\nto = echo\n"
    )
    for _ in range(3):
        exchange(runtime_dir / "e.sock", b"x" * 100)
    with connected(str(runtime_dir / "d.sock")) as client:
        assert client.recv(1) == b""
    with connected(str(runtime_dir / "e.sock")) as client:
        client.sendall(b"y" * 11)
        assert client.recv(11, socket.MSG_WAITALL) == b"y" * 11
        page = service.page()
    assert page.get("ferry_route_admitted_total", route="e") == 4
    assert page.get("ferry_route_ended_total", route="e") == 3
    assert page.get("ferry_route_connections", route="e") == 1
    assert page.get("ferry_route_bytes_total", route="e", direction="in") == 311
    assert page.get("ferry_route_bytes_total", route="e", direction="out") == 311
    assert page.get("ferry_route_refused_total", route="e") == 0
    assert page.get("ferry_route_refused_total", route="closed") == 1
    rule = {"route": "closed", "rule": "1", "text": f"deny uid:{os.getuid()}"}
    assert page.get("ferry_rule_refused_total", **rule) == 1
    assert page.get("ferry_rule_refused_total", route="closed", rule="0") == 0
    assert page.get("ferry_events_total", kind="refused") == 1
    assert page.get("ferry_events_total", kind="closed") == 3
    assert page.get("ferry_events_total", kind="failed") == 0


def test_passed_descriptors_are_counted(up, runtime_dir):
    service = up(ECHO)
    with connected(str(runtime_dir / "e.sock")) as client, open(os.devnull) as file:
        socket.send_fds(client, [b"x"], [file.fileno()] * 3)
        _, descriptors, _, _ = socket.recv_fds(client, 10, 10)
        for descriptor in descriptors:
            os.close(descriptor)
        assert len(descriptors) == 3
    wait_until(lambda: service.page().get("ferry_route_connections", route="e") == 0, 30)
    assert service.page().get("ferry_route_descriptors_total", route="e") == 3


def test_a_reload_takes_no_figure_back(up, run_ferry, runtime_dir):
    """Of a route that was changed the old connections go on beside it, and end later."""
    service = up(ECHO)
    with connected(str(runtime_dir / "e.sock")) as client:
        client.sendall(b"z" * 777)
        assert client.recv(777, socket.MSG_WAITALL) == b"z" * 777
        before = service.page()
        text = (runtime_dir / "f.conf").read_text()
        (runtime_dir / "f.conf").write_text(text.replace("to = echo", "to = echo\nidle = 1h"))
        done = run_ferry("reload", "-s", "c.sock")
        assert "1 changed" in done.stdout, done
        during = service.fresh_page()
        assert during.get("ferry_route_connections", route="e") == 1
    wait_until(lambda: service.page().get("ferry_route_connections", route="e") == 0, 30)
    after = service.fresh_page()
    assert after.get("ferry_route_bytes_total", route="e", direction="in") == 777
    assert after.get("ferry_route_ended_total", route="e") == 1
    assert after.get("ferry_events_total", kind="reloaded") == 1
    anew = ("ferry_rule_hits_total", "ferry_rule_refused_total")
    assert_no_counter_fell(before, during, but=anew)
    assert_no_counter_fell(during, after)


# --- HTTP --------------------------------------------------------------------------------------------

HOST = b"Host: x\r\n"


@pytest.mark.parametrize(
    "request_, status",
    [
        (b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 200),
        (b"GET / HTTP/1.0\r\n\r\n", 200),
        (b"GET / HTTP/1.0\n\n", 200),
        (b"\r\nGET / HTTP/1.0\r\n\r\n", 200),
        (b"GET /metrics?x=/y HTTP/1.0\r\n\r\n", 200),
        (b"GET http://x/metrics HTTP/1.1\r\nhOST:x\r\n\r\n", 200),
        (b"GET http://x HTTP/1.0\r\n\r\n", 200),
        (b"GET / HTTP/1.0\r\nContent-Length: 0\r\n\r\n", 200),
        (b"GET / HTTP/1.0\r\n\r\nmore than was asked", 200),
        (b"GET /metrics/ HTTP/1.0\r\n\r\n", 404),
        (b"GET /../metrics HTTP/1.0\r\n\r\n", 404),
        (b"GET /%6detrics HTTP/1.0\r\n\r\n", 404),
        (b"POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc", 405),
        (b"get / HTTP/1.0\r\n\r\n", 405),
        (b"GET / HTTP/2.0\r\n\r\n", 505),
        (b"GET /\r\n\r\n", 400),
        (b"GET / HTTP/1.0", 400),
        (b"GET / HTTP/1.0\r\n", 400),
        (b"GET  / HTTP/1.0\r\n\r\n", 400),
        (b"GET / HTTP/1.0 \r\n\r\n", 400),
        (b"GET / http/1.0\r\n\r\n", 400),
        (b"G@T / HTTP/1.0\r\n\r\n", 400),
        (b"GET metrics HTTP/1.0\r\n\r\n", 400),
        (b"GET /\0 HTTP/1.0\r\n\r\n", 400),
        (b"\r\n\r\nGET / HTTP/1.0\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n", 400),
        (b"GET / HTTP/1.0\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.0\r\n: empty\r\n\r\n", 400),
        (b"GET / HTTP/1.0\r\nName : x\r\n\r\n", 400),
        (b"GET / HTTP/1.0\r\nA: b\r\n folded\r\n\r\n", 400),
        (b"GET / HTTP/1.0\r\nA: b\rc\r\n\r\n", 400),
        (b"GET / HTTP/1.0\r\nA: \0\r\n\r\n", 400),
        (b"GET / HTTP/1.0\r\nContent-Length: 1\r\n\r\nx", 400),
        (b"GET / HTTP/1.0\r\nContent-Length: +0\r\n\r\n", 400),
        (b"GET / HTTP/1.0\r\nContent-Length: 0, 0\r\n\r\n", 400),
        (b"GET / HTTP/1.0\r\nContent-Length:\r\n\r\n", 400),
        (b"GET / HTTP/1.0\r\nContent-Length: 0\r\ncontent-length: 0\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (
            b"POST / HTTP/1.1\r\n"
            + HOST
            + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
        ),
        (b"GET / HTTP/1.0\r\nA: " + b"x" * 16000 + b"\r\n\r\n", 200),
        (b"GET / HTTP/1.0\r\nA: " + b"x" * 17000 + b"\r\n\r\n", 431),
        (b"GET /" + b"x" * 100000, 431),
        (b"GET / HTTP/1.0\r\n" + b"A: b\r\n" * 3000 + b"\r\n", 431),
    ],
)
def test_a_request_is_read_strictly(service, request_, status):
    got, headers, content = split(ask(service.path, request_))
    assert (got, int(headers["Content-Length"])) == (status, len(content)), content
    assert headers["Connection"] == "close"
    if status == 200:
        assert Page(content.decode()).get("ferry_look_ok") == 1
    else:
        assert content.count(b"\n") == 1 and content.endswith(b"\n")
    if status == 405:
        assert headers["Allow"] == "GET, HEAD"
    assert wait_until(lambda: "closed   relay" in service.process.stderr())
    assert "failed" not in service.process.stderr()


def test_the_head_alone_is_the_head_of_the_page(service):
    request = b" / HTTP/1.1\r\nHost: x\r\n\r\n"
    _, _, content = split(ask(service.path, b"GET" + request))
    status, headers, nothing = split(ask(service.path, b"HEAD" + request, half_close=False))
    assert (status, nothing) == (200, b"")
    assert abs(int(headers["Content-Length"]) - len(content)) < 400, "they may be of two looks"


def test_a_request_may_come_byte_by_byte(service):
    with connected(str(service.path)) as client:
        for byte in b"GET / HTTP/1.0\r\nA: b\r\n\r\n":
            client.sendall(bytes([byte]))
        assert client.recv(15, socket.MSG_WAITALL) == b"HTTP/1.1 200 OK"


def test_netcat_does(service):
    done = subprocess.run(
        ["nc", "-N", "-U", service.path],
        input=b"GET /metrics HTTP/1.0\r\n\r\n",
        capture_output=True,
        timeout=20,
    )
    assert Page(split(done.stdout)[2].decode()).get("ferry_look_ok") == 1


@pytest.mark.plain_build
def test_who_says_nothing_is_closed(start_ferry, runtime_dir):
    """Without idle= or total= too."""
    process = start_ferry("relay", "unix:m.sock", "metrics", env=FAST)
    process.wait_for("started")
    with connected(f"{runtime_dir}/m.sock") as client:
        client.settimeout(30)
        assert client.recv(1) == b""
    process.wait_for("total time-out")


def test_who_reads_nothing_is_closed_and_others_are_told(start_ferry, runtime_dir):
    process = start_ferry("relay", "unix:m.sock", "metrics", "--total", "2s")
    process.wait_for("started")
    service = Service(process, runtime_dir / "m.sock")
    servers = [listener(f"{runtime_dir}/{'x' * 60}{number}.sock") for number in range(700)]
    for path in runtime_dir.glob("xxx*.sock"):
        path.unlink()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(service.path))
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        page = service.page()
        assert page.get("ferry_route_admitted_total", route="relay") >= 1
        assert len(page.series("ferry_path_orphaned")) >= 700, "more than a socket holds"
        process.wait_for("total time-out", 20)
    assert process.stderr().count("failed ") == 1
    for server in servers:
        server.close()


def test_a_flood_of_requests_shares_its_looks(service):
    begin = time.monotonic()
    first = service.page().get("ferry_looks_total")
    for _ in range(200):
        status, _, content = split(ask(service.path, b"GET / HTTP/1.0\r\n\r\n"))
        assert status == 200
    last = Page(content.decode()).get("ferry_looks_total")
    assert last - first <= time.monotonic() - begin


# --- what it may, and where --------------------------------------------------------------------------


def test_a_port_needs_a_rule(run_ferry):
    done = run_ferry("relay", "tcp:127.0.0.1:0", "metrics")
    assert done.returncode != 0
    assert "every local user can connect to it" in done.stderr


def test_over_tcp(start_ferry):
    process = start_ferry("relay", "tcp:127.0.0.1:0", "metrics", "--allow", "any")
    process.wait_for("started")
    port = re.search(r"tcp:127\.0\.0\.1:(\d+)", process.stderr())[1]
    done = subprocess.run(
        ["curl", "-sS", "-f", f"http://127.0.0.1:{port}/metrics"], capture_output=True, timeout=20
    )
    assert Page(done.stdout.decode()).get("ferry_listener_backlog", address=f"127.0.0.1:{port}")


@pytest.mark.parametrize(
    "listen, to, why",
    [
        ("unix-seq:m.sock", "metrics", "metrics takes bytes, not messages"),
        ("unix:m.sock,frame=lf", "metrics", "metrics takes bytes, not messages"),
        ("unix:m.sock", "metrics:all", "metrics takes no argument"),
        ("unix:m.sock,delay=10ms", "metrics", "metrics"),
    ],
)
def test_what_it_cannot_serve(run_ferry, listen, to, why):
    done = run_ferry("relay", listen, to)
    assert done.returncode != 0
    assert why in done.stderr


@pytest.mark.plain_build
def test_the_sandbox_is_in_nobody_s_way(start, ferry, actor, runtime_dir):
    """Nothing is tried that it denies, however much is open: from OPEN_FILES_MIN files on whoever may
    asks the kernel for all at once."""
    assert shutil.which("strace")
    actor().run("many = [open('/dev/null') for _ in range(4096)]")
    assert int(open("/proc/sys/fs/file-nr").read().split()[0]) > 4096
    trace = runtime_dir / "trace"
    process = start("strace", "-f", "-qq", "-o", trace, ferry, "relay", "unix:m.sock", "metrics")
    process.wait_for("started")
    service = Service(process, runtime_dir / "m.sock")
    assert service.page().get("ferry_look_ok") == 1
    os.kill(int(trace.read_text().split()[0]), signal.SIGTERM)
    process.wait(20)
    assert "seccomp(" in trace.read_text()
    assert re.findall(r"^\d+ +(\w+)\(.* = -1 EPERM", trace.read_text(), re.M) == []


def test_another_user_sees_less_and_says_so(up, runtime_dir):
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    os.chmod(runtime_dir, 0o755)
    path = str(runtime_dir / "mine.sock")
    with listener(path):
        service = up("[ferry]\nuser = nobody\n")
        page = service.page()
    assert page.get("ferry_look_ok") == 1
    assert page.get("ferry_unseen", what="processes") > 0
    assert page.get("ferry_listener_backlog", address=path, command="") == 5


def hidden_processes():
    """Those whose descriptors this test may not read."""
    hidden = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            for number in os.listdir(f"/proc/{pid}/fd"):
                os.readlink(f"/proc/{pid}/fd/{number}")
        except PermissionError:
            hidden.add(pid)
        except OSError:
            pass
    return hidden


def test_what_it_may_not_see_is_what_we_may_not_see(start, ferry, runtime_dir):
    """Descriptors that can be listed and not read are no less hidden. (Without a sandbox, as under a
    sanitizer, the kernel may be asked for all at once, and tells of those too: not without the right.)"""
    lacking = ["setpriv", "--bounding-set", "-sys_admin,-bpf,-perfmon"] if os.getuid() == 0 else []
    process = start(*lacking, ferry, "relay", "unix:m.sock", "metrics")
    process.wait_for("started")
    service = Service(process, runtime_dir / "m.sock")
    before = hidden_processes()
    page = service.page()
    after = hidden_processes()
    unseen = page.get("ferry_unseen", what="processes")
    assert len(before & after) <= unseen <= len(before | after)


def test_on_standard_input_and_output(run_ferry):
    """Two descriptors, one each way."""
    done = run_ferry("relay", "-", "metrics", "--allow", "any", input="GET / HTTP/1.0\n\n")
    assert Page(done.stdout.partition("\n\n")[2]).get("ferry_look_ok") == 1


def test_a_look_that_fails_leaves_ferry_s_own_figures(start, ferry):
    """And is told once, not with every request."""
    if os.getuid() != 0:
        pytest.skip("only root can mount something over /proc")
    process = start(
        "unshare",
        "-m",
        "sh",
        "-c",
        'mount -t tmpfs none /proc && exec "$0" relay tcp:127.0.0.1:0 metrics --allow any',
        ferry,
    )
    process.wait_for("started")
    port = re.search(r"tcp:127\.0\.0\.1:(\d+)", process.stderr())[1]

    def page():
        done = subprocess.run(
            ["curl", "-sS", "-f", f"http://127.0.0.1:{port}/"], capture_output=True, timeout=20
        )
        return Page(done.stdout.decode())

    first = page()
    assert first.get("ferry_look_ok") == 0
    assert first.get("ferry_look_failures_total") == 1
    assert not first.families["ferry_endpoints"]
    assert "ferry_unseen" not in first.families
    assert first.get("ferry_route_admitted_total", route="relay") == 1
    wait_until(lambda: page().get("ferry_look_failures_total") > 1, 30)
    assert process.stderr().count("trouble") == 1
    assert "/proc: " in process.stderr()
