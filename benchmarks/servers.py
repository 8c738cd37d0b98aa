"""What is measured against: the C server (never the bottleneck) and the lab, the project's simulated network.

Both listen on every address of 127.0.0.0/8, so 16 million hosts are there without any configuration. The C server and
the C client are one program, `floor.c`, compiled when it is needed into a folder that is thrown away afterwards.
"""

import ipaddress
import shutil
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import BenchmarkError, Server, UnavailableError, cores, run, tail
from benchmarks.namespace import Namespace

#: The first host on loopback.
FIRST = ipaddress.IPv4Address("127.1.0.0")
#: Connections at the same time, for every client.
CONCURRENCY = 1000
#: What every client is measured with.
HOSTS = 40_000
HOSTS_QUICK = 2_000


@dataclass(frozen=True, slots=True)
class Bench:
    """Where and how one run of the benchmarks measures.

    `work` is a folder for everything that is thrown away. `quick` proves that a benchmark works, with figures that mean
    nothing. `first` is the first host; the others follow it.
    """

    work: Path
    quick: bool
    first: ipaddress.IPv4Address = FIRST

    @property
    def hosts(self) -> int:
        """How many hosts a client visits."""
        return HOSTS_QUICK if self.quick else HOSTS

    @property
    def rounds(self) -> int:
        """How many pairs are measured, after one for warming up that does not count."""
        return 2 if self.quick else 7

    @property
    def targets(self) -> str:
        """The range of hosts as a target specification: `first-last`."""
        return f"{self.first}-{self.first + (self.hosts - 1)}"

    def floor(self) -> Path:
        """Return the compiled `floor`, building it the first time.

        Raises:
            UnavailableError: when there is no C compiler.
            BenchmarkError: when it fails.
        """
        program = self.work / "floor"
        if program.exists():
            return program
        compiler = shutil.which("cc")
        if compiler is None:
            raise UnavailableError("no C compiler (cc) on PATH: the floor cannot be built")
        log = self.work / "cc.log"
        source = Path(__file__).with_name("floor.c")
        if run([compiler, "-O2", "-o", str(program), str(source)], cores()[1], log).exit_code != 0:
            raise BenchmarkError(f"cc failed: {tail(log)}")
        return program

    def floor_server(self, port: int, *, silent_percent: int = 0, inside: Namespace | None = None) -> Server:
        """Return the C server, to be started with `with`: on loopback only, or on every card of a namespace."""
        command = [str(self.floor()), "serve", str(port), "any" if inside else "lo", str(silent_percent)]
        command = inside.command(command) if inside else command
        return Server(command, cores()[0], self.work / "server.log", "listening")

    def lab(self, port: int, profile: str, *options: str) -> Server:
        """Return the simulated network, to be started with `with`."""
        command = [sys.executable, "-m", "scanner", "lab", "--port", str(port), "--profile", profile, *options]
        return Server(command, cores()[0], self.work / "lab.log", "lab: listening on ")

    def empty_list(self) -> Path:
        """Return an exclusion list that excludes nothing, in place of the one a program comes with."""
        path = self.work / "empty.conf"
        path.write_text("# nothing\n", encoding="ascii")
        return path

    def host_file(self, hosts: int) -> Path:
        """Return a file that names that many hosts, one a line, for programs that know no ranges."""
        path = self.work / f"hosts-{self.first}-{hosts}.txt"
        if not path.exists():
            path.write_text("".join(f"{self.first + offset}\n" for offset in range(hosts)), encoding="ascii")
        return path


def free_port() -> int:
    """Return a TCP port that nothing uses, below the range that clients' own ports are taken from.

    Raises:
        BenchmarkError: when there is none among a thousand.
    """
    for port in range(2600, 3600):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise BenchmarkError("no free TCP port between 2600 and 3599")


def sweep_command(targets: str, port: int, *options: str) -> list[str]:
    """Return a sweep without limits on its pace, silent about its progress; `options` say the rest."""
    limits = ["--rate", "0", "--subnet-rate", "0", "--concurrency", str(CONCURRENCY), "--quiet"]
    return [sys.executable, "-m", "scanner", "sweep", "--no-config", targets, "--port", str(port), *limits, *options]
