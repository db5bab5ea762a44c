"""The table of what is no socket is right: pipes, FIFOs, POSIX message queues and memfds, beside what
the processes that opened them say, and beside /proc."""

import contextlib
import os
import signal
import subprocess

import pytest

from crossings import Table, owners, peers, proc_owners, queue_open, queue_unlink
from support import BUILD, wait_until

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def ends_of(table, kind, inode):
    """{"r": row, "w": row} of a pipe or FIFO."""
    rows = {row["ends"]: row for row in table.find(kind=kind, inode=inode)}
    assert len(rows) == len(table.find(kind=kind, inode=inode)), "an end has one row"
    return rows


# --- pipes ------------------------------------------------------------------------------------------


def test_both_ends_of_a_pipe(actor, ls):
    one = actor()
    one.run("r, w = os.pipe()")
    r, w = one.held("r"), one.held("w")
    ends = ends_of(ls("--kind=pipe"), "pipe", r.inode)
    assert set(ends) == {"r", "w"}
    assert owners(ends["r"]) == {r.owner} == peers(ends["w"])
    assert owners(ends["w"]) == {w.owner} == peers(ends["r"])
    assert proc_owners(r.inode, "pipe") == {r.owner, w.owner}
    assert "peer_gone" not in ends["r"] and ends["r"]["peer"]["inode"] == r.inode


def test_a_pipe_between_processes(actor, ls):
    one = actor()
    one.run(
        "r, w = os.pipe()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    extra = os.dup(r); os.close(w); signal.pause()\n"
    )
    child, r, w = one.ask("child"), one.held("r"), one.held("w")
    try:
        wait_until(lambda: (child, w.fd) not in proc_owners(w.inode, "pipe"))
        wait_until(lambda: len(proc_owners(w.inode, "pipe")) == 4)
        one.run("os.close(r)")
        ends = ends_of(ls("--kind=pipe"), "pipe", w.inode)
        assert owners(ends["w"]) == {w.owner}
        assert {pid for pid, _ in owners(ends["r"])} == {child} and len(owners(ends["r"])) == 2
        assert owners(ends["r"]) == proc_owners(w.inode, "pipe") - {w.owner}
    finally:
        os.kill(child, signal.SIGKILL)
        one.run("os.waitpid(child, 0)")
    ends = ends_of(ls("--kind=pipe"), "pipe", w.inode)
    # The end that nobody has any more is no row.
    assert set(ends) == {"w"} and ends["w"]["peer_gone"] is True and "peer" not in ends["w"]


def test_a_pipe_whose_reader_has_gone(actor, ls):
    one = actor()
    one.run("r, w = os.pipe(); os.close(w)")
    ends = ends_of(ls("--kind=pipe"), "pipe", one.held("r").inode)
    assert set(ends) == {"r"} and ends["r"]["peer_gone"] is True


# --- FIFOs ------------------------------------------------------------------------------------------


def test_both_ends_of_a_fifo(actor, ls, runtime_dir):
    reader, writer = actor(), actor()
    os.mkfifo(runtime_dir / "f")
    reader.run("f = os.open('f', os.O_RDONLY | os.O_NONBLOCK)")
    alone = ends_of(ls("--kind=fifo"), "fifo", reader.held("f").inode)
    assert set(alone) == {"r"} and alone["r"]["peer_gone"] is True
    writer.run("f = os.open('f', os.O_WRONLY)")
    r, w = reader.held("f"), writer.held("f")
    ends = ends_of(ls("--kind=fifo"), "fifo", r.inode)
    assert owners(ends["r"]) == {r.owner} == peers(ends["w"])
    assert owners(ends["w"]) == {w.owner} == peers(ends["r"])
    assert ends["r"]["local"] == str(runtime_dir / "f") == ends["w"]["local"]
    assert "peer_gone" not in ends["r"]


