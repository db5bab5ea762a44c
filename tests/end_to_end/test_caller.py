"""user = and group =: the target is dialled, or the command run, as the caller or as a named user,
by a dialler process. What is true of each process is asked of /proc and of the target's own
SO_PEERCRED, SO_PEERGROUPS."""

import json
import os
import signal
import socket
import struct
import subprocess
import time
from pathlib import Path

import pytest

from support import children_of, descriptor_count, listens, wait_at_rest, wait_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become other users")

ALICE, BOB = 4001, 4002
CREW, GUILD = 5001, 5002
SO_PEERGROUPS = 59

AS_ALICE = {"user": ALICE, "group": ALICE, "extra_groups": [CREW, GUILD]}
AS_BOB = {"user": BOB, "group": BOB, "extra_groups": []}


def status_of(pid):
    """/proc/PID/status as a dictionary."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.split() for key, value in (line.split(":", 1) for line in lines)}


def child_of_alice(pid):
    """The only child of a process, once it is hers alone; None before."""
    there = children_of(pid)
    try:
        hers = len(there) == 1 and status_of(there[0]).get("Uid") == [str(ALICE)] * 4
    except OSError:
        return None
    return there[0] if hers else None


def dialler_of(process):
    """The dialler of a running ferry."""

    def named():
        return [
            child
            for child in children_of(process.pid)
            if Path(f"/proc/{child}/comm").read_text() == "ferry-dialler\n"
        ]

    (pid,) = wait_until(named)
    return pid


@pytest.fixture(autouse=True)
def open_folder(runtime_dir):
    os.chmod(runtime_dir, 0o755)


@pytest.fixture
def relay(start_ferry, runtime_dir):
    """relay(to, option...) runs a route that everybody may use; returns its process and path."""

    def run(to, *options, **keywords):
        process = start_ferry(
            "relay", f"unix:{runtime_dir}/r.sock,mode=0666", to, "--allow=any", *options, **keywords
        )
        process.wait_for("started")
        return process, runtime_dir / "r.sock"

    return run


@pytest.fixture
def target(runtime_dir):
    """A listening socket that everybody may connect to."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(runtime_dir / "target.sock"))
        os.chmod(runtime_dir / "target.sock", 0o666)
        server.listen(64)
        server.settimeout(10)
        yield server


