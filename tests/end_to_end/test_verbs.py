"""The program's face: help, versions, exit statuses, check, connect, demo."""

import datetime
import os
import re
import signal
import socket
import subprocess

import pytest

from support import listens, wait_until

VERBS = ["up", "demo", "check", "status", "reload", "relay", "connect", "pass", "take", "ping"]
VERBS += ["ls", "top", "show", "why"]


def test_help_lists_the_verbs_and_examples(run_ferry):
    done = run_ferry("--help")
    assert done.returncode == 0
    for verb in VERBS:
        assert re.search(rf"^  {verb} +\S", done.stdout, re.M)
    assert "Examples:" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_teaches_by_examples(run_ferry, verb):
    done = run_ferry("help", verb)
    assert done.returncode == 0
    assert f"Usage: ferry {verb}" in done.stdout
    assert "EXAMPLES" in done.stdout
    assert f"  ferry {verb}" in done.stdout.split("EXAMPLES")[1]
    assert run_ferry(verb, "--help").stdout == done.stdout


def test_version(run_ferry):
    done = run_ferry("--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"ferry \d+\.\d+\n", done.stdout)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["frobnicate"],
        ["relay"],
        ["relay", "tcp:1"],
        ["relay", "-", "echo", "more"],
        ["relay", "--idle", "soon", "-", "echo"],
        ["connect"],
        ["pass", "unix:/x"],
        ["take"],
        ["take", "--stdin", "unix:/x"],
        ["ping"],
        ["ping", "-c", "0", "tcp:1"],
        ["ping", "-s", "15", "udp:1"],
        ["ping", "-i", "soon", "udp:1"],
        ["ping", "--method", "guess", "udp:1"],
        ["up", "--log=xml"],
        ["status", "--unknown"],
        ["help", "frobnicate"],
    ],
)
def test_wrong_usage_is_2(run_ferry, words):
    done = run_ferry(*words)
    assert done.returncode == 2
    assert done.stderr != ""
    assert done.stdout == ""


def test_the_nearest_verb_is_suggested(run_ferry):
    done = run_ferry("realy")
    assert "did you mean 'ferry relay'?" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_beginning_of_a_verb_is_enough(run_ferry):
    assert "did you mean 'ferry relay'?" in run_ferry("rel").stderr


def test_an_unknown_word_is_escaped(run_ferry):
    done = run_ferry("\x1b[2Jx")
    assert "\x1b" not in done.stderr


# --- check ---------------------------------------------------------------------------------------


def test_check_counts_routes(run_ferry, runtime_dir):
    (runtime_dir / "f.conf").write_text("[route a]\nlisten = unix:a.sock\nto = echo\n")
    done = run_ferry("check", "-c", "f.conf")
    assert (done.returncode, done.stdout, done.stderr) == (0, "1 route, no problem found\n", "")


def test_check_prints_every_problem_with_its_place(run_ferry, runtime_dir):
    (runtime_dir / "f.conf").write_text(
        "[route a]\n"
        "listen = unix:a.sock,mode=9999\n"
        "to = echo\n"
        "[route b]\n"
        "listen = tcp:99999\n"
        "to = nowhere\n"
        "colour = red\n"
    )
    done = run_ferry("check", "-c", "f.conf")
    assert done.returncode == 1
    assert done.stdout == ""
    places = [
        int(line.split(":")[1])
        for line in done.stderr.splitlines()
        if re.match(r"[^:]*f\.conf:\d+:\d+: ", line)
    ]
    assert {2, 5, 6, 7} <= set(places)
    assert len(places) == len(done.stderr.splitlines())


def test_check_reports_in_the_order_of_the_file(run_ferry, runtime_dir):
    (runtime_dir / "bad.conf").write_text(
        "[route b]\nlisen = x\nto = echo\nallow = uid:x\n"
        "[route c]\nlisten = tcp:18200\nallow = any\nto = control\n"
        "nothing\n"
    )
    done = run_ferry("check", "-c", "bad.conf")
    assert done.returncode == 1
    lines = [int(line.split(":")[1]) for line in done.stderr.splitlines()]
    assert lines == [1, 2, 4, 6, 9]


