"""A file system whose process does not answer what it is told to keep silent about: fuse(4), as far
as one file needs it. It is a process of its own, since whoever waits for it can't be killed."""

import ctypes
import os
import select
import struct
import subprocess
import sys

GETATTR, FLUSH = 3, 25
INIT, LOOKUP, OPEN, OPENDIR, RELEASE, RELEASEDIR = 26, 1, 14, 27, 18, 29
UNANSWERED = (2, 36, 42)  # they have no answer: FORGET, INTERRUPT, BATCH_FORGET


class MuteFile:
    """A file that anybody may open, at `path`; from mute() on its owner is silent about `kinds`. It has
    no links, as a file that was removed."""

    def __init__(self, folder, *kinds, name="file"):
        self.folder = folder / "mute"
        self.folder.mkdir()
        self.path = self.folder / name
        words = [sys.executable, __file__, str(self.folder), *map(str, kinds)]
        self.server = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.is_there = self.server.stdout.read(1) == b"+"

    def mute(self):
        self.server.stdin.write(b"-")
        self.server.stdin.flush()
        assert self.server.stdout.read(1) == b"-"

    def detach(self):
        """What is open stays so, and is shown as if its folder were the root."""
        if self.is_there:
            self.is_there = False
            subprocess.run(["umount", "--lazy", str(self.folder)], check=True, timeout=20)

    def end(self):
        """Whoever waits gets an error."""
        self.server.kill()
        self.server.wait()
        self.detach()


def attributes(node):
    mode, links = (0o040755, 2) if node == 1 else (0o100666, 0)
    return struct.pack("<6Q10I", node, 4096, 8, 0, 0, 0, 0, 0, 0, mode, links, 0, 0, 0, 4096, 0)


def answer(kind, node):
    if kind == INIT:
        return struct.pack("<4I2H2I2H8I", 7, 31, 65536, 0, 12, 9, 65536, 1, *[0] * 10)
    if kind == LOOKUP:
        return struct.pack("<4Q2I", 2, 1, 0, 0, 0, 0) + attributes(2)
    if kind == GETATTR:
        return struct.pack("<Q2I", 0, 0, 0) + attributes(node)
    if kind in (OPEN, OPENDIR):
        return struct.pack("<Q2I", 1, 0, 0)
    return b"" if kind in (FLUSH, RELEASE, RELEASEDIR) else None


def serve(folder, silent):
    kernel = os.open("/dev/fuse", os.O_RDWR | os.O_NONBLOCK)
    options = f"fd={kernel},rootmode=40000,user_id=0,group_id=0,allow_other"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"mute", folder.encode(), b"fuse", 0, options.encode()) < 0:
        return
    os.write(1, b"+")
    poll = select.poll()
    poll.register(kernel, 1)
    poll.register(0, 1)
    is_mute = False
    while True:
        ready = [fd for fd, _ in poll.poll()]
        if 0 in ready:
            if not os.read(0, 1):
                return
            is_mute = True
            os.write(1, b"-")
        if kernel not in ready:
            continue
        size, kind, unique, node = struct.unpack_from("<2I2Q", os.read(kernel, 1 << 20))
        if kind in UNANSWERED or (is_mute and kind in silent):
            continue
        body = answer(kind, node)
        head = struct.pack("<IiQ", 16 + len(body or b""), 0 if body is not None else -38, unique)
        os.write(kernel, head + (body or b""))


if __name__ == "__main__":
    serve(sys.argv[1], [int(word) for word in sys.argv[2:]])
