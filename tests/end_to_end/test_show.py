"""ferry show: what this process has open itself, told by another and compared with what it knows, with
ss(8) and with /proc."""

import array
import ctypes
import fcntl
import json
import os
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from machines import Machine
from support import descriptor_count, wait_until

SELF = os.getpid()
NOBODY = 65534
LIBRT = ctypes.CDLL("librt.so.1", use_errno=True)


READ = {"x86_64": 0, "aarch64": 63}.get(os.uname().machine)  # of read(2), in /proc/PID/syscall


def may_copy():
    """Whether a child of ours may copy our descriptors (pidfd_getfd)."""
    scope = Path("/proc/sys/kernel/yama/ptrace_scope")
    return os.getuid() == 0 or not scope.exists() or scope.read_text().strip() == "0"


COPY = pytest.mark.skipif(not may_copy(), reason="Yama forbids a child to copy our descriptors")
ROOT_ONLY = pytest.mark.skipif(os.getuid() != 0, reason="needs root")
STRACE = pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")


@pytest.fixture
def show(run_ferry):
    """show(word...) is the JSON document."""

    def run(*words):
        done = run_ferry("show", "--json", *words)
        assert done.returncode == 0, done.stderr
        assert len(done.stdout.splitlines()) == 1
        document = json.loads(done.stdout)
        assert document["schema"] == 1
        return document

    return run


