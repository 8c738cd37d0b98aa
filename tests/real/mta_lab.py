"""Real mail servers on this machine, side by side, without touching it: `python -m tests.real.mta_lab up|down|status`.

Sendmail, Postfix, Exim, OpenSMTPD and Courier are installed from Debian, each in a memory-backed overlay of this
machine's root with mount, UTS and PID namespaces of its own (`tests.real.mta_overlay`). All listen in one network
namespace that has nothing but loopback, so no packet can leave the machine and no port of it is taken. Who connects
there comes from 198.51.100.1, not from 127.0.0.1, because servers treat their own machine better than a stranger.

A server ends with the first process of its PID namespace, so stopping means killing that one process and waiting
until it is gone; mounts go with it. The folder keeps, for each server, that process's number and start time, so that
`up` and `down` also find what a killed earlier run left behind, and never a foreign process. Downloaded packages stay
in the folder for the next time.

Needs root, Debian (or a relative with its package archives), overlayfs, and `unshare`, `nsenter` and `ip`. On a machine
that has one of these servers installed, that one starts from the machine's configuration, not from Debian's.
"""

import argparse
import fcntl
import hashlib
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from tests.real.mta_overlay import ROOT
from tests.real.mta_servers import MAIL_SERVERS, SERVERS, STRANGER, STRANGERS

#: Where packages and logs are kept unless the caller says otherwise.
DEFAULT_FOLDER = Path("/var/cache/smtpsweep-mta-lab")
#: How long installing and starting all servers may take. Measured: below 60 s on two cores.
UP_TIMEOUT_S = 240.0
_PROJECT = Path(__file__).resolve().parents[2]


class LabError(Exception):
    """Raised when the lab cannot run, or one of its servers does not start; one line says why."""


def obstacle() -> str | None:
    """Return why the lab cannot run on this machine, in one line, or None when it can be tried."""
    if os.geteuid() != 0:
        return "real mail servers need root (for namespaces and overlay mounts)"
    for program, package in (
        ("apt-get", "apt"),
        ("unshare", "util-linux"),
        ("nsenter", "util-linux"),
        ("ip", "iproute2"),
    ):
        if shutil.which(program) is None:
            return f"real mail servers need `{program}` (package {package}, on Debian)"
    tried = subprocess.run(
        ["unshare", "--mount", "--uts", "--pid", "--fork", "sh", "-c", _TRY_OVERLAY, "sh", ROOT.parent],
        capture_output=True,
        text=True,
        check=False,
    )
    if tried.returncode != 0:
        return f"real mail servers need namespaces and overlayfs: {' '.join(tried.stderr.split())}"
    return None


_TRY_OVERLAY = """set -e
mkdir -p "$1"
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
"""


