"""The table of unix sockets is right: what `ferry ls` says beside what the processes that opened
them say themselves, and beside ss(8), lsof(8) and /proc.

Where another tool is not followed, the test says why. Sockets of other programs may exist: only
what a test's own processes hold is asserted, or what lives in a network namespace of its own.
"""

import os
import signal
import subprocess

import pytest

from crossings import Table, owners, peers, proc_owners, ss_unix, tool
from machines import Machine
from support import wait_until

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

TYPES = {"u_str": "SOCK_STREAM", "u_dgr": "SOCK_DGRAM", "u_seq": "SOCK_SEQPACKET"}
CONNECTED = ["u_str", "u_seq"]

LISTEN = """
listener = socket.socket(socket.AF_UNIX, socket.{type})
listener.bind({name!r})
listener.listen(16)
"""
CONNECT = """
client = socket.socket(socket.AF_UNIX, socket.{type})
client.connect({name!r})
"""


def listen(actor, kind="u_str", name="s.sock"):
    actor.run(LISTEN.format(type=TYPES[kind], name=name))
    return actor.held("listener")


def connect(actor, kind="u_str", name="s.sock"):
    actor.run(CONNECT.format(type=TYPES[kind], name=name))
    return actor.held("client")


def accept(actor):
    actor.run("accepted, _ = listener.accept()")
    return actor.held("accepted")


@pytest.fixture
def pair(actor):
    """pair(kind, name) is (server, client, listening, calling, accepted): two processes and the
    three sockets of one connection."""

    def make(kind="u_str", name="s.sock"):
        server, client = actor(), actor()
        listening, calling = listen(server, kind, name), connect(client, kind, name)
        return server, client, listening, calling, accept(server)

    return make


# --- connections ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", CONNECTED)
def test_both_ends_of_a_connection(pair, ls, kind):
    server, client, listening, calling, accepted = pair(kind)
    table = ls("-x")
    assert table.row(listening)["kind"] == kind
    assert table.row(listening)["state"] == "LISTEN"
    assert table.row(listening)["local"] == "s.sock" == table.row(calling)["remote"]
    assert table.row(listening)["waiting"] == 0 and table.row(listening)["backlog"] == 16
    assert "peer" not in table.row(listening)
    for one, other in ((calling, accepted), (accepted, calling)):
        row = table.row(one)
        assert row["state"] == "ESTAB"
        assert owners(row) == {one.owner} == proc_owners(one.inode)
        assert row["peer"]["inode"] == other.inode
        assert peers(row) == {other.owner}
        # lsof and ss agree about the inodes; of the processes only lsof knows.
        assert ss_unix()[one.inode][3] == other.inode
    with open(f"/proc/{client.pid}/comm") as name:
        assert table.row(calling)["owners"][0]["command"] == name.read().rstrip("\n")


def test_lsof_names_the_same_processes(pair, ls):
    _, _, _, calling, accepted = pair()
    # "->INO=inode pid,command,fd" of the other end, which is what `+E` adds.
    said = tool("lsof", "-nP", "-U", "+E", "-a", "-p", f"{calling.pid}", "-F", "pfdin")
    assert f"->INO={accepted.inode} {accepted.pid}," in said
    assert peers(ls("-x").row(calling)) == {accepted.owner}


@pytest.mark.parametrize("kind", CONNECTED)
def test_a_client_that_waits_is_somebodys(actor, ls, kind):
    server, client = actor(), actor()
    listening, calling = listen(server, kind), connect(client, kind)
    table = ls("-x")
    row = table.row(calling)
    # ss knows no peer of it ("* 0"), and lsof neither: they do not ask for backlogs.
    assert ss_unix()[calling.inode][3] == 0
    assert row["state"] == "WAITING" and row["listener"] == listening.inode
    assert "peer_gone" not in row and "peer" not in row
    assert owners(row) == {calling.owner}
    assert table.row(listening)["waiting"] == 1
    assert table.clients(listening) == [calling.inode]
    accepted = accept(server)
    table = ls("-x")
    assert table.row(calling)["state"] == "ESTAB" and "listener" not in table.row(calling)
    assert peers(table.row(calling)) == {accepted.owner}
    assert table.clients(listening) == [] and table.row(listening)["waiting"] == 0


