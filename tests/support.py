"""What every Python test needs: where the build is, waiting for a fact, processes that surely end.

Waiting is always for a fact that can be asked from outside (a path, a line, a count), never for a
time. A process started here leads a group of its own, and that group is ended by its id.
"""

import errno
import os
import signal
import socket
import struct
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = Path(os.environ.get("FERRY_BUILD", ROOT / "build")).resolve()
SANITIZER = os.environ.get("FERRY_SANITIZER", "")

# Of a socket that listens, in /proc/net/unix: __SO_ACCEPTCON.
ACCEPTS = 1 << 16

# sock_diag(7), of unix sockets.
NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY = 4, 20
NLM_F_REQUEST, NLM_F_DUMP, NLMSG_DONE = 0x1, 0x300, 3
UDIAG_SHOW_VFS, UNIX_DIAG_VFS = 0x2, 1

# A hundred seconds of a process's pass in one. Not under sanitizers: either wants to be loaded first.
FAST = {"LD_PRELOAD": "/usr/$LIB/faketime/libfaketime.so.1", "FAKETIME": "+0 x100"}

# What a sanitizer's report holds, whatever the exit status was.
SANITIZER_REPORTS = (
    "ERROR: AddressSanitizer",
    "ERROR: LeakSanitizer",
    "WARNING: ThreadSanitizer",
    "runtime error:",
)


def wait_until(predicate, seconds=10, what=""):
    """Asks until the answer is true and returns it; fails after `seconds`, saying `what` was waited for: a text,
    or what returns one then."""
    deadline = time.monotonic() + seconds
    while True:
        answer = predicate()
        if answer:
            return answer
        if time.monotonic() > deadline:
            said = what() if callable(what) else what or predicate
            raise AssertionError(f"not so within {seconds} s: {said}")
        time.sleep(0.01)


def assert_no_report(text):
    """Fails when a sanitizer has reported something in `text`."""
    for report in SANITIZER_REPORTS:
        assert report not in text, text


def descriptor_count(pid):
    """How many descriptors a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def children_of(pid):
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def state_of(pid):
    """R: it runs; S: it sleeps; T: it is stopped; Z: it has ended (proc(5))."""
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


def wait_at_rest(*pids):
    """Until they sleep who work for each other: the end of a connection is told before the last of its
    descriptors is closed."""
    wait_until(lambda: all(state_of(pid) == "S" for pid in (*pids, *pids)), what="all sleep")


def descriptors_at_rest(pid):
    wait_at_rest(pid)
    return descriptor_count(pid)


def fill(client, send, pids):
    """Calls send() until the way is full for good: the kernel refuses although all of these sleep who
    could make room. (Who waits for a time, and not for a peer, sleeps too.)"""
    client.setblocking(False)
    asleep = False
    while True:
        try:
            send()
            asleep = False
        except OSError as error:  # descriptors in flight have a limit of their own
            assert error.errno in (errno.EAGAIN, errno.ETOOMANYREFS)
            if asleep:
                return
            wait_until(lambda: all(state_of(pid) == "S" for pid in pids), what="all are asleep")
            asleep = True


def bound_files():
    """The number of the file of each unix socket of this network namespace that has one, by the socket's own."""
    request = struct.pack("=BBHIIIQ", socket.AF_UNIX, 0, 0, 0xFFFFFFFF, 0, UDIAG_SHOW_VFS, 0)
    head = struct.pack("=IHHII", 16 + len(request), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, 0, 0)
    files = {}
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as kernel:
        kernel.send(head + request)
        while True:
            answer = kernel.recv(1 << 16)
            while answer:
                size, kind = struct.unpack_from("=IH", answer)
                if kind == NLMSG_DONE:
                    return files
                assert kind == SOCK_DIAG_BY_FAMILY
                (inode,) = struct.unpack_from("=I", answer, 20)
                if size > 32 and struct.unpack_from("=H", answer, 34) == (UNIX_DIAG_VFS,):
                    (files[inode],) = struct.unpack_from("=I", answer, 36)
                answer = answer[(size + 3) & ~3 :]


def listens(path):
    """Whether a socket at a path, or by an abstract @name, can be connected to: it is there a moment
    before it listens. The kernel knows it by the words it was bound with, which may be relative, and so be
    those of another in another directory."""
    number, found = None, []
    if not str(path).startswith("@"):
        try:
            number = os.stat(path).st_ino & 0xFFFFFFFF  # as much as the kernel tells of it
        except FileNotFoundError:
            return False
    for line in Path("/proc/net/unix").read_text(errors="replace").splitlines()[1:]:
        words = line.split(maxsplit=7)
        if len(words) == 8 and words[7] in (str(path), Path(path).name):
            if int(words[3], 16) & ACCEPTS or int(words[4], 16) == socket.SOCK_DGRAM:
                found.append(int(words[6]))
    if number is None or not found:
        return bool(found)
    files = bound_files()
    return any(files.get(inode) == number for inode in found)


class Process:
    """A running command. Its output goes to files, so that it never blocks on a full pipe."""

    def __init__(self, command, folder, name, stdin=subprocess.DEVNULL, **options):
        self.command = [str(word) for word in command]
        self.stdout_path = Path(folder) / f"{name}.stdout"
        self.stderr_path = Path(folder) / f"{name}.stderr"
        with open(self.stdout_path, "wb") as stdout, open(self.stderr_path, "wb") as stderr:
            self.popen = subprocess.Popen(
                self.command,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
                **options,
            )

    @property
    def pid(self):
        return self.popen.pid

    @property
    def stdin(self):
        return self.popen.stdin

    def running(self):
        return self.popen.poll() is None

    def stdout(self):
        return self.stdout_path.read_bytes()

    def stderr(self):
        """What it said, as text."""
        return self.stderr_path.read_text(errors="replace")

    def wait(self, seconds=10):
        """Waits for its own end and returns the exit status (-N: signal N)."""
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"still running after {seconds} s: {self.command}\n{self.stderr()}"
            ) from None

    def wait_for(self, text, seconds=10):
        """Waits until `text` stands in its stderr or stdout."""

        def said():
            if text in self.stderr() or text.encode() in self.stdout():
                return True
            assert self.running(), f"ended without {text!r}: {self.command}\n{self.stderr()}"
            return False

        try:
            wait_until(said, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}: {text!r} in\n{self.stderr()}") from None

    def send(self, number):
        self.popen.send_signal(number)

    def stop(self, number=signal.SIGTERM, seconds=10):
        """Asks it to end and returns the exit status."""
        if self.running():
            self.send(number)
        return self.wait(seconds)

    def end(self):
        """Ends it and its group whatever state they are in."""
        # The kernel gives the id to nobody else while the group has a member.
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
        self.popen.wait(10)
        if self.popen.stdin:
            self.popen.stdin.close()
