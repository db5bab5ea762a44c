"""Socket options by name, in addresses, profiles and configuration: what ferry says is in effect is
what the kernel says, of the listener, of what it accepts, and of what it dials. The test asks the
kernel itself: by ss, and by getsockopt on duplicates of ferry's own sockets (pidfd_getfd)."""

import ctypes
import json
import os
import re
import socket
import struct
import subprocess
from collections import Counter

import pytest

from support import wait_until

SYS_PIDFD_GETFD = 438  # the same on every architecture

TCP = socket.IPPROTO_TCP


def number(sock, level, name):
    return sock.getsockopt(level, name)


def linger(sock, level, name):
    on, seconds = struct.unpack("ii", sock.getsockopt(level, name, 8))
    return seconds if on else None


def span(sock, level, name):
    seconds, _ = struct.unpack("qq", sock.getsockopt(level, name, 16))
    return seconds


def word(sock, level, name):
    return sock.getsockopt(level, name, 16).rstrip(b"\0").decode()


# key: (value, as ferry tells it, how to ask the kernel, level, name, what the kernel answers)
ON_TCP = {
    "keepalive": ("yes", "yes", number, socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    "keepidle": ("77s", "77s", number, TCP, socket.TCP_KEEPIDLE, 77),
    "keepintvl": ("7s", "7s", number, TCP, socket.TCP_KEEPINTVL, 7),
    "keepcnt": ("3", "3", number, TCP, socket.TCP_KEEPCNT, 3),
    "user-timeout": ("9s", "9s", number, TCP, socket.TCP_USER_TIMEOUT, 9000),
    "linger": ("3s", "3s", linger, socket.SOL_SOCKET, socket.SO_LINGER, 3),
    "nodelay": ("no", "no", number, TCP, socket.TCP_NODELAY, 0),
    "congestion": ("reno", "reno", word, TCP, socket.TCP_CONGESTION, "reno"),
    "notsent-lowat": ("16k", "16k", number, TCP, 25, 16384),
    "zerocopy": ("yes", "yes", number, socket.SOL_SOCKET, 60, 1),
    "rcvbuf": ("64k", "128k", number, socket.SOL_SOCKET, socket.SO_RCVBUF, 131072),
    "sndbuf": ("64k", "128k", number, socket.SOL_SOCKET, socket.SO_SNDBUF, 131072),
    "rcvtimeo": ("2s", "2s", span, socket.SOL_SOCKET, socket.SO_RCVTIMEO, 2),
    "sndtimeo": ("2s", "2s", span, socket.SOL_SOCKET, socket.SO_SNDTIMEO, 2),
    "tos": ("lowdelay", "lowdelay", number, socket.IPPROTO_IP, socket.IP_TOS, 16),
    "priority": ("5", "5", number, socket.SOL_SOCKET, socket.SO_PRIORITY, 5),
    "bindtodevice": ("lo", "lo", word, socket.SOL_SOCKET, socket.SO_BINDTODEVICE, "lo"),
    "reuseport": ("yes", "yes", number, socket.SOL_SOCKET, socket.SO_REUSEPORT, 1),
}
ON_UNIX = {key: ON_TCP[key] for key in ("sndbuf", "rcvtimeo", "sndtimeo")}
ON_UDP = {
    key: ON_TCP[key]
    for key in ("rcvbuf", "sndbuf", "rcvtimeo", "sndtimeo", "tos", "priority", "bindtodevice")
}


def written(table):
    return "".join(f",{key}={row[0]}" for key, row in table.items())


@pytest.fixture
def root():
    if os.geteuid() != 0:
        pytest.skip("to look into another process's sockets one must be root")


def sockets_of(pid):
    """Duplicates of a process's sockets, by inode; they share the options."""
    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = os.pidfd_open(pid)
    found = {}
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):
            match = re.match(r"socket:\[(\d+)\]", os.readlink(f"/proc/{pid}/fd/{name}"))
            if match:
                fd = libc.syscall(SYS_PIDFD_GETFD, pidfd, int(name), 0)
                assert fd >= 0, os.strerror(ctypes.get_errno())
                found[int(match[1])] = socket.socket(fileno=fd)
    finally:
        os.close(pidfd)
    return found


