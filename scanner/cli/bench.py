"""`smtpsweep bench`: throughput, recall and memory of this installation, on the simulated network.

It takes about a minute and needs neither a compiler nor root. The lab is one process and each sweep another, as users
run them. CPU and memory are what the kernel reports of the finished process, so they include the start of the
interpreter. Nothing is pinned to a core and nothing is compared: `python -m benchmarks` in the source tree does that.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import click
import orjson
from rich.table import Table

from scanner.cli import streams
from scanner.cli.console import Console
from scanner.cli.values import Count
from scanner.errors import LocalError
from scanner.lab import LabProcess, LabSettings, expected, mismatches

_FIRST = IPv4Address("127.1.0.0")
#: Hosts for recall: each behaviour of the mixed profile occurs, the rare ones a few times.
_RECALL_HOSTS = 4_000
#: The mixed profile pauses up to half a minute; a fifth of that shows the same.
_TIME_SCALE = 0.2
_SWEEP_LIMIT_S = 120.0
#: `ru_maxrss` is in bytes on macOS and in KiB elsewhere.
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True, slots=True)
class Run:
    """What one finished sweep used: seconds, and its peak memory."""

    wall_s: float
    cpu_s: float
    peak_bytes: int


@dataclass(frozen=True, slots=True)
class TruthCheck:
    """Records compared with the truth: hosts without a record, hosts with several, and all that is wrong."""

    hosts: int
    lost: int
    repeated: int
    wrong: tuple[str, ...]

    @property
    def recall(self) -> float:
        """The share of hosts that have a record, 0 to 1."""
        return 1 - self.lost / self.hosts

    @property
    def perfect(self) -> bool:
        """Whether every host has exactly one record, and it is right."""
        return not (self.lost or self.repeated or self.wrong)


def judge(
    records: Iterable[Mapping[str, Any]], first: IPv4Address, hosts: int, *, seed: int, profile: str
) -> TruthCheck:
    """Compare the records of a sweep of `hosts` addresses from `first` on with what the lab knows to be true."""
    seen: Counter[str] = Counter()
    wrong: list[str] = []
    for record in records:
        seen[record["ip"]] += 1
        wrong += mismatches(record, expected(record["ip"], seed, profile))
    planned = {str(first + offset) for offset in range(hosts)}
    wrong += (f"{ip}: was not asked for" for ip in seen.keys() - planned)
    return TruthCheck(hosts, len(planned - seen.keys()), sum(count - 1 for count in seen.values()), tuple(wrong))


@click.command()
@click.option("--hosts", type=Count(100, 60_000), default=20_000, show_default=True,
              help="Sweep N hosts to measure throughput (100 to 60000).")  # fmt: skip
@click.option("--runs", type=Count(1, 20), default=3, show_default=True,
              help="Measure throughput N times (1 to 20).")  # fmt: skip
def bench(hosts: int, runs: int) -> int:
    """Measure throughput, recall and memory on the simulated network (about a minute).

    Exit codes: 0 every host was found and its record is right, 1 otherwise.
    """
    table = Table("", "median", "smallest to largest", title="smtpsweep on the simulated network")
    with tempfile.TemporaryDirectory(prefix="smtpsweep-bench-") as folder:
        output = Path(folder, "records.jsonl")
        _throughput(table, output, hosts, runs)
        verdict = _recall(table, output)
        _memory(table)
    Console(markup=False, highlight=False).print(table)
    for sentence in verdict.wrong[:10]:
        streams.say(sentence)
    return 0 if verdict.perfect else 1


def _throughput(table: Table, output: Path, hosts: int, runs: int) -> None:
    with LabProcess(LabSettings(port=0, profile="dense")) as lab:
        done = [_sweep(_range(hosts), lab.port, "-o", str(output), "--overwrite") for _ in _counted(runs)]
    _add(table, f"hosts a second ({hosts:,} hosts)", [hosts / run.wall_s for run in done])
    _add(table, "CPU a host, us", [run.cpu_s / hosts * 1e6 for run in done])
    _add(table, "peak memory, MB", [run.peak_bytes / 1e6 for run in done])


def _recall(table: Table, output: Path) -> TruthCheck:
    streams.say(f"recall: {_RECALL_HOSTS:,} hosts of every kind ...")
    settings = LabSettings(port=0, profile="mixed", time_scale=_TIME_SCALE)
    waits = {"--greeting-timeout": 30, "--idle-timeout": 20, "--total-timeout": 60}
    options = [word for name, seconds in waits.items() for word in (name, f"{seconds * _TIME_SCALE:g}")]
    with LabProcess(settings) as lab:
        _sweep(_range(_RECALL_HOSTS), lab.port, "-o", str(output), "--overwrite", "--retry-delay", "2", *options)
    with output.open("rb") as lines:
        records = map(orjson.loads, lines)
        verdict = judge(records, _FIRST, _RECALL_HOSTS, seed=settings.seed, profile=settings.profile)
    table.add_row(f"recall ({verdict.hosts:,} hosts)", f"{verdict.recall:.2%}", f"{verdict.lost} lost")
    table.add_row("wrong fields", str(len(verdict.wrong)), f"{verdict.repeated} repeated")
    return verdict


def _memory(table: Table) -> None:
    for length in (24, 8):
        run = _sweep(f"127.0.0.0/{length}", 25, "--plan")
        table.add_row(f"planning a /{length}: seconds", f"{run.wall_s:.2f}", "")
        table.add_row(f"planning a /{length}: peak memory, MB", f"{run.peak_bytes / 1e6:.0f}", "")


def _add(table: Table, name: str, values: list[float]) -> None:
    table.add_row(name, f"{statistics.median(values):,.0f}", f"{min(values):,.0f} to {max(values):,.0f}")


def _counted(runs: int) -> Iterable[int]:
    for number in range(runs):
        streams.say(f"throughput: run {number + 1} of {runs} ...")
        yield number


def _range(hosts: int) -> str:
    return f"{_FIRST}-{_FIRST + (hosts - 1)}"


def _sweep(targets: str, port: int, *options: str) -> Run:
    """Run a sweep in a process of its own to its end.

    Raises:
        LocalError: if it fails, or takes longer than two minutes (it is killed).
    """
    limits = ("--rate", "0", "--subnet-rate", "0", "--quiet")
    command = [sys.executable, "-m", "scanner", "sweep", "--no-config", targets, "--port", str(port), *limits, *options]
    began = time.perf_counter()
    # This interpreter, and arguments made here; no shell reads them.
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:  # noqa: S603 - see above
        watchdog = threading.Timer(_SWEEP_LIMIT_S, process.kill)
        watchdog.start()
        try:
            _, status, used = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            raise
        finally:
            watchdog.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise LocalError(f"bench: the sweep of {targets} ended with exit code {process.returncode}")
    return Run(time.perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss * _RSS_UNIT)
