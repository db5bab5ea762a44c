"""Real processes that open known things and tell exactly what they hold; and the table that
`ferry ls --json` makes of it.

An Actor is a process that runs the statements it is given and answers what it is asked, so that a
test says in its own words what there is on the machine: who holds what by which descriptor (Held)
is what that process itself says, from its own fstat(2). It lives until its test ends it.
"""

import contextlib
import ctypes
import json
import os
import re
import signal
import subprocess
import sys
from typing import NamedTuple

LIBC = ctypes.CDLL(None, use_errno=True)


class Held(NamedTuple):
    """A descriptor that a process holds."""

    pid: int
    fd: int
    inode: int

    @property
    def owner(self):
        return (self.pid, self.fd)


class Actor:
    """A process of the test's. `machine`: a machines.Machine that it lives in; `before`: words of
    a command that starts it, such as setpriv(1)."""

    def __init__(self, folder, machine=None, before=(), **options):
        command = [*before, sys.executable, "-S", "-E", os.path.abspath(__file__)]
        with machine.inside() if machine else contextlib.nullcontext():
            self.popen = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                cwd=folder,
                text=True,
                **options,
            )
        self.pid = self.ask("os.getpid()")

    def _say(self, verb, text):
        self.popen.stdin.write(json.dumps([verb, text]) + "\n")
        self.popen.stdin.flush()
        line = self.popen.stdout.readline()
        assert line, f"the actor ended in {text!r}"
        answer = json.loads(line)
        assert "error" not in answer, f"{text!r}: {answer['error']}"
        return answer["value"]

    def run(self, statements):
        self._say("run", statements)

    def ask(self, expression):
        return self._say("ask", expression)

    def held(self, name):
        """What the object of that name (a socket, a file or a number) is."""
        fd, inode = self.ask(f"(fd_of({name}), os.fstat(fd_of({name})).st_ino)")
        return Held(self.pid, fd, inode)

    def all_held(self, names):
        """The same of a list of objects."""
        found = self.ask(f"[(fd_of(x), os.fstat(fd_of(x)).st_ino) for x in {names}]")
        return [Held(self.pid, fd, inode) for fd, inode in found]

    def kill(self):
        """Ends it at once; its number is free when this returns."""
        self.popen.kill()
        self.popen.wait(10)

    def end(self):
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGCONT)
            self.popen.kill()
        self.popen.wait(10)
        self.popen.stdin.close()
        self.popen.stdout.close()


class Table:
    """What `ferry ls --json` said."""

    def __init__(self, text, said=""):
        document = json.loads(text)
        assert document["schema"] == 1
        self.rows = document["endpoints"]
        self.processes = {process["pid"]: process for process in document["processes"]}
        self.gaps = document["gaps"]
        self.said = said
        self.sockets = {}
        for row in self.rows:
            if row["kind"] in SOCKETS and row["inode"]:
                assert row["inode"] not in self.sockets, "a socket has one row"
                self.sockets[row["inode"]] = row

    def row(self, held):
        """The row of a socket; an inode will do."""
        return self.sockets[getattr(held, "inode", held)]

    def find(self, **members):
        """Rows with these members."""
        return [
            row
            for row in self.rows
            if all(row.get(name) == value for name, value in members.items())
        ]

    def only(self, **members):
        (row,) = self.find(**members)
        return row

    def clients(self, held):
        """Inodes of those that wait in a backlog, or send to a datagram server, in order."""
        return self.row(held).get("clients", [])


# Kinds that an inode names, whoever holds it.
SOCKETS = ("u_str", "u_dgr", "u_seq", "tcp", "udp", "raw")


def owners(row):
    """{(pid, fd)}, each once."""
    found = [(owner["pid"], owner["fd"]) for owner in row["owners"]]
    assert found == sorted(set(found)), "by pid, then descriptor"
    return set(found)


def peers(row):
    """Who is at the other end: {(pid, fd)}; nobody where the other end is not to be had."""
    return owners(row["peer"]) if "owners" in row.get("peer", ()) else set()


# --- other people's tools --------------------------------------------------------------------------


def tool(*words):
    done = subprocess.run(words, capture_output=True, text=True, errors="surrogateescape")
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout


def ss_unix():
    """{inode: (netid, state, local, peer's inode)} as ss(8) has them. It shows a client that waits
    as one without a peer ("* 0"). Without -e: with it, ss asks for backlogs too, shows nothing of
    them, and loses all that come behind one that does not fit into an answer."""
    line = re.compile(r"(u_\w+)\s+(\S+)\s+\d+\s+\d+\s+(.*?) (\d+)\s+(.*?) (\d+)\s")
    found = {}
    for text in tool("ss", "-xanH").splitlines():
        netid, state, local, inode, _, peer = line.match(text + " ").groups()
        found[int(inode)] = (netid, state, local, int(peer))
    return found


def ss_inet(*options):
    """[(state, local, remote, inode or 0)] of one protocol: "-t", "-u", "-w"."""
    found = []
    for text in tool("ss", "-aenH", *options).splitlines():
        state, _, _, local, remote, *_ = text.split()
        inode = re.search(r"\bino:(\d+)", text)
        found.append((state, local, remote, int(inode[1]) if inode else 0))
    return found


def proc_owners(inode, kind="socket"):
    """{(pid, fd)} of a socket or pipe, from the links of /proc: one by one, by another program."""
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            for fd in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    if os.readlink(f"/proc/{pid}/fd/{fd}") == f"{kind}:[{inode}]":
                        found.add((int(pid), int(fd)))
    return found


# --- POSIX message queues, which Python has not ----------------------------------------------------


def queue_open(name, flags, mode=0o600, messages=8, size=64):
    """mq_open(3); returns its descriptor."""
    attributes = (ctypes.c_long * 8)(0, messages, size)
    fd = LIBC.mq_open(name.encode(), flags | os.O_CLOEXEC, mode, attributes)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "mq_open", name)
    return fd


def queue_send(fd, message):
    if LIBC.mq_send(fd, message, len(message), 0) < 0:
        raise OSError(ctypes.get_errno(), "mq_send")


def queue_unlink(name):
    if LIBC.mq_unlink(name.encode()) < 0:
        raise OSError(ctypes.get_errno(), "mq_unlink", name)


# --- inside an actor -------------------------------------------------------------------------------


def fd_of(thing):
    return thing if isinstance(thing, int) else thing.fileno()


def serve():
    import socket
    import struct
    import time

    names = dict(
        os=os,
        signal=signal,
        socket=socket,
        struct=struct,
        sys=sys,
        time=time,
        fd_of=fd_of,
        queue_open=queue_open,
        queue_send=queue_send,
        LIBC=LIBC,
    )
    for line in sys.stdin:
        verb, text = json.loads(line)
        try:
            value = eval(text, names) if verb == "ask" else exec(text, names)
            answer = {"value": value}
        except Exception as error:  # the test is told, and fails there
            answer = {"error": repr(error)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve()