def listens(sock):
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1


class Relay:
    """A relay with a control socket, one target that the test is, and what can be asked of it."""

    def __init__(self, process, folder, run_ferry):
        self.process, self.folder, self.run_ferry = process, folder, run_ferry

    def status(self, *arguments):
        done = self.run_ferry("status", "-s", f"{self.folder}/c.sock", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def route(self, *arguments):
        return json.loads(self.status("--json", *arguments))["routes"][0]

    def connection(self, *ends):
        """The first, once it has these ends."""
        return wait_until(lambda: [one for one in self.route()["connections"] if {*ends} <= {*one}])[0]

    def port(self):
        return int(re.search(r"^\w+:(?:\S+:)?(\d+)", self.route()["listen"])[1])


@pytest.fixture
def relay(start_ferry, runtime_dir, run_ferry):
    def run(*arguments):
        process = start_ferry("relay", "--control", f"unix:{runtime_dir}/c.sock", *arguments)
        process.wait_for("started  control")
        return Relay(process, runtime_dir, run_ferry)

    return run


def target(family, address):
    server = socket.socket(family)
    server.bind(address)
    server.listen()
    server.settimeout(20)
    return server


def told(options):
    return {option["key"]: option for option in options}


def assert_told(options, table):
    found = told(options)
    for key, row in table.items():
        assert found[key]["effective"] == row[1], found[key]
        assert found[key]["by"] == "address"


def test_every_option_of_tcp_at_all_ends(root, relay):
    with target(socket.AF_INET, ("127.0.0.1", 0)) as server:
        to = f"tcp:{server.getsockname()[1]}{written(ON_TCP)}"
        route = relay(f"tcp:0,defer-accept=3s{written(ON_TCP)}", to, "--allow", "any")
        with socket.create_connection(("127.0.0.1", route.port())) as client:
            client.sendall(b"x")
            arrived, _ = server.accept()
            connection = route.connection("peer", "target")
            assert_told(route.route()["options"], ON_TCP)
            assert_told(connection["peer"]["options"], ON_TCP)
            assert_told(connection["target"]["options"], ON_TCP)
            held = [
                one
                for one in sockets_of(route.process.pid).values()
                if one.family == socket.AF_INET
            ]
            assert Counter(map(listens, held)) == {True: 1, False: 2}
            for sock in held:
                for key, (_, _, ask, level, name, answer) in ON_TCP.items():
                    # The kernel may choose another for a connection while it is made.
                    assert ask(sock, level, name) == answer, (key, listens(sock))
                if listens(sock):
                    assert sock.getsockopt(TCP, socket.TCP_DEFER_ACCEPT) == 3
                sock.close()
            arrived.close()


def test_every_option_of_unix_at_all_ends(root, relay, runtime_dir):
    for scheme, kind in (("unix", socket.SOCK_STREAM), ("unix-seq", socket.SOCK_SEQPACKET)):
        path = str(runtime_dir / f"{scheme}.t")
        server = socket.socket(socket.AF_UNIX, kind)
        server.bind(path)
        server.listen()
        route = relay(
            f"{scheme}:{runtime_dir}/{scheme}.l{written(ON_UNIX)}",
            f"{scheme}:{path}{written(ON_UNIX)}",
        )
        with socket.socket(socket.AF_UNIX, kind) as client:
            client.connect(str(runtime_dir / f"{scheme}.l"))
            arrived, _ = server.accept()
            connection = route.connection("peer", "target")
            assert_told(connection["peer"]["options"], ON_UNIX)
            assert_told(connection["target"]["options"], ON_UNIX)
            tuned = 0
            for sock in sockets_of(route.process.pid).values():
                if sock.family == socket.AF_UNIX and span(sock, *ON_UNIX["rcvtimeo"][3:5]) == 2:
                    tuned += 1
                    for key, (_, _, ask, level, name, answer) in ON_UNIX.items():
                        assert ask(sock, level, name) == answer, key
                sock.close()
            assert tuned == 3
            arrived.close()
        server.close()
        assert route.process.stop() == 0


def test_every_option_of_udp(root, relay):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(20)
        to = f"udp:{server.getsockname()[1]}{written(ON_UDP)}"
        route = relay(f"udp:0{written(ON_UDP)}", to, "--allow", "any")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(b"x", ("127.0.0.1", route.port()))
            assert server.recv(10) == b"x"
            connection = route.connection("peer", "target")
            assert_told(route.route()["options"], ON_UDP)
            assert_told(connection["peer"]["options"], ON_UDP)
            assert_told(connection["target"]["options"], ON_UDP)
            held = [s for s in sockets_of(route.process.pid).values() if s.family == socket.AF_INET]
            assert len(held) == 2
            for sock in held:
                for key, (_, _, ask, level, name, answer) in ON_UDP.items():
                    assert ask(sock, level, name) == answer, key
                sock.close()


def ss(*arguments):
    """{inode: what ss says of the socket}"""
    done = subprocess.run(
        ["ss", "-tieomanHO", *arguments], capture_output=True, text=True, check=True
    )
    return {
        int(match[1]): line
        for line in done.stdout.splitlines()
        if (match := re.search(r"\bino:(\d+)", line))
    }


def test_ss_says_the_same(root, relay):
    with target(socket.AF_INET, ("127.0.0.1", 0)) as server:
        tuned = ",keepalive,keepidle=77s,rcvbuf=64k,sndbuf=32k,congestion=reno,tos=lowdelay"
        route = relay(f"tcp:0{tuned}", f"tcp:{server.getsockname()[1]}{tuned}", "--allow", "any")
        with socket.create_connection(("127.0.0.1", route.port())) as client:
            client.sendall(b"x")
            arrived, _ = server.accept()
            connection = route.connection("peer", "target")
            held = sockets_of(route.process.pid)
            seen = ss("--tos")
            lines = [
                (sock, seen[inode])
                for inode, sock in held.items()
                if sock.family == socket.AF_INET and not listens(sock)
            ]
            assert len(lines) == 2
            for sock, line in lines:
                local = sock.getsockname()[1] == route.port()
                said = told(connection["peer" if local else "target"]["options"])
                assert re.search(r"timer:\(keepalive,1min", line), line
                memory = re.search(r"skmem:\(r\d+,rb(\d+),t\d+,tb(\d+)", line)
                assert said["rcvbuf"]["effective"] == f"{int(memory[1]) // 1024}k" == "128k"
                assert said["sndbuf"]["effective"] == f"{int(memory[2]) // 1024}k" == "64k"
                assert re.search(r" reno ", line) and said["congestion"]["effective"] == "reno"
                assert re.search(r"tos:0x10\b", line), line
                assert said["tos"]["effective"] == "lowdelay"
            for sock in held.values():
                sock.close()
            arrived.close()


# --- what the kernel makes of it ---------------------------------------------------------------------


def option(text, key):
    """The columns of one option in a table."""
    line = re.search(rf"^([! ]) {key}  .*$", text, re.MULTILINE)
    return line[1], re.split(r" {2,}", line[0][2:].strip())


def limit(name):
    return int(open(f"/proc/sys/net/core/{name}").read())


def test_what_is_doubled_cut_and_rounded_is_told(run_ferry):
    done = run_ferry("check", "--options", "tcp:1,rcvbuf=1023M,sndbuf=8k,defer-accept=5s")
    assert done.returncode == 0, done.stderr
    mark, columns = option(done.stdout, "rcvbuf")
    assert mark == "!" and columns[1:3] == ["1023M", "address"]
    assert columns[4] == f"cut by net.core.rmem_max = {limit('rmem_max')}, then doubled"
    mark, columns = option(done.stdout, "sndbuf")
    assert mark == " " and columns[1:] == ["8k", "address", "16k", "doubled by the kernel for its bookkeeping"]
    mark, columns = option(done.stdout, "defer-accept")
    assert mark == "!" and columns[3] == "7s"
    assert option(done.stdout, "nodelay")[1][3:] == ["yes", "ferry's default"]
    assert option(done.stdout, "keepalive")[1][3:] == ["no", "the kernel's default"]
    assert option(done.stdout, "linger")[1][3:] == ["no", "the kernel's default"]


def test_nothing_is_bound_or_sent_to_be_checked(run_ferry, runtime_dir):
    with target(socket.AF_INET, ("127.0.0.1", 0)) as server:
        place = f"tcp:{server.getsockname()[1]},reuseaddr=no"
        done = run_ferry("check", "--options", place, f"unix:{runtime_dir}/no.sock")
        assert done.returncode == 0, done.stderr
        assert list(runtime_dir.iterdir()) == []
        server.settimeout(0)
        with pytest.raises(BlockingIOError):
            server.accept()


def test_a_start_tells_what_differs_and_nothing_else(relay):
    route = relay("tcp:0,rcvbuf=64k,defer-accept=5s,keepalive", "echo")
    line = re.search(r"^.*started  relay.*$", route.process.stderr(), re.M)[0]
    assert "; defer-accept=5s is 7s: " in line
    assert "rcvbuf=" not in line.split(" -> ")[1] and "keepalive" not in line.split(" -> ")[1]


def test_a_priority_above_6_needs_a_privilege(run_ferry, start_ferry):
    if os.geteuid() != 0:
        pytest.skip("to lay down privileges one must have them")
    address = "tcp:1,priority=7"
    done = run_ferry("check", "--options", address, user=65534, group=65534, extra_groups=[])
    assert done.returncode == 1
    assert f"{address}: this user may not set priority=7; it needs CAP_NET_ADMIN" in done.stderr
    assert run_ferry("check", "--options", address).returncode == 0


@pytest.mark.parametrize(
    "listen, reason",
    [
        ("unix:x.sock,keepalive", "unix cannot have keepalive, which is for tcp, fd"),
        ("unix-dgram:x.sock,rcvbuf=1M", "unix-dgram cannot have rcvbuf, which is for tcp, udp, fd"),
        ("udp:1,linger=1", "udp cannot have linger, which is for tcp, fd"),
        ("fifo:x,sndbuf=1M", "fifo cannot have sndbuf"),
        ("tcp:0,bindtodevice=nosuch0", "there is no network interface nosuch0"),
        ("tcp:0,congestion=nosuch", "net.ipv4.tcp_available_congestion_control has: "),
    ],
)
def test_what_cannot_be_had_is_an_error_at_the_start(run_ferry, listen, reason):
    done = run_ferry("relay", listen, "echo", "--allow", "any")
    assert done.returncode == 1
    assert reason in done.stderr


def test_dialling_says_what_was_refused(start_ferry, runtime_dir):
    process = start_ferry("relay", f"unix:{runtime_dir}/l.sock", "tcp:1,bindtodevice=nosuch0")
    process.wait_for("started")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(runtime_dir / "l.sock"))
        assert client.recv(1) == b""
    process.wait_for("there is no network interface nosuch0 (bindtodevice)")


