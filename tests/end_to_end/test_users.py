"""Real processes under three uids, admitted and refused: by the socket's mode, by rules, by the
kernel first and by ferry where the kernel would let them pass."""

import os
import socket
import subprocess
import sys

import pytest

from support import listens, wait_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become other users")

ALICE, BOB, CAROL = 4001, 4002, 4003
CREW = 5000

ASK = """
import os, socket, sys
path, uid, gid, groups = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
os.setgroups([int(group) for group in groups.split(",") if group])
os.setgid(gid)
os.setuid(uid)
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


def ask(path, uid, gid=None, groups=()):
    done = subprocess.run(
        [sys.executable, "-c", ASK, str(path), str(uid), str(gid or uid), ",".join(map(str, groups))],
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def echo(start_ferry, runtime_dir):
    os.chmod(runtime_dir, 0o755)

    def run(address_options, *options):
        process = start_ferry("relay", f"unix:{runtime_dir}/e.sock{address_options}", "echo", *options)
        process.wait_for("started")
        return process, runtime_dir / "e.sock"

    return run


def test_mode_0600_admits_its_owner_only(echo):
    _, path = echo(f",owner={ALICE}")
    assert ask(path, ALICE) == "hello"
    assert ask(path, BOB) == "kernel"
    assert ask(path, CAROL, groups=[ALICE]) == "kernel"


def test_mode_0660_admits_the_group_by_any_membership(echo):
    _, path = echo(f",mode=0660,owner={ALICE},group={CREW}")
    assert ask(path, ALICE) == "hello"
    assert ask(path, BOB, gid=CREW) == "hello"
    assert ask(path, CAROL, groups=[77, CREW]) == "hello"
    assert ask(path, CAROL) == "kernel"


def test_a_socket_opened_to_all_by_chmod_still_refuses(echo):
    """The classic trap, chmod 666: the kernel admits everybody, the rule that the mode stands for
    does not."""
    process, path = echo(f",owner={ALICE}")
    os.chmod(path, 0o666)
    assert ask(path, BOB) == "refused"
    assert ask(path, ALICE) == "hello"
    process.wait_for("refused")
    line = next(line for line in process.stderr().splitlines() if "refused" in line)
    assert f"uid {BOB}" in line and "mode=0600" in line and "pid" in line


def test_rules_first_match_wins(echo):
    process, path = echo(
        ",mode=0666", "--deny", f"uid:{BOB}", "--allow", f"gid:{CREW}", "--allow", f"uid:{ALICE}"
    )
    assert ask(path, ALICE) == "hello"
    assert ask(path, BOB, groups=[CREW]) == "refused"
    assert ask(path, CAROL, groups=[CREW]) == "hello"
    assert ask(path, CAROL) == "refused"
    process.wait_for(f"deny uid:{BOB}")


def test_the_verdict_comes_before_any_byte(start_ferry, runtime_dir, echo):
    """A refused client's bytes never reach the target, however fast it writes."""
    os.chmod(runtime_dir, 0o755)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(str(runtime_dir / "target.sock"))
    server.listen()
    server.settimeout(0.5)
    process = start_ferry(
        "relay",
        f"unix:{runtime_dir}/r.sock,mode=0666",
        f"unix:{runtime_dir}/target.sock",
        "--allow",
        f"uid:{ALICE}",
    )
    process.wait_for("started")
    for _ in range(5):
        assert ask(runtime_dir / "r.sock", BOB) == "refused"
    with pytest.raises(TimeoutError):
        server.accept()
    client = subprocess.Popen(
        [sys.executable, "-c", ASK, str(runtime_dir / "r.sock"), str(ALICE), str(ALICE), ""],
        stdout=subprocess.PIPE,
    )
    arrived, _ = server.accept()
    arrived.sendall(arrived.recv(5).upper())
    assert client.communicate(timeout=10)[0] == b"HELLO\n"


def test_an_abstract_name_admits_its_own_user_only(start_ferry, runtime_dir):
    name = f"\0ferry-test-{os.getpid()}"
    process = start_ferry("relay", f"unix:@{name[1:]}", "echo")
    process.wait_for("started")
    script = ASK.replace("client.connect(path)", f"client.connect({name!r})")
    done = subprocess.run(
        [sys.executable, "-c", script, "-", str(BOB), str(BOB), ""], capture_output=True, text=True
    )
    assert done.stdout.strip() == "refused"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.connect(name)
        client.sendall(b"me")
        assert client.recv(10) == b"me"