@pytest.mark.parametrize("kind", CONNECTED)
def test_what_was_sent_before_it_was_accepted(actor, ls, kind):
    server, client = actor(), actor()
    listen(server, kind)
    calling = connect(client, kind)
    client.run("client.send(b'x' * 3000)")
    waiting = ls("-x").row(calling)
    # What is sent is charged to its sender, in the kernel's units: more than the payload.
    assert waiting["state"] == "WAITING"
    assert waiting["send_queue"] == waiting["memory"]["send_used"] >= 3000
    accepted = accept(server)
    assert ls("-x").row(accepted)["receive_queue"] == 3000
    server.run("assert len(accepted.recv(4000)) == 3000")
    table = ls("-x")
    assert table.row(calling)["send_queue"] == 0 == table.row(accepted)["receive_queue"]


def test_those_that_wait_come_in_their_order(actor, ls):
    server, client = actor(), actor()
    listening = listen(server)
    client.run(
        "many = [socket.socket(socket.AF_UNIX) for _ in range(9)]\n"
        "for one in reversed(many): one.connect('s.sock')"
    )
    many = client.all_held("many")
    assert ls("-x").clients(listening) == [held.inode for held in reversed(many)]
    client.run("many[8].close()")
    # It is counted until it is accepted, and has no inode any more.
    table = ls("-x")
    assert table.row(listening)["waiting"] == 9
    assert table.clients(listening) == [held.inode for held in reversed(many[:8])]


def test_clients_of_a_listener_that_has_closed_wait_for_nobody(actor, ls):
    server, client = actor(), actor()
    listen(server)
    calling = connect(client)
    server.run("listener.close()")
    row = ls("-x").row(calling)
    assert row["state"] == "ESTAB" and row["peer_gone"] is True and "listener" not in row


def test_one_that_waits_and_has_shut_down_waits_still(actor, ls):
    server, client = actor(), actor()
    listening = listen(server)
    calling = connect(client)
    client.run("client.shutdown(socket.SHUT_RDWR)")
    row = ls("-x").row(calling)
    assert row["state"] == "WAITING" and row["listener"] == listening.inode
    assert "peer_gone" not in row and row["shutdown"] == ["receive", "send"]


@pytest.mark.parametrize("kind", CONNECTED)
@pytest.mark.parametrize(
    "how, here, there",
    [
        ("SHUT_WR", ["send"], ["receive"]),
        ("SHUT_RD", ["receive"], ["send"]),
        ("SHUT_RDWR", ["receive", "send"], ["receive", "send"]),
    ],
)
def test_half_closed(pair, ls, kind, how, here, there):
    _, client, _, calling, accepted = pair(kind)
    client.run(f"client.shutdown(socket.{how})")
    table = ls("-x")
    assert table.row(calling)["shutdown"] == here
    assert table.row(accepted)["shutdown"] == there
    for one, other in ((calling, accepted), (accepted, calling)):
        assert peers(table.row(one)) == {other.owner} and "peer_gone" not in table.row(one)


@pytest.mark.parametrize("kind", CONNECTED)
def test_a_peer_that_has_closed(pair, ls, kind):
    server, _, _, calling, _ = pair(kind)
    server.run("accepted.close()")
    row = ls("-x").row(calling)
    assert row["peer_gone"] is True and "peer" not in row
    assert row["state"] == "ESTAB" and row["shutdown"] == ["receive", "send"]
    assert owners(row) == {calling.owner}


def test_what_is_closed_is_no_row(pair, ls):
    server, client, listening, calling, accepted = pair()
    table = ls("-x")
    assert {held.inode for held in (listening, calling, accepted)} <= set(table.sockets)
    server.run("accepted.close(); listener.close()")
    client.kill()
    table = ls("-x")
    assert not {held.inode for held in (listening, calling, accepted)} & set(table.sockets)
    assert client.pid not in table.processes


# --- who holds it ----------------------------------------------------------------------------------


