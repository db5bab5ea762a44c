"""ferry top on a terminal, seen through tmux: whole screens, compared with those in tests/golden.

The screens are taken in a pid and a network namespace of their own, in which only what the fixture
has opened exists. What differs from run to run (pids, ages, ports, inodes, rates that are read off
between two looks) is replaced by letters of the same width before comparing.

FERRY_GOLDEN=write writes them anew; look at what changed."""

import os
import re
import subprocess

import pytest

from programs import need
from support import BUILD, ROOT, wait_until

GOLDEN = ROOT / "tests" / "golden"

# In the folder of the test, so that names are short and the same in every run.
FIXTURE = r"""
import os, socket, sys

def listener(name, backlog, kind=socket.SOCK_STREAM):
    sock = socket.socket(socket.AF_UNIX, kind)
    sock.bind(name)
    sock.listen(backlog)
    return sock

def dial(name, kind=socket.SOCK_STREAM):
    sock = socket.socket(socket.AF_UNIX, kind)
    sock.connect(name)
    return sock

full = listener("full.sock", 4)
waiting = [dial("full.sock") for _ in range(3)]
app = listener("app.sock", 9)
client = dial("app.sock")
accepted, _ = app.accept()
accepted.setblocking(False)
try:
    while True:
        accepted.send(b"x" * 4096)
except BlockingIOError:
    pass
long = listener("a-name-that-is-as-long-as-it-may-be-" + "n" * 60 + ".sock", 2)
wide = listener("\0\x1b[31mred-caf\u00e9-\u4e2d\u6587\u6587\u6587\u6587", 3, socket.SOCK_SEQPACKET)
web = socket.socket()
web.bind(("127.0.0.1", 8080))
web.listen(6)
browser = socket.create_connection(("127.0.0.1", 8080))
served, _ = web.accept()
browser.send(b"GET")
served.recv(3)
log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
log.bind("log.sock")
writer = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
writer.connect("log.sock")
print("ready", flush=True)
os.read(0, 1)
"""

SCRIPT = """#!/bin/sh
ip link set lo up
[ ! -d /run/netns ] || mount -t tmpfs none /run/netns
exec 3<>hold
python3 fixture.py <&3 >ready &
until grep -q ready ready; do sleep .05; done
"{ferry}" top {words}
echo $? >status
"""


