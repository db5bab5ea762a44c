"""Who is at the other end, as a running ferry knows it: each fact with how it is known, of peers that
live, have gone, stand in other namespaces, or run a program that was replaced under them."""

import ctypes
import json
import os
import pwd
import shutil
import signal
import socket
import struct
import subprocess
import sys

import pytest

from support import wait_until

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

SO_PEERPIDFD = 77
ALICE = 4001

CONFIGURATION = """
[route stream]
listen = unix:stream.sock,mode=0666
to = echo
[route dgram]
listen = unix-dgram:dgram.sock,mode=0666
to = echo
[route tcp]
listen = tcp:127.0.0.1:0
to = echo
allow = any
[route udp]
listen = udp:127.0.0.1:0
to = echo
allow = any
[route refusing]
listen = unix:refusing.sock,mode=0666
to = echo
deny = any
[route control]
listen = unix:control.sock
to = control
"""

UNKNOWN = dict.fromkeys(
    ["pid", "uid", "gid", "groups", "label", "pidfd", "name", "executable", "cgroup", "unit", "host"],
    "unknown",
)


def kernel_has_pidfd():
    one, other = socket.socketpair()
    with one, other:
        try:
            os.close(struct.unpack("i", one.getsockopt(socket.SOL_SOCKET, SO_PEERPIDFD, 4))[0])
        except OSError:
            return False
        return True


needs_pidfd = pytest.mark.skipif(not kernel_has_pidfd(), reason="needs SO_PEERPIDFD, Linux 6.5")


class Up:
    def __init__(self, process, folder, run_ferry):
        self.process, self.folder, self.run_ferry = process, folder, run_ferry

    def route(self, name):
        done = self.run_ferry("status", "--json", "-s", "control.sock")
        assert done.returncode == 0, done.stderr
        (found,) = [route for route in json.loads(done.stdout)["routes"] if route["name"] == name]
        return found

    def peer(self, name):
        """The one peer of a route."""
        (connection,) = wait_until(lambda: self.route(name)["connections"])
        return connection["peer"]

    def port(self, name):
        return int(self.route(name)["listen"].rsplit(":", 1)[1])

    def refusals(self):
        return [line for line in self.process.stderr().splitlines() if " refused " in line]

    def refusal(self):
        (line,) = wait_until(self.refusals)
        return line


@pytest.fixture
def up(start, ferry, runtime_dir, run_ferry):
    def run(*before, **options):
        os.chmod(runtime_dir, 0o755)
        (runtime_dir / "f.conf").write_text(CONFIGURATION)
        process = start(*before, ferry, "up", "-c", "f.conf", **options)
        process.wait_for("started  control")
        return Up(process, runtime_dir, run_ferry)

    return run


def client_of(path, kind=socket.SOCK_STREAM):
    client = socket.socket(socket.AF_UNIX, kind)
    client.settimeout(10)
    if kind == socket.SOCK_DGRAM:
        client.bind("")
    client.connect(str(path))
    return client


def echoes(client):
    client.send(b"ping")
    return client.recv(100) == b"ping"


# --- how each fact is known ------------------------------------------------------------------------


def test_of_a_connection_the_kernel_knows_who_connected(up, runtime_dir):
    running = up()
    with client_of(runtime_dir / "stream.sock") as client:
        assert echoes(client)
        peer = running.peer("stream")
    assert (peer["pid"], peer["uid"], peer["gid"]) == (os.getpid(), os.geteuid(), os.getegid())
    assert peer["groups"] == sorted(os.getgroups())
    known = peer["known"]
    assert list(known) == list(UNKNOWN)
    assert {known[fact] for fact in ("pid", "uid", "gid", "groups")} == {"at connect"}
    assert known["host"] == "unknown" and "host" not in peer
    if kernel_has_pidfd():
        assert known["pidfd"] == "at connect"
        assert {known[fact] for fact in ("name", "executable", "cgroup")} == {"by pidfd"}
        assert peer["executable"] == os.readlink("/proc/self/exe")
        with open("/proc/self/cgroup") as lines:
            assert any(line.rstrip("\n").endswith(":" + peer["cgroup"]) for line in lines)


