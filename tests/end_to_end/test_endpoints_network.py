"""The table of IP sockets, and of all sockets in several network namespaces, is right: what
`ferry ls` says beside what the processes that opened them say, and beside ss(8)."""

import os
import re
import subprocess

import pytest

from crossings import Table, owners, peers, ss_inet, tool
from machines import Machine
from support import BUILD, wait_until

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def machine():
    """machine() makes a network namespace with a loopback interface that is up."""
    made = []

    def run():
        made.append(Machine())
        made[-1].ip("link", "set", "lo", "up")
        return made[-1]

    yield run
    for one in made:
        one.end()


@pytest.fixture
def cable(machine):
    """cable(one, other) are the addresses of two machines on a veth of their own."""

    def run():
        one, other = machine(), machine()
        one.ip("link", "add", "v0", "type", "veth", "peer", "v0", "netns", str(other.holder.pid))
        for number, end in enumerate((one, other), 1):
            end.ip("address", "add", f"10.77.0.{number}/24", "dev", "v0")
            end.ip("address", "add", f"fd77::{number}/64", "dev", "v0", "nodad")
            end.ip("link", "set", "v0", "up")
        return one, other

    return run


LISTEN = """
listener = socket.socket(socket.{family}, socket.SOCK_STREAM)
listener.bind(({host!r}, 0))
listener.listen(64)
"""
CONNECT = """
client = socket.socket(socket.{family}, socket.SOCK_STREAM)
client.connect(({host!r}, {port}))
"""


def listen(actor, host="127.0.0.1", family="AF_INET"):
    actor.run(LISTEN.format(family=family, host=host))
    return actor.held("listener"), actor.ask("listener.getsockname()[1]")


def connect(actor, port, host="127.0.0.1", family="AF_INET"):
    actor.run(CONNECT.format(family=family, host=host, port=port))
    return actor.held("client")


def accept(actor):
    actor.run("accepted, _ = listener.accept()")
    return actor.held("accepted")


# --- TCP --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "family, there, host",
    [
        ("AF_INET", "127.0.0.1", "127.0.0.1"),
        ("AF_INET", "0.0.0.0", "127.0.0.7"),
        ("AF_INET6", "::1", "::1"),
        ("AF_INET6", "::", "::1"),
    ],
)
def test_both_ends_of_a_connection(actor, ls, family, there, host):
    server, client = actor(), actor()
    listening, port = listen(server, there, family)
    calling = connect(client, port, host, family)
    accepted = accept(server)
    table = ls("-t")
    assert table.row(listening)["state"] == "LISTEN" and "peer" not in table.row(listening)
    for one, other in ((calling, accepted), (accepted, calling)):
        row = table.row(one)
        assert row["kind"] == "tcp" and row["state"] == "ESTAB"
        assert owners(row) == {one.owner} and peers(row) == {other.owner}
        assert row["peer"]["inode"] == other.inode
    shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    assert table.row(accepted)["local"] == shown == table.row(calling)["remote"]
    assert table.row(calling)["local"] == table.row(accepted)["remote"]
    assert ("ESTAB", shown, accepted.inode) in {
        (state, local, inode) for state, local, _, inode in ss_inet("-t")
    }


def test_one_end_of_each_family(actor, ls):
    server, client = actor(), actor()
    listening, port = listen(server, "::", "AF_INET6")
    calling = connect(client, port)
    table = ls("-t")
    (waiting,) = [row for row in table.rows if row.get("listener") == listening.inode]
    assert waiting["local"] == f"[::ffff:127.0.0.1]:{port}"
    accepted = accept(server)
    table = ls("-t")
    assert peers(table.row(calling)) == {accepted.owner}
    assert peers(table.row(accepted)) == {calling.owner}
    assert table.row(accepted)["local"] == f"[::ffff:127.0.0.1]:{port}"
    assert table.row(calling)["remote"] == f"127.0.0.1:{port}"


def test_clients_that_wait(actor, ls):
    server, client = actor(), actor()
    listening, port = listen(server)
    client.run(
        "many = [socket.socket() for _ in range(5)]\n"
        f"for one in many: one.connect(('127.0.0.1', {port})); one.send(b'x' * 700)"
    )
    many = client.all_held("many")
    table = wait_until(
        lambda: (table := ls("-t")).row(listening)["waiting"] == 5 and table, what="5 wait"
    )
    waiting = [row for row in table.rows if row.get("listener") == listening.inode]
    assert len(waiting) == 5
    for row in waiting:
        # Nobody has it, so that it is not known whose it is: the kernel says 0, which is root.
        assert (row["state"], row["inode"], row["owners"]) == ("WAITING", 0, [])
        assert row["receive_queue"] == 700 and "uid" not in row
    assert {owner for row in waiting for owner in peers(row)} == {held.owner for held in many}
    for held in many:
        row = table.row(held)
        assert row["state"] == "ESTAB" and owners(row) == {held.owner}
        assert row["peer"]["inode"] == 0 and peers(row) == set()
    accepted = accept(server)
    table = ls("-t")
    assert table.row(listening)["waiting"] == 4
    assert len(table.find(listener=listening.inode)) == 4
    assert len(peers(table.row(accepted))) == 1


