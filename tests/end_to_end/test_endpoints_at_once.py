"""Every descriptor of every process in one answer of the kernel's, a BPF iterator: the table is the
same as by walking through /proc, and it is walked where the kernel gives no answer, or a wrong one."""

import ctypes
import errno
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from crossings import Table, owners, queue_unlink
from machines import Machine


def may_load():
    """Whether this process may load a program of tracing into the kernel, as far as is known before:
    CAP_SYS_ADMIN, or CAP_BPF and CAP_PERFMON, and no filter that forbids the call."""
    capabilities = int(re.search(r"CapEff:\t(\w+)", Path("/proc/self/status").read_text())[1], 16)
    number = {"x86_64": 321, "aarch64": 280, "riscv64": 280}.get(os.uname().machine, -1)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall(number, 9999, None, 0)  # no such command
    needed = 1 << 39 | 1 << 38
    return ctypes.get_errno() not in (errno.EPERM, errno.ENOSYS) and (
        bool(capabilities & 1 << 21) or capabilities & needed == needed
    )


pytestmark = [
    pytest.mark.plain_build,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed"),
    pytest.mark.skipif(
        not os.path.exists("/sys/kernel/btf/vmlinux"), reason="this kernel does not describe its types"
    ),
    pytest.mark.skipif(not may_load(), reason="may not load BPF programs here"),
]

MANY = 4096  # OPEN_FILES_MIN
UNSHARED = """
import threading
def lone():
    assert LIBC.unshare(0x400) == 0  # CLONE_FILES: descriptors of its own from here on
    lone.ends = socket.socketpair()
    global child
    child = os.fork()
    if child:
        opened.set()
    time.sleep(60)
    os._exit(0)
opened = threading.Event()
threading.Thread(target=lone, daemon=True).start()
opened.wait()
"""


@pytest.fixture
def crowd(actor, runtime_dir):
    """Processes that hold one of everything, and more open files than are worth asking one by one."""
    holder, other, thread = actor(), actor(), actor()
    os.mkfifo(runtime_dir / "fifo")
    holder.run(f"many = [open('/dev/null') for _ in range({MANY})]")
    holder.run("pairs = [end for _ in range(300) for end in socket.socketpair()]")
    holder.run("server = socket.socket(socket.AF_UNIX); server.bind('s.sock'); server.listen()")
    holder.run("client = socket.socket(socket.AF_UNIX); client.connect('s.sock')")
    holder.run("pipe = os.pipe(); both = os.open('fifo', os.O_RDWR); memory = os.memfd_create('m')")
    holder.run(f"queue = queue_open('/ferry-{os.getpid()}', os.O_RDWR | os.O_CREAT)")
    holder.run("path = os.open('s.sock', os.O_PATH); passed = os.open(f'/proc/self/fd/{pipe[0]}', os.O_PATH)")
    holder.run("child = os.fork()\nif child == 0: time.sleep(60); os._exit(0)")
    other.run("LIBC.prctl(15, b'a) S 1 (\\xff\\nb', 0, 0, 0)")  # PR_SET_NAME
    other.run("ends = socket.socketpair(); tcp = socket.socket(); tcp.bind(('127.0.0.1', 0)); tcp.listen()")
    thread.run(f"ends = socket.socketpair()\n{UNSHARED}")
    machine = Machine()
    elsewhere = actor(machine=machine)
    elsewhere.run("ends = socket.socketpair(); tcp = socket.socket(); tcp.bind(('127.0.0.1', 0)); tcp.listen()")
    pids = {holder.pid, holder.ask("child"), thread.ask("child"), other.pid, thread.pid, elsewhere.pid}
    yield pids
    for one in holder, thread:
        one.run("os.kill(child, signal.SIGKILL); os.waitpid(child, 0)")
    queue_unlink(f"/ferry-{os.getpid()}")
    machine.end()


@pytest.fixture
def look(ferry, runtime_dir):
    """look(strace's words...) is (what `ferry ls` says of everything, {system call: how often})."""

    def run(*words, before=(), kind="all"):
        trace = runtime_dir / "trace"
        done = subprocess.run(
            [*before, "strace", "-qq", "-o", trace, *words]
            + [ferry, "ls", "--json", "--all", "--all-netns", f"--kind={kind}"],
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=30,
        )
        assert done.returncode == 0, done.stderr
        calls = re.findall(r"^(\w+)\(", trace.read_text(), re.MULTILINE)
        return Table(done.stdout, done.stderr), {name: calls.count(name) for name in set(calls)}

    return run


def told_of(table, pids):
    """What a table says of these processes and of all that they hold, as far as it lasts."""
    rows = {}
    for row in table.rows:
        held = frozenset((pid, fd) for pid, fd in owners(row) if pid in pids)
        if held:
            lasting = {name: value for name, value in row.items() if name not in ("age_ms", "seen_ns")}
            rows[row["kind"], row["inode"], row.get("ends"), row.get("device")] = (held, lasting)
    # What it does while it is looked at is its own affair.
    processes = {pid: {**table.processes[pid], "state": None} for pid in pids if pid in table.processes}
    return rows, processes


