"""haproxy before ferry, and ferry before haproxy, on unix sockets and on ports: every request gets its
own answer, bodies arrive whole, and one side may end while the other goes on. ferry does not speak
the PROXY protocol; what haproxy sends is plain."""

import json
import socket
import subprocess

import pytest

from programs import checksum, free_port, need, random_file
from support import wait_until

SIZE = 10 << 20

# Answers a GET with its path, and a POST with the checksum of its body; GET /body is that of SIZE.
ORIGIN = """
import hashlib, http.server, os, sys

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body at once

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        body = open(sys.argv[1], "rb").read() if self.path == "/body" else self.path.encode() + b"\\n"
        self.answer(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(hashlib.sha256(body).hexdigest().encode())

    def log_message(self, *words):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""


class Place:
    """A unix socket in a folder, or a port, in the words of each program."""

    def __init__(self, kind, folder, name):
        self.path = str(folder / f"{name}.sock") if kind == "unix" else None
        self.port = None if self.path else free_port()
        self.ferry = f"unix:{self.path}" if self.path else f"tcp:127.0.0.1:{self.port}"
        self.haproxy = f"unix@{self.path}" if self.path else f"127.0.0.1:{self.port}"
        self.curl = ["--unix-socket", self.path, "http://x"] if self.path else [f"http://{self.haproxy}"]

    def connect(self):
        if self.path:
            client = socket.socket(socket.AF_UNIX)
            client.settimeout(30)
            client.connect(self.path)
            return client
        return socket.create_connection(("127.0.0.1", self.port), 30)


@pytest.fixture(params=["unix", "tcp"])
def place(request, runtime_dir):
    """place(name) is a place of the kind that this test is about."""
    return lambda name: Place(request.param, runtime_dir, name)


@pytest.fixture
def haproxy(start, runtime_dir):
    """haproxy(mode, listen, to), when it listens."""

    def run(mode, listen, to):
        configuration = runtime_dir / "haproxy.cfg"
        configuration.write_text(
            f"defaults\n mode {mode}\n timeout connect 10s\n timeout client 30s\n timeout server 30s\n"
            f"frontend front\n bind {listen.haproxy}\n default_backend back\n"
            f"backend back\n server only {to.haproxy}\n"
        )
        process = start(need("haproxy"), "-db", "-f", configuration)

        def listens():
            assert process.running(), process.stderr()
            try:
                listen.connect().close()
            except (FileNotFoundError, ConnectionRefusedError):
                return False
            return True

        wait_until(listens, what="haproxy listens")
        return process

    return run


@pytest.fixture
def origin(start, runtime_dir):
    """A web server's port."""
    random_file(runtime_dir / "body", SIZE)
    process = start("/usr/bin/python3", "-c", ORIGIN, runtime_dir / "body")
    return int(wait_until(lambda: process.stdout().strip()))


@pytest.fixture
def relay(start_ferry):
    def run(listen, to):
        rules = [] if listen.path else ["--allow", "any"]
        process = start_ferry("relay", listen.ferry, to, *rules)
        process.wait_for("started")
        return process

    return run


def curl(place, path, *words):
    """What is answered; [1-300] in a path is three hundred requests, on kept connections."""
    *how, base = place.curl
    done = subprocess.run(
        [need("curl"), "-sS", "--fail", *words, *how, f"{base}{path}"],
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def ask_much(place, folder):
    """Three hundred requests on kept connections, thirty at once, and 10 MB each way."""
    expected = "".join(f"/{number}\n" for number in range(1, 301)).encode()
    assert curl(place, "/[1-300]") == expected
    at_once = curl(place, "/[1-300]", "--parallel", "--parallel-max", "30")
    assert sorted(at_once.split()) == sorted(expected.split())
    body = (folder / "body").read_bytes()
    assert curl(place, "/", "--data-binary", f"@{folder}/body") == checksum(body).encode()
    assert checksum(curl(place, "/body")) == checksum(body)


def test_haproxy_before_ferry(place, haproxy, relay, origin, runtime_dir):
    front, middle = place("front"), place("middle")
    relay(middle, f"tcp:127.0.0.1:{origin}")
    haproxy("http", front, middle)
    ask_much(front, runtime_dir)


def test_ferry_before_haproxy(place, haproxy, relay, origin, runtime_dir):
    front, middle = place("front"), place("middle")
    server = Place("tcp", runtime_dir, "origin")
    server.haproxy = f"127.0.0.1:{origin}"
    haproxy("http", middle, server)
    relay(front, middle.ferry)
    ask_much(front, runtime_dir)


def test_one_side_ends_first_through_both(place, haproxy, relay, runtime_dir):
    """A program that answers when it has read all: its answer comes only if the end arrives, and
    only if that end is not taken for the end of both."""
    front, middle, back = place("front"), place("middle"), place("back")
    relay(back, "exec:sha256sum")
    haproxy("tcp", middle, back)
    relay(front, middle.ferry)
    body = random_file(runtime_dir / "body", SIZE)
    with front.connect() as client:
        client.sendall((runtime_dir / "body").read_bytes())
        client.shutdown(socket.SHUT_WR)
        assert client.makefile().read() == f"{body}  -\n"


def test_ls_and_why_know_haproxy_by_the_path_that_its_clients_use(haproxy, run_ferry, runtime_dir):
    """It binds another name and renames it, so that the kernel tells the other one."""
    front, back = (Place("unix", runtime_dir, name) for name in ("front", "back"))
    process = haproxy("http", front, back)
    [row] = json.loads(run_ferry("ls", "--json", "-l", front.path).stdout)["endpoints"]
    assert [owner["pid"] for owner in row["owners"]] == [process.pid]
    assert row["path"]["state"] == "there" and row["path"]["where"] == front.path
    shown = run_ferry("show", front.path).stdout
    assert f"from here   {front.path}\n" in shown
    assert run_ferry("why", front.path).returncode == 0
    found = json.loads(run_ferry("why", "--json").stdout)["findings"]
    assert not [one for one in found if one["id"] == "orphaned-listener" and one["pid"] == process.pid]
