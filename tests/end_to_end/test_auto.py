"""auto: from outside: two ends that speak it, whatever verb each is, and what else connects to one."""

import fcntl
import os
import re
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from support import BUILD, ROOT, listens, wait_until

SEQUENCE = socket.SOCK_SEQPACKET
STRANGER = b"ferry: this is an auto: socket; connect to it by auto:, or have its server listen on unix-seq:\n"


def rings_of(pid):
    """How many rings a process has mapped."""
    return len(re.findall(r"memfd:ferry-ring", Path(f"/proc/{pid}/maps").read_text()))


def dial(path, kind=SEQUENCE):
    client = socket.socket(socket.AF_UNIX, kind)
    client.settimeout(20)
    client.connect(str(path))
    return client


def listen(path, kind=SEQUENCE):
    server = socket.socket(socket.AF_UNIX, kind)
    server.bind(str(path))
    server.listen()
    server.settimeout(20)
    return server


@pytest.fixture
def relay(start_ferry):
    """relay(argument...) is `ferry relay` that has started."""

    def run(*arguments, **options):
        process = start_ferry("relay", *arguments, **options)
        process.wait_for("started")
        return process

    return run


def numbers(count):
    return "".join(f"{number}\n" for number in range(count))


def assert_back(client, data):
    """All of it comes back, however little of it is under way at a time."""
    sender = threading.Thread(target=client.sendall, args=(data,))
    sender.start()
    received = bytearray()
    while len(received) < len(data):
        part = client.recv(1 << 16)
        assert part, "the connection has ended"
        received += part
    sender.join()
    assert received == data


def wait_for_all(client, text):
    """Until all of it has come out; what has not in time may be slow, or stand still."""
    path = client.stdout_path

    def how_far():
        known = path.stat()
        ago = time.time() - known.st_mtime
        return f"{known.st_size} of {len(text)} bytes have come, the last of them {ago:.1f} s ago"

    wait_until(lambda: path.stat().st_size >= len(text), what=how_far)
    assert client.stdout().decode() == text


# --- what crosses --------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["auto:e.sock", "auto:@{pid}-ferry-auto"])
def test_lines_there_and_back(address, relay, run_ferry):
    address = address.format(pid=os.getpid())
    relay(address, "echo")
    done = run_ferry("connect", "--frame=lf", address, input=numbers(3))
    assert (done.returncode, done.stdout, done.stderr) == (0, numbers(3), "")


def test_a_hop_of_auto_between_two_relays(relay, runtime_dir):
    """A plain client of the first, which is the second's auto: peer, and moves to memory."""
    server = relay("auto:x.sock", "echo")
    front = relay("unix:f.sock,frame=lf", "auto:x.sock")
    client = dial(runtime_dir / "f.sock", socket.SOCK_STREAM)
    assert_back(client, numbers(200000).encode())
    assert rings_of(server.pid) == rings_of(front.pid) == 2
    client.close()
    front.wait_for("closed")
    server.wait_for("closed")
    wait_until(lambda: rings_of(server.pid) == rings_of(front.pid) == 0)


@pytest.mark.parametrize("ring", ["yes", "no"])
@pytest.mark.parametrize("side", ["listens", "dials"])
def test_the_address_forces_and_forbids(side, ring, relay, start_ferry):
    """Each says so of what it sends; `no` of either means that there is no ring at all."""
    options = {"listens": (f",ring={ring}", ""), "dials": ("", f",ring={ring}")}[side]
    server = relay(f"auto:x.sock{options[0]}", "echo")
    client = start_ferry(
        "connect", "--frame=lf", f"auto:x.sock{options[1]}", stdin=subprocess.PIPE
    )
    count = 3 if ring == "yes" else 100000
    client.stdin.write(numbers(count).encode())
    client.stdin.flush()
    wait_for_all(client, numbers(count))
    if ring == "yes":
        client.stdin.write(b"again\n" * 20)
        client.stdin.flush()
        wait_until(lambda: rings_of(server.pid) == rings_of(client.pid) == 2)
    else:
        assert rings_of(server.pid) == rings_of(client.pid) == 0
    client.stdin.close()
    assert client.wait() == 0


