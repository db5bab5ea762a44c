"""Targets that go away while somebody sends: the sender is told, nothing is swallowed for ever, and a
datagram sender's next message finds the target that has come back."""

import socket
import threading

from support import wait_until


def listen(path):
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(str(path))
    server.listen()
    server.settimeout(10)
    return server


def connect(path):
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(10)
    client.connect(str(path))
    return client


def test_a_sender_is_told_when_its_target_is_gone(start_ferry, runtime_dir):
    process = start_ferry("relay", f"unix:{runtime_dir}/r.sock", "exec:true")
    process.wait_for("started")
    client = connect(runtime_dir / "r.sock")
    sent, told = 0, False
    try:
        while sent < 200 << 20:
            sent += client.send(b"x" * 65536)
    except (BrokenPipeError, ConnectionResetError):
        told = True
    assert told, f"{sent} bytes were swallowed"


def test_an_answer_before_the_target_left_still_arrives(start_ferry, runtime_dir):
    server = listen(runtime_dir / "target.sock")
    process = start_ferry(
        "relay", f"unix:{runtime_dir}/r.sock", f"unix:{runtime_dir}/target.sock"
    )
    process.wait_for("started")
    client = connect(runtime_dir / "r.sock")
    arrived, _ = server.accept()
    arrived.sendall(b"go away")
    arrived.close()
    try:
        for _ in range(100):
            client.sendall(b"x" * 65536)
    except (BrokenPipeError, ConnectionResetError):
        pass
    assert client.recv(20) == b"go away"


def test_a_tcp_sender_is_left_after_a_while(start_ferry, runtime_dir, sanitizer):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = start_ferry("relay", f"tcp:{port}", "exec:true", "--allow", "any")
    process.wait_for("started")
    client = socket.create_connection(("127.0.0.1", port), 10)

    def send():
        try:
            while True:
                client.sendall(b"x" * 65536)
        except OSError:
            pass

    thread = threading.Thread(target=send)
    thread.start()
    process.wait_for("failed", seconds=40 if sanitizer else 15)
    thread.join(10)
    assert not thread.is_alive()


def test_datagrams_reach_a_collector_that_was_restarted(start_ferry, runtime_dir):
    server = listen(runtime_dir / "collector.sock")
    process = start_ferry(
        "relay",
        f"unix-dgram:{runtime_dir}/log.sock",
        f"unix:{runtime_dir}/collector.sock,frame=lf",
    )
    process.wait_for("started")
    sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sender.connect(str(runtime_dir / "log.sock"))
    sender.send(b"one")
    arrived, _ = server.accept()
    arrived.settimeout(10)
    assert arrived.recv(100) == b"one\n"
    arrived.close()
    wait_until(lambda: "closed" in process.stderr(), what="the session has ended too")
    sender.send(b"two")
    arrived, _ = server.accept()
    arrived.settimeout(10)
    assert arrived.recv(100) == b"two\n"


def test_one_message_that_does_not_fit_costs_only_itself(start_ferry, runtime_dir):
    server = listen(runtime_dir / "collector.sock")
    process = start_ferry(
        "relay",
        f"unix-dgram:{runtime_dir}/log.sock",
        f"unix:{runtime_dir}/collector.sock,frame=lf",
    )
    process.wait_for("started")
    sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sender.connect(str(runtime_dir / "log.sock"))
    for text in (b"one", b"two\n", b"th\nree", b"four"):
        sender.send(text)
    arrived, _ = server.accept()
    arrived.settimeout(10)
    got = b""
    while b"four" not in got:
        got += arrived.recv(100)
    assert got == b"one\ntwo\nfour\n"
