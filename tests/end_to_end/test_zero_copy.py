"""What doc/zero_copy.md says of which bytes are copied: system calls counted from outside."""

import fcntl
import mmap
import os
import re
import socket
import subprocess
from collections import Counter

import pytest

from support import listens, wait_until

MiB = 1 << 20
DATA = os.urandom(8 * MiB)

# A sanitizer makes system calls of its own.
pytestmark = pytest.mark.plain_build


@pytest.fixture
def relayed(start, ferry, runtime_dir):
    """relayed(target, options) is a relay under strace and a client of it; end() of the client's use
    gives the sizes of what each system call moved, {call: [bytes]}."""

    class Relayed:
        def __init__(self, target, listen="unix:r.sock"):
            self.trace = runtime_dir / "trace"
            calls = "sendfile,splice,read,write,readv,writev,sendto,sendmsg,recvfrom,recvmsg"
            words = ["strace", "-f", "-qq", "-o", self.trace, "-e", f"trace={calls}"]
            self.process = start(*words, ferry, "relay", "--once", "--sandbox=no", listen, target)
            wait_until(lambda: listens(runtime_dir / "r.sock"))
            self.client = socket.socket(socket.AF_UNIX)
            self.client.settimeout(20)
            self.client.connect(str(runtime_dir / "r.sock"))

        def end(self):
            self.client.close()
            assert self.process.wait() == 0, self.process.stderr()
            moved = {}
            for call, size in re.findall(
                r"^\d+\s+(\w+)\(.*\s= (\d+)$", self.trace.read_text(errors="replace"), re.M
            ):
                moved.setdefault(call, []).append(int(size))
            return moved

    return Relayed


def receive_all(client):
    received = bytearray()
    while data := client.recv(MiB):
        received += data
    return bytes(received)


def copied(moved):
    """Bytes that came into the process, but for its own small ones."""
    into = ("read", "readv", "recvfrom", "recvmsg")
    return sum(size for call in into for size in moved.get(call, []))


def test_a_file_stays_in_the_kernel(relayed, runtime_dir):
    (runtime_dir / "file").write_bytes(DATA)
    relay = relayed("file:file")
    assert receive_all(relay.client) == DATA
    moved = relay.end()
    assert sum(moved["sendfile"]) == len(DATA)
    assert copied(moved) < MiB


@pytest.fixture
def server(runtime_dir):
    """A TCP server's port; what it sends is DATA."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        child = os.fork()
        if child == 0:
            client = listener.accept()[0]
            client.sendall(DATA)
            client.shutdown(socket.SHUT_WR)
            client.recv(1)
            os._exit(0)
        yield listener.getsockname()[1]
        os.waitpid(child, 0)


def test_bulk_is_spliced_where_no_descriptor_can_come(relayed, server):
    relay = relayed(f"tcp:{server}")
    assert receive_all(relay.client) == DATA
    relay.client.shutdown(socket.SHUT_WR)
    moved = relay.end()
    assert sum(moved["splice"]) > len(DATA)  # into the pipe, and out of it
    assert copied(moved) < len(DATA) / 4


def knows_passrights():
    """SO_PASSRIGHTS, from 6.16: the kernel keeps descriptors away."""
    with socket.socket(socket.AF_UNIX) as one:
        try:
            one.setsockopt(socket.SOL_SOCKET, 83, 0)
        except OSError:
            return False
    return True


@pytest.mark.parametrize("kept", [True, False], ids=["descriptors", "none"])
def test_where_descriptors_may_come_all_is_copied(relayed, start, ferry, runtime_dir, kept):
    (runtime_dir / "file").write_bytes(DATA)
    start(ferry, "relay", "unix:server.sock", "file:file")
    wait_until(lambda: listens(runtime_dir / "server.sock"))
    relay = relayed("unix:server.sock" + ("" if kept else ",descriptors=no"))
    assert receive_all(relay.client) == DATA
    moved = relay.end()
    if kept:
        assert "splice" not in moved
        assert copied(moved) >= len(DATA)
    elif not knows_passrights():
        pytest.skip("the kernel knows no SO_PASSRIGHTS")
    else:
        assert copied(moved) < len(DATA) / 4


def test_memory_is_handed_over_as_a_descriptor(ferry, start, runtime_dir):
    """Of 64 MiB only the descriptor passes; who takes it sees that nobody can change it any more."""
    fd = os.memfd_create("large", os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, 64 * MiB)
    os.pwrite(fd, b"the end", 64 * MiB - 7)
    seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    taker = socket.socket(socket.AF_UNIX)
    taker.bind(str(runtime_dir / "take.sock"))
    taker.listen()
    words = ["strace", "-f", "-qq", "-o", "trace", "-e", "trace=write,sendmsg,sendto", ferry, "pass"]
    passing = start(*words, "unix:take.sock", f"fd:{fd}", pass_fds=[fd])
    with taker.accept()[0] as client:
        _, fds, _, _ = socket.recv_fds(client, 4096, 4)
    assert passing.wait() == 0
    assert fcntl.fcntl(fds[0], fcntl.F_GET_SEALS) == seals
    with mmap.mmap(fds[0], 0, prot=mmap.PROT_READ) as memory:
        assert memory[-7:] == b"the end"
    sizes = re.findall(r" = (\d+)$", (runtime_dir / "trace").read_text(), re.M)
    assert sum(map(int, sizes)) < 4096


def test_a_window_maps_what_cannot_change_and_reads_the_rest(build, runtime_dir):
    """A file is read unless it is trusted; of a sealed memfd no byte is copied."""

    def calls(*words, **options):
        strace = ["strace", "-qq", "-o", "trace", "-e", "trace=pread64,mmap,madvise"]
        done = subprocess.run(
            [*strace, build / "examples" / "example-search_file", *words],
            stdout=subprocess.DEVNULL,
            timeout=20,
            cwd=runtime_dir,
            **options,
        )
        assert done.returncode == 0
        trace = (runtime_dir / "trace").read_text()
        read = sum(map(int, re.findall(r"^pread64\(.*\s= (\d+)$", trace, re.M)))
        return read, Counter(re.findall(r"MADV_\w+", trace))["MADV_POPULATE_READ"]

    (runtime_dir / "file").write_bytes(DATA)
    read, mapped = calls("file", "text")
    assert read >= len(DATA) and mapped == 0
    read, mapped = calls("file", "text", "trusted")
    assert read < MiB and mapped >= 2
    fd = os.memfd_create("sealed", os.MFD_ALLOW_SEALING)
    os.write(fd, DATA)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_WRITE)
    read, mapped = calls("/dev/stdin", "text", stdin=fd)
    assert read < MiB and mapped >= 2