def test_a_fifo_that_is_open_for_both(actor, ls, runtime_dir):
    one, other = actor(), actor()
    os.mkfifo(runtime_dir / "f")
    one.run("f = os.open('f', os.O_RDWR)")
    other.run("f = os.open('f', os.O_WRONLY)")
    both, w = one.held("f"), other.held("f")
    ends = ends_of(ls("--kind=fifo"), "fifo", w.inode)
    assert owners(ends["r"]) == {both.owner}
    assert owners(ends["w"]) == {both.owner, w.owner}
    assert {owner["ends"] for owner in ends["r"]["owners"]} == {"rw"}
    assert peers(ends["r"]) == owners(ends["w"])


def test_a_fifo_that_has_no_path_any_more(actor, ls, runtime_dir):
    one = actor()
    os.mkfifo(runtime_dir / "f")
    one.run("f = os.open('f', os.O_RDWR); os.unlink('f')")
    f = one.held("f")
    ends = ends_of(ls("--kind=fifo"), "fifo", f.inode)
    assert owners(ends["r"]) == {f.owner} == owners(ends["w"])
    assert ends["r"]["local"].startswith(str(runtime_dir / "f"))


def test_two_fifos_of_one_inode_number_are_two(actor, ls, runtime_dir):
    """Numbers are of a device; two file systems have the same ones."""
    one = actor(before=["unshare", "--mount", "--propagation", "private"])
    one.run(
        "for name in 'ab':\n"
        "    os.mkdir(name); assert os.system(f'mount -t tmpfs none {name}') == 0\n"
        "    os.mkfifo(f'{name}/f')\n"
        "a, b = (os.open(f'{name}/f', os.O_RDWR) for name in 'ab')"
    )
    a, b = one.held("a"), one.held("b")
    assert a.inode == b.inode
    rows = ls("--kind=fifo").find(inode=a.inode, kind="fifo")
    assert sorted((row["ends"], *owners(row)) for row in rows) == sorted(
        (end, held.owner) for end in ("r", "w") for held in (a, b)
    )


# --- queues -----------------------------------------------------------------------------------------


@pytest.fixture
def queue():
    """The name of a message queue that is unlinked at the end."""
    name = f"/ferry-test-{os.getpid()}"
    yield name
    with contextlib.suppress(OSError):
        queue_unlink(name)


@needs_root
def test_a_queue_and_who_has_it_open(actor, ls, queue):
    one, other = actor(), actor()
    one.run(f"q = queue_open({queue!r}, os.O_CREAT | os.O_WRONLY)")
    one.run("queue_send(q, b'twelve bytes'); queue_send(q, b'five!')")
    other.run(f"q = queue_open({queue!r}, os.O_RDONLY)")
    w, r = one.held("q"), other.held("q")
    row = ls("--kind=mq").only(kind="mq", local=queue)
    assert owners(row) == {w.owner, r.owner}
    assert {(owner["pid"], owner["ends"]) for owner in row["owners"]} == {
        (one.pid, "w"),
        (other.pid, "r"),
    }
    assert (row["messages"], row["messages_max"], row["message_size_max"]) == (2, 8, 64)
    assert row["receive_queue"] == 17 and row["uid"] == 0 and row["inode"] == w.inode


@needs_root
def test_a_queue_that_nobody_has_open(ls, queue):
    os.close(queue_open(queue, os.O_CREAT | os.O_RDWR))
    row = ls("--kind=mq").only(kind="mq", local=queue)
    assert row["owners"] == [] and (row["messages"], row["receive_queue"]) == (0, 0)
    queue_unlink(queue)
    assert not ls("--kind=mq").find(local=queue)


def test_a_queue_that_was_unlinked_is_there_while_it_is_open(actor, ls, queue):
    one = actor()
    one.run(f"q = queue_open({queue!r}, os.O_CREAT | os.O_RDWR)")
    queue_unlink(queue)
    q = one.held("q")
    row = ls("--kind=mq").only(kind="mq", inode=q.inode)
    assert owners(row) == {q.owner} and row["local"].startswith(queue)


@needs_root
def test_who_may_not_list_queues_says_so(actor, queue):
    os.close(queue_open(queue, os.O_CREAT | os.O_RDWR))
    done = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", BUILD / "ferry"]
        + ["ls", "--json", "--kind=mq"],
        capture_output=True,
        text=True,
        cwd="/",
    )
    assert done.returncode in (0, 1)
    table = Table(done.stdout)
    if os.path.ismount("/dev/mqueue"):
        assert table.find(local=queue) and "messages" not in table.only(local=queue)
    else:
        assert table.gaps["unlisted_queues"] == 1 and not table.rows
        (line,) = [line for line in done.stderr.splitlines() if "not seen" in line]
        assert "1 directory of message queues" in line


