"""What somebody meets who uses ferry for the first time: an end where one is due, and messages
that name what is wrong and what would mend it."""

import os
import socket

import pytest

from machines import Machine
from support import listens, wait_until


def failure(done, status=1):
    """The one line that a failed command says."""
    assert done.returncode == status, done
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


# --- ends ----------------------------------------------------------------------------------------


def test_clock_ends_with_the_client_that_has_asked(start_ferry, run_ferry):
    start_ferry("relay", "unix-seq:c.sock", "clock").wait_for("started")
    done = run_ferry("connect", "unix-seq:c.sock", input="?", timeout=10)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("20")


def test_a_stop_does_not_wait_for_a_clock_without_questions(start_ferry, run_ferry, runtime_dir):
    (runtime_dir / "f.conf").write_text("[route c]\nlisten = unix-dgram:c.sock\nto = clock\n")
    ferry = start_ferry("up", "-c", "f.conf", env={"RUNTIME_DIRECTORY": str(runtime_dir)})
    wait_until(lambda: listens(runtime_dir / "control.sock"))
    assert run_ferry("connect", "unix-dgram:c.sock", input="?").stdout.startswith("20")
    assert ferry.stop() == 0
    assert "did not end within" not in ferry.stderr()


def test_answers_that_nobody_takes_fail_no_visit(start_ferry, runtime_dir):
    """The start line says that they are dropped."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        port = server.getsockname()[1]
        relay = start_ferry("relay", "fifo:in", f"tcp:127.0.0.1:{port}")
        relay.wait_for("out by discard")
        (runtime_dir / "in").write_text("one\n")
        with server.accept()[0] as peer:
            peer.settimeout(10)
            assert peer.makefile().read() == "one\n"
            peer.sendall(b"thank you")
        relay.wait_for("both sides finished; in 4 out 9 bytes")
    assert " closed " in relay.stderr()


# --- reasons -------------------------------------------------------------------------------------


def test_a_failed_connection_says_what_the_kernel_said(start_ferry, runtime_dir):
    """The command leaves without having read: the other end is reset."""
    relay = start_ferry("relay", "unix:r.sock", "exec:sleep 0.3")
    relay.wait_for("started")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(runtime_dir / "r.sock"))
        client.sendall(b"unread")
        client.recv(1)
        relay.wait_for("failed")
    assert "receiving from the target failed: Connection reset by peer;" in relay.stderr()


def test_who_is_refused_is_told_where_to_look(start_ferry, run_ferry, runtime_dir):
    """Whether the end is seen before the input is read or after: it was not taken."""
    (runtime_dir / "input").write_bytes(bytes(1000000))
    relay = start_ferry("relay", "unix:r.sock", "echo", "--deny", "any")
    relay.wait_for("started")
    for _ in range(20):
        with open(runtime_dir / "input", "rb") as source:
            done = run_ferry("connect", "unix:r.sock", stdin=source)
        assert done.returncode == 1
        assert done.stderr.endswith("; it may have refused you: see the log of who serves it\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root for a name server of its own")
def test_a_name_server_that_does_not_answer_is_told_of(start, ferry, runtime_dir):
    machine = Machine()
    machine.ip("link", "set", "lo", "up")
    with machine.inside():
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind(("127.0.0.1", 53))
    (runtime_dir / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    inside = 'mount --bind resolv.conf /etc/resolv.conf && exec "$@"'
    try:
        relay = start(
            *("nsenter", f"--net=/proc/{machine.holder.pid}/ns/net"),
            *("unshare", "--mount", "sh", "-c", inside, "sh"),
            *(ferry, "relay", "unix:r.sock", "tcp:nowhere.example:80,timeout=1s"),
        )
        relay.wait_for("started")
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(runtime_dir / "r.sock"))
            client.settimeout(20)
            assert client.recv(1) == b""
        relay.wait_for("failed")
        assert b"nowhere" in server.recv(512, socket.MSG_DONTWAIT), "it was asked"
    finally:
        server.close()
        machine.end()
    assert "no name server answered in time; give the address as a number" in relay.stderr()


def test_bytes_that_meet_messages_only_when_dialled_are_told_what_is_missing(start_ferry, runtime_dir):
    """What a passed descriptor is, nobody knows before."""
    mine, passed = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with mine, passed:
        relay = start_ferry(
            "relay", "unix:r.sock", f"fd:{passed.fileno()}", pass_fds=[passed.fileno()]
        )
        relay.wait_for("the way is chosen when the target is open")
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(runtime_dir / "r.sock"))
            assert client.recv(1) == b""
        relay.wait_for("failed")
    assert "nothing says where a message ends; set frame=lf or frame=length" in relay.stderr()


def test_bytes_that_are_no_frame_are_called_so(start_ferry, run_ferry):
    start_ferry("relay", "unix-seq:e.sock", "echo").wait_for("started")
    relay = start_ferry("relay", "unix:r.sock,frame=length", "unix-seq:e.sock")
    relay.wait_for("started")
    run_ferry("connect", "unix:r.sock", input="GET / HTTP/1.0\r\n\r\n")
    relay.wait_for("failed")
    assert "receiving from the client failed: Protocol error;" in relay.stderr()


def test_one_descriptor_is_no_plural(start_ferry, run_ferry):
    relay = start_ferry("relay", "unix:e.sock", "echo")
    relay.wait_for("started")
    assert run_ferry("pass", "unix:e.sock", "/etc/hostname").returncode == 0
    relay.wait_for("closed")
    assert ", 1 descriptor in " in relay.stderr()


def test_a_target_without_descriptors_is_no_matter_of_permission(start_ferry, run_ferry):
    start_ferry("relay", "unix:e.sock,descriptors=no", "echo").wait_for("started")
    line = failure(run_ferry("pass", "unix:e.sock", "/etc/hostname"))
    assert "not permitted" not in line
    assert "takes no descriptors" in line or "closed before" in line  # before Linux 6.16


def test_a_refused_port_has_a_remedy(run_ferry):
    line = failure(run_ferry("connect", "tcp:127.0.0.1:1"))
    assert line.endswith("Connection refused; start its server, or check the address\n")


def test_what_connect_cannot_write_is_its_output(start_ferry, ferry, start, runtime_dir):
    start_ferry("relay", "unix:c.sock", "clock").wait_for("started")
    client = start("sh", "-c", 'exec "$0" connect unix:c.sock >/dev/full', ferry)
    assert client.wait() == 1
    assert "standard output takes no more: No space left on device" in client.stderr()


def test_connect_does_not_drop_input_in_silence(run_ferry, runtime_dir):
    (runtime_dir / "f").write_text("read\n")
    done = run_ferry("connect", "file:f", input="lost\n")
    line = failure(done)
    assert done.stdout == "read\n"
    assert "takes no input" in line and "append" in line
    assert run_ferry("connect", "file:f").returncode == 0
    assert run_ferry("connect", "file:f,append", input="kept\n").returncode == 0
    assert (runtime_dir / "f").read_text() == "read\nkept\n"


def test_connect_knows_its_frames_before_it_dials(run_ferry):
    done = run_ferry("connect", "--frame=crlf", "unix:missing.sock")
    assert done.returncode == 2
    assert done.stderr.startswith("ferry connect: --frame: lf, length or none is expected\n")


@pytest.mark.parametrize("size", ["-1", "3x"])
def test_a_bad_size_is_told_with_one_comma(run_ferry, size):
    assert "1M or 2G, found" in failure(run_ferry("check", f"file:f,length={size}"))


def test_an_open_port_needs_what_can_be_given(run_ferry):
    """Nobody vouches for who comes by TCP, so a list of users is no remedy."""
    line = failure(run_ferry("relay", "tcp:127.0.0.1:9", "unix:x.sock"))
    assert line.endswith("; say allow = any (--allow any), or listen on unix:PATH\n")


def test_a_command_has_no_frame(run_ferry):
    for pair in (("unix-seq:a.sock", "exec:cat"), ("exec:cat", "unix-seq:a.sock")):
        line = failure(run_ferry("relay", *pair))
        assert "exec: has no options; lead it over another route's unix:PATH,frame=lf" in line


@pytest.mark.parametrize(
    "listen, to",
    [
        ("unix:a.sock", "unix:a.sock"),
        ("unix:a.sock,mode=0666", "unix:a.sock,timeout=3s"),
        ("tcp:127.0.0.1:7001", "tcp:127.0.0.1:7001"),
        ("tcp:*:7001", "tcp:7001"),
        ("fifo:a", "fifo:a"),
    ],
)
def test_a_route_does_not_lead_to_itself(run_ferry, listen, to):
    line = failure(run_ferry("relay", "--allow=any", listen, to))
    assert "the route listens there itself; name the server behind it" in line


def test_a_port_of_another_machine_is_not_oneself(run_ferry, runtime_dir):
    (runtime_dir / "f.conf").write_text(
        "[route a]\nlisten = tcp:*:7001\nallow = any\nto = tcp:192.0.2.1:7001\n"
    )
    assert run_ferry("check", "-c", "f.conf").returncode == 0


@pytest.mark.parametrize("word", ["app.sock", "run/app.sock"])
def test_a_path_without_a_scheme_is_told_what_to_write(run_ferry, word):
    assert failure(run_ferry("connect", word)).endswith(f"; write unix:{word}\n")


def problems(run_ferry, runtime_dir, listen="unix:a.sock", to="echo"):
    (runtime_dir / "f.conf").write_text(f"[route a]\nlisten = {listen}\nto = {to}\n")
    return run_ferry("check", "-c", "f.conf").stderr.splitlines()


def test_a_comment_does_not_become_part_of_a_path(run_ferry, runtime_dir):
    for comment in ("# here", "; here"):
        assert problems(run_ferry, runtime_dir, listen=f"unix:a.sock {comment}") == [
            "f.conf:2:22: listen: no comment stands after a value; "
            "give it a line of its own, or write # as \\x23"
        ]
    assert "no comment" in problems(run_ferry, runtime_dir, to="unix:b.sock\t# there")[0]
    assert problems(run_ferry, runtime_dir, listen="unix:a#b.sock", to="unix:a \\x23") == []
    assert problems(run_ferry, runtime_dir, to="exec:sh -c 'cat # all of it'") == []


def test_quotes_and_nothing_are_called_by_name(run_ferry, runtime_dir):
    (line,) = problems(run_ferry, runtime_dir, listen='"unix:a.sock"')
    assert line.endswith("; write it without quotes")
    (line,) = problems(run_ferry, runtime_dir, to="")
    assert line.startswith("f.conf:3:5: to: names nothing; there are: echo")


def test_a_second_ferry_is_told_how_to_run_beside_the_first(start_ferry, run_ferry, runtime_dir):
    env = {"RUNTIME_DIRECTORY": str(runtime_dir)}
    for name in "ab":
        (runtime_dir / f"{name}.conf").write_text(
            f"[route {name}]\nlisten = unix:{name}.sock\nto = echo\n"
        )
    first = start_ferry("up", "-c", "a.conf", env=env)
    first.wait_for("started  control")
    assert f"is in use by pid {first.pid} (ferry); stop it, or add a route that leads to " in failure(
        run_ferry("up", "-c", "b.conf", env=env)
    )
    with open(runtime_dir / "b.conf", "a") as file:
        file.write("[route mine]\nlisten = unix:mine.sock\nto = control\n")
    start_ferry("up", "-c", "b.conf", env=env).wait_for("started  mine")


def test_a_configuration_without_routes_is_mentioned(start_ferry, runtime_dir):
    (runtime_dir / "empty").mkdir()
    (runtime_dir / "empty" / "routes.cnf").write_text("[route a]\n")
    ferry = start_ferry("up", "-c", "empty", env={"RUNTIME_DIRECTORY": str(runtime_dir)})
    ferry.wait_for("trouble  the configuration has no [route NAME]")


# --- what is shown -------------------------------------------------------------------------------


def test_status_names_a_target_that_is_no_process(start_ferry, run_ferry, runtime_dir):
    relay = start_ferry(
        "relay", "unix-dgram:l.sock", "file:l.out,append,frame=lf", "--control=unix:control.sock"
    )
    relay.wait_for("control")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.connect(str(runtime_dir / "l.sock"))
        sender.send(b"line")
        wait_until((runtime_dir / "l.out").exists)
        text = run_ferry("status", "-s", "control.sock").stdout
    connections = text.split("\n\n")[2]
    assert "unknown" not in connections
    assert connections.splitlines()[1].endswith("  ->  file:l.out,append,frame=lf")


def test_help_has_help(run_ferry):
    for words in (("help", "help"), ("help", "--help"), ("-h",)):
        done = run_ferry(*words)
        assert (done.returncode, done.stderr) == (0, "")
        assert "Verbs:" in done.stdout
    assert run_ferry("relay", "-h").stdout == run_ferry("relay", "--help").stdout


VERBS = ["up", "demo", "check", "status", "reload", "relay", "connect", "pass", "take"]


@pytest.mark.parametrize("verb", VERBS)
def test_examples_can_be_copied(run_ferry, verb):
    """A line that does not fit is broken by argp(3), and what is left of it does not run."""
    examples = run_ferry("help", verb).stdout.split("\nEXAMPLES\n")[1]
    for line in examples.splitlines():
        assert not line or line.startswith(("  ", "KEYS", "SERVICES")), line


def test_a_client_is_not_bound_where_no_answer_finds_it(start_ferry, run_ferry, runtime_dir):
    start_ferry("relay", "unix-dgram:d.sock", "echo").wait_for("started")
    folder = runtime_dir / ("long" * 25)
    folder.mkdir()
    done = run_ferry("connect", f"unix-dgram:d.sock,bind={folder}/me", input="x")
    assert done.returncode == 1
    assert "no path above 107 bytes" in done.stderr
