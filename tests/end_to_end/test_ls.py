"""ferry ls: what is shown is what was opened, as /proc, ss and the fixtures know it."""

import array
import contextlib
import ctypes
import fcntl
import json
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import time

import pytest

from machines import Machine
from support import wait_until

ME = os.getpid()
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make a network namespace")
DEFAULT = ["KIND", "STATE", "RECV-Q", "SEND-Q", "LOCAL", "REMOTE", "PROCESS", "PEER"]


def my_name():
    return open("/proc/self/comm").read().rstrip("\n")


def inode(held):
    return os.fstat(held.fileno() if hasattr(held, "fileno") else held).st_ino


@pytest.fixture
def ls(run_ferry):
    """ls(argument...) runs it piped; returns the rows as dictionaries by heading."""

    def run(*arguments, status=0, **options):
        done = run_ferry("ls", *arguments, **options)
        assert done.returncode == status, done.stderr
        lines = [line.split("\t") for line in done.stdout.splitlines()]
        if not lines:
            return []
        assert {len(line) for line in lines} == {len(lines[0])}
        return [dict(zip(lines[0], line)) for line in lines[1:]]

    return run


HOLDER = """
import os, socket, time
def name(text): open('/proc/self/comm', 'w').write(text)
{}
print('ready', flush=True)
time.sleep(600)
"""


def holder(start, code):
    """A process that has run this code and holds what it has opened."""
    process = start(sys.executable, "-c", HOLDER.format(code))
    process.wait_for("ready")
    return process


@pytest.fixture
def opened():
    """What a test opens, closed behind it."""
    with contextlib.ExitStack() as stack:
        yield stack.enter_context


def listener(opened, path, backlog=5, kind=socket.SOCK_STREAM):
    server = opened(socket.socket(socket.AF_UNIX, kind))
    server.bind(str(path))
    server.listen(backlog)
    return server


def client(opened, path, kind=socket.SOCK_STREAM):
    held = opened(socket.socket(socket.AF_UNIX, kind))
    held.connect(str(path))
    return held


def tcp_pair(opened, family=socket.AF_INET, host="127.0.0.1"):
    server = opened(socket.socket(family))
    server.bind((host, 0))
    server.listen(7)
    dialled = opened(socket.create_connection(server.getsockname()[:2]))
    return server, dialled, opened(server.accept()[0])


# --- rows -----------------------------------------------------------------------------------------


def test_a_server_and_its_clients(ls, opened, runtime_dir):
    path = runtime_dir / "app.sock"
    server = listener(opened, path)
    first = client(opened, path)
    accepted = opened(server.accept()[0])
    first.sendall(b"12345")
    waiting = client(opened, path)
    columns = "+inode,pid,fd,peerfd,peerpid,peerinode"
    rows = {int(row["INODE"]): row for row in ls(path, "-o", columns)}
    assert set(rows) == {inode(each) for each in (server, accepted, first, waiting)}
    mine = f"{my_name()}[{ME}]"

    row = rows[inode(server)]
    assert [row[name] for name in DEFAULT] == [
        "u_str", "LISTEN", "1", "5", str(path), "-", mine, "1 waiting",
    ]  # fmt: skip
    assert (row["PID"], row["FD"]) == (str(ME), str(server.fileno()))
    row = rows[inode(accepted)]
    assert [row[name] for name in DEFAULT[:6]] == ["u_str", "ESTAB", "5", "0", str(path), "-"]
    assert (row["PROCESS"], row["PEER"]) == (mine, mine)
    assert (row["PEERPID"], row["PEERFD"]) == (str(ME), str(first.fileno()))
    assert row["PEERINODE"] == str(inode(first))

    assert rows[inode(first)]["REMOTE"] == str(path)
    assert int(rows[inode(first)]["SEND-Q"]) > 0
    assert rows[inode(waiting)]["STATE"] == "WAITING"
    assert rows[inode(waiting)]["REMOTE"] == str(path)
    assert rows[inode(waiting)]["PEER"] == f"waiting for {mine}"


def test_kinds_by_the_letters_of_ss(ls, opened):
    opened(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
    for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET):
        for end in socket.socketpair(socket.AF_UNIX, kind):
            opened(end)
    tcp_pair(opened)
    opened(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)).bind(("127.0.0.1", 0))

    def kinds(*arguments):
        return {row["KIND"] for row in ls(f"--pid={ME}", *arguments)}

    unix = {"u_str", "u_dgr", "u_seq"}
    assert kinds("-x") == unix
    assert kinds("-t") == {"tcp"}
    assert kinds("-u") == {"udp"}
    assert kinds("-tu") == {"tcp", "udp"}
    assert kinds("-xt") == unix | {"tcp"}
    assert kinds() == kinds("-a") == unix | {"tcp", "udp"}
    assert kinds("--kind=u_seq,UDP") == {"u_seq", "udp"}
    assert kinds("-4") == kinds("-xtu4") == {"tcp", "udp"}


@ROOT_ONLY
def test_raw_sockets(ls, opened):
    """Also where the kernel has no diagnosis of them."""
    raw = opened(socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP))
    raw.bind(("127.0.0.1", 0))
    of_ss = subprocess.run(["ss", "-wanH"], capture_output=True, text=True, timeout=20).stdout
    assert "127.0.0.1:17" in of_ss
    (row,) = ls("-w", f"--pid={ME}", "-o", "state,local,remote,inode,uid")
    assert list(row.values()) == ["UNCONN", "127.0.0.1:17", "*:*", str(inode(raw)), "0"]


