"""A mostly dark range: 99.2 % of the addresses never answer, so descriptors and time-outs are the limit, not the CPU.

In a network namespace of its own, where 1 address of 128 lives. The least possible time is the number of dark addresses
times the connect time-out, divided by the connections that may be under way; what is reported is how near the sweep
comes to that, that it finds every live host all the same, and what a dark address costs.
"""

import ipaddress
from math import ceil

import orjson

from benchmarks.measure import BenchmarkError, cores, run, say, tail
from benchmarks.namespace import dark_network
from benchmarks.report import Table
from benchmarks.servers import Bench, sweep_command

PORT = 2525
CONNECT_TIMEOUT_S = 1.0
#: Prefix length and connections under way at the same time.
CASES = ((18, 1000), (17, 4000), (16, 8000))
CASES_QUICK = ((21, 1000),)

_COLUMNS = (
    "addresses",
    "at the same time",
    "live found",
    "time, s",
    "least possible, s",
    "CPU, us an address",
    "peak memory, MB",
)


def measure(bench: Bench) -> Table:
    """Measure each case once; a run is long and bound by time-outs, so it varies little."""
    cases = CASES_QUICK if bench.quick else CASES
    rows = tuple(_case(bench, length, concurrency) for length, concurrency in cases)
    notes = (
        f"Connect time-out {CONNECT_TIMEOUT_S:g} s, no retries, one run each; 1 address of 128 lives.",
        "Least possible: dark addresses x time-out / connections at the same time, in whole waves.",
    )
    return Table(_COLUMNS, rows, notes, {row[0] + ", " + row[1]: row[3:] for row in rows})


def _case(bench: Bench, length: int, concurrency: int) -> tuple[str, ...]:
    range_ = ipaddress.IPv4Network(f"198.18.0.0/{length}")
    output, log = bench.work / f"dark-{length}.jsonl", bench.work / "dark.log"
    limits = ["--concurrency", str(concurrency), "--connect-timeout", str(CONNECT_TIMEOUT_S), "--retries", "0"]
    say(f"  {range_.num_addresses:,} addresses, {concurrency:,} at the same time ...")
    with dark_network(range_) as (space, live), bench.floor_server(PORT, inside=space):
        command = sweep_command(str(range_), PORT, *limits, "-o", str(output))
        usage = run(space.command(command), cores()[1], log)
    if not output.exists():
        raise BenchmarkError(f"no records (exit code {usage.exit_code}): {tail(log)}")
    found = sum(orjson.loads(line)["status"] == "ready" for line in output.read_bytes().splitlines())
    waves = ceil((range_.num_addresses - live.num_addresses) / concurrency)
    return (
        f"{range_.num_addresses:,}",
        f"{concurrency:,}",
        f"{found:,} of {live.num_addresses:,}",
        f"{usage.wall_s:.1f}",
        f"{waves * CONNECT_TIMEOUT_S:.1f}",
        f"{usage.cpu_s / range_.num_addresses * 1e6:.0f}",
        f"{usage.peak_rss_bytes / 1e6:.0f}",
    )
