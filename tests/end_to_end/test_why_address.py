"""`ferry why`: the way to an address, and nobody there."""

import json
import os
import signal
import socket
import struct
import subprocess

import pytest

from support import wait_until
from why_states import (
    AS_STRANGER,
    HEAD,
    LISTEN,
    ROOT_ONLY,
    STRANGER,
    TCP,
    evidence,
    free_port,
    machine,
    port_of,
    program,
    why,
)  # noqa: F401 (fixtures)


# --- the way there ------------------------------------------------------------------------------


def test_a_folder_that_is_missing(why, runtime_dir):
    answer = why(runtime_dir / "none" / "app.sock")
    assert answer["verdict"] == "no-such-path"
    assert f"the directory {runtime_dir}/none is missing" in answer["headline"]
    assert "ENOENT" in answer["client"]


def test_a_file_that_is_missing(why, runtime_dir):
    answer = why(runtime_dir / "app.sock")
    assert answer["verdict"] == "no-such-path"
    assert f"nothing is at {runtime_dir}/app.sock" in answer["headline"]


def test_a_link_that_leads_nowhere(why, runtime_dir):
    (runtime_dir / "link").symlink_to(runtime_dir / "gone")
    answer = why(runtime_dir / "link")
    assert answer["verdict"] == "no-such-path"
    assert f"nothing is at {runtime_dir}/gone" in answer["headline"]
    assert "a link leads there" in evidence(answer)


def test_links_in_a_circle(why, runtime_dir):
    (runtime_dir / "one").symlink_to(runtime_dir / "two")
    (runtime_dir / "two").symlink_to(runtime_dir / "one")
    answer = why(runtime_dir / "one")
    assert answer["verdict"] == "no-such-path"
    assert "ELOOP" in answer["client"]


def test_a_file_where_a_folder_should_be(why, runtime_dir):
    (runtime_dir / "file").write_text("")
    answer = why(runtime_dir / "file" / "app.sock")
    assert answer["verdict"] == "no-such-path"
    assert "ENOTDIR" in answer["client"]
    assert str(runtime_dir / "file") in answer["headline"]


@pytest.mark.parametrize("kind", ["file", "directory"])
def test_what_is_no_socket(why, runtime_dir, kind):
    path = runtime_dir / "app.sock"
    path.mkdir() if kind == "directory" else path.write_text("")
    path.chmod(0o750)
    answer = why(path)
    assert answer["verdict"] == "not-a-socket"
    assert answer["evidence"][0].startswith("its mode is 0750, "), "as everywhere else"
    assert kind in answer["headline"] and str(path) in answer["headline"]


@ROOT_ONLY
def test_a_folder_that_does_not_let_through(why, program, runtime_dir):
    os.chmod(runtime_dir, 0o755)
    folder = runtime_dir / "private"
    folder.mkdir(mode=0o750)
    path = folder / "app.sock"
    program(LISTEN + "listener.accept()", path)
    os.chmod(path, 0o777)
    answer = why("--as", f"uid:{STRANGER}", path)
    assert answer["verdict"] == "no-search-permission"
    assert str(folder) in answer["headline"] and str(STRANGER) in answer["headline"]
    assert f"chmod o+x {folder}" in answer["remedy"]
    assert "0750" in evidence(answer)
    # Of its group: the same folder lets through. Root passes everywhere.
    assert why("--as", f"uid:{STRANGER},gid:0", path)["verdict"] == "healthy"
    assert why(path)["verdict"] == "healthy"
    # The caller is told without --as.
    answer = why(path, **AS_STRANGER)
    assert answer["verdict"] == "no-search-permission"
    assert str(folder) in answer["headline"]


