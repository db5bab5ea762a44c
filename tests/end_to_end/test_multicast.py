"""`udp:` with many at the other end: groups joined and left, sources, interfaces, TTL, loopback.

Two network namespaces stand for two machines, `here` and `there`, with two wires between them: v0 to
w0 and v1 to w1. Each also has a loopback that carries multicast.
"""

import os
import re
import socket
import struct
import subprocess
from pathlib import Path

import pytest

from machines import Machine
from support import wait_until

GROUP4, GROUP6 = "239.1.2.3", "ff15::114"
MCAST_JOIN_GROUP = 42
IP_RECVTTL = 12
IP_MULTICAST_ALL = 49

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a network namespace needs root")


def set_up(machine, wires, host):
    with machine.inside():
        # Addresses are of use at once.
        for which in ("all", "default"):
            Path(f"/proc/sys/net/ipv6/conf/{which}/accept_dad").write_text("0")
    machine.ip("link", "set", "lo", "up", "multicast", "on")
    machine.ip("route", "add", "239.7.0.0/16", "dev", "lo")
    machine.ip("-6", "route", "add", "local", "ff18::/16", "dev", "lo", "table", "local")
    for number, wire in enumerate(wires):
        machine.ip("addr", "add", f"10.9.{number}.{host}/24", "broadcast", "+", "dev", wire)
        machine.ip("addr", "add", f"fd09:{number}::{host}/64", "dev", wire, "nodad")


@pytest.fixture(scope="module")
def machines():
    here, there = Machine(), Machine()
    try:
        for machine, wires in ((here, ("v0", "v1")), (there, ())):
            with machine.inside():
                Path("/proc/sys/net/ipv6/conf/default/accept_dad").write_text("0")
        for number in (0, 1):
            here.ip("link", "add", f"v{number}", "type", "veth", "peer", "name", f"w{number}",
                    "netns", str(there.holder.pid))  # fmt: skip
            here.ip("link", "set", f"v{number}", "up")
            there.ip("link", "set", f"w{number}", "up")
        set_up(here, ("v0", "v1"), 1)
        set_up(there, ("w0", "w1"), 2)
        here.ip("addr", "add", "10.9.0.3/24", "dev", "v0")
        here.ip("addr", "add", "fd09:0::3/64", "dev", "v0", "nodad")
        yield here, there
    finally:
        here.end()
        there.end()


@pytest.fixture
def here(machines):
    return machines[0]


@pytest.fixture
def there(machines):
    return machines[1]


def receiver(machine, group, port, interface):
    """A plain socket that has joined a group on an interface."""
    ipv6 = ":" in group
    family = socket.AF_INET6 if ipv6 else socket.AF_INET
    level = socket.IPPROTO_IPV6 if ipv6 else socket.IPPROTO_IP
    with machine.inside():
        sock = socket.socket(family, socket.SOCK_DGRAM)
        sock.settimeout(10)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        index = socket.if_nametoindex(interface)
        if ipv6:
            sock.bind((group, port, 0, index))
            address = struct.pack("=HHI16sI", family, 0, 0, socket.inet_pton(family, group), 0)
        else:
            sock.setsockopt(level, IP_MULTICAST_ALL, 0)
            sock.bind((group, port))
            address = struct.pack("=HH4s", family, 0, socket.inet_pton(family, group))
        sock.setsockopt(level, MCAST_JOIN_GROUP, struct.pack("@I4x128s", index, address))
        return sock


def host(group):
    return f"[{group}]" if ":" in group else group


@pytest.fixture
def listen(start_ferry):
    """listen(machine, address, to) is a relay that has started."""

    def run(machine, address, to="echo"):
        with machine.inside():
            relay = start_ferry("relay", address, to, "--allow", "any")
        relay.wait_for("started")
        return relay

    return run