def peer_of(connection):
    """uid, gid and groups of who connected, as the kernel says."""
    _, uid, gid = struct.unpack(
        "3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    )
    groups = connection.getsockopt(socket.SOL_SOCKET, SO_PEERGROUPS, 1024)
    return uid, gid, sorted(struct.unpack(f"{len(groups) // 4}I", groups))


# --- as whom -------------------------------------------------------------------------------------


def test_a_command_is_run_as_the_caller(relay, run_ferry):
    _, path = relay("exec:sh -c 'id; env; grep -E CapEff /proc/self/status'", "--user=peer")
    done = run_ferry("connect", f"unix:{path}", env={"SECRET": "1"}, **AS_ALICE)
    lines = done.stdout.splitlines()
    assert lines[0] == f"uid={ALICE} gid={ALICE} groups={ALICE},{CREW},{GUILD}"
    assert f"FERRY_PEER_UID={ALICE}" in lines
    assert "CapEff:\t0000000000000000" in lines
    assert not [line for line in lines if line.startswith(("HOME=/root", "PYTEST", "USER=root"))]
    done = run_ferry("connect", f"unix:{path}", **AS_BOB)
    assert done.stdout.splitlines()[0] == f"uid={BOB} gid={BOB} groups={BOB}"
    done = run_ferry("connect", f"unix:{path}")
    assert done.stdout.startswith("uid=0(root)") and "HOME=/root" in done.stdout


def test_the_target_sees_the_caller_and_all_its_groups(relay, target, runtime_dir):
    _, path = relay(f"unix:{runtime_dir}/target.sock", "--user=peer")
    for who, groups in ((AS_ALICE, [CREW, GUILD]), (AS_BOB, [])):
        asking = subprocess.Popen(
            ["/usr/bin/python3", "-c"]
            + ["import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]);"]
            + [str(path)],
            **who,
        )
        with target.accept()[0] as connection:
            assert peer_of(connection) == (who["user"], who["group"], groups)
        asking.wait()


def test_a_commands_standard_error_is_not_roots_file(relay, run_ferry):
    """A file could be cut short by the user's process, a terminal read."""
    process, path = relay("exec:sh -c 'readlink /proc/self/fd/2; printf %s lo st >&2'", "--user=peer")
    assert run_ferry("connect", f"unix:{path}", **AS_ALICE).stdout == "/dev/null\n"
    assert "lost" not in process.stderr().replace("lo st", "")


def test_a_long_path_is_no_hindrance(relay, run_ferry, start_ferry, runtime_dir):
    folder = runtime_dir / ("long" * 30)
    folder.mkdir(mode=0o755)
    start_ferry("relay", f"unix:{folder}/e.sock,mode=0666", "echo").wait_for("started")
    _, path = relay(f"unix:{folder}/e.sock", "--user=peer")
    assert run_ferry("connect", f"unix:{path}", input="far", **AS_ALICE).stdout == "far"


def test_the_target_sees_the_user_that_is_named(relay, target, runtime_dir):
    _, path = relay(f"unix:{runtime_dir}/target.sock", "--user=mail", f"--group={CREW}")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        with target.accept()[0] as connection:
            uid, gid, groups = peer_of(connection)
    assert (uid, gid) == (8, CREW), "mail is 8 on every Debian"
    assert 0 not in groups


def test_a_port_is_dialled_by_the_callers_user(relay, run_ferry, runtime_dir):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        port = server.getsockname()[1]
        _, path = relay(f"tcp:localhost:{port}", f"--user={ALICE}", f"--group={ALICE}")
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            client.sendall(b"hello")
            with server.accept()[0] as connection:
                assert connection.recv(10) == b"hello"
                remote = f":{port:04X}"
                uids = [
                    line.split()[7]
                    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
                    if line.split()[2].endswith(remote)
                ]
    assert uids == [str(ALICE)]


def test_a_file_is_made_by_the_caller_and_only_where_it_may(relay, run_ferry, runtime_dir):
    spool = runtime_dir / "spool"
    spool.mkdir()
    os.chown(spool, ALICE, ALICE)
    process, path = relay(f"file:{spool}/out,append", "--user=peer")
    assert run_ferry("connect", f"unix:{path}", input="x", **AS_BOB).returncode in (0, 1)
    process.wait_for("failed")
    assert not (spool / "out").exists()
    run_ferry("connect", f"unix:{path}", input="by alice\n", **AS_ALICE)
    wait_until((spool / "out").exists)
    assert (spool / "out").stat().st_uid == ALICE
    wait_until(lambda: (spool / "out").read_text() == "by alice\n")


def test_who_may_not_reach_the_target_is_told_by_name(relay, run_ferry, target, runtime_dir):
    """ferry is root and could; the caller cannot."""
    os.chmod(runtime_dir / "target.sock", 0o600)
    process, path = relay(f"unix:{runtime_dir}/target.sock", "--user=peer")
    run_ferry("connect", f"unix:{path}", **AS_ALICE)
    process.wait_for("failed")
    assert f"target.sock as uid {ALICE}: permission denied; its mode" in process.stderr()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        with target.accept()[0] as connection:
            assert peer_of(connection)[0] == 0, "root is root itself"


def test_descriptors_and_half_close_pass_as_ever(relay, start_ferry, run_ferry, runtime_dir):
    start_ferry("relay", f"unix:{runtime_dir}/e.sock,mode=0666", "echo").wait_for("started")
    process, path = relay(f"unix:{runtime_dir}/e.sock", "--user=peer")
    done = run_ferry("connect", f"unix:{path}", input="there and back", **AS_ALICE)
    assert done.stdout == "there and back"
    assert run_ferry("pass", f"unix:{path}", "/etc/hostname").returncode == 0
    process.wait_for(", 2 descriptors in ")


@pytest.mark.parametrize(
    "listen, to, keys, reason",
    [
        ("tcp:127.0.0.1:7001", "unix:t", "allow = any\nuser = peer", "nobody vouches for who comes"),
        ("fifo:f", "unix:t", "user = peer", "nobody vouches for who comes there; listen on unix:"),
        ("unix-dgram:d", "unix-dgram:t", "user = peer", "a datagram tells its sender's user, not"),
        ("unix:a", "echo", "user = peer", "ferry serves it itself, and dials nothing"),
        ("unix:a", "mq:/q,frame=lf", "user = peer", ""),
        ("unix:a", "unix:t", "user = peer\ngroup = 1", "brings the caller's own groups"),
        ("unix:a", "unix:t", "user = nobody-here", "there is no such user; see getent passwd"),
        ("unix:a", "unix:t", "user = 4001", "has no entry that says its group; give its group"),
        ("unix:a", "unix:t", "group = nobody-here", "there is no such group"),
        ("unix:a", "unix:t", "user = 4294967295", "is no number of a user"),
        ("unix:a", "unix:t,bind=/tmp/b", "user = peer", "the path of bind= would stay"),
    ],
)
def test_what_cannot_be_is_said_at_the_start(run_ferry, runtime_dir, listen, to, keys, reason):
    (runtime_dir / "f.conf").write_text(f"[route a]\nlisten = {listen}\nto = {to}\n{keys}\n")
    done = run_ferry("check", "-c", "f.conf")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("f.conf:") and reason in line


def test_who_is_not_root_is_told_at_the_start(run_ferry, runtime_dir):
    os.chown(runtime_dir, ALICE, ALICE)
    done = run_ferry("relay", "unix:a.sock", "unix:b.sock", "--user=peer", **AS_ALICE)
    assert done.returncode == 1
    assert done.stderr == (
        "ferry relay: user =: only root may dial as somebody else; "
        "start ferry as root, or leave user = out\n"
    )


def test_ones_own_name_needs_no_dialler(relay, run_ferry, runtime_dir, start_ferry):
    start_ferry("relay", f"unix:{runtime_dir}/e.sock", "echo").wait_for("started")
    process, path = relay(f"unix:{runtime_dir}/e.sock", f"--user={os.geteuid()}")
    assert run_ferry("connect", f"unix:{path}", input="x").stdout == "x"
    assert children_of(process.pid) == []


def test_a_caller_without_a_number_here_is_nobody(start, ferry, run_ferry, runtime_dir):
    """In a user namespace of its own ferry has a number for root only."""
    process = start(
        "unshare", "--user", "--map-root-user", ferry, "relay", "unix:r.sock,mode=0666",
        "unix:t.sock", "--user=peer", "--allow=any",
    )  # fmt: skip
    process.wait_for("started")
    run_ferry("connect", f"unix:{runtime_dir}/r.sock", **AS_ALICE)
    process.wait_for("failed")
    assert "user = peer: the caller has no number here" in process.stderr()


def test_a_reload_brings_no_other_user_after_the_sandbox(start_ferry, run_ferry, runtime_dir):
    route = "[route i]\nlisten = unix:i.sock\nto = exec:id\nuser = "
    configuration(runtime_dir, "", route + "mail\n")
    process = start_ferry("up", "-c", "f.conf")
    process.wait_for("started  i")
    assert run_ferry("connect", "unix:i.sock").stdout.startswith("uid=8(mail) gid=8(mail)")
    configuration(runtime_dir, "", route + "games\n")
    done = run_ferry("reload", "-s", "control.sock")
    assert "no route named this user when the dialler was started; restart ferry" in done.stderr
    configuration(runtime_dir, "", route + "peer\n")
    assert run_ferry("reload", "-s", "control.sock").returncode == 0
    assert run_ferry("connect", "unix:i.sock").stdout.startswith("uid=0(root)")


# --- the dialler ---------------------------------------------------------------------------------


def test_without_its_dialler_nothing_is_dialled(relay, run_ferry, target, runtime_dir):
    process, path = relay(
        f"unix:{runtime_dir}/target.sock", "--user=peer", f"--control=unix:{runtime_dir}/c.sock"
    )
    os.kill(dialler_of(process), signal.SIGKILL)
    process.wait_for("trouble  the dialler has ended: routes with user= are not dialled")
    assert run_ferry("connect", f"unix:{path}", **AS_ALICE).stdout == ""
    process.wait_for("failed")
    assert "the dialler has ended, so it is not dialled at all" in process.stderr()
    target.settimeout(0.2)
    with pytest.raises(TimeoutError):
        target.accept()
    assert "the dialler has ended" in run_ferry("status", "-s", f"unix:{runtime_dir}/c.sock").stdout
    assert children_of(process.pid) == [], "it is no zombie"


def test_what_the_dialler_holds_is_in_no_core(relay, target, runtime_dir):
    """The files in /proc of a process that leaves no core belong to root's own group, whatever its
    group is."""
    process, _ = relay(f"unix:{runtime_dir}/target.sock", "--user=peer", group=CREW)
    dialler = dialler_of(process)
    assert status_of(dialler)["Gid"] == [str(CREW)] * 4
    wait_until(lambda: os.stat(f"/proc/{dialler}/status").st_gid == 0)
    assert os.stat(f"/proc/{process.pid}/status").st_gid == CREW


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_no_process_of_roots_outlives_ferry(relay, target, runtime_dir, number):
    process, _ = relay(f"unix:{runtime_dir}/target.sock", "--user=peer")
    dialler = dialler_of(process)
    process.stop(number)
    wait_until(lambda: not Path(f"/proc/{dialler}").exists())


def test_a_thousand_connections_leave_nothing_behind(relay, start_ferry, run_ferry, runtime_dir):
    start_ferry("relay", f"unix:{runtime_dir}/e.sock,mode=0666", "echo", "-q").wait_for("")
    wait_until(lambda: listens(runtime_dir / "e.sock"))
    process, path = relay(f"unix:{runtime_dir}/e.sock", "--user=peer")
    dialler = dialler_of(process)

    def visit():
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.connect(str(path))
            client.sendall(b"x")
            assert client.recv(1) == b"x"

    def counts():
        return descriptor_count(process.pid), descriptor_count(dialler)

    # Once one was served, neither is still about to begin; once both sleep, nor about to end it.
    visit()
    wait_until(lambda: process.stderr().count(" closed ") == 1)
    wait_until(lambda: children_of(dialler) == [])
    wait_at_rest(dialler, process.pid)
    before = counts()
    for _ in range(1000):
        visit()
    wait_until(lambda: process.stderr().count(" closed ") == 1001)
    # An end is told before its last descriptor is closed.
    wait_until(lambda: counts() == before)
    wait_until(lambda: children_of(dialler) == [])
    assert children_of(process.pid) == [dialler]


def test_commands_that_have_ended_are_no_zombies(relay, run_ferry):
    process, path = relay("exec:true", "--user=peer")
    for _ in range(20):
        run_ferry("connect", f"unix:{path}", **AS_ALICE)
    wait_until(lambda: children_of(dialler_of(process)) == [])
    assert children_of(process.pid) == [dialler_of(process)]


def test_a_target_that_does_not_accept_holds_up_nobody_else(
    start_ferry, run_ferry, runtime_dir, target
):
    with socket.socket(socket.AF_UNIX) as full:
        full.bind(str(runtime_dir / "full.sock"))
        os.chmod(runtime_dir / "full.sock", 0o666)
        full.listen(0)
        (runtime_dir / "f.conf").write_text(
            f"[route full]\nlisten = unix:f.sock,mode=0666\nallow = any\nuser = peer\n"
            f"to = unix:{runtime_dir}/full.sock,timeout=2s\n"
            f"[route id]\nlisten = unix:i.sock,mode=0666\nallow = any\nuser = peer\nto = exec:id\n"
        )
        ferry = start_ferry("up", "-c", "f.conf", env={"RUNTIME_DIRECTORY": str(runtime_dir)})
        ferry.wait_for("started  id")
        clients = []
        for _ in range(100):
            client = socket.socket(socket.AF_UNIX)
            client.connect(str(runtime_dir / "f.sock"))
            clients.append(client)
        done = run_ferry("connect", f"unix:{runtime_dir}/i.sock", **AS_BOB)
        assert done.stdout == f"uid={BOB} gid={BOB} groups={BOB}\n"
        ferry.wait_for("failed   full")
        assert "did not answer in time" in ferry.stderr()
        for client in clients:
            client.close()


@pytest.mark.plain_build
def test_dials_that_hang_are_bounded_and_end(start, relay, target, runtime_dir):
    """strace stops every child in connect(2), as its user could: it is the user's own process."""
    process, path = relay(f"unix:{runtime_dir}/target.sock,timeout=1s", "--user=peer")
    dialler = dialler_of(process)
    start(
        "strace", "-f", "-qq", "-p", dialler, "-e", "trace=connect",
        "-e", "inject=connect:signal=SIGSTOP", "-o", "/dev/null",
    )  # fmt: skip
    wait_until(lambda: status_of(dialler)["TracerPid"] != ["0"])
    clients = []
    for _ in range(80):
        client = socket.socket(socket.AF_UNIX)
        client.connect(str(path))
        clients.append(client)
    wait_until(lambda: len(children_of(dialler)) == 32, what="as many as one user may have")
    for _ in range(20):
        assert len(children_of(dialler)) <= 32
        time.sleep(0.01)
    process.wait_for("did not answer in time", 20)
    for client in clients:
        client.close()
    wait_until(lambda: process.stderr().count(" failed ") == 80, 20)
    wait_until(lambda: children_of(dialler) == [], 20)
    for ends_with_dialler in (False, True):
        asking = start(
            "/usr/bin/python3", "-c", "import socket, sys, time; s = socket.socket(socket.AF_UNIX); "
            "s.connect(sys.argv[1]); time.sleep(60)", path, **AS_ALICE,
        )  # fmt: skip
        # One that ends may be there still.
        child = wait_until(lambda: child_of_alice(dialler), what="one that is hers to stop")
        if ends_with_dialler:
            os.kill(dialler, signal.SIGKILL)
        wait_until(lambda: not Path(f"/proc/{child}").exists(), what="it is killed all the same")
        asking.end()


# --- privileges ----------------------------------------------------------------------------------


@pytest.mark.plain_build
def test_what_a_ferry_gives_up_is_seen_from_outside(relay, run_ferry, target, runtime_dir):
    process, _ = relay(
        f"unix:{runtime_dir}/target.sock", "--user=peer", f"--control=unix:{runtime_dir}/c.sock"
    )
    dialler = dialler_of(process)
    for pid in (process.pid, dialler):
        wait_until(lambda: status_of(pid)["Seccomp"] == ["2"])
        assert status_of(pid)["NoNewPrivs"] == ["1"]
    held = int(status_of(dialler)["CapPrm"][0], 16)
    assert held == 1 << 7 | 1 << 6 | 1 << 5 | 1 << 1, "SETUID, SETGID, KILL, DAC_OVERRIDE"
    assert status_of(dialler)["NSsid"] == [str(dialler)], "no terminal of root's"
    assert sorted(int(fd) for fd in os.listdir(f"/proc/{dialler}/fd")) == [0, 1, 2, 3, 4]

    text = run_ferry("status", "-s", f"unix:{runtime_dir}/c.sock").stdout
    assert f"runs as root (uid 0, gid 0), no new privileges, system calls: base dial; dialler pid {dialler}\n" in text
    assert f"unix:{runtime_dir}/target.sock as peer" in text
    done = run_ferry("status", "--json", "-s", f"unix:{runtime_dir}/c.sock")
    report = json.loads(done.stdout)
    assert report["process"]["filter"] and report["process"]["no_new_privs"]
    assert report["process"]["dialler"] == dialler
    assert report["routes"][0]["as"] == "peer"


def test_without_a_sandbox_nothing_is_given_up(relay, run_ferry, target, runtime_dir):
    process, _ = relay(
        f"unix:{runtime_dir}/target.sock", "--sandbox=no", f"--control=unix:{runtime_dir}/c.sock"
    )
    before = status_of(os.getpid())
    facts = status_of(process.pid)
    for key in ("NoNewPrivs", "Seccomp", "CapEff"):
        assert facts[key] == before[key]
    text = run_ferry("status", "-s", f"unix:{runtime_dir}/c.sock").stdout
    assert "may gain privileges, all system calls (sandbox = no)" in text


def configuration(runtime_dir, head, *routes):
    text = head + "[route control]\nlisten = unix:control.sock,mode=0666\nallow = any\nto = control\n"
    (runtime_dir / "f.conf").write_text(text + "\n".join(routes))


@pytest.fixture
def dropped(start_ferry, runtime_dir):
    """A ferry that was root and is the user mail now."""
    configuration(runtime_dir, "[ferry]\nuser = mail\n", "[route e]\nlisten = unix:e.sock\nto = echo\n")
    process = start_ferry("up", "-c", "f.conf")
    process.wait_for("started  e")
    wait_until(lambda: status_of(process.pid)["Uid"] == ["8"] * 4)
    return process


def test_the_process_becomes_the_user_for_good(dropped, run_ferry):
    facts = status_of(dropped.pid)
    assert facts["Uid"] == facts["Gid"] == ["8"] * 4
    assert facts["Groups"] == ["8"]
    assert [facts[key] for key in ("CapInh", "CapPrm", "CapEff", "CapAmb")] == [["0" * 16]] * 4
    assert facts["NoNewPrivs"] == ["1"]
    assert run_ferry("connect", "unix:e.sock", input="x").stdout == "x"
    text = run_ferry("status", "-s", "control.sock").stdout
    assert "runs as mail (uid 8, gid 8), no new privileges" in text
    assert dropped.stop() == 0


@pytest.mark.parametrize(
    "head, route, reason",
    [
        ("[ferry]\nuser = mail\n", "[route n]\nlisten = unix:n.sock\nto = echo\n",
         "ferry runs as uid 8 now ([ferry] user): restart it"),
        ("[ferry]\nuser = mail\n", "[route n]\nlisten = unix:n.sock\nto = unix:t\nuser = peer\n",
         "user =: no dialler was started before privileges were given up; restart ferry"),
        ("[ferry]\nuser = mail\n", "[route n]\nlisten = unix:n.sock\nto = exec:id\n",
         "exec:: no route ran a command when the sandbox was entered, so none can be run; restart"),
        ("", "", "[ferry] user: a process that runs already cannot become another user; restart"),
        ("[ferry]\nuser = news\n", "", "[ferry] user: a process that runs already cannot become"),
        ("[ferry]\nuser = mail\nsandbox = no\n", "", "[ferry] sandbox: it cannot be left; restart"),
    ],
)  # fmt: skip
def test_what_was_given_up_a_reload_cannot_have(
    dropped, run_ferry, runtime_dir, head, route, reason
):
    configuration(runtime_dir, head, "[route e]\nlisten = unix:e.sock\nto = echo\n", route)
    done = run_ferry("reload", "-s", "control.sock")
    assert done.returncode == 1 and reason in done.stderr, done.stderr
    assert run_ferry("connect", "unix:e.sock", input="x").stdout == "x", "nothing changed"


def test_a_dropped_ferry_dials_as_anybody_by_its_dialler(start_ferry, run_ferry, runtime_dir):
    configuration(
        runtime_dir,
        "[ferry]\nuser = mail\n",
        "[route i]\nlisten = unix:i.sock,mode=0666\nallow = any\nto = exec:id\nuser = peer\n",
    )
    process = start_ferry("up", "-c", "f.conf")
    process.wait_for("started  i")
    done = run_ferry("connect", "unix:i.sock", **AS_ALICE)
    assert done.stdout == f"uid={ALICE} gid={ALICE} groups={ALICE},{CREW},{GUILD}\n"
    assert status_of(process.pid)["Uid"] == ["8"] * 4
    assert status_of(dialler_of(process))["Uid"] == ["0"] * 4
    assert process.stop() == 0


@pytest.mark.parametrize("scheme", ["unix", "unix-dgram"])
def test_an_abstract_name_stays_whose_it_was(start_ferry, run_ferry, runtime_dir, scheme):
    """It was root's when it was made, and a reload makes it no other user's."""
    text = f"[route a]\nlisten = {scheme}:@{runtime_dir}/a\nto = echo\nidle = {{}}\n"
    configuration(runtime_dir, "[ferry]\nuser = mail\n", text.format("20s"))
    process = start_ferry("up", "-c", "f.conf")
    process.wait_for("started  a")
    configuration(runtime_dir, "[ferry]\nuser = mail\n", text.format("30s"))
    assert "1 changed" in run_ferry("reload", "-s", "control.sock").stdout
    report = json.loads(run_ferry("status", "--json", "-s", "control.sock").stdout)
    [route] = [route for route in report["routes"] if route["name"] == "a"]
    assert [rule["rule"].split(" (")[0] for rule in route["rules"]] == ["allow uid:0"]
    assert process.stop() == 0


def test_an_open_reload_starts_the_dialler(start_ferry, run_ferry, runtime_dir):
    """While nothing was given up, the first route that needs it brings it."""
    configuration(runtime_dir, "[ferry]\nsandbox = no\n")
    process = start_ferry("up", "-c", "f.conf")
    process.wait_for("started  control")
    assert children_of(process.pid) == []
    configuration(
        runtime_dir,
        "[ferry]\nsandbox = no\n",
        "[route i]\nlisten = unix:i.sock,mode=0666\nallow = any\nto = exec:id\nuser = peer\n",
    )
    assert run_ferry("reload", "-s", "control.sock").returncode == 0
    first = dialler_of(process)
    assert run_ferry("connect", "unix:i.sock", **AS_BOB).stdout.startswith(f"uid={BOB} ")
    os.kill(first, signal.SIGKILL)
    process.wait_for("trouble  the dialler has ended")
    assert run_ferry("reload", "-s", "control.sock").returncode == 0
    assert dialler_of(process) != first
    assert run_ferry("connect", "unix:i.sock", **AS_BOB).stdout.startswith(f"uid={BOB} ")
