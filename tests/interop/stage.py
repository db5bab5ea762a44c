"""The machine that the manuals speak of, in namespaces of its own: its users and hosts, an eth0, a
journal, and /run, /dev, /tmp and /var/log that are its own."""

import os
import subprocess
from pathlib import Path

from support import BUILD, wait_until

# By number, too. Who is in the group dev is web.
USERS = {"web": 3001, "stranger": 3002, "alice": 3004}
HOSTS = {
    "127.0.0.1": "localhost",
    "10.1.0.1": "here",
    "10.1.0.2": "server",
    "10.1.0.3": "backup.example.org",
    "10.1.0.4": "db",
    "10.1.0.5": "router.example",
}

# The arguments are our own folder, and what must be there although something lies over /tmp.
INSIDE = r"""set -e
folder=$1; shift
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs -o mode=0755 tmpfs /mnt
cp -rp $folder/etc /mnt
mkdir /mnt/work /mnt/dev /mnt/dev/shm /mnt/dev/mqueue
mount -t overlay etc -o lowerdir=/etc,upperdir=/mnt/etc,workdir=/mnt/work /etc
names="null zero full random urandom tty"
(cd /mnt/dev && touch $names)
for name in $names; do mount --bind /dev/$name /mnt/dev/$name; done
ln -s /proc/self/fd /mnt/dev/fd
mount -t mqueue mqueue /mnt/dev/mqueue
mount --rbind /mnt/dev /dev
umount -l /mnt
mount -t tmpfs -o mode=0755 tmpfs /run
mount -t tmpfs tmpfs /var/log
mkdir /run/kept
number=0
for kept; do
    mkdir /run/kept/$((number += 1))
    mount --rbind "$kept" /run/kept/$number
done
mount -t tmpfs tmpfs /tmp
number=0
for kept; do
    mkdir -p "$kept"
    mount --move /run/kept/$((number += 1)) "$kept"
done
rm -r /run/kept
mkdir -p /run/log/journal /run/systemd/journal /run/ferry
ip -batch - <<END
link set lo up
link add eth0 type veth peer name eth1
link set eth1 up
link set eth0 up multicast on
addr add 10.1.0.1/16 dev eth0
addr add 10.1.0.2/16 dev eth0
addr add 10.1.0.3/16 dev eth0
addr add 10.1.0.4/16 dev eth0
addr add 10.1.0.5/16 dev eth0
route add default dev eth0
END
echo ready
exec sleep infinity
"""


def why_not():
    """Why there can be none; None: there can."""
    if os.geteuid() != 0:
        return "needs root to make namespaces and become other users"
    return None


def install(folder):
    """Installs what is built under a folder, which everybody may then read."""
    command = ["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", folder]
    subprocess.run(command, check=True)
    folder.chmod(0o755)


class Stage:
    """`folder` is its own; `installed` is where install() was told to. What is run starts in `work`."""

    def __init__(self, start, folder, installed):
        self.start = start
        self.folder = folder
        self.bin = folder / "bin"
        self.work = folder / "work"
        for path in (folder, self.bin, self.work):
            path.mkdir(exist_ok=True)
            path.chmod(0o755)
        self.command("sudo", 'exec "$@"')
        self.write_etc()
        (folder / "inside.sh").write_text(INSIDE)
        self.process = start(
            *("unshare", "--net", "--mount", "--ipc", "--uts", "--pid", "--fork", "--kill-child"),
            *("sh", folder / "inside.sh", folder, folder, installed),
        )
        self.process.wait_for("ready")
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        [self.pid] = children.read_text().split()
        [program] = installed.rglob("bin/ferry")
        [library] = installed.rglob("libferry.so")
        self.environment = {
            "PATH": f"{self.bin}:{program.parent}:{os.environ['PATH']}",
            "PKG_CONFIG_SYSROOT_DIR": str(installed),
            "PKG_CONFIG_LIBDIR": str(library.parent / "pkgconfig"),
            "LD_LIBRARY_PATH": str(library.parent),
        }

    def command(self, name, text):
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def write_etc(self):
        """Names that there are here besides those of any Debian."""
        etc = self.folder / "etc"
        etc.mkdir()
        users = "".join(f"{name}:x:{n}:{n}::/:/bin/sh\n" for name, n in USERS.items())
        groups = "".join(f"{name}:x:{n}:\n" for name, n in USERS.items()) + "dev:x:3003:web\n"
        (etc / "passwd").write_text(Path("/etc/passwd").read_text() + users)
        (etc / "group").write_text(Path("/etc/group").read_text() + groups)
        (etc / "hosts").write_text("".join(f"{host} {name}\n" for host, name in HOSTS.items()))
        (etc / "shadow").write_text("root:*:1:0:::::\n")
        (etc / "shadow").chmod(0o600)
        (etc / "ferry").mkdir()
        conf = "[route echo]\nlisten = unix:/run/echo.sock\nto = echo\n"
        (etc / "ferry" / "ferry.conf").write_text(conf)

    def words(self, line, user):
        """What runs a line of shell here, as a user, in the folder `work`."""
        enter = ["nsenter", "-t", self.pid, "-m", "-n", "-i", "-u", "-p", f"--wd={self.work}"]
        if user != "root":
            enter += ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"]
        return [*enter, "bash", "-o", "pipefail", "-c", line]

    def begin(self, line, user="root"):
        """A line that goes on in the background, as in a terminal beside: what it prints comes by lines."""
        return self.start("stdbuf", "-oL", *self.words(line, user), env=self.environment)

    def run(self, line, user="root", **options):
        return subprocess.run(
            self.words(line, user),
            capture_output=True,
            text=True,
            timeout=20,
            env={**os.environ, **self.environment},
            stdin=None if "input" in options else subprocess.DEVNULL,
            **options,
        )

    def path(self, path):
        """Where a path that is seen here is outside."""
        return Path(f"/proc/{self.pid}/root{path}")

    def listens(self, address):
        """Whether somebody listens at a unix socket's path or a TCP or UDP port."""
        scheme, rest = address.split(":", 1)
        if scheme.startswith(("unix", "auto")):
            said = self.run("ss -Hlx").stdout
            return any(rest in line.split() for line in said.splitlines())
        port = rest.rsplit(":", 1)[-1]
        return bool(self.run(f"ss -Hln --{scheme} 'sport = :{port}'").stdout)

    def wait_until_listens(self, address):
        wait_until(lambda: self.listens(address), what=f"{address} listens")