def test_every_process_and_descriptor_that_holds_it(actor, ls):
    one = actor()
    one.run(
        "a, b = socket.socketpair()\n"
        "copies = [os.dup(a.fileno()) for _ in range(3)]\n"
        "children = []\n"
        "for _ in range(2):\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        b.close()\n"
        "        signal.pause()\n"
        "    children.append(child)"
    )
    a, b, children = one.held("a"), one.held("b"), one.ask("children")
    held = {(pid, fd) for pid in (one.pid, *children) for fd in one.ask("[a.fileno(), *copies]")}
    try:
        wait_until(lambda: proc_owners(b.inode) == {b.owner})
        row = ls("-x").row(a)
        assert owners(row) == held == proc_owners(a.inode)
        assert peers(row) == {b.owner}
        assert peers(ls("-x").row(b)) == held
        # Whom the sockets belong to changes with each that ends.
        os.kill(children[0], signal.SIGKILL)
        one.run("os.waitpid(children[0], 0)")
        held = {owner for owner in held if owner[0] != children[0]}
        assert owners(ls("-x").row(a)) == held == proc_owners(a.inode)
    finally:
        os.kill(children[1], signal.SIGKILL)


PASS = "socket.send_fds({way}, [b'x'], [{what}])"
TAKE = "_, (taken, *_), _, _ = socket.recv_fds({way}, 10, 1)"


def test_a_socket_that_was_passed_on_is_the_new_owners(pair, ls):
    server, client, _, calling, accepted = pair()
    client.run("a, b = socket.socketpair(); " + PASS.format(way="client", what="a.fileno()"))
    a, b = client.held("a"), client.held("b")
    server.run(TAKE.format(way="accepted"))
    taken = server.held("taken")
    assert taken.inode == a.inode
    table = ls("-x")
    assert owners(table.row(a)) == {a.owner, taken.owner} == peers(table.row(b))
    client.run("a.close()")
    table = ls("-x")
    assert owners(table.row(a)) == {taken.owner} == peers(table.row(b)) == proc_owners(a.inode)


@pytest.mark.parametrize("kind", TYPES)
def test_a_socket_on_its_way_is_nobodys(actor, ls, kind):
    one = actor()
    one.run(
        f"way, other = socket.socketpair(socket.AF_UNIX, socket.{TYPES[kind]})\n"
        "a, b = socket.socketpair()"
    )
    a, b = one.held("a"), one.held("b")
    one.run(PASS.format(way="way", what="a.fileno()") + "; a.close()")
    table = ls("-x")
    assert owners(table.row(a)) == set() == proc_owners(a.inode)
    assert table.row(a)["peer"]["inode"] == b.inode and peers(table.row(a)) == {b.owner}
    # It lives, though nobody has it: its other end is not told that its peer has gone.
    assert table.row(b)["peer"] == {"inode": a.inode, "owners": []}
    assert "peer_gone" not in table.row(b)
    one.run(TAKE.format(way="other"))
    assert owners(ls("-x").row(a)) == {one.held("taken").owner}


@pytest.mark.parametrize("kind", TYPES)
def test_descriptors_on_their_way_are_counted_where_they_wait(actor, ls, kind):
    one = actor()
    one.run(f"way, other = socket.socketpair(socket.AF_UNIX, socket.{TYPES[kind]})")
    way, other = one.held("way"), one.held("other")
    assert "descriptors_in_flight" not in ls("-x").row(other)
    one.run(
        "socket.send_fds(way, [b'x'], [0, 1, 2])\n" + PASS.format(way="way", what="way.fileno()")
    )
    table = ls("-x")
    assert table.row(other)["descriptors_in_flight"] == 4
    assert "descriptors_in_flight" not in table.row(way)
    # The kernel's own count, which /proc has since Linux 5.11.
    with open(f"/proc/{one.pid}/fdinfo/{other.fd}") as file:
        assert "scm_fds: 4\n" in file.read().replace("\t", " ")
    one.run("for _ in range(2): socket.recv_fds(other, 1, 4)")
    assert "descriptors_in_flight" not in ls("-x").row(other)


def test_descriptors_on_their_way_before_accept_stand_at_the_listener(actor, ls):
    server, client = actor(), actor()
    listening = listen(server)
    connect(client)
    client.run("socket.send_fds(client, [b'x'], [0, 1])")
    assert ls("-x").row(listening)["descriptors_in_flight"] == 2
    accepted = accept(server)
    table = ls("-x")
    assert table.row(accepted)["descriptors_in_flight"] == 2
    assert "descriptors_in_flight" not in table.row(listening)


