"""`ferry why`: FIFOs, queues, rules of a ferry; nothing wrong where nothing is; how it is said."""

import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading

import pytest

from support import listens, wait_until
from why_states import (
    AS_STRANGER,
    HEAD,
    LISTEN,
    PYTHON,
    ROOT_ONLY,
    STRANGER,
    asleep,
    clients,
    evidence,
    machine,
    program,
    stop,
    why,
)  # noqa: F401 (fixtures)


# --- FIFOs and queues ---------------------------------------------------------------------------


@pytest.fixture
def fifo(runtime_dir):
    path = runtime_dir / "pipe"
    os.mkfifo(path)
    return path


def test_a_fifo_that_nobody_reads(why, program, fifo):
    answer = why(fifo)
    assert answer["verdict"] == "no-reader" and "ENXIO" in answer["client"]
    process = program(HEAD + "print('ready', flush=True)\nopen(path, 'w')", fifo)
    asleep(process)
    answer = wait_until(
        lambda: (a := why(f"fifo:{fifo}")) and str(process.pid) in evidence(a) and a
    )
    assert answer["verdict"] == "no-reader"
    assert f"process {process.pid}, which waits in open(2)" in evidence(answer)


def test_a_fifo_whose_reader_waits_for_a_writer(why, program, fifo):
    process = program(HEAD + "print('ready', flush=True)\nopen(path, 'r')", fifo)
    answer = wait_until(lambda: (a := why(fifo))["verdict"] == "healthy" and a)
    assert str(process.pid) in "\n".join(answer["checked"])


def test_a_fifo_that_nobody_writes(why, program, fifo):
    process = program(
        HEAD + "f = os.open(path, os.O_RDONLY | os.O_NONBLOCK)\nprint('ready', flush=True)\n"
        "signal.pause()",
        fifo,
    )
    answer = why(fifo)
    assert answer["verdict"] == "no-writer"
    assert f"[{process.pid}]" in answer["headline"]


def test_a_fifo_that_is_missing_is_made(why, runtime_dir):
    path = runtime_dir / "it's new"
    answer = why(f"fifo:{path}")
    assert answer["verdict"] == "no-such-path" and "server" not in answer["remedy"]
    subprocess.run(["sh", "-c", answer["remedy"].split("   (")[0]], check=True)
    assert why(f"fifo:{path}")["verdict"] == "no-reader"


def test_a_file_that_is_no_fifo(why, runtime_dir):
    path = runtime_dir / "file"
    path.touch()
    answer = why(f"fifo:{path}")
    assert answer["verdict"] == "not-a-socket"
    assert "is a regular file, no FIFO" in answer["headline"]
    assert answer["client"] == "open(2) succeeds, and no reader gets what is written"
    assert "EISDIR" in why(f"fifo:{runtime_dir}")["client"]
    assert "no socket" in why(path)["headline"]


def test_a_full_fifo(why, program, fifo):
    process = program(
        HEAD + "f = os.open(path, os.O_RDWR)\nprint('ready', flush=True)\nsignal.pause()", fifo
    )
    fd = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    assert why(fifo)["verdict"] == "healthy"
    with pytest.raises(BlockingIOError):
        while True:
            os.write(fd, bytes(4096))
    answer = why(fifo)
    os.close(fd)
    assert answer["verdict"] == "fifo-full"
    assert f"[{process.pid}]" in answer["headline"]
    assert "65536 of 65536 bytes" in evidence(answer)


class Attributes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_long) for name in ("flags", "maxmsg", "msgsize", "curmsgs")]
    _fields_ += [("rest", ctypes.c_long * 4)]


@pytest.fixture
def queue(runtime_dir):
    """A queue of three messages: (its name, its descriptor, libc)."""
    libc = ctypes.CDLL(None, use_errno=True)
    name = f"/{runtime_dir.name}"
    attributes = Attributes(maxmsg=3, msgsize=64)
    fd = libc.mq_open(
        name.encode(), os.O_RDWR | os.O_CREAT | os.O_NONBLOCK, 0o600, ctypes.byref(attributes)
    )
    if fd < 0:
        pytest.skip(f"no queue can be made here: {os.strerror(ctypes.get_errno())}")
    yield name, fd, libc
    libc.mq_close(fd)
    libc.mq_unlink(name.encode())


def test_a_queue(why, queue):
    name, fd, libc = queue
    answer = why(f"mq:{name}")
    assert answer["verdict"] == "healthy"
    assert "0 of 3 messages" in "\n".join(answer["checked"])
    while libc.mq_send(fd, b"x", 1, 0) == 0:
        pass
    answer = why(f"mq:{name}")
    assert answer["verdict"] == "queue-full"
    assert f"[{os.getpid()}]" in answer["headline"] and "3 of 3" in evidence(answer)
    assert why(f"mq:{name}x")["verdict"] == "no-such-queue"


