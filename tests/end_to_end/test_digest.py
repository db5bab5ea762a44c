"""`ferry connect --sha256`: the digest of what is received, beside sha256sum and hashlib."""

import hashlib
import json
import re
import socket
import struct
import subprocess
import threading

import pytest

MiB = 1 << 20
DATA = bytes(range(256)) * 5000  # more than a piece of the window, and than a receive


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def digest_of(done):
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()[0]


@pytest.fixture
def file(runtime_dir):
    path = runtime_dir / "file"
    path.write_bytes(DATA)
    return path


# --- what is digested ------------------------------------------------------------------------------


def test_a_file(run_ferry, file):
    done = run_ferry("connect", "--sha256", "file:file")
    assert done.stdout == f"{sha256(DATA)}  file\n"
    assert digest_of(done) == sha256(DATA)


@pytest.mark.parametrize("name", ["plain", "two words", "new\nline", "back\\slash", "a,b", "\u00fc"])
def test_sha256sum_takes_what_is_printed(run_ferry, runtime_dir, name):
    (runtime_dir / name).write_bytes(DATA)
    written = name.replace("\\", "\\\\").replace(",", "\\,")  # as addresses have it
    done = run_ferry("connect", "--sha256", f"file:{written}")
    checked = subprocess.run(
        ["sha256sum", "--strict", "-c"], input=done.stdout, text=True, cwd=runtime_dir, timeout=10
    )
    assert checked.returncode == 0
    printed = subprocess.run(["sha256sum", name], capture_output=True, text=True, cwd=runtime_dir)
    assert done.stdout == printed.stdout


def test_a_part_of_a_file_is_named_as_such(run_ferry, file):
    done = run_ferry("connect", "--sha256", "file:file,offset=1000,length=300K")
    assert digest_of(done) == sha256(DATA[1000 : 1000 + 300 * 1024])
    assert done.stdout.split("  ")[1] == "file:file,offset=1000,length=300K\n"


def test_an_empty_file(run_ferry, runtime_dir):
    (runtime_dir / "empty").touch()
    assert digest_of(run_ferry("connect", "--sha256", "file:empty")) == sha256(b"")


def test_a_file_of_proc(run_ferry):
    done = run_ferry("connect", "--sha256", "--json", "file:/proc/version")
    version = open("/proc/version", "rb").read()
    assert json.loads(done.stdout) == {
        "address": "file:/proc/version",
        "bytes": len(version),
        "sha256": sha256(version),
    }


def test_a_file_leaves_input_alone(ferry, file):
    command = f"printf rest | {{ {ferry} connect --sha256 file:{file}; cat; }}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=10)
    assert done.stdout == f"{sha256(DATA)}  {file}\nrest"


def test_standard_input_as_file_and_as_pipe(run_ferry, file):
    with open(file) as opened:
        done = run_ferry("connect", "--sha256", "-", stdin=opened)
    assert done.stdout == f"{sha256(DATA)}  -\n"
    done = run_ferry("connect", "--sha256", "-", input=DATA, text=False)
    assert done.stdout.decode() == f"{sha256(DATA)}  -\n"


def test_standard_input_from_where_it_is(ferry, file):
    """A command before it has taken the first bytes."""
    command = f"{{ dd bs=10 count=1 of=/dev/null status=none; {ferry} connect --sha256 -; }} <{file}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=10)
    assert done.stdout == f"{sha256(DATA[10:])}  -\n"


@pytest.mark.parametrize("address", ["unix:e.sock", "tcp:47311", "unix-seq:e.sock"])
def test_what_a_peer_answers(run_ferry, start_ferry, address):
    start_ferry("relay", address, "echo").wait_for("started")
    done = run_ferry("connect", "--sha256", address, input=DATA, text=False)
    assert done.stdout.decode() == f"{sha256(DATA)}  {address}\n"


def test_messages_that_end_by_silence(run_ferry, start_ferry):
    start_ferry("relay", "unix-dgram:d.sock", "echo").wait_for("started")
    done = run_ferry(
        "connect", "--sha256", "--wait=300ms", "--frame=lf", "unix-dgram:d.sock", input="one\ntwo\n"
    )
    assert digest_of(done) == sha256(b"onetwo")