def under_strace(ferry, runtime_dir, inject, *arguments):
    return subprocess.run(
        ["strace", "-f", "-qq", "-o", runtime_dir / "trace", "-e", f"inject={inject}", ferry]
        + list(arguments),
        capture_output=True,
        text=True,
        timeout=20,
        # LeakSanitizer stops the process by ptrace, which strace holds already.
        env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"},
    )


def test_an_older_kernel_is_told_by_an_address_and_passed_over_by_a_profile(ferry, runtime_dir):
    lacking = "setsockopt:error=ENOPROTOOPT:when=2+"
    done = under_strace(ferry, runtime_dir, lacking, "check", "--options", "udp:1,rcvbuf=64k,sndbuf=64k")
    assert done.returncode == 1
    assert "this kernel does not know sndbuf; leave it out" in done.stderr
    done = under_strace(ferry, runtime_dir, lacking, "check", "--options", "--profile", "realtime", "udp:1")
    assert done.returncode == 0, done.stderr
    mark, columns = option(done.stdout, "priority")
    assert mark == "!" and columns[1:3] == ["6", "profile"] and columns[3] != "6"


# --- what it costs ----------------------------------------------------------------------------------


@pytest.mark.plain_build
@pytest.mark.parametrize(
    "options, count",
    [("", 0), (",frame=lf", 0), (",sndbuf=64k", 1), (",sndbuf=64k,rcvtimeo=1s,sndtimeo=1s", 3)],
)
def test_accepting_costs_what_is_not_inherited(start, ferry, runtime_dir, options, count):
    trace = runtime_dir / "trace"
    tracer = start(
        "strace", "-f", "-qq", "-e", "trace=accept4,setsockopt", "-o", trace, ferry, "relay",
        f"unix:{runtime_dir}/e.sock{options}", "echo",
    )  # fmt: skip
    tracer.wait_for("started")
    before = trace.read_text()
    clients = []
    for _ in range(5):
        clients.append(socket.socket(socket.AF_UNIX))
        clients[-1].connect(str(runtime_dir / "e.sock"))
        clients[-1].sendall(b"x\n")
        clients[-1].settimeout(20)
        assert clients[-1].recv(10) == b"x\n"
    calls = Counter(re.findall(r"^\d+\s+([a-z0-9_]+)\(", trace.read_text()[len(before) :], re.M))
    assert calls["setsockopt"] == 5 * count, calls
    for client in clients:
        client.close()