@ROOT_ONLY
def test_a_mode_that_does_not_let_write(why, program, runtime_dir):
    os.chmod(runtime_dir, 0o755)
    path = runtime_dir / "app.sock"
    program(LISTEN + "listener.accept()", path)
    os.chmod(path, 0o755)
    answer = why("--as", f"uid:{STRANGER}", path)
    assert answer["verdict"] == "no-permission"
    assert "EACCES" in answer["client"]
    assert str(path) in answer["remedy"] and "0755" in evidence(answer)
    # The kernel agrees.
    assert why(path, **AS_STRANGER)["verdict"] == "no-permission"
    os.chmod(path, 0o722)
    assert why("--as", f"uid:{STRANGER}", path)["verdict"] == "healthy"


@ROOT_ONLY
def test_an_access_list(why, program, runtime_dir):
    os.chmod(runtime_dir, 0o755)
    path = runtime_dir / "app.sock"
    program(LISTEN + "listener.accept()", path)
    os.chmod(path, 0o700)
    # Version 2; owner rwx, user STRANGER -w-, group ---, mask rwx, others ---.
    entries = [(1, 7, -1), (2, 2, STRANGER), (4, 0, -1), (16, 7, -1), (32, 0, -1)]
    words = b"".join(
        struct.pack("<HHI", tag, bits, who & 0xFFFFFFFF) for tag, bits, who in entries
    )
    try:
        os.setxattr(path, "system.posix_acl_access", (2).to_bytes(4, "little") + words)
    except OSError as error:
        pytest.skip(f"no access lists on this file system: {error}")
    assert why("--as", f"uid:{STRANGER}", path)["verdict"] == "healthy"
    assert why("--as", f"uid:{STRANGER + 1}", path)["verdict"] == "no-permission"
    answer = why(path, user=STRANGER + 1, group=STRANGER, extra_groups=[])
    assert answer["verdict"] == "no-permission"
    assert "access list" in evidence(answer)


@ROOT_ONLY
def test_a_process_that_may_not_be_looked_at(why, program, runtime_dir):
    """That nothing of it is seen does not mean that nothing is wrong with it."""
    process = program(LISTEN + "signal.pause()", runtime_dir / "app.sock")
    assert why(process.pid)["verdict"] == "healthy"
    answer = why(process.pid, user=STRANGER, group=STRANGER, extra_groups=[])
    assert answer["verdict"] == "not-seen"


# --- nobody there -------------------------------------------------------------------------------


def test_a_socket_whose_owner_was_killed(why, program, runtime_dir):
    path = runtime_dir / "app.sock"
    process = program(LISTEN + "listener.accept()", path)
    process.send(signal.SIGKILL)
    process.wait()
    answer = why(path)
    assert answer["verdict"] == "stale"
    assert "ECONNREFUSED" in answer["client"]
    assert answer["remedy"].endswith(f"rm {path}")
    with socket.socket(socket.AF_UNIX) as client, pytest.raises(ConnectionRefusedError):
        client.connect(str(path))


def test_a_path_that_a_shell_would_not_take(why, runtime_dir):
    path = runtime_dir / "a'b $(x)\x1b[31m"
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))
    answer = why(path)
    assert answer["verdict"] == "stale"
    assert "\x1b" not in json.dumps(answer, ensure_ascii=False)
    # Pasted into a shell, the remedy removes this file and does nothing else.
    subprocess.run(["bash", "-c", "rm " + answer["remedy"].split(": rm ")[1]], check=True)
    assert not path.exists()


def test_bound_and_not_listening(why, program, runtime_dir):
    path = runtime_dir / "app.sock"
    process = program(
        HEAD + "s = socket.socket(socket.AF_UNIX)\ns.bind(path)\nprint('ready', flush=True)\n"
        "signal.pause()",
        path,
    )
    answer = why(path)
    assert answer["verdict"] == "not-listening"
    assert f"[{process.pid}]" in answer["headline"]


def test_a_listener_whose_path_was_removed(why, program, runtime_dir):
    path = runtime_dir / "app.sock"
    process = program(LISTEN + "listener.accept()", path)
    path.unlink()
    answer = why(path)
    assert answer["verdict"] == "orphaned"
    assert f"[{process.pid}]" in answer["headline"]
    assert "ENOENT" in answer["client"]


