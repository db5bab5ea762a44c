"""Who may: rules of every kind, in every place where they can stand, asked by four users that the
kernel knows."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from support import listens, wait_until

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become other users")


@root_only
def test_a_listener_at_standard_input_admits_its_own_user_only(start_ferry):
    """Everybody could connect to an abstract name, whatever the descriptor is called."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("")  # the kernel chooses a name
        listener.listen(5)
        name = listener.getsockname()
        relay = start_ferry("relay", "-", "echo", stdin=listener)
        relay.wait_for("started")
    code = (
        "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(bytes.fromhex(sys.argv[1]));"
        "s.sendall(b'x'); sys.exit(s.recv(1) != b'x')"
    )
    words = [sys.executable, "-c", code, name.hex()]
    assert subprocess.run(words, user=4001, group=4001, stderr=subprocess.DEVNULL).returncode != 0
    relay.wait_for("refused")
    assert subprocess.run(words).returncode == 0


# --- four users ------------------------------------------------------------------------------------


class Account:
    """A user of the machine with a main group of its own name, and a home that is nowhere."""

    def __init__(self, name):
        self.name = name
        subprocess.run(["useradd", "-M", "-N", "-g", "nogroup", name], check=True)
        self.uid = int(subprocess.check_output(["id", "-u", name]))
        self.gid = int(subprocess.check_output(["id", "-g", name]))

    def groups(self):
        return [int(gid) for gid in subprocess.check_output(["id", "-G", self.name]).split()]


@pytest.fixture(scope="module")
def crew():
    """A group, its members alice and bob, and carol and dave who are not."""
    if os.geteuid() != 0:
        pytest.skip("needs root to make users")
    if not shutil.which("useradd"):
        pytest.skip("needs useradd(8)")
    prefix = f"fy{os.getpid()}"
    group = f"{prefix}crew"
    made = []
    try:
        subprocess.run(["groupadd", group], check=True)
        people = {}
        for name in ("alice", "bob", "carol", "dave"):
            made.append(prefix + name)
            people[name] = Account(prefix + name)
        for name in ("alice", "bob"):
            subprocess.run(["gpasswd", "-a", people[name].name, group], check=True, capture_output=True)
        people["group"] = group
        people["gid"] = int(subprocess.check_output(["getent", "group", group]).split(b":")[2])
        yield people
    finally:
        for name in made:
            subprocess.run(["userdel", name], capture_output=True)
        subprocess.run(["groupdel", group], capture_output=True)


ASK = """
import os, socket, sys
path, uid, gid, groups = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
os.setgroups([int(group) for group in groups.split(",") if group])
os.setgid(gid)
os.setuid(uid)
if len(sys.argv) > 5:
    print("ready", flush=True)
    sys.stdin.readline()
client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
client.settimeout(10)
try:
    client.connect(path)
    client.sendall(b"hello")
    print(client.recv(100).decode() or "refused")
except PermissionError:
    print("kernel")
except (ConnectionResetError, BrokenPipeError):
    print("refused")
"""


def arguments(path, who):
    return ["-c", ASK, str(path), str(who.uid), str(who.gid), ",".join(map(str, who.groups()))]