class MtaLab:
    """The mail servers of one folder. Servers that were started stay until `down`, also after this process."""

    def __init__(self, folder: Path = DEFAULT_FOLDER) -> None:
        self.folder = folder.resolve()
        #: The network namespace; each folder has its own, so labs of several folders do not meet.
        self.netns = f"smtpsweep-{hashlib.sha256(bytes(self.folder)).hexdigest()[:8]}"
        self._children: list[subprocess.Popen[bytes]] = []

    @contextmanager
    def locked(self) -> Iterator[Self]:
        """Keep other processes out of this folder's lab, waiting until the one that is in it has left."""
        (self.folder / "packages").mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield self

    def up(self, names: Iterable[str] = MAIL_SERVERS) -> dict[str, bytes]:
        """Start servers anew, wait until each has greeted, and return their greetings by name.

        Raises:
            LabError: when one does not start; then all of them are stopped again.
        """
        names = list(names)
        self.down(names)
        self._make_network()
        deadline = time.monotonic() + UP_TIMEOUT_S
        try:
            started = {name: self._start(name) for name in names}
            return {name: self._wait_until_ready(name, process, deadline) for name, process in started.items()}
        except BaseException:
            self.down(names)
            raise

    def down(self, names: Iterable[str] = MAIL_SERVERS) -> None:
        """Stop servers, whoever started them, and remove the network namespace when it is empty."""
        for name in names:
            for process in self._processes(name):
                _kill_and_wait(process)
            self._pid_file(name).unlink(missing_ok=True)
        for child in [child for child in self._children if child.poll() is not None]:
            self._children.remove(child)
            if child.stdout is not None:  # nobody waited for its greeting any more
                child.stdout.close()
        if self._netns_path.exists() and not _run("ip", "netns", "pids", self.netns).strip():
            _run("ip", "netns", "delete", self.netns)

    def status(self) -> dict[str, bool]:
        """Return for each server whether it runs."""
        return {name: bool(self._processes(name)) for name in MAIL_SERVERS}

    def in_network(self, *argv: str) -> list[str]:
        """Return the command line that runs `argv` on this machine, but in the network of the servers."""
        return ["ip", "netns", "exec", self.netns, *argv]

    def in_server(self, name: str, *argv: str) -> str:
        """Run a program inside the root and the namespaces of a server; return what it prints.

        Raises:
            LabError: when the server does not run, or the program fails.
        """
        processes = self._processes(name)
        if not processes:
            raise LabError(f"{name} is not running")
        enter = ("nsenter", f"--target={processes[0]}", "--mount", "--uts", "--net", "--pid")
        return _run(*enter, "chroot", str(ROOT), *argv)

    def log_file(self, name: str) -> Path:
        """Return the file with every syslog message that the server has written since it was started."""
        return self.folder / name / "syslog"

    def _make_network(self) -> None:
        if not self._netns_path.exists():
            _run("ip", "netns", "add", self.netns)
        in_it = ("ip", "-n", self.netns)
        _run(*in_it, "link", "set", "lo", "up")
        # The whole network of strangers is on loopback too, and who visits a server comes from there.
        _run(*in_it, "route", "replace", "local", STRANGERS, "dev", "lo")
        _run(*in_it, "route", "replace", "local", SERVERS, "dev", "lo", "src", STRANGER, "table", "local")

    @property
    def _netns_path(self) -> Path:
        return Path("/run/netns", self.netns)

    def _pid_file(self, name: str) -> Path:
        return self.folder / name / "pid"

    def _start(self, name: str) -> subprocess.Popen[bytes]:
        (self.folder / name).mkdir(exist_ok=True)
        self.log_file(name).write_bytes(b"")
        new_namespaces = ("unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child=SIGKILL")
        overlay = (sys.executable, "-m", "tests.real.mta_overlay", "install", name, self.netns, self.folder)
        with (self.folder / name / "output").open("wb") as output:
            process = subprocess.Popen(
                [*new_namespaces, *overlay],
                cwd=_PROJECT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for who started the lab, who then stops it in order
            )
        self._pid_file(name).write_text(f"{process.pid} {_start_time(process.pid)}")
        self._children.append(process)
        return process

    def _wait_until_ready(self, name: str, process: subprocess.Popen[bytes], deadline: float) -> bytes:
        assert process.stdout is not None
        with process.stdout as pipe:
            ready, _, _ = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))
            greeting = pipe.readline() if ready else b""
        if greeting.startswith(b"220"):
            return greeting
        output = self.folder / name / "output"
        said = output.read_text(errors="replace").strip().splitlines()
        reasons = [line for line in said if line.startswith("E: ")] or said  # apt's own words first
        what = "did not start" if ready else "did not greet in time"
        raise LabError(f"{name} {what}: {''.join(reasons[-1:]) or repr(greeting)} (more in {output})")

    def _processes(self, name: str) -> list[int]:
        """Return the first process of a running server's PID namespace and its parent, in this order."""
        try:
            parent, start_time = self._pid_file(name).read_text().split()
            if _start_time(int(parent)) != start_time:
                return []  # that process is long gone, and its number belongs to another
            children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        except (OSError, ValueError):
            return []
        return [*map(int, children), int(parent)]


def _start_time(pid: int) -> str:
    """Return when a process started, in clock ticks since boot: field 22 of proc(5), the name in () is field 2."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]


def _kill_and_wait(pid: int) -> None:
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(process, signal.SIGKILL)
        select.select([process], [], [])  # readable once it has ended, and all of its PID namespace before it
    except ProcessLookupError:
        pass
    finally:
        os.close(process)


def _run(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise LabError(f"{' '.join(argv)}: {' '.join(done.stderr.split())}")
    return done.stdout


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, or 1 when the lab cannot do it (or, for status, does not run)."""
    parser = argparse.ArgumentParser(prog="python -m tests.real.mta_lab", description="real mail servers to scan")
    parser.add_argument("command", choices=("up", "down", "status"))
    parser.add_argument("names", nargs="*", metavar="MTA", help=f"all of {', '.join(MAIL_SERVERS)} by default")
    parser.add_argument("--folder", type=Path, default=DEFAULT_FOLDER, help="packages and logs (default: %(default)s)")
    options = parser.parse_intermixed_args(arguments)
    if unknown := set(options.names) - set(MAIL_SERVERS):
        parser.error(f"no such mail server: {', '.join(sorted(unknown))}")
    names = options.names or list(MAIL_SERVERS)
    lab = MtaLab(options.folder)
    if why := obstacle():
        parser.exit(1, f"{why}\n")
    try:
        with lab.locked():
            return _obey(lab, options.command, names)
    except LabError as error:
        parser.exit(1, f"{error}\n")


def _obey(lab: MtaLab, command: str, names: Sequence[str]) -> int:
    if command == "down":
        lab.down(names)
        return 0
    if command == "up":
        state = {name: repr(greeting) for name, greeting in lab.up(names).items()}
    else:
        state = {name: "running" if runs else "stopped" for name, runs in lab.status().items() if name in names}
    lines = [f"{name:10} {MAIL_SERVERS[name].address:12} {text}\n" for name, text in state.items()]
    lines.append(f"run a program in their network: {' '.join(lab.in_network('PROGRAM'))}\n")
    sys.stdout.writelines(lines)
    return 1 if "stopped" in state.values() else 0


if __name__ == "__main__":
    sys.exit(main())