@pytest.fixture
def text(run_ferry):
    def run(*words):
        done = run_ferry("show", *words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def inode(end):
    return os.fstat(end if isinstance(end, int) else end.fileno()).st_ino


def listener(path, backlog=128):
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen(backlog)
    return server


def connected(path):
    client = socket.socket(socket.AF_UNIX)
    client.connect(str(path))
    return client


def tcp_pair():
    server = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(server.getsockname())
    accepted = server.accept()[0]
    return server, client, accepted


def block_of(output, start):
    """The lines of the block whose heading begins with `start`."""
    [block] = [part for part in output.split("\n\n") if part.startswith(start)]
    return block


def labelled(block, label):
    """What stands behind a label, lines that go on included."""
    found, on = [], False
    for line in block.splitlines()[1:]:
        name, rest = line[2:14].strip(), line[14:]
        on = name == label or (on and not name)
        if on:
            found.append(rest)
    return "\n".join(found)


# --- unix sockets ----------------------------------------------------------------------------------


def test_a_listener_and_who_waits(show, text, runtime_dir):
    path = runtime_dir / "a.sock"
    server = listener(path, backlog=20)
    clients = [connected(path) for _ in range(13)]
    document = show(path)
    [found] = document["endpoints"]
    assert (found["kind"], found["state"], found["inode"]) == ("u_str", "LISTEN", inode(server))
    assert (found["waiting"], found["backlog"], found["client_count"]) == (13, 20, 13)
    assert found["clients"] == [inode(client) for client in clients], "the longest waiting first"
    assert [client["inode"] for client in document["waiting"]] == found["clients"]
    assert {client["state"] for client in document["waiting"]} == {"WAITING"}
    waiting = labelled(text(path).rstrip("\n"), "waiting").splitlines()
    assert len(waiting) == 11
    for line, client in zip(waiting, clients[:10]):
        assert f"[{SELF}] fd {client.fileno()}," in line and f"inode {inode(client)}" in line
    assert waiting[10] == "and 3 more"
    for client in clients:
        client.close()
    server.close()


def test_both_ends_of_a_connection(show, text, runtime_dir):
    path = runtime_dir / "a.sock"
    server, client = listener(path), connected(path)
    accepted = server.accept()[0]
    client.sendall(b"x" * 1234)
    document = show(path)
    assert [end["inode"] for end in document["endpoints"]] == [inode(server), inode(accepted)]
    assert document["endpoints"][1]["receive_queue"] == 1234
    [peer] = document["peers"]
    assert peer["inode"] == inode(client)
    assert peer["owners"] == [
        {"pid": SELF, "command": Path("/proc/self/comm").read_text()[:-1],
         "fd": client.fileno(), "ends": "rw"}
    ]  # fmt: skip
    assert peer["memory"]["send_used"] > 1234, "the kernel's own included"
    said = text(path)
    assert f"fd {client.fileno()};" in labelled(block_of(said, "peer: u_str ESTAB"), "held by")
    assert "1234 bytes to be read" in block_of(said, f"u_str ESTAB {path}")
    accepted.shutdown(socket.SHUT_WR)
    assert show(f"ino:{inode(accepted)}")["endpoints"][0]["shutdown"] == ["send"]
    accepted.close()
    assert "peer        gone" in text(f"ino:{inode(client)}")
    client.close()
    server.close()


def test_what_the_word_means_is_not_shown_twice(show):
    server, client, accepted = tcp_pair()
    document = show(f"tcp:{server.getsockname()[1]}")
    assert [end["inode"] for end in document["endpoints"]][0] == inode(server)
    assert {end["inode"] for end in document["endpoints"]} == {
        inode(end) for end in (server, client, accepted)
    }
    assert document["peers"] == []
    # Two senders have one peer, which is told once.
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as target:
        target.bind(f"\0show-{SELF}")
        senders = [socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(2)]
        for sender in senders:
            sender.connect(f"\0show-{SELF}")
        document = show(f"@show-{SELF}")
        assert [end["inode"] for end in document["endpoints"]] == [inode(target)]
        assert {end["inode"] for end in document["waiting"]} == {inode(end) for end in senders}
        holder = subprocess.Popen(
            ["cat"], stdin=subprocess.PIPE, pass_fds=[sender.fileno() for sender in senders]
        )
        for sender in senders:
            sender.close()
        wait_until(lambda: os.readlink(f"/proc/{holder.pid}/exe").endswith("cat"))
        document = show(str(holder.pid))
        assert [end["kind"] for end in document["endpoints"]].count("u_dgr") == 2
        assert [end["inode"] for end in document["peers"]].count(inode(target)) == 1
        holder.stdin.close()
        holder.wait(10)
    for end in (client, accepted, server):
        end.close()


def test_a_long_list_is_bounded_for_people_only(show, text, runtime_dir):
    path = runtime_dir / "a.sock"
    server = listener(path)
    clients = [connected(path) for _ in range(20)]
    accepted = [server.accept()[0] for _ in clients]
    document = show(path)
    assert (len(document["endpoints"]), len(document["peers"])) == (21, 20)
    said = text(path)
    assert len(re.findall(r"^(?:peer: )?u_str ", said, re.MULTILINE)) == 32
    assert f"\nand 9 more: `ferry ls {path}`" in said
    for end in clients + accepted + [server]:
        end.close()


def test_the_folders_on_the_way(show, text, runtime_dir):
    (runtime_dir / "in").mkdir(mode=0o750)
    path = runtime_dir / "in" / "a.sock"
    server = listener(path)
    os.chmod(path, 0o620)
    [found] = show(path)["endpoints"]
    assert (found["path"]["state"], found["path"]["mode"]) == ("there", "0620")
    folders = {folder["path"]: folder for folder in found["folders"]}
    assert list(folders) == ["/", "/tmp/", f"{runtime_dir}/", f"{runtime_dir}/in/", str(path)]
    for name, folder in folders.items():
        status = os.stat(name)
        assert folder["mode"] == f"{status.st_mode & 0o7777:04o}"
        assert (folder["uid"], folder["gid"]) == (status.st_uid, status.st_gid)
        assert folder["stops"] == (name not in ("/", "/tmp/"))
    said = text(path)
    assert f"on the way  {runtime_dir}/in/ mode 0750" in said
    assert "on the way  /tmp/" not in said.replace(f"on the way  {runtime_dir}", "")
    assert f"may connect {path} mode 0620" in said
    os.unlink(path)
    [found] = show(f"ino:{inode(server)}")["endpoints"]
    assert found["path"]["state"] == "missing" and "folders" not in found
    assert "nobody can connect to it" in text(f"ino:{inode(server)}")
    server.close()


def test_an_access_control_list_is_mentioned(show, text, runtime_dir):
    server = listener(runtime_dir / "a.sock")
    [found] = show(runtime_dir / "a.sock")["endpoints"]
    assert not any(folder["acl"] for folder in found["folders"])
    # acl(5) as the kernel has it: version, then tag, permissions, id of each entry.
    entries = [(1, 7, -1), (2, 5, NOBODY), (4, 0, -1), (16, 5, -1), (32, 0, -1)]
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)
    try:
        os.setxattr(runtime_dir, "system.posix_acl_access", acl)
    except OSError as error:
        pytest.skip(f"no access control lists on this file system: {error}")
    [found] = show(runtime_dir / "a.sock")["endpoints"]
    assert [folder["path"] for folder in found["folders"] if folder["acl"]] == [f"{runtime_dir}/"]
    assert "an access control list says more: getfacl(1)" in text(runtime_dir / "a.sock")
    server.close()