@pytest.mark.plain_build
def test_accepting_tcp_costs_nothing_for_what_is_inherited(start, ferry, runtime_dir):
    trace = runtime_dir / "trace"
    # What lingers is taken back when it is closed.
    inherited = {key: row for key, row in ON_TCP.items() if key not in ("priority", "linger")}
    tracer = start(
        "strace", "-f", "-qq", "-e", "trace=accept4,setsockopt", "-o", trace, ferry, "relay",
        f"tcp:0{written(inherited)}", "echo",
    )  # fmt: skip
    tracer.wait_for("started")
    port = int(re.search(r"tcp:(\d+)", tracer.stderr())[1])
    before = trace.read_text()
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", port), 20) as client:
            client.sendall(b"x")
            assert client.recv(10) == b"x"
    assert "setsockopt" not in trace.read_text()[len(before) :]


# --- profiles -----------------------------------------------------------------------------------------


CONFIGURATION = """\
[route tuned]
listen = tcp:0,keepcnt=9
to = echo
profile = mine
[route plain]
listen = unix:plain.sock
to = echo
profile = mine
[route control]
listen = unix:c.sock
to = control
[profile mine]
extends = ours
keepidle = {keepidle}
[profile ours]
extends = bulk
rcvbuf = 256k
"""


@pytest.fixture
def up(start_ferry, runtime_dir, run_ferry):
    (runtime_dir / "f.conf").write_text(CONFIGURATION.format(keepidle="44s"))
    process = start_ferry("up", "-c", runtime_dir / "f.conf")
    process.wait_for("started  control")
    return Relay(process, runtime_dir, run_ferry)


