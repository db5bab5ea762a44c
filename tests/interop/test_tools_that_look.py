"""What ss(8), lsof(8), strace(1) and ps(1) say of a ferry that runs: each listener by its path or port,
each connection with who is at its other end, and all of it by the name of the program."""

import os
import re
import socket
import subprocess

import pytest

from programs import listening_port, need
from support import wait_until


def say(*words):
    command = [need(words[0]), *map(str, words[1:])]
    return subprocess.run(command, capture_output=True, text=True, timeout=20).stdout


def rows(*words):
    return [line.split() for line in say(*words).splitlines()]


def inode(client):
    return os.fstat(client.fileno()).st_ino


@pytest.fixture
def route(start_ferry, runtime_dir):
    """A relay from front.sock to the echo at back.sock: (relay, echo)."""
    echo = start_ferry("relay", f"unix:{runtime_dir}/back.sock", "echo")
    echo.wait_for("started")
    relay = start_ferry("relay", f"unix:{runtime_dir}/front.sock", f"unix:{runtime_dir}/back.sock")
    relay.wait_for("started")
    return relay, echo


@pytest.fixture
def client(route, runtime_dir):
    """A connection through it that has been answered."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(runtime_dir / "front.sock"))
        client.sendall(b"hello")
        assert client.recv(100) == b"hello"
        yield client


@pytest.mark.parametrize(
    "scheme, kind, state, name",
    [("unix", "u_str", "LISTEN", "s.sock"), ("unix-seq", "u_seq", "LISTEN", "s.sock"),
     ("unix-dgram", "u_dgr", "UNCONN", "s.sock"), ("unix", "u_str", "LISTEN", "@ferry")],
)  # fmt: skip
def test_ss_knows_a_listener_by_its_path(scheme, kind, state, name, start_ferry, runtime_dir):
    path = f"@ferry-{os.getpid()}" if name[0] == "@" else str(runtime_dir / name)
    relay = start_ferry("relay", f"{scheme}:{path}", "echo")
    relay.wait_for("started")
    [row] = [row for row in rows("ss", "-Hxlp") if path in row]
    assert row[:2] == [kind, state]
    assert row[-1].startswith(f'users:(("ferry",pid={relay.pid},fd=')


def test_ss_knows_a_port(start_ferry):
    relay = start_ferry("relay", "tcp:127.0.0.1:0", "echo")
    port = listening_port(relay)
    [row] = rows("ss", "-Htlnp", f"sport = :{port}")
    assert row[0] == "LISTEN" and row[3] == f"127.0.0.1:{port}"
    assert row[-1].startswith(f'users:(("ferry",pid={relay.pid},fd=')
    with socket.create_connection(("127.0.0.1", port)) as client:
        own = f"127.0.0.1:{client.getsockname()[1]}"

        def held():
            found = rows("ss", "-Htnp", f"sport = :{port}")
            return found and "ferry" in found[0][-1] and found[0]

        assert wait_until(held)[4] == own


def test_ss_leads_from_one_end_to_the_other(route, client, runtime_dir):
    """From the client to ferry, and from ferry to whom it leads to."""
    relay, echo = route
    found = {row[5]: row for row in rows("ss", "-Hxp")}
    [accepted] = [row for row in found.values() if row[4] == str(runtime_dir / "front.sock")]
    assert accepted[1] == "ESTAB" and accepted[7] == str(inode(client))
    assert f'("ferry",pid={relay.pid},' in accepted[8]
    assert f",pid={os.getpid()}," in found[accepted[7]][8]
    [served] = [row for row in found.values() if row[4] == str(runtime_dir / "back.sock")]
    assert f'("ferry",pid={echo.pid},' in served[8]
    assert f'("ferry",pid={relay.pid},' in found[served[7]][8]


def test_lsof_names_listener_and_peer(route, client, runtime_dir):
    relay, echo = route
    lines = say("lsof", "-nP", "-U", "-a", "-p", relay.pid).splitlines()
    assert all(line.split()[:2] == ["ferry", str(relay.pid)] for line in lines[1:])
    path = runtime_dir / "front.sock"
    assert sum(line.endswith(f"{path} type=STREAM (LISTEN)") for line in lines) == 1
    assert sum(line.endswith(f"{path} type=STREAM (CONNECTED)") for line in lines) == 1
    # With +E each end is followed by who has the other.
    ends = say("lsof", "-nP", "-U", "+E", "-a", "-p", relay.pid)
    assert re.search(rf"{path} .*->INO={inode(client)} {os.getpid()},", ends)
    assert re.search(rf"->INO=\d+ {echo.pid},ferry,", ends)


def test_strace_shows_who_comes_and_where_it_is_led(route, start, runtime_dir):
    relay, _ = route
    trace = start(need("strace"), "-f", "-yy", "-o", runtime_dir / "trace", "-p", relay.pid)
    trace.wait_for("attached")
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(runtime_dir / "front.sock"))
        client.sendall(b"good day")
        assert client.recv(100) == b"good day"
        number = inode(client)
    relay.wait_for("closed")
    trace.stop()
    text = (runtime_dir / "trace").read_text()
    path = re.escape(f'"{runtime_dir}/front.sock"')
    came = rf"accept4\(\d+<UNIX-STREAM:\[\d+,{path}\]>, .*= (\d+<UNIX-STREAM:\[\d+->{number},{path}\]>)"
    end = re.search(came, text)[1]
    assert re.search(rf'connect\(\d+<UNIX-STREAM:.*sun_path="{runtime_dir}/back.sock"', text)
    assert f"recvmsg({end}, " in text and f"sendmsg({end}, " in text
    assert re.search(rf"close\({re.escape(end)}\) += 0", text)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become other users")
def test_ps_tells_the_dialler_from_the_rest(start_ferry, runtime_dir):
    """It is beside a route with user = peer, and runs the same program."""
    relay = start_ferry(
        "relay", f"unix:{runtime_dir}/a.sock", f"unix:{runtime_dir}/b.sock", "--user", "peer"
    )
    relay.wait_for("started")
    found = rows("ps", "-o", "comm=,args=", "--pid", relay.pid, "--ppid", relay.pid)
    assert [row[0] for row in found] == ["ferry", "ferry-dialler"]
    assert all(row[1].endswith("/ferry") and row[2] == "relay" for row in found)
