"""The programs that are compared: how each is told to visit the same hosts, and how many hosts its output names.

Every program gets the same list, 1000 connections at a time and an empty exclusion list (the lists that zgrab2 and zmap
come with contain loopback and private networks, so that they would visit nothing here). A program that is not
on PATH is left out, with a line that says so. What each one delivers differs; the table says it in words.

masscan and zmap are no rivals but neighbours: they send packets themselves, past the kernel's TCP, and cannot use
loopback for that. `wire.py` measures them on a pair of virtual network cards.
"""

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import BenchmarkError
from benchmarks.servers import CONCURRENCY, Bench, sweep_command

#: nmap takes 10 to 60 times as long; a tenth of the hosts shows its cost as well.
SHARE_FOR_NMAP = 10


@dataclass(frozen=True, slots=True)
class Contender:
    """One program and how to run it. `found` counts the hosts that its output has a greeting of."""

    name: str
    delivers: str
    command: tuple[str, ...]
    hosts: int
    output: Path
    found: Callable[[Path], int]
    stdin: Path | None = None


def floor(bench: Bench, port: int, *, quit_: bool) -> Contender:
    """Return the C floor; its own count is the last line that it prints."""
    command = [str(bench.floor()), "visit", str(bench.first), str(bench.hosts), str(port), str(CONCURRENCY)]
    name = "C floor with QUIT" if quit_ else "C floor"
    output = bench.work / "floor.log"
    return Contender(name, "nothing", (*command, *(["quit"] if quit_ else [])), bench.hosts, output, _greeted)


def smtpsweep(bench: Bench, port: int, *, passive: bool) -> Contender:
    """Return this project: full records to a file."""
    output = bench.work / "sweep.jsonl"
    options = ["-o", str(output), *(["--passive"] if passive else [])]
    name = "**smtpsweep**, passive" if passive else "**smtpsweep** with QUIT"
    command = tuple(sweep_command(bench.targets, port, *options))
    return Contender(name, "full records", command, bench.hosts, output, _ready)


def streams(bench: Bench, port: int) -> Contender:
    """Return the task-per-target client."""
    output = bench.work / "streams.jsonl"
    arguments = [str(bench.first), str(bench.hosts), str(port), str(CONCURRENCY), str(output)]
    command = (sys.executable, "-m", "benchmarks.streams_client", *arguments)
    return Contender("asyncio streams, a task a host", "raw text", command, bench.hosts, output, _banners)


def zgrab2(bench: Bench, port: int, module: str) -> Contender:
    """Return zgrab2 with its `banner` (reads only) or `smtp` (EHLO as well) module."""
    output = bench.work / f"zgrab2-{module}.jsonl"
    options = ["--port", str(port), "--senders", str(CONCURRENCY), "--gomaxprocs", "1", "-b", str(bench.empty_list())]
    files = ["-f", str(bench.host_file(bench.hosts)), "-o", str(output), "-m", "/dev/null", "-u", "/dev/null"]
    quit_ = ["--send-quit"] if module == "smtp" else []
    delivers = "one raw string" if module == "banner" else "banner, EHLO"
    return Contender(
        f"zgrab2 `{module}`",
        delivers,
        (_path("zgrab2"), module, *options, *quit_, *files),
        bench.hosts,
        output,
        lambda path: _zgrabbed(path, module),
    )


def nmap(bench: Bench, port: int) -> Contender:
    """Return nmap with its `banner` script, unprivileged, host discovery and name look-ups off."""
    hosts = max(bench.hosts // SHARE_FOR_NMAP, 100)
    output = bench.work / "nmap.txt"
    options = ["-n", "-Pn", "-sT", "-T5", "--unprivileged", "-p", str(port), "--script", "banner"]
    files = ["-iL", str(bench.host_file(hosts)), "-oN", str(output)]
    command = (_path("nmap"), *options, *files)
    return Contender("nmap `--script banner -T5`", "raw text", command, hosts, output, _nmapped)


def present(bench: Bench, port: int) -> tuple[list[Contender], list[str]]:
    """Return every contender that can run here, and a sentence for each that cannot."""
    ours = [floor(bench, port, quit_=True), smtpsweep(bench, port, passive=True), smtpsweep(bench, port, passive=False)]
    others: list[Contender] = [streams(bench, port)]
    missing = []
    if shutil.which("zgrab2"):
        others += [zgrab2(bench, port, "banner"), zgrab2(bench, port, "smtp")]
    if shutil.which("nmap"):
        others.append(nmap(bench, port))
    missing += [f"{tool} was not on PATH." for tool in ("zgrab2", "nmap") if not shutil.which(tool)]
    return ours + others, missing


def _path(tool: str) -> str:
    found = shutil.which(tool)
    if found is None:
        raise BenchmarkError(f"{tool} is not on PATH")
    return found


def _greeted(log: Path) -> int:
    return int(json.loads(log.read_text(encoding="ascii"))["greeted"])


def _ready(output: Path) -> int:
    return _lines_with(output, '"status":"ready"')


def _banners(output: Path) -> int:
    return _lines_with(output, '"banner": "220 ')


def _zgrabbed(output: Path, module: str) -> int:
    with output.open(encoding="utf-8") as lines:
        grabs = (json.loads(line)["data"][module] for line in lines)
        return sum(grab["result"]["banner"].startswith("220 ") for grab in grabs if "result" in grab)


def _nmapped(output: Path) -> int:
    return _lines_with(output, "banner: 220 ")


def _lines_with(output: Path, text: str) -> int:
    with output.open(encoding="utf-8") as lines:
        return sum(text in line for line in lines)