def test_what_is_no_socket(ls, opened, runtime_dir):
    ends = os.pipe()
    reading, writing = opened(os.fdopen(ends[0], "rb")), opened(os.fdopen(ends[1], "wb"))
    fifo = runtime_dir / "fifo"
    os.mkfifo(fifo)
    both = opened(open(os.open(fifo, os.O_RDWR), "rb", buffering=0))
    memory = opened(os.fdopen(os.memfd_create("ferry-ls"), "wb", buffering=0))
    memory.write(b"x" * 4321)
    rows = ls("--kind=files", f"--pid={ME}", "-o", "kind,inode,ends,local,size,fd,recv,send")
    by = {(row["KIND"], row["INODE"], row["ENDS"]): row for row in rows}
    assert by["pipe", str(inode(reading)), "r"]["FD"] == str(reading.fileno())
    assert by["pipe", str(inode(writing)), "w"]["FD"] == str(writing.fileno())
    assert by["fifo", str(inode(both)), "r"]["LOCAL"] == str(fifo)
    assert by["memfd", str(inode(memory)), "rw"]["SIZE"] == "4321"
    # How much is in a pipe is nobody's to know but its holders'.
    assert {(row["RECV-Q"], row["SEND-Q"]) for row in rows} == {("-", "-")}
    assert {row["KIND"] for row in ls("--kind=memfd", f"--pid={ME}")} == {"memfd"}
    assert "pipe" not in {row["KIND"] for row in ls("-a")}


def test_a_message_queue(ls, opened):
    libc = ctypes.CDLL(None, use_errno=True)
    name = f"/ferry-ls-{ME}".encode()
    queue = libc.mq_open(name, os.O_CREAT | os.O_RDWR | os.O_NONBLOCK, 0o600, None)
    if queue < 0:
        pytest.skip(f"no queue can be made here: {os.strerror(ctypes.get_errno())}")
    try:
        assert libc.mq_send(queue, b"seven b", 7, 0) == 0
        rows = ls("--kind=mq", f"mq:{name.decode()}", "-o", "local,recv,send,messages,fd,pid")
        (row,) = rows
        assert (row["LOCAL"], row["RECV-Q"], row["SEND-Q"]) == (name.decode(), "7", "-")
        assert (row["FD"], row["PID"]) == (str(queue), str(ME))
        assert row["MESSAGES"] in ("1/10", "-")
    finally:
        os.close(queue)
        libc.mq_unlink(name)


def test_ipv4_and_ipv6(ls, opened):
    four = tcp_pair(opened)
    try:
        six = tcp_pair(opened, socket.AF_INET6, "::1")
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")

    def inodes(letter):
        return {int(row["INODE"]) for row in ls(letter, f"--pid={ME}", "-o", "inode")}

    assert {inode(held) for held in four} <= inodes("-4")
    assert not {inode(held) for held in six} & inodes("-4")
    assert {inode(held) for held in six} <= inodes("-6")
    assert not {inode(held) for held in four} & inodes("-6")


@ROOT_ONLY
def test_the_same_sockets_as_ss(ferry, opened, runtime_dir):
    """In a network of their own, where nobody else opens any."""
    machine = Machine()
    try:
        machine.ip("link", "set", "lo", "up")
        with machine.inside():
            path = runtime_dir / "s"
            server = listener(opened, path)
            client(opened, path)
            opened(server.accept()[0])
            opened(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)).bind("\0ferry-ls-test")
            tcp_pair(opened)
            opened(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)).bind(("127.0.0.1", 0))

            def said(*command):
                done = subprocess.run(command, capture_output=True, text=True, timeout=20)
                assert done.returncode == 0, done.stderr
                return done.stdout.splitlines()

            for letters in ("-xa", "-xl", "-x"):
                lines = [line.split() for line in said("ss", letters + "H")]
                of_ss = {(words[0], words[5]) for words in lines}
                words = [letters] if letters != "-x" else ["-x", "--state=connected"]
                ours = said(ferry, "ls", "-H", *words, "-o", "kind,inode")
                mine = {tuple(line.split("\t")) for line in ours}
                assert {entry for entry in mine if int(entry[1]) in known(opened)} == of_ss
                assert of_ss
            for letters in ("-ta", "-tl", "-ua", "-ul"):
                lines = [line.split() for line in said("ss", "-n", letters + "H")]
                of_ss = {(words[0], words[3], words[4]) for words in lines}
                ours = said(ferry, "ls", "-H", letters, "-o", "state,local,remote,netns")
                mine = {tuple(line.split("\t")[:3]) for line in ours if line.endswith("\town")}
                star = {(s, l, "*:*" if r in ("0.0.0.0:*", "[::]:*") else r) for s, l, r in of_ss}
                assert mine == star
    finally:
        machine.end()


def known(opened):
    """Inodes of what the test has opened, this process's."""
    found = set()
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            link = os.readlink(f"/proc/self/fd/{fd}")
            if link.startswith("socket:["):
                found.add(int(link[8:-1]))
    return found


# --- filters --------------------------------------------------------------------------------------


def test_what_has_ended_is_shown_when_it_is_asked_for(ls, opened):
    server, dialled, accepted = tcp_pair(opened)
    port = dialled.getsockname()[1]
    dialled.close()
    assert accepted.recv(1) == b""
    accepted.close()

    def ended(*arguments):
        rows = ls("-t", *arguments)
        return [row["STATE"] for row in rows if row["LOCAL"].endswith(f":{port}")]

    assert ended("-a") == ended("--state=time-wait") == ended(f":{port}") == ["TIME-WAIT"]
    assert ended() == []


def test_states(ls, run_ferry, opened):
    server, dialled, accepted = tcp_pair(opened)

    def inodes(*arguments):
        return {int(row["INODE"]) for row in ls("-t", f"--pid={ME}", "-o", "inode", *arguments)}

    for words in (["-l"], ["--state=LISTEN"], ["--state=listening"], ["state", "listening"]):
        assert inodes(*words) == {inode(server)}
    for words in (["--state=estab"], ["state", "Established"], ["--state=connected"]):
        assert inodes(*words) == {inode(dialled), inode(accepted)}
    three = {inode(held) for held in (server, dialled, accepted)}
    assert inodes("--state=listen,established") == three
    accepted.shutdown(socket.SHUT_WR)
    wait_until(lambda: b"" == dialled.recv(1, socket.MSG_PEEK))
    assert inodes("state", "close-wait") == {inode(dialled)}
    assert inodes("state", "fin-wait-2") == {inode(accepted)}
    port = server.getsockname()[1]
    accepted.close()
    (row,) = ls("-t", "src", f":{port}", "state", "fin-wait-2", "-o", "inode,uid,process")
    assert list(row.values()) == ["-", "-", "-"]
    done = run_ferry("ls", "--state=listning")
    assert done.returncode == 2
    assert "listning: no state; did you mean listening?" in done.stderr


