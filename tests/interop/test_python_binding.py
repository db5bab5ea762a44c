"""The binding for Python, bindings/python: at the other end always somebody else, a plain socket, socat
or ferry."""

import array
import errno
import gc
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from programs import listening_port, need
from support import BUILD, ROOT, SANITIZER, descriptor_count, listens, wait_until

if SANITIZER:
    pytest.skip("Python itself is built without the sanitizer", allow_module_level=True)

BINDING = ROOT / "bindings" / "python"
ENVIRONMENT = {"FERRY_LIBRARY": str(BUILD / "libferry.so"), "PYTHONPATH": str(BINDING)}
os.environ.setdefault("FERRY_LIBRARY", ENVIRONMENT["FERRY_LIBRARY"])
sys.path.insert(0, str(BINDING))
import ferry as binding  # noqa: E402 # a fixture has the other name

MEGABYTE = 1 << 20
KINDS = {
    "unix": socket.SOCK_STREAM,
    "unix-seq": socket.SOCK_SEQPACKET,
    "unix-dgram": socket.SOCK_DGRAM,
}


@pytest.fixture
def meet(runtime_dir):
    """meet(scheme) is a channel and the plain socket at its other end; `accepts`: the channel is the
    listener's."""
    kept = []

    def connect(scheme="unix", accepts=False):
        path = str(runtime_dir / f"{len(kept)}.sock")
        if accepts:
            listener = binding.listen(f"{scheme}:{path}")
            kept.append(listener)
            plain = socket.socket(socket.AF_UNIX, KINDS[scheme])
            plain.settimeout(10)
            if scheme == "unix-dgram":
                plain.bind(path + ".client")
            plain.connect(path)
            if scheme == "unix-dgram":
                plain.send(b"first")
            channel = listener.accept(10)
        else:
            server = socket.socket(socket.AF_UNIX, KINDS[scheme])
            server.settimeout(10)
            server.bind(path)
            kept.append(server)
            if scheme == "unix-dgram":
                channel, plain = binding.dial(f"{scheme}:{path}", 10), server
            else:
                server.listen()
                channel = binding.dial(f"{scheme}:{path}", 10)
                plain, _ = server.accept()
            plain.settimeout(10)
        kept.extend((channel, plain))
        return channel, plain

    yield connect
    for one in reversed(kept):
        one.close()


def echo(start_ferry, runtime_dir, scheme):
    relay = start_ferry("relay", f"{scheme}:echo.sock", "echo")
    relay.wait_for("started")
    return relay, f"{scheme}:{runtime_dir / 'echo.sock'}"


# --- bytes and messages ------------------------------------------------------------------------------


def test_a_stream_both_ways_at_once(start_ferry, runtime_dir):
    """More than all buffers hold: one thread sends while another receives."""
    _, address = echo(start_ferry, runtime_dir, "unix")
    data = os.urandom(8 * MEGABYTE)
    with binding.dial(address, 10) as channel:

        def send():
            channel.send(data, timeout=30)
            channel.shutdown()

        sender = threading.Thread(target=send)
        sender.start()
        received = b"".join(message.data for message in channel)
        sender.join()
    assert received == data


@pytest.mark.parametrize("accepts", [False, True], ids=["dials", "accepts"])
def test_messages_keep_their_boundaries(accepts, meet):
    channel, plain = meet("unix-seq", accepts)
    for size in (1, 0, 1000, 65536):
        channel.send(b"m" * size)
        assert plain.recv(MEGABYTE) == b"m" * size
        plain.send(b"n" * size)
        assert channel.receive(10).data == b"n" * size
    channel.send([b"of", bytearray(b" several "), memoryview(b"parts"), array.array("b", [33])])
    assert plain.recv(100) == b"of several parts!"
    plain.close()
    assert channel.receive(10) is None


def test_a_batch_is_received_at_once(meet):
    channel, plain = meet("unix-seq")
    for number in range(20):
        plain.send(b"%d" % number)
    batches = [channel.receive_batch(16, 10), channel.try_receive(16)]
    assert [len(batch) for batch in batches] == [16, 4]
    assert [int(one.data) for batch in batches for one in batch] == list(range(20))
    with pytest.raises(BlockingIOError):
        channel.try_receive()


def test_a_batch_is_sent_whole(meet):
    channel, plain = meet("unix-seq")
    batch = [binding.Outgoing(b"%d" % number) for number in range(100)]
    receiver = threading.Thread(target=channel.send_batch, args=(batch, 10))
    receiver.start()
    assert [int(plain.recv(100)) for _ in range(100)] == list(range(100))
    receiver.join()
    assert all(one.complete for one in batch)


