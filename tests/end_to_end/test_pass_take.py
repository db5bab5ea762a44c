"""`ferry pass` and `ferry take`: open descriptors between unrelated processes."""

import os
import signal
import socket

import pytest

from support import listens, wait_until

MAX = 253  # descriptors in one message, SCM_MAX_FD


@pytest.fixture
def take(start_ferry, runtime_dir):
    """take(argument...) starts `ferry take` and waits until it listens."""

    def run(*arguments, address="unix:t.sock", name="t.sock"):
        process = start_ferry("take", address, *arguments)
        wait_until(lambda: listens(runtime_dir / name))
        return process

    return run


@pytest.mark.parametrize("scheme", ["unix", "unix-seq", "unix-dgram"])
def test_a_file_arrives(take, run_ferry, runtime_dir, scheme):
    (runtime_dir / "notes.txt").write_text("hello\n")
    taker = take(address=f"{scheme}:t.sock")
    assert run_ferry("pass", f"{scheme}:t.sock", "notes.txt").returncode == 0
    assert taker.wait() == 0
    number, rest = taker.stdout().decode().split("  ", 1)
    assert int(number) >= 3
    assert rest == f"notes.txt  file  read  6 bytes  {runtime_dir}/notes.txt\n"
    assert not (runtime_dir / "t.sock").exists()


def test_a_command_reads_what_it_could_not_open(take, run_ferry, runtime_dir):
    (runtime_dir / "notes.txt").write_text("secret\n")
    taker = take("--", "sh", "-c", "cat <&3; echo $LISTEN_FDS $LISTEN_FDNAMES; test $$ = $LISTEN_PID")
    assert run_ferry("pass", "unix:t.sock", "notes.txt").returncode == 0
    assert taker.wait() == 0
    assert taker.stdout() == b"secret\n1 notes.txt\n"


def test_many_more_than_one_message_holds(take, run_ferry, runtime_dir):
    count = 2 * MAX + 7
    names = [f"f{i:04}" for i in range(count)]
    for name in names:
        (runtime_dir / name).write_text(name)
    # The shell reads them itself, or five hundred processes would have to start in time.
    script = """for ((i = 3; i <= %d; i++)); do read -r -u $i; printf %%s "$REPLY"; done
    echo; echo $LISTEN_FDNAMES"""
    taker = take("--", "bash", "-c", script % (count + 2))
    assert run_ferry("pass", "unix:t.sock", *names).returncode == 0
    assert taker.wait() == 0
    content, listed = taker.stdout().decode().splitlines()
    assert content == "".join(names)
    assert listed == ":".join(names)


def test_the_first_as_standard_input(take, run_ferry, runtime_dir):
    (runtime_dir / "notes.txt").write_text("12345")
    taker = take("--stdin", "--", "wc", "-c")
    assert run_ferry("pass", "unix:t.sock", "notes.txt").returncode == 0
    assert taker.wait() == 0
    assert taker.stdout().strip() == b"5"


def test_only_what_was_passed_is_inherited(take, run_ferry, runtime_dir):
    taker = take("--", "ls", "-l", "/proc/self/fd")
    assert run_ferry("pass", "unix:t.sock", "/etc/hostname", "/dev/null").returncode == 0
    assert taker.wait() == 0
    links = [
        line.split(" -> ")[1] for line in taker.stdout().decode().splitlines() if " -> " in line
    ]
    assert links[3:5] == [os.path.realpath("/etc/hostname"), "/dev/null"]
    assert len(links) == 6  # 0, 1, 2, these two, and the folder that ls itself reads


def test_names_of_other_senders_are_optional(take, runtime_dir):
    taker = take()
    ends = socket.socketpair()
    with socket.socket(socket.AF_UNIX) as sender:
        sender.connect(str(runtime_dir / "t.sock"))
        socket.send_fds(sender, [b"x"], [ends[0].fileno(), ends[1].fileno()])
    assert taker.wait() == 0
    lines = taker.stdout().decode().splitlines()
    assert [line.split("  ")[1:4] for line in lines] == [
        ["fd", "stream socket", "read-write"],
        ["fd", "stream socket", "read-write"],
    ]
    assert f"peer pid {os.getpid()} uid {os.getuid()}" in lines[0]