@pytest.fixture
def send(run_ferry):
    """send(machine, address, text) is `ferry connect`; returns what it printed."""

    def run(machine, address, text, wait="300ms"):
        with machine.inside():
            done = run_ferry("connect", "--wait", wait, address, input=text)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def lines(path):
    return path.read_text().splitlines() if path.exists() else []


# --- one sender, many receivers --------------------------------------------------------------------


@pytest.mark.parametrize(
    "wire, group",
    [("lo", GROUP4), ("lo", "ff18::114"), ("v0", GROUP4), ("v0", GROUP6), ("v0", "ff02::114")],
)
def test_one_sender_many_receivers_and_all_their_answers(
    here, there, listen, start_ferry, runtime_dir, group, wire
):
    machine, interface = (here, "lo") if wire == "lo" else (there, "w0")
    address = f"udp:{host(group)}:5000"
    for _ in range(2):
        listen(machine, f"{address},interface={interface}")
    with receiver(machine, group, 5000, interface) as third:
        with here.inside():
            sender = start_ferry(
                "connect", "--wait", "10s", f"{address},interface={wire}", stdin=subprocess.PIPE
            )
        sender.stdin.write(b"who is there?\n")
        sender.stdin.flush()
        data, peer = third.recvfrom(100)
        assert data == b"who is there?\n"
        third.sendto(b"the third\n", peer)
        wait_until(lambda: len(sender.stdout().splitlines()) == 3)
    assert sorted(sender.stdout().splitlines()) == [b"the third"] + 2 * [b"who is there?"]
    sender.stop()


def test_one_command_asks_all_clocks(here, there, listen, send):
    for machine, interface in ((there, "w0"), (there, "w0"), (here, "v0")):
        listen(machine, f"udp:239.1.2.3:5000,interface={interface}", "clock")
    said = send(here, "udp:239.1.2.3:5000,interface=v0", "\n", wait="1s")
    assert len(re.findall(r"^\d{4}-\d\d-\d\dT[\d:]{8}\S*$", said, re.MULTILINE)) == 3


@pytest.mark.parametrize("group", [GROUP4, GROUP6])
def test_the_answer_comes_from_the_machine_not_from_the_group(here, there, listen, group):
    ipv6 = ":" in group
    listen(there, f"udp:{host(group)}:5000,interface=w0")
    with here.inside():
        client = socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET, socket.SOCK_DGRAM)
        index = socket.if_nametoindex("v0")
    with client:
        client.settimeout(10)
        if ipv6:
            client.bind(("fd09:0::1", 0))
            client.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        else:
            client.setsockopt(
                socket.IPPROTO_IP, socket.IP_MULTICAST_IF, struct.pack("@4s4si", b"", b"", index)
            )
        client.sendto(b"hello", (group, 5000))
        data, peer = client.recvfrom(100)
    assert data == b"hello"
    assert peer[:2] == ("fd09::2" if ipv6 else "10.9.0.2", 5000)


def test_a_broadcast_is_answered_by_all(here, there, listen, send, run_ferry):
    listen(there, "udp:*:5000")
    with here.inside():
        done = run_ferry("connect", "udp:10.9.0.255:5000", input="x")
    assert done.returncode == 1
    assert "add ,broadcast" in done.stderr
    assert send(here, "udp:10.9.0.255:5000,broadcast", "hello\n") == "hello\n"


# --- where, from whom, how far ---------------------------------------------------------------------


@pytest.mark.parametrize("group", [GROUP4, GROUP6, "ff02::114"])
def test_the_interface_decides_where_it_goes_and_comes(
    here, there, listen, send, runtime_dir, group
):
    address = f"udp:{host(group)}:5000"
    for number in (0, 1):
        listen(there, f"{address},interface=w{number}", f"file:got{number},append,frame=lf")
    for text in ("first", "last"):
        for number in (0, 1):
            send(here, f"{address},interface=v{number}", f"{text} by v{number}\n", wait="1ms")
    for number in (0, 1):
        got = runtime_dir / f"got{number}"
        wait_until(lambda: f"last by v{number}" in lines(got))
        assert lines(got) == [f"first by v{number}", f"last by v{number}"]