def test_pass_and_take(start_ferry, run_ferry, runtime_dir):
    """More than one message holds."""
    for number in range(300):
        (runtime_dir / f"{number}").write_text(f"content {number}\n")
    taker = start_ferry("take", "auto:t.sock", "--", "sh", "-c", "cat /dev/fd/3 /dev/fd/302")
    wait_until(lambda: listens(runtime_dir / "t.sock"))
    done = run_ferry("pass", "auto:t.sock", *range(300))
    assert (done.returncode, done.stderr) == (0, "")
    assert taker.wait() == 0
    assert taker.stdout() == b"content 0\ncontent 299\n"


def test_descriptors_through_a_relay(relay, run_ferry, start_ferry, runtime_dir):
    """From a plain packet socket, over a hop of auto:."""
    (runtime_dir / "file").write_text("content\n")
    taker = start_ferry("take", "unix-seq:t.sock", "--", "cat", "/dev/fd/3")
    wait_until(lambda: listens(runtime_dir / "t.sock"))
    relay("auto:m.sock,ring=yes", "unix-seq:t.sock")
    relay("unix-seq:f.sock", "auto:m.sock,ring=yes")
    assert run_ferry("pass", "unix-seq:f.sock", "file").returncode == 0
    assert taker.wait() == 0 and taker.stdout() == b"content\n"


def test_ping(relay, run_ferry):
    relay("auto:e.sock", "echo")
    for method in ("connect", "echo"):
        done = run_ferry("ping", "-q", "-c", "2", "-i", "2ms", "--method", method, "auto:e.sock")
        assert done.returncode == 0, done.stderr


def test_weather(relay, run_ferry):
    """Counts only: what is held back comes, in order."""
    relay("auto:e.sock,delay=20ms,rate=1M", "echo")
    done = run_ferry("connect", "--frame=lf", "auto:e.sock", input=numbers(1000))
    assert (done.returncode, done.stdout) == (0, numbers(1000))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become other users")
def test_a_target_dialled_as_somebody_else(relay, runtime_dir, start_ferry):
    """Who connected is not who sends: it goes on by the socket."""
    os.chmod(runtime_dir, 0o755)
    server = relay("auto:x.sock,mode=0666,ring=yes", "echo", "--allow=user:nobody")
    front = relay("unix:f.sock,frame=lf", "auto:x.sock,ring=yes", "--user=nobody")
    client = dial(runtime_dir / "f.sock", socket.SOCK_STREAM)
    assert_back(client, numbers(50000).encode())
    assert rings_of(server.pid) == rings_of(front.pid) == 0
    client.close()
    server.wait_for("both sides finished")
    assert "(nobody)" in server.stderr()


# --- who may -------------------------------------------------------------------------------------


def assert_refused(run_ferry, runtime_dir):
    """The input is there from the begin: of one that comes once the server is gone, nothing is lost."""
    (runtime_dir / "input").write_text("x")
    with open(runtime_dir / "input") as file:
        done = run_ferry("connect", "auto:x.sock", stdin=file)
    assert done.returncode == 1 and "it may have refused you" in done.stderr


def test_a_limit_per_user(relay, run_ferry, runtime_dir):
    """A first connection is as many as may be."""
    server = relay("auto:x.sock", "echo", "--per-uid=connections=1")
    with dial(runtime_dir / "x.sock"):
        assert_refused(run_ferry, runtime_dir)
    server.wait_for(" refused ")


def test_a_rule_of_the_address(relay, run_ferry, runtime_dir):
    server = relay("auto:x.sock,deny=any", "echo")
    assert_refused(run_ferry, runtime_dir)
    server.wait_for(" refused ")


def test_an_option_that_it_does_not_have(run_ferry):
    done = run_ferry("check", "auto:x.sock,frame=lf")
    assert done.returncode == 1 and "auto cannot have frame" in done.stderr
    done = run_ferry("check", "unix:x.sock,ring=no")
    assert done.returncode == 1 and "unix cannot have ring, which is for auto" in done.stderr


def test_it_speaks_for_its_own_process_only(run_ferry):
    done = run_ferry("connect", "--as=self", "auto:x.sock")
    assert done.returncode == 1 and "use unix-seq:" in done.stderr


# --- routes --------------------------------------------------------------------------------------