def test_what_a_command_prints(run_ferry):
    done = run_ferry("connect", "--sha256", "--json", "exec:cat", input="hello")
    assert json.loads(done.stdout) == {
        "address": "exec:cat",
        "bytes": 5,
        "sha256": sha256(b"hello"),
    }


# --- what goes wrong -------------------------------------------------------------------------------


def test_what_broke_off_has_no_digest(run_ferry, runtime_dir):
    """A digest of half would look like that of the whole."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        client = server.accept()[0]
        client.sendall(DATA)
        client.recv(1)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    done = run_ferry("connect", "--sha256", f"tcp:{server.getsockname()[1]}", input="x")
    thread.join(10)
    server.close()
    assert (done.returncode, done.stdout) == (1, "")
    assert "Connection reset" in done.stderr


@pytest.mark.parametrize("address", ["file:missing", "unix:missing.sock"])
def test_what_cannot_be_had_has_no_digest(run_ferry, address):
    done = run_ferry("connect", "--sha256", address)
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1


def test_where_nothing_comes_from(run_ferry):
    done = run_ferry("connect", "--sha256", "file:log,append")
    assert (done.returncode, done.stdout) == (1, "")
    assert "nothing can come from there" in done.stderr


@pytest.mark.parametrize("address", ["file:file", "exec:cat"])
def test_output_that_takes_nothing(run_ferry, file, ferry, address):
    command = f"{ferry} connect --sha256 {address} >/dev/full </dev/null"
    done = subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, timeout=10, cwd=file.parent
    )
    assert done.returncode == 1
    assert "standard output: No space left on device" in done.stderr


def test_without_the_library_it_says_what_is_missing(run_ferry, runtime_dir, file):
    broken = runtime_dir / "broken"
    broken.mkdir()
    (broken / "libcrypto.so.3").touch()
    done = run_ferry("connect", "--sha256", "file:file", env={"LD_LIBRARY_PATH": str(broken)})
    assert (done.returncode, done.stdout) == (1, "")
    assert "libcrypto.so.3" in done.stderr
    assert "install libssl3" in done.stderr


def test_json_alone_is_wrong(run_ferry):
    done = run_ferry("connect", "--json", "exec:cat")
    assert done.returncode == 2
    assert "--json goes with --sha256" in done.stderr


# --- what it takes ---------------------------------------------------------------------------------


@pytest.mark.plain_build
@pytest.mark.parametrize("way", ["file", "received"])
def test_memory_is_bounded(ferry, runtime_dir, way):
    """libcrypto is most of it."""
    size = 300 * MiB
    with open(runtime_dir / "huge", "wb") as huge:
        huge.truncate(size)
    address = "file:huge" if way == "file" else "exec:cat huge"
    done = subprocess.run(
        ["/usr/bin/time", "-f", "%M", ferry, "connect", "--sha256", "--json", address],
        capture_output=True,
        text=True,
        timeout=100,
        cwd=runtime_dir,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["bytes"] == size
    assert int(done.stderr.splitlines()[-1]) < 12 * 1024  # KiB


@pytest.mark.plain_build
def test_what_is_digested_goes_nowhere_in_large_pieces(ferry, runtime_dir):
    """/dev/null is no terminal that makes one wait: a write for each receive."""
    command = ["strace", "-qq", "-o", "trace", "-e", "trace=poll,write,writev"]
    command += [ferry, "connect", "--sha256", "exec:head -c 16777216 /dev/zero"]
    done = subprocess.run(
        command, capture_output=True, timeout=60, cwd=runtime_dir, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0
    writes = re.findall(r"^writev?\((\d+).* = (\d+)$", (runtime_dir / "trace").read_text(), re.M)
    sizes = [int(size) for fd, size in writes if int(size) > 4096]
    assert sum(sizes) > 15 * MiB
    assert len(writes) < 2000


@pytest.mark.plain_build
def test_the_library_is_loaded_for_this_alone(ferry):
    done = subprocess.run(["ldd", ferry], capture_output=True, text=True, check=True)
    assert "libcrypto" not in done.stdout