def test_progress_survives_and_descriptors_go_once(meet):
    """What try_send() left the next one goes on with."""
    channel, plain = meet("unix")
    data = os.urandom(MEGABYTE)
    with open("/dev/null") as null:
        outgoing = binding.Outgoing(data, [null.fileno()])
        received, descriptors, refused = b"", [], 0
        while len(received) < len(data):
            try:
                channel.try_send([outgoing])
            except BlockingIOError:
                refused += 1
            except binding.FerryError:
                assert outgoing.complete
            part, passed, _, _ = socket.recv_fds(plain, 65536, 5)
            received, descriptors = received + part, descriptors + passed
    assert received == data and refused > 1
    assert outgoing.complete and outgoing.sent_size == len(data)
    assert len(descriptors) == 1
    os.close(descriptors[0])


def test_datagrams_know_their_senders(meet):
    """Each message's own. Of what is copied pid, uid and gid stay; who asks for more after the next
    receive is told that it is too late."""
    channel, plain = meet("unix-dgram", accepts=True)
    first = channel.receive(10)
    assert first.data == b"first"
    assert first.sender.known(binding.Fact.UID) is binding.Known.FORGEABLE
    plain.send(b"second")
    second = channel.receive(10)
    assert second.data == b"second"
    for one in (first.sender, second.sender):
        assert (one.pid, one.uid, one.gid) == (os.getpid(), os.getuid(), os.getgid())
    with pytest.raises(binding.FerryError) as caught:
        first.sender.label
    assert caught.value.errno == errno.ESTALE
    plain.send(b"third")
    with binding.Inbox() as inbox:
        third = channel.receive(10, inbox)
        assert third.sender.pid == os.getpid()
    with pytest.raises(binding.FerryError):
        third.sender.uid
    assert "released" in repr(third)
    channel.send(b"answer")
    assert plain.recv(100) == b"answer"


def test_a_message_that_does_not_fit_is_told(meet):
    channel, plain = meet("unix-seq")
    plain.send(b"m" * 1000)
    with binding.Inbox(100) as inbox, pytest.raises(binding.FerryError) as caught:
        channel.receive(10, inbox)
    assert caught.value.errno == errno.EMSGSIZE and "Inbox" in caught.value.remedy


def test_a_command_is_a_channel_too():
    with binding.dial("exec:/bin/cat", 10) as channel:
        channel.send(b"through cat")
        channel.shutdown()
        assert b"".join(message.data for message in channel) == b"through cat"
    with binding.dial("exec:/usr/bin/printenv WORD", 10, environment={"WORD": "a word"}) as channel:
        assert b"".join(message.data for message in channel) == b"a word\n"


def test_tcp_to_ferry_and_a_name_of_several_addresses(start_ferry, runtime_dir):
    echo(start_ferry, runtime_dir, "unix")
    relay = start_ferry("relay", "tcp:127.0.0.1:0", "unix:echo.sock", "--allow", "any")
    with binding.dial(f"tcp:localhost:{listening_port(relay)}", 10) as channel:
        assert channel.identity.pid is None  # nobody vouches
        channel.send(b"by TCP")
        assert channel.receive(10).data == b"by TCP"


# --- auto: ------------------------------------------------------------------------------------------


def converse(channel, count):
    """So many messages there, and back from an echo."""

    def send():
        for number in range(count):
            channel.send(b"%d" % number, timeout=30)

    sender = threading.Thread(target=send)
    sender.start()
    for number in range(count):
        assert channel.receive(30).data == b"%d" % number
    sender.join()


def test_auto_moves_to_memory_and_back_and_says_so(start_ferry, runtime_dir):
    _, address = echo(start_ferry, runtime_dir, "auto")
    moves = []
    with binding.dial(address, 10) as channel:
        channel.auto_on_move(moves.append)
        assert channel.auto_stats.reason is binding.AutoReason.NEW
        assert str(binding.AutoReason.NOT_DIRECT) == "not-direct" and binding.AutoReason.FAST.text
        channel.auto_prefer(binding.AutoPreference.PREFER_RING)
        converse(channel, 5000)
        stats = channel.auto_stats
        assert stats.sending is binding.Lane.RING and stats.reason is binding.AutoReason.FORCED
        assert stats.ring_messages > 4000 and stats.moves >= 1
        with open("/dev/null") as null:
            channel.send([b"with", b" an open file"], [null.fileno()])
        with channel.receive(10) as message:
            assert message.data == b"with an open file" and len(message.descriptors) == 1
        channel.auto_prefer(binding.AutoPreference.PREFER_SOCKET)
        converse(channel, 100)
        stats = channel.auto_stats
        assert stats.sending is binding.Lane.SOCKET and stats.reason is binding.AutoReason.FORBIDDEN
        assert [one.sending for one in moves] == [binding.Lane.RING, binding.Lane.SOCKET]
        assert str(moves[0].sending) == "ring"
        channel.auto_on_move(None)
        channel.auto_prefer(binding.AutoPreference.PREFER_RING)
        converse(channel, 100)
        assert channel.auto_stats.sending is binding.Lane.RING and len(moves) == 2
        channel.shutdown()
        assert channel.receive(10) is None


