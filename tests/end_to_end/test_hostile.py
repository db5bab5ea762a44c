"""Peers and surroundings that mean harm: what they may cost, and whom."""

import array
import json
import os
import socket
import threading
import time

import pytest

from support import descriptor_count, descriptors_at_rest, listens, wait_until


def status_of(run_ferry, control, name):
    """The route of that name in `ferry status --json`."""
    report = json.loads(run_ferry("status", "--json", "-s", f"unix:{control}").stdout)
    return next(route for route in report["routes"] if route["name"] == name)


def test_an_answer_that_is_no_ferrys_writes_nothing_to_the_terminal(run_ferry, runtime_dir):
    evil = "\x1b[2J\nroute"
    option = dict.fromkeys(("key", "asked", "by", "effective", "note"), evil)
    process = {"user": evil, "uid": 0, "gid": 0, "allowed": evil, "no_filter": evil}
    end = {"pid": 1, "name": evil, "user": evil, "address": evil, "options": [option]}
    route = dict.fromkeys(("name", "listen", "to", "as", "profile"), evil)
    route |= {"options": [option], "rules": [{"rule": evil, "hits": 1, "refused": 1}]}
    route["connections"] = [{"peer": end, "target": end}]
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(runtime_dir / "evil.sock"))
    server.listen()

    def answer(filtered):
        reply = {"version": 1, "ok": True, "pid": 1, "configuration": evil, "routes": [route]}
        reply["process"] = process | {"filter": filtered}
        client, _ = server.accept()
        client.recv(1000)
        client.sendall(json.dumps(reply).encode() + b"\n")
        client.close()

    for arguments in ([], ["--options"]):
        for filtered in (True, False):
            thread = threading.Thread(target=answer, args=(filtered,))
            thread.start()
            done = run_ferry("status", *arguments, "-s", f"unix:{runtime_dir}/evil.sock")
            thread.join()
            assert done.returncode == 0 and "\\x1b[2J" in done.stdout
            assert "\x1b" not in done.stdout + done.stderr
            assert "\nroute" not in done.stdout


def test_descriptors_that_nobody_takes_are_bounded(start_ferry, runtime_dir):
    """They wait in one sender's session, but come out of what every route lives on."""
    silent = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    silent.bind(str(runtime_dir / "target.sock"))
    process = start_ferry("relay", "unix-dgram:in.sock", "unix-dgram:target.sock")
    process.wait_for("started")
    before = descriptors_at_rest(process.pid)
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [silent.fileno()] * 10))]
    path = str(runtime_dir / "in.sock")
    most = 0
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.bind("")
        sender.settimeout(0.2)
        try:
            for _ in range(600):
                sender.sendmsg([b"x"], rights, 0, path)
                most = max(most, descriptor_count(process.pid) - before)
        except (TimeoutError, BlockingIOError):
            pass
        most = max(most, descriptor_count(process.pid) - before)
    # The bound (253), one batch on top of it, and one that the relay holds: 16 messages each.
    assert 253 <= most < 253 + 2 * 160 + 20, most


def test_datagrams_without_room_are_counted(start_ferry, run_ferry, runtime_dir):
    silent = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    silent.bind(str(runtime_dir / "target.sock"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    control = runtime_dir / "control.sock"
    process = start_ferry(
        "relay",
        f"udp:{port}",
        "unix-dgram:target.sock",
        "--allow",
        "any",
        "--control",
        f"unix:{control}",
    )
    process.wait_for("started")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", port))

        def dropped():
            for _ in range(100):
                sender.send(b"x")
            return status_of(run_ferry, control, "relay")["dropped"]

        wait_until(dropped, what="the datagrams that found the queue full, in the status")


@pytest.mark.parametrize("closed", ["2>&-", "<&- >&- 2>&-"])
def test_closed_standard_descriptors_are_not_ours_to_fill(start, ferry, runtime_dir, closed):
    """A command's standard error is number 2: that must be nothing of ferry's own."""
    start(
        "sh", "-c", f'exec "$0" relay unix:r.sock "exec:readlink /proc/self/fd/2" {closed}', ferry
    )
    wait_until(lambda: listens(runtime_dir / "r.sock"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(10)
        client.connect(str(runtime_dir / "r.sock"))
        assert client.makefile("rb").read() == b"/dev/null\n"


def test_a_pipe_among_the_includes_is_not_waited_for(run_ferry, runtime_dir):
    os.mkfifo(runtime_dir / "b.part")
    main = runtime_dir / "main.conf"
    main.write_text(f"include = {runtime_dir}/*.part\n[route a]\nlisten = unix:a.sock\nto = echo\n")
    done = run_ferry("check", "-c", main)
    assert done.returncode == 1
    assert "b.part: is a pipe" in done.stdout + done.stderr


def test_many_routes_alike_are_told_once_each(run_ferry, runtime_dir):
    main = runtime_dir / "main.conf"
    main.write_text("[route a]\nlisten = unix:a.sock\nto = echo\n" * 100)
    done = run_ferry("check", "-c", main)
    said = done.stdout + done.stderr
    assert done.returncode == 1
    assert said.count("there is a route a already") == 99
    assert said.count("listens there already") == 99


def test_a_sender_that_takes_no_answers_does_not_silence_the_others(start_ferry, runtime_dir):
    process = start_ferry("relay", f"unix-dgram:{runtime_dir}/d.sock", "echo")
    process.wait_for("started")

    def client(name):
        client = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        client.bind(str(runtime_dir / name))
        client.connect(str(runtime_dir / "d.sock"))
        return client

    # Not connected, so that the kernel bounds what waits for it (net.unix.max_dgram_qlen): a
    # connected one could fill the server's whole send buffer, which no server can prevent.
    hog = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    hog.bind(str(runtime_dir / "hog"))
    hog.setblocking(False)
    refusals = 0
    while refusals < 200:  # of the kernel: ferry has stopped reading by then
        try:
            hog.sendto(b"x" * 1000, str(runtime_dir / "d.sock"))
        except BlockingIOError:
            refusals += 1
            time.sleep(0.001)
    good = client("good")
    good.settimeout(8)
    for number in range(20):
        good.send(b"%d" % number)
        assert good.recv(100) == b"%d" % number