def test_of_a_message_the_kernel_knows_what_root_may_forge(up, runtime_dir):
    running = up()
    with client_of(runtime_dir / "dgram.sock", socket.SOCK_DGRAM) as client:
        assert echoes(client)
        peer = running.peer("dgram")
    assert (peer["pid"], peer["uid"], peer["gid"]) == (os.getpid(), os.geteuid(), os.getegid())
    assert peer["known"] == {**UNKNOWN, **dict.fromkeys(["pid", "uid", "gid"], "forgeable")}


def test_of_the_network_only_the_host_is_known(up):
    running = up()
    with socket.create_connection(("127.0.0.1", running.port("tcp"))) as client:
        assert echoes(client)
        peer = running.peer("tcp")
        assert peer["host"] == "127.0.0.1"
        assert peer["known"] == {**UNKNOWN, "host": "at connect"}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", running.port("udp")))
        client.settimeout(10)
        assert echoes(client)
        assert running.peer("udp")["known"] == {**UNKNOWN, "host": "forgeable"}


# --- peers that have gone, and numbers used again --------------------------------------------------


def test_a_peer_that_wrote_and_went_before_accept_is_known_by_its_numbers(up, runtime_dir):
    running = up()
    running.process.send(signal.SIGSTOP)
    script = "import socket,sys; c=socket.socket(socket.AF_UNIX); c.connect(sys.argv[1]); c.send(b'bye')"
    for name in ("stream", "refusing"):
        gone = subprocess.Popen([sys.executable, "-c", script, str(runtime_dir / f"{name}.sock")])
        assert gone.wait(20) == 0
    running.process.send(signal.SIGCONT)
    running.process.wait_for(" stream: pid")
    line = next(line for line in running.process.stderr().splitlines() if " stream: pid" in line)
    assert f"uid {os.geteuid()}" in line and "in 3 " in line
    # What it was nobody can tell any more, and who has its number now is somebody else.
    assert f"pid {gone.pid} uid" in running.refusal()
    assert "running" not in running.refusal()


class Again:
    """Processes that get the number of one that has gone: clone3(2) with set_tid."""

    CLONE3 = 435

    def __init__(self):
        self.libc = ctypes.CDLL(None, use_errno=True)

    def fork(self, pid):
        number = ctypes.c_int(pid)
        arguments = (ctypes.c_uint64 * 11)()
        arguments[4] = signal.SIGCHLD
        arguments[8], arguments[9] = ctypes.addressof(number), 1
        child = self.libc.syscall(self.CLONE3, arguments, ctypes.sizeof(arguments))
        if child == 0:
            try:
                os.execlp("sleep", "sleep", "20")
            finally:
                os._exit(1)
        return child


@needs_root
def test_a_number_used_again_is_not_the_peer(up, runtime_dir):
    running = up()
    running.process.send(signal.SIGSTOP)
    script = (
        "import socket,subprocess,sys; c=socket.socket(socket.AF_UNIX); c.connect(sys.argv[1]);"
        "subprocess.Popen(['sleep', '20'], stdin=c, stdout=subprocess.DEVNULL,"
        " stderr=subprocess.DEVNULL)"
    )
    gone = subprocess.Popen([sys.executable, "-c", script, str(runtime_dir / "refusing.sock")])
    first = gone.pid
    assert gone.wait(20) == 0
    again = Again().fork(first)
    if again < 0:
        pytest.skip("clone3 with set_tid is not allowed here")
    try:
        assert again == first
        running.process.send(signal.SIGCONT)
        assert f"pid {first} uid 0" in running.refusal()
        assert "running" not in running.refusal() and "sleep" not in running.refusal()
    finally:
        os.kill(again, signal.SIGKILL)
        os.waitpid(again, 0)


