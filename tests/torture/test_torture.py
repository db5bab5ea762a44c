"""Every system call that can fail does so, one after the other, and every allocation: `ferry up` is
made to live through a scripted session again and again, and each time another one fails, once, or that
and all that follow.

Whatever fails: no crash, no hang at the end, no descriptor left, and nothing lost in silence: a client
that was not served finds the reason in what ferry said. After what failed once, the next session goes
through whole. FERRY_TORTURE_POINTS bounds how many points are tried (all, if 0), drawn by
FERRY_TORTURE_SEED.
"""

import array
import contextlib
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from support import BUILD, children_of, descriptor_count, state_of, wait_until

pytestmark = [
    pytest.mark.plain_build,
    pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed"),
    pytest.mark.timeout(3600),
]

POINTS = int(os.environ.get("FERRY_TORTURE_POINTS", "240"))
SEED = int(os.environ.get("FERRY_TORTURE_SEED", "0")) or random.randrange(1, 10**6)

CONFIGURATION = """
[route echo]
listen = unix:echo.sock
to = echo

[route relay]
listen = unix:relay.sock
to = unix:echo.sock

[route packets]
listen = unix-seq:packets.sock
to = unix-seq:{folder}/back.sock

[route datagrams]
listen = unix-dgram:datagrams.sock
to = echo

[route nobody]
listen = unix:nobody.sock
allow = uid:4242
to = echo

[route command]
listen = unix:command.sock
to = exec:cat
"""

GUEST = """
[route guest]
listen = unix:guest.sock
to = echo
"""

# Seconds that a client waits.
PATIENCE = 2

# Side by side. Where nothing works any more, clients wait most of the time.
LIVES = {"once": 8, "from then on": 24}

# What the kernel might say of each.
ERRORS = {
    "accept4": "EMFILE",
    "bind": "EADDRINUSE",
    "clone": "EAGAIN",
    "clone3": "EAGAIN",
    "connect": "EAGAIN",
    "dup2": "EBADF",
    "dup3": "EBADF",
    "epoll_create1": "EMFILE",
    "epoll_ctl": "ENOSPC",
    "epoll_pwait": "EINTR",
    "epoll_wait": "EINTR",
    "eventfd2": "EMFILE",
    "execve": "EACCES",
    "fchmod": "EPERM",
    "fchmodat": "EPERM",
    "fchown": "EPERM",
    "fchownat": "EPERM",
    "flock": "EAGAIN",
    "fstat": "EIO",
    "getdents64": "EIO",
    "getpeername": "ENOBUFS",
    "getsockname": "ENOBUFS",
    "getsockopt": "ENOBUFS",
    "ioctl": "ENOTTY",
    "linkat": "EEXIST",
    "listen": "EADDRINUSE",
    "lseek": "ESPIPE",
    "mkdir": "EACCES",
    "mkdirat": "EACCES",
    "mmap": "ENOMEM",
    "newfstatat": "EACCES",
    "openat": "EMFILE",
    "pidfd_open": "EMFILE",
    "pidfd_send_signal": "ESRCH",
    "pipe2": "EMFILE",
    "poll": "EINTR",
    "prctl": "EINVAL",
    "prlimit64": "EPERM",
    "pwritev2": "ENOSPC",
    "read": "EIO",
    "readlink": "EACCES",
    "readlinkat": "EACCES",
    "recvfrom": "ECONNRESET",
    "recvmmsg": "ENOMEM",
    "recvmsg": "ENOMEM",
    "rename": "EACCES",
    "renameat2": "EACCES",
    "seccomp": "EINVAL",
    "sendmmsg": "ENOBUFS",
    "sendmsg": "ENOBUFS",
    "sendto": "ENOBUFS",
    "setsockopt": "ENOPROTOOPT",
    "signalfd4": "EMFILE",
    "socket": "EMFILE",
    "socketpair": "EMFILE",
    "splice": "ENOMEM",
    "statx": "EACCES",
    "symlinkat": "EEXIST",
    "tee": "ENOMEM",
    "timerfd_create": "EMFILE",
    "timerfd_settime": "EINVAL",
    "umask": "EPERM",
    "unlink": "EACCES",
    "unlinkat": "EACCES",
    "wait4": "ECHILD",
    "waitid": "ECHILD",
    "write": "ENOSPC",
    "writev": "ENOSPC",
}
# shutdown(2) fails only where there is nobody to be told any more. epoll_ctl(2) changes and removes
# what is watched always; else a descriptor was closed too early, which is asserted. flock(2) gives a
# lock back always.
CANNOT = re.compile(rb"(epoll_ctl\(\d+, EPOLL_CTL_(MOD|DEL)|flock\(\d+, LOCK_UN).*\(INJECTED\)")
# Waiting that always fails is no fault that a machine has; nor that signals can't be read.
ONLY_ONCE = {"epoll_wait", "epoll_pwait", "poll", "read"}


# --- a session --------------------------------------------------------------------------------------


def configure(folder, more=""):
    with open(f"{folder}/ferry.conf", "w") as configuration:
        configuration.write(CONFIGURATION.format(folder=folder) + more)