def test_up_refuses_what_check_refuses(run_ferry, runtime_dir):
    (runtime_dir / "f.conf").write_text("[route a]\nlisten = tcp:99999\nto = nowhere\n")
    up, check = run_ferry("up", "-c", "f.conf"), run_ferry("check", "-c", "f.conf")
    assert up.returncode == 1
    assert up.stderr == check.stderr


def test_check_says_that_a_file_is_missing(run_ferry):
    done = run_ferry("check", "-c", "missing.conf")
    assert done.returncode == 1
    assert "missing.conf" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_check_prints_addresses_as_they_are_understood(run_ferry):
    done = run_ferry("check", "tcp:8080", "unix:///run/x.sock,mode=0660", "unix:@name")
    assert done.returncode == 0
    assert done.stdout.splitlines()[1:] == ["unix:/run/x.sock,mode=0660", "unix:@name"]
    again = run_ferry("check", *done.stdout.split())
    assert again.stdout == done.stdout


def test_check_points_at_the_column(run_ferry):
    done = run_ferry("check", "unix:/x,colour=red", "tcp:80")
    assert done.returncode == 1
    assert re.search(r"column \d+", done.stderr)
    assert len(done.stdout.splitlines()) == 1


# --- connect -------------------------------------------------------------------------------------


def test_connect_half_closes_and_waits_for_the_peer(run_ferry, runtime_dir, start):
    """The answer comes after the end of input: `sort` cannot answer before."""
    server = start("socat", "UNIX-LISTEN:s.sock,unlink-close=0", "EXEC:sort")
    wait_until(lambda: listens(runtime_dir / "s.sock"))
    done = run_ferry("connect", "unix:s.sock", input="b\na\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "a\nb\n", "")
    assert server.wait() == 0


def test_connect_ends_when_the_peer_ends_though_input_is_open(start_ferry, runtime_dir):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(runtime_dir / "s.sock"))
        listener.listen()
        client = start_ferry("connect", "unix:s.sock", stdin=subprocess.PIPE)
        peer, _ = listener.accept()
        peer.sendall(b"bye\n")
        peer.close()
        assert client.wait() == 0
        assert client.stdout() == b"bye\n"


def test_connect_carries_everything_both_ways(run_ferry, runtime_dir, start_ferry):
    relay = start_ferry("relay", "unix:e.sock", "echo")
    relay.wait_for("started")
    data = os.urandom(3_000_000)
    done = run_ferry("connect", "unix:e.sock", input=data, text=False)
    assert done.returncode == 0
    assert done.stdout == data


def test_connect_to_a_datagram_socket_ends_by_silence(run_ferry, start_ferry):
    relay = start_ferry("relay", "unix-dgram:d.sock", "echo")
    relay.wait_for("started")
    done = run_ferry("connect", "--wait", "300ms", "unix-dgram:d.sock", input="ping")
    assert (done.returncode, done.stdout) == (0, "ping")


def test_connect_keeps_lines_apart_with_a_frame(run_ferry, start_ferry):
    relay = start_ferry("relay", "unix-seq:q.sock", "echo")
    relay.wait_for("started")
    done = run_ferry("connect", "--frame=lf", "unix-seq:q.sock", input="one\ntwo\n\nthree\n")
    assert (done.returncode, done.stdout) == (0, "one\ntwo\n\nthree\n")


@pytest.mark.parametrize("address", ["unix:missing.sock", "tcp:127.0.0.1:1", "nonsense:x"])
def test_connect_fails_with_one_line(run_ferry, address):
    done = run_ferry("connect", "--timeout", "2s", address)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("ferry connect: ")
    assert len(done.stderr.splitlines()) == 1


# --- clock, demo ---------------------------------------------------------------------------------


def read_time(text):
    assert text.endswith("\n")
    moment = datetime.datetime.fromisoformat(text.strip())
    assert moment.tzinfo is not None
    assert abs(moment - datetime.datetime.now(datetime.timezone.utc)) < datetime.timedelta(
        seconds=30
    )
    return moment


def test_clock_tells_the_local_time(start_ferry, runtime_dir):
    # An offset that is not whole hours and, in POSIX's notation, west of nothing.
    relay = start_ferry("relay", "unix:c.sock", "clock", env={"TZ": "XXX-05:45"})
    relay.wait_for("started")
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(runtime_dir / "c.sock"))
        with client.makefile() as stream:
            text = stream.readline()
            assert stream.read() == ""  # it ends by itself
    moment = read_time(text)
    assert text.strip().endswith("+05:45")
    assert moment.utcoffset() == datetime.timedelta(hours=5, minutes=45)
    relay.wait_for("closed")