def test_what_is_told_of_a_move_may_close_the_channel(start_ferry, runtime_dir):
    _, address = echo(start_ferry, runtime_dir, "auto")
    channel = binding.dial(f"{address},ring=yes", 10)
    channel.auto_on_move(lambda stats: channel.close())
    with pytest.raises(binding.FerryError) as caught:
        converse_until_closed(channel)
    assert caught.value.errno == errno.EBADF


def converse_until_closed(channel):
    while True:
        channel.send(b"again", timeout=10)
        channel.receive(10)


def test_auto_is_listened_on(start_ferry, runtime_dir):
    """And who connects moves to memory."""
    lines = "".join(f"{number}\n" for number in range(100000))
    (runtime_dir / "lines").write_text(lines)
    with binding.listen(f"auto:{runtime_dir}/l.sock") as listener:
        with open(runtime_dir / "lines") as source:
            client = start_ferry("connect", "--frame=lf", "auto:l.sock,ring=yes", stdin=source)
        with listener.accept(10) as channel:
            assert channel.identity.pid == client.pid
            received = b"\n".join(bytes(message.data) for message in channel)
            assert received == lines.encode()[:-1]
            assert channel.auto_stats.receiving is binding.Lane.RING
    assert client.wait() == 0


def test_what_is_no_auto_channel_says_so(meet):
    channel, plain = meet("unix-seq")
    for ask in (
        lambda: channel.auto_stats,
        lambda: channel.auto_prefer(binding.AutoPreference.PREFER_RING),
        lambda: channel.auto_on_move(print),
    ):
        with pytest.raises(binding.FerryError) as caught:
            ask()
        assert caught.value.errno == errno.EOPNOTSUPP
        assert str(caught.value).endswith(": is no auto: channel; use auto: at both ends")


# --- what is lent ------------------------------------------------------------------------------------


def test_what_is_borrowed_ends_with_the_next_receive(meet):
    channel, plain = meet("unix-seq")
    with binding.Inbox() as inbox:
        for word in (b"one", b"two"):
            plain.send(word)
        first = channel.receive(10, inbox)
        assert isinstance(first.data, memoryview) and first.data.readonly
        assert bytes(first.data) == b"one"
        second = channel.receive(10, inbox)
        assert bytes(second.data) == b"two"
        with pytest.raises(ValueError):
            bytes(first.data)
        part = second.data[1:]
        plain.send(b"three")
        with pytest.raises(BufferError):
            channel.receive(10, inbox)
        with pytest.raises(BufferError):
            inbox.close()
        assert bytes(part) == b"wo"
        part.release()
        third = channel.receive(10, inbox)
        assert bytes(third.data) == b"three"
    with pytest.raises(ValueError):
        bytes(third.data)


def test_a_closed_inbox_receives_nothing(meet):
    channel, plain = meet("unix-seq")
    inbox = binding.Inbox()
    inbox.close()
    inbox.close()
    plain.send(b"waits")
    with pytest.raises(binding.FerryError) as caught:
        channel.receive(10, inbox)
    assert caught.value.errno == errno.EBADF
    assert channel.receive(10).data == b"waits"


def test_a_view_keeps_the_memory_that_it_lies_in(meet):
    channel, plain = meet("unix-seq")
    plain.send(b"kept")
    view = channel.receive(10, binding.Inbox()).data
    gc.collect()
    assert bytes(view) == b"kept"


def test_a_copy_is_for_ever(meet):
    channel, plain = meet("unix-seq")
    for word in (b"one", b"two"):
        plain.send(word)
    first, second = channel.receive(10), channel.receive(10)
    assert (first.data, second.data) == (b"one", b"two")


# --- descriptors -------------------------------------------------------------------------------------


def test_descriptors_both_ways(meet, runtime_dir):
    channel, plain = meet("unix-seq")
    for number in range(3):
        (runtime_dir / f"file{number}").write_text(f"content {number}")
    names = [runtime_dir / f"file{number}" for number in range(3)]
    ours = [os.open(name, os.O_RDONLY) for name in names]
    channel.send(b"three", ours)
    data, theirs, _, _ = socket.recv_fds(plain, 100, 5)
    assert (data, len(theirs)) == (b"three", 3)
    socket.send_fds(plain, [b"back"], theirs)
    message = channel.receive(10)
    assert message.data == b"back" and len(message.descriptors) == 3
    taken = [message.take(), *message.take_all()]
    with pytest.raises(binding.FerryError):
        message.take()
    assert [os.read(fd, 100).decode() for fd in taken] == [f"content {n}" for n in range(3)]
    for fd in taken:
        assert not os.get_inheritable(fd)
    for fd in ours + list(theirs) + taken:
        os.close(fd)


def test_those_that_are_not_taken_are_closed(meet):
    channel, plain = meet("unix-seq")
    before = descriptor_count(os.getpid())

    def receive():
        socket.send_fds(plain, [b"two"], [0, 1])
        return channel.receive(10)

    with receive() as message:
        assert descriptor_count(os.getpid()) == before + 2
        os.close(message.take())
    assert descriptor_count(os.getpid()) == before
    message = receive()
    message.close()
    message.close()
    assert descriptor_count(os.getpid()) == before
    receive()
    gc.collect()
    assert descriptor_count(os.getpid()) == before


