"""One mail server of the lab: this program is the first process (PID 1) of its namespaces.

It is started in mount, UTS and PID namespaces of its own. It lays a memory-backed overlay over the root of the
machine, installs the server's packages there as Debian's own tools do it, then moves into the lab's network
namespace (by executing itself again, which keeps the process), catches the server's syslog messages and starts
it. When the server has greeted, one line with that greeting goes to standard output.

Nothing has to be undone: when this process ends, by whatever cause, the kernel ends every process of its PID
namespace and drops its mounts with them. The machine's own files, packages and ports are only read.

Sources: namespaces(7), pid_namespaces(7), overlay file system (Documentation/filesystems/overlayfs.rst in Linux).
"""

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from tests.real.mta_servers import MAIL_SERVERS, STRANGER, MailServer, run_in

#: Where the server's root is, for processes of its mount namespace; to all others the folder above it is empty.
#: Below /run, because what is mounted there must not hide this program or its interpreter.
ROOT = Path("/run/smtpsweep-mta/root")
#: How long a server may take from its start to its greeting. Measured: below 2 s.
GREETING_TIMEOUT_S = 60.0
_DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C",
    "HOME": "/root",
    "DEBIAN_FRONTEND": "noninteractive",
}
_APT = ("apt-get", "--yes", "-o", "Acquire::Retries=1", "-o", "Dpkg::Use-Pty=0", "-o", "APT::Sandbox::User=root")
_INSTALL = (*_APT, "install", "--no-install-recommends", "-o", "Dpkg::Options::=--force-unsafe-io")


def install(server: MailServer, cache: Path) -> None:
    """Make the server's root, install its packages (taken from `cache`, and kept there) and configure it.

    Raises:
        OSError, subprocess.CalledProcessError: when a step fails; what it printed is on standard error.
    """
    name_servers = Path("/etc/resolv.conf").read_text()
    names = {"127.0.0.1": "localhost", server.address: server.hostname, STRANGER: "scanner.lab.example"}
    hosts = "".join(f"{address} {name}\n" for address, name in names.items())
    _mount_root()
    socket.sethostname(server.hostname)
    _write(ROOT / "etc/resolv.conf", name_servers)
    _write(ROOT / "etc/hosts", hosts + Path("/etc/hosts").read_text())
    _write(ROOT / "etc/mailname", f"{server.hostname}\n")
    _write(ROOT / "etc/hostname", f"{server.hostname}\n")
    # Packages may not start their daemons: Debian asks this program, and 101 means no.
    _write(ROOT / "usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", mode=0o755)
    subprocess.run(["chroot", ROOT, "debconf-set-selections"], input=server.preseed.encode(), check=True)
    _install_packages(server, cache)
    # From here on there is no name server and no other name than these.
    _write(ROOT / "etc/resolv.conf", "")
    _write(ROOT / "etc/hosts", hosts)
    server.configure(ROOT, server)


def _mount_root() -> None:
    base = ROOT.parent
    base.mkdir(exist_ok=True)
    _mount("-t", "tmpfs", "tmpfs", base)  # an upper layer may not lie in its lower one, so not on the disk
    for folder in ("upper", "work", "root"):
        (base / folder).mkdir()
    layers = f"lowerdir=/,upperdir={base / 'upper'},workdir={base / 'work'}"
    _mount("-t", "overlay", "overlay", "-o", layers, ROOT)
    _mount("-t", "proc", "proc", ROOT / "proc")
    _mount("-t", "tmpfs", "tmpfs", ROOT / "run")
    _mount("-t", "tmpfs", "tmpfs", "-o", "mode=755", ROOT / "dev")
    for device, (major, minor) in _DEVICES.items():
        path = ROOT / "dev" / device
        os.mknod(path, 0o020666, os.makedev(major, minor))
        path.chmod(0o666)
    (ROOT / "dev/fd").symlink_to("/proc/self/fd")
    (ROOT / "dev/shm").mkdir(mode=0o1777)
    (ROOT / "run/lock").mkdir(mode=0o1777)


