"""Clients of an X server and of a Wayland compositor, through a relay before their sockets. What a
Wayland client draws crosses in memory whose descriptor it passes."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from programs import need
from support import listens, wait_until


def run(*words, environment):
    done = subprocess.run(
        [str(word) for word in words],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=30,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- X ----------------------------------------------------------------------------------------------


@pytest.fixture
def displays(start, start_ferry):
    """An X server's display, and one more that leads to it: as X clients know them, and the relay."""
    server = start(
        need("Xvfb"), "-displayfd", "1", "-screen", "0", "640x480x24", "-nolisten", "tcp", "-noreset"
    )
    number = int(wait_until(lambda: server.stdout().endswith(b"\n") and server.stdout()))
    relayed = number + 1000
    relay = start_ferry(
        "relay", f"unix:/tmp/.X11-unix/X{relayed}", f"unix:/tmp/.X11-unix/X{number}"
    )
    relay.wait_for("started")
    yield {"DISPLAY": f":{number}"}, {"DISPLAY": f":{relayed}"}, relay
    relay.stop()
    server.stop()  # killed, it leaves its lock and its socket


def test_an_x_client_learns_what_the_server_is(displays):
    direct, relayed, relay = displays
    told = run(need("xdpyinfo"), environment=relayed)
    expected = run("xdpyinfo", environment=direct)
    assert "name of display:    :" in told and len(told) > 1000
    # The names, and the resource that each connection is given, differ.
    varying = r"^(name of display|focus):.*$"
    assert re.sub(varying, "", told, flags=re.M) == re.sub(varying, "", expected, flags=re.M)
    relay.wait_for("closed")


def test_what_an_x_client_sets_another_sees(displays):
    """A hundred thousand bytes each way."""
    direct, relayed, _ = displays
    xprop = need("xprop")
    text = "ferry " * 16000
    run(xprop, "-root", "-f", "TEXT", "8s", "-set", "TEXT", text, environment=relayed)
    for environment in (direct, relayed):
        said = run(xprop, "-root", "-len", len(text), "TEXT", environment=environment)
        assert said == f'TEXT(STRING) = "{text}"\n'


# --- Wayland ----------------------------------------------------------------------------------------


@pytest.fixture
def wayland(start, start_ferry, runtime_dir):
    """A compositor without a screen, and a relay before it: (compositor, environment, relay)."""
    compositor = start(
        need("weston"),
        *("--backend=headless-backend.so", "--socket=wayland.sock", "--idle-time=0", "--no-config"),
        env={"XDG_RUNTIME_DIR": str(runtime_dir)},
    )
    wait_until(lambda: listens(runtime_dir / "wayland.sock"), what="the compositor listens")
    relay = start_ferry("relay", "unix:relayed.sock", "unix:wayland.sock")
    relay.wait_for("started")
    environment = {
        "XDG_RUNTIME_DIR": str(runtime_dir),
        "WAYLAND_DISPLAY": str(runtime_dir / "relayed.sock"),
    }
    return compositor, environment, relay


def test_a_wayland_client_learns_what_there_is(wayland):
    _, environment, relay = wayland
    told = run(need("wayland-info"), environment=environment)
    assert "interface: 'wl_shm'" in told and "name: 'headless'" in told
    relay.wait_for("closed")


def mapped(pid):
    """The memory of Wayland's clients that a process has mapped, by inode."""
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    return {line.split()[4] for line in lines if "/memfd:weston-shared" in line}


def test_a_wayland_client_draws_in_memory_that_it_passes(wayland, start):
    compositor, environment, relay = wayland
    client = start(need("weston-simple-shm"), env={**environment, "WAYLAND_DEBUG": "1"})
    # The compositor has shown a picture and gives the memory back for the next.
    wait_until(lambda: len(re.findall(r"wl_buffer@\d+\.release\(\)", client.stderr())) > 2)
    wait_until(lambda: len(re.findall(r"wl_callback@\d+\.done\(\d{2,}\)", client.stderr())) > 2)
    assert mapped(client.pid) and mapped(client.pid) <= mapped(compositor.pid)
    assert client.stop(signal.SIGINT) == 0
    relay.wait_for("closed")
    passed = len(re.findall(r"create_pool\(.*, fd \d+,", client.stderr()))
    assert passed and f", {passed} descriptor" in relay.stderr()