def test_ten_thousand_messages_leave_no_descriptor(meet):
    channel, plain = meet("unix-seq")
    before = descriptor_count(os.getpid())
    with open("/dev/null") as null:
        for number in range(10000):
            channel.send(b"there", [null.fileno()])
            _, passed, _, _ = socket.recv_fds(plain, 100, 5)
            socket.send_fds(plain, [b"back"], passed)
            os.close(passed[0])
            message = channel.receive(10)
            assert len(message.descriptors) == 1
            if number % 2:
                os.close(message.take())
    del message
    assert descriptor_count(os.getpid()) == before


def test_an_interrupt_while_descriptors_are_taken_over_leaves_none(meet, monkeypatch):
    channel, plain = meet("unix-seq")
    before = descriptor_count(os.getpid())
    take_over, calls = binding.Inbox._message, []

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return take_over(*arguments)

    monkeypatch.setattr(binding.Inbox, "_message", interrupted)
    for _ in range(4):
        socket.send_fds(plain, [b"two"], [0, 1])
    with pytest.raises(KeyboardInterrupt):
        channel.receive_batch(16, 10)
    calls.clear()
    gc.collect()
    assert descriptor_count(os.getpid()) == before


def test_to_ferry_take_and_from_ferry_pass(start_ferry, runtime_dir):
    (runtime_dir / "file").write_text("content\n")
    taker = start_ferry("take", "unix:files.sock", "--", "cat", "/dev/fd/3")
    wait_until(lambda: listens(runtime_dir / "files.sock"))
    with open(runtime_dir / "file") as file:
        with binding.dial(f"unix:{runtime_dir}/files.sock", 10) as channel:
            channel.send(b"file", [file.fileno()], timeout=10)
            channel.shutdown()
            assert channel.receive(10) is None
    assert taker.wait() == 0 and taker.stdout() == b"content\n"

    with binding.listen(f"unix:{runtime_dir}/taker.sock") as listener:
        passer = start_ferry("pass", "unix:taker.sock", "file")
        with listener.accept(10) as channel:
            with channel.receive(10) as message, open(message.take()) as file:
                assert file.read() == "content\n"
            channel.shutdown()
            while channel.receive(10):
                pass
    assert passer.wait() == 0


# --- identity ----------------------------------------------------------------------------------------


def test_who_is_at_the_other_end(start, start_ferry, runtime_dir):
    relay, address = echo(start_ferry, runtime_dir, "unix")
    with binding.dial(address, 10) as channel:
        who = channel.identity
        assert (who.pid, who.uid, who.gid) == (relay.pid, os.geteuid(), os.getegid())
        assert who.known(binding.Fact.PID) is binding.Known.AT_CONNECT
        assert str(who.known(binding.Fact.PID)) == "at connect" and str(binding.Fact.PID) == "pid"
    with pytest.raises(binding.FerryError):
        who.groups
    assert who.pid == relay.pid

    with binding.listen(f"unix:{runtime_dir}/asks.sock") as listener:
        client = start(need("socat"), "-", "UNIX-CONNECT:asks.sock", stdin=subprocess.PIPE)
        with listener.accept(10) as channel:
            who = channel.identity
            assert (who.pid, who.uid) == (client.pid, os.geteuid())
            assert who.groups == tuple(sorted(os.getgroups()))
            if who.known(binding.Fact.PIDFD) is not binding.Known.UNKNOWN:  # from Linux 6.5
                assert who.name == "socat"
                assert who.is_executable(os.path.realpath(need("socat")))
                assert not who.is_executable("/bin/sh")
            channel.send(b"said")
            wait_until(lambda: client.stdout() == b"said")


def test_who_is_refused_by_the_address_never_arrives(runtime_dir):
    path = runtime_dir / "guarded.sock"
    with binding.listen(f"unix:{path},deny=uid:{os.geteuid()}") as listener:
        with socket.socket(socket.AF_UNIX) as plain:
            plain.connect(str(path))
            with pytest.raises(TimeoutError):
                listener.accept(0.05)
            assert listener.refused == 1


# --- the ring ----------------------------------------------------------------------------------------


@pytest.fixture
def start_in_c(start, tmp_path):
    """start_in_c(name, argument...) compiles an example in C, and starts it."""

    def run(name, *words):
        source, program = ROOT / "examples" / f"{name}.c", tmp_path / name
        linking = ["-L", BUILD, f"-Wl,-rpath,{BUILD}", "-lferry"]
        command = ["gcc", "-I", ROOT / "include", source, "-o", program, *linking]
        subprocess.run(command, check=True)
        return start(program, *words)

    return run


def attached(channel):
    with channel.receive(10) as message:
        return binding.Ring.attach(binding.Direction.RECEIVE, message.take_all())