def test_a_few_hundred_wait(actor, ls):
    server, client = actor(), actor()
    server.run("listener = socket.create_server(('127.0.0.1', 0), backlog=600)")
    listening, port = server.held("listener"), server.ask("listener.getsockname()[1]")
    client.run(
        f"many = [socket.create_connection(('127.0.0.1', {port})) for _ in range(400)]"
    )
    table = wait_until(
        lambda: (table := ls("-t")).row(listening)["waiting"] == 400 and table, what="400 wait"
    )
    waiting = table.find(listener=listening.inode)
    assert len(waiting) == 400 == len(table.clients(listening))
    assert {owner for row in waiting for owner in peers(row)} == {
        held.owner for held in client.all_held("many")
    }


def test_whose_backlog_it_is_goes_by_the_address(actor, ls):
    server, client = actor(), actor()
    server.run(
        "def listening(host, port):\n"
        "    one = socket.socket(); one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)\n"
        "    one.bind((host, port)); one.listen(9); return one\n"
        "wide = listening('0.0.0.0', 0); port = wide.getsockname()[1]\n"
        "narrow = listening('127.0.0.2', port)"
    )
    wide, narrow, port = server.held("wide"), server.held("narrow"), server.ask("port")
    client.run(
        f"a, b = (socket.create_connection((h, {port})) for h in ('127.0.0.1', '127.0.0.2'))"
    )
    a, b = client.held("a"), client.held("b")
    table = wait_until(
        lambda: (table := ls("-t")).row(narrow)["waiting"] == 1 == table.row(wide)["waiting"]
        and table
    )
    (at_wide,), (at_narrow,) = table.find(listener=wide.inode), table.find(listener=narrow.inode)
    assert peers(at_wide) == {a.owner} and peers(at_narrow) == {b.owner}


def test_whose_backlog_it_is_among_equals_nobody_says(actor, ls):
    """SO_REUSEPORT: the kernel chooses among the listeners, and does not tell which."""
    server, client = actor(), actor()
    server.run(
        "def listening(port):\n"
        "    one = socket.socket(); one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)\n"
        "    one.bind(('127.0.0.1', port)); one.listen(64); return one\n"
        "first = listening(0); port = first.getsockname()[1]; second = listening(port)"
    )
    first, second = server.held("first"), server.held("second")
    port = server.ask("port")
    client.run("many = []")

    def both_have_some():
        client.run(f"many.append(socket.create_connection(('127.0.0.1', {port})))")
        table = ls("-t")
        return table.row(first)["waiting"] and table.row(second)["waiting"] and table

    table = wait_until(both_have_some)
    waiting = [row for row in table.find(state="WAITING") if row["local"].endswith(f":{port}")]
    assert len(waiting) == table.row(first)["waiting"] + table.row(second)["waiting"]
    assert not any("listener" in row for row in waiting)
    assert table.clients(first) == [] == table.clients(second)
    assert table.gaps["ambiguous_backlogs"] == 2 and "listeners' waiting clients" in table.said
    # With one of them empty there is no doubt.
    server.run(
        "second.setblocking(False)\n"
        "while True:\n"
        "    try: second.accept()[0].detach()\n"
        "    except BlockingIOError: break"
    )
    table = ls("-t")
    assert len(table.find(listener=first.inode)) == table.row(first)["waiting"] > 0
    assert table.gaps["ambiguous_backlogs"] == 0