@pytest.mark.parametrize(
    "group, source, other, table",
    [
        ("232.1.2.3", "10.9.0.1", "10.9.0.3", "mcfilter"),
        ("ff35::114", "fd09::1", "fd09::3", "mcfilter6"),
    ],
)
@pytest.mark.parametrize("joined", [False, True])
def test_only_the_source_is_heard(
    here, there, listen, send, runtime_dir, group, source, other, table, joined
):
    place = f"udp:*:5000,join={group}," if joined else f"udp:{host(group)}:5000,"
    # Another socket that hears everybody must not open ours to them.
    with receiver(there, group, 5001, "w0"):
        relay = listen(there, f"{place}source={source},interface=w0", "file:got,append,frame=lf")
        packed = socket.inet_pton(socket.AF_INET6 if ":" in source else socket.AF_INET, source)
        written = packed.hex() if ":" in source else f"0x{packed.hex()}"
        assert re.search(rf"w0 .*\b{written}\b", there.proc(table)), there.proc(table)
        for sender in (other, source):
            for number in range(3):
                address = f"udp:{host(group)}:5000,interface=v0,bind={host(sender)}:0"
                send(here, address, f"{number} from {sender}\n", wait="1ms")
        wait_until(lambda: f"2 from {source}" in lines(runtime_dir / "got"))
    assert lines(runtime_dir / "got") == [f"{number} from {source}" for number in range(3)]
    relay.stop()
    assert not re.search(rf"\b{written}\b", there.proc(table))


@pytest.mark.parametrize("group, other", [(GROUP4, "239.1.2.9"), (GROUP6, "ff15::119")])
def test_what_others_have_joined_does_not_come_in(
    here, there, listen, send, runtime_dir, group, other
):
    with receiver(there, other, 5001, "w0"):
        listen(there, f"udp:*:5000,join={group},interface=w0", "file:got,append,frame=lf")
        for to in (other, group):
            send(here, f"udp:{host(to)}:5000,interface=v0", f"to {to}\n", wait="1ms")
        wait_until(lambda: f"to {group}" in lines(runtime_dir / "got"))
    assert lines(runtime_dir / "got") == [f"to {group}"]


@pytest.mark.parametrize("group", [GROUP4, GROUP6])
@pytest.mark.parametrize("option, expected", [("", 1), (",ttl=7", 7), (",ttl=255", 255)])
def test_ttl(here, there, send, group, option, expected):
    ipv6 = ":" in group
    level = socket.IPPROTO_IPV6 if ipv6 else socket.IPPROTO_IP
    with receiver(there, group, 5000, "w0") as sock:
        sock.setsockopt(level, socket.IPV6_RECVHOPLIMIT if ipv6 else IP_RECVTTL, 1)
        send(here, f"udp:{host(group)}:5000,interface=v0{option}", "x", wait="1ms")
        _, (control,), _, _ = sock.recvmsg(10, 100)
    assert struct.unpack("i", control[2])[0] == expected


def test_ttl_to_one(here, there, send):
    with there.inside():
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with sock:
        sock.settimeout(10)
        sock.bind(("10.9.0.2", 5000))
        sock.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
        send(here, "udp:10.9.0.2:5000,ttl=9", "x", wait="1ms")
        _, (control,), _, _ = sock.recvmsg(10, 100)
    assert struct.unpack("i", control[2])[0] == 9


@pytest.mark.parametrize("group", [GROUP4, GROUP6])
def test_loop_no_is_not_heard_on_the_own_machine(here, there, send, group):
    address = f"udp:{host(group)}:5000,interface=v0"
    with receiver(here, group, 5000, "v0") as own, receiver(there, group, 5000, "w0") as other:
        send(here, f"{address},loop=no", "silent", wait="1ms")
        send(here, address, "loud", wait="1ms")
        assert [other.recv(10), other.recv(10)] == [b"silent", b"loud"]
        assert own.recv(10) == b"loud"