def test_names_cannot_forge(take, runtime_dir):
    taker = take("--", "sh", "-c", 'printf %s "$LISTEN_FDNAMES"')
    with socket.socket(socket.AF_UNIX) as sender:
        sender.connect(str(runtime_dir / "t.sock"))
        socket.send_fds(sender, [b"a:b\x1b[2J\nc\n"], [0, 1])
    assert taker.wait() == 0
    assert taker.stdout() == b"a_b\\x1b[2J:c"


@pytest.mark.parametrize("command", [(), ("--", "echo", "started")])
def test_nothing_passed_is_a_failure(take, runtime_dir, command):
    """A command that counts on descriptors is not started without any."""
    taker = take(*command)
    with socket.socket(socket.AF_UNIX) as sender:
        sender.connect(str(runtime_dir / "t.sock"))
        sender.sendall(b"but no descriptor")
    assert taker.wait() == 1
    assert taker.stdout() == b"" and "passed no descriptor" in taker.stderr()


def test_too_many_are_refused(take, runtime_dir):
    taker = take()
    with socket.socket(socket.AF_UNIX) as sender:
        sender.settimeout(10)
        sender.connect(str(runtime_dir / "t.sock"))
        with pytest.raises(OSError):
            for _ in range(4096 // MAX + 100):
                socket.send_fds(sender, [b"x"], [0] * MAX)
    assert taker.wait() == 1
    assert "more than 4096 descriptors" in taker.stderr()


def test_modes(take, run_ferry, runtime_dir):
    taker = take()
    assert run_ferry("pass", "-w", "unix:t.sock", "new.log").returncode == 0
    assert taker.wait() == 0
    assert "  new.log  file  append  0 bytes  " in taker.stdout().decode()
    assert (runtime_dir / "new.log").exists()


def test_an_inherited_descriptor(take, run_ferry):
    taker = take()
    reader, writer = os.pipe()
    done = run_ferry("pass", "unix:t.sock", f"fd:{writer}", pass_fds=[writer])
    os.close(reader)
    os.close(writer)
    assert done.returncode == 0
    assert taker.wait() == 0
    assert f"  fd{writer}  pipe  write  " in taker.stdout().decode()


def test_a_stranger_is_refused_and_waited_past(take, run_ferry, runtime_dir):
    taker = take("--deny", "any")
    done = run_ferry("pass", "unix:t.sock", "/etc/hostname")
    assert done.returncode == 1
    assert "closed before" in done.stderr
    taker.wait_for("is refused")
    assert taker.running()
    assert taker.stop(signal.SIGKILL) == -signal.SIGKILL


@pytest.mark.parametrize(
    "address, words",
    [("unix:missing.sock", "missing.sock"), ("tcp:127.0.0.1:1", "127.0.0.1")],
)
def test_pass_without_a_taker_fails(run_ferry, address, words):
    done = run_ferry("pass", address, "/etc/hostname")
    assert done.returncode == 1
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_pass_to_what_cannot_carry_descriptors(run_ferry):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        done = run_ferry("pass", f"tcp:127.0.0.1:{listener.getsockname()[1]}", "/etc/hostname")
    assert done.returncode == 1
    assert "cannot pass descriptors" in done.stderr


def test_pass_says_which_file_is_missing_before_it_connects(run_ferry):
    done = run_ferry("pass", "unix:missing.sock", "/etc/hostname", "gone.txt")
    assert done.returncode == 1
    assert done.stderr == "ferry pass: gone.txt: No such file or directory; check the path\n"


def test_take_refuses_an_address_without_descriptors(run_ferry):
    done = run_ferry("take", "tcp:127.0.0.1:0", "--allow", "any")
    assert done.returncode == 1
    assert "descriptors cannot come that way" in done.stderr


def test_a_command_that_is_not_there(take, run_ferry):
    taker = take("--", "no-such-command")
    run_ferry("pass", "unix:t.sock", "/etc/hostname")
    assert taker.wait() == 1
    assert "no-such-command" in taker.stderr()


def test_through_a_relay(take, run_ferry, start_ferry, runtime_dir):
    (runtime_dir / "notes.txt").write_text("hello\n")
    taker = take()
    relay = start_ferry("relay", "--once", "unix:r.sock", "unix:t.sock")
    relay.wait_for("started")
    assert run_ferry("pass", "unix:r.sock", "notes.txt").returncode == 0
    assert taker.wait() == 0
    assert b"notes.txt  file  read  6 bytes" in taker.stdout()
    assert relay.wait() == 0