def test_descriptors_on_their_way(show):
    one, other = socket.socketpair()
    socket.send_fds(one, [b"x"], [0, 0, 0])
    [found] = show(f"ino:{inode(other)}")["endpoints"]
    assert found["descriptors_in_flight"] == 3
    one.close()
    other.close()


# --- options ----------------------------------------------------------------------------------------


@COPY
def test_options_are_those_in_effect(show, text):
    server, client, accepted = tcp_pair()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 77)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 4321)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 50000)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 9))
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 2, 500000))
    options = show(f"ino:{inode(client)}")["endpoints"][0]["options"]
    assert options["keepalive"] is True and options["nodelay"] is True
    assert (options["keepidle"], options["user-timeout"], options["rcvbuf"]) == (77, 4321, 100000)
    assert (options["linger"], options["rcvtimeo"]) == (9, 2500)
    assert options["nonblock"] is False and options["cork"] is False
    for key, level, name in (
        ("sndbuf", socket.SOL_SOCKET, socket.SO_SNDBUF),
        ("keepintvl", socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
        ("maxseg", socket.IPPROTO_TCP, socket.TCP_MAXSEG),
        ("ttl", socket.IPPROTO_IP, socket.IP_TTL),
    ):
        assert options[key] == client.getsockopt(level, name), key
    congestion = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16)
    assert options["congestion"] == congestion.rstrip(b"\0").decode()
    said = " ".join(labelled(text(f"{SELF}:{client.fileno()}"), "options").split())
    for item in ("keepalive yes", "keepidle 77 s", "user-timeout 4321 ms", "linger 9 s",
                 "rcvbuf 100000 bytes", "sndtimeo none"):  # fmt: skip
        assert item in said.split(", "), said
    for end in (client, accepted, server):
        end.close()


@COPY
def test_unix_options_and_whose_credentials(show):
    one, other = socket.socketpair()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    one.setblocking(False)
    options = show(f"ino:{inode(one)}")["endpoints"][0]["options"]
    assert options["passcred"] is True and options["nonblock"] is True
    assert options["peercred"] == f"pid {SELF} uid {os.getuid()} gid {os.getgid()}"
    options = show(f"ino:{inode(other)}")["endpoints"][0]["options"]
    assert options["passcred"] is False and options["nonblock"] is False
    one.close()
    other.close()


@COPY
def test_nothing_is_changed_by_looking(text):
    one, other = socket.socketpair()
    other.sendall(b"still here")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
        closed.bind(("127.0.0.1", 0))
        address = closed.getsockname()
    refused = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    refused.connect(address)
    refused.send(b"x")
    wait_until(lambda: select.select([refused], [], [], 1)[0])
    flags = [fcntl.fcntl(end, fcntl.F_GETFL) for end in (one, other, refused)]
    before = descriptor_count(SELF)
    for end in (one, other, refused):
        said = text(f"{SELF}:{end.fileno()}")
        assert "error       not asked: reading a pending error clears it" in said
        assert "options     nonblock no" in said
    assert [fcntl.fcntl(end, fcntl.F_GETFL) for end in (one, other, refused)] == flags
    assert refused.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0
    assert one.recv(100, socket.MSG_DONTWAIT) == b"still here"
    assert descriptor_count(SELF) == before
    for end in (one, other, refused):
        end.close()