# --- joining and leaving ---------------------------------------------------------------------------


def igmp_groups(machine, interface):
    """The groups that /proc/net/igmp has for an interface, as text."""
    groups, current = set(), None
    for line in machine.proc("igmp").splitlines()[1:]:
        if not line.startswith("\t"):
            current = line.split()[1]
        elif current == interface:
            groups.add(socket.inet_ntoa(struct.pack("=I", int(line.split()[0], 16))))
    return groups


def igmp6_groups(machine, interface):
    return {
        socket.inet_ntop(socket.AF_INET6, bytes.fromhex(words[2]))
        for words in map(str.split, machine.proc("igmp6").splitlines())
        if words[1] == interface
    }


def test_several_groups_of_both_families_on_one_socket(here, there, listen, send):
    relay = listen(there, "udp:*:5000,join=239.1.2.3 239.1.2.4 ff15::114,interface=w1")
    assert {"239.1.2.3", "239.1.2.4"} <= igmp_groups(there, "w1")
    assert "ff15::114" in igmp6_groups(there, "w1")
    for address in ("239.1.2.3", "239.1.2.4", "[ff15::114]"):
        assert send(here, f"udp:{address}:5000,interface=v1", "in\n") == "in\n"
    assert send(here, "udp:10.9.1.2:5000", "alone\n") == "alone\n"
    relay.stop()
    assert not {"239.1.2.3", "239.1.2.4"} & igmp_groups(there, "w1")
    assert "ff15::114" not in igmp6_groups(there, "w1")


def test_a_reload_that_takes_the_route_away_leaves(here, start_ferry, run_ferry, runtime_dir):
    def configure(*groups):
        (runtime_dir / "c.conf").write_text(
            "[route control]\nlisten = unix:control.sock\nto = control\n"
            + "".join(
                f"[route g{number}]\nlisten = udp:{host(group)}:5000,interface=v0\n"
                "to = echo\nallow = any\n"
                for number, group in enumerate(groups)
            )
        )

    configure(GROUP4, GROUP6)
    with here.inside():
        up = start_ferry("up", "-c", "c.conf")
    wait_until(lambda: GROUP6 in igmp6_groups(here, "v0"))
    assert GROUP4 in igmp_groups(here, "v0")
    configure(GROUP4)
    assert run_ferry("reload", "-s", "control.sock").returncode == 0
    wait_until(lambda: GROUP6 not in igmp6_groups(here, "v0"))
    assert GROUP4 in igmp_groups(here, "v0")
    up.stop()
    assert GROUP4 not in igmp_groups(here, "v0")