@pytest.mark.parametrize("borrows", [False, True], ids=["copies", "borrows"])
def test_frames_of_a_publisher_in_c(borrows, start_in_c, runtime_dir):
    start_in_c("frame_publisher", "unix:frames.sock")
    wait_until(lambda: listens(runtime_dir / "frames.sock"))
    frames = []
    with binding.dial(f"unix:{runtime_dir}/frames.sock", 10) as channel, attached(channel) as ring:
        assert ring.record_max == 8 * MEGABYTE
        while True:
            try:
                if not ring.wait(10, channel):
                    ring.set_peer_gone()  # what it had committed comes still
                for frame in ring.borrow() if borrows else ring.try_receive():
                    letters = bytes(frame.data[:1]), bytes(frame.data[-1:])
                    frames.append((frame.type, len(frame.data), letters))
                if borrows:
                    ring.release()
                    with pytest.raises(ValueError):
                        frame.data[0]
            except BrokenPipeError:
                break
            except BlockingIOError:
                pass
    letters = [bytes([97 + number]) for number in range(10)]
    assert frames == [(n, 4 * MEGABYTE, (letters[n], letters[n])) for n in range(10)]


def test_frames_to_a_subscriber_in_c(start_in_c, runtime_dir):
    with binding.listen(f"unix:{runtime_dir}/frames.sock") as listener:
        subscriber = start_in_c("frame_subscriber", "unix:frames.sock")
        with listener.accept(10) as channel, binding.Ring(binding.Direction.SEND, 1 << 16) as ring:
            channel.send(b"r", ring.descriptors)
            for number in range(100):
                if number % 2:
                    ring.send(b"sent" * 1000, number, 10, channel)
                    continue
                while True:
                    try:
                        room = ring.loan(4000)
                        break
                    except BlockingIOError:
                        assert ring.wait(10, channel)
                room[:] = b"lent" * 1000
                ring.commit(400, number)
                with pytest.raises(ValueError):
                    room[0]
            assert ring.stats["records"] == 100
            channel.shutdown()
            subscriber.wait_for("frame 99")
    subscriber.wait()
    kinds = [(400, "lent"), (4000, "sent")]
    lines = ["frame %d: %d of %s" % (number, *kinds[number % 2]) for number in range(100)]
    assert subscriber.stdout().decode().splitlines() == lines


@pytest.fixture
def both_ends():
    send = binding.Ring(binding.Direction.SEND, 1 << 16)
    descriptors = [os.dup(fd) for fd in send.descriptors]
    with send, binding.Ring.attach(binding.Direction.RECEIVE, descriptors) as receive:
        yield send, receive


def test_what_a_ring_lends_is_not_taken_away_in_silence(both_ends):
    send, receive = both_ends
    for misuse in (send.try_receive, lambda: receive.loan(1), send.commit):
        with pytest.raises(ValueError):
            misuse()
    with pytest.raises(binding.FerryError) as caught:
        send.send(bytes(send.record_max + 1))
    assert caught.value.errno == errno.EMSGSIZE
    room = send.loan(10)
    part = room[2:]
    with pytest.raises(BufferError):
        send.commit()
    part.release()
    send.send(b"whole", 7)
    with pytest.raises(ValueError):
        room[0]
    [record] = receive.borrow()
    assert (bytes(record.data), record.type) == (b"whole", 7)
    part = record.data[1:]
    for use in (receive.try_receive, receive.release, receive.close):
        with pytest.raises(BufferError):
            use()
    part.release()
    send.send(b"", 8)
    assert receive.receive(timeout=10) == [binding.Record(b"", 8)]
    with pytest.raises(TimeoutError):
        receive.receive(timeout=0.01)


def test_who_sleeps_is_woken(both_ends):
    send, receive = both_ends
    got = []
    sleeper = threading.Thread(target=lambda: got.extend(receive.receive(timeout=10)))
    sleeper.start()
    wait_until(lambda: receive.stats["sleeps"])
    send.send(b"wake")
    sleeper.join()
    assert got == [binding.Record(b"wake", 0)]


@pytest.mark.parametrize("borrows", [False, True], ids=["copies", "borrows"])
def test_room_is_given_back_at_once(borrows, both_ends):
    send, receive = both_ends

    def fill():
        record, count = binding.Record(b"r" * 1000), 0
        try:
            while True:
                count += send.try_send([record])
        except BlockingIOError:
            return count

    fills = [fill()]
    for _ in range(10):
        got = receive.borrow(1000) if borrows else receive.try_receive(1000)
        assert len(got) == fills[-1]
        assert {bytes(record.data) for record in got} == {b"r" * 1000}
        if borrows:
            assert fill() == 0
            receive.release()
        fills.append(fill())
    assert min(fills) > 50


def test_descriptors_that_are_no_ring_are_refused_and_closed():
    before = descriptor_count(os.getpid())
    for count in (2, 3):
        with pytest.raises(binding.FerryError) as caught:
            binding.Ring.attach(binding.Direction.SEND, [os.dup(0) for _ in range(count)])
        assert caught.value.errno == errno.EPROTO
    assert descriptor_count(os.getpid()) == before


