"""The Docker API of a real engine, podman, read through a relay by curl: questions, and streams
that stay open for a minute.

The engine keeps everything in the test's own folder. Its containers have no network, and no cgroup
of their own, so that they run where cgroups can't be made; their one image is a tar of one static
program.
"""

import http.client
import json
import os
import socket
import subprocess
import time

import pytest

from programs import need

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root for podman's containers"),
]

MINUTE = 60

# Says a line a second; with an argument, what cat does.
TICKS = """
#include <stdio.h>
#include <unistd.h>
int main(int argc, char **argv)
{
    char bytes[65536];
    ssize_t size;
    (void)argv;
    while (argc > 1 && (size = read(0, bytes, sizeof(bytes))) > 0)
        if (write(1, bytes, size) != size)
            return 1;
    if (argc > 1)
        return 3;
    for (int tick = 0;; tick++) {
        printf("tick %d\\n", tick);
        fflush(stdout);
        sleep(1);
    }
}
"""

CONFIGURATION = """
[containers]
cgroups = "disabled"
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
log_driver = "k8s-file"
netns = "none"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
"""

# The runtime refuses some mixtures of cgroup versions although it makes none: it need not see any.
HIDE_CGROUPS = 'mount -t tmpfs none /sys/fs/cgroup && exec "$0" "$@"'


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """Command words and environment of a podman that lives in one folder."""
    podman, unshare = need("podman", "unshare")
    folder = tmp_path_factory.mktemp("podman")
    (folder / "containers.conf").write_text(CONFIGURATION)
    environment = {**os.environ, "CONTAINERS_CONF": str(folder / "containers.conf")}
    command = [unshare, "--mount", "sh", "-c", HIDE_CGROUPS, podman]
    command += ["--root", folder / "root", "--runroot", folder / "run", "--tmpdir", folder / "tmp"]
    command += ["--storage-driver", "vfs"]
    (folder / "ticks.c").write_text(TICKS)
    subprocess.run(["gcc", "-static", "-O1", "-o", "ticks", "ticks.c"], cwd=folder, check=True)
    subprocess.run(["tar", "-cf", "ticks.tar", "ticks"], cwd=folder, check=True)
    imported = subprocess.run(
        [*command, "import", "--change", 'CMD ["/ticks"]', folder / "ticks.tar", "ticks:1"],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
    )
    if imported.returncode != 0:
        pytest.skip(f"podman can't make an image here: {imported.stderr.strip()}")
    yield [str(word) for word in command], environment
    subprocess.run(
        [*command, "rm", "--all", "--force", "--time", "0"],
        capture_output=True,
        env=environment,
        timeout=60,
    )


@pytest.fixture
def relayed(engine, start, start_ferry, runtime_dir):
    """The path of a relay before podman's service."""
    command, environment = engine
    service = start(
        *command,
        "system",
        "service",
        "--time",
        "0",
        f"unix://{runtime_dir}/podman.sock",
        env=environment,
    )
    deadline = time.monotonic() + 30
    while not (runtime_dir / "podman.sock").exists():
        assert service.running() and time.monotonic() < deadline, service.stderr()
        time.sleep(0.05)
    path = runtime_dir / "relayed.sock"
    start_ferry("relay", f"unix:{path}", f"unix:{runtime_dir}/podman.sock").wait_for("started")
    return path


def curl(path, *words, timeout=30):
    done = subprocess.run(
        [need("curl"), "--silent", "--show-error", "--fail", "--unix-socket", path, *words],
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_questions(relayed):
    assert curl(relayed, "http://d/_ping") == "OK"
    assert "ApiVersion" in json.loads(curl(relayed, "http://d/version"))
    assert json.loads(curl(relayed, "http://d/v1.41/containers/json?all=1")) == []
    images = json.loads(curl(relayed, "http://d/v1.41/images/json"))
    assert any("ticks:1" in tag for image in images for tag in image["RepoTags"])


def test_many_questions_on_one_connection(relayed):
    """One connection that is kept alive, as Docker's client does it."""
    client = http.client.HTTPConnection("d", timeout=20)
    client.sock = socket.socket(socket.AF_UNIX)
    client.sock.settimeout(20)
    client.sock.connect(str(relayed))
    for _ in range(50):
        client.request("GET", "/_ping")
        answer = client.getresponse()
        assert (answer.status, answer.read()) == (200, b"OK")
    client.close()


def test_a_container_s_input_and_output(relayed, engine):
    """podman itself as the client: the connection stops being HTTP, carries both directions of a
    container's life, and the end of its input while its output goes on."""
    _, environment = engine
    data = os.urandom(3 << 20)
    done = subprocess.run(
        [need("podman"), "--remote", "--url", f"unix://{relayed}"]
        + ["run", "--interactive", "--rm", "localhost/ticks:1", "/ticks", "cat"],
        input=data,
        capture_output=True,
        env=environment,
        timeout=60,
    )
    assert done.returncode == 3, done.stderr
    assert done.stdout == data


def test_logs_and_events_followed_for_a_minute(relayed):
    """What `docker logs -f` and `docker events` do. The container says a line a second: none may be
    missing. The events are silent for the whole minute, and then must still arrive."""
    api = "http://d/v1.41"
    created = curl(
        relayed,
        "--json",
        json.dumps({"Image": "localhost/ticks:1"}),
        f"{api}/containers/create?name=ticking",
    )
    identity = json.loads(created)["Id"]
    curl(relayed, "--request", "POST", f"{api}/containers/{identity}/start")

    filters = json.dumps({"event": ["die", "died"]})
    streams = [
        subprocess.Popen(
            [need("curl"), "--silent", "--no-buffer", "--unix-socket", relayed, *words],
            stdout=subprocess.PIPE,
        )
        for words in (
            [f"{api}/containers/{identity}/logs?follow=1&stdout=1"],
            ["--get", "--data-urlencode", f"filters={filters}", f"{api}/events"],
        )
    ]
    logs, events = streams
    try:
        time.sleep(MINUTE)
        assert logs.poll() is None and events.poll() is None, "both are still open"
        curl(relayed, "--request", "POST", f"{api}/containers/{identity}/kill")
        log, _ = logs.communicate(timeout=30)
        event = events.stdout.readline()
    finally:
        for stream in streams:
            if stream.poll() is None:
                stream.kill()
            stream.wait()
    # Each line stands behind 8 bytes: which output, and its length.
    ticks = [int(line.split(b"tick ")[1]) for line in log.splitlines()]
    assert ticks == list(range(len(ticks)))
    assert len(ticks) >= MINUTE - 2
    assert json.loads(event)["Actor"]["Attributes"]["name"] == "ticking"