def test_a_file_of_a_queues_size_is_none(actor, ls, runtime_dir):
    """A queue looks like a file of 80 bytes."""
    one = actor()
    (runtime_dir / "eighty").write_text("x" * 80)
    one.run("f = os.open('eighty', os.O_RDONLY)")
    assert not ls("--kind=mq").find(inode=one.held("f").inode)


# --- memfds -----------------------------------------------------------------------------------------


def test_a_memfd_and_all_that_share_it(actor, ls):
    one, other = actor(), actor()
    one.run(
        "m = os.memfd_create('ferry test (deleted)'); os.ftruncate(m, 12345)\n"
        "way = socket.socket(socket.AF_UNIX); way.bind('w.sock'); way.listen(1)"
    )
    other.run("way = socket.socket(socket.AF_UNIX); way.connect('w.sock')")
    one.run("way, _ = way.accept(); socket.send_fds(way, [b'x'], [m])")
    other.run("_, (m,), _, _ = socket.recv_fds(way, 10, 1)")
    m, n = one.held("m"), other.held("m")
    row = ls("--kind=memfd").only(kind="memfd", inode=m.inode)
    assert owners(row) == {m.owner, n.owner} and m.inode == n.inode
    assert row["local"] == "ferry test (deleted)" and row["size"] == 12345


@pytest.mark.parametrize(
    "name, shown",
    [
        (b"", None),
        (b"/with/slashes", "/with/slashes"),
        (b"\x1b[2J\n", "\\x1b[2J\\x0a"),
        ("grüß".encode(), "grüß"),
        (b"\xff", "\\xff"),
    ],
)
def test_names_of_memfds(actor, ls, name, shown):
    one = actor()
    one.run(f"m = os.memfd_create({name!r})")
    row = ls("--kind=memfd").only(kind="memfd", inode=one.held("m").inode)
    assert row.get("local") == shown and owners(row) == {one.held("m").owner}


def test_a_file_that_only_looks_like_a_memfd_is_none(actor, ls, runtime_dir):
    one = actor()
    (runtime_dir / "memfd:x").write_text("")
    one.run("f = os.open('memfd:x', os.O_RDONLY); os.unlink('memfd:x')")
    assert not ls("--kind=memfd").find(inode=one.held("f").inode)


# --- kinds ------------------------------------------------------------------------------------------


def test_each_kind_is_shown_by_its_name_and_with_all(actor, ls, runtime_dir, queue):
    one = actor()
    os.mkfifo(runtime_dir / "f")
    one.run(
        "r, w = os.pipe(); f = os.open('f', os.O_RDWR); m = os.memfd_create('m')\n"
        f"q = queue_open({queue!r}, os.O_CREAT | os.O_RDWR)\n"
        "s = [socket.socket(socket.AF_UNIX, t) for t in (1, 2, 5)]\n"
        "t = socket.create_server(('127.0.0.1', 0))\n"
        "u = socket.socket(socket.AF_INET, 2); u.bind(('127.0.0.1', 0))"
    )
    held = {
        "pipe": one.held("r"),
        "fifo": one.held("f"),
        "memfd": one.held("m"),
        "mq": one.held("q"),
        "tcp": one.held("t"),
        "udp": one.held("u"),
        **dict(zip(("u_str", "u_dgr", "u_seq"), one.all_held("s"))),
    }
    everything = ls("--kind=all")
    for kind, thing in held.items():
        rows = everything.find(inode=thing.inode, kind=kind)
        assert rows and any(thing.owner in owners(row) for row in rows)
        table = ls(f"--kind={kind}")
        assert {row["kind"] for row in table.rows} == {kind}
        assert table.find(inode=thing.inode) == rows
    assert {row["kind"] for row in ls("--kind=unix").rows} == {"u_str", "u_dgr", "u_seq"}
    assert not ls().find(inode=held["pipe"].inode, kind="pipe")