# --- failures and ends -------------------------------------------------------------------------------


def test_a_failure_says_what_why_and_the_remedy(runtime_dir):
    path = runtime_dir / "nobody.sock"
    with pytest.raises(FileNotFoundError) as caught:
        binding.dial(f"unix:{path}")
    error = caught.value
    assert isinstance(error, binding.FerryError) and isinstance(error, OSError)
    assert error.errno == errno.ENOENT
    assert (error.thing, error.reason) == (f"unix:{path}", "there is no such socket")
    assert str(error) == f"{error.thing}: {error.reason}; {error.remedy}" and error.remedy
    with pytest.raises(binding.FerryError, match="column 1"):
        binding.Address("nonsense")
    with socket.socket(socket.AF_UNIX) as plain:
        plain.bind(str(path))
        with pytest.raises(ConnectionRefusedError):
            binding.dial(f"unix:{path}")


def test_an_address_is_asked_about():
    address = binding.Address("unix:/run/a\\,b.sock,mode=0660")
    assert address.scheme is binding.Scheme.UNIX and address.option("mode") == "0660"
    assert address.option("group") is None
    assert address == binding.Address(str(address)) != binding.Address("unix:/run/a.sock")


def test_a_peer_that_is_gone(meet):
    channel, plain = meet("unix")
    plain.close()
    with pytest.raises(BrokenPipeError):
        channel.send(b"to nobody")


def test_a_deadline_is_shared(meet):
    channel, plain = meet("unix")
    plain.send(b"there")
    deadline = binding.Deadline(0.05)
    assert channel.receive(deadline).data == b"there"
    for _ in range(2):
        with pytest.raises(TimeoutError):
            channel.receive(deadline)
    plain.send(b"late")
    assert channel.receive(deadline).data == b"late"  # what is there is received, however late


def test_closing_twice_and_using_what_is_closed(meet):
    channel, plain = meet("unix")
    before = descriptor_count(os.getpid())
    channel.close()
    channel.close()
    assert descriptor_count(os.getpid()) == before - 1 and channel.closed
    for use in (channel.receive, channel.fileno, lambda: channel.send(b"x"), lambda: channel.peer):
        with pytest.raises(binding.FerryError) as caught:
            use()
        assert caught.value.errno == errno.EBADF
    assert plain.recv(10) == b""


def test_a_channel_that_is_forgotten_is_closed_and_warned_of(runtime_dir):
    path = str(runtime_dir / "x.sock")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        before = descriptor_count(os.getpid())
        with pytest.warns(ResourceWarning):
            binding.dial(f"unix:{path}")
            gc.collect()
        assert descriptor_count(os.getpid()) == before


def test_threads_that_use_and_close_one_channel(meet):
    """Nothing breaks: each gets messages or a failure, and every message is got once."""
    for _ in range(20):
        channel, plain = meet("unix-seq")
        got, lock = [], threading.Lock()

        def use():
            while not channel.closed:
                try:
                    for message in channel.try_receive(4):
                        with lock:
                            got.append(int(message.data))
                except BlockingIOError:
                    pass
                except binding.FerryError as error:
                    assert error.errno == errno.EBADF

        threads = [threading.Thread(target=use) for _ in range(4)]
        for thread in threads:
            thread.start()
        for number in range(100):
            plain.send(b"%d" % number)
        wait_until(lambda: len(got) == 100)
        channel.close()
        for thread in threads:
            thread.join()
        assert sorted(got) == list(range(100))


def test_sessions_of_one_socket_in_threads(runtime_dir):
    """They share the listener's socket, and what one thread takes out of it may be another's: so none of
    them sleeps on it."""
    path, count = str(runtime_dir / "sessions.sock"), 2000
    with binding.listen(f"unix-dgram:{path}") as listener:
        plains, sessions = [], []
        for number in range(4):
            plain = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            plain.settimeout(30)
            plain.bind(f"{path}.{number}")
            plain.connect(path)
            plain.send(b"0")
            plains.append(plain)
            sessions.append(listener.accept(10))

        def answer(session):
            for expected in range(count):
                message = next_of(session)
                assert int(message.data) == expected
                session.send(message.data, timeout=30)
            answered.append(session)

        def next_of(session):
            while True:
                try:
                    [message] = session.try_receive()
                    return message
                except BlockingIOError:
                    time.sleep(0)

        answered = []
        threads = [threading.Thread(target=answer, args=(one,)) for one in sessions]
        for thread in threads:
            thread.start()
        for number in range(1, count + 1):
            for plain in plains:
                assert plain.recv(100) == b"%d" % (number - 1)
                if number < count:
                    plain.send(b"%d" % number)
        for thread in threads:
            thread.join()
        assert len(answered) == 4
        for one in plains + sessions:
            one.close()