@pytest.mark.parametrize("payload", [b"x", b""])
def test_a_datagram_server_with_descriptors_from_a_stranger(actor, ls, payload):
    one = actor()
    one.run(
        "server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); server.bind('d.sock')\n"
        "stranger = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
        "rights = socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack('ii', 0, 1)\n"
        f"stranger.sendmsg([{payload!r}], [rights], 0, 'd.sock')"
    )
    assert ls("-x").row(one.held("server"))["descriptors_in_flight"] == 2


# --- datagrams and pairs ---------------------------------------------------------------------------


def test_a_datagram_server_and_its_clients(actor, ls):
    server, one, other = actor(), actor(), actor()
    server.run("s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind('d.sock')")
    one.run(
        "plain, auto, loose = (socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(3))\n"
        "auto.bind(''); auto.connect('d.sock'); plain.connect('d.sock')"
    )
    other.run(
        "bound = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
        "bound.bind('c.sock'); bound.connect('d.sock')"
    )
    s = server.held("s")
    plain, auto, loose = one.held("plain"), one.held("auto"), one.held("loose")
    bound = other.held("bound")
    table = ls("-x")
    assert table.row(s)["kind"] == "u_dgr"
    # ss calls it ESTAB, as the kernel does of whatever somebody has connected to.
    assert table.row(s)["state"] == "UNCONN"
    assert set(table.clients(s)) == {plain.inode, auto.inode, bound.inode}
    assert "peer" not in table.row(s)
    for client in (plain, auto, bound):
        row = table.row(client)
        assert row["remote"] == "d.sock" and peers(row) == {s.owner}
        assert row["peer"]["inode"] == s.inode == ss_unix()[client.inode][3]
        assert row["state"] == "ESTAB" and "listener" not in row
    assert "peer" not in table.row(loose) and table.row(loose)["state"] == "UNCONN"
    assert "local" not in table.row(plain)
    assert table.row(bound)["local"] == "c.sock"
    name = one.ask("auto.getsockname()[1:].decode()")
    assert table.row(auto)["local"] == f"@{name}" and len(name) == 5


def test_a_datagram_server_that_has_one_client_as_its_peer(actor, ls):
    one = actor()
    one.run(
        "a, b, c = (socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(3))\n"
        "a.bind('a.sock'); b.bind('b.sock')\n"
        "a.connect('b.sock'); b.connect('a.sock')"
    )
    a, b, c = one.held("a"), one.held("b"), one.held("c")
    table = ls("-x")
    assert peers(table.row(a)) == {b.owner} and peers(table.row(b)) == {a.owner}
    assert table.clients(a) == [] == table.clients(b)
    # One that disconnects takes nobody else's peer away, whatever the kernel's state says.
    one.run("LIBC.connect(b.fileno(), b'\\0' * 16, 16)")
    table = ls("-x")
    assert table.row(a)["state"] == "ESTAB" and peers(table.row(a)) == {b.owner}
    assert table.row(b)["state"] == "UNCONN" and table.clients(b) == [a.inode]
    assert table.row(c)["state"] == "UNCONN"


def test_one_that_sends_to_itself(actor, ls):
    one = actor()
    one.run(
        "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
        "s.bind('s.sock'); s.connect('s.sock'); s.send(b'twelve bytes')"
    )
    s = one.held("s")
    row = ls("-x").row(s)
    assert peers(row) == {s.owner} == owners(row) and row["peer"]["inode"] == s.inode
    assert row["receive_queue"] == 12 and "clients" not in row


def test_the_first_datagram_is_what_waits(actor, ls):
    one = actor()
    one.run(
        "a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)\na.send(b'12345'); a.send(b'7')"
    )
    table = ls("-x")
    # The kernel tells of no more than the first (SIOCINQ neither): ss says the same.
    assert table.row(one.held("b"))["receive_queue"] == 5
    assert table.row(one.held("a"))["send_queue"] > 6


