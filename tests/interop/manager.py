"""A systemd of our own: a real manager as process 1 of new namespaces, with units that the test
writes, its own /run and its own journal. It sees this machine's files, and can change none of them
outside /tmp."""

import os
import shutil
import subprocess
from pathlib import Path

from programs import need
from support import wait_until

SYSTEMD = "/lib/systemd/systemd"

# As systemd asks of a container's manager: https://systemd.io/CONTAINER_INTERFACE
INSIDE = """set -e
mount --make-rprivate /
mount --bind /tmp /tmp
mount -t proc proc /proc
mount --bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys
mount --bind /dev/null /dev/kmsg
mount -o remount,bind,ro /
mount -t tmpfs tmpfs /run
umount -l /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
exec env -i container=ferry PATH=/usr/sbin:/usr/bin:/sbin:/bin SYSTEMD_UNIT_PATH="$1" \\
    SYSTEMD_PROC_CMDLINE=quiet SYSTEMD_LOG_TARGET=console {systemd} --system --unit=test.target
"""

UNITS = {
    "test.target": "[Unit]\nDefaultDependencies=no\nWants=systemd-journald.socket\n",
    "systemd-journald.socket": "[Unit]\nDefaultDependencies=no\n[Socket]\n"
    "ListenStream=/run/systemd/journal/stdout\nListenDatagram=/run/systemd/journal/socket\n"
    "SocketMode=0666\nPassCredentials=yes\nPassSecurity=yes\nReceiveBuffer=8M\n",
    "systemd-journald.service": "[Unit]\nDefaultDependencies=no\n[Service]\nType=notify\n"
    "ExecStart=/lib/systemd/systemd-journald\nSockets=systemd-journald.socket\n"
    "StandardOutput=null\nFileDescriptorStoreMax=4224\n",
}


def cgroup_folder():
    """Where this process stands in the second hierarchy of control groups."""
    [mount] = [
        line.split()[1]
        for line in open("/proc/mounts", encoding="utf-8")
        if line.split()[2] == "cgroup2"
    ][:1] or [None]
    own = [line[3:].strip() for line in open("/proc/self/cgroup", encoding="utf-8") if line[:3] == "0::"]
    return f"{mount}{own[0]}".rstrip("/") if mount and own else None


class Manager:
    """Started by the fixture `manager`; `units` is the folder where units are written."""

    def __init__(self, start, runtime_dir):
        self.units = runtime_dir / "units"
        self.units.mkdir()
        for name, text in UNITS.items():
            self.write(name, text)
        self.cgroup = f"{cgroup_folder()}/ferry-test-{os.getpid()}"
        os.mkdir(self.cgroup)
        script = runtime_dir / "inside.sh"
        script.write_text(INSIDE.format(systemd=SYSTEMD))
        self.process = start(
            "sh",
            "-c",
            'echo $$ >"$0/cgroup.procs" && exec unshare --pid --fork --kill-child --mount --uts --ipc'
            ' --net --cgroup sh "$1" "$2"',
            self.cgroup,
            script,
            self.units,
        )
        self.pid = None

    def wait(self):
        """Until it answers."""

        def child():
            path = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
            pids = open(path, encoding="utf-8").read().split()
            if pids and os.readlink(f"/proc/{pids[0]}/exe") == os.path.realpath(SYSTEMD):
                return int(pids[0])
            assert self.process.running(), self.process.stderr()
            return None

        self.pid = wait_until(child, what="a systemd of our own")
        wait_until(
            lambda: self.run("systemctl", "is-active", "test.target").stdout == "active\n",
            what="its target",
        )

    def write(self, name, text):
        (self.units / name).write_text(text)

    def path(self, path):
        """Where a path that the manager sees is out here."""
        return Path(f"/proc/{self.pid}/root{path}")

    def run(self, *words):
        """A command beside the manager."""
        return subprocess.run(
            ["nsenter", "-t", str(self.pid), "-m", "-p", "-u", "-i", "-n", *map(str, words)],
            capture_output=True,
            text=True,
            timeout=60,
        )

    def systemctl(self, *words):
        done = self.run("systemctl", *words)
        assert done.returncode == 0, f"{done.stderr}{self.status(words[-1])}"
        return done.stdout

    def status(self, unit):
        said = self.run("journalctl", "--no-pager", "-o", "cat", "-n", "20", "-u", unit).stdout
        return self.run("systemctl", "status", "--no-pager", "-l", unit).stdout + said

    def show(self, unit, name):
        return self.systemctl("show", "--value", "-p", name, unit).strip()

    def end(self):
        """All that it started ends with it."""
        self.process.end()

        def removed():
            for folder, _, _ in os.walk(self.cgroup, topdown=False):
                try:
                    os.rmdir(folder)
                except OSError:
                    return False
            return not os.path.exists(self.cgroup)

        wait_until(removed, what="its control groups are empty")


def why_not():
    """Why there can be no manager here; None: there can."""
    if os.geteuid() != 0:
        return "a systemd in namespaces of its own needs root"
    if not os.path.exists(SYSTEMD) or not shutil.which("nsenter"):
        need("systemd-notify")
        return "systemd is not installed"
    folder = cgroup_folder()
    if not folder or not os.access(folder, os.W_OK):
        return "control groups of version 2 can't be written here"
    return None
