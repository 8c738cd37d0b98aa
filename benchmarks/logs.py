"""What reading mail logs costs: lines a second and peak memory, for logs of growing length.

Run `python -m benchmarks.logs [LINES ...]` (default: 1,000,000). The log is generated while it is read, through a pipe:
a mix of what a busy Postfix logs (a tenth of the lines about clients' connections, from ever new addresses) or, in the
second row, of nothing but such connections. Peak memory is that of the reading process.
"""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from typing import NamedTuple

LINES = 1_000_000
_BATCH = 10_000


class Measured(NamedTuple):
    """One run: how long, and the most memory that the reading process had."""

    lines: int
    seconds: float
    peak_bytes: int

    @property
    def lines_per_s(self) -> float:
        """Lines read in a second."""
        return self.lines / self.seconds


def generated(lines: int, *, only_connections: bool) -> Iterator[bytes]:
    """Yield batches of log lines, `lines` in all."""
    batch: list[bytes] = []
    for number in range(lines):
        batch.append(_line(number, only_connections=only_connections))
        if len(batch) == _BATCH or number == lines - 1:
            yield b"".join(batch)
            batch.clear()


def _line(number: int, *, only_connections: bool) -> bytes:
    """Return one line; of connections, the begin and then the end of each, by one of 40 processes."""
    second = number // 200
    stamp = b"Nov %2d %02d:%02d:%02d mail1 " % (
        1 + second // 86400 % 28,
        second // 3600 % 24,
        second // 60 % 60,
        second % 60,
    )
    if not only_connections and number % 20 > 1:
        return stamp + b"postfix/qmgr[77]: %011X: from=<a%d@example.com>, size=1234, nrcpts=1\n" % (number, number)
    visit = number // 2 if only_connections else number // 20
    client = b"unknown[10.%d.%d.%d]" % (visit >> 16 & 255, visit >> 8 & 255, visit & 255)
    if number % 2 == 0:
        return stamp + b"postfix/smtpd[%d]: connect from %b\n" % (100 + visit % 40, client)
    return stamp + b"postfix/smtpd[%d]: disconnect from %b ehlo=1 quit=1 commands=2\n" % (100 + visit % 40, client)


def measure(lines: int, *, only_connections: bool = False) -> Measured:
    """Let a process of its own read so many lines from a pipe."""
    command = [sys.executable, "-m", "benchmarks.logs", "--read"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as reader:
        assert reader.stdin is not None  # noqa: S101  for the type checker: both are pipes
        assert reader.stdout is not None  # noqa: S101  for the type checker
        for batch in generated(lines, only_connections=only_connections):
            reader.stdin.write(batch)
        reader.stdin.close()
        seen, peak_kib, cpu_s = reader.stdout.read().split()
    if int(seen) != lines:
        raise RuntimeError(f"{int(seen)} of {lines} lines were read")
    return Measured(lines, float(cpu_s), int(peak_kib) * 1024)


def _read() -> None:
    """Read standard input; print lines, peak memory (KiB) and the processor's seconds."""
    from scanner.maillogs.mail_logs import examine  # noqa: PLC0415  only the reading process pays for it
    from scanner.maillogs.report import LogQuestion  # noqa: PLC0415

    report = examine(["-"], LogQuestion())
    usage = resource.getrusage(resource.RUSAGE_SELF)
    sys.stdout.write(f"{report.counts.lines} {usage.ru_maxrss} {usage.ru_utime + usage.ru_stime:.3f}\n")


def main() -> None:
    """Measure and print the table."""
    if sys.argv[1:] == ["--read"]:
        _read()
        return
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores; seconds are those of the reading process's CPU\n")
    print("| log | lines | lines a second | peak memory, MB |\n|---|--:|--:|--:|")
    for lines in map(int, sys.argv[1:] or [str(LINES)]):
        for name, only in (("a tenth about connections", False), ("nothing but connections", True)):
            run = measure(lines, only_connections=only)
            print(f"| {name} | {run.lines:,} | {run.lines_per_s:,.0f} | {run.peak_bytes / 1e6:.0f} |", flush=True)


if __name__ == "__main__":
    main()