def test_processes(ls, opened, start):
    other = holder(start, "name('ferry-ls-one'); s = socket.socketpair()")
    mine = [opened(end) for end in socket.socketpair()]
    rows = ls("-x", f"--pid={other.pid}", "-o", "pid,command,inode")
    assert [(row["PID"], row["COMMAND"]) for row in rows] == [(str(other.pid), "ferry-ls-one")] * 2
    theirs = {row["INODE"] for row in rows}
    assert {row["INODE"] for row in ls("-x", "--command=ferry-ls-*", "-o", "inode")} == theirs
    assert {row["INODE"] for row in ls(str(other.pid), "-x", "-o", "inode")} == theirs
    both = {row["INODE"] for row in ls("-x", f"--pid={other.pid},{ME}", "-o", "inode")}
    assert both >= theirs | {str(inode(end)) for end in mine}
    # All that is asked must be so, of one process.
    assert ls("-x", "--command=ferry-ls-*", f"--pid={ME}", status=1) == []


@ROOT_ONLY
def test_users(ls, opened, start):
    made = holder(start, "os.setuid(54321); s = socket.socketpair()")
    held = holder(start, "s = socket.socketpair(); os.setuid(54322)")
    rows = ls("-x", "--user=54321", "-o", "pid,uid,user")
    assert [tuple(row.values()) for row in rows] == [(str(made.pid), "54321", "54321")] * 2
    rows = ls("-x", "--user=54322", "-o", "pid,uid,user")
    assert [tuple(row.values()) for row in rows] == [(str(held.pid), "0", "root")] * 2
    of_root = {row["PID"] for row in ls("-x", "--user=root", "-o", "pid")}
    assert str(held.pid) in of_root and str(made.pid) not in of_root


def test_an_unknown_user(run_ferry):
    done = run_ferry("ls", "--user=no-such-user")
    assert done.returncode == 2
    assert "no-such-user: no user of this machine" in done.stderr


def test_json_has_what_letters_would_add(run_ferry, opened):
    opened(socket.socket(socket.AF_UNIX))
    for letter in ("-e", "-m", "-i", "-H"):
        done = run_ferry("ls", "--json", letter, f"--pid={ME}")
        assert done.returncode == 0 and json.loads(done.stdout)["endpoints"], done.stderr


def test_paths_and_abstract_names(ls, opened, runtime_dir):
    one = listener(opened, runtime_dir / "one.sock")
    other = listener(opened, runtime_dir / "two.sock")
    abstract = listener(opened, f"\0ferry-ls-{ME}")

    def inodes(*arguments):
        return {int(row["INODE"]) for row in ls("-o", "inode", *arguments)}

    assert inodes(f"--path={runtime_dir}/*.sock") == {inode(one), inode(other)}
    assert inodes(f"--path={runtime_dir}/t*") == {inode(other)}
    assert inodes(f"--path=@ferry-ls-{ME}") == inodes(f"@ferry-ls-{ME}") == {inode(abstract)}
    assert inodes(f"ino:{inode(one)}") == {inode(one)}
    assert inodes(f"{ME}:{other.fileno()}") == {inode(other)}
    assert inodes("src", f"{runtime_dir}/one*") == {inode(one)}
    assert inodes("src", f"unix:@ferry-ls-{ME}") == {inode(abstract)}


def test_a_path_or_name_means_both_ends(ls, opened, runtime_dir):
    """The listener, what it has accepted, who is connected and who waits; one of them by src, dst."""
    for name in (str(runtime_dir / "app.sock"), f"\0ferry-ls-{ME}-ends"):
        server = listener(opened, name)
        clients = [opened(socket.socket(socket.AF_UNIX)) for _ in range(2)]
        for client in clients:
            client.connect(name)
        accepted = opened(server.accept()[0])
        asked = name.replace("\0", "@")

        def inodes(*arguments):
            return {int(row["INODE"]) for row in ls("-o", "inode", *arguments)}

        theirs = {inode(one) for one in clients}
        ours = {inode(server), inode(accepted)}
        assert inodes(asked) == inodes(f"--path={asked}") == ours | theirs
        assert inodes("src", asked) == ours and inodes("dst", asked) == theirs
        assert inodes(asked, "--state=waiting") == {inode(clients[1])}


def test_a_datagram_path_means_its_senders_too(ls, opened, runtime_dir):
    path = str(runtime_dir / "log")
    server, sender = [opened(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) for _ in range(2)]
    server.bind(path)
    sender.connect(path)
    assert {int(row["INODE"]) for row in ls("-o", "inode", path)} == {inode(server), inode(sender)}


def test_the_clients_of_a_path_are_followed(start_ferry, runtime_dir, opened):
    path = str(runtime_dir / "app.sock")
    server = listener(opened, path)
    following = start_ferry("ls", "-f", "--interval=20ms", f"--path={path}")
    following.wait_for("following")
    client = opened(socket.socket(socket.AF_UNIX))
    client.connect(path)

    def happened(event, one):
        events = [json.loads(line) for line in following.stdout().splitlines()]
        return any(
            each["event"] == event and each["inode"] == inode(one)
            for each in events[1:]
        )

    wait_until(lambda: happened("waiting", client))
    accepted = opened(server.accept()[0])
    wait_until(lambda: happened("connected", client) and happened("accepted", accepted))


def test_the_other_end(ls, opened, start, runtime_dir):
    path = runtime_dir / "app.sock"
    server = listener(opened, path)
    connect = f"s = socket.socket(socket.AF_UNIX); s.connect({str(path)!r})"
    far = holder(start, f"name('ferry-ls-far'); {connect}")
    accepted = opened(server.accept()[0])

    def inodes(*arguments):
        return {int(row["INODE"]) for row in ls("-x", "-o", "inode", *arguments)}

    assert inodes(f"--peer={far.pid}") == {inode(accepted)}
    assert inodes("--peer=ferry-ls-f??") == {inode(accepted)}
    assert inodes(f"--pid={far.pid}") == inodes(f"--peer={runtime_dir}/*")
    assert inode(accepted) not in inodes(f"--pid={far.pid}")
    rows = ls("-x", f"--peer={far.pid}")
    assert [row["PEER"] for row in rows] == [f"ferry-ls-far[{far.pid}]"]