def test_half_closed_and_closed(actor, ls):
    server, client = actor(), actor()
    listening, port = listen(server)
    calling = connect(client, port)
    accepted = accept(server)
    client.run("client.shutdown(socket.SHUT_WR)")
    table = wait_until(
        lambda: (table := ls("-t")).row(accepted)["state"] == "CLOSE-WAIT"
        and table.row(calling)["state"] == "FIN-WAIT-2"
        and table
    )
    assert table.row(calling)["shutdown"] == ["send"]
    assert peers(table.row(calling)) == {accepted.owner}
    assert peers(table.row(accepted)) == {calling.owner}
    server.run("accepted.close()")
    client.run("client.close()")

    def ended():
        table = ls("-t")
        return table.find(state="TIME-WAIT", remote=f"127.0.0.1:{port}") and table

    table = wait_until(ended)
    (row,) = table.find(state="TIME-WAIT", remote=f"127.0.0.1:{port}")
    # Nobody's any more: no owner, no inode, nobody's uid (ss leaves it out too; the kernel says 0).
    assert row["inode"] == 0 and row["owners"] == [] and "uid" not in row and "peer" not in row
    assert row["timer"] == "time-wait" and 0 < row["timer_ms"] <= 60000
    assert calling.inode not in table.sockets and accepted.inode not in table.sockets
    assert ("TIME-WAIT", row["local"], row["remote"]) in {
        (state, local, remote) for state, local, remote, _ in ss_inet("-t")
    }


@needs_root
def test_a_call_that_nobody_answers(actor, ls, cable):
    one, other = cable()
    other.ip("link", "set", "v0", "arp", "off")
    one.ip("neighbour", "add", "10.77.0.9", "lladdr", "02:00:00:00:00:09", "dev", "v0")
    client = actor(machine=one)
    client.run(
        "client = socket.socket(); client.setblocking(False)\n"
        "client.connect_ex(('10.77.0.9', 99))"
    )
    row = ls("-t").row(client.held("client"))
    assert row["state"] == "SYN-SENT" and row["remote"] == "10.77.0.9:99"
    assert row["timer"] == "retransmission" and owners(row) == {client.held("client").owner}
    assert row["namespace"]["inode"] == os.stat(f"/proc/{client.pid}/ns/net").st_ino


def test_an_unread_answer_is_counted_at_both_ends(actor, ls):
    server, client = actor(), actor()
    _, port = listen(server)
    calling = connect(client, port)
    accepted = accept(server)
    client.run("client.send(b'x' * 4321)")
    assert wait_until(lambda: ls("-t").row(accepted)["receive_queue"]) == 4321
    # Its window shut, the sender has the rest.
    client.run(
        "client.setblocking(False)\n"
        "sent = 4321\n"
        "try:\n"
        "    while True: sent += client.send(b'x' * 65536)\n"
        "except BlockingIOError: pass"
    )
    total = client.ask("sent")
    wait_until(
        lambda: (table := ls("-t")).row(accepted)["receive_queue"]
        + table.row(calling)["send_queue"]
        == total
    )


# --- UDP and raw ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "family, there, host",
    [
        ("AF_INET", "127.0.0.1", "127.0.0.1"),
        ("AF_INET", "0.0.0.0", "127.0.0.1"),
        ("AF_INET6", "::", "::1"),
        ("both", "::", "127.0.0.1"),
    ],
)
def test_a_udp_server_and_those_that_send_to_it(actor, ls, family, there, host):
    server, client = actor(), actor()
    mine = "AF_INET" if family == "both" else family
    its = "AF_INET6" if family == "both" else family
    server.run(
        f"s = socket.socket(socket.{its}, socket.SOCK_DGRAM); s.bind(({there!r}, 0))\n"
        "port = s.getsockname()[1]"
    )
    port = server.ask("port")
    client.run(
        f"a, b, loose = (socket.socket(socket.{mine}, socket.SOCK_DGRAM) for _ in range(3))\n"
        f"a.connect(({host!r}, {port})); b.connect(({host!r}, {port}))\n"
        f"loose.bind(({host!r}, 0)); a.send(b'12345')"
    )
    s = server.held("s")
    a, b, loose = (client.held(name) for name in ("a", "b", "loose"))
    table = ls("-u")
    assert set(table.clients(s)) == {a.inode, b.inode}
    assert table.row(s)["state"] == "UNCONN" and "peer" not in table.row(s)
    assert table.row(s)["receive_queue"] > 0
    for held in (a, b):
        row = table.row(held)
        assert row["state"] == "ESTAB" and peers(row) == {s.owner} and "listener" not in row
    assert "peer" not in table.row(loose) and table.row(loose)["state"] == "UNCONN"
    assert {inode for *_, inode in ss_inet("-u")} >= {s.inode, a.inode, b.inode, loose.inode}


def test_two_udp_sockets_connected_to_each_other(actor, ls):
    one = actor()
    one.run(
        "a, b = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))\n"
        "a.bind(('127.0.0.1', 0)); b.bind(('127.0.0.1', 0))\n"
        "a.connect(b.getsockname()); b.connect(a.getsockname())"
    )
    a, b = one.held("a"), one.held("b")
    table = ls("-u")
    assert peers(table.row(a)) == {b.owner} and peers(table.row(b)) == {a.owner}
    assert table.clients(a) == [] == table.clients(b)


