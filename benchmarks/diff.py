"""What a comparison of two sweeps costs: `python -m benchmarks.diff [--records N] [--quick]`.

Two files of a million records each, made by `scanner.record.encode` from greetings of different products, versions and
hosts; in the second one a known share has changed, so that the figures are only printed of a comparison that found
exactly those changes. Run plain and packed. Peak memory is the kernel's account of the whole process, interpreter
and DuckDB included. The memory of the comparison must stay below `LIMIT_BYTES`: exit code 1 when it does not.
"""

import argparse
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import cores, run, say, tail

RECORDS, QUICK_RECORDS = 1_000_000, 20_000
#: What the comparison of two million records may take.
LIMIT_BYTES = 300_000_000
#: One target in so many is changed in each way.
EVERY = 1_000
_BATCH = 500
_KINDS = ("version_changed", "now_hidden", "now_disclosed", "status_changed", "software_replaced")


def main() -> int:
    """Print a table; return 1 when a comparison went wrong or over the limit."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.diff", description="Measure smtpsweep diff.")
    parser.add_argument("--records", type=int, default=RECORDS, help="of each sweep (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_RECORDS:,} records, to prove that it works")
    parser.add_argument("--write", nargs=2, metavar=("SIDE", "FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    count = QUICK_RECORDS if options.quick else options.records
    if options.write:
        _write(int(options.write[0]), Path(options.write[1]), count)
        return 0
    print(f"two sweeps of {count:,} records\n")
    print("| files | size, MB | time, s | CPU, s | peak memory, MB | changes |\n|---|--:|--:|--:|--:|--:|")
    went_well = [_measure(suffix, count) for suffix in (".jsonl", ".jsonl.gz", ".jsonl.zst")]
    return 0 if all(went_well) else 1


def _measure(suffix: str, count: int) -> bool:
    with tempfile.TemporaryDirectory(prefix="smtpsweep-benchmark-") as folder:
        files = [Path(folder) / f"{name}{suffix}" for name in ("before", "after")]
        for side, file in enumerate(files):
            say(f"  {file.name}: writing {count:,} records ...")
            # In a process of its own: this one must stay small, since a child inherits its peak of memory.
            made = [sys.executable, "-m", "benchmarks.diff", "--records", str(count), "--write", str(side), str(file)]
            run(made, cores()[1], Path(folder) / "write.log", timeout_s=1_200)
        log = Path(folder) / "diff.log"
        command = [sys.executable, "-m", "scanner", "diff", *map(str, files), "--json"]
        usage = run(command, cores()[1], log, timeout_s=1_200)
        kinds = _kinds(log)
        size = sum(file.stat().st_size for file in files) / 1e6
        print(f"| {suffix} | {size:,.0f} | {usage.wall_s:.1f} | {usage.cpu_s:.1f} | {usage.peak_rss_bytes / 1e6:.0f} "
              f"| {kinds.total():,} |", flush=True)  # fmt: skip
        expected = {kind: len(range(number, count, EVERY)) for number, kind in enumerate(_KINDS)}
        if usage.exit_code != 1 or kinds != expected:
            say(f"WRONG: exit code {usage.exit_code}, {dict(kinds)} instead of {expected}: {tail(log)}")
            return False
        if usage.peak_rss_bytes >= LIMIT_BYTES:
            say(f"over the limit of {LIMIT_BYTES / 1e6:.0f} MB")
        return usage.peak_rss_bytes < LIMIT_BYTES


def _kinds(file: Path) -> Counter[str]:
    kinds: Counter[str] = Counter()
    with file.open("rb") as lines:
        for line in lines:
            if not line.startswith(b"{"):  # what was said beside them, on stderr
                continue
            kinds[line.split(b'"kind":"', 1)[1].split(b'"', 1)[0].decode()] += 1
    return kinds


def _write(side: int, file: Path, count: int) -> None:
    """Write one sweep; the targets come in another order on each side, as in real sweeps."""
    from scanner.delivery.local.compression import codec_for  # noqa: PLC0415  only the writing child may grow

    codec, order = codec_for(file), list(range(count))
    random.Random(side).shuffle(order)  # noqa: S311  an order, no secret
    with file.open("wb") as out:
        for start in range(0, count, _BATCH):
            out.write(codec.pack(b"".join(_lines(side, order[start : start + _BATCH]))))


def _lines(side: int, numbers: list[int]) -> Iterator[bytes]:
    from benchmarks.record import record_of  # noqa: PLC0415  only the writing child may grow
    from scanner.record import EventIds, encode  # noqa: PLC0415  likewise

    scan = f"00000000-0000-4000-8000-00000000000{side}"
    ids = EventIds(scan)
    for number in numbers:
        ip = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        record = record_of(_greeting(side, number), number)
        yield encode(record._replace(scan_id=scan, event_id=ids.of(ip, 25), ip=ip))


def _greeting(side: int, number: int) -> bytes:
    """Return what a host greets with; the first of each thousand change, each in its own way."""
    host = b"mail%d.example%d.com" % (number, number % 977)
    old = b"220 %b ESMTP Sendmail 8.%d.%d/8.13.8; Sun, 22 Nov 2026 10:16:56 GMT\r\n"
    sendmail, hidden = old % (host, 12 + number % 5, number % 7), b"220 %b ESMTP\r\n" % host
    changes = {
        0: (sendmail, old % (host, 18, 1)),
        1: (sendmail, hidden),
        2: (hidden, sendmail),
        3: (hidden, b"554 %b no service here\r\n" % host),
        4: (sendmail, b"220 %b ESMTP Exim 4.96 Sun, 22 Nov 2026 10:16:56 +0000\r\n" % host),
    }
    if number % EVERY in changes:
        return changes[number % EVERY][side]
    return (sendmail, hidden, b"220 %b ESMTP Postfix (Debian/GNU)\r\n" % host)[number % 3]


if __name__ == "__main__":
    sys.exit(main())