def test_a_datagram_server_that_has_closed(actor, ls):
    server, client = actor(), actor()
    server.run("s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind('d.sock')")
    client.run(
        "client = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); client.connect('d.sock')"
    )
    server.run("s.close()")
    row = ls("-x").row(client.held("client"))
    assert row["peer_gone"] is True and "peer" not in row and row["state"] == "ESTAB"


@pytest.mark.parametrize("kind", TYPES)
def test_a_pair(actor, ls, kind):
    one = actor()
    one.run(f"a, b = socket.socketpair(socket.AF_UNIX, socket.{TYPES[kind]})")
    a, b = one.held("a"), one.held("b")
    table = ls("-x")
    for here, there in ((a, b), (b, a)):
        row = table.row(here)
        assert (row["kind"], row["state"]) == (kind, "ESTAB")
        assert owners(row) == {here.owner} and peers(row) == {there.owner}
        assert "local" not in row and "remote" not in row and "clients" not in row
        assert ss_unix()[here.inode][::3] == (kind, there.inode)


# --- names ------------------------------------------------------------------------------------------

NAMES = {
    "plain": (b"\0ferry-test", "@ferry-test"),
    "nothing but its NUL": (b"\0", "@"),
    "a NUL inside": (b"\0ferry\0test\0", "@ferry\\x00test\\x00"),
    "control characters": (b"\0ferry\x1b[2J\n\x7f", "@ferry\\x1b[2J\\x0a\\x7f"),
    "UTF-8": ("\0ferry-grüß".encode(), "@ferry-grüß"),
    "control characters of UTF-8": (b"\0ferry-\xc2\x9b2J", "@ferry-\\xc2\\x9b2J"),
    "no UTF-8": (b"\0ferry-\xff\xfe", "@ferry-\\xff\\xfe"),
    "as long as can be": (b"\0" + b"f" * 107, "@" + "f" * 107),
}


@pytest.mark.parametrize("case", NAMES)
def test_abstract_names(actor, ls, case):
    name, shown = NAMES[case]
    server, client = actor(), actor()
    listening, calling = listen(server, name=name), connect(client, name=name)
    accepted = accept(server)
    table = ls("-x")
    assert table.row(listening)["local"] == shown == table.row(accepted)["local"]
    assert table.row(calling)["remote"] == shown
    assert "path" not in table.row(listening)
    # A terminal gets none of it, whatever it is.
    assert not any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in shown)


def test_a_path_and_an_abstract_name_that_look_alike(actor, ls):
    one = actor()
    path, abstract = listen(one, name="./@same"), None
    one.run("first = listener")
    abstract = listen(one, name=b"\0same")
    table = ls("-x")
    assert table.row(path)["local"] == "./@same" and table.row(path)["path"]["state"] == "there"
    assert table.row(abstract)["local"] == "@same" and "path" not in table.row(abstract)


# --- what has become of a path ---------------------------------------------------------------------


def path_of(table, held):
    return table.row(held)["path"]


def test_a_path_that_is_there(actor, ls, runtime_dir):
    one = actor()
    listening = listen(one, name=str(runtime_dir / "s.sock"))
    os.chmod(runtime_dir / "s.sock", 0o640)
    assert path_of(ls("-x"), listening) == {"state": "there", "mode": "0640", "uid": 0, "gid": 0}


@pytest.mark.parametrize("by", ["delete", "rename", "folder"])
def test_a_path_that_leads_nowhere_any_more(actor, ls, runtime_dir, by):
    one = actor()
    (runtime_dir / "f").mkdir()
    path = runtime_dir / "f" / "s.sock"
    listening = listen(one, name=str(path))
    if by == "delete":
        path.unlink()
    elif by == "rename":
        path.rename(runtime_dir / "f" / "t.sock")
    else:
        (runtime_dir / "f").rename(runtime_dir / "g")
    row = ls("-x").row(listening)
    assert row["local"] == str(path) and row["path"] == {"state": "missing"}