@needs_pidfd
def test_a_socket_handed_on_stays_its_makers(up, runtime_dir):
    running = up()
    client = client_of(runtime_dir / "stream.sock")
    with client, subprocess.Popen(["sleep", "60"], stdin=client) as holder:
        try:
            assert echoes(client)
            peer = running.peer("stream")
            assert peer["pid"] == os.getpid() != holder.pid
            assert peer["executable"] == os.readlink("/proc/self/exe")
            assert peer["known"]["pid"] == "at connect"
        finally:
            holder.kill()


# --- what a peer runs ------------------------------------------------------------------------------


@needs_pidfd
def test_a_refused_peer_is_named_with_its_program(up, runtime_dir):
    running = up()
    with client_of(runtime_dir / "refusing.sock"):
        line = running.refusal()
    assert f"running {os.readlink('/proc/self/exe')} " in line


@needs_pidfd
def test_a_program_replaced_under_its_process_is_said_to_be_gone(up, runtime_dir, start):
    running = up()
    program = runtime_dir / "program"
    shutil.copy(shutil.which("socat"), program)
    with client_of(runtime_dir / "stream.sock"):
        pass
    holder = start(program, f"UNIX-CONNECT:{runtime_dir}/stream.sock", "EXEC:sleep 60")
    peer = lambda: [  # noqa: E731
        found["peer"]
        for found in running.route("stream")["connections"]
        if found["peer"].get("pid") == holder.pid
    ]
    assert wait_until(peer)[0]["executable"] == str(program)
    program.unlink()
    shutil.copy(shutil.which("cat"), program)
    assert peer()[0]["executable"] == f"{program} (deleted)"
    assert peer()[0]["name"] == "program"


@pytest.fixture
def control_group(runtime_dir):
    """control_group(path): a folder in the hierarchy that systemd sorts processes in."""
    libc = ctypes.CDLL(None, use_errno=True)
    root = runtime_dir / "cgroup"
    root.mkdir()
    if libc.mount(b"none", str(root).encode(), b"cgroup2", 0, None) < 0:
        pytest.skip("the unified hierarchy cannot be mounted here")
    made = []

    def make(path):
        for i in range(len(path.split("/"))):
            folder = root.joinpath(*path.split("/")[: i + 1])
            if not folder.exists():
                folder.mkdir()
                made.append(folder)
        return folder

    yield make
    for folder in reversed(made):
        for pid in (folder / "cgroup.procs").read_text().split():
            os.kill(int(pid), signal.SIGKILL)
        wait_until(lambda: not (folder / "cgroup.procs").read_text())
        folder.rmdir()
    libc.umount2(str(root).encode(), 2)


@needs_root
@needs_pidfd
def test_the_unit_is_the_outermost_one(up, runtime_dir, control_group, start):
    running = up()
    top = f"ferry-{os.getpid()}.slice"
    folder = control_group(f"{top}/ferry-test.service/made.slice/sshd.service")
    script = f"echo $$ > {folder}/cgroup.procs; exec socat UNIX-CONNECT:$0 EXEC:'sleep 60'"
    for name in ("stream", "refusing"):
        holder = start("sh", "-c", script, runtime_dir / f"{name}.sock")
        if name == "stream":
            peer = running.peer("stream")
            assert peer["cgroup"] == f"/{top}/ferry-test.service/made.slice/sshd.service"
            assert peer["unit"] == "ferry-test.service"
            assert peer["known"]["unit"] == "by pidfd"
        else:
            assert " in ferry-test.service by " in running.refusal()
        holder.send(signal.SIGKILL)
        holder.wait()


# --- namespaces ------------------------------------------------------------------------------------


@needs_root
def test_a_peer_of_an_outer_pid_namespace_has_a_uid_but_no_number(up, runtime_dir):
    running = up("unshare", "--pid", "--fork", "--mount-proc", "--kill-child=KILL")
    try:
        with client_of(runtime_dir / "stream.sock") as client:
            assert echoes(client)
            peer = running.peer("stream")
        assert "pid" not in peer and peer["uid"] == 0
        known = peer["known"]
        assert known["uid"] == "at connect"
        assert {known[fact] for fact in ("pid", "name", "executable", "cgroup", "unit")} == {"unknown"}
    finally:
        running.process.send(signal.SIGKILL)


