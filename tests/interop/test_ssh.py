"""ssh through a relay: commands, 50 MB each way, and ferry as ssh's own ProxyCommand."""

import os
import pwd
import subprocess

import pytest

from programs import checksum, free_port, listening_port, need, random_file

SIZE = 50 << 20

pytestmark = pytest.mark.timeout(120)


def make_key(path):
    subprocess.run(
        [need("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", path], check=True, timeout=20
    )
    return path


@pytest.fixture
def server(start, runtime_dir):
    """An sshd of our own on the loopback, with keys of its own; returns its port."""
    program = need("sshd")
    if os.geteuid() == 0:
        os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
    make_key(runtime_dir / "host_key")
    make_key(runtime_dir / "user_key")
    port = free_port()
    (runtime_dir / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1\nPort {port}\n"
        f"HostKey {runtime_dir}/host_key\n"
        f"AuthorizedKeysFile {runtime_dir}/user_key.pub\n"
        "StrictModes no\nUsePAM no\nPidFile none\nPermitRootLogin yes\n"
        "PasswordAuthentication no\nKbdInteractiveAuthentication no\nPrintMotd no\n"
        "Subsystem sftp internal-sftp\n"
    )
    process = start(program, "-D", "-e", "-f", runtime_dir / "sshd_config")
    process.wait_for("Server listening")
    return port


@pytest.fixture
def options(runtime_dir):
    """What makes ssh and scp use our keys and nothing of this machine's."""
    (runtime_dir / "ssh_config").write_text(
        f"IdentityFile {runtime_dir}/user_key\nIdentitiesOnly yes\nBatchMode yes\n"
        f"UserKnownHostsFile {runtime_dir}/known_hosts\nStrictHostKeyChecking accept-new\n"
        f"User {pwd.getpwuid(os.geteuid()).pw_name}\nConnectTimeout 10\nLogLevel ERROR\n"
    )
    return ["-F", str(runtime_dir / "ssh_config")]


@pytest.fixture
def relayed(server, start_ferry):
    return listening_port(
        start_ferry("relay", "tcp:127.0.0.1:0", f"tcp:127.0.0.1:{server}", "--allow", "any")
    )


def test_a_command(relayed, options):
    done = subprocess.run(
        [need("ssh"), *options, "-p", str(relayed), "127.0.0.1", "echo over; echo err >&2; exit 7"],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=30,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("over\n", "err\n", 7)


def test_fifty_megabytes_each_way(relayed, options, runtime_dir):
    sum_before = random_file(runtime_dir / "there", SIZE)
    ssh = [need("ssh"), *options, "-p", str(relayed), "127.0.0.1"]
    done = subprocess.run(
        [*ssh, f"cat {runtime_dir}/there"], capture_output=True, stdin=subprocess.DEVNULL, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert checksum(done.stdout) == sum_before
    with open(runtime_dir / "there", "rb") as file:
        done = subprocess.run(
            [*ssh, "sha256sum"], capture_output=True, text=True, stdin=file, timeout=60
        )
    assert done.stdout.split()[0] == sum_before


def test_scp(relayed, options, runtime_dir):
    sum_before = random_file(runtime_dir / "there", SIZE)
    done = subprocess.run(
        [need("scp"), *options, "-q", "-P", str(relayed)]
        + [f"127.0.0.1:{runtime_dir}/there", runtime_dir / "here"],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert checksum((runtime_dir / "here").read_bytes()) == sum_before


def test_ferry_connect_as_proxy_command(server, start_ferry, ferry, options, runtime_dir):
    """ssh over a unix socket: a relay in front of sshd, `ferry connect` behind ssh."""
    relay = start_ferry("relay", f"unix:{runtime_dir}/ssh.sock", f"tcp:127.0.0.1:{server}")
    relay.wait_for("started")
    done = subprocess.run(
        [need("ssh"), *options, "-o", f"ProxyCommand={ferry} connect unix:{runtime_dir}/ssh.sock"]
        + ["somewhere", "wc -c"],
        capture_output=True,
        input=b"x" * 1000000,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == b"1000000"