@needs_root
@pytest.mark.parametrize("family, protocol", [("AF_INET", 1), ("AF_INET6", 58), ("AF_INET", 99)])
def test_raw_sockets(actor, ferry, family, protocol):
    """Where the kernel has no diagnosis of them too (CONFIG_INET_RAW_DIAG). Namespaces that have a name
    and nobody in them, which are a gap then, may be others': ferry sees none."""
    one = actor()
    one.run(f"raw = socket.socket(socket.{family}, socket.SOCK_RAW, {protocol})")
    raw = one.held("raw")
    table = Table(tool("unshare", "-m", "sh", "-c", f"umount -a -t nsfs; {ferry} ls --json --all -w"))
    row = table.row(raw)
    assert table.gaps["missing_kinds"] == []
    assert row["kind"] == "raw" and owners(row) == {raw.owner} and row["state"] == "UNCONN"
    assert row["local"] == ("[::]" if family == "AF_INET6" else "*") + f":{protocol}"
    # By its address: without the diagnosis ss has no inode.
    assert any(local.endswith(f":{protocol}") for _, local, *_ in ss_inet("-w", "-n"))


@needs_root
def test_a_raw_socket_of_another_namespace(actor, ls, machine):
    one = actor(machine=machine())
    one.run(
        "raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)\n"
        "raw.bind(('127.0.0.1', 0)); raw.connect(('127.0.0.1', 0)); raw.send(b'x' * 100)"
    )
    row = ls("-w").row(one.held("raw"))
    assert row["namespace"]["inode"] == os.stat(f"/proc/{one.pid}/ns/net").st_ino
    assert row["local"] == "127.0.0.1:1" and row["remote"].startswith("127.0.0.1:")
    assert row["receive_queue"] > 100 and row["uid"] == 0


# --- namespaces -------------------------------------------------------------------------------------


@needs_root
@pytest.mark.parametrize("kind", ["SOCK_STREAM", "SOCK_SEQPACKET", "SOCK_DGRAM"])
def test_a_path_connects_two_namespaces(actor, ls, machine, kind):
    there, here = machine(), machine()
    server, client = actor(machine=there), actor(machine=here)
    server.run(
        f"listener = socket.socket(socket.AF_UNIX, socket.{kind}); listener.bind('s.sock')\n"
        + ("" if kind == "SOCK_DGRAM" else "listener.listen(5)")
    )
    client.run(f"client = socket.socket(socket.AF_UNIX, socket.{kind}); client.connect('s.sock')")
    listening, calling = server.held("listener"), client.held("client")
    numbers = [os.stat(f"/proc/{one.pid}/ns/net").st_ino for one in (server, client)]
    table = ls("-x")
    assert table.row(listening)["namespace"]["inode"] == numbers[0]
    assert table.row(calling)["namespace"]["inode"] == numbers[1]
    assert table.clients(listening) == [calling.inode]
    if kind == "SOCK_DGRAM":
        assert peers(table.row(calling)) == {listening.owner}
        return
    assert table.row(calling)["state"] == "WAITING"
    assert table.row(calling)["listener"] == listening.inode
    accepted = accept(server)
    table = ls("-x")
    # The accepted socket is the server's, and lives where the client called.
    assert table.row(accepted)["namespace"]["inode"] == numbers[1]
    assert owners(table.row(accepted)) == {accepted.owner} == peers(table.row(calling))
    assert peers(table.row(accepted)) == {calling.owner}


@needs_root
def test_the_same_abstract_name_in_three_namespaces(actor, ls, machine):
    ends = []
    for one in (machine(), machine(), machine()):
        server, client = actor(machine=one), actor(machine=one)
        server.run(
            "listener = socket.socket(socket.AF_UNIX); listener.bind(b'\\0same')\n"
            "listener.listen(5)"
        )
        client.run("client = socket.socket(socket.AF_UNIX); client.connect(b'\\0same')")
        ends.append((server.held("listener"), client.held("client")))
    table = ls("-x")
    for listening, calling in ends:
        assert table.row(listening)["local"] == "@same"
        assert table.clients(listening) == [calling.inode]
        assert table.row(calling)["listener"] == listening.inode
    assert {row["inode"] for row in ls("@same").rows} >= {held.inode for held, _ in ends}