class Screen:
    def __init__(self, folder, tmux, words, columns, lines):
        self.tmux = tmux
        self.socket = folder / "tmux.server"
        (folder / "fixture.py").write_text(FIXTURE)
        (folder / "ready").write_text("")
        os.mkfifo(folder / "hold")
        (folder / "run.sh").write_text(SCRIPT.format(ferry=BUILD / "ferry", words=words))
        self.run(
            *("new-session", "-d", "-x", str(columns), "-y", str(lines)),
            "exec unshare --net --pid --mount-proc --fork --kill-child sh run.sh",
            cwd=folder,
        )

    def run(self, *words, **options):
        done = subprocess.run(
            [self.tmux, "-S", self.socket, "-f", "/dev/null", *words],
            capture_output=True,
            text=True,
            timeout=20,
            env={**os.environ, "LC_ALL": "C.UTF-8", "TERM": "xterm", "TMUX": ""},
            **options,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def keys(self, *names):
        self.run("send-keys", *names)

    def text(self):
        return self.run("capture-pane", "-p")

    def wait_for(self, *texts):
        def shows():
            seen = self.text()
            return seen if all(text in seen for text in texts) else None

        try:
            return wait_until(shows, 30)
        except AssertionError:
            raise AssertionError(f"no {texts} in\n{self.text()}") from None

    def close(self):
        subprocess.run(
            [self.tmux, "-S", self.socket, "kill-server"], capture_output=True, timeout=20
        )


@pytest.fixture
def screen(runtime_dir):
    tmux = need("tmux")
    need("unshare", "ip")
    if b"libncursesw.so" not in (BUILD / "ferry").read_bytes():
        pytest.skip("built without ncurses (libncurses-dev)")
    probe = subprocess.run(
        ["unshare", "--net", "--pid", "--mount-proc", "--fork", "true"], capture_output=True
    )
    if probe.returncode:
        pytest.skip("may not make namespaces; run it as root")
    opened = []

    def start(words="", columns=80, lines=24):
        opened.append(Screen(runtime_dir, tmux, words, columns, lines))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


def without_chance(text):
    """The same screen with letters for what differs from run to run and from kernel to kernel: of
    the same width in columns, one where nothing stands behind it."""
    for pattern, letter in [
        (r"(\[)(\d+)(?=\])", "P"),
        (r"((?:127\.0\.0\.1|~\.1|~0\.1):)(?!8080)(\d+)", "T"),
        (r"( )( ?>\d+)(?=s )", "A"),
        (r"( )( ?\d+K)(?= )", "B"),
        (r"( )([ 1][09]\d)(?=%)", "F"),
    ]:
        text = re.sub(pattern, lambda match: match[1] + letter * len(match[2]), text)
    for before, behind, letter in [
        (r"look +", "", "L"),
        (r"inode ", "", "I"),
        (r"more than ", "s", "A"),
        (r"to be read +", " bytes", "B"),
        (r"not taken +", " bytes", "B"),
        (r"(?:receive|send) +", " of", "B"),
        (r" of ", " bytes", "B"),
    ]:
        text = re.sub(rf"({before})[1-9]\d*({behind})", rf"\1{letter}\2", text)
    return "\n".join(line.rstrip() for line in text.splitlines()).rstrip() + "\n"


def assert_golden(name, text):
    path = GOLDEN / f"top-{name}.txt"
    seen = without_chance(text)
    if os.environ.get("FERRY_GOLDEN") == "write":
        path.write_text(seen)
    assert seen == path.read_text(), f"{path} differs from\n{seen}"


SETTLED = ("look 2", "h help")


@pytest.mark.parametrize("columns, lines", [(80, 24), (200, 50)])
def test_the_list(screen, columns, lines):
    top = screen("-d 1s", columns, lines)
    # Frozen at once: the figures stand still.
    top.wait_for(*SETTLED)
    top.keys("Space")
    assert_golden(f"list-{columns}x{lines}", top.wait_for("FROZEN"))


def test_a_process_keeps_its_number(screen):
    """Where its name does not fit: by that others are told from it."""
    top = screen("-x -d 1s --filter app.sock", 76, 24)
    top.wait_for(*SETTLED)
    assert re.search(r" app.sock +py[a-z0-9]*~\[\d+\]", top.text())


def test_a_row_in_full(screen):
    top = screen("-x -d 1s")
    top.wait_for(*SETTLED)
    top.keys("Space")
    top.wait_for("FROZEN")
    # The first is the fullest: app.sock, whose client does not read.
    top.keys("Enter")
    assert_golden("detail-80x24", top.wait_for("Esc back"))
    top.keys("PPage", "Escape")
    top.wait_for("h help")


def test_all_of_tcp_info_fits_the_lines(screen):
    top = screen("-t -d 1s", 80, 50)
    top.wait_for("look 2", "h help")
    top.keys("Space", "Enter")
    shown = top.wait_for("Esc back")
    # Of both ends, of which the second may reach below the screen.
    for field in ("state=ESTAB", "rtt=", "bytes_received=3", "min_rtt="):
        assert field in shown
    assert "~" not in shown and "bytes/s      in 0, out 0" in shown


def test_the_help(screen):
    top = screen("-x -d 1s")
    top.wait_for(*SETTLED)
    top.keys("Space", "h")
    assert_golden("help-80x24", top.wait_for("FROZEN", "any key"))


def test_processes(screen):
    top = screen("-d 1s")
    top.wait_for(*SETTLED)
    top.keys("Space", "p")
    assert_golden("processes-80x24", top.wait_for("FROZEN", "SOCKETS"))
    top.keys("Enter")
    shown = top.wait_for("parent", "LISTEN")
    assert "full.sock" in shown and "8080" in shown


def test_filter_sort_and_selection(screen):
    top = screen("-d 1s")
    top.wait_for(*SETTLED)
    top.keys("/", "APP")
    shown = top.wait_for("filter: APP_", "app.sock")
    assert "full.sock" not in shown.split("KIND")[1]
    top.keys("Enter")
    top.wait_for("filter: APP", "h help")
    top.keys("Escape")
    top.wait_for("log.sock", "full.sock")
    # By fill; the sixth column is its right neighbour.
    top.keys(">")
    top.wait_for("by in")
    top.keys("<", "<", "r")
    shown = top.wait_for("by send-q, reversed")
    assert "app.sock" not in shown.split("KIND")[1].splitlines()[1]
    top.keys("End")
    wait_until(lambda: top.text().splitlines()[-2].startswith("app.sock  "), 30)
    top.keys("Home")
    wait_until(lambda: not top.text().splitlines()[-2].startswith("app.sock  "), 30)
    top.keys("q")
    # Asked of the shell: tmux 3.3 sometimes misses the end of what it started.
    status = top.socket.parent / "status"
    assert wait_until(lambda: status.exists() and status.read_text(), 30) == "0\n"


def test_another_size(screen):
    top = screen("-d 1s")
    top.wait_for(*SETTLED)
    top.run("resize-window", "-x", "150", "-y", "40")
    shown = top.wait_for("REMOTE", "the kernel counts no bytes for them")
    assert len(shown.splitlines()) == 40
    top.run("resize-window", "-x", "30", "-y", "6")
    shown = top.wait_for("ferry top", "KIND", "h help  q quit")
    assert len(shown.splitlines()) == 6
    top.run("resize-window", "-x", "10", "-y", "2")
    top.wait_for("too low")
    top.run("resize-window", "-x", "80", "-y", "24")
    top.wait_for("full.sock", "h help")
