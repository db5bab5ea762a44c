"""Peers that never end by themselves, a datagram sender and a message queue, when their route is
changed, removed or stopped: they must not go on by the old settings, and nothing may be lost."""

import ctypes
import os
import signal
import socket

import pytest

from support import wait_until


@pytest.fixture
def up(start_ferry, runtime_dir):
    """up(text) runs a configuration; returns the process and a function that changes it."""
    conf = runtime_dir / "ferry.conf"

    def run(text):
        conf.write_text(text)
        process = start_ferry("up", "-c", conf, env={"RUNTIME_DIRECTORY": str(runtime_dir)})
        process.wait_for("started  control")

        def change(new):
            before = process.stderr().count("reloaded")
            conf.write_text(new)
            process.send(signal.SIGHUP)
            wait_until(lambda: process.stderr().count("reloaded") > before)

        return process, change

    return run


@pytest.fixture
def queue():
    """A queue's name. What is left of it goes at the end: all queues of a user share one limit."""
    name = f"/ferry-test-{os.getpid()}"
    yield name
    ctypes.CDLL(None).mq_unlink(name.encode())


def send(run_ferry, queue, text):
    done = run_ferry("connect", "--frame", "lf", f"mq:{queue}", input=text)
    assert done.returncode == 0, done.stderr


def test_a_changed_queue_route_feeds_its_new_target(up, run_ferry, runtime_dir, queue):
    route = "[route q]\nlisten = mq:{}\nto = file:{},append,frame=lf\n"
    _, change = up(route.format(queue, "one"))
    send(run_ferry, queue, "first\n")
    wait_until(lambda: (runtime_dir / "one").exists() and (runtime_dir / "one").read_text())
    change(route.format(queue, "two"))
    send(run_ferry, queue, "second\n")
    wait_until(lambda: (runtime_dir / "two").exists() and (runtime_dir / "two").read_text())
    assert (runtime_dir / "one").read_text() == "first\n"
    assert (runtime_dir / "two").read_text() == "second\n"


def test_a_changed_datagram_route_sends_the_same_sender_elsewhere(up, runtime_dir):
    targets = {}
    for name in ("one", "two"):
        targets[name] = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        targets[name].bind(str(runtime_dir / name))
        targets[name].settimeout(10)
    route = "[route d]\nlisten = unix-dgram:d.sock\nto = unix-dgram:{}\n"
    _, change = up(route.format("one"))
    sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sender.connect(str(runtime_dir / "d.sock"))
    for number in range(50):
        sender.send(b"%d" % number)
    change(route.format("two"))
    for number in range(50, 100):
        sender.send(b"%d" % number)
    got = []
    for name in ("one", "two"):
        targets[name].settimeout(1 if got else 10)
        try:
            while True:
                got.append(int(targets[name].recv(10)))
                targets[name].settimeout(0.5)
        except TimeoutError:
            pass
        if name == "one":
            assert 0 < len(got) <= 100
    assert sorted(got) == list(range(100)), "every datagram arrived once"
    assert 99 in got


def test_a_sender_is_judged_anew_after_the_rules_have_changed(up, runtime_dir):
    target = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    target.bind(str(runtime_dir / "target"))
    target.settimeout(10)
    route = "[route d]\nlisten = unix-dgram:d.sock\nto = unix-dgram:target\n{}"
    process, change = up(route.format("allow = any\n"))
    sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sender.connect(str(runtime_dir / "d.sock"))
    sender.send(b"admitted")
    assert target.recv(20) == b"admitted"
    change(route.format("deny = any\n"))
    sender.send(b"refused")
    process.wait_for("refused")
    target.settimeout(0.3)
    with pytest.raises(TimeoutError):
        target.recv(20)


def test_a_queue_does_not_keep_a_stop_waiting(start_ferry, run_ferry, runtime_dir, queue):
    process = start_ferry("relay", f"mq:{queue}", "file:out,append,frame=lf")
    process.wait_for("started")
    send(run_ferry, queue, "one\n")
    wait_until(lambda: (runtime_dir / "out").exists() and (runtime_dir / "out").read_text())
    assert process.stop(seconds=4) == 0, "less than the grace period of 5 s"
