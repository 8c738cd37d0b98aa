"""Do silent hosts slow down the others? Hosts that accept a connection and never say a word, 1 to 20 % of them.

Each pair sweeps first the speaking hosts alone, then the same hosts with the silent ones among them, and compares how
long it takes until the last speaking host is visited (from the `observed_at` of the records; after that the sweep
still waits for its greeting time-out, which is the price of knowing that a host is silent, not of the others). What a
silent host costs at least is its share of connections, so 20 % of silent hosts add a quarter to the connections.
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import orjson

from benchmarks.measure import BenchmarkError, Spread, Usage, cores, run, say, tail
from benchmarks.report import Table
from benchmarks.servers import Bench, free_port, sweep_command

PERCENTS = (1, 5, 20)
#: Seconds a silent host is waited for: long enough to be held all the time that the others are visited.
GREETING_TIMEOUT_S = 10

_COLUMNS = (
    "silent",
    "speaking hosts alone, s",
    "with the silent ones, s",
    "ratio",
    "whole run, s",
    "found",
    "peak memory, MB",
)


def measure(bench: Bench) -> Table:
    """Measure each share of silent hosts in pairs."""
    rows: list[tuple[str, ...]] = []
    figures: dict[str, object] = {}
    for percent in PERCENTS:
        port = free_port()
        with bench.floor_server(port, silent_percent=percent):
            row, ratios = _share(bench, port, percent)
        rows.append(row)
        figures[f"{percent} %"] = [round(ratio, 3) for ratio in ratios]
    notes = (
        f"{_rounds(bench)} pairs each; {bench.hosts:,} hosts; greeting time-out {GREETING_TIMEOUT_S} s; C server.",
        "Silent hosts add connections: 1 %, 5 % and 25 % of those that the speaking ones need.",
    )
    return Table(_COLUMNS, tuple(rows), notes, figures)


def _share(bench: Bench, port: int, percent: int) -> tuple[tuple[str, ...], list[float]]:
    """Measure one share of silent hosts; return the row and the ratios."""
    speaking, everyone = bench.work / f"speaking-{percent}.txt", bench.work / "everyone.txt"
    speaking.write_text("".join(f"{line}\n" for line in _speaking(bench, percent)), encoding="ascii")
    everyone.write_text(f"{bench.targets}\n", encoding="ascii")
    alone, among, whole, found, peaks = [], [], [], [], []
    for number in range(_rounds(bench) + 1):
        alone_s, _, _ = _visit(bench, port, speaking)
        among_s, usage, ready = _visit(bench, port, everyone)
        if number == 0:
            continue
        alone.append(alone_s)
        among.append(among_s)
        whole.append(usage.wall_s)
        found.append(ready)
        peaks.append(usage.peak_rss_bytes)
        say(f"  round {number}: {percent} % silent: {alone_s:.2f} s alone, {among_s:.2f} s among them")
    ratios = [b / a for a, b in zip(alone, among, strict=True)]
    expected = sum(1 for host in range(bench.hosts) if (int(bench.first) + host) % 100 >= percent)
    row = (
        f"{percent} %",
        f"{Spread.of(alone):.2f}",
        f"{Spread.of(among):.2f}",
        f"{Spread.of(ratios):.2f}",
        f"{Spread.of(whole).median:.1f}",
        f"{min(found):,} of {expected:,}",
        f"{max(peaks) / 1e6:.0f}",
    )
    return row, ratios


def _rounds(bench: Bench) -> int:
    return min(bench.rounds, 5)


def _speaking(bench: Bench, percent: int) -> Iterator[str]:
    """Yield the ranges of hosts that the C server greets: address modulo 100 is at least the percentage."""
    last = int(bench.first) + bench.hosts - 1
    for hundred in range(int(bench.first) // 100 * 100, last + 1, 100):
        low, high = max(hundred + percent, int(bench.first)), min(hundred + 99, last)
        if low <= high:
            yield f"{_text(low)}-{_text(high)}"


def _text(address: int) -> str:
    return ".".join(map(str, address.to_bytes(4, "big")))


def _visit(bench: Bench, port: int, targets: Path) -> tuple[float, Usage, int]:
    """Sweep; return the seconds between the first and the last speaking host, the usage and how many spoke.

    Raises:
        BenchmarkError: when no host spoke.
    """
    output, log = bench.work / "silent.jsonl", bench.work / "silent.log"
    output.unlink(missing_ok=True)
    options = ["-o", str(output), "--greeting-timeout", str(GREETING_TIMEOUT_S)]
    usage = run(sweep_command(f"@{targets}", port, *options), cores()[1], log)
    with output.open("rb") as lines:
        times = [datetime.fromisoformat(r["observed_at"]) for r in map(orjson.loads, lines) if r["status"] == "ready"]
    if not times:
        raise BenchmarkError(f"no host spoke (exit code {usage.exit_code}): {tail(log)}")
    return (max(times) - min(times)).total_seconds(), usage, len(times)