@needs_root
@pytest.mark.parametrize("namespace", ["--pid", "--net", "--user", "--mount"])
def test_a_peer_in_a_namespace_of_its_own_is_known_to_us(up, runtime_dir, start, namespace):
    running = up()
    start(
        *("unshare", namespace, "--fork", "--kill-child=KILL"),
        *("socat", f"UNIX-CONNECT:{runtime_dir}/stream.sock", "EXEC:sleep 60"),
    )
    peer = running.peer("stream")
    assert peer["uid"] == 0 and peer["pid"] > 0
    assert {peer["known"][fact] for fact in ("pid", "uid", "gid")} == {"at connect"}
    if kernel_has_pidfd():
        assert peer["executable"].endswith("/socat1") or peer["executable"].endswith("/socat")


@needs_root
def test_a_user_whom_our_namespace_has_no_number_for_is_unknown(start, ferry, runtime_dir):
    """Ferry in a namespace where only root has a number: everybody else looks the same."""
    os.chmod(runtime_dir, 0o755)
    process = start(
        *("unshare", "--user", "--map-root-user", ferry, "relay"),
        *("unix:e.sock,mode=0666", "echo", "--deny", "uid:65534", "--allow", "any"),
    )
    process.wait_for("started")
    script = "import os,socket,sys; os.setuid(4001); c=socket.socket(socket.AF_UNIX); c.connect(sys.argv[1]); print(c.recv(1))"
    subprocess.run([sys.executable, "-c", script, str(runtime_dir / "e.sock")], timeout=20)
    process.wait_for("nobody vouches for its uid")


# --- older kernels ---------------------------------------------------------------------------------

SHIM = """
#define _GNU_SOURCE
#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int getsockopt(int fd, int level, int option, void *value, socklen_t *size)
{
    if (level == SOL_SOCKET && option == OPTION) {
        errno = FAILURE;
        return -1;
    }
    return (int)syscall(SYS_getsockopt, fd, level, option, value, size);
}
"""


@pytest.mark.plain_build  # a sanitizer's library must be loaded first
@pytest.mark.parametrize(
    "option, failure, lost",
    [
        (SO_PEERPIDFD, "ENOPROTOOPT", ["pidfd", "name", "executable", "cgroup", "unit"]),
        (SO_PEERPIDFD, "EINVAL", ["pidfd", "name", "executable", "cgroup", "unit"]),
        (socket.SO_PEERCRED, "ENOPROTOOPT", ["pid", "uid", "gid"]),
        (59, "ENOPROTOOPT", ["groups"]),
    ],
    ids=["no-pidfd", "reaped", "no-credentials", "no-groups"],
)
def test_what_an_older_kernel_cannot_tell_is_unknown(up, runtime_dir, option, failure, lost):
    library = runtime_dir / "shim.so"
    subprocess.run(
        ["cc", "-shared", "-fPIC", f"-DOPTION={option}", f"-DFAILURE={failure}"]
        + ["-x", "c", "-", "-o", str(library)],
        input=SHIM.encode(),
        check=True,
    )
    running = up(env={"LD_PRELOAD": str(library)})
    with client_of(runtime_dir / "stream.sock") as client:
        # Who cannot be known is not admitted by the socket's default rules.
        if "uid" in lost:
            assert client.recv(1) == b""
            running.process.wait_for("nobody vouches for its uid")
            return
        assert echoes(client)
        peer = running.peer("stream")
    for fact in lost:
        assert peer["known"][fact] == "unknown" and fact not in peer
    assert peer["known"]["uid"] == "at connect"


# --- speaking for others ---------------------------------------------------------------------------