def test_ones_own_profile_extends_another(up):
    options = told(up.route()["options"])
    assert up.route()["profile"] == "mine"
    for key, asked, by, effective in [
        ("keepidle", "44s", "profile", "44s"),
        ("keepintvl", "30s", "profile", "30s"),
        ("keepcnt", "9", "address", "9"),
        ("nodelay", "no", "profile", "no"),
        ("rcvbuf", "256k", "profile", "512k"),
        ("tos", "cs1", "profile", "cs1"),
    ]:
        found = options[key]
        assert (found["asked"], found["by"], found["effective"]) == (asked, by, effective)
    assert "asked" not in options["congestion"]
    assert up.route()["listen"].endswith(",keepcnt=9")


def test_what_another_user_dials_has_the_whole_profile(root, relay):
    """It is dialled by another process, which is told each option."""
    with target(socket.AF_INET, ("127.0.0.1", 0)) as server:
        to = f"tcp:127.0.0.1:{server.getsockname()[1]}"
        route = relay("unix:r.sock", to, "--user=65534", "--allow=any", "--profile=bulk")
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(route.folder / "r.sock"))
            arrived, _ = server.accept()
            options = told(route.connection("target")["target"]["options"])
            for key, effective in ("keepidle", "5m"), ("keepcnt", "6"), ("tos", "cs1"):
                assert (options[key]["by"], options[key]["effective"]) == ("profile", effective)
            arrived.close()