def ask(path, who, program=sys.executable):
    """What a user gets at a socket: "hello", "refused", or "kernel" that did not let it in."""
    done = subprocess.run(
        [program, *arguments(path, who)], capture_output=True, text=True, timeout=20
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def answers(path, crew):
    return {name: ask(path, crew[name]) for name in ("alice", "bob", "carol", "dave")}


@pytest.fixture
def echo(start_ferry, runtime_dir):
    """echo(rules in the address, options...) serves echo at e.sock, which the kernel opens to
    all."""
    os.chmod(runtime_dir, 0o755)

    def run(rules, *options):
        process = start_ferry(
            "relay", f"unix:{runtime_dir}/e.sock,mode=0666{rules}", "echo", *options
        )
        path = runtime_dir / "e.sock"
        wait_until(lambda: listens(path))
        return process, path

    return run


def event_of(process, kind, route="relay"):
    return next(line for line in process.stderr().splitlines() if f" {kind} {route}" in line)


# --- rules in addresses, on the command line, in the configuration ---------------------------------


def test_names_of_users_and_groups(echo, crew):
    _, path = echo(
        "", "--deny", f"user:{crew['bob'].name}", "--allow",
        f"group:{crew['group']} user:{crew['carol'].name}",
    )
    assert answers(path, crew) == {
        "alice": "hello", "bob": "refused", "carol": "hello", "dave": "refused",
    }


def test_rules_in_an_address_deny_first(echo, crew):
    """Whatever the order in which they are written."""
    process, path = echo(f",allow=any,deny=uid:{crew['dave'].uid} group:{crew['group']}")
    assert answers(path, crew) == {
        "alice": "refused", "bob": "refused", "carol": "hello", "dave": "refused",
    }
    assert f"by rule 1: deny uid:{crew['dave'].uid}" in process.stderr()
    assert f"by rule 2: deny group:{crew['group']}" in process.stderr()


def test_rules_of_a_configuration_stand_in_their_order(start_ferry, runtime_dir, crew):
    os.chmod(runtime_dir, 0o755)
    path = runtime_dir / "e.sock"
    conf = runtime_dir / "f.conf"
    conf.write_text(
        f"[route e]\nlisten = unix:{path},mode=0666\nto = echo\n"
        f"allow = uid:{crew['bob'].uid}\ndeny = gid:{crew['gid']}\nallow = any\n"
    )
    start_ferry("up", "-c", conf, env={"RUNTIME_DIRECTORY": str(runtime_dir)}).wait_for("started  e")
    assert answers(path, crew) == {
        "alice": "refused", "bob": "hello", "carol": "hello", "dave": "hello",
    }


def test_rules_in_two_places_are_an_error(run_ferry, runtime_dir):
    both = "it says with allow= or deny= who may, and so does --allow or --deny; keep one of them"
    address = f"unix:{runtime_dir}/e.sock,allow=any"
    for words in (("relay", address, "echo"), ("take", address)):
        done = run_ferry(*words[:1], "--deny", "uid:7", *words[1:])
        assert done.returncode == 1 and both in done.stderr, done.stderr
    conf = runtime_dir / "f.conf"
    conf.write_text("[route e]\ndeny = uid:7\nlisten = unix:e.sock,allow=any\nto = echo\n")
    done = run_ferry("check", "-c", conf)
    assert done.returncode == 1
    assert "f.conf:2:8: deny: line 3 says with allow= or deny= in the address who may" in done.stderr


def test_take_goes_by_the_rules_of_its_address(start_ferry, run_ferry, runtime_dir):
    path = runtime_dir / "t.sock"
    process = start_ferry("take", "--timeout", "10s", f"unix:{path},deny=any")
    wait_until(lambda: listens(path))
    run_ferry("pass", f"unix:{path}", "/dev/null")
    process.wait_for("is refused: deny any")


def test_changed_rules_of_an_address_keep_its_socket(start_ferry, run_ferry, runtime_dir):
    """Other rules make it no other place: nobody is turned away while they change."""
    conf, path = runtime_dir / "f.conf", runtime_dir / "e.sock"

    def write(rules):
        conf.write_text(
            f"[route e]\nlisten = unix:{path},{rules}\nto = echo\n"
            f"[route c]\nlisten = unix:{runtime_dir}/c.sock\nto = control\n"
        )

    write("allow=any")
    start_ferry("up", "-c", conf).wait_for("started  c")
    inode = path.stat().st_ino
    assert run_ferry("connect", f"unix:{path}", input="yes").stdout == "yes"
    write(f"deny=uid:{os.geteuid()},allow=any")
    assert "1 changed" in run_ferry("reload", "-s", runtime_dir / "c.sock").stdout
    assert path.stat().st_ino == inode
    assert run_ferry("connect", f"unix:{path}", input="no").stdout == ""


MISTAKES = [
    ("uid:x", "uid:x: expected a number after uid:"),
    ("user:no-such-user-here", "there is no such user"),
    ("group:no-such-group-here", "there is no such group"),
    ("exe:bin/true", "expected the absolute path of a program after exe:"),
    ("exe:/no/such/program", "No such file or directory; name an installed program"),
    ("exe:/tmp", "is no program's file"),
    ("unit:", "expected the name of a systemd unit"),
    ("peer:10.0.0.0/8", "who comes there comes by no network; all but peer: can be decided here"),
    ("everyone", "expected uid:NUMBER, user:NAME, gid:NUMBER, group:NAME, exe:PATH, unit:NAME,"),
]


@pytest.mark.parametrize("subject, said", MISTAKES, ids=[subject for subject, _ in MISTAKES])
def test_mistakes_are_told(run_ferry, runtime_dir, subject, said):
    path = runtime_dir / "e.sock"
    for words in ((f"unix:{path},allow={subject}",), (f"unix:{path}", "--allow", subject)):
        done = run_ferry("relay", words[0], "echo", *words[1:])
        assert done.returncode == 1 and said in done.stderr, done.stderr
        assert not path.exists()


def test_only_hosts_can_be_told_apart_on_a_port(run_ferry):
    done = run_ferry("relay", "tcp:0", "echo", "--allow", "uid:0")
    assert done.returncode == 1
    assert "nobody vouches for who comes there; only peer:HOST[/BITS] and any" in done.stderr
    done = run_ferry("relay", "tcp:0", "echo", "--allow", "peer:10.1.2.3/8")
    assert "bits are set beyond the first 8; say peer:10.0.0.0/8" in done.stderr
    done = run_ferry("connect", "unix:/nowhere,allow=any")
    assert "dialling cannot use allow, which is for listening" in done.stderr


# --- what it is ------------------------------------------------------------------------------------


@pytest.fixture
def program(runtime_dir):
    """A copy of the interpreter: a program of its own."""
    os.chmod(runtime_dir, 0o755)
    path = runtime_dir / "client"
    shutil.copy(os.path.realpath(sys.executable), path)
    return path


@root_only
def test_a_program_is_admitted_by_its_file(echo, program, crew):
    process, path = echo(f",allow=exe:{program}")
    assert ask(path, crew["carol"], program) == "hello"
    assert ask(path, crew["carol"]) == "refused"
    assert "running " + os.path.realpath(sys.executable) in event_of(process, "refused ")


@root_only
def test_a_program_that_is_replaced_under_its_peer_is_refused(start, echo, program, crew):
    """It goes on to run the old file, whose path now leads to the new one."""
    process, path = echo(f",allow=exe:{program} any")
    client = start(program, *arguments(path, crew["carol"]), "wait", stdin=subprocess.PIPE)
    client.wait_for("ready")
    other = program.with_name("other")
    shutil.copy("/bin/true", other)
    os.rename(other, program)
    client.stdin.write(b"\n")
    client.stdin.flush()
    client.wait_for("refused")
    process.wait_for(f"rule 1: allow exe:{program}, but another file stands there now")


@root_only
def test_a_unit_is_that_of_its_control_group(start, echo, crew):
    """The outermost one: those below it are the unit's own to name."""
    tops = [Path("/sys/fs/cgroup/systemd"), Path("/sys/fs/cgroup")]
    top = next((top for top in tops if (top / "cgroup.procs").exists()), None)
    name = f"ferry-test-{os.getpid()}.service"
    try:
        folder = top / "ferry.slice" / name / "nginx.service"
        folder.mkdir(parents=True)
    except (OSError, TypeError) as error:
        pytest.skip(f"no control group can be made: {error}")
    try:
        process, path = echo(f",deny=unit:nginx,allow=unit:{name}")
        client = start(sys.executable, *arguments(path, crew["dave"]), "wait", stdin=subprocess.PIPE)
        client.wait_for("ready")
        (folder / "cgroup.procs").write_text(str(client.pid))
        client.stdin.write(b"\n")
        client.stdin.flush()
        client.wait_for("hello")
        assert client.wait() == 0
        assert ask(path, crew["dave"]) == "refused"
        process.wait_for("refused")
    finally:
        for part in (folder, folder.parent, folder.parent.parent):
            part.rmdir()


# --- where it comes from ---------------------------------------------------------------------------


def port_of(process):
    process.wait_for("started")
    line = event_of(process, "started ")
    return int(line.split(" -> ")[0].rsplit(":", 1)[1])


def exchange(host, port, source):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as client:
        client.settimeout(10)
        client.bind((source, 0))
        client.connect((host, port))
        try:
            client.sendall(b"hello")
            return client.recv(100).decode() or "refused"
        except (ConnectionResetError, BrokenPipeError):
            return "refused"


def test_peers_by_host(start_ferry):
    process = start_ferry("relay", "tcp:0,deny=peer:127.0.0.2,allow=peer:127.0.0.0/30", "echo")
    port = port_of(process)
    assert exchange("127.0.0.1", port, "127.0.0.1") == "hello"
    assert exchange("127.0.0.1", port, "127.0.0.2") == "refused"
    assert exchange("127.0.0.1", port, "127.0.0.3") == "hello"
    assert exchange("127.0.0.1", port, "127.0.0.4") == "refused"
    process.wait_for("at tcp:127.0.0.4")
    assert "by rule 1: deny peer:127.0.0.2" in process.stderr()


def test_an_ipv4_peer_of_a_socket_for_both_is_one(start_ferry):
    """There it is ::ffff:127.0.0.1 to the kernel."""
    process = start_ferry("relay", "tcp:*:0", "echo", "--deny", "peer:::/0", "--allow", "peer:127.0.0.1")
    port = port_of(process)
    assert exchange("127.0.0.1", port, "127.0.0.1") == "hello"
    assert exchange("127.0.0.1", port, "127.0.0.2") == "refused"
    try:
        got = exchange("::1", port, "::1")
    except OSError:
        return  # no IPv6 on this machine
    assert got == "refused"


def test_datagrams_by_host(start_ferry):
    process = start_ferry("relay", "udp:0,allow=peer:127.0.0.1", "echo")
    port = port_of(process)
    got = {}
    for source in ("127.0.0.2", "127.0.0.1"):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.bind((source, 0))
            client.settimeout(5 if source == "127.0.0.1" else 0.3)
            client.sendto(b"hello", ("127.0.0.1", port))
            try:
                got[source] = client.recv(100)
            except TimeoutError:
                got[source] = None
    assert got == {"127.0.0.1": b"hello", "127.0.0.2": None}
    process.wait_for("at udp:127.0.0.2")


# --- datagrams -------------------------------------------------------------------------------------


TELL = """
import os, socket, sys
os.setgid(int(sys.argv[2]))
os.setuid(int(sys.argv[2]))
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(sys.argv[3].encode(), sys.argv[1])
if len(sys.argv) > 4:
    sys.stdin.readline()
"""


@root_only
def test_a_message_is_judged_by_its_senders_program(start, start_ferry, runtime_dir, program):
    if [int(part) for part in re.findall(r"\d+", os.uname().release)[:2]] < [6, 5]:
        pytest.skip("SCM_PIDFD needs Linux 6.5")
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.bind(str(runtime_dir / "target.sock"))
    receiver.settimeout(5)
    path = runtime_dir / "d.sock"
    process = start_ferry(
        "relay", f"unix-dgram:{path},mode=0666,allow=exe:{program}", f"unix-dgram:{runtime_dir}/target.sock"
    )
    process.wait_for("started")
    assert "trouble" not in process.stderr()
    # They stay until they were judged: of who has gone nothing can be told.
    first = start(sys.executable, "-c", TELL, path, "4001", "other", "stay", stdin=subprocess.PIPE)
    process.wait_for("refused")
    second = start(program, "-c", TELL, path, "4001", "right", "stay", stdin=subprocess.PIPE)
    assert receiver.recv(100) == b"right", "and nothing of the other's before"
    for client in (first, second):
        client.stdin.close()
    receiver.close()


def test_what_a_message_cannot_tell_is_said_at_start(start_ferry, run_ferry, runtime_dir):
    conf = runtime_dir / "f.conf"
    conf.write_text(
        f"[route d]\nlisten = unix-dgram:{runtime_dir}/d.sock\nto = file:{runtime_dir}/out,append,frame=lf\n"
        "allow = gid:7 uid:8 gid:9 gid:10 gid:11\n"
    )
    said = (
        "a message tells its sender's main group and no other: rule 1 (allow gid:7), "
        "rule 3 (allow gid:9), rule 4 (allow gid:10) and 1 more refuses whose main group is another"
    )
    assert f"d: {said}" in run_ferry("check", "-c", conf).stdout
    process = start_ferry("up", "-c", conf, env={"RUNTIME_DIRECTORY": str(runtime_dir)})
    process.wait_for("trouble")
    assert said in event_of(process, "trouble ", "d")


@root_only
def test_whose_programs_cannot_be_seen_is_said_at_start(start, ferry, runtime_dir):
    os.chown(runtime_dir, 4001, 4001)
    shutil.copy(ferry, runtime_dir / "ferry")
    process = start(
        "setpriv", "--reuid=4001", "--regid=4001", "--clear-groups", runtime_dir / "ferry", "relay",
        f"unix:{runtime_dir}/e.sock", "echo", "--allow", "exe:/bin/true",
    )
    process.wait_for("trouble")
    assert "without root (CAP_SYS_PTRACE) only our own user's programs can be told: rule 1" in (
        event_of(process, "trouble ")
    )


# --- dry runs --------------------------------------------------------------------------------------


def status_of(run_ferry, path):
    report = json.loads(run_ferry("status", "--json", "-s", path).stdout)
    return {route["name"]: route for route in report["routes"]}


def test_a_dry_run_admits_and_tells(start_ferry, run_ferry, runtime_dir):
    control = f"unix:{runtime_dir}/c.sock"
    process = start_ferry(
        "relay", "--dry-run", f"unix:{runtime_dir}/e.sock", "echo", "--control", control,
        "--deny", f"uid:{os.geteuid()}",
    )
    process.wait_for("started  control")
    assert "dry run: everybody is admitted" in event_of(process, "started ")
    assert run_ferry("connect", f"unix:{runtime_dir}/e.sock", input="hello").stdout == "hello"
    process.wait_for("closed   relay")
    assert f"by rule 1: deny uid:{os.geteuid()};" in event_of(process, "would-refuse")
    assert "by dry run, rule 1: deny" in event_of(process, "closed  ")
    routes = status_of(run_ferry, control)
    relay = routes["relay"]
    assert relay["dry_run"] and not routes["control"]["dry_run"]
    assert (relay["admitted"], relay["refused"], relay["would_refuse"]) == (1, 0, 1)
    assert relay["rules"] == [{"rule": f"deny uid:{os.geteuid()}", "hits": 1, "refused": 1}]
    shown = run_ferry("status", "-s", control).stdout
    assert f"relay (dry run)     1  deny uid:{os.geteuid()}" in shown


def test_a_dry_run_of_a_configuration_leaves_control_guarded(start_ferry, run_ferry, runtime_dir):
    conf = runtime_dir / "f.conf"
    text = (
        f"[route a]\nlisten = unix:{runtime_dir}/a.sock\ndeny = any\nto = echo\n"
        f"[route b]\nlisten = unix:{runtime_dir}/b.sock\ndeny = any\nto = echo\ndry-run = yes\n"
        f"[route c]\nlisten = unix:{runtime_dir}/c.sock\ndeny = any\nto = control\n"
    )
    conf.write_text(text)

    def answers_of(process):
        process.wait_for("started  c")
        got = [
            run_ferry("connect", f"unix:{runtime_dir}/{name}.sock", input="x\n").stdout != ""
            for name in "abc"
        ]
        process.stop()
        return got

    assert answers_of(start_ferry("up", "-c", conf)) == [False, True, False]
    assert answers_of(start_ferry("up", "--dry-run", "-c", conf)) == [True, True, False]
    conf.write_text(text.replace("= yes", "= maybe"))
    assert 'f.conf:9:11: dry-run: "maybe" is neither yes nor no' in run_ferry("check", "-c", conf).stderr


def test_status_counts_what_each_rule_refused(start_ferry, run_ferry, runtime_dir):
    control = f"unix:{runtime_dir}/c.sock"
    process = start_ferry(
        "relay", "tcp:0", "echo", "--control", control,
        "--deny", "peer:127.0.0.2", "--allow", "peer:127.0.0.1",
    )
    port = port_of(process)
    for source, times in (("127.0.0.1", 3), ("127.0.0.2", 2), ("127.0.0.3", 1)):
        for _ in range(times):
            exchange("127.0.0.1", port, source)
    relay = status_of(run_ferry, control)["relay"]
    assert relay["rules"] == [
        {"rule": "deny peer:127.0.0.2", "hits": 2, "refused": 2},
        {"rule": "allow peer:127.0.0.1", "hits": 3, "refused": 0},
    ]
    assert (relay["admitted"], relay["refused"], relay["unmatched"]) == (3, 3, 1)
    assert "none matched" in run_ferry("status", "-s", control).stdout


# --- check --as ------------------------------------------------------------------------------------


@pytest.fixture
def routes(runtime_dir):
    conf = runtime_dir / "f.conf"
    conf.write_text(
        "[route web]\nlisten = unix:w.sock,mode=0660,owner=1,group=2\nto = echo\n"
        "[route db]\nlisten = unix:d.sock\ndeny = gid:50\nallow = exe:/bin/sh unit:nginx\nto = echo\n"
        "[route net]\nlisten = tcp:0,allow=peer:10.0.0.0/8\nto = echo\n"
        "[route log]\nlisten = unix-dgram:l.sock\nallow = gid:50\nto = echo\n"
    )
    return conf


PEOPLE = [
    ("uid:0", "web", 0, "admitted web: rule 1: allow uid:0 (root passes any mode)"),
    ("uid:1", "web", 0, "admitted web: rule 2: allow uid:1 (mode=0660)"),
    ("uid:3,gid:4,gid:2", "web", 0, "admitted web: rule 3: allow gid:2 (mode=0660)"),
    ("uid:3 gid:4", "web", 1, "refused  web: rule 4: deny any (mode=0660)"),
    ("uid:3", "web", 1, "refused  web: rule 3: allow gid:2 (mode=0660), but its groups are unknown"),
    ("peer:10.0.0.1", "web", 1, "refused  web: rule 1: allow uid:0 (root passes any mode), but nobody vouches"),
    ("gid:4,exe:/bin/sh", "db", 0, "admitted db: rule 2: allow exe:/bin/sh"),
    ("gid:50,exe:/bin/sh", "db", 1, "refused  db: rule 1: deny gid:50"),
    ("gid:4,exe:/bin/true,unit:nginx", "db", 0, "admitted db: rule 3: allow unit:nginx"),
    ("gid:4,exe:/bin/true", "db", 1, "refused  db: rule 3: allow unit:nginx, but its unit is unknown"),
    ("gid:4,exe:/bin/true,unit:apache2", "db", 1, "refused  db: no rule admits it"),
    ("peer:10.9.9.9", "net", 0, "admitted net: rule 1: allow peer:10.0.0.0/8"),
    ("peer:2001:db8::1", "net", 1, "refused  net: no rule admits it"),
    ("gid:50", "log", 0, "admitted log: rule 1: allow gid:50"),
    ("gid:4,gid:50", "log", 1, "refused  log: rule 1: allow gid:50, but its groups are unknown"),
]


@pytest.mark.parametrize("who, route, status, said", PEOPLE, ids=[f"{p[0]}-{p[1]}" for p in PEOPLE])
def test_check_as_answers_before_anything_runs(run_ferry, routes, who, route, status, said):
    done = run_ferry("check", "--as", who, "-c", routes, route)
    assert (done.returncode, done.stderr) == (status, "")
    assert done.stdout.startswith(said) and done.stdout.count("\n") == 1, done.stdout


SAY_TOO = [
    ("gid:1", "allow=uid:1", "nobody vouches for its uid; say uid:N or user:NAME too"),
    ("uid:3", "allow=gid:2", "its groups are unknown; say group:NAME or user:NAME too"),
    ("uid:3", "allow=exe:/bin/sh", "its executable is unknown; say exe:PATH too"),
    ("uid:3", "allow=unit:nginx", "its unit is unknown; say unit:NAME too"),
]


@pytest.mark.parametrize("who, rule, said", SAY_TOO, ids=[row[1] for row in SAY_TOO])
def test_check_as_says_what_else_to_say(run_ferry, who, rule, said):
    done = run_ferry("check", "--as", who, f"unix:/x,{rule}")
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.endswith(f", but {said}\n")


def test_check_as_asks_for_no_groups_that_a_message_cannot_tell(run_ferry):
    done = run_ferry("check", "--as", "uid:3,gid:4", "unix-dgram:/x,allow=gid:2")
    assert done.returncode == 1 and done.stdout.endswith(", but its groups are unknown\n")


def test_check_as_asks_every_route_or_address(run_ferry, routes):
    done = run_ferry("check", "--as", "uid:0,gid:0", "-c", routes)
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == [
        "admitted web", "refused  db", "refused  net", "refused  log",
    ]
    done = run_ferry("check", "--as", "uid:7", "unix:/x,deny=uid:7,allow=any", "unix:/x,allow=uid:7")
    assert done.returncode == 1
    assert done.stdout == (
        "refused  unix:/x,deny=uid:7,allow=any: rule 1: deny uid:7\n"
        "admitted unix:/x,allow=uid:7: rule 1: allow uid:7\n"
    )


def test_check_as_knows_a_users_groups(run_ferry, crew):
    address = f"unix:/x,allow=group:{crew['group']}"
    alice, carol = (f"user:{crew[name].name}" for name in ("alice", "carol"))
    assert run_ferry("check", "--as", alice, address).returncode == 0
    assert run_ferry("check", "--as", carol, address).returncode == 1
    assert run_ferry("check", "--as", f"{alice},gid:7", address).returncode == 1
    assert run_ferry("check", "--as", f"{carol},group:{crew['group']}", address).returncode == 0


@pytest.mark.parametrize(
    "who, said",
    [
        ("", "names nobody; say who, as uid:1000,group:dev"),
        ("any", "any: is nobody"),
        ("uid:1,user:root", "user:root: was said already"),
        ("user:no-such-user-here", "there is no such user; see getent passwd, or say uid:NUMBER"),
        ("group:no-such-group", "there is no such group; see getent group, or say gid:NUMBER"),
        ("peer:10.0.0.0/8", "a peer is one host"),
        ("pid:7", "pid:7: expected uid:NUMBER"),
    ],
)
def test_check_as_nobody_is_a_mistake(run_ferry, who, said):
    done = run_ferry("check", "--as", who, "unix:/x")
    assert done.returncode == 2 and said in done.stderr


def test_check_as_of_a_route_that_is_not_there(run_ferry, routes):
    done = run_ferry("check", "--as", "uid:0", "-c", routes, "webb")
    assert done.returncode == 1 and "webb: no route has this name" in done.stderr


# --- what it costs ---------------------------------------------------------------------------------


@pytest.fixture
def traced(start, runtime_dir):
    """traced(process, work) runs work() under strace; returns the system calls, one line each."""
    if not shutil.which("strace"):
        pytest.skip("needs strace(1)")

    def run(process, work):
        trace = runtime_dir / "trace"
        tracer = start("strace", "-qq", "-o", trace, "-p", str(process.pid))
        wait_until(lambda: "TracerPid:\t0\n" not in Path(f"/proc/{process.pid}/status").read_text())
        work()
        tracer.stop(signal.SIGINT)
        return trace.read_text().splitlines()

    return run


@pytest.mark.plain_build
def test_a_rule_that_is_not_reached_costs_no_system_call(start_ferry, run_ferry, runtime_dir, traced):
    path = runtime_dir / "e.sock"
    process = start_ferry(
        "relay", f"unix:{path}", "echo", "--allow", f"uid:{os.geteuid()} gid:7 exe:/bin/true unit:x"
    )
    process.wait_for("started")
    calls = traced(process, lambda: run_ferry("connect", f"unix:{path}", input="x"))
    assert any("SO_PEERCRED" in call for call in calls)
    for unasked in ("SO_PEERGROUPS", "SO_PEERPIDFD", "/proc/"):
        assert not [call for call in calls if unasked in call], unasked


REFUSED = """
import os, socket, sys
os.setgroups([])
os.setgid(4001)
os.setuid(4001)
for _ in sys.stdin:
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.connect(sys.argv[1])
    try:
        print("refused" if client.recv(10) == b"" else "served", flush=True)
    except ConnectionResetError:
        print("refused", flush=True)
"""

# Taking it, asking who it is (name, program and unit by /proc, each proved to be of the living),
# saying so, closing.
REFUSAL_CALLS = 38


@root_only
@pytest.mark.plain_build
def test_refusals_do_not_slow_who_was_admitted(start, echo, traced):
    """Each costs a bounded number of system calls, and none of them waits: a hundred of them in a
    second leave the loop to the others."""
    process, path = echo(",deny=uid:4001,allow=any", "-q")
    admitted = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    admitted.settimeout(10)
    admitted.connect(str(path))
    admitted.sendall(b"first")
    assert admitted.recv(10) == b"first"
    other = start(sys.executable, "-c", REFUSED, path, stdin=subprocess.PIPE)
    refusals = 100
    other.stdin.write(b"the first, for which the user's name is looked up\n")
    other.stdin.flush()
    other.wait_for("refused")

    def work():
        for number in range(refusals):
            other.stdin.write(b"next\n")
            other.stdin.flush()
            word = b"%05d" % number
            admitted.sendall(word)
            assert admitted.recv(10) == word, "while another is being refused"
        wait_until(lambda: other.stdout().count(b"refused") == refusals + 1)

    calls = traced(process, work)
    assert process.stderr().count("refused") == refusals + 1
    # An exchange of the admitted is at most 4: waiting, receiving, sending, receiving again.
    assert len(calls) <= refusals * (REFUSAL_CALLS + 4), len(calls)
    assert not [call for call in calls if "nanosleep" in call]
    admitted.close()
    other.stdin.close()