def test_the_same_as_by_walking(crowd, look):
    at_once, calls = look()
    walked, all_calls = look("-e", "inject=bpf:error=EPERM")
    assert calls["bpf"] % 3 == 0 and calls.get("statx", 0) < MANY / 4, calls
    assert all_calls["statx"] > MANY, all_calls
    rows, processes = told_of(at_once, crowd)
    assert len(rows) > 600 and {"u_str", "tcp", "pipe", "fifo", "mq", "memfd"} <= {kind for kind, *_ in rows}
    assert set(processes) == crowd
    assert (rows, processes) == told_of(walked, crowd)
    # Of the thread's own descriptors neither knows.
    assert all(owners(row) for row in at_once.rows if row["kind"] == "pipe")


def test_whose_child_a_process_is(crowd, ferry, runtime_dir):
    """Told without a look at /proc: a thread's child is its process's."""
    drawn = []
    for words in ("-e", "trace=bpf"), ("-e", "inject=bpf:error=EPERM"):
        words = ["strace", "-qq", "-o", "trace", *words, ferry, "ls", "-x", "--all-netns", "--tree"]
        done = subprocess.run(words, capture_output=True, cwd=runtime_dir, timeout=30)
        pids = "|".join(map(str, sorted(crowd))).encode()
        drawn.append(re.findall(rb"^.*\b(?:%s)\b.*$" % pids, done.stdout, re.MULTILINE))
    assert len(drawn[0]) >= len(crowd) and drawn[0] == drawn[1]


@pytest.mark.parametrize("kind", ["all", "unix"])
@pytest.mark.parametrize(
    "words",
    [
        ("-e", "inject=bpf:error=ENOSYS"),
        ("-e", "inject=bpf:error=EPERM:when=2"),
        ("-e", "inject=bpf:error=EMFILE:when=3"),
        ("-P", "/sys/kernel/btf/vmlinux", "-e", "inject=openat:error=ENOENT"),
        ("-P", "/sys/kernel/btf/vmlinux", "-e", "inject=mmap:error=ENODEV"),
        ("-P", "/sys/kernel/btf/vmlinux", "-e", "inject=mmap,read:error=ENODEV"),
        ("-P", "anon_inode:bpf_iter", "-e", "inject=read:error=EIO:when=3"),
        ("-P", "anon_inode:bpf_iter", "-e", "inject=read:error=EAGAIN:when=2"),
        ("-P", "anon_inode:bpf_iter", "-e", "inject=read:retval=0:when=2"),
    ],
)
def test_whatever_fails(crowd, look, words, kind):
    table, calls = look(*words, kind=kind)
    assert sum(calls.values()) > 0, "what was to fail was called"
    assert told_of(table, crowd) == told_of(look(kind=kind)[0], crowd)


def test_only_what_is_worth_it(look, crowd):
    """A question of a few files costs more than it saves."""
    assert int(Path("/proc/sys/fs/file-nr").read_text().split()[0]) >= MANY
    assert look()[1]["bpf"] >= 3


def test_few_files_are_asked_one_by_one(look):
    few = int(Path("/proc/sys/fs/file-nr").read_text().split()[0]) < MANY - 1000
    assert ("bpf" in look()[1]) == (not few)


def test_where_pids_are_others(crowd, ferry, runtime_dir):
    """In another pid namespace the kernel's own numbers are not ours: none of them is shown."""
    inside = (
        "import os, socket, subprocess, sys\n"
        "ends = socket.socketpair()\n"
        f"done = subprocess.run([{str(ferry)!r}, 'ls', '--json', '--kind=unix'], capture_output=True)\n"
        "print(os.getpid(), os.fstat(ends[0].fileno()).st_ino, ends[0].fileno())\n"
        "print(done.stdout.decode())\n"
    )
    done = subprocess.run(
        ["unshare", "--pid", "--fork", "--mount-proc", "/usr/bin/python3", "-c", inside],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    first, document = done.stdout.split("\n", 1)
    pid, inode, fd = map(int, first.split())
    table = Table(document)
    assert pid < 10 and owners(table.sockets[inode]) == {(pid, fd)}
    assert {held for row in table.rows for held, _ in owners(row)} <= set(range(1, 20))


def test_who_has_no_privilege_sees_only_his_own(crowd, ferry):
    done = subprocess.run(
        ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", ferry, "ls", "--json"],
        capture_output=True,
        text=True,
        timeout=30,
    )
    document = json.loads(done.stdout)
    assert document["gaps"]["hidden_processes"] >= len(crowd)
    assert not any(row["owners"] for row in document["endpoints"])
    assert "CAP_SYS_PTRACE" in done.stderr