def test_what_is_not_for_a_unix_socket_is_shown_so(up):
    text = up.status("--options")
    part = text[text.index("plain listens on") :]
    assert ", profile mine" in part.splitlines()[0]
    assert option(part, "keepidle")[1][1:] == ["44s", "profile", "-", "not for unix"]


def test_a_unix_connection_is_told_by_who_is_there(up):
    assert re.search(r"^\w+ from pid \d+ .*uid \d+", up.status("--options"), re.MULTILINE)


def test_a_changed_profile_changes_its_routes(up):
    with socket.create_connection(("127.0.0.1", up.port()), 20) as client:
        client.sendall(b"x")
        assert client.recv(10) == b"x"
        done = up.run_ferry("reload", "-s", f"{up.folder}/c.sock")
        assert "2 changed" not in done.stdout and "3 untouched" in done.stdout
        (up.folder / "f.conf").write_text(CONFIGURATION.format(keepidle="55s"))
        done = up.run_ferry("reload", "-s", f"{up.folder}/c.sock")
        assert "2 changed, 0 removed, 1 untouched" in done.stdout, done.stderr
        assert told(up.route()["options"])["keepidle"]["effective"] == "55s"
        # What was open goes on as it began.
        client.sendall(b"y")
        assert client.recv(10) == b"y"
    with socket.create_connection(("127.0.0.1", up.port()), 20) as client:
        client.sendall(b"x")
        assert client.recv(10) == b"x"
        connection = up.connection("peer")
        assert told(connection["peer"]["options"])["keepidle"]["effective"] == "55s"


def test_an_inherited_socket_is_tuned_and_kept(start_ferry, runtime_dir, run_ferry):
    with target(socket.AF_INET, ("127.0.0.1", 0)) as inherited:
        text = (
            f"[route in]\nlisten = fd:{inherited.fileno()},keepcnt=5\nto = echo\nprofile = mine\n"
            "[route control]\nlisten = unix:c.sock\nto = control\n"
            "[profile mine]\nextends = web\nkeepidle = %s\n"
        )
        (runtime_dir / "f.conf").write_text(text % "44s")
        process = start_ferry("up", "-c", runtime_dir / "f.conf", pass_fds=[inherited.fileno()])
        process.wait_for("started  control")
        # One description, two descriptors: what ferry set is seen here.
        assert inherited.getsockopt(TCP, socket.TCP_KEEPIDLE) == 44
        assert inherited.getsockopt(TCP, socket.TCP_KEEPCNT) == 5
        assert inherited.getsockopt(TCP, socket.TCP_DEFER_ACCEPT) == 3
        up = Relay(process, runtime_dir, run_ferry)
        assert told(up.route()["options"])["keepcnt"]["by"] == "address"
        (runtime_dir / "f.conf").write_text(text % "55s")
        assert up.run_ferry("reload", "-s", f"{runtime_dir}/c.sock").returncode == 0
        process.wait_for("takes that on at the next start only")
        assert told(up.route()["options"])["keepidle"]["effective"] == "44s"