@needs_root
@pytest.mark.parametrize("host, family", [("10.77.0.1", "AF_INET"), ("fd77::1", "AF_INET6")])
def test_tcp_from_one_namespace_to_another(actor, ls, cable, host, family):
    one, other = cable()
    server, client = actor(machine=one), actor(machine=other)
    listening, port = listen(server, host, family)
    calling = connect(client, port, host, family)
    waiting = wait_until(lambda: ls("-t").find(listener=listening.inode))
    assert [peers(row) for row in waiting] == [{calling.owner}]
    accepted = accept(server)
    table = ls("-t")
    assert owners(table.row(accepted)) == {accepted.owner} == peers(table.row(calling))
    assert owners(table.row(calling)) == {calling.owner} == peers(table.row(accepted))
    assert table.row(accepted)["namespace"] != table.row(calling)["namespace"]
    # ss sees one namespace: here neither.
    assert not {accepted.inode, calling.inode} & {inode for *_, inode in ss_inet("-t")}


@needs_root
def test_loopback_of_two_namespaces_is_not_one(actor, ls, machine):
    """Each has a connection of the same four numbers; each end's peer is the one beside it."""
    ends = []
    for one in (machine(), machine()):
        with one.inside(), open("/proc/sys/net/ipv4/tcp_fin_timeout", "w") as seconds:
            seconds.write("1")
        server, client = actor(machine=one), actor(machine=one)
        server.run("listener = socket.create_server(('127.0.0.1', 4711))")
        client.run(
            "client = socket.socket(); client.bind(('127.0.0.1', 4712))\n"
            "client.connect(('127.0.0.1', 4711))"
        )
        ends.append((accept(server), client.held("client"), client))
    table = ls("-t")
    for accepted, calling, _ in ends:
        assert peers(table.row(accepted)) == {calling.owner}
        assert peers(table.row(calling)) == {accepted.owner}
    # Where one end has gone, once the kernel has forgotten it, the other namespace's is not taken
    # for it.
    ends[0][2].kill()
    network = table.row(ends[0][0])["namespace"]
    wait_until(lambda: not ls("-t").find(remote="127.0.0.1:4711", namespace=network))
    table = ls("-t")
    assert "peer" not in table.row(ends[0][0])
    assert peers(table.row(ends[1][0])) == {ends[1][1].owner}


@needs_root
def test_two_pairs_of_namespaces_with_the_same_addresses(actor, ls, cable):
    """The same four numbers twice, over two cables: which end is which's the kernel does not tell,
    so that nobody is named rather than somebody else."""
    ends = []
    for _ in range(2):
        one, other = cable()
        server, client = actor(machine=one), actor(machine=other)
        server.run("listener = socket.create_server(('10.77.0.1', 4711))")
        client.run(
            "client = socket.socket(); client.bind(('10.77.0.2', 4712))\n"
            "client.connect(('10.77.0.1', 4711))"
        )
        ends.append((accept(server), client.held("client")))
    table = ls("-t")
    for accepted, calling in ends:
        assert owners(table.row(accepted)) == {accepted.owner}
        assert peers(table.row(accepted)) in (set(), {calling.owner})
        assert peers(table.row(calling)) in (set(), {accepted.owner})


@needs_root
def test_a_listener_that_cannot_be_seen_has_its_clients_waiting(actor, machine):
    """Without CAP_SYS_ADMIN the listener's namespace is closed to us: its client waits all the
    same, and its peer has not gone."""
    server, client = actor(machine=machine()), actor()
    server.run(
        "listener = socket.socket(socket.AF_UNIX); listener.bind('s.sock'); listener.listen(5)"
    )
    client.run("client = socket.socket(socket.AF_UNIX); client.connect('s.sock')")
    done = subprocess.run(
        ["setpriv", "--bounding-set", "-sys_admin", BUILD / "ferry"]
        + ["ls", "-x", "--json", "--all-netns"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    table = Table(done.stdout)
    row = table.row(client.held("client"))
    assert table.gaps["hidden_namespaces"] > 0
    assert re.search(r"not seen: .*network namespace", done.stderr)
    assert row["state"] == "WAITING" and "listener" not in row and "peer_gone" not in row


@needs_root
def test_a_name_without_a_namespace():
    """`ip netns add` leaves its name, an empty file, where its mount is not seen."""
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c"]
        + [
            "mkdir -p /run/netns && mount -t tmpfs none /run/netns && touch /run/netns/stale && "
            f"exec {BUILD / 'ferry'} ls -x --json --all-netns"
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "network namespace" not in done.stderr
    assert Table(done.stdout).gaps["hidden_namespaces"] == 0
