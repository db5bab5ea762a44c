"""A message bus behind a relay: dbus-send, busctl, and a descriptor passed over the bus between
two processes that are both connected through ferry."""

import importlib.util
import os
import subprocess
import sys

import pytest

from programs import need

SERVICE = """
import os, sys
from gi.repository import Gio, GLib

XML = '''<node><interface name="org.ferry.Test">
<method name="Read"><arg type="h" direction="in"/><arg type="s" direction="out"/></method>
</interface></node>'''

def call(connection, sender, path, interface, method, parameters, invocation):
    files = invocation.get_message().get_unix_fd_list()
    fd = files.get(parameters.unpack()[0])
    text = os.read(fd, 100).decode()
    os.close(fd)
    invocation.return_value(GLib.Variant("(s)", (text,)))

def acquired(connection, name):
    connection.register_object(
        "/", Gio.DBusNodeInfo.new_for_xml(XML).interfaces[0], call, None, None)

def owned(connection, name):
    print("ready", flush=True)

Gio.bus_own_name(Gio.BusType.SESSION, "org.ferry.Test", 0, acquired, owned, None)
GLib.MainLoop().run()
"""

CALL = """
import os, sys
from gi.repository import Gio, GLib

bus = Gio.bus_get_sync(Gio.BusType.SESSION)
files = Gio.UnixFDList.new()
fd = os.open(sys.argv[1], os.O_RDONLY)
index = files.append(fd)
answer, _ = bus.call_with_unix_fd_list_sync(
    "org.ferry.Test", "/", "org.ferry.Test", "Read", GLib.Variant("(h)", (index,)),
    GLib.VariantType("(s)"), 0, 10000, files)
print(answer.unpack()[0])
"""


@pytest.fixture
def bus(start, start_ferry, runtime_dir):
    """A private bus, and the environment of those who reach it through a relay only."""
    daemon = need("dbus-daemon")
    start(
        daemon,
        "--session",
        "--nofork",
        "--nopidfile",
        "--nosyslog",
        "--print-address",
        f"--address=unix:path={runtime_dir}/bus.sock",
    ).wait_for("guid=")
    relay = start_ferry("relay", f"unix:{runtime_dir}/relayed.sock", f"unix:{runtime_dir}/bus.sock")
    relay.wait_for("started")
    return relay, {"DBUS_SESSION_BUS_ADDRESS": f"unix:path={runtime_dir}/relayed.sock"}


def run(command, environment):
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=30,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_dbus_send(bus):
    _, environment = bus
    command = [need("dbus-send"), "--session", "--print-reply", "--dest=org.freedesktop.DBus"]
    said = run([*command, "/org/freedesktop/DBus", "org.freedesktop.DBus.ListNames"], environment)
    assert 'string "org.freedesktop.DBus"' in said


def test_busctl(bus, runtime_dir):
    _, environment = bus
    address = f"--address=unix:path={runtime_dir}/relayed.sock"
    command = [need("busctl"), address, "--no-pager", "--no-legend"]
    assert "org.freedesktop.DBus" in run([*command, "list"], environment)
    said = run(
        [*command, "call", "org.freedesktop.DBus", "/org/freedesktop/DBus"]
        + ["org.freedesktop.DBus", "GetConnectionUnixUser", "s", "org.freedesktop.DBus"],
        environment,
    )
    assert said.split() == ["u", str(os.geteuid())]


@pytest.mark.skipif(not importlib.util.find_spec("gi"), reason="python3-gi is not installed")
def test_a_descriptor_over_the_bus(bus, start, runtime_dir):
    relay, environment = bus
    (runtime_dir / "file").write_text("what the file holds")
    service = start(sys.executable, "-c", SERVICE, env=environment)
    service.wait_for("ready")
    said = run([sys.executable, "-c", CALL, runtime_dir / "file"], environment)
    assert said == "what the file holds\n"
    # Through the relay twice: from the caller to the bus, from the bus to the service.
    service.end()
    relay.wait_for("; in ")
    assert "1 descriptor in" in relay.stderr()