def call(folder, name, kind=socket.SOCK_STREAM):
    client = socket.socket(socket.AF_UNIX, kind)
    client.settimeout(PATIENCE)
    client.connect(f"{folder}/{name}")
    return client


def exchange(folder, name, data, kind=socket.SOCK_STREAM):
    """All that comes back when `data` was sent, and the end of it."""
    with call(folder, name, kind) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        back = b""
        while part := client.recv(1 << 20):
            back += part
    assert back == data


def relayed(folder):
    exchange(folder, "relay.sock", os.urandom(300_000))


def echoed(folder):
    exchange(folder, "echo.sock", b"good day")


def commanded(folder):
    exchange(folder, "command.sock", b"through cat")


def datagrams(folder):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        client.bind("")
        client.settimeout(PATIENCE)
        client.connect(f"{folder}/datagrams.sock")
        for number in range(5):
            client.send(b"%d" % number)
            assert client.recv(100) == b"%d" % number


def descriptor(folder):
    """An open file goes to the server behind the relay, which writes into it."""
    back = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with back, contextlib.ExitStack() as stack:
        back.bind(f"{folder}/back.sock")
        stack.callback(os.unlink, f"{folder}/back.sock")
        back.listen()
        back.settimeout(PATIENCE)
        reading, writing = os.pipe()
        stack.callback(os.close, reading)
        with call(folder, "packets.sock", socket.SOCK_SEQPACKET) as client:
            client.sendmsg([b"take"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [writing]))])
            os.close(writing)
            server = stack.enter_context(back.accept()[0])
            server.settimeout(PATIENCE)
            data, control, *_ = server.recvmsg(100, socket.CMSG_SPACE(4))
            (passed,) = array.array("i", control[0][2])
            os.write(passed, b"through it")
            os.close(passed)
            assert data == b"take" and os.read(reading, 100) == b"through it"


def refused(folder):
    with call(folder, "nobody.sock") as client:
        assert client.recv(10) == b""


def reloaded(folder):
    configure(folder, GUEST)
    asked(folder, "reload")
    exchange(folder, "guest.sock", b"a guest")
    configure(folder)
    asked(folder, "reload")


def asked(folder, verb):
    done = subprocess.run(
        [FERRY, verb, "-s", f"unix:{folder}/control.sock"], capture_output=True, timeout=10
    )
    assert done.returncode == 0, done.stderr


def status(folder):
    asked(folder, "status")


STEPS = [echoed, relayed, commanded, datagrams, descriptor, refused]
CONTROL = [status, reloaded]


def session(life, most=len(STEPS + CONTROL)):
    """{step: what went wrong}, of so many. Without its control socket ferry goes on, and says so."""
    folder, failed = life.folder, {}
    for step in STEPS + (CONTROL if life.has_control() else []):
        try:
            step(folder)
        except (OSError, AssertionError, subprocess.TimeoutExpired, ValueError, IndexError) as error:
            failed[step.__name__] = repr(error)
            if len(failed) == most:
                break
    return failed


# --- a life -----------------------------------------------------------------------------------------


class Life:
    """Of one `ferry up`, started by these words and with this environment, until it is told to end."""

    def __init__(self, folder, words=(), environment=()):
        self.folder = folder
        self.traced = bool(words)
        os.mkdir(folder, 0o700)
        configure(folder)
        folders = {"XDG_RUNTIME_DIR": folder, "RUNTIME_DIRECTORY": folder}
        with open(f"{folder}/said", "wb") as said:
            self.popen = subprocess.Popen(
                [*words, FERRY, "up", "-c", f"{folder}/ferry.conf", "--grace=100ms"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            env={**os.environ, **folders, **dict(environment)},
            cwd=folder,
            )

    def trace(self):
        if not self.traced:
            return b""
        return open(f"{self.folder}/trace", "rb").read()

    def faults(self):
        return self.trace().count(b"(INJECTED)")

    def wait_started(self):
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and self.popen.poll() is None:
            if b"started  command:" in self.text():
                return True
            time.sleep(0.005)
        return False

    def has_control(self):
        return re.search(rb"started +control:", self.text())

    def text(self):
        return open(f"{self.folder}/said", "rb").read()

    def pid(self):
        """Ferry's own: strace's first child."""
        if not self.traced:
            return self.popen.pid
        return next(iter(children_of(self.popen.pid)), None)

    def descriptors(self, expected):
        """How many, once nothing moves any more; None: it has ended."""
        count, deadline = None, time.monotonic() + 3
        try:
            while count != expected and time.monotonic() < deadline:
                time.sleep(0.01)
                count = descriptor_count(self.pid())
        except OSError:
            return None
        return count

    def end(self):
        """Ends it, by itself if it can: its exit status; None: it had to be killed."""
        with contextlib.suppress(ProcessLookupError, TypeError, FileNotFoundError):
            os.kill(self.pid(), signal.SIGTERM)
        try:
            return self.popen.wait(8)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError, TypeError, FileNotFoundError):
                os.kill(self.pid(), signal.SIGKILL)
            self.popen.wait(10)
            return None