@pytest.mark.parametrize("work", ["s.sock.4711.tmp", ".s.sock.new"])
def test_a_path_that_was_renamed_when_it_was_ready(actor, ls, runtime_dir, work):
    """The kernel goes on telling the name that was bound; clients know the other."""
    one = actor()
    listening = listen(one, name=str(runtime_dir / work))
    os.chmod(runtime_dir / work, 0o640)
    (runtime_dir / work).rename(runtime_dir / "s.sock")
    row = ls("-x").row(listening)
    assert row["local"] == str(runtime_dir / work)
    there = {"state": "there", "mode": "0640", "uid": 0, "gid": 0}
    assert row["path"] == {**there, "where": str(runtime_dir / "s.sock")}
    assert set(ls(str(runtime_dir / "s.sock")).sockets) == {listening.inode}


def test_another_file_of_a_part_of_the_name_is_no_renamed_one(actor, ls, runtime_dir):
    one, other = actor(), actor()
    gone = listen(one, name=str(runtime_dir / "s.sock.tmp"))
    there = listen(other, name=str(runtime_dir / "s.sock"))
    (runtime_dir / "s.sock.tmp").unlink()
    table = ls("-x")
    assert path_of(table, gone) == {"state": "missing"}
    assert path_of(table, there)["state"] == "there"


@pytest.mark.parametrize("by", ["socket", "file"])
def test_a_path_that_leads_elsewhere(actor, ls, runtime_dir, by):
    one, other = actor(), actor()
    path = runtime_dir / "s.sock"
    old = listen(one, name=str(path))
    calling = connect(one, name=str(path))
    path.unlink()
    new = None
    if by == "socket":
        new = listen(other, name=str(path))
    else:
        path.write_text("")
        os.chmod(path, 0o604)
    table = ls("-x")
    assert path_of(table, old)["state"] == "replaced"
    assert table.row(calling)["listener"] == old.inode
    if new:
        assert path_of(table, new)["state"] == "there"
        assert table.row(new)["local"] == table.row(old)["local"] == str(path)
    else:
        assert path_of(table, old)["mode"] == "0604"


def test_a_link_to_a_socket_is_the_socket(actor, ls, runtime_dir):
    one = actor()
    listening = listen(one, name=str(runtime_dir / "s.sock"))
    (runtime_dir / "s.sock").rename(runtime_dir / "t.sock")
    (runtime_dir / "s.sock").symlink_to("t.sock")
    assert path_of(ls("-x"), listening)["state"] == "there"


def test_a_relative_path(actor, ls, runtime_dir):
    (runtime_dir / "deep").mkdir()
    one = actor()
    one.run("os.chdir('deep')")
    listening = listen(one)
    row = ls("-x", cwd="/").row(listening)
    # The kernel has the name as it was given, whatever it was relative to.
    assert row["local"] == "s.sock" == ss_unix()[listening.inode][2]
    assert row["path"]["state"] == "there"
    assert row["path"]["where"] == str(runtime_dir / "deep" / "s.sock")
    # Found by its real path too, and by nobody else's of that name.
    found = ls(str(runtime_dir / "deep" / "s.sock"), cwd="/")
    assert set(found.sockets) == {listening.inode}
    assert not ls(str(runtime_dir / "s.sock"), cwd="/").rows


def test_a_relative_path_whose_binder_works_elsewhere_now(actor, ls, runtime_dir):
    (runtime_dir / "deep").mkdir()
    one, other = actor(), actor()
    one.run("os.chdir('deep')")
    listening = listen(one)
    one.run("os.chdir('..')")
    assert path_of(ls("-x"), listening) == {"state": "unknown"}
    # Another of that name, where it works now: not this one's file.
    new = listen(other)
    table = ls("-x")
    assert path_of(table, listening) == {"state": "unknown"}
    assert path_of(table, new)["where"] == str(runtime_dir / "s.sock")


@needs_root
@pytest.mark.parametrize("there", [True, False])
def test_a_path_in_another_mount_namespace(actor, ls, runtime_dir, there):
    (runtime_dir / "hidden").mkdir()
    path = runtime_dir / "hidden" / "s.sock"
    one = actor(before=["unshare", "--mount", "--propagation", "private"])
    one.run(f"assert os.system('mount -t tmpfs none {runtime_dir}/hidden') == 0")
    listening = listen(one, name=str(path))
    if not there:
        one.run(f"os.unlink({str(path)!r})")
    found = path_of(ls("-x"), listening)
    assert not path.exists()
    if there:
        assert found["state"] == "there"
        assert found["where"] == f"/proc/{one.pid}/root{path}"
        assert os.path.exists(found["where"])
    else:
        assert found == {"state": "missing"}


