"""The table is right when there is much of everything: tens of thousands of sockets, backlogs that
the kernel's diagnosis does not fit into an answer, and processes that come and go while it is made.
"""

import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time

import pytest

from crossings import Table, owners, peers, ss_unix, tool
from machines import Machine
from support import BUILD, wait_until

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

FILES = 20000
needs_files = pytest.mark.skipif(
    resource.getrlimit(resource.RLIMIT_NOFILE)[1] < FILES, reason=f"needs {FILES} descriptors"
)
MORE_FILES = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({FILES}, {FILES}))"


@needs_files
def test_fifty_thousand_sockets(actor, ls):
    makers = [actor() for _ in range(3)]
    expected, pairs = {}, {}
    for maker in makers:
        maker.run(MORE_FILES)
        maker.run("many = [end for _ in range(8400) for end in socket.socketpair()]")
        held = maker.all_held("many")
        expected.update((one.inode, one) for one in held)
        pairs.update((one.inode, other) for one, other in zip(held[::2], held[1::2]))
        pairs.update((other.inode, one) for one, other in zip(held[::2], held[1::2]))
    assert len(expected) == 50400
    table = ls("-x", timeout=50)
    mine = {inode: table.sockets[inode] for inode in expected}
    wrong = [
        inode
        for inode, row in mine.items()
        if owners(row) != {expected[inode].owner}
        or row["peer"]["inode"] != pairs[inode].inode
        or peers(row) != {pairs[inode].owner}
    ]
    assert wrong == []
    pids = {maker.pid for maker in makers}
    assert sum(bool(pids & {pid for pid, _ in owners(row)}) for row in table.rows) == 50400


# --- backlogs ---------------------------------------------------------------------------------------


@pytest.fixture
def deep():
    """A network namespace whose listeners may have 20,000 clients waiting."""
    machine = Machine()
    with machine.inside():
        with open("/proc/sys/net/core/somaxconn", "w") as limit:
            limit.write("20000")
    yield machine
    machine.end()


def listen(server, name):
    server.run(
        f"{name} = socket.socket(socket.AF_UNIX); {name}.bind('{name}.sock'); {name}.listen(20000)"
    )
    return server.held(name)


def call(client, name, count):
    """So many clients of a listener, which it does not accept."""
    client.run(f"{MORE_FILES}\nmany = [socket.socket(socket.AF_UNIX) for _ in range({count})]")
    client.run(f"for one in many: one.connect('{name}.sock')")
    return client.all_held("many")


def assert_waiting(table, listening, callers):
    assert table.row(listening)["waiting"] == len(callers)
    assert set(table.clients(listening)) == {held.inode for held in callers}
    for held in callers:
        row = table.row(held)
        assert row["state"] == "WAITING" and row["listener"] == listening.inode, row
        assert owners(row) == {held.owner} and "peer_gone" not in row


@needs_root
@needs_files
def test_nine_thousand_wait(actor, ls, deep):
    """More than the kernel puts into an answer: it ends its dump there, and says nothing."""
    server = actor(machine=deep)
    before, huge, behind = (listen(server, name) for name in ("before", "huge", "behind"))
    crowd = [held for _ in range(3) for held in call(actor(machine=deep), "huge", 3000)]
    first = call(actor(machine=deep), "before", 5)
    last = call(actor(machine=deep), "behind", 7)
    table = ls("-x", timeout=50)
    assert_waiting(table, huge, crowd)
    assert_waiting(table, before, first)
    assert_waiting(table, behind, last)
    assert table.gaps["ambiguous_backlogs"] == 0 and "waiting clients" not in table.said
    with deep.inside():
        shown, lost = ss_unix(), tool("ss", "-xaenH").splitlines()
    # Nor does ss: with -e it leaves out hundreds or thousands, and knows of none whom it waits for.
    assert len(lost) < len(shown)
    assert {shown[held.inode][3] for held in crowd} == {0}


@needs_root
@needs_files
def test_two_such_listeners_are_a_gap_that_is_told(actor, ls, deep):
    server = actor(machine=deep)
    one, other, small = (listen(server, name) for name in ("one", "other", "small"))
    callers = call(actor(machine=deep), "one", 8500) + call(actor(machine=deep), "other", 8600)
    few = call(actor(machine=deep), "small", 3)
    table = ls("-x", timeout=50)
    assert table.row(one)["waiting"] == 8500 and table.row(other)["waiting"] == 8600
    assert table.gaps["ambiguous_backlogs"] == 2
    assert "2 listeners' waiting clients" in table.said and table.said.count("\n") == 1
    for held in callers:
        row = table.row(held)
        assert row["state"] == "WAITING" and "listener" not in row and "peer_gone" not in row
    assert table.clients(one) == [] == table.clients(other)
    assert_waiting(table, small, few)


@needs_root
@needs_files
def test_one_more_that_cannot_be_told_apart_is_nobodys(actor, ls, deep):
    """One that has closed is counted in the backlog, so that elimination does not come out even."""
    server = actor(machine=deep)
    huge = listen(server, "huge")
    client = actor(machine=deep)
    callers = call(client, "huge", 8600)
    client.run("many.pop().close()")
    table = ls("-x", timeout=50)
    assert table.row(huge)["waiting"] == 8600 and table.gaps["ambiguous_backlogs"] == 1
    assert {table.row(held)["state"] for held in callers[:-1]} == {"WAITING"}
    assert table.clients(huge) == []


# --- coming and going -------------------------------------------------------------------------------

