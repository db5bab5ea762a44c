"""ferry ping and ping(8) over one path, and what the kernels at its ends counted.

Three network namespaces, near - router - far, made for the test: every request that arrives at far
is one that was sent, and nobody else is there.
"""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from support import assert_no_report, wait_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make network namespaces")

NOBODY = 65534
FAR = {4: "10.9.2.2", 6: "fd09:2::2"}
SILENT = {4: "10.9.4.1", 6: "fd09:4::1"}  # dropped by the router
REFUSED = {4: "10.9.3.1", 6: "fd09:3::1"}  # which says "unreachable"
FAMILIES = pytest.mark.parametrize("family", [4, 6])
# Who sends: root has a raw socket, all others one of the kernel's ping sockets, if they are let.
SENDERS = pytest.mark.parametrize("sender", ["root", "nobody"])


def run(*words, check=True, **options):
    options = {"capture_output": True, "text": True, "timeout": 30, **options}
    return subprocess.run([str(word) for word in words], check=check, **options)


class NetworkPath:
    """near, router and far, joined."""

    def __init__(self, program):
        self.program = program
        self.names = {}
        self.before = {4: (0, 0), 6: (0, 0)}

    def make(self):
        for place in ("near", "router", "far"):
            self.names[place] = f"ferry-{os.getpid()}-{place}"
            run("ip", "netns", "add", self.names[place])
            self.at(place, "ip", "link", "set", "lo", "up")
        self.join("near", "router", 1)
        self.join("far", "router", 2)
        forward = ["net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"]
        # It says every time that it does not forward.
        unlimited = ["net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0"]
        self.at("router", "sysctl", "-qw", *forward, *unlimited)
        for place, link in (("near", 1), ("far", 2)):
            self.at(place, "ip", "route", "add", "default", "via", f"10.9.{link}.1")
            self.at(place, "ip", "-6", "route", "add", "default", "via", f"fd09:{link}::1")
        for flag, number in (("-4", "10.9.{}.0/24"), ("-6", "fd09:{}::/64")):
            self.at("router", "ip", flag, "route", "add", "unreachable", number.format(3))
            self.at("router", "ip", flag, "route", "add", "blackhole", number.format(4))
        # Neighbours find each other, and the links come up.
        for host in FAR.values():
            wait_until(lambda: self.ping8("-c", "1", "-W", "1", host)[0] == 0)

    def start_over(self):
        """As it is for the first test."""
        self.at("near", "sysctl", "-qw", "net.ipv4.ping_group_range=1 0")
        self.at("far", "sysctl", "-qw", "net.ipv4.icmp_echo_ignore_all=0")
        self.before = {family: self.counted(family) for family in FAR}

    def join(self, place, router, link):
        """A wire; the router is .1 on it, the place .2."""
        wire = [f"w{link}", "netns", self.names[place]]
        peer = [f"r{link}", "netns", self.names[router]]
        run("ip", "link", "add", *wire, "type", "veth", "peer", *peer)
        for end, name, number in ((place, f"w{link}", 2), (router, f"r{link}", 1)):
            self.at(end, "ip", "address", "add", f"10.9.{link}.{number}/24", "dev", name)
            self.at(end, "ip", "address", "add", f"fd09:{link}::{number}/64", "dev", name, "nodad")
            self.at(end, "ip", "link", "set", name, "up")

    def remove(self):
        for name in self.names.values():
            run("ip", "netns", "del", name, check=False)

    def at(self, place, *words, **options):
        return run("ip", "netns", "exec", self.names[place], *words, **options)

    def let_nobody(self):
        self.at("near", "sysctl", "-qw", "net.ipv4.ping_group_range=0 2147483647")

    def ferry(self, *arguments, sender="root"):
        as_sender = []
        if sender == "nobody":
            as_sender = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        done = self.at("near", *as_sender, self.program, *arguments, check=False)
        assert_no_report(done.stderr)
        return done

    def ping(self, *arguments, sender="root"):
        """What came of the one address."""
        done = self.ferry("ping", "-q", "--json", "-i", "10ms", *arguments, sender=sender)
        assert done.stdout, done.stderr
        entry = json.loads(done.stdout)["addresses"][0]
        assert done.returncode == (0 if entry["answered"] else 1)
        return entry

    def ping8(self, *arguments):
        """The same of ping(8): exit status, and what it said."""
        done = self.at("near", "ping", "-n", "-i", "0.01", *arguments, check=False)
        return done.returncode, done.stdout

    def requests(self, family):
        """Echo requests that have arrived at far in this test, and replies that have left."""
        return tuple(now - then for now, then in zip(self.counted(family), self.before[family]))

    def counted(self, family):
        if family == 4:
            lines = self.at("far", "cat", "/proc/net/snmp").stdout.splitlines()
            names, values = (line.split() for line in lines if line.startswith("Icmp:"))
            return tuple(int(values[names.index(name)]) for name in ("InEchos", "OutEchoReps"))
        lines = self.at("far", "cat", "/proc/net/snmp6").stdout.splitlines()
        counters = dict(line.split() for line in lines)
        return int(counters["Icmp6InEchos"]), int(counters["Icmp6OutEchoReplies"])

    def octets(self):
        """Bytes of IPv4 that have arrived at far."""
        lines = self.at("far", "cat", "/proc/net/netstat").stdout.splitlines()
        names, values = (line.split() for line in lines if line.startswith("IpExt:"))
        return int(values[names.index("InOctets")])


