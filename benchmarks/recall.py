"""Is every host found, and is every field right, however fast the sweep goes?

The lab computes what must be in the record of each address, from the same function that makes it speak. Two profiles:
`dense` (every host answers at once) and `mixed` (pauses, teasers, drips, tarpits, resets, other protocols, hostile
bytes), each at several rates and without any. The lab's delays and the sweep's time-outs are scaled alike.
"""

import orjson

from benchmarks.measure import BenchmarkError, cores, run, say, tail
from benchmarks.report import Table
from benchmarks.servers import Bench, free_port, sweep_command
from scanner.cli.bench import TruthCheck, judge

#: Connections started a second; 0: no limit.
RATES = (1000, 4000, 0)
PROFILES = ("dense", "mixed")
SEED = 1
#: Delays of the lab and time-outs of the sweep, as a share of the real ones.
TIME_SCALE = 0.2
_WAITS_S = {"--greeting-timeout": 30, "--idle-timeout": 20, "--total-timeout": 60}

_COLUMNS = ("profile", "rate asked", "rate reached", "found", "recall", "wrong fields", "repeated", "time, s")


def measure(bench: Bench) -> Table:
    """Measure each profile at each rate."""
    rows: list[tuple[str, ...]] = []
    wrong: list[str] = []
    for profile in PROFILES:
        port = free_port()
        with bench.lab(port, profile, "--seed", str(SEED), "--time-scale", str(TIME_SCALE)):
            for rate in RATES:
                row, verdict = _at_rate(bench, port, profile, rate)
                rows.append(row)
                wrong += verdict.wrong
    for sentence in wrong[:20]:
        say(f"  wrong: {sentence.encode('ascii', 'backslashreplace').decode()}")
    notes = (
        f"{bench.hosts:,} hosts; truth from the lab; delays and time-outs at {TIME_SCALE:g} of the real ones.",
        "The rate reached is over the whole run, so at the end it includes waiting for silent hosts.",
    )
    return Table(_COLUMNS, tuple(rows), notes, {f"{row[0]}, {row[1]}": row[2:] for row in rows})


def _at_rate(bench: Bench, port: int, profile: str, rate: int) -> tuple[tuple[str, ...], TruthCheck]:
    output, log = bench.work / "recall.jsonl", bench.work / "recall.log"
    output.unlink(missing_ok=True)
    options = [word for name, seconds in _WAITS_S.items() for word in (name, f"{seconds * TIME_SCALE:g}")]
    options += ["--retry-delay", "2", "--rate", str(rate), "-o", str(output)]
    usage = run(sweep_command(bench.targets, port, *options), cores()[1], log)
    if usage.exit_code != 0:
        raise BenchmarkError(f"exit code {usage.exit_code}: {tail(log)}")
    with output.open("rb") as lines:
        verdict = judge(map(orjson.loads, lines), bench.first, bench.hosts, seed=SEED, profile=profile)
    found = verdict.hosts - verdict.lost
    say(f"  {profile}, rate {rate or 'no limit'}: {found:,} of {verdict.hosts:,}, {len(verdict.wrong)} wrong")
    return (
        profile,
        f"{rate:,} a second" if rate else "no limit",
        f"{verdict.hosts / usage.wall_s:,.0f}",
        f"{found:,} of {verdict.hosts:,}",
        f"{verdict.recall:.3%}",
        str(len(verdict.wrong)),
        str(verdict.repeated),
        f"{usage.wall_s:.1f}",
    ), verdict
