"""Run programs on one core each and account for what they used.

CPU time is the measure, not wall time: it is what a host costs, and it is far less noisy on a shared machine. A client
runs alone on one core, the server it talks to on another. A client's CPU time and peak memory are the kernel's own
accounts of the finished process (`wait4`), so interpreter start, imports and writing the results are in it. The
server's CPU is read from `/proc` before and after: on loopback the sender of a segment pays for much of its receiver's
work, so each side's number means little without the other's beside it.

Two programs are compared in pairs, A B A B, inside one run: the ratio of each pair is taken, and the median of the
ratios with their smallest and largest is what is reported. Noise that lasts longer than a pair cancels out.

Left out: `perf` counters (not in every virtual machine). Every run has a time limit after which it is killed.
"""

import os
import select
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

#: Seconds a program may take unless its caller knows better.
DEFAULT_TIMEOUT_S = 300.0
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class BenchmarkError(Exception):
    """Raised when a program that is measured cannot be run, or what it did makes the measurement worthless."""


class UnavailableError(BenchmarkError):
    """Raised when this machine lacks what a benchmark needs; the others can go on."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What one finished process used. `exit_code` is negative when a signal ended it.

    `peak_rss_bytes` is never less than what this harness itself has in memory (a child inherits the mark),
    which is why the harness imports nothing large.
    """

    wall_s: float
    user_s: float
    system_s: float
    peak_rss_bytes: int
    exit_code: int

    @property
    def cpu_s(self) -> float:
        """User and system time together."""
        return self.user_s + self.system_s


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of several runs, with the smallest and the largest."""

    median: float
    low: float
    high: float
    runs: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Self:
        """Sum up at least one value."""
        ordered = sorted(values)
        return cls(statistics.median(ordered), ordered[0], ordered[-1], len(ordered))

    def __format__(self, spec: str) -> str:
        """Write `median (low to high)`, each number in the given format."""
        return f"{self.median:{spec}} ({self.low:{spec}} to {self.high:{spec}})"


def cores() -> tuple[int, int]:
    """Return the core for servers and the core for clients: the same one when this process may use only one."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Let every process started inside the block run on one core only, from its first instruction on."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def start(
    command: Sequence[str], core: int, *, stdin: Path | None = None, stdout: IO[bytes]
) -> subprocess.Popen[bytes]:
    """Start a program on one core, in a process group of its own; its stdout and stderr both go to `stdout`."""
    with on_core(core), (stdin or Path(os.devnull)).open("rb") as source:
        return subprocess.Popen(command, stdin=source, stdout=stdout, stderr=subprocess.STDOUT, start_new_session=True)


def run(
    command: Sequence[str],
    core: int,
    log: Path,
    *,
    stdin: Path | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    interrupt_after_s: float | None = None,
) -> Usage:
    """Run a program to its end on one core and return what it used; what it prints goes to `log`.

    `interrupt_after_s` sends SIGINT at that moment, for programs that are measured while they run.

    Raises:
        BenchmarkError: when it is still running after `timeout_s` (it is killed).
    """
    with log.open("wb") as output:
        began = time.perf_counter()
        process = start(command, core, stdin=stdin, stdout=output)
        try:
            if interrupt_after_s is not None and not _ended(process.pid, interrupt_after_s):
                process.send_signal(signal.SIGINT)
            in_time = _ended(process.pid, timeout_s)
        except BaseException:
            _kill_group(process)
            raise
        if not in_time:
            _kill_group(process)
            raise BenchmarkError(f"still running after {timeout_s:g} s, killed: {' '.join(command)}")
        _, status, used = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    return Usage(wall_s, used.ru_utime, used.ru_stime, used.ru_maxrss * 1024, process.returncode)


def _ended(pid: int, timeout_s: float) -> bool:
    """Wait until a child has ended, without reaping it; say whether it did in time."""
    handle = os.pidfd_open(pid)
    try:
        return bool(select.select([handle], [], [], timeout_s)[0])
    finally:
        os.close(handle)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """End a process that `start` started, and what it started itself."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class Server:
    """A server on a core of its own, running inside a `with` block.

    `ready` is a text that its output shows once it accepts connections.
    """

    def __init__(self, command: Sequence[str], core: int, log: Path, ready: str, *, timeout_s: float = 30.0) -> None:
        self._command = command
        self._core = core
        self._log = log
        self._ready = ready.encode()
        self._timeout_s = timeout_s
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start the server and wait until it is ready.

        Raises:
            BenchmarkError: when it ends or does not get ready in time, with the end of its output.
        """
        with self._log.open("wb") as output:
            self._process = start(self._command, self._core, stdout=output)
        deadline = time.monotonic() + self._timeout_s
        while self._ready not in self._log.read_bytes():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise BenchmarkError(f"not ready: {' '.join(self._command)}: {tail(self._log)}")
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        """End the server, with SIGTERM first."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            _kill_group(self._process)

    def cpu_s(self) -> float:
        """Return the CPU seconds the server has used so far (in the kernel's ticks of 10 ms)."""
        if self._process is None:
            return 0.0
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def tail(log: Path, size: int = 400) -> str:
    """Return the end of a log, printable and on one line, for a message."""
    text = log.read_bytes()[-size:].decode("ascii", "backslashreplace")
    return " | ".join(line for line in text.splitlines() if line.strip())


def say(text: str) -> None:
    """Tell the person who waits what is going on, on stderr."""
    print(text, file=sys.stderr, flush=True)