def test_a_peer_of_many_owners(run_ferry, opened):
    """Who has many descriptors of a server, and many clients, does not make their product of us."""
    server = opened(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
    server.bind(b"\0ferry-many-%d" % ME)
    for _ in range(99):
        opened(server.dup())
    clients = [opened(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) for _ in range(3)]
    for one in clients:
        one.connect(server.getsockname())
    done = run_ferry("ls", "-x", "-a", "--json", "--pid", str(ME))
    rows = {row["inode"]: row for row in json.loads(done.stdout)["endpoints"]}
    assert len(rows[inode(server)]["owners"]) == 100
    for one in clients:
        peer = rows[inode(one)]["peer"]
        assert peer["owner_count"] == 100
        assert peer["owners"] == rows[inode(server)]["owners"][:64]


def test_addresses(ls, run_ferry, opened):
    server, dialled, accepted = tcp_pair(opened)
    port = server.getsockname()[1]
    ephemeral = dialled.getsockname()[1]

    def inodes(*arguments, **options):
        return {int(row["INODE"]) for row in ls("-t", "-o", "inode", *arguments, **options)}

    at_port = {inode(server), inode(accepted)}
    assert inodes("src", f":{port}") == inodes("src", f"127.0.0.1:{port}") == at_port
    assert inodes("src", f"*:{port}") == inodes("src", f":{port}", "src", f":{port}") == at_port
    assert inodes("dst", f":{port}") == inodes("dst", f"127.0.0.0/8:{port}") == {inode(dialled)}
    assert inodes("src", f":{ephemeral}", "dst", "127.0.0.0/8") == {inode(dialled)}
    words = ["src", f":{port}", "dst", f":{ephemeral}", "state", "established"]
    assert inodes(*words) == {inode(accepted)}
    assert inodes("src", f":{ephemeral}", "dst", "128.0.0.0/1", status=1) == set()
    assert inodes("src", f":{ephemeral}", "dst", "126.0.0.0/7") == {inode(dialled)}
    assert inodes(f"127.0.0.1:{port}") == at_port | {inode(dialled)}
    for wrong in ("1.2.3", "10.0.0.0/33", ":70000", "[::1", "::1/129", ":x"):
        done = run_ferry("ls", "src", wrong)
        assert done.returncode == 2, wrong
        assert f"{wrong}: no address that an endpoint can have" in done.stderr
    assert run_ferry("ls", "dst").returncode == 2


def unit_folder():
    """Where a control group can be made that is like a unit's; None."""
    for folder in ("/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"):
        if os.path.exists(f"{folder}/cgroup.procs") and os.access(folder, os.W_OK):
            return folder
    return None


@pytest.mark.skipif(unit_folder() is None, reason="needs a control group that can be written to")
def test_units(ls, start):
    unit = f"ferry-ls-{ME}.service"
    folder = f"{unit_folder()}/{unit}"
    os.mkdir(folder)
    process = start(
        sys.executable,
        "-c",
        "import os, socket, time; s = socket.socketpair();"
        f"open({folder!r} + '/cgroup.procs', 'w').write(str(os.getpid()));"
        "print(flush=True); time.sleep(60)",
    )
    try:
        process.wait_for("\n")
        for name in (unit, unit.removesuffix(".service"), f"ferry-ls-{ME}*"):
            rows = ls("-x", f"--unit={name}", "-o", "pid,unit")
            assert [tuple(row.values()) for row in rows] == [(str(process.pid), unit)] * 2
    finally:
        process.end()
        wait_until(lambda: not open(f"{folder}/cgroup.procs").read())
        os.rmdir(folder)


@ROOT_ONLY
def test_other_networks(ls, run_ferry, opened, start, runtime_dir):
    """What somebody else has there is shown when it is asked for; what we have there always."""
    machine = Machine()
    try:
        path = runtime_dir / "there.sock"
        code = f"s = socket.socket(socket.AF_UNIX); s.bind({str(path)!r}); s.listen()"
        with machine.inside():
            network = os.stat("/proc/thread-self/ns/net").st_ino
            mine = opened(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
            other = holder(start, code)
        done = run_ferry("ls", f"--path={path}")
        assert (done.returncode, done.stdout) == (1, "")
        assert "--all-netns shows what is so in other network namespaces" in done.stderr
        rows = ls(f"--path={path}", "--all-netns")
        assert [(row["STATE"], row["NETNS"]) for row in rows] == [("LISTEN", str(network))]
        assert [row["LOCAL"] for row in ls(f"--pid={other.pid}")] == [str(path)]
        rows = ls(f"ino:{inode(mine)}", "-o", "netns")
        assert rows == [{"NETNS": str(network)}]
        assert str(inode(mine)) in {row["INODE"] for row in ls("-x", "-o", "inode")}
    finally:
        machine.end()


def test_nothing_is_as_asked(run_ferry, runtime_dir):
    done = run_ferry("ls", runtime_dir / "nowhere")
    assert (done.returncode, done.stdout) == (1, "")
    said = [line for line in done.stderr.splitlines() if "not seen" not in line]
    assert said == [f"ferry ls: {runtime_dir}/nowhere: nothing open here is that"]
    done = run_ferry("ls", "--command=no-such-command-here")
    assert (done.returncode, done.stdout) == (1, "")
    assert "nothing found: no endpoint is as asked; --kind=all looks at" in done.stderr
    done = run_ferry("ls", "--json", "--command=no-such-command-here")
    assert done.returncode == 1
    assert json.loads(done.stdout)["endpoints"] == []


@pytest.mark.parametrize(
    "words",
    [
        ["--kind=tpc"],
        ["-o", "kind,lokal"],
        ["-o", ""],
        ["--pid=0"],
        ["--pid=1,x"],
        ["--color=maybe"],
        ["--count=1"],
        ["--stuck=1s"],
        ["--tree", "--json"],
        ["--tree", "-f"],
        ["--tree", "-o", "fd"],
        ["--json", "-o", "fd"],
        ["--graph", "-o", "fd"],
        ["--since=/dev/null", "-o", "fd"],
        ["-f", "-o", "fd"],
        *[
            [letter, form]
            for letter in ("-e", "-m", "-i", "-H")
            for form in ("--tree", "--graph", "--since=/dev/null", "-f")
        ],
        ["-f", "--backlog=101"],
        ["-f", "--interval=1ms"],
        ["state"],
        ["1", "2"],
        [""],
        ["tcp:host.example:80"],
    ],
)
def test_usage(run_ferry, words):
    done = run_ferry("ls", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("ferry ls: ")


# --- columns --------------------------------------------------------------------------------------


def columns_of(run_ferry):
    part = run_ferry("ls", "--help").stdout.split("COLUMNS\n")[1].split("EXAMPLES")[0]
    return re.findall(r"^  ([a-z]+)  ", part, re.MULTILINE)


def test_every_column_can_be_chosen(run_ferry, ls, opened):
    tcp_pair(opened)
    names = columns_of(run_ferry)
    assert len(names) > 40
    headings = set()
    for name in names:
        rows = ls("-t", f"--pid={ME}", "-o", name)
        assert len(rows) >= 3
        headings |= set(rows[0])
    assert len(headings) == len(names)
    assert len(ls("-t", f"--pid={ME}", "-o", ",".join(names))[0]) == len(names)


def test_columns_are_chosen_and_added(run_ferry, ls, opened):
    tcp_pair(opened)
    mine = ["-t", f"--pid={ME}"]
    assert list(ls(*mine)[0]) == DEFAULT
    assert list(ls(*mine, "-o", "local,kind")[0]) == ["LOCAL", "KIND"]
    assert list(ls("-o", "+fd,fd", *mine)[0]) == [*DEFAULT, "FD"]
    assert list(ls(*mine, "-o", "kind", "-o", "+uid")[0]) == ["KIND", "UID"]
    assert list(ls(*mine, "-e")[0]) == [*DEFAULT, "UID", "INODE", "PATH", "COOKIE"]
    done = run_ferry("ls", "-o", "kind,stat")
    assert "-o: 'stat' is no column; did you mean 'state'?" in done.stderr
    assert run_ferry("ls", *mine, "-H").stdout.count("\n") == len(ls(*mine))


def test_what_columns_say_of_a_socket(ls, opened, runtime_dir):
    path = runtime_dir / "app.sock"
    server = listener(opened, path)
    os.chmod(path, 0o640)
    left, right = (opened(end) for end in socket.socketpair())
    right.shutdown(socket.SHUT_WR)
    (row,) = ls(f"ino:{inode(server)}", "-o", "uid,path,mode,sndbuf,rcvbuf,cookie,exe")
    assert (row["UID"], row["PATH"], row["MODE"]) == (str(os.getuid()), "there", "0640")
    assert row["SNDBUF"] == str(server.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF))
    assert row["RCVBUF"] == str(server.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF))
    cookie = struct.unpack("Q", server.getsockopt(socket.SOL_SOCKET, 57, 8))[0]  # SO_COOKIE
    assert int(row["COOKIE"], 16) == cookie
    assert row["EXE"] == os.readlink("/proc/self/exe")
    shut = {int(r["INODE"]): r["SHUTDOWN"] for r in ls(f"--pid={ME}", "-x", "-o", "inode,shutdown")}
    assert (shut[inode(left)], shut[inode(right)]) == ("receive", "send")
    os.unlink(path)
    assert ls(f"ino:{inode(server)}", "-o", "path") == [{"PATH": "missing"}]
    listener(opened, path)
    assert ls(f"ino:{inode(server)}", "-o", "path,mode")[0]["PATH"] == "replaced"


def test_descriptors_in_flight(ls, opened):
    left, right = (opened(end) for end in socket.socketpair())
    socket.send_fds(left, [b"x"], [0, 0, 0])
    info = open(f"/proc/self/fdinfo/{right.fileno()}").read()
    known = "scm_fds:" in info  # Linux 5.11
    assert ls(f"ino:{inode(right)}", "-o", "fds") == [{"FDS": "3" if known else "-"}]
    assert ls(f"ino:{inode(left)}", "-o", "fds") == [{"FDS": "0" if known else "-"}]


def test_what_tcp_measures(ls, opened):
    server, dialled, accepted = tcp_pair(opened)
    dialled.sendall(b"z" * 5000)
    wait_until(lambda: len(accepted.recv(6000, socket.MSG_PEEK)) == 5000)
    (row,) = ls(f"ino:{inode(dialled)}", "-i", "-o", "+tcp")
    congestion = dialled.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).split(b"\0")[0]
    info = dialled.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    assert row["CC"] == congestion.decode()
    assert int(row["MSS"]) == struct.unpack_from("I", info, 16)[0]
    assert int(row["CWND"]) == struct.unpack_from("I", info, 80)[0]
    assert (row["SENT"], row["RETRANS"]) == ("5000", "0")
    assert "bytes_sent:5000" in row["TCP"].split(" ")
    (row,) = ls(f"ino:{inode(accepted)}", "-i")
    assert (row["RECEIVED"], row["RECV-Q"]) == ("5000", "5000")


