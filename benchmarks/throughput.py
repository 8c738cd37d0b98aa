"""CPU a host: every client against the same hosts, each run paired with a run of the C floor just before it.

Two servers: the C server, which is never the bottleneck, and the lab with its variety of greetings. One round runs
every client once, in turn; the ratio to the floor is taken inside each pair and its median is reported. A client whose
output does not name every host has not done the work: the column `found` shows it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from resource import RUSAGE_SELF, getrusage

from benchmarks.contenders import Contender, floor, present, smtpsweep
from benchmarks.measure import BenchmarkError, Server, Spread, Usage, cores, run, say, tail
from benchmarks.report import Table
from benchmarks.servers import Bench, free_port, sweep_command

COLUMNS = (
    "client",
    "delivers",
    "found",
    "client CPU, us a host",
    "of the floor",
    "server CPU, us a host",
    "hosts a second",
    "peak memory, MB",
)


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of one client: what it used, what the server used for it, and how many hosts it found."""

    hosts: int
    found: int
    usage: Usage
    server_cpu_s: float

    @property
    def client_us(self) -> float:
        """Client CPU a host, in microseconds."""
        return self.usage.cpu_s / self.hosts * 1e6

    @property
    def server_us(self) -> float:
        """Server CPU a host, in microseconds."""
        return self.server_cpu_s / self.hosts * 1e6


@dataclass(slots=True)
class Series:
    """All samples of one client and its ratio to the floor, pair by pair."""

    contender: Contender
    samples: list[Sample] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)

    def add(self, sample: Sample, reference: Sample) -> None:
        """Keep a sample and its ratio to the floor that ran just before it."""
        self.samples.append(sample)
        self.ratios.append(sample.client_us / reference.client_us)

    def row(self) -> tuple[str, ...]:
        """Return the table row: medians, with smallest and largest where it matters."""
        found = min(sample.found for sample in self.samples)
        peak = max(sample.usage.peak_rss_bytes for sample in self.samples)
        own_peak = getrusage(RUSAGE_SELF).ru_maxrss * 1024  # a child's mark is never lower: then it says nothing
        rate = Spread.of(sample.hosts / sample.usage.wall_s for sample in self.samples)
        return (
            self.contender.name,
            self.contender.delivers,
            f"{found:,} of {self.contender.hosts:,}",
            f"{Spread.of(sample.client_us for sample in self.samples):.0f}",
            f"{Spread.of(self.ratios):.2f}",
            f"{Spread.of(sample.server_us for sample in self.samples):.0f}",
            f"{rate.median:,.0f}",
            f"{peak / 1e6:.0f}" if peak > own_peak else "",
        )


def sample(contender: Contender, server: Server) -> Sample:
    """Run one client once.

    Raises:
        BenchmarkError: when it found nothing at all.
    """
    contender.output.unlink(missing_ok=True)
    log = contender.output.with_suffix(".log")
    before = server.cpu_s()
    usage = run(contender.command, cores()[1], log, stdin=contender.stdin)
    server_cpu_s = server.cpu_s() - before
    found = contender.found(contender.output) if contender.output.exists() else 0
    if found == 0:
        raise BenchmarkError(f"{contender.name} found nothing (exit code {usage.exit_code}): {tail(log)}")
    return Sample(contender.hosts, found, usage, server_cpu_s)


def pair_up(reference: Contender, contenders: Sequence[Contender], server: Server, rounds: int) -> list[Series]:
    """Run floor and client, floor and client ... for so many rounds, after one that is not counted."""
    series = [Series(reference), *(Series(contender) for contender in contenders)]
    for number in range(rounds + 1):
        for one in series[1:]:
            base, measured = sample(reference, server), sample(one.contender, server)
            if number == 0:
                continue
            series[0].add(base, base)
            one.add(measured, base)
            say(
                f"  round {number} of {rounds}: {one.contender.name}: {measured.client_us:.0f} us, {one.ratios[-1]:.2f}"
            )
    return series


def measure(bench: Bench) -> Table:
    """Compare all clients on the C server."""
    port = free_port()
    contenders, missing = present(bench, port)
    with bench.floor_server(port) as server:
        series = pair_up(floor(bench, port, quit_=False), contenders, server, bench.rounds)
        start_up_s = _start_up_s(bench, port)
    start_up = f"Start of the interpreter, imports and one address: {start_up_s * 1e3:.0f} ms of CPU, included above"
    notes = (
        f"{start_up} ({start_up_s / bench.hosts * 1e6:.0f} us a host).",
        f"{bench.rounds} pairs each; {bench.hosts:,} hosts (nmap: a tenth); median (smallest to largest).",
        *missing,
    )
    return table(series, notes)


def measure_lab(bench: Bench) -> Table:
    """Compare floor and smtpsweep on the lab's dense profile."""
    port = free_port()
    ours = [smtpsweep(bench, port, passive=True), smtpsweep(bench, port, passive=False)]
    with bench.lab(port, "dense") as server:
        series = pair_up(floor(bench, port, quit_=False), ours, server, bench.rounds)
    return table(series, (f"{bench.rounds} pairs each; {bench.hosts:,} hosts; the lab is one Python process.",))


def table(series: Sequence[Series], notes: tuple[str, ...]) -> Table:
    """Return the table of all clients, and their figures for the plot."""
    figures: dict[str, object] = {
        one.contender.name.replace("*", "").replace("`", ""): {
            "client_us": [round(sample.client_us, 2) for sample in one.samples],
            "server_us": [round(sample.server_us, 2) for sample in one.samples],
            "of_floor": [round(ratio, 3) for ratio in one.ratios],
        }
        for one in series
    }
    return Table(COLUMNS, tuple(one.row() for one in series), notes, figures)


def _start_up_s(bench: Bench, port: int) -> float:
    command = sweep_command(str(bench.first), port, "-o", "/dev/null")
    log = bench.work / "start.log"
    return Spread.of(run(command, cores()[1], log).cpu_s for _ in range(3)).median