def test_a_listener_that_has_renamed_its_path(why, program, runtime_dir):
    """By its name it is well; who dials the one that was bound learns the other."""
    path, work = runtime_dir / "app.sock", runtime_dir / "app.sock.4711.tmp"
    process = program(LISTEN + "listener.accept()", work)
    work.rename(path)
    assert why(path)["verdict"] == "healthy"
    answer = why(work)
    assert answer["verdict"] == "orphaned"
    assert f"[{process.pid}]" in answer["headline"] and str(path) in answer["remedy"]


@ROOT_ONLY
def test_a_path_of_another_root(why, program, runtime_dir):
    """A container's: the path leads to it there, and to nothing here."""
    path = f"/{runtime_dir.name}.sock"
    process = program(
        HEAD + "os.chroot(sys.argv.pop())\nos.chdir('/')\n" + LISTEN[len(HEAD) :]
        + "listener.accept()",
        path,
        runtime_dir,
    )  # fmt: skip
    assert (runtime_dir / path[1:]).is_socket()
    answer = why(path)
    assert answer["verdict"] == "other-root"
    assert f"[{process.pid}]" in answer["headline"] and "ENOENT" in answer["client"]
    assert f"/proc/{process.pid}/root{path}" in answer["remedy"]
    # By the way from here it is well.
    assert why(runtime_dir / path[1:])["verdict"] == "healthy"


def test_a_listener_whose_path_was_taken_by_a_dead_one(why, program, runtime_dir):
    path = runtime_dir / "app.sock"
    process = program(LISTEN + "listener.accept()", path)
    # Beside it first, lest the new file get the old one's inode.
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(runtime_dir / "new"))
    os.rename(runtime_dir / "new", path)
    answer = why(path)
    assert answer["verdict"] == "replaced"
    assert f"[{process.pid}]" in answer["headline"]
    assert "ECONNREFUSED" in answer["client"]


def test_the_wrong_type(why, runtime_dir):
    path = runtime_dir / "log"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        one.bind(str(path))
        answer = why(f"unix:{path}")
        assert answer["verdict"] == "wrong-type"
        assert "EPROTOTYPE" in answer["client"]
        assert f"unix-dgram:{path}" in answer["remedy"]
        assert why(path)["verdict"] == "healthy"
        assert why(f"fifo:{path}")["verdict"] == "wrong-type"


def test_an_abstract_name_that_nobody_has(why, runtime_dir):
    answer = why(f"@{runtime_dir.name}")
    assert answer["verdict"] == "nothing-listens"
    assert f"@{runtime_dir.name}" in answer["headline"]


def test_an_abstract_name_of_another_namespace(why, program, machine, runtime_dir):
    source = (
        HEAD
        + "s = socket.socket(socket.AF_UNIX)\ns.bind(chr(0) + path)\ns.listen()\n"
        + "print('ready', flush=True)\ns.accept()"
    )
    with machine.inside():
        process = program(source, runtime_dir.name)
    answer = why(f"@{runtime_dir.name}")
    assert answer["verdict"] == "other-namespace"
    assert f"[{process.pid}]" in answer["headline"]
    assert "nsenter -t" in answer["remedy"]


# --- ports --------------------------------------------------------------------------------------

def test_a_port_where_nothing_listens(why):
    port = free_port()
    answer = why(f"tcp:127.0.0.1:{port}")
    assert answer["verdict"] == "nothing-listens"
    assert str(port) in answer["headline"] and "ECONNREFUSED" in answer["client"]
    assert why(f"udp:127.0.0.1:{port}")["verdict"] == "nothing-listens"