@pytest.fixture(scope="module")
def made_path(ferry):
    # Where nobody can reach it, whoever built it.
    folder = Path(tempfile.mkdtemp(prefix="ferry-", dir="/tmp"))
    shutil.copy(ferry, folder)
    os.chmod(folder, 0o755)
    path = NetworkPath(folder / "ferry")
    try:
        path.make()
        yield path
    finally:
        path.remove()
        shutil.rmtree(folder)


@pytest.fixture
def path(made_path):
    made_path.start_over()
    return made_path


@FAMILIES
@SENDERS
def test_both_get_every_reply(path, family, sender):
    if sender == "nobody":
        path.let_nobody()
    entry = path.ping("-c", "7", f"icmp:{FAR[family]}", sender=sender)
    assert (entry["sent"], entry["answered"], entry["loss_percent"]) == (7, 7, 0)
    assert (entry["twice"], entry["late"], entry["foreign"]) == (0, 0, 0)
    assert path.requests(family) == (7, 7)
    status, said = path.ping8("-c", "7", FAR[family])
    assert (status, "7 packets transmitted, 7 received, 0% packet loss" in said) == (0, True)
    assert path.requests(family) == (14, 14)


def test_both_are_as_large_on_the_wire(path):
    sizes = []
    for size in (16, 56, 57, 1000):
        before = path.octets()
        assert path.ping("-c", "3", "-s", size, f"icmp:{FAR[4]}")["answered"] == 3
        between = path.octets()
        assert path.ping8("-c", "3", "-s", str(size), FAR[4])[0] == 0
        sizes.append((between - before, path.octets() - between))
    assert sizes == [(3 * (20 + 8 + size),) * 2 for size in (16, 56, 57, 1000)]


@FAMILIES
@SENDERS
def test_both_say_that_the_hops_are_used_up(path, family, sender):
    if sender == "nobody":
        path.let_nobody()
    address = f"icmp:{FAR[family]},ttl=1"
    entry = path.ping("-c", "3", address, sender=sender)
    assert (entry["sent"], entry["answered"], entry["failed"]) == (3, 0, 3)
    done = path.ferry("ping", "-c", "2", "-i", "10ms", address, sender=sender)
    # Each question says it, and the summary.
    assert done.stdout.count("its time to live was exceeded on the way") == 3
    status, said = path.ping8("-c", "3", "-t", "1", FAR[family])
    assert (status, "3 packets transmitted, 0 received, +3 errors, 100% packet loss" in said) == (1, True)
    assert "exceeded" in said
    assert path.requests(family) == (0, 0)
    assert path.ping("-c", "1", f"icmp:{FAR[family]},ttl=2", sender=sender)["answered"] == 1