@STRACE
@pytest.mark.plain_build
@pytest.mark.parametrize(
    "error, why",
    [
        ("ENOSYS", "pidfd_getfd: this kernel does not have it; Linux 5.6 or newer"),
        ("EPERM", "with CAP_SYS_PTRACE"),
        ("EBADF", "has closed it meanwhile; try again"),
    ],
)
def test_why_options_may_not_be_asked(ferry, runtime_dir, error, why):
    one, other = socket.socketpair()
    done = subprocess.run(
        ["strace", "-f", "-qq", "-o", runtime_dir / "trace", "-e", "trace=pidfd_getfd",
         "-e", f"inject=pidfd_getfd:error={error}", ferry, "show", f"ino:{inode(one)}"],
        capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "INJECTED" in (runtime_dir / "trace").read_text()
    said = labelled(block_of(done.stdout, "u_str"), "options")
    assert said.startswith("not told: ") and why in said
    assert "error       " not in done.stdout
    one.close()
    other.close()


@ROOT_ONLY
@pytest.mark.plain_build  # a sanitizer traces itself at the end, which these users may not
def test_a_socket_of_another_user(ferry):
    """Who may look into /proc (by the effective user) may not copy (by the real one)."""
    ends = socket.socketpair()
    holder = subprocess.Popen(
        ["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, pass_fds=[ends[0].fileno()],
        user=1234, group=1234, extra_groups=[],
    )  # fmt: skip
    name = f"{holder.pid}:{ends[0].fileno()}"
    ends[0].close()

    def look(real):
        return subprocess.run(
            [ferry, "show", name], capture_output=True, text=True, timeout=30,
            preexec_fn=lambda: (os.setgroups([]), os.setresgid(1234, 1234, 1234),
                                os.setresuid(real, 1234, 1234)),
        )  # fmt: skip

    try:
        done = look(NOBODY)
        assert done.returncode == 0, done.stderr
        said = labelled(block_of(done.stdout, "u_str"), "options")
        assert f"belongs to uid 1234, we are uid {NOBODY}; run it as root" in said
        if may_copy() and not Path("/proc/sys/kernel/yama/ptrace_scope").exists():
            assert "passcred no" in look(1234).stdout
        nobody = subprocess.run(
            [ferry, "show", name], capture_output=True, text=True, timeout=30,
            user=NOBODY, group=NOBODY, extra_groups=[],
        )  # fmt: skip
        assert nobody.returncode == 1
        assert "may not be seen; run it as root, or with CAP_SYS_PTRACE" in nobody.stderr
    finally:
        holder.stdin.close()
        holder.wait(10)
        ends[1].close()


# --- TCP --------------------------------------------------------------------------------------------


def ss(local):
    """{key: value} of `ss -tieom` for the socket of that local port."""
    done = subprocess.run(
        ["ss", "-tieomHOn", "sport", "=", str(local)], capture_output=True, text=True, check=True
    )
    [line] = done.stdout.splitlines()
    return line, dict(re.findall(r"(\w+):(\S+)", line))


@pytest.mark.skipif(not shutil.which("ss"), reason="ss is not installed")
def test_tcp_info_is_that_of_ss(show, text):
    server, client, accepted = tcp_pair()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for _ in range(10):
        client.sendall(b"y" * 1000)
        assert accepted.recv(1000, socket.MSG_WAITALL)
    # When all is acknowledged, nothing changes but the clocks.
    wait_until(lambda: ss(client.getsockname()[1])[1]["bytes_acked"] == "10001")
    line, facts = ss(client.getsockname()[1])
    [found] = show(f"ino:{inode(client)}")["endpoints"]
    tcp = found["tcp"]
    assert tcp["bytes_acked"] == 10001 and tcp["bytes_sent"] == 10000
    rtt, variance = facts["rtt"].split("/")
    assert (tcp["rtt"], tcp["rttvar"]) == (round(float(rtt) * 1000), round(float(variance) * 1000))
    for name, key in (("snd_cwnd", "cwnd"), ("snd_mss", "mss"), ("pmtu", "pmtu"),
                      ("segs_out", "segs_out"), ("data_segs_out", "data_segs_out"),
                      ("advmss", "advmss"), ("delivered", "delivered")):  # fmt: skip
        assert tcp[name] == int(facts[key]), name
    assert found["cookie"] == facts["sk"]
    assert found["timer"] == "keepalive" and "timer:(keepalive," in line
    memory = dict(re.findall(r"([a-z]+)(\d+)", facts["skmem"]))
    assert found["memory"] == {
        name: int(memory[key])
        for name, key in (("receive_used", "r"), ("receive_size", "rb"), ("send_used", "t"),
                          ("send_size", "tb"), ("forward", "f"), ("queued", "w"),
                          ("options", "o"), ("backlog", "bl"), ("drops", "d"))  # fmt: skip
    }
    assert f" {found['congestion']} " in line
    # The same for people, every field of it.
    block = block_of(text(f"ino:{inode(client)}"), "tcp ESTAB")
    items = " ".join(labelled(block, "tcp").split()).split(", ")
    said = dict(item.split(" ", 1) for item in items)
    assert set(tcp) <= set(said)
    assert said["rtt"] == (f"{tcp['rtt']} us" if tcp["rtt"] < 1000 else f"{tcp['rtt'] / 1000:.4g} ms")
    assert (said["state"], said["bytes_acked"]) == ("ESTAB", "10001 bytes")
    assert said["snd_cwnd"] == str(tcp["snd_cwnd"])
    assert said["max_pacing_rate"] == "unlimited" and "max_pacing_rate" not in tcp
    assert re.fullmatch(r"[\d.]+ [kMG]?B/s", said["delivery_rate"])
    assert "keepalive, " in labelled(block, "timer")
    for end in (client, accepted, server):
        end.close()


def test_who_waits_at_a_port(show, text):
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        found = show(f"ino:{inode(server)}")
        assert (found["endpoints"][0]["waiting"], len(found["waiting"])) == (1, 1)
        waiting = labelled(text(f"ino:{inode(server)}"), "waiting")
        assert f"[{SELF}] fd {client.fileno()}," in waiting
        ends = "{}:{} -> {}:{}".format(*server.getsockname(), *client.getsockname())
        assert f"\ntcp WAITING {ends}\n" in text("tcp:{1}".format(*server.getsockname()))
        client.close()


@ROOT_ONLY
def test_another_network(show):
    machine = Machine()
    try:
        machine.ip("link", "set", "lo", "up")
        with machine.inside():
            server = socket.create_server(("127.0.0.1", 0))
        [found] = show(f"ino:{inode(server)}")["endpoints"]
        where = os.stat(f"/proc/{machine.holder.pid}/ns/net").st_ino
        assert (found["network"]["inode"], found["network"]["own"]) == (where, False)
        assert found["options"]["reuseaddr"] is True
        server.close()
    finally:
        machine.end()


# --- processes --------------------------------------------------------------------------------------

HOLDER = """
import os, resource, socket, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (123, 456))
open("/proc/self/comm", "w").write("\\x1b[1mevil")
one, other = socket.socketpair()
server = socket.socket(socket.AF_UNIX)
server.bind("\\0\\x1b]0;evil-%d" % os.getpid())
server.listen()
print(one.fileno(), other.fileno(), server.fileno(), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder():
    """A process that has a pair and a listener open; (pid, descriptors)."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    yield process.pid, [int(word) for word in process.stdout.readline().split()]
    process.stdin.close()
    process.wait(10)
    process.stdout.close()


def stat_of(pid):
    return Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()


def ancestors_of(pid):
    found = []
    while (pid := int(stat_of(pid)[1])) > 0:
        found.append(pid)
    return found


def test_a_process(show, text, holder):
    pid, (one, other, server) = holder
    document = show(str(pid))
    process = document["process"]
    assert (process["pid"], process["parent"], process["uid"]) == (pid, SELF, os.getuid())
    assert process["executable"] == os.readlink(f"/proc/{pid}/exe")
    assert process["start_ticks"] == int(stat_of(pid)[19])
    assert process["command_line"].startswith(f"{sys.executable} -c ")
    assert [one_of["pid"] for one_of in process["ancestors"]] == ancestors_of(pid)
    assert process["descriptors"] == descriptor_count(pid)
    assert (process["descriptors_soft"], process["descriptors_hard"]) == (123, 456)
    assert process["blocked"].startswith("read on 0")
    held = {owner["fd"] for end in document["endpoints"] for owner in end["owners"]
            if owner["pid"] == pid}  # fmt: skip
    sockets = {int(entry.name) for entry in Path(f"/proc/{pid}/fd").iterdir()
               if re.match("(socket|pipe):", os.readlink(entry))}  # fmt: skip
    assert held == sockets
    said = text(str(pid))
    facts, endpoints = said.split("\n\n")
    assert f"{descriptor_count(pid)} open of 123, which it may raise to 456" in facts
    parents = re.findall(r"\[(\d+)\](?: <|$)", labelled(facts, "child of"))
    assert [int(parent) for parent in parents] == ancestors_of(pid)
    rows = {int(line.split()[0]): line for line in endpoints.splitlines()[1:]}
    assert set(rows) == sockets
    assert f"[{pid}]" in rows[one] and " u_str " in rows[one]
    assert " LISTEN " in rows[server]


def test_what_a_holder_waits_for(text, holder):
    """cat-like: it reads its standard input, and nothing else that it holds."""
    pid, (one, other, server) = holder
    wait_until(lambda: Path(f"/proc/{pid}/syscall").read_text().startswith(f"{READ} 0x0 "))
    assert "              waits for it: read on 0" in text(f"{pid}:0")
    assert "              now: read on 0" in text(f"{pid}:{one}")


def test_names_are_escaped(text, show, holder):
    pid, (one, other, server) = holder
    for words in ([str(pid)], [f"{pid}:{one}"], [f"{pid}:{server}"]):
        said = text(*words)
        assert "\x1b" not in said and r"\x1b" in said
    [found] = show(f"{pid}:{server}")["endpoints"]
    assert found["local"] == rf"@\x1b]0;evil-{pid}"


def test_a_descriptor_whatever_it_is(show, text, tmp_path, run_ferry):
    event = os.eventfd(41)
    poll = select.epoll()
    poll.register(event, select.EPOLLIN)
    other = os.eventfd(0)
    poll.register(other, select.EPOLLIN)
    path = tmp_path / "file"
    path.write_bytes(b"z" * 321)
    with open(path, "ab") as file:
        found = show(f"{SELF}:{file.fileno()}")
        assert (found["descriptor"]["link"], found["descriptor"]["size"]) == (str(path), 321)
        assert (found["endpoints"], found["peers"]) == ([], [])
        said = text(f"{SELF}:{file.fileno()}")
        assert f"leads to    {path}\n" in said and "(writes, appends, close-on-exec)" in said
    found = show(f"{SELF}:{event}")["descriptor"]
    assert found["link"] == "anon_inode:[eventfd]"
    assert int(found["fdinfo"]["eventfd-count"], 16) == 41
    # One line a descriptor of the set: all of them are told.
    watched = show(f"{SELF}:{poll.fileno()}")["descriptor"]["fdinfo"]["tfd"]
    assert sorted(int(line.split()[0]) for line in watched) == sorted([event, other])
    assert f"descriptor {event} of " in text(f"{SELF}:{event}")
    os.close(event)
    os.close(other)
    poll.close()
    closed = f"{SELF}:987654"
    done = run_ferry("show", closed)
    assert done.returncode == 1
    assert f"ferry show: {closed}: the process has no such descriptor open" in done.stderr


def test_what_is_told_of_a_large_set_is_cut_behind_a_line(show):
    with select.epoll() as poll:
        events = [os.eventfd(0) for _ in range(500)]
        for event in events:
            poll.register(event, select.EPOLLIN)
        watched = show(f"{SELF}:{poll.fileno()}")["descriptor"]["fdinfo"]["tfd"]
        for event in events:
            os.close(event)
    assert 100 < len(watched) < len(events)
    # Each ends with the inode and device of all eventfds.
    assert len({tuple(line.split()[-2:]) for line in watched}) == 1


# --- pipes, FIFOs, memfds, queues -------------------------------------------------------------------


@COPY
def test_a_pipe(show):
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 16384)
    os.write(writing, b"p" * 999)
    document = show(f"{SELF}:{writing}")
    [found], [peer] = document["endpoints"], document["peers"]
    assert (found["kind"], found["ends"], peer["ends"]) == ("pipe", "w", "r")
    for end in (found, peer):
        assert (end["options"]["pipe-size"], end["options"]["unread"]) == (16384, 999)
    unread = array.array("i", [0])
    fcntl.ioctl(reading, termios.FIONREAD, unread)
    assert unread[0] == 999
    os.close(reading)
    os.close(writing)


def test_both_ends_of_a_fifo(show, text, runtime_dir, run_ferry):
    path = runtime_dir / "f"
    os.mkfifo(path, 0o640)
    done = run_ferry("show", path)
    assert done.returncode == 1
    assert "the file is there, and nobody that can be seen is bound to it" in done.stderr
    reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    writing = os.open(path, os.O_WRONLY)
    document = show(path)
    ends = {end["ends"]: end for end in document["endpoints"]}
    assert ends["r"]["owners"][0]["fd"] == reading and ends["w"]["owners"][0]["fd"] == writing
    assert document["peers"] == []
    assert {end["file"]["mode"] for end in ends.values()} == {"0640"}
    said = text(f"fifo:{path}")
    assert f"fifo reading end {path}" in said and f"fifo writing end {path}" in said
    os.close(reading)
    os.close(writing)


@COPY
def test_the_seals_of_a_memfd(show):
    memory = os.memfd_create("sealed", os.MFD_ALLOW_SEALING)
    os.write(memory, b"abc")
    [found] = show(f"{SELF}:{memory}")["endpoints"]
    assert (found["local"], found["size"], found["options"]["seals"]) == ("sealed", 3, "none")
    fcntl.fcntl(memory, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_WRITE)
    [found] = show(f"{SELF}:{memory}")["endpoints"]
    assert found["options"]["seals"] == "shrink write"
    os.close(memory)


def test_a_queue(show, text):
    class Attributes(ctypes.Structure):
        _fields_ = [(name, ctypes.c_long) for name in ("flags", "maxmsg", "msgsize", "curmsgs")] + [
            ("reserved", ctypes.c_long * 4)
        ]

    name = f"/ferry-show-{SELF}".encode()
    queue = LIBRT.mq_open(name, os.O_CREAT | os.O_RDWR, 0o600, ctypes.byref(Attributes(0, 5, 100)))
    assert queue >= 0, os.strerror(ctypes.get_errno())
    try:
        for message in (b"one", b"four"):
            assert LIBRT.mq_send(queue, message, len(message), 0) == 0
        [found] = show(f"mq:{name.decode()}")["endpoints"]
        assert (found["kind"], found["owners"][0]["fd"]) == ("mq", queue)
        assert found["file"]["mode"] == "0600" and found["file"]["uid"] == os.getuid()
        said = text(f"mq:{name.decode()}")
        if "messages_max" in found:
            assert (found["messages"], found["messages_max"], found["receive_queue"]) == (2, 5, 7)
            assert "2 of 5, each of 100 bytes at most" in said
        assert "options" not in found
    finally:
        LIBRT.mq_unlink(name)
        os.close(queue)


QUEUE_OWNER = """
import ctypes, os, subprocess, sys
library = ctypes.CDLL("librt.so.1", use_errno=True)
queue = library.mq_open(b"/told", os.O_CREAT | os.O_RDWR, 0o604, None)
assert queue >= 0, os.strerror(ctypes.get_errno())
event = (ctypes.c_int * 16)()
event[3] = 1  # sigev_notify = SIGEV_NONE, behind the value (8 bytes) and the signal
assert library.mq_notify(queue, event) == 0, os.strerror(ctypes.get_errno())
print(os.getpid(), flush=True)
sys.stdout.write(subprocess.run([sys.argv[1], "show", "mq:/told"], capture_output=True, text=True).stdout)
"""


@ROOT_ONLY
def test_whom_a_queue_notifies(ferry, runtime_dir):
    """In mount and IPC namespaces of its own, where the queues' file system is mounted."""
    (runtime_dir / "told.py").write_text(QUEUE_OWNER)
    done = subprocess.run(
        ["unshare", "--mount", "--ipc", "sh", "-c",
         "mount -t tmpfs none /dev && mkdir /dev/mqueue && mount -t mqueue none /dev/mqueue && "
         'exec "$@"', "sh", sys.executable, runtime_dir / "told.py", ferry],
        capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    pid, said = done.stdout.split("\n", 1)
    assert f"notifies    pid {pid}, of the next message" in said
    assert "may open    mode 0604" in said


# --- rates ------------------------------------------------------------------------------------------


def whole_lines(process):
    """The last may be on its way."""
    return process.stdout().split(b"\n")[:-1]


def events(process):
    return [json.loads(line) for line in process.stdout().splitlines()]


def test_rates_are_what_the_counters_say(start_ferry):
    server, client, accepted = tcp_pair()
    process = start_ferry("show", "--follow", "-i", "50ms", f"ino:{inode(client)}")
    while len(whole_lines(process)) < 6:
        client.sendall(b"r" * 700)
        assert len(accepted.recv(700, socket.MSG_WAITALL)) == 700
    client.close()
    accepted.close()
    assert process.wait() == 0, "it ends when nothing is left"
    found = events(process)
    assert [event["event"] for event in found[:2]] == ["first", "change"]
    assert found[-1]["event"] == "gone" and found[-1]["inode"] > 0
    assert "rates" not in found[0]
    changes = [event for event in found if event["event"] == "change"]
    assert changes[0]["endpoint"]["state"] == "ESTAB"
    for before, after in zip(found, changes):
        if after["endpoint"]["state"] != "ESTAB":
            break
        for name in ("bytes_sent", "bytes_acked", "bytes_received", "segs_out", "segs_in"):
            change = after["endpoint"]["tcp"][name] - before["endpoint"]["tcp"][name]
            told = after["rates"][f"{name}_s"] * after["span_ns"] / 1e9
            assert told == pytest.approx(change, abs=0.01), name
    assert any(event["rates"]["bytes_sent_s"] > 0 for event in changes)
    server.close()


def test_a_unix_socket_has_no_rate(start_ferry, run_ferry):
    one, other = socket.socketpair()
    process = start_ferry("show", "-f", "--interval=50ms", f"ino:{inode(one)}")
    wait_until(lambda: len(whole_lines(process)) >= 2)
    other.sendall(b"q" * 500)
    wait_until(lambda: b'"receive_queue_change":500' in process.stdout())
    one.recv(200)
    wait_until(lambda: b'"receive_queue_change":-200' in process.stdout())
    process.send(signal.SIGINT)
    assert process.wait() == 0
    found = events(process)
    assert {event["no_rates"] for event in found} == {"no byte counter exists for unix sockets"}
    assert not any("rates" in event for event in found)
    changes = [event["receive_queue_change"] for event in found if event["event"] == "change"]
    assert [change for change in changes if change] == [500, -200]
    assert found[-1]["endpoint"]["receive_queue"] == 300
    done = run_ferry("show", "-f", "-c3", "-i10ms", f"ino:{inode(one)}")
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 3
    one.close()
    other.close()


@pytest.mark.skipif(not shutil.which("script"), reason="script(1) is not installed")
def test_people_get_lines(ferry):
    server, client, accepted = tcp_pair()
    command = f"{ferry} show -f -c 2 -i 20ms ino:{inode(client)}"
    done = subprocess.run(
        ["script", "-qec", command, "/dev/null"], capture_output=True, text=True,
        stdin=subprocess.DEVNULL, timeout=30,
    )  # fmt: skip
    # What may not be seen for want of privilege is said on the same terminal.
    first, second = [line for line in done.stdout.splitlines() if " tcp ESTAB " in line]
    assert re.match(r"\d\d:\d\d:\d\d tcp ESTAB 127\.0\.0\.1:\d+ -> ", first)
    assert ", sent -, " in first and ", sent 0 B/s, " in second
    assert "receive queue 0 (+0)" in second and ", cwnd " in second
    for end in (client, accepted, server):
        end.close()


# --- what is wrong ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words, why",
    [
        ([], "is needed"),
        (["a", "b"], "one thing at a time"),
        (["--count=2", "1"], "belong to --follow"),
        (["-f", "--count=0", "1"], "a number from 1"),
        (["-f", "--interval=1ms", "1"], "a span from 10ms to 1d is expected"),
        (["http://host:80"], "write tcp:HOST:PORT"),
    ],
)
def test_wrong_usage(run_ferry, words, why):
    done = run_ferry("show", *words)
    assert done.returncode == 2
    assert why in done.stderr and done.stdout == ""


@pytest.mark.parametrize("word", ["/nowhere/at.all", "@nobody-has-this", "mq:/nobody-has-this",
                                  "ino:18446744073709551615"])  # fmt: skip
@pytest.mark.parametrize("option", [[], ["--json"], ["--follow"]])
def test_what_is_not_there(run_ferry, word, option):
    done = run_ferry("show", *option, word)
    assert done.returncode == 1 and done.stdout == ""
    assert f"ferry show: {word}: nothing on this machine that can be seen is that" in done.stderr


def test_what_is_there_and_nothing_to_show(run_ferry, tmp_path):
    path = tmp_path / "file"
    path.write_text("text")
    with open(path) as file:
        for words, why in (
            ([path], "is no socket and no FIFO; lsof(8)"),
            (["--follow", f"{SELF}:{file.fileno()}"], "no socket, pipe, FIFO, queue or memfd"),
        ):
            done = run_ferry("show", *words)
            assert done.returncode == 1 and done.stdout == ""
            assert why in done.stderr


def test_a_lost_end_is_gone_in_every_verb(run_ferry):
    """What ls says of the other end, show says in a process's list, and top in its column."""
    read, write = os.pipe()
    os.close(write)
    one, other = socket.socketpair()
    other.close()
    server, waiting = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
    server.bind(f"\0ferry-show-{os.getpid()}-gone")
    server.listen()
    waiting.connect(server.getsockname())
    with one, server, waiting:
        done = run_ferry("ls", "-o", "inode,peer", f"--pid={os.getpid()}", "--kind=all")
        by_ls = dict(line.split("\t") for line in done.stdout.splitlines())
        done = run_ferry("show", os.getpid())
        rows = [line.split() for line in done.stdout.split("\n\n")[1].splitlines()]
        inodes = [str(os.fstat(each.fileno()).st_ino) for each in (one, server, waiting)]
    os.close(read)
    expected = ["gone", "1 waiting", f"waiting for {by_ls[inodes[2]].split()[-1]}"]
    assert [by_ls[inode] for inode in inodes] == expected
    for inode, words in zip(inodes, expected):
        row = next(row for row in rows if inode in row)
        assert " ".join(row[row.index(inode) + 1 :]) == words
    assert [row[-1] for row in rows if row[1] == "pipe" and row[0] == str(read)] == ["gone"]