@ROOT_ONLY
def test_a_queue_of_somebody_else(why, queue):
    name, _, _ = queue
    assert why("--as", f"uid:{STRANGER}", f"mq:{name}")["verdict"] == "no-permission"
    answer = why(f"mq:{name}", **AS_STRANGER)
    assert answer["verdict"] == "no-permission" and "EACCES" in answer["client"]


# --- processes ----------------------------------------------------------------------------------


def test_a_process(why, program, clients, runtime_dir):
    path = runtime_dir / "app.sock"
    process = program(LISTEN + "r, w = os.pipe()\nos.read(r, 1)", path, "1")
    asleep(process)
    answer = why(process.pid)
    assert answer["verdict"] == "healthy"
    assert "read on" in "\n".join(answer["notes"])
    clients(path, 3)
    inode = os.stat(f"/proc/{process.pid}/fd/3").st_ino
    for word in (process.pid, f"{process.pid}:3", f"ino:{inode}"):
        answer = why(word)
        assert answer["verdict"] == "backlog-full" and answer["cause"] == "blocked", answer
        assert f"[{process.pid}]" in answer["headline"]


def test_a_stopped_process_without_sockets(why, start):
    process = start("sleep", "600")
    stop(process)
    answer = why(process.pid)
    assert answer["verdict"] == "server-stopped"
    assert answer["remedy"] == f"kill -CONT {process.pid}"


def test_who_waits_for_one_that_is_stopped(why, start, runtime_dir):
    """A pipeline whose first part stands still: the second tells where to look."""
    read, write = os.pipe()
    first = start("sleep", "600", stdin=subprocess.DEVNULL, pass_fds=(write,))
    second = start("cat", stdin=read)
    os.close(read)
    os.close(write)
    stop(first)
    asleep(second)
    answer = why(second.pid)
    notes = "\n".join(answer["notes"])
    assert f"cat[{second.pid}], of 1 thread: read on 0 = pipe" in notes
    assert f"sleep[{first.pid}] is stopped" in notes


def test_a_connection_of_a_process(why, program, runtime_dir):
    path = runtime_dir / "app.sock"
    process = program(
        LISTEN + "kept = listener.accept()\nprint('accepted', flush=True)\nsignal.pause()", path
    )
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        process.wait_for("accepted")
        client.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                client.send(bytes(65536))
        for word in (process.pid, f"{os.getpid()}:{client.fileno()}"):
            answer = why(word)
            assert answer["verdict"] == "server-not-reading", answer
            assert f"[{process.pid}] does not read" in answer["headline"]


def test_what_is_nobodys(why):
    answer = why("ino:1")
    assert answer["verdict"] == "not-seen"


# --- a ferry ------------------------------------------------------------------------------------


@pytest.fixture
def guarded(start_ferry, runtime_dir):
    """A ferry with one route that admits root and denies STRANGER; its process and the path."""
    os.chmod(runtime_dir, 0o755)
    path = runtime_dir / "guarded.sock"
    (runtime_dir / "ferry.conf").write_text(
        f"[route control]\nlisten = unix:{runtime_dir}/control.sock\nto = control\n"
        f"[route guarded]\nlisten = unix:{path},mode=0666\nto = echo\n"
        f"deny = uid:{STRANGER}\nallow = uid:{STRANGER + 1}\n"
    )
    process = start_ferry("up", "-c", runtime_dir / "ferry.conf")
    wait_until(lambda: listens(path) and listens(runtime_dir / "control.sock"))
    return process, path


def test_a_rule_of_ferry(why, guarded, runtime_dir):
    process, path = guarded
    answer = why("--as", f"uid:{STRANGER}", path)
    assert answer["verdict"] == "refused-by-rule"
    assert f"[{process.pid}] refuses" in answer["headline"]
    assert "rule 1 of its route guarded" in answer["headline"]
    assert f"deny uid:{STRANGER}" in evidence(answer)
    assert "ferry.conf" in answer["remedy"]
    answer = why("--as", f"uid:{STRANGER + 1}", path)
    assert answer["verdict"] == "healthy", answer
    assert "admitted by rule 2" in "\n".join(answer["checked"])
    answer = why("--as", f"uid:{STRANGER + 2}", path)
    assert answer["verdict"] == "refused-by-rule" and "no rule" in answer["headline"]


