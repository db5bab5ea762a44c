"""Machines that a test makes: network namespaces."""

import contextlib
import ctypes
import os
import subprocess
from pathlib import Path

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


def setns(fd):
    if LIBC.setns(fd, CLONE_NEWNET) < 0:
        raise OSError(ctypes.get_errno(), "setns")


class Machine:
    """A network namespace; what is opened or started inside `with machine.inside()` is in it."""

    def __init__(self):
        self.holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "echo; exec cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self.holder.stdout.read(1) == b"\n"

    @contextlib.contextmanager
    def inside(self):
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        other = os.open(f"/proc/{self.holder.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            setns(other)
            yield
        finally:
            setns(before)
            os.close(before)
            os.close(other)

    def ip(self, *words):
        with self.inside():
            done = subprocess.run(["ip", *words], capture_output=True, text=True)
            assert done.returncode == 0, (words, done.stderr)

    def proc(self, name):
        with self.inside():
            return Path(f"/proc/thread-self/net/{name}").read_text()

    def end(self):
        self.holder.stdin.close()
        self.holder.wait(10)
        self.holder.stdout.close()