@needs_root
def test_a_path_in_another_root(actor, ls, runtime_dir):
    one = actor()
    (runtime_dir / "jail").mkdir()
    one.run("os.chroot('jail'); os.chdir('/')")
    listening = listen(one, name="/s.sock")
    row = ls("-x").row(listening)
    assert row["local"] == "/s.sock" and row["path"]["state"] == "there"
    assert os.path.samefile(row["path"]["where"], runtime_dir / "jail" / "s.sock")
    one.run("os.rename('/s.sock', '/s')")
    where = path_of(ls("-x"), listening)["where"]
    assert where == f"/proc/{one.pid}/root/s" and os.path.exists(where)


@needs_root
def test_a_relative_path_in_another_mount_namespace(actor, ls, runtime_dir):
    """Its working folder's name leads elsewhere here."""
    (runtime_dir / "hidden").mkdir()
    one = actor(before=["unshare", "--mount", "--propagation", "private"])
    one.run("assert os.system('mount -t tmpfs none hidden') == 0; os.chdir('hidden')")
    listening = listen(one)
    found = path_of(ls("-x"), listening)
    assert not (runtime_dir / "hidden" / "s.sock").exists()
    assert found["state"] == "there" and found["where"] == f"/proc/{one.pid}/cwd/s.sock"
    assert os.path.exists(found["where"])


# --- who may see -------------------------------------------------------------------------------------


@needs_root
def test_who_may_not_see_says_so(actor, ls, runtime_dir, ferry):
    os.chmod(runtime_dir, 0o777)
    server = actor()
    nobody = actor(before=["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"])
    listening = listen(server)
    os.chmod(runtime_dir / "s.sock", 0o666)
    calling = connect(nobody)
    accepted = accept(server)
    done = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", ferry, "ls", "--json", "-x"],
        capture_output=True,
        text=True,
        cwd="/",
    )
    assert done.returncode == 0
    table = Table(done.stdout, done.stderr)
    assert owners(table.row(calling)) == {calling.owner}
    assert table.row(calling)["peer"]["inode"] == accepted.inode and peers(table.row(calling)) == set()
    for held in (listening, accepted):
        assert owners(table.row(held)) == set() and table.row(held)["uid"] == 0
    assert peers(table.row(accepted)) == {calling.owner}
    assert table.row(listening)["state"] == "LISTEN"
    (line,) = done.stderr.splitlines()
    assert line.startswith("ferry ls: not seen: ") and "root" in line
    assert table.gaps["hidden_processes"] > 0


@needs_root
def test_what_is_not_seen_is_counted(ferry):
    """On a machine where nobody else comes or goes: the shell and two that wait are root's."""
    look = f"setpriv --reuid=65534 --regid=65534 --clear-groups {ferry} ls -x --json"
    script = f"sleep 60 & sleep 60 & {look}; kill $(jobs -p)"
    done = subprocess.run(
        ["unshare", "--pid", "--fork", "--mount-proc", "bash", "-c", script],
        capture_output=True, text=True, cwd="/", timeout=30,
    )  # fmt: skip
    assert Table(done.stdout).gaps["hidden_processes"] == 3, done.stderr


@needs_root
def test_everything_of_a_namespace_and_nothing_else(actor, ls):
    machine = Machine()
    try:
        one, other = actor(machine=machine), actor(machine=machine)
        listen(one, name=b"\0a"), connect(other, name=b"\0a")
        one.run("pairs = [s for _ in range(20) for s in socket.socketpair()]")
        other.run("loose = [socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(5)]")
        held = {one.held("listener"), other.held("client")}
        held |= {*one.all_held("pairs"), *other.all_held("loose")}
        with machine.inside():
            table, shown = ls("-x"), ss_unix()
        rows = {row["inode"]: row for row in table.sockets.values() if "namespace" not in row}
        assert set(rows) == set(shown) == {one.inode for one in held}
        for socket_held in held:
            assert owners(rows[socket_held.inode]) == {socket_held.owner}
    finally:
        machine.end()
