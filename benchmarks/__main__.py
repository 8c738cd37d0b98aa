"""`python -m benchmarks [NAME ...]`: run benchmarks, keep their results, rewrite the tables and the plot.

Without names, all of them, in the order of `BENCHMARKS`. `--quick` runs them small to prove that they work and
publishes nothing. `--redraw` makes page and plot again from the stored results, without measuring.
"""

import argparse
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import dark, memory, plot, recall, remote, report, silent, throughput, wire
from benchmarks.measure import BenchmarkError, UnavailableError, say
from benchmarks.report import Table
from benchmarks.servers import Bench

BENCHMARKS: dict[str, Callable[[Bench], Table]] = {
    "throughput": throughput.measure,
    "lab": throughput.measure_lab,
    "wire": wire.measure,
    "recall": recall.measure,
    "memory": memory.measure,
    "silent": silent.measure,
    "dark": dark.measure,
    "remote": remote.measure,
}


def main() -> int:
    """Run what was asked for; return 1 when a benchmark failed (one that cannot run here has not)."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure smtpsweep; see docs/performance.md."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(BENCHMARKS)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="small, to prove that they work; publishes nothing")
    parser.add_argument("--redraw", action="store_true", help="page and plot from the stored results; measures nothing")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark is called {unknown[0]!r}; there are {', '.join(BENCHMARKS)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # servers and namespaces are taken down
    failed = [] if options.redraw else [n for n in options.names or BENCHMARKS if not _measure(n, quick=options.quick)]
    if not options.quick:
        _publish()
    return 1 if failed else 0


def _measure(name: str, *, quick: bool) -> bool:
    """Run one benchmark, print its table and store it; say whether it went well."""
    say(f"{name} ...")
    where = report.machine()
    try:
        with tempfile.TemporaryDirectory(prefix="smtpsweep-benchmark-") as folder:
            table = BENCHMARKS[name](Bench(Path(folder), quick=quick))
    except UnavailableError as error:
        say(f"{name}: left out: {error}")
        return True
    except BenchmarkError as error:
        say(f"{name}: FAILED: {error}")
        return False
    print(f"## {name}\n\n{report.to_markdown(table, where)}\n", flush=True)
    if not quick:
        report.store(name, table, where)
    return True


def _publish() -> None:
    report.rewrite_page()
    try:
        plot.draw()
    except UnavailableError as error:
        say(f"no plot: {error}")


if __name__ == "__main__":
    sys.exit(main())