def _mount(*argv: str | Path) -> None:
    subprocess.run(["mount", *argv], check=True)


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    path.unlink(missing_ok=True)  # it may be a link into a folder that is not part of the overlay
    path.write_text(text)
    path.chmod(mode)


def _install_packages(server: MailServer, cache: Path) -> None:
    archives = ROOT / "var/cache/apt/archives"
    (archives / "partial").mkdir(parents=True, exist_ok=True)
    # Container images throw downloaded packages away after each installation.
    (ROOT / "etc/apt/apt.conf.d/docker-clean").unlink(missing_ok=True)
    for package in cache.glob("*.deb"):
        shutil.copy(package, archives)
    wanted = (server.program, *server.also_install)
    try:
        run_in(ROOT, *_INSTALL, *wanted)
    except subprocess.CalledProcessError:  # package lists are missing or too old
        run_in(ROOT, *_APT, "update")
        run_in(ROOT, *_INSTALL, *wanted)
    for package in archives.glob("*.deb"):
        if not (cache / package.name).exists():
            unfinished = cache / f".{server.name}-{package.name}"
            shutil.copy(package, unfinished)
            unfinished.rename(cache / package.name)  # at once, for servers that are installed beside this one


def serve(server: MailServer, log: Path) -> None:
    """Start the server, say what it greets with, and stay until its last process has ended.

    Raises:
        OSError: when there is no whole greeting within `GREETING_TIMEOUT_S`.
        subprocess.CalledProcessError: when the server cannot be started.
    """
    _catch_syslog(ROOT / "dev/log", log)
    subprocess.Popen(["chroot", ROOT, *server.command], stdin=subprocess.DEVNULL, stdout=sys.stderr)
    sys.stdout.buffer.write(first_greeting(server.address))
    sys.stdout.flush()
    # The one who waits for that line goes away now: nothing may be written to a pipe that nobody reads.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    while True:  # the first process inherits every orphan and has to wait for it
        try:
            os.wait()
        except ChildProcessError:
            return


def _catch_syslog(path: Path, log: Path) -> None:
    """Write each message that comes to the socket `path` as one line to `log`, from a thread of its own."""
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.bind(str(path))
    path.chmod(0o666)

    def catch() -> None:
        with log.open("ab", buffering=0) as lines:
            while True:
                lines.write(receiver.recv(65536).rstrip(b"\0\n") + b"\n")

    threading.Thread(target=catch, daemon=True).start()


def first_greeting(address: str) -> bytes:
    """Connect from 127.0.0.1, which no server lets wait, until there is a greeting (one line); take leave."""
    deadline = time.monotonic() + GREETING_TIMEOUT_S
    while True:
        try:
            with socket.create_connection((address, 25), GREETING_TIMEOUT_S, ("127.0.0.1", 0)) as connection:
                stream = connection.makefile("rb")
                greeting = stream.readline()
                connection.sendall(b"QUIT\r\n")
                stream.read()
                return greeting
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)  # a port has no event for being opened


def main(stage: str, name: str, netns: str, folder: str) -> None:
    """Run one stage: `install`, which goes on with `serve` in the network namespace."""
    server = MAIL_SERVERS[name]
    kept = {key: value for key, value in os.environ.items() if key.lower().endswith("_proxy")}
    os.environ.clear()
    os.environ.update(_ENVIRONMENT | kept)
    if stage == "serve":
        serve(server, Path(folder, name, "syslog"))
        return
    install(server, Path(folder, "packages"))
    again = (sys.executable, "-m", __spec__.name, "serve", name, netns, folder)
    enter = ("nsenter", f"--net=/run/netns/{netns}")
    os.execvp(enter[0], (*enter, *again))  # noqa: S606  no shell is wanted, and PID 1 has to stay this process


if __name__ == "__main__":
    main(*sys.argv[1:])