CHURN = r"""
import os, random, socket, sys, time

def live(seed):
    random.seed(seed)
    name = f"\0ferry-churn-{os.getpid()}-"
    keep = []
    for i in range(random.randrange(1, 4)):
        listener = socket.socket(socket.AF_UNIX); listener.bind(name + f"{i}"); listener.listen(4)
        client = socket.socket(socket.AF_UNIX); client.connect(name + f"{i}")
        keep += [listener, client, listener.accept()[0]]
        bound = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); bound.bind(name + f"d{i}")
        keep.append(bound)
        time.sleep(random.random() / 30 * int(sys.argv[2]))
        if random.random() < .5:
            keep.pop().close()
    os._exit(0)

alive, seed = set(), 0
while os.getppid() == int(sys.argv[1]):
    while len(alive) < 50:
        seed += 1
        child = os.fork()
        if child == 0:
            live(seed)
        alive.add(child)
    pid, _ = os.wait()
    alive.discard(pid)
    print(pid, time.monotonic_ns(), flush=True)
"""


def has_descriptors(pid):
    try:
        return bool(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return False


@pytest.fixture
def churn(start, sanitizer):
    """Processes that come and go about as fast as a look takes, which a sanitizer makes slow."""
    life = 10 if sanitizer else 1
    process = start(sys.executable, "-S", "-E", "-c", CHURN, os.getpid(), life)
    wait_until(lambda: len(process.stdout().splitlines()) > 50)
    return process


def test_processes_that_come_and_go(churn, ls):
    """Each names its sockets after itself, so that every row tells whose it must be."""
    seen = owned = listening = looks = 0
    while (looks < 50 or seen < 1000) and looks < 300:
        looks += 1
        began_ns = time.monotonic_ns()
        table = ls("-x")
        alive = set(filter(has_descriptors, map(int, filter(str.isdigit, os.listdir("/proc")))))
        ended_ns = {}
        for line in churn.stdout().splitlines(keepends=True):
            if line.endswith(b"\n"):
                pid, at_ns = line.split()
                ended_ns[int(pid)] = int(at_ns)
        for row in table.rows:
            name = re.match(r"@ferry-churn-(\d+)-", row.get("local", row.get("remote", "")))
            if not name:
                continue
            pid = int(name[1])
            seen += 1
            owned += bool(row["owners"])
            assert {owner for owner, _ in owners(row)} <= {pid}, row
            assert {owner for owner, _ in peers(row)} <= {pid}, row
            # Numbers are given again only after 32,768 others.
            assert ended_ns.get(pid, began_ns) >= began_ns, row
            # Only who ends meanwhile is not there to be found: its listeners it never closes.
            if row["state"] == "LISTEN" and pid in alive:
                assert row["owners"], row
                listening += 1
    # A row of another without its owner is one whose process ended meanwhile.
    assert seen >= 1000 and owned > 500 and listening > 100
    churn.end()


def followed(run_ferry):
    done = run_ferry(
        *["ls", "-x", "--json", "--follow", "--count=60", "--interval=20ms", "--kind=unix"], timeout=50
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_table_that_is_refreshed_while_processes_come_and_go(churn, run_ferry):
    """What is kept from one look to the next is never somebody else's."""
    seen = owned = runs = 0
    # How many come and go meanwhile is the machine's affair.
    while (seen <= 1000 or owned <= 500) and runs < 5:
        runs += 1
        for row in followed(run_ferry):
            name = re.match(r"@ferry-churn-(\d+)-", row.get("local", row.get("remote", "")))
            if not name:
                continue
            seen += 1
            owned += bool(row["owners"])
            assert {owner for owner, _ in owners(row)} <= {int(name[1])}, row
            assert {owner for owner, _ in peers(row)} <= {int(name[1])}, row
    assert seen > 1000 and owned > 500
    churn.end()


@pytest.fixture
def elsewhere():
    """A process in another network namespace."""
    machine = Machine()
    yield machine
    machine.end()


def stand_each(actor, look):
    """look() is the table, of one that opens and closes all the time beside what stays."""
    one = actor()
    one.run(
        f"{MORE_FILES}\n"
        "steady = [end for _ in range(2000) for end in socket.socketpair()]\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    while os.getppid() != 1:\n"
        "        loose = [end for _ in range(200) for end in socket.socketpair()]\n"
        "        loose = None"
    )
    child, steady = one.ask("child"), one.all_held("steady")
    try:
        for _ in range(10):
            table = look()
            missing = [held for held in steady if held.inode not in table.sockets]
            assert missing == []
            for held in steady:
                assert owners(table.row(held)) == {held.owner, (child, held.fd)}
    finally:
        os.kill(child, signal.SIGKILL)


@needs_files
def test_descriptors_that_come_and_go(actor, ls):
    """They make the kernel leave out some of the others, and tell of some twice: what is there all
    along is always one row. ss misses a few of these."""
    stand_each(actor, lambda: ls("-x"))


@needs_files
@needs_root
def test_descriptors_that_come_and_go_beside_what_is_hidden(actor, elsewhere):
    """Who may not look into another network namespace knows all of its own none the less."""

    def look():
        done = subprocess.run(
            ["setpriv", "--bounding-set", "-sys_admin", BUILD / "ferry"]
            + ["ls", "-x", "--json", "--all", "--all-netns"],
            capture_output=True,
            text=True,
        )
        table = Table(done.stdout, done.stderr)
        assert table.gaps["hidden_namespaces"] > 0
        return table

    stand_each(actor, look)