def test_a_port_that_is_bound_only(why):
    """Linux 6.8 and newer tell of such a socket; before it, nobody seems to be there."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
        answer = why(f"tcp:127.0.0.1:{port}")
    release = tuple(int(word) for word in os.uname().release.split(".")[:2])
    if release >= (6, 8):
        assert answer["verdict"] == "not-listening"
        assert f"[{os.getpid()}]" in answer["headline"]
    else:
        assert answer["verdict"] == "nothing-listens"


def test_a_port_at_another_address(why, program):
    process = program(TCP + "listener.accept()", "127.0.0.2")
    port = port_of(process)
    answer = why(f"tcp:127.0.0.1:{port}")
    assert answer["verdict"] == "other-address"
    assert f"[{process.pid}]" in answer["headline"]
    assert f"127.0.0.2:{port}" in answer["remedy"]
    assert why(f"tcp:127.0.0.2:{port}")["verdict"] == "healthy"
    if socket.has_ipv6:
        answer = why(f"tcp:[::1]:{port}")
        assert answer["verdict"] == "other-address"
        assert "the other address family" in evidence(answer)


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
@pytest.mark.parametrize("only", [False, True])
def test_a_port_at_every_ipv6_address(why, only):
    """Such a socket takes IPv4 too, unless it is told not to."""
    with socket.socket(socket.AF_INET6) as listener:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
        listener.bind(("::", 0))
        listener.listen()
        port = listener.getsockname()[1]
        answer = why(f"tcp:127.0.0.1:{port}")
        with socket.socket() as client:
            refused = client.connect_ex(("127.0.0.1", port)) != 0
        assert refused == only
        assert answer["verdict"] == ("other-address" if only else "healthy")
        assert not only or "IPV6_V6ONLY" in evidence(answer)


def test_a_port_of_another_namespace(why, program, machine):
    machine.ip("link", "set", "lo", "up")
    with machine.inside():
        process = program(TCP + "listener.accept()", "127.0.0.1")
    answer = why(f"tcp:127.0.0.1:{port_of(process)}")
    assert answer["verdict"] == "other-namespace"
    assert f"[{process.pid}]" in answer["headline"]
    assert "net:[" in evidence(answer)


def test_a_port_kept_by_time_wait(why):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        served, _ = listener.accept()
    served.close()  # first: it gets TIME-WAIT
    assert client.recv(1) == b""
    client.close()
    answer = wait_until(
        lambda: (a := why(f"tcp:127.0.0.1:{port}"))["verdict"] == "time-wait" and a
    )
    assert "EADDRINUSE" in evidence(answer) and "SO_REUSEADDR" in answer["remedy"]
    with socket.socket() as one, pytest.raises(OSError, match="in use"):
        one.bind(("127.0.0.1", port))


def test_a_port_of_the_other_protocol(why):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
        answer = why(f"127.0.0.1:{port}")
        assert answer["verdict"] == "healthy"
        assert "only UDP" in "\n".join(answer["notes"])
        assert why(f"udp:127.0.0.1:{port}")["notes"] == []
        assert why(f"tcp:127.0.0.1:{port}")["verdict"] == "nothing-listens"


def test_an_address_of_another_machine(why):
    assert why("tcp:192.0.2.7:80")["verdict"] == "other-machine"


def test_no_answer(why, machine):
    machine.ip("link", "set", "lo", "up")
    machine.ip("link", "add", "v0", "type", "veth", "peer", "name", "v1")
    machine.ip("addr", "add", "192.0.2.1/24", "dev", "v0")
    machine.ip("link", "set", "v0", "up")
    machine.ip("link", "set", "v1", "up")
    machine.ip("neigh", "add", "192.0.2.7", "lladdr", "02:00:00:00:00:07", "dev", "v0")
    with machine.inside():
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(("192.0.2.7", 80))
        answer = wait_until(
            lambda: (a := why("tcp:192.0.2.7:80"))["verdict"] == "no-answer" and a
        )
    client.close()
    assert "192.0.2.7:80" in answer["headline"]
    assert "ETIMEDOUT" in answer["client"]