def test_clock_lets_go_of_a_client_that_stays(start_ferry, runtime_dir):
    relay = start_ferry("relay", "unix:c.sock", "clock")
    relay.wait_for("started")
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(runtime_dir / "c.sock"))
        read_time(client.recv(100).decode())
        relay.wait_for("closed")


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_SEQPACKET])
def test_clock_answers_every_message(start_ferry, runtime_dir, kind):
    scheme = "unix-dgram" if kind == socket.SOCK_DGRAM else "unix-seq"
    relay = start_ferry("relay", f"{scheme}:c.sock", "clock")
    relay.wait_for("started")
    with socket.socket(socket.AF_UNIX, kind) as client:
        client.settimeout(10)
        if kind == socket.SOCK_DGRAM:
            client.bind(str(runtime_dir / "client.sock"))
        client.connect(str(runtime_dir / "c.sock"))
        for question in (b"?", b"what time is it", b"x" * 9000):
            client.send(question)
            read_time(client.recv(100).decode())


def demo_lines(process):
    process.wait_for("status -s")
    return process.stdout().decode().splitlines()


def test_demo_runs_anywhere_and_leaves_nothing(start_ferry, tmp_path):
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    demo = start_ferry("demo", env={"XDG_RUNTIME_DIR": str(runtime)}, cwd="/")
    demo_lines(demo)
    (folder,) = runtime.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert demo.stop(signal.SIGINT) == 0
    assert list(runtime.iterdir()) == []


def test_what_the_demo_says_works(start_ferry):
    """Each command as it is printed, through a shell, as people will do it."""
    demo = start_ferry("demo")
    commands = [line.strip() for line in demo_lines(demo) if re.match("  [^ #]", line)]
    expected = [
        ("ferry connect unix:", "hello\n"),
        ("socat - UNIX", "hello\n"),
        ("nc -N ", "hello\n"),
        ("nc -d ", None),  # the time
        ("socat -u UNIX", "Hello from a file, carried by sendfile(2).\n"),
        ("sort.sock", "a\nb\n"),
        ("datagram.sock", "hello\n"),
        ("take unix:", "hostname  file  read"),
        ("status -s", "echo-datagram"),
    ]
    assert len(commands) == len(expected)
    for command, (part, output) in zip(commands, expected):
        assert part in command
        # Input as a terminal would give it: open, and silent.
        reader, writer = os.pipe()
        done = subprocess.run(
            ["bash", "-c", command], capture_output=True, text=True, timeout=20, stdin=reader
        )
        os.close(reader)
        os.close(writer)
        assert done.returncode == 0, (command, done.stderr)
        if output is None:
            read_time(done.stdout)
        else:
            assert output in done.stdout, (command, done)
    assert demo.stop() == 0


@pytest.mark.parametrize("verb", ["ls", "show", "why"])
@pytest.mark.parametrize("word", ["PORT", "127.0.0.1", "::1", "localhost"])
def test_a_port_or_address_alone_is_told_how_it_is_written(run_ferry, verb, word):
    """A number is a process or an inode, and an address without a port a path."""
    if word == "PORT":
        word = str(next(n for n in range(60000, 0, -1) if not os.path.exists(f"/proc/{n}")))
        expected = f"a port is written tcp:127.0.0.1:{word}, or :{word} at any address"
    else:
        place = f"[{word}]" if ":" in word else word
        expected = f"an address is written with its port, tcp:{place}:PORT"
        if word != "localhost":
            expected += f"; `ferry ls src {word}` has all of its ports"
    done = run_ferry(verb, word)
    assert done.returncode == 1
    assert expected in done.stdout + done.stderr


@pytest.mark.parametrize("verb", ["ls", "show", "why"])
@pytest.mark.parametrize("word", ["70000000", "0", "no-such.sock", "127.0.0.1.sock"])
def test_what_can_be_no_port_or_address_is_not(run_ferry, verb, word):
    done = run_ferry(verb, word)
    assert "is written" not in done.stdout + done.stderr