def test_memory(ls, opened):
    left, right = (opened(end) for end in socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM))
    left.send(b"x" * 1000)
    (row,) = ls(f"ino:{inode(left)}", "-m")
    headings = "RMEM RCVBUF WMEM SNDBUF FWD QUEUED OPTMEM BLOG DROPS"
    assert list(row)[8:] == headings.split()
    assert int(row["WMEM"]) >= 1000
    assert ls(f"ino:{inode(right)}", "-o", "recv") == [{"RECV-Q": "1000"}]


def test_names_cannot_play_tricks(run_ferry, opened, runtime_dir):
    name = b"\0a\n\t\x1b[31mferry-" + str(ME).encode() + b"\xff"
    held = opened(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
    held.bind(name)
    done = run_ferry("ls", "-xH", f"--pid={ME}", f"--path=*ferry-{ME}*", "-o", "local,kind")
    assert done.stdout == f"@a\\x0a\\x09\\x1b[31mferry-{ME}\\xff\tu_dgr\n"


# --- a tree ---------------------------------------------------------------------------------------

FAMILY = """
import os, socket, sys, time
def name(text): open('/proc/self/comm', 'w').write(text)
name('ls-root')
a = socket.socketpair()
if os.fork() == 0:
    a[0].close(); a[1].close()
    name('ls-none')
    if os.fork() == 0:
        name('ls-leaf')
        c = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        print('ready', flush=True)
    time.sleep(60)
if os.fork() == 0:
    a[0].close()
    name('ls-last')
    print('steady', flush=True)
    time.sleep(60)
time.sleep(60)
"""


def test_the_tree_of_processes(run_ferry, start):
    root = start(sys.executable, "-c", FAMILY)
    root.wait_for("ready")
    root.wait_for("steady")
    lines = run_ferry("ls", "-x", "--tree", "--command=ls-[rl]*").stdout.splitlines()
    assert lines[0] == f"ls-root[{root.pid}]"
    assert all(line.startswith("├─ ") and " u_str " in line for line in lines[1:3])
    # Numbers of processes begin again at their end: either may be the lower.
    assert re.search(r"ls-(root|last)\[\d+\] \+1$", lines[1])
    # The one between holds nothing. Of the two below the root the first is who came first.
    held, order = {}, []
    for line in lines[3:]:
        if found := re.fullmatch(r"([├└]─ )(ls-l\w+)\[(\d+)\]", line):
            order.append((found[1], int(found[3])))
            name, pid, left = found[2], found[3], {"├─ ": "│  ", "└─ ": "   "}[found[1]]
            held[name] = []
        else:
            assert line.startswith(left), lines
            held[name].append((line[3:6], line.split()[-1] == f"{name}[{pid}]", line.split()[-1]))
    assert [stroke for stroke, _ in order] == ["├─ ", "└─ "]
    assert order[0][1] < order[1][1]
    leaf = held["ls-leaf"][0][2]
    assert held["ls-leaf"] == [("├─ ", True, leaf), ("└─ ", True, leaf)]
    # An inherited end stands with both who hold it.
    assert held["ls-last"] == [("└─ ", False, f"ls-root[{root.pid}]")]


# --- a terminal -----------------------------------------------------------------------------------


def on_terminal(ferry, *arguments, width=80, env=None):
    """What a terminal of that width gets."""
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    environment = {**os.environ, "TERM": "xterm", **(env or {})}
    environment.pop("COLUMNS", None)
    if not env:
        environment.pop("NO_COLOR", None)
    process = subprocess.Popen(
        [ferry, "ls", *map(str, arguments)],
        stdin=side,
        stdout=side,
        stderr=subprocess.PIPE,
        env=environment,
    )
    os.close(side)
    said = b""
    while True:
        try:
            piece = os.read(main, 65536)
        except OSError:
            break
        if not piece:
            break
        said += piece
    os.close(main)
    process.stderr.read()
    process.stderr.close()
    return process.wait(20), said.decode().replace("\r\n", "\n")


def test_lines_fit_the_screen(ferry, opened, runtime_dir):
    path = runtime_dir / ("long-" * 15 + "end")
    server = listener(opened, path)
    status, text = on_terminal(ferry, path, width=100, env={"NO_COLOR": "1"})
    assert status == 0
    lines = text.splitlines()
    assert max(map(len, lines)) <= 100
    cut = re.search(r"(\S+)…(\S+)", lines[1])
    assert str(path).startswith(cut[1]) and str(path).endswith(cut[2])
    assert my_name() in lines[1]
    status, text = on_terminal(ferry, path, width=400, env={"NO_COLOR": "1"})
    assert "…" not in text and str(path) in text
    heading, row = text.splitlines()
    for name in ("STATE", "LOCAL", "PROCESS"):
        assert row[heading.index(name) - 1] == " " != row[heading.index(name)]


def test_nothing_is_cut_or_padded_for_a_pipe(run_ferry, opened, runtime_dir):
    path = runtime_dir / ("long-" * 15 + "end")
    listener(opened, path)
    done = run_ferry("ls", path, env={"COLUMNS": "20"})
    assert done.stdout.splitlines()[1].split("\t")[4] == str(path)
    assert "  " not in done.stdout


def test_colours(ferry, run_ferry, opened, runtime_dir):
    path = runtime_dir / "app.sock"
    server = listener(opened, path)
    green, red = "\033[32mLISTEN\033[0m", "\033[31mLISTEN\033[0m"
    assert green in on_terminal(ferry, path)[1]
    assert "\033" not in on_terminal(ferry, path, env={"NO_COLOR": "1"})[1]
    assert "\033" not in on_terminal(ferry, path, env={"TERM": "dumb"})[1]
    assert "\033" not in on_terminal(ferry, path, "--color=never")[1]
    assert "\033" not in run_ferry("ls", path).stdout
    assert green in run_ferry("ls", path, "--colour=always").stdout
    assert "\033[32mLISTEN" in run_ferry("ls", path, "--color=always", "--tree").stdout
    path.unlink()
    assert red in on_terminal(ferry, f"ino:{inode(server)}")[1]


def test_a_terminal_gets_the_headings_of_nothing(ferry, runtime_dir):
    status, text = on_terminal(ferry, runtime_dir / "nowhere", env={"NO_COLOR": "1"})
    assert status == 1
    assert text.split() == DEFAULT


# --- JSON -----------------------------------------------------------------------------------------


def test_json_has_what_was_asked_for(run_ferry, opened, start, runtime_dir):
    path = runtime_dir / "app.sock"
    server = listener(opened, path)
    document = json.loads(run_ferry("ls", "--json", path).stdout)
    assert document["schema"] == 1
    (endpoint,) = document["endpoints"]
    assert (endpoint["inode"], endpoint["local"]) == (inode(server), str(path))
    me = {"pid": ME, "command": my_name(), "fd": server.fileno(), "ends": "rw"}
    assert endpoint["owners"] == [me]
    assert endpoint["path"]["state"] == "there"
    assert [process["pid"] for process in document["processes"]] == [ME]
    assert document["processes"][0]["uid"] == os.geteuid()


# --- what happens ---------------------------------------------------------------------------------


class Following:
    """A running `ls --follow`; its first look is over."""

    def __init__(self, process):
        self.process = process
        process.wait_for('"event":"following"')

    def events(self, *names, **facts):
        """Those that were told so far, of these names, with these facts."""
        lines = self.process.stdout().decode().split("\n")[:-1]
        return [
            event
            for event in map(json.loads, lines)
            if (not names or event["event"] in names)
            and all(event.get(name) == fact for name, fact in facts.items())
        ]

    def told(self, name, held, **facts):
        """Waits for an event of a socket or an inode; returns it."""
        number = held if isinstance(held, int) else inode(held)
        return wait_until(
            lambda: self.events(name, inode=number, **facts), what=f"{name} of {number}"
        )[-1]


@pytest.fixture
def follow(start_ferry):
    def run(*arguments):
        return Following(start_ferry("ls", "-f", "--interval=20ms", *arguments))

    return run


def pids(owners):
    return [owner["pid"] for owner in owners]


def whose_it_was(followed, number, owners):
    """Of a socket that is closed now. close(2) takes it from its owner before it ends, and a look in
    between has told of that."""
    return pids(owners or followed.events("owners", inode=number)[-1]["owners_before"])


def test_the_life_of_a_unix_socket(follow, opened, runtime_dir):
    path = runtime_dir / "app.sock"
    followed = follow("-x")
    server = opened(socket.socket(socket.AF_UNIX))
    made = followed.told("made", server)
    assert (made["kind"], made["state"], pids(made["owners"])) == ("u_str", "UNCONN", [ME])
    cookie = struct.unpack("Q", server.getsockopt(socket.SOL_SOCKET, 57, 8))[0]
    assert int(made["cookie"], 16) == cookie
    server.bind(str(path))
    assert followed.told("bound", server)["local"] == str(path)
    server.listen(5)
    assert followed.told("listening", server)["backlog"] == 5
    dialled = opened(socket.socket(socket.AF_UNIX))
    followed.told("made", dialled)
    dialled.connect(str(path))
    assert followed.told("waiting", dialled)["listener"] == inode(server)
    accepted = opened(server.accept()[0])
    event = followed.told("accepted", accepted)
    assert (event["local"], event["peer"]["inode"]) == (str(path), inode(dialled))
    assert pids(event["peer"]["owners"]) == [ME]
    event = followed.told("connected", dialled)
    assert (event["state_before"], event["peer"]["inode"]) == ("WAITING", inode(accepted))
    dialled.shutdown(socket.SHUT_WR)
    assert followed.told("shutdown", dialled)["shutdown"] == ["send"]
    number = inode(dialled)
    dialled.close()
    followed.told("closed", number)
    event = followed.told("peer-gone", accepted)
    assert event["peer_before"]["inode"] == number
    assert whose_it_was(followed, number, event["peer_before"]["owners"]) == [ME]
    path.unlink()
    assert followed.told("path-lost", server)["path"]["state"] == "missing"
    number = inode(server)
    server.close()
    assert whose_it_was(followed, number, followed.told("closed", number)["owners"]) == [ME]
    names = [event["event"] for event in followed.events(inode=number)]
    assert [name for name in names if name != "owners"] == [
        *("made", "bound", "listening", "path-lost", "closed")
    ]
    # What was accepted needs no path.
    assert followed.events("path-lost", inode=inode(accepted)) == []
    assert followed.events("made", inode=inode(accepted)) == []
    assert followed.process.stop(signal.SIGINT) == 0


def test_the_life_of_a_connection(follow, opened):
    server = opened(socket.socket())
    server.bind(("127.0.0.1", 0))
    server.listen(7)
    followed = follow("-t", "src", f":{server.getsockname()[1]}")
    dialled = opened(socket.create_connection(server.getsockname()))
    waiting = wait_until(lambda: followed.events("waiting"))[0]
    assert (waiting["state"], waiting["listener"]) == ("WAITING", inode(server))
    accepted = opened(server.accept()[0])
    event = followed.told("accepted", accepted)
    assert event["cookie"] == waiting["cookie"]
    assert event["peer"]["inode"] == inode(dialled)
    dialled.close()
    event = followed.told("state", accepted)
    assert (event["state_before"], event["state"]) == ("ESTAB", "CLOSE-WAIT")
    number = inode(accepted)
    accepted.close()
    followed.told("closed", number)
    # The kernel keeps a connection that one side alone has closed; for its process it is over.
    dialled = opened(socket.create_connection(server.getsockname()))
    accepted = opened(server.accept()[0])
    followed.told("accepted", accepted)
    number = inode(accepted)
    accepted.close()
    followed.told("closed", number)
    assert len(followed.events("accepted")) == len(followed.events("closed")) == 2
    # The client's end is not of that port.
    assert {event["local"] for event in followed.events() if "local" in event} == {
        f"127.0.0.1:{server.getsockname()[1]}"
    }
    assert followed.process.stop(signal.SIGTERM) == 0


def test_a_socket_changes_hands(follow, opened, start):
    left, right = (opened(end) for end in socket.socketpair())
    followed = follow("-x")
    code = "import time; print('on', flush=True); time.sleep(60)"
    other = start(sys.executable, "-c", code, pass_fds=[left.fileno()])
    event = followed.told("owners", left)
    assert pids(event["owners_before"]) == [ME]
    number = inode(left)
    left.close()
    event = wait_until(
        lambda: [
            event
            for event in followed.events("owners", inode=number)
            if pids(event["owners"]) == [other.pid]
        ]
    )[0]
    assert sorted(pids(event["owners_before"])) == sorted([ME, other.pid])
    other.end()
    assert whose_it_was(followed, number, followed.told("closed", number)["owners"]) == [other.pid]
    gone = followed.told("peer-gone", right)["peer_before"]
    assert whose_it_was(followed, number, gone["owners"]) == [other.pid]


def test_a_descriptor_is_swapped_for_another(follow, opened, start):
    """The count of descriptors stays, which is what a look goes by: told late, and once."""
    left, right = (opened(end) for end in socket.socketpair())
    swap = f"os.dup2(null, {left.fileno()})"
    code = (
        "import os, signal, time; null = os.open('/dev/null', os.O_RDONLY);"
        f"signal.signal(signal.SIGUSR1, lambda *_: {swap}); print('ready', flush=True);"
        "time.sleep(60)"
    )
    other = start(sys.executable, "-c", code, pass_fds=[left.fileno()])
    other.wait_for("ready")
    followed = follow("-x")
    other.send(signal.SIGUSR1)
    event = followed.told("owners", left)
    assert pids(event["owners"]) == [ME]
    assert sorted(pids(event["owners_before"])) == sorted([ME, other.pid])
    for _ in range(6):
        followed.told("made", opened(socket.socket(socket.AF_UNIX)))
    assert len(followed.events("owners", inode=inode(left))) == 1


def test_a_change_that_one_table_alone_has_seen(follow, opened, start):
    """The count is another at one look, and at the next as it was at the one before."""
    left, right = (opened(end) for end in socket.socketpair())
    code = (
        "import os, signal, time; null = os.open('/dev/null', os.O_RDONLY); extra = []\n"
        f"def swap(*_): os.dup2(null, {left.fileno()}); extra.append(os.dup(null))\n"
        "signal.signal(signal.SIGUSR1, swap)\n"
        "signal.signal(signal.SIGUSR2, lambda *_: os.close(extra[0]))\n"
        "print('ready', flush=True); time.sleep(60)"
    )
    other = start(sys.executable, "-c", code, pass_fds=[left.fileno()])
    other.wait_for("ready")
    followed = follow("-x", "--interval=200ms")
    followed.told("made", opened(socket.socket(socket.AF_UNIX)))
    other.send(signal.SIGUSR1)
    assert pids(followed.told("owners", left)["owners"]) == [ME]
    other.send(signal.SIGUSR2)
    for _ in range(5):
        followed.told("made", opened(socket.socket(socket.AF_UNIX)))
    assert len(followed.events("owners", inode=inode(left))) == 1


def test_another_at_the_other_end(follow, opened, runtime_dir):
    servers = []
    for name in ("one", "two"):
        server = opened(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        server.bind(str(runtime_dir / name))
        servers.append(server)
    sender = opened(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
    sender.connect(str(runtime_dir / "one"))
    followed = follow("-x")
    sender.connect(str(runtime_dir / "two"))
    event = followed.told("peer", sender)
    assert (event["peer_before"]["inode"], event["peer"]["inode"]) == tuple(map(inode, servers))


def test_a_backlog_that_fills(follow, opened, runtime_dir):
    path = runtime_dir / "app.sock"
    server = listener(opened, path, backlog=4)
    followed = follow("--backlog=40%", "-x")

    def told():
        return followed.events("backlog", inode=inode(server))

    followed.told("waiting", client(opened, path))
    assert not told()
    followed.told("waiting", client(opened, path))
    wait_until(told)
    assert (told()[0]["waiting"], told()[0]["backlog"]) == (2, 4)
    # Once, however often it is looked at, until it is less.
    followed.told("waiting", client(opened, path))
    assert len(told()) == 1
    accepted = [opened(server.accept()[0]) for _ in range(2)]
    followed.told("accepted", accepted[1])
    assert len(told()) == 1
    client(opened, path)
    wait_until(lambda: len(told()) == 2)


def test_a_backlog_is_full_where_every_verb_says_so(follow, run_ferry, opened, runtime_dir):
    """The kernel lets one more in than listen(2) was told."""
    path = runtime_dir / "app.sock"
    server = listener(opened, path, backlog=2)
    followed = follow("--backlog=100%", "-x")

    def said():
        top = json.loads(run_ferry("top", "--json", "-n", "1", "-x").stdout)
        (fill,) = [row["fill_percent"] for row in top["rows"] if row["inode"] == inode(server)]
        full = json.loads(run_ferry("why", "--json", path).stdout)["verdict"] == "backlog-full"
        return fill, full, len(followed.events("backlog", inode=inode(server)))

    for _ in range(2):
        followed.told("waiting", client(opened, path))
    assert said() == (66, False, 0)
    followed.told("waiting", client(opened, path))
    wait_until(lambda: said() == (100, True, 1))
    assert "3 of 3 wait to be accepted" in run_ferry("show", path).stdout


def test_a_backlog_that_was_full_before(follow, opened, runtime_dir):
    path = runtime_dir / "app.sock"
    server = listener(opened, path, backlog=0)
    client(opened, path)
    followed = follow(path)
    assert followed.told("backlog", server)["waiting"] == 1
    assert [event["event"] for event in followed.events()] == ["following", "backlog"]


def test_bytes_that_do_not_move(follow, opened):
    left, right = (opened(end) for end in socket.socketpair())
    followed = follow("-x", "--stuck=200ms", f"--pid={ME}")
    left.sendall(b"12345")
    event = followed.told("stuck", right)
    assert event["receive_queue"] == 5
    assert event["still_ms"] >= 200
    followed.told("stuck", left)
    right.recv(5)
    left.sendall(b"123")
    assert followed.told("stuck", right, receive_queue=3)["still_ms"] >= 200
    assert len(followed.events("stuck", inode=inode(right))) == 2


def test_looks_are_counted(run_ferry):
    done = run_ferry("ls", "-f", "--interval=10ms", "--count=3", "--command=nobody-is-called-so")
    assert done.returncode == 0
    assert [json.loads(line)["event"] for line in done.stdout.splitlines()] == ["following"]


def test_lines_for_people(ferry, opened, runtime_dir):
    """On a terminal."""
    path = runtime_dir / "app.sock"
    main, side = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "NO_COLOR": "1"}
    process = subprocess.Popen(
        [ferry, "ls", "-xf", "--interval=20ms", f"--path={path}"], stdout=side, env=environment
    )
    os.close(side)
    said = ""

    def until(pattern):
        nonlocal said
        deadline = time.monotonic() + 10
        while not (found := re.search(pattern, said)):
            assert time.monotonic() < deadline, said
            if select.select([main], [], [], 0.1)[0]:
                said += os.read(main, 65536).decode()
        return found

    try:
        until(r"^\d\d:\d\d:\d\d\.\d{3}  following 0 endpoints\r\n")
        server = listener(opened, path)
        who = re.escape(f"{my_name()}[{ME}]")
        until(rf"listening  u_str  {inode(server)} +{path} -> -  {who} - -  0 waiting, backlog 5\r\n")
        path.unlink()
        until(r"path-lost  .*path is missing\r\n")
        assert "\033" not in said
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        os.close(main)