def test_a_rule_of_a_ferry_with_one_route(why, start_ferry, runtime_dir):
    path = runtime_dir / "one.sock"
    process = start_ferry(
        "relay", f"unix:{path},mode=0666", "echo", "--allow", f"uid:{STRANGER}",
        f"--control=unix:{runtime_dir}/my-control",
    )  # fmt: skip
    wait_until(lambda: listens(path) and listens(runtime_dir / "my-control"))
    answer = why("--as", "uid:0", path)
    assert answer["verdict"] == "refused-by-rule"
    assert f"[{process.pid}]" in answer["headline"]
    assert why("--as", f"uid:{STRANGER}", path)["verdict"] in ("healthy", "no-search-permission")


@pytest.mark.parametrize("control", ["exec:/usr/bin/touch {folder}/trap", "unix:{folder}/other"])
def test_a_command_line_is_not_obeyed(why, start, runtime_dir, control):
    """Whoever calls himself ferry does not make us dial, much less start, what he writes."""
    path, trap, fake = (runtime_dir / name for name in ("app.sock", "trap", "ferry"))
    shutil.copy(PYTHON, fake)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(runtime_dir / "other"))
        other.listen()
        other.setblocking(False)
        process = start(
            fake, "-c", LISTEN + "signal.pause()", path, "5",
            "--control=" + control.format(folder=runtime_dir), env={"PYTHONHOME": sys.base_prefix},
        )  # fmt: skip
        process.wait_for("ready")
        answer = why(path)
        with pytest.raises(BlockingIOError):
            other.accept()
    assert answer["verdict"] == "healthy"
    assert "control socket is not known" in "\n".join(answer["notes"])
    assert not trap.exists()


def test_a_link_in_the_control_sockets_place_is_not_followed(why, start, runtime_dir):
    """Whoever calls his program ferry leads nobody to another's socket."""
    ferry = runtime_dir / "ferry"
    shutil.copy(os.path.realpath(sys.executable), ferry)
    path, other = runtime_dir / "app.sock", runtime_dir / "other.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(other))
        server.listen(5)
        server.setblocking(False)
        code = (
            "import os, socket, sys, time\nfolder = sys.argv[1]\nheld = []\n"
            "for name in 'app.sock', 'control.sock':\n"
            "    held.append(socket.socket(socket.AF_UNIX))\n"
            "    held[-1].bind(folder + '/' + name)\n    held[-1].listen(5)\n"
            "os.unlink(folder + '/control.sock')\n"
            "os.symlink(folder + '/other.sock', folder + '/control.sock')\n"
            "print('ready', flush=True)\ntime.sleep(600)"
        )
        process = start(ferry, "-c", code, str(runtime_dir), env={"PYTHONHOME": sys.base_prefix})
        process.wait_for("ready")
        answer = why(path)
        assert "control socket is not known" in "\n".join(answer["notes"])
        with pytest.raises(BlockingIOError):
            server.accept()



def test_a_stopped_ferry_is_not_asked(why, guarded):
    process, path = guarded
    stop(process)
    answer = why("--as", f"uid:{STRANGER}", path)
    assert answer["verdict"] == "server-stopped"
    assert answer["remedy"] == f"kill -CONT {process.pid}"
    # Else it would be noted that it does not tell its rules.
    assert answer["notes"] == []


# --- nothing wrong ------------------------------------------------------------------------------


@pytest.fixture
def healthy(runtime_dir):
    """Thirty sockets of all kinds that work, some of them in use; the words for them."""
    kept, words = [], []
    types = {"unix": socket.SOCK_STREAM, "unix-dgram": socket.SOCK_DGRAM,
             "unix-seq": socket.SOCK_SEQPACKET}  # fmt: skip
    stop_now = threading.Event()

    def serve(listener):
        listener.settimeout(0.05)
        held = []
        while not stop_now.is_set():
            try:
                one, _ = listener.accept()
            except TimeoutError:
                continue
            held.append(one)
            one.send(b"hello")

    threads = []

    def listen(one):
        one.listen(5)
        kept.append(one)
        threads.append(threading.Thread(target=serve, args=(one,)))
        threads[-1].start()

    for scheme, type_ in types.items():
        for index in range(6):
            one = socket.socket(socket.AF_UNIX, type_)
            abstract = index % 2
            name = f"{runtime_dir}/{scheme}{index}"
            one.bind(f"\0{name}" if abstract else name)
            word = f"{scheme}:{'@' if abstract else ''}{name}"
            words.append(name if index == 2 else word)
            kept.append(one) if type_ == socket.SOCK_DGRAM else listen(one)
            if index < 3 and type_ != socket.SOCK_DGRAM:
                client = socket.socket(socket.AF_UNIX, type_)
                client.connect(f"\0{name}" if abstract else name)
                kept.append(client)  # what it is sent, it leaves unread
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        for index in range(6):
            tcp = index % 2 == 0
            one = socket.socket(family, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM)
            one.bind((host, 0))
            port = one.getsockname()[1]
            listen(one) if tcp else kept.append(one)
            shown = f"[{host}]" if ":" in host else host
            words.append(f"{'tcp' if tcp else 'udp'}:{shown}:{port}")
            if index == 0:
                kept.append(socket.create_connection((host, port)))
    yield words
    stop_now.set()
    for thread in threads:
        thread.join()
    for one in kept:
        one.close()