WAITS = {
    "receive": "ferry.pair()[0].receive()",
    "send": "ferry.pair()[0].send(bytes(1 << 24))",
    "accept": "ferry.listen('unix:accepts.sock').accept()",
    "dial": "ferry.dial('fifo:nobody-reads')",
    "ring": "ferry.Ring(ferry.Direction.RECEIVE).receive()",
}


def is_asleep(program):
    """For some time: not for a lock on the way."""
    stat = Path(f"/proc/{program.pid}/stat")
    for _ in range(10):
        if stat.read_text().split()[2] != "S":
            return False
        time.sleep(0.005)
    return True


@pytest.mark.parametrize("what", WAITS)
def test_an_interrupt_ends_a_wait(what, start, runtime_dir):
    os.mkfifo(runtime_dir / "nobody-reads")
    code = f"""
import ferry
pair = ferry.pair()
ferry.pair = lambda: pair
print("begins", flush=True)
try:
    {WAITS[what]}
except KeyboardInterrupt:
    print("interrupted")
"""
    program = start("/usr/bin/python3", "-c", code, env=ENVIRONMENT)
    program.wait_for("begins")
    wait_until(lambda: is_asleep(program))
    program.send(signal.SIGINT)
    assert program.wait() == 0, program.stderr()
    assert program.stdout().endswith(b"interrupted\n")


def test_what_an_interrupted_dial_brings_is_closed(start, runtime_dir):
    """It goes on by itself; who then opens the other side of the FIFO sees its end."""
    os.mkfifo(runtime_dir / "fifo")
    code = """
import ferry
print("begins", flush=True)
try:
    ferry.dial("fifo:fifo")
except KeyboardInterrupt:
    print("interrupted", flush=True)
    input()
"""
    program = start("/usr/bin/python3", "-c", code, env=ENVIRONMENT, stdin=subprocess.PIPE)
    program.wait_for("begins")
    wait_until(lambda: is_asleep(program))
    before = descriptor_count(program.pid)
    program.send(signal.SIGINT)
    program.wait_for("interrupted")
    with open(runtime_dir / "fifo", "rb") as reader:
        assert reader.read() == b""
    assert descriptor_count(program.pid) == before
    program.stdin.write(b"\n")
    program.stdin.flush()
    assert program.wait() == 0


def test_what_a_dial_brings_that_was_interrupted_as_it_began_is_closed(runtime_dir, monkeypatch):
    os.mkfifo(runtime_dir / "fifo")
    start = threading.Thread.start

    def interrupted(thread):
        start(thread)
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:  # which holds all that was there at the time
        binding.dial(f"fifo:{runtime_dir}/fifo")
    with open(runtime_dir / "fifo", "rb") as reader:
        assert reader.read() == b""
    assert caught.value


# --- the library, the examples, the package ----------------------------------------------------------


@pytest.mark.parametrize("library", ["/nonexistent/libferry.so.0", "libc.so.6"])
def test_without_the_library_importing_says_what_is_missing(library):
    done = subprocess.run(
        ["/usr/bin/python3", "-c", "import ferry"],
        env={**os.environ, **ENVIRONMENT, "FERRY_LIBRARY": library},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"ImportError: {library}") and "FERRY_LIBRARY" in last


def test_a_library_of_another_version_is_refused(runtime_dir):
    """All functions are there, but not those whose structs the package knows."""
    exported = (ROOT / "src" / "libferry.map").read_text()
    names = re.findall(r"^    (ferry_\w+);", exported, re.M)
    (runtime_dir / "stub.c").write_text("".join(f"void {name}(void) {{}}\n" for name in names))
    (runtime_dir / "stub.map").write_text(exported.replace("LIBFERRY_0", "LIBFERRY_9"))
    library = runtime_dir / "libferry.so"
    command = ["gcc", "-shared", "-fPIC", "stub.c", "-Wl,--version-script=stub.map", "-o", library]
    subprocess.run(command, cwd=runtime_dir, check=True)
    done = subprocess.run(
        ["/usr/bin/python3", "-c", "import ferry"],
        env={**os.environ, **ENVIRONMENT, "FERRY_LIBRARY": str(library)},
        capture_output=True,
        text=True,
    )
    assert "has no ferry_address_parse of version LIBFERRY_0" in done.stderr


def example(name, *words, python="/usr/bin/python3", env=ENVIRONMENT):
    return [str(one) for one in (python, BINDING / "examples" / name, *words)], {**os.environ, **env}


def run_example(*words, **options):
    command, environment = example(*words, **options)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.parametrize("scheme", KINDS)
def test_the_example_that_asks(scheme, start_ferry, runtime_dir):
    relay, address = echo(start_ferry, runtime_dir, scheme)
    done = run_example("ask.py", address, "good day")
    assert done.stdout == "good day\n"
    if scheme != "unix-dgram":
        assert done.stderr == f"pid {relay.pid} uid {os.geteuid()}, known at connect\n"