@FAMILIES
@SENDERS
def test_both_say_that_a_host_is_unreachable(path, family, sender):
    if sender == "nobody":
        path.let_nobody()
    # The router has no route there; of IPv4 it says that of the host.
    ours, theirs = {
        4: ("the host is unreachable", "Destination Host Unreachable"),
        6: ("the network is unreachable", "Destination unreachable: No route"),
    }[family]

    # It says so once a second at most, and else drops.
    def ferry_is_told():
        done = path.ferry("ping", "-c", "1", f"icmp:{REFUSED[family]}", sender=sender)
        assert done.returncode == 1
        assert ": 1 failed" in done.stdout or ": 1 without answer" in done.stdout
        return ours in done.stdout

    def ping_is_told():
        status, said = path.ping8("-c", "1", "-W", "1", REFUSED[family])
        assert status == 1
        return theirs in said and "+1 errors, 100% packet loss" in said

    wait_until(ferry_is_told, 20)
    wait_until(ping_is_told, 20)


@FAMILIES
def test_both_lose_all_on_a_path_that_drops(path, family):
    entry = path.ping("-c", "3", "-W", "200ms", f"icmp:{SILENT[family]}")
    assert (entry["sent"], entry["answered"], entry["lost"]) == (3, 0, 3)
    assert entry["loss_percent"] == 100
    status, said = path.ping8("-c", "3", "-W", "0.2", SILENT[family])
    assert (status, "3 packets transmitted, 0 received, 100% packet loss" in said) == (1, True)


def test_a_silent_host_is_asked_as_often_as_told(path):
    path.at("far", "sysctl", "-qw", "net.ipv4.icmp_echo_ignore_all=1")
    entry = path.ping("-c", "4", "-W", "100ms", f"icmp:{FAR[4]}")
    assert (entry["sent"], entry["answered"], entry["lost"]) == (4, 0, 4)
    assert path.requests(4) == (4, 0)
    assert path.ping8("-c", "4", "-W", "0.1", FAR[4])[0] == 1
    assert path.requests(4) == (8, 0)


def test_an_answer_to_another_process_is_not_taken(path):
    """Two that ask the same host by raw sockets get each other's replies, too."""
    words = ["ping", "-q", "--json", "-c", "200", "-i", "1ms", f"icmp:{FAR[4]}"]
    command = ["ip", "netns", "exec", path.names["near"], str(path.program), *words]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for process in running:
        said, _ = process.communicate(timeout=30)
        entry = json.loads(said)["addresses"][0]
        assert (entry["answered"], entry["late"], entry["twice"], entry["foreign"]) == (200, 0, 0, 0)
    assert path.requests(4) == (600, 600)


def test_who_may_not_is_told_what_to_do(path):
    for family in (4, 6):
        done = path.ferry("ping", "-c", "1", f"icmp:{FAR[family]}", sender="nobody")
        assert done.returncode == 1
        assert done.stdout == ""
        assert done.stderr.count("\n") == 1
        for words in ("may send no echo requests", "net.ipv4.ping_group_range", "cap_net_raw"):
            assert words in done.stderr
        assert path.requests(family) == (0, 0)


def test_a_link_local_address_with_its_zone(path):
    def shown():
        words = ["ip", "-6", "-o", "address", "show", "dev", "r1", "scope", "link", "-tentative"]
        return path.at("router", *words).stdout.split()

    address = wait_until(shown)[3].split("/")[0]
    wait_until(lambda: path.ping8("-c", "1", "-W", "1", f"{address}%w1")[0] == 0)
    assert path.ping("-c", "2", f"icmp:[{address}%25w1]")["answered"] == 2
    assert path.ping("-c", "2", f"icmp:{address}%w1")["answered"] == 2