def test_a_setgid_directory_gives_its_group(echo, runtime_dir):
    os.chown(runtime_dir, -1, CREW)
    os.chmod(runtime_dir, 0o2755)
    _, path = echo(f",mode=0660,owner={ALICE}")
    assert path.stat().st_gid == CREW
    assert ask(path, BOB, groups=[CREW]) == "hello"
    os.chmod(path, 0o666)
    assert ask(path, CAROL) == "refused"
    assert ask(path, CAROL, gid=os.getegid() or 77) == "refused"


HAND = """
import os, socket, sys
os.setgroups([int(sys.argv[3])])
os.setgid(int(sys.argv[2]))
os.setuid(int(sys.argv[2]))
client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
client.connect(sys.argv[1])
socket.send_fds(client, [b"null\\n"], [os.open("/dev/null", os.O_RDONLY)])
client.close()
"""


def test_take_admits_the_group_of_a_setgid_directory(start_ferry, runtime_dir):
    os.chown(runtime_dir, -1, CREW)
    os.chmod(runtime_dir, 0o2755)
    path = runtime_dir / "t.sock"
    process = start_ferry("take", "--timeout", "20s", f"unix:{path},mode=0660")
    wait_until(lambda: listens(path))
    subprocess.run([sys.executable, "-c", HAND, str(path), str(BOB), str(CREW)], timeout=20)
    assert process.wait() == 0, process.stderr()
    assert b"null" in process.stdout()


TELL = """
import os, socket, sys
path, uid, text, groups = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
os.setgroups([int(group) for group in groups.split(",") if group])
os.setgid(uid)
os.setuid(uid)
try:
    socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(text.encode(), path)
    print("sent")
except PermissionError:
    print("kernel")
"""


def tell(path, uid, text, groups=()):
    """Sends one datagram as somebody: "sent", or "kernel" that let nothing through."""
    done = subprocess.run(
        [sys.executable, "-c", TELL, str(path), str(uid), text, ",".join(map(str, groups))],
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def forward(start_ferry, runtime_dir):
    """forward(options) relays datagrams from d.sock; returns the process and who receives them."""
    os.chmod(runtime_dir, 0o755)
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.bind(str(runtime_dir / "target.sock"))
    receiver.settimeout(5)

    def run(options):
        process = start_ferry(
            "relay",
            f"unix-dgram:{runtime_dir}/d.sock{options}",
            f"unix-dgram:{runtime_dir}/target.sock",
        )
        process.wait_for("started")
        return process, receiver

    yield run
    receiver.close()


def test_datagrams_arrive_from_everybody_by_mode_0666(forward, runtime_dir):
    _, receiver = forward(",mode=0666")
    assert tell(runtime_dir / "d.sock", BOB, "from bob") == "sent"
    assert receiver.recv(100) == b"from bob"


def test_datagrams_arrive_from_a_group_by_mode_0660(forward, runtime_dir):
    _, receiver = forward(f",mode=0660,group={CREW}")
    assert tell(runtime_dir / "d.sock", CAROL, "from carol") == "kernel"
    assert tell(runtime_dir / "d.sock", BOB, "from bob", groups=[CREW]) == "sent"
    assert receiver.recv(100) == b"from bob"


def test_a_datagram_socket_opened_to_all_by_chmod_still_refuses(forward, runtime_dir):
    process, receiver = forward(f",owner={ALICE}")
    os.chmod(runtime_dir / "d.sock", 0o666)
    assert tell(runtime_dir / "d.sock", BOB, "from bob") == "sent"
    process.wait_for("refused")
    line = next(line for line in process.stderr().splitlines() if "refused" in line)
    assert f"uid {BOB}" in line and "deny any (mode=0600)" in line
    assert tell(runtime_dir / "d.sock", ALICE, "from alice") == "sent"
    assert receiver.recv(100) == b"from alice", "and nothing of bob's before"


def test_a_datagram_sender_is_judged_by_each_message(start_ferry, runtime_dir):
    os.chmod(runtime_dir, 0o755)
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.bind(str(runtime_dir / "target.sock"))
    receiver.settimeout(5)
    process = start_ferry(
        "relay",
        f"unix-dgram:{runtime_dir}/d.sock,mode=0666",
        f"unix-dgram:{runtime_dir}/target.sock",
        "--allow",
        f"uid:{ALICE}",
    )
    process.wait_for("started")
    for uid, text in ((BOB, "from bob"), (ALICE, "from alice"), (CAROL, "from carol")):
        assert tell(runtime_dir / "d.sock", uid, text) == "sent"
    assert receiver.recv(100) == b"from alice"
    process.wait_for(f"uid {CAROL}")
    receiver.settimeout(0.3)
    with pytest.raises(TimeoutError):
        receiver.recv(100)