def test_a_reload_keeps_what_is_the_same(start_ferry, run_ferry, runtime_dir):
    conf = runtime_dir / "f.conf"
    same = f"[route x]\nlisten = auto:{runtime_dir}/x.sock\nto = echo\n"
    other = f"[route f]\nlisten = unix:{runtime_dir}/f.sock,frame=lf\nto = auto:{runtime_dir}/x.sock"
    conf.write_text(f"{same}{other},ring=no\n")
    ferry = start_ferry("up", "-c", conf, env={"RUNTIME_DIRECTORY": str(runtime_dir)})
    wait_until(lambda: listens(runtime_dir / "f.sock"))
    inode = (runtime_dir / "x.sock").stat().st_ino
    client = dial(runtime_dir / "x.sock")
    conf.write_text(f"{same}{other},ring=yes\n")
    assert run_ferry("reload", env={"RUNTIME_DIRECTORY": str(runtime_dir)}).returncode == 0
    assert (runtime_dir / "x.sock").stat().st_ino == inode
    done = run_ferry("connect", "unix:f.sock", input="through\n")
    assert done.stdout == "through\n"
    client.send(b"still here")
    assert client.recv(1000) == STRANGER
    assert ferry.stop() == 0


def test_who_stands_between_is_not_passed_by(relay, start_ferry, runtime_dir):
    """It passes on whatever comes, descriptors too, and understands nothing of it."""
    server = relay("auto:x.sock,ring=yes", "echo")
    passed = []

    def pass_on(source, sink):
        data = b"-"
        while data:
            # A buffer that malloc maps, of 128 KiB or more, takes three times as long as all the rest.
            data, descriptors, _, _ = socket.recv_fds(source, 1 << 16, 10)
            if data:
                socket.send_fds(sink, [data], descriptors) if descriptors else sink.send(data)
            passed.extend(descriptors)
        sink.shutdown(socket.SHUT_WR)

    with listen(runtime_dir / "b.sock") as between:
        client = start_ferry("connect", "--frame=lf", "auto:b.sock,ring=yes", stdin=subprocess.PIPE)
        ends = between.accept()[0], dial(runtime_dir / "x.sock")
        threads = [threading.Thread(target=pass_on, args=pair) for pair in (ends, ends[::-1])]
        for thread in threads:
            thread.start()
        client.stdin.write(numbers(20000).encode())
        client.stdin.flush()
        wait_for_all(client, numbers(20000))
        assert rings_of(server.pid) == 0 and rings_of(client.pid) == 0
        client.stdin.close()
        assert client.wait() == 0
        for thread in threads:
            thread.join()
    assert len(passed) >= 3, "a seal and two rings were offered"
    for fd in passed:
        os.close(fd)
    for end in ends:
        end.close()