def test_what_the_readme_shows(start, runtime_dir):
    """Both programs of it, as they stand there, talk to each other."""
    text = (BINDING / "README.md").read_text()
    client, server = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (runtime_dir / "report.txt").write_text("all is well")
    programs = []
    for name, program in (("server", server), ("client", client)):
        assert "/run/app.sock" in program
        program = program.replace("/run/app.sock", "app.sock").replace("group:staff", "any")
        (runtime_dir / f"{name}.py").write_text(program)
        programs.append(start("/usr/bin/python3", "-u", f"{name}.py", env=ENVIRONMENT))
        wait_until(lambda: listens(runtime_dir / "app.sock"))
    for one in reversed(programs):
        assert one.wait() == 0, one.stderr()
    served, asked = programs
    said = f"served by pid {served.pid} uid {os.geteuid()}\nall is well\n"
    assert asked.stdout().decode() == said


@pytest.fixture
def echo_server(start, runtime_dir):
    """The example, started with an address."""

    def run(address):
        command, environment = example("echo_server.py", address)
        server = start(*command, env=environment)
        server.wait_for("listens on")
        return server

    return run


def test_the_echo_server_in_asyncio(echo_server, runtime_dir):
    server = echo_server("unix:echo.sock")
    data = os.urandom(MEGABYTE)
    (runtime_dir / "data").write_bytes(data)
    for _ in range(2):
        with open(runtime_dir / "data") as file:
            done = subprocess.run(
                [need("socat"), "-t10", "-", "UNIX-CONNECT:echo.sock"],
                stdin=file,
                capture_output=True,
                cwd=runtime_dir,
                timeout=30,
            )
        assert done.stdout == data
    server.send(signal.SIGINT)
    assert server.wait() == 0 and server.stderr() == ""


def test_what_is_pending_is_echoed_too(echo_server, runtime_dir):
    """Lines that came together are received in several batches; of the later ones the descriptor says
    nothing, and nothing else comes."""
    echo_server("unix:echo.sock,frame=lf")
    data = b"".join(b"line %d\n" % number for number in range(1000))
    with socket.socket(socket.AF_UNIX) as plain:
        plain.settimeout(10)
        plain.connect(str(runtime_dir / "echo.sock"))
        plain.sendall(data)
        received = b""
        while len(received) < len(data):
            received += plain.recv(65536)
        assert received == data


def test_the_echo_server_sends_descriptors_back(echo_server, runtime_dir):
    server = echo_server("unix-seq:echo.sock")
    before = descriptor_count(server.pid)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as plain:
        plain.settimeout(10)
        plain.connect(str(runtime_dir / "echo.sock"))
        with open("/dev/null") as null:
            socket.send_fds(plain, [b"null"], [null.fileno()] * 3)
            data, passed, _, _ = socket.recv_fds(plain, 100, 5)
            assert data == b"null" and all(os.path.sameopenfile(fd, null.fileno()) for fd in passed)
            assert len(passed) == 3
    for fd in passed:
        os.close(fd)
    wait_until(lambda: descriptor_count(server.pid) == before)


@pytest.mark.timeout(120)
def test_the_package_is_built_and_installed(start_ferry, runtime_dir):
    for module in ("setuptools", "wheel", "pip", "ensurepip"):
        if subprocess.run(["/usr/bin/python3", "-c", f"import {module}"], capture_output=True).returncode:
            pytest.skip(f"no {module}: scripts/install-dependencies interop")
    copy = runtime_dir / "source"
    shutil.copytree(BINDING, copy, ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
    alone = {"PIP_CONFIG_FILE": "/dev/null", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    environment = {**os.environ, **alone}
    for name in ("PYTHONPATH", "PIP_INDEX_URL"):
        environment.pop(name, None)
    offline = ["--no-index", "--quiet"]

    def run(*command):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100)
        assert done.returncode == 0, done.stdout + done.stderr

    run(
        *("/usr/bin/python3", "-m", "pip", "wheel", "--no-build-isolation", "--no-deps"),
        *(*offline, "-w", str(runtime_dir), str(copy)),
    )
    [wheel] = runtime_dir.glob("*.whl")
    assert wheel.name == "ferry-0.1.0-py3-none-any.whl"
    run("/usr/bin/python3", "-m", "venv", "--system-site-packages", str(runtime_dir / "venv"))
    python = runtime_dir / "venv" / "bin" / "python"
    run(str(python), "-m", "pip", "install", *offline, str(wheel))
    there = {"FERRY_LIBRARY": ENVIRONMENT["FERRY_LIBRARY"], "PYTHONPATH": ""}
    where = subprocess.run(
        [python, "-c", "import ferry, pathlib; print(ferry.__file__); p = pathlib.Path(ferry.__file__)\n"
         "assert p.with_name('py.typed').exists()"],
        env={**os.environ, **there},
        capture_output=True,
        text=True,
        cwd=runtime_dir,
    )
    assert where.stdout.startswith(str(runtime_dir / "venv")), where.stderr
    _, address = echo(start_ferry, runtime_dir, "unix")
    assert run_example("ask.py", address, "good day", python=python, env=there).stdout == "good day\n"