def test_thirty_healthy_sockets(why, healthy):
    assert len(healthy) == 30
    wrong = {word: answer for word in healthy if (answer := why(word))["verdict"] != "healthy"}
    assert not wrong


@ROOT_ONLY
def test_healthy_sockets_of_another_user(why, program, runtime_dir):
    """Whoever may see little says so, and calls nothing wrong."""
    os.chmod(runtime_dir, 0o755)
    path = runtime_dir / "app.sock"
    program(LISTEN + "while True: listener.accept()", path)
    os.chmod(path, 0o666)
    answer = why(path, **AS_STRANGER)
    assert answer["verdict"] == "healthy"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        word = f"tcp:127.0.0.1:{listener.getsockname()[1]}"
        assert why(word, **AS_STRANGER)["verdict"] == "healthy"


@ROOT_ONLY
def test_what_another_user_may_see(why, program, clients, runtime_dir):
    """A full backlog and a file that was left are told to whoever asks; who serves, is not."""
    os.chmod(runtime_dir, 0o755)
    path = runtime_dir / "app.sock"
    process = program(LISTEN + "signal.pause()", path, "0")
    os.chmod(path, 0o666)
    clients(path, 2)
    answer = why(path, **AS_STRANGER)
    assert answer["verdict"] == "backlog-full" and answer["cause"] == "nobody"
    assert "root" in answer["remedy"] and "1 wait" in evidence(answer)
    assert why(path)["cause"] == "blocked"
    process.send(signal.SIGKILL)
    process.wait()
    assert why(path, **AS_STRANGER)["verdict"] == "stale"


def test_who_serves_it_from_a_namespace_that_is_hidden(why, program, machine, runtime_dir):
    """The kernel says that somebody is there, whom this user can't see."""
    os.chmod(runtime_dir, 0o755)
    path = runtime_dir / "app.sock"
    with machine.inside():
        program(LISTEN + "listener.accept()", path)
    os.chmod(path, 0o666)
    assert why(path)["verdict"] == "healthy"
    answer = why(path, **AS_STRANGER)
    assert answer["verdict"] == "not-seen"
    assert "somebody is bound to it" in evidence(answer)


def test_a_path_through_a_link(why, run_ferry, program, runtime_dir):
    path = runtime_dir / "app.sock"
    process = program(LISTEN + "listener.accept()", path)
    (runtime_dir / "link").symlink_to(path)
    answer = why(runtime_dir / "link")
    assert answer["verdict"] == "healthy"
    assert f"[{process.pid}]" in "\n".join(answer["checked"])
    stop(process)
    assert why(runtime_dir / "link")["verdict"] == "server-stopped"
    # The other verbs find it too.
    listed = json.loads(run_ferry("ls", "--json", runtime_dir / "link").stdout)
    assert [one["local"] for one in listed["endpoints"]] == [str(path)]


# --- saying -------------------------------------------------------------------------------------


def test_for_people(run_ferry, program, clients, runtime_dir):
    path = runtime_dir / "app.sock"
    process = program(LISTEN + "listener.accept()", path, "0")
    done = run_ferry("why", path)
    assert done.returncode == 0
    assert done.stdout.startswith(f"{path}: nothing wrong\n")
    stop(process)
    clients(path, 3)
    done = run_ferry("why", path)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"{path}: the backlog is full: ")
    labels = [line.split()[0] for line in lines if line[2] != " "]
    assert labels[1:4] == ["client", "because", "mend"]
    assert f"kill -CONT {process.pid}" in done.stdout


def test_trying(why, program, runtime_dir):
    path = runtime_dir / "app.sock"
    source = LISTEN + "one, _ = listener.accept()\nprint('accepted', flush=True)\nsignal.pause()"
    process = program(source, path)
    why(path)
    assert b"accepted" not in process.stdout()
    answer = why("--try", path)
    assert "succeeds" in "\n".join(answer["checked"])
    process.wait_for("accepted")
    process.send(signal.SIGKILL)
    process.wait()
    assert "ECONNREFUSED" in evidence(why("--try", path))


def test_usage(run_ferry):
    for arguments in (("--try",), ("a", "b"), ("--try", "--as", "uid:1", "/x"), ("--as", "x", "/x"),
                      ("tcp:host.example:80",), ("--try", "ino:4711")):  # fmt: skip
        done = run_ferry("why", *arguments)
        assert done.returncode == 2 and done.stderr and not done.stdout, arguments