def ring_memory():
    """As the library makes it: sealed, allocated, and saying what it is."""
    memory = os.memfd_create("ferry-ring", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.posix_fallocate(memory, 0, 4096 + (64 << 10))
    os.pwrite(memory, struct.pack("=QII", 0x474E495259524546, 2, 64 << 10), 0)
    fcntl.fcntl(memory, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
    return memory


def seal_of(connection):
    """Shows that it was this process that made it, and for that connection."""
    seal = socket.socket(socket.AF_UNIX)
    seal.bind(f"\0ferry-seal.{os.fstat(connection.fileno()).st_ino:x}.{1:016x}")
    seal.listen(0)
    return seal


def offer(connection, seal):
    """Offers rings with that seal; returns what is said to it: kind, reason, and the seal that came with it."""
    rings = [ring_memory(), ring_memory()]
    socket.send_fds(connection, [bytes([0xFE, 1, 4, 0, 0, 0, 0, 0])], [seal.fileno(), *rings])
    for memory in rings:
        os.close(memory)
    answer, descriptors, _, _ = socket.recv_fds(connection, 100, 10)
    return answer[2], int.from_bytes(answer[4:], sys.byteorder), descriptors


ACCEPTED, REFUSED, NOT_DIRECT = 5, 6, 10
TWO_ROUTES = """
[route own]
listen = auto:own.sock
to = echo
[route between]
listen = unix-seq:b.sock
to = unix-seq:a.sock
"""


@pytest.mark.parametrize("forged", ["ours", "of its listener", "of another connection"])
def test_who_stands_between_is_not_passed_by_with_a_seal_of_his(forged, relay, start_ferry, runtime_dir):
    """The kernel says of a connection to a relay that the relay made it; and as a peer of ours the relay's
    process shows us a seal. With neither do we get to whom it relays."""
    relay("auto:a.sock", "echo")
    conf = runtime_dir / "two.conf"
    conf.write_text(TWO_ROUTES)
    start_ferry("up", "-c", conf, env={"RUNTIME_DIRECTORY": str(runtime_dir)}).wait_for("started  between")
    with dial(runtime_dir / "own.sock") as own, dial(runtime_dir / "b.sock") as through:
        with seal_of(own) as seal:
            kind, _, descriptors = offer(own, seal)
        assert kind == ACCEPTED and len(descriptors) == 1  # so it is done as it should be
        seals = {
            "ours": seal_of(through),
            "of its listener": dial(runtime_dir / "b.sock"),
            "of another connection": socket.socket(fileno=descriptors[0]),
        }
        assert offer(through, seals[forged])[:2] == (REFUSED, NOT_DIRECT)
        for seal in seals.values():
            seal.close()




# --- idle ----------------------------------------------------------------------------------------

# A client with a loop of its own. `fast` sends ahead, and `slow` a message a millisecond, until both
# directions have moved.
CLIENT = """
import os, select, sys, time
import ferry

channel = ferry.dial(sys.argv[1], 10)

def ask(count):
    channel.send_batch([ferry.Outgoing(b"q") for _ in range(count)])
    for _ in range(count):
        assert channel.receive(10).data == b"q"

def move(lane, count, pause):
    while {channel.auto_stats.sending, channel.auto_stats.receiving} != {lane}:
        ask(count)
        time.sleep(pause)

while True:
    if channel.pending or channel in select.select([0, channel], [], [])[0]:
        try:
            assert not channel.try_receive(), "the end"
        except BlockingIOError:  # it was a message between the two
            continue
    word = os.read(0, 100).decode().strip()
    if word == "one":
        ask(1)
    elif word == "fast":
        move(ferry.Lane.RING, 256, 0)
    elif word == "slow":
        move(ferry.Lane.SOCKET, 1, 0.001)
    print(word, flush=True)
"""


@pytest.mark.plain_build
def test_an_idle_connection_makes_no_system_call(relay, start, counted, runtime_dir):
    """At both ends, and where it is relayed: on the socket, in the ring, and back on the socket."""
    server = relay("auto:x.sock", "echo")
    middle = relay("auto:m.sock", "auto:x.sock")
    environment = {
        "FERRY_LIBRARY": str(BUILD / "libferry.so"),
        "PYTHONPATH": str(ROOT / "bindings" / "python"),
    }
    client = start(
        "/usr/bin/python3", "-c", CLIENT, "auto:m.sock", stdin=subprocess.PIPE, env=environment
    )
    for number, word in enumerate(("one", "fast", "slow", "fast")):
        client.stdin.write(f"{word}\n".encode())
        client.stdin.flush()
        wait_until(lambda: client.stdout().count(b"\n") == number + 1 or not client.running(), 60)
        assert client.running(), client.stderr()
        assert rings_of(client.pid) == rings_of(middle.pid) / 2 == (2 if number else 0)
        made = {}

        def idle(processes):
            if not processes:
                subprocess.run(["sleep", "1"], check=True)
                return
            made[processes[0]] = counted(processes[0], lambda: idle(processes[1:]))

        idle((server, middle, client))
        # Being looked at ends a wait, which begins anew.
        assert all(calls.total() <= 2 for calls in made.values()), (word, made)


# --- what it costs -------------------------------------------------------------------------------


def memory_of(pid):
    """Bytes of the memfds that a process has open, each once, and how many descriptors that takes."""
    files = [os.stat(path) for path in Path(f"/proc/{pid}/fd").iterdir() if is_memfd(path)]
    return sum({file.st_ino: file.st_blocks * 512 for file in files}.values()), len(files)


def is_memfd(path):
    try:
        return os.readlink(path).startswith("/memfd:ferry")
    except FileNotFoundError:
        return False


def test_a_connection_that_has_moved_costs_two_mebibytes(relay, start_ferry):
    """Once for both of its ends, and a descriptor at each for each of its two rings."""
    server = relay("auto:x.sock", "echo")
    clients = []
    for number in range(4):
        client = start_ferry("connect", "--frame=lf", "auto:x.sock,ring=yes", stdin=subprocess.PIPE)
        clients.append(client)
        for line in (numbers(20), numbers(20) * 2):
            client.stdin.write(numbers(20).encode())
            client.stdin.flush()
            wait_until(lambda: client.stdout().decode() == line)
        wait_until(lambda: rings_of(server.pid) == 2 * (number + 1))
        size, descriptors = memory_of(client.pid)
        assert 2 << 20 <= size <= (2 << 20) + (16 << 10) and descriptors == 2
        assert memory_of(server.pid) == (size * (number + 1), 2 * (number + 1))
    for client in clients:
        client.stdin.close()
        assert client.wait() == 0
    wait_until(lambda: memory_of(server.pid) == (0, 0))


# --- what else connects --------------------------------------------------------------------------


def test_a_plain_client_is_told(relay, runtime_dir):
    server = relay("auto:x.sock", "echo")
    with dial(runtime_dir / "x.sock") as client:
        client.send(b"hello")
        assert client.recv(1000) == STRANGER
        assert client.recv(1000) == b""
    server.wait_for("the client is no auto: peer: Protocol error; in 0 out 0")


def test_a_plain_client_that_says_nothing_is_left_alone(relay, runtime_dir):
    server = relay("auto:x.sock", "echo")
    with dial(runtime_dir / "x.sock") as client:
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1000) == b""
    server.wait_for("both sides finished")


def test_a_client_of_another_type_is_led_there(relay, run_ferry, start, runtime_dir):
    relay("auto:x.sock", "echo")
    done = run_ferry("connect", "unix:x.sock", input="x")
    assert done.returncode == 1 and done.stderr.endswith("of another type; use unix-seq:\n")
    done = run_ferry("connect", "unix-seq:x.sock", input="x")
    assert done.stdout.encode() == STRANGER
    plain = start("socat", "-", "UNIX-CONNECT:x.sock")
    assert plain.wait() == 1 and "Protocol wrong type for socket" in plain.stderr()


@pytest.fixture
def greeter(runtime_dir):
    """A server that speaks first, in words of its own."""
    with listen(runtime_dir / "g.sock") as server:

        def serve():
            for _ in range(2):
                client, _ = server.accept()
                with client:
                    client.send(b"220 welcome")
                    client.recv(1000)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield "auto:g.sock"
        thread.join(0)


REMEDY = "use auto: at both ends, or unix-seq: at both\n"


def test_a_server_that_is_no_auto_socket(greeter, run_ferry, runtime_dir):
    (runtime_dir / "file").write_text("")
    done = run_ferry("connect", greeter, input="x")
    assert done.returncode == 1
    assert done.stderr == (
        f"ferry connect: {greeter}: the target is no auto: peer: Protocol error; {REMEDY}"
    )
    done = run_ferry("pass", greeter, "file")
    assert done.returncode == 1
    assert done.stderr == f"ferry pass: {greeter}: the peer is no auto: peer; {REMEDY}"


def test_a_target_that_is_no_auto_socket(greeter, relay, run_ferry):
    front = relay("unix-seq:f.sock", greeter)
    run_ferry("connect", "unix-seq:f.sock", input="x")
    front.wait_for("the target is no auto: peer: Protocol error")


def test_who_takes_from_a_plain_sender(start_ferry, run_ferry, runtime_dir):
    (runtime_dir / "file").write_text("")
    taker = start_ferry("take", "auto:t.sock")
    wait_until(lambda: listens(runtime_dir / "t.sock"))
    run_ferry("pass", "unix-seq:t.sock", "file")
    assert taker.wait() == 1
    assert taker.stderr() == f"ferry take: auto:t.sock: the peer is no auto: peer; {REMEDY}"


# --- who looks -----------------------------------------------------------------------------------


def test_it_is_a_target_of_the_verbs_that_look(relay, run_ferry, runtime_dir):
    server = relay(f"auto:{runtime_dir}/x.sock", "echo")
    for verb in ("ls", "show", "why"):
        done = run_ferry(verb, f"auto:{runtime_dir}/x.sock")
        assert done.returncode == 0, (verb, done.stderr)
        assert f"ferry[{server.pid}]" in done.stdout, verb


def test_a_message_in_a_memfd_is_let_go_of_once_it_has_passed(relay, runtime_dir):
    """Its memory is the sender's, who may be gone; what carries messages is kept for others."""
    server = relay("auto:e.sock", "echo")
    client = dial(runtime_dir / "e.sock")
    memory = os.memfd_create("message", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(memory, b"x" * (64 << 10))
    fcntl.fcntl(memory, fcntl.F_ADD_SEALS, 0xF)  # all that the sender sets
    head = struct.pack("<BBBBI", 0xFE, 1, 1, 2, 64 << 10)  # AUTO_MESSAGE, AUTO_LARGE
    socket.send_fds(client, [head], [memory])
    os.close(memory)
    assert len(client.recv(1 << 20)) >= len(head)  # it has come back, this way or that
    wait_until(lambda: "memfd:message" not in Path(f"/proc/{server.pid}/maps").read_text())
