"""Memory and start against the size of the range: a /8 must not cost more than a /24.

Three columns of peak memory: only planning (`--plan`), the first seconds of a sweep in which every address answers
(loopback, C server), and the first seconds of one in which 127 of 128 never do (a network namespace of its own, without
which that column stays empty). A sweep that is not done after those seconds is interrupted, so the range itself is
never finished; what is measured is what a range of that size takes to start and to run.
"""

import ipaddress

from benchmarks.measure import BenchmarkError, UnavailableError, Usage, cores, run, say, tail
from benchmarks.namespace import dark_network
from benchmarks.report import Table
from benchmarks.servers import Bench, free_port, sweep_command

PREFIX_LENGTHS = (24, 20, 16, 12, 8)
SWEEP_S = 5.0
SWEEP_QUICK_S = 2.0
#: Exit codes of a sweep that was complete or interrupted.
_FINE = (0, 3)

_COLUMNS = ("range", "addresses", "plan: time, s", "plan: peak, MB", "all live: peak, MB", "mostly dark: peak, MB")


def measure(bench: Bench) -> Table:
    """Measure each size of range."""
    port = free_port()
    with bench.floor_server(port):
        rows = tuple(_row(bench, port, length) for length in PREFIX_LENGTHS)
    seconds = _seconds(bench)
    notes = (
        f"A sweep is interrupted after {seconds:g} s; CPython, uvloop and numpy alone take most of this memory.",
        "Mostly dark: 4,000 connections at the same time, 1 address of 128 lives.",
    )
    return Table(_COLUMNS, rows, notes, {row[0]: row[2:] for row in rows})


def _row(bench: Bench, port: int, length: int) -> tuple[str, ...]:
    live_range = ipaddress.IPv4Network(("127.0.0.0", length))
    say(f"  /{length}: {live_range.num_addresses:,} addresses ...")
    plan = _checked(bench, sweep_command(str(live_range), port, "--plan"))
    live = _checked(bench, sweep_command(str(live_range), port, "-o", "/dev/null"), _seconds(bench))
    return (
        f"/{length}",
        f"{live_range.num_addresses:,}",
        f"{plan.wall_s:.2f}",
        f"{plan.peak_rss_bytes / 1e6:.0f}",
        f"{live.peak_rss_bytes / 1e6:.0f}",
        _dark(bench, port, length),
    )


def _dark(bench: Bench, port: int, length: int) -> str:
    range_ = ipaddress.IPv4Network(("10.0.0.0", length))
    try:
        with dark_network(range_) as (space, _), bench.floor_server(port, inside=space):
            command = sweep_command(str(range_), port, "-o", "/dev/null", "--concurrency", "4000")
            usage = _checked(bench, space.command(command), _seconds(bench))
    except UnavailableError:
        return ""
    return f"{usage.peak_rss_bytes / 1e6:.0f}"


def _seconds(bench: Bench) -> float:
    return SWEEP_QUICK_S if bench.quick else SWEEP_S


def _checked(bench: Bench, command: list[str], interrupt_after_s: float | None = None) -> Usage:
    log = bench.work / "memory.log"
    usage = run(command, cores()[1], log, interrupt_after_s=interrupt_after_s)
    if usage.exit_code not in _FINE:
        raise BenchmarkError(f"exit code {usage.exit_code}: {tail(log)}")
    return usage