# --- what cannot be --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "listen, words",
    [
        ("udp:239.1.2.3:5000", ["no route", "interface=NAME"]),
        ("udp:239.1.2.3:5000,interface=v9", ["no network interface v9", "ip link"]),
        ("udp:[ff02::114]:5000", ["on each interface", "interface=NAME"]),
        ("udp:[ff02::114%25v0]:5000,interface=v1", ["not the same", "leave one"]),
        ("udp:10.9.0.1:5000,join=239.1.2.3", ["bound to one address", "udp:*:PORT"]),
        ("udp:0.0.0.0:5000,join=ff15::1,interface=v0", ["IPv4 can't join ff15::1", "udp:*"]),
        ("udp:*:5000,interface=v0", ["there is none", "join="]),
        ("udp:*:5000,source=10.9.0.2", ["there is none", "join="]),
        ("udp:232.1.2.3:5000,interface=v0,source=fd09::1", ["different families", "each"]),
        ("udp:*:5000,join=10.0.0.1", ["column 17", "multicast groups"]),
        ("udp:*:5000,join=239.1.2.3 239.1.2.3", ["column 27", "twice"]),
        ("udp:232.1.2.3:5000,source=239.1.1.1", ["column 27", "no groups"]),
        (
            "udp:*:5000,interface=v0,join=" + " ".join(f"239.1.3.{n}" for n in range(1, 30)),
            ["too many groups", "net.ipv4.igmp_max_memberships"],
        ),
        (
            "udp:232.1.2.3:5000,interface=v0,source=" + " ".join(f"10.1.3.{n}" for n in range(1, 30)),
            ["too many sources", "net.ipv4.igmp_max_msf"],
        ),
        (
            "udp:[ff35::1]:5000,interface=v0,source=" + " ".join(f"fd00::{n}" for n in range(1, 90)),
            ["too many sources", "net.ipv6.mld_max_msf"],
        ),
        ("udp:239.1.2.3:5000,interface=v0,ttl=3", ["listening cannot use ttl"]),
    ],
)  # fmt: skip
def test_listening_says_what_is_wrong(here, run_ferry, listen, words):
    with here.inside():
        done = run_ferry("relay", listen, "echo", "--allow", "any")
    assert done.returncode in (1, 2)
    assert len(done.stderr.splitlines()) == 1
    for word in words:
        assert word in done.stderr


@pytest.mark.parametrize(
    "address, words",
    [
        ("udp:239.1.2.3:5000", ["no route leads to the group", "interface=NAME"]),
        ("udp:[ff02::114]:5000", ["on each interface", "interface=NAME"]),
        ("udp:[ff15::114]:5000,interface=lo", ["no route leads to the group", "table local"]),
        ("udp:10.9.0.2:5000,loop=no", ["the host is none", "leave it out"]),
        ("udp:10.9.0.2:5000,ttl=0", ["ttl=0", "from 1 to 255"]),
        ("udp:239.1.2.3:5000,source=10.0.0.1", ["dialling cannot use source"]),
    ],
)
def test_dialling_says_what_is_wrong(here, run_ferry, address, words):
    with here.inside():
        done = run_ferry("connect", address, input="x")
    assert done.returncode in (1, 2)
    assert len(done.stderr.splitlines()) == 1
    for word in words:
        assert word in done.stderr


def test_the_loopback_has_groups_when_it_has_a_route(here, listen, send):
    listen(here, "udp:239.7.2.3:5000")
    assert "239.7.2.3" in igmp_groups(here, "lo")
    with here.inside():
        sockets = subprocess.run(["ss", "-Huln"], capture_output=True, text=True).stdout
    assert [line.split()[3] for line in sockets.splitlines()] == ["239.7.2.3:5000"]
    assert send(here, "udp:239.7.2.3:5000", "hello\n") == "hello\n"


def test_a_group_is_not_relayed_into_itself(here, there, run_ferry, listen, send):
    with here.inside():
        done = run_ferry("relay", "udp:239.1.2.3:5000,interface=v0", "udp:239.1.2.3:5000",
                         "--allow", "any")  # fmt: skip
    assert done.returncode == 1
    assert "interface= of its own, or say loop=no" in done.stderr
    # From one wire to the other it may be.
    listen(there, "udp:239.1.2.3:5000,interface=w0", "udp:239.1.2.3:5000,interface=w1")
    listen(here, "udp:239.1.2.3:5000,interface=v1")
    assert send(here, "udp:239.1.2.3:5000,interface=v0", "around\n") == "around\n"


def test_group_and_everything_else_share_a_port_with_nobody(here, listen, run_ferry):
    listen(here, "udp:*:5000,join=239.1.2.3,interface=v0")
    with here.inside():
        done = run_ferry("relay", "udp:*:5000,join=239.1.2.3,interface=v0", "echo", "--allow", "any")
    assert done.returncode == 1
    assert "the port is in use" in done.stderr
