"""tmux behind a relay. Its client does not carry the terminal's bytes: it passes the terminal's
descriptors to the server, which then reads and writes the terminal itself."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

import pytest

from programs import need


class Terminal:
    """A pseudo-terminal with a client in it, read by us."""

    def __init__(self, command, **options):
        self.master, slave = pty.openpty()
        self.name = os.ttyname(slave)
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.seen = b""
        self.popen = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            **options,
        )
        os.close(slave)

    def type(self, text):
        os.write(self.master, text.encode())

    def wait_for(self, text, seconds=15):
        deadline = time.monotonic() + seconds
        while text.encode() not in self.seen:
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self.master], [], [], max(left, 0))
            assert ready, f"no {text!r} within {seconds} s in {self.seen!r}"
            try:
                self.seen += os.read(self.master, 65536)
            except OSError:
                raise AssertionError(f"ended without {text!r}: {self.seen!r}") from None

    def close(self):
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait(10)
        os.close(self.master)


@pytest.fixture
def tmux(runtime_dir):
    """tmux(socket, argument...) runs a command of tmux; `environment` is that of all of them."""
    program = need("tmux")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(runtime_dir),
        "SHELL": "/bin/sh",
        "TERM": "xterm",
        "LC_ALL": "C.UTF-8",
    }

    def run(path, *words, status=0):
        done = subprocess.run(
            [program, "-S", path, "-f", "/dev/null", *words],
            capture_output=True,
            text=True,
            env=environment,
            timeout=20,
        )
        assert done.returncode == status, done.stderr
        return done.stdout.strip()

    run.program = program
    run.environment = environment
    yield run
    # The server is nobody's child: it ends when it is told to, or has ended already.
    subprocess.run(
        [program, "-S", runtime_dir / "server.sock", "kill-server"], capture_output=True, timeout=20
    )


def test_a_session_through_a_relay_shows_on_a_real_terminal(
    tmux, start_ferry, runtime_dir
):
    server, relayed = runtime_dir / "server.sock", runtime_dir / "relayed.sock"
    # The server must not be the one that its first client starts.
    tmux(server, "new-session", "-d", "-s", "first")
    relay = start_ferry("relay", f"unix:{relayed}", f"unix:{server}")
    relay.wait_for("started")

    terminal = Terminal(
        [tmux.program, "-S", str(relayed), "-f", "/dev/null", "new-session", "-s", "second"],
        env=tmux.environment,
    )
    try:
        terminal.wait_for("[second]")
        terminal.type("echo over-$((6 * 7))\r")
        terminal.wait_for("over-42")
        # The server holds the very terminal, not a copy of its bytes.
        clients = tmux(server, "list-clients", "-F", "#{client_tty} #{client_pid} #{session_name}")
        assert clients == f"{terminal.name} {terminal.popen.pid} second"
        terminal.type("tty; exit\r")
        terminal.wait_for("[exited]")
        assert terminal.popen.wait(10) == 0
    finally:
        terminal.close()

    relay.wait_for("closed")
    line = next(line for line in relay.stderr().splitlines() if " closed " in line)
    assert int(re.search(r"(\d+) descriptors", line)[1]) >= 2
    assert tmux(server, "list-sessions", "-F", "#{session_name}") == "first"


def test_many_commands_through_a_relay(tmux, start_ferry, runtime_dir):
    server, relayed = runtime_dir / "server.sock", runtime_dir / "relayed.sock"
    tmux(server, "new-session", "-d", "-s", "first")
    start_ferry("relay", f"unix:{relayed}", f"unix:{server}").wait_for("started")
    for number in range(20):
        tmux(relayed, "set-buffer", "-b", f"b{number}", f"text {number}")
    for number in range(20):
        assert tmux(relayed, "show-buffer", "-b", f"b{number}") == f"text {number}"
    tmux(relayed, "kill-server")
    tmux(server, "list-sessions", status=1)