def traced(folder, *words):
    return Life(folder, ["strace", "-f", "--seccomp-bpf", "-qq", "-o", f"{folder}/trace", *words])


def starving(folder, number):
    """Whose allocation of that number fails; "+": and all that follow; "0": none."""
    return Life(
        folder,
        environment={
            "LD_PRELOAD": str(BUILD / "fail-allocation.so"),
            "FERRY_FAIL_ALLOCATION": number,
            "FERRY_COUNT_ALLOCATIONS": f"{folder}/count",
        },
    )


def live(folder, what, number, mode):
    """(what was wrong with a life in which that call, or "allocation", failed, whether it did)."""
    when = f"{number}+" if mode == "from then on" else str(number)
    if what == "allocation":
        life = starving(folder, when)
    else:
        life = traced(folder, "-e", f"trace={what}", "-e", f"inject={what}:error={ERRORS[what]}:when={when}")
    wrong = []
    served = life.wait_started()
    first = session(life, len(STEPS + CONTROL) if mode == "once" else 2) if served else {}
    alive = served and life.popen.poll() is None
    if alive and mode == "once":
        # It may have failed in the second; the third is after it.
        again = session(life) and session(life)
        # Each command that ferry starts meets the fault anew.
        if again and life.popen.poll() is None and not (life.faults() > 1 and set(again) == {"commanded"}):
            wrong.append(f"not served the next time: {again}")
    if alive and mode == "once" and life.has_control():
        count = life.descriptors(DESCRIPTORS)
        if count not in (DESCRIPTORS, None):
            wrong.append(f"{count} descriptors, not {DESCRIPTORS}")
    code = life.end()
    injected = life.faults() > 0 or what == "allocation"
    if CANNOT.search(life.trace()):
        injected, wrong, code = False, [], 0
    if code is None:
        wrong.append("does not end")
    # One that is on its way to its end is killed by the request to end, and strace ends as it did.
    elif code not in (-signal.SIGTERM, 128 + signal.SIGTERM) and (code < 0 or code > 127):
        wrong.append(f"died: {code}")
    if injected and (first or not served) and not life.text().strip() and what != "write":
        wrong.append(f"said nothing of {first or 'a start that failed'}")
    tail = life.text().decode(errors="replace")[-600:]
    shutil.rmtree(folder)
    return [f"{what} {number} {mode}: {text}; said {tail}" for text in wrong], injected


FERRY = DESCRIPTORS = None


@pytest.fixture(scope="module")
def counted(request, tmp_path_factory):
    """{call: how often a life without a fault makes it}."""
    global FERRY, DESCRIPTORS
    FERRY = BUILD / "ferry"
    folder = f"/tmp/ferry-torture-{os.getpid()}"
    os.mkdir(folder, 0o700)
    life = traced(f"{folder}/whole", "-e", "trace=" + ",".join("?" + name for name in ERRORS))
    assert life.wait_started(), life.text()
    pid = life.pid()
    before = children_of(pid)
    for _ in range(2):
        assert session(life) == {}
    # Its commands have ended, and nothing is left to be done.
    wait_until(lambda: children_of(pid) == before and state_of(pid) == "S")
    DESCRIPTORS = descriptor_count(pid)
    assert life.end() == 0, life.text()
    calls = re.findall(rf"^{pid}\s+(\w+)\(", open(f"{life.folder}/trace").read(), re.MULTILINE)
    # Until then the loader is at work, which has no words for what fails.
    yield folder, Counter(calls), Counter(calls[: calls.index("prlimit64")])
    shutil.rmtree(folder)


def torture(folder, what, points, mode, capsys):
    tried = points if not POINTS or POINTS >= len(points) else random.Random(SEED).sample(points, POINTS)
    with ThreadPoolExecutor(LIVES[mode]) as pool:
        lives = list(
            pool.map(
                lambda place: live(f"{folder}/{mode[:4]}-{place[0]}", *place[1], mode),
                enumerate(tried),
            )
        )
    wrong = [text for texts, _ in lives for text in texts]
    with capsys.disabled():
        print(
            f"\n{what} that fail {mode}: {len(tried)} of {len(points)} points tried (seed {SEED}), "
            f"{sum(injected for _, injected in lives)} met, {len(wrong)} wrong"
        )
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("mode", ["once", "from then on"])
def test_whatever_call_fails(counted, mode, capsys):
    folder, counts, loading = counted
    points = [
        (name, number)
        for name, count in sorted(counts.items())
        if not (mode != "once" and name in ONLY_ONCE)
        for number in range(loading[name] + 1, count + 1)
    ]
    torture(folder, "calls", points, mode, capsys)


@pytest.mark.parametrize("mode", ["once", "from then on"])
def test_whatever_allocation_fails(counted, capsys, mode):
    folder = counted[0]
    life = starving(f"{folder}/fed-{mode[:4]}", "0")
    assert life.wait_started(), life.text()
    for _ in range(2):
        assert session(life) == {}
    assert life.end() == 0, life.text()
    count = int(open(f"{life.folder}/count").read())
    points = [("allocation", number) for number in range(1, count + 1)]
    torture(folder, "allocations", points, mode, capsys)