def test_an_inherited_socket_of_another_kind_is_an_error(run_ferry):
    with socket.socket(socket.AF_UNIX) as inherited:
        inherited.bind("")
        inherited.listen()
        listen = f"fd:{inherited.fileno()},keepalive"
        done = run_ferry("relay", listen, "echo", pass_fds=[inherited.fileno()])
        assert done.returncode == 1
        assert f"{listen}: it is a unix socket, which cannot have keepalive" in done.stderr


def test_problems_have_their_places(run_ferry, runtime_dir):
    path = runtime_dir / "bad.conf"
    path.write_text(
        "[route a]\nlisten = unix:x\nto = echo\nprofile = nosuch\n"
        "[profile b]\nkeepidle = 1ms\nmode = 0600\n"
        "[profile c]\nextends = d\n[profile d]\nextends = c\n"
        "[profile web]\n"
    )
    done = run_ferry("check", "-c", path)
    assert done.returncode == 1
    said = [line.removeprefix(f"{path}:") for line in done.stderr.splitlines()]
    assert len(said) == 5, said
    assert said[0].startswith("4:11: profile: nosuch: there is no profile of that name; there are: web,")
    assert said[1].startswith("6:12: keepidle: expected a time of whole seconds")
    assert said[2].startswith("7:8: mode: a profile has no such key")
    assert said[3].startswith("9:11: extends: in the end c extends itself")
    assert said[4].startswith("12:2: web is built in")


def test_a_profile_on_the_command_line(relay):
    route = relay("--profile", "realtime", "tcp:0", "echo")
    options = told(route.route()["options"])
    assert options["tos"]["effective"] == "ef" and options["tos"]["by"] == "profile"
    with socket.create_connection(("127.0.0.1", route.port()), 20) as client:
        client.sendall(b"x")
        assert client.recv(10) == b"x"
        peer = told(route.connection("peer")["peer"]["options"])
        assert peer["priority"]["effective"] == "6"
        assert "congestion" not in peer
        every = route.route("--options")["connections"][0]["peer"]["options"]
        assert told(every)["congestion"]["note"] == "the kernel's default"


def test_a_profile_tunes_what_is_dialled(relay, runtime_dir):
    with target(socket.AF_INET, ("127.0.0.1", 0)) as server:
        to = f"tcp:{server.getsockname()[1]},keepidle=21s"
        route = relay("--profile", "web", f"unix:{runtime_dir}/l.sock", to)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(runtime_dir / "l.sock"))
            arrived, _ = server.accept()
            options = told(route.connection("target")["target"]["options"])
            assert (options["keepidle"]["by"], options["keepidle"]["effective"]) == ("address", "21s")
            assert (options["keepintvl"]["by"], options["keepintvl"]["effective"]) == ("profile", "15s")
            assert options["defer-accept"]["note"] == "not for dialling"
            assert "effective" not in options["defer-accept"]
            arrived.close()


def test_a_profile_of_the_configuration_is_tried(run_ferry, runtime_dir):
    (runtime_dir / "f.conf").write_text(CONFIGURATION.format(keepidle="44s"))
    done = run_ferry("check", "--options", "--profile", "mine", "-c", runtime_dir / "f.conf", "tcp:1")
    assert done.returncode == 0, done.stderr
    assert option(done.stdout, "keepidle")[1][1:4] == ["44s", "profile", "44s"]