@pytest.fixture
def server(runtime_dir):
    """server(kind): a socket whose messages bring credentials, as a log daemon's do."""
    opened = []

    def make(kind):
        path = runtime_dir / "server.sock"
        made = socket.socket(socket.AF_UNIX, kind)
        made.settimeout(10)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        made.bind(str(path))
        os.chmod(path, 0o666)
        if kind != socket.SOCK_DGRAM:
            made.listen()
        opened.append(made)
        return made

    yield make
    for made in opened:
        made.close()


def credentials(receiver):
    data, control, _, _ = receiver.recvmsg(100, 100)
    ((_, kind, raw),) = control
    assert kind == socket.SCM_CREDENTIALS
    return data, struct.unpack("iII", raw[:12])


KINDS = {
    "unix": socket.SOCK_STREAM,
    "unix-seq": socket.SOCK_SEQPACKET,
    "unix-dgram": socket.SOCK_DGRAM,
}


@needs_root
@pytest.mark.parametrize("scheme", list(KINDS))
def test_connect_speaks_for_others(server, start_ferry, scheme):
    listening = server(KINDS[scheme])
    who = f"uid:{ALICE},gid:{ALICE},pid:{os.getpid()}"
    process = start_ferry("connect", f"{scheme}:server.sock", "--as", who, stdin=subprocess.PIPE)
    receiver = listening if scheme == "unix-dgram" else listening.accept()[0]
    receiver.settimeout(10)
    process.stdin.write(b"hello")
    process.stdin.close()
    assert credentials(receiver) == (b"hello", (os.getpid(), ALICE, ALICE))
    receiver.close()
    assert process.wait() == 0


@needs_root
@pytest.mark.parametrize("words, gid", [("", None), (",gid:7", 7)])
def test_a_users_name_brings_its_main_group(server, run_ferry, words, gid):
    nobody = pwd.getpwnam("nobody")
    listening = server(socket.SOCK_DGRAM)
    done = run_ferry("connect", "unix-dgram:server.sock", "--as", f"user:nobody{words}", input="x")
    assert done.returncode == 0, done.stderr
    assert credentials(listening)[1][1:] == (nobody.pw_uid, gid or nobody.pw_gid)


def test_connect_speaks_for_itself(server, start_ferry):
    listening = server(socket.SOCK_DGRAM)
    process = start_ferry("connect", "unix-dgram:server.sock", "--as", "self", stdin=subprocess.PIPE)
    process.stdin.write(b"hello")
    process.stdin.close()
    data, (pid, uid, gid) = credentials(listening)
    assert (data, pid, uid, gid) == (b"hello", process.pid, os.geteuid(), os.getegid())


@needs_root
def test_who_is_not_root_speaks_for_nobody_else(server, ferry, runtime_dir):
    os.chmod(runtime_dir, 0o755)
    server(socket.SOCK_DGRAM)
    done = subprocess.run(
        ["setpriv", f"--reuid={ALICE}", f"--regid={ALICE}", "--clear-groups", ferry]
        + ["connect", f"unix-dgram:{runtime_dir}/server.sock", "--as", "uid:0"],
        input=b"hello",
        capture_output=True,
        timeout=20,
    )
    assert done.returncode == 1
    assert b"only root may speak for others" in done.stderr and b"CAP_SETUID" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments, status, said",
    [
        (("unix-dgram:server.sock", "--as", "pid:999999999"), 1, "there is no process 999999999"),
        (("unix-dgram:server.sock", "--as", "user:no-such-user"), 2, "no such user or group"),
        (("unix-dgram:server.sock", "--as", "root"), 2, "expected self, or pid:NUMBER"),
        (("unix-dgram:server.sock", "--as", ""), 2, "expected self, or pid:NUMBER"),
        (("udp:127.0.0.1:9", "--as", "self"), 1, "carries no credentials; use a unix socket"),
    ],
)
def test_what_cannot_be_said_is_explained(server, run_ferry, arguments, status, said):
    server(socket.SOCK_DGRAM)
    done = run_ferry("connect", *arguments)
    assert done.returncode == status
    assert said in done.stderr
