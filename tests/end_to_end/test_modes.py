"""The promise for everything that a command writes: files 0600, folders 0700, whatever the umask allows."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import orjson
import pytest

from scanner.cli.entry import _COMMANDS
from scanner.lab import LabProcess, LabSettings
from tests.support.command_line import smtpsweep
from tests.support.foreign_files import mode_of, modes_below
from tests.support.sendmail_files import DEBIAN_MC
from tests.support.servers import serving
from tests.support.smtp_scripts import ScriptedServer
from tests.support.sweeps import visit, write
from tests.support.vulnerability_records import cpe, nvd

#: A closed port of this machine: it is visited at once.
TARGET: Final = ("127.0.0.1", "-p", "1", "--connect-timeout", "1", "--retries", "0")
#: What only prints, or writes into a folder that another command has made.
PRINT_ONLY: Final = {
    "completion",
    "identify",
    "check",
    "diff",
    "logs",
    "policy init",
    "schema",
    "sinks",
    "bench",
    "replay",
}


@pytest.fixture(params=[0o022, 0o000], ids=["umask 022", "umask 000"])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def sweep(folder: Path) -> None:
    records = ("-o", "out.jsonl", "-o", "packed.jsonl.zst", "-o", "syslog+tcp://127.0.0.1:9", "--rotate-size", "1KB")
    files = ("--summary", "summary.json", "--state", "state", "--metrics-file", "sweep.prom", "--drain", "100ms")
    targets = ("127.0.0.0/28", *TARGET[1:])
    done = smtpsweep("sweep", *targets, "--all", "--rate", "0", "--subnet-rate", "0", *records, *files, cwd=folder)
    assert done.code == 3, done.err  # nobody listens to syslog


def demo(folder: Path) -> None:
    assert smtpsweep("demo", "--network", "127.20.0.0/31", "-o", "demo/x.jsonl", cwd=folder).code == 0


def convert(folder: Path) -> None:
    for target, name in (("ecs", "a.jsonl"), ("csv", "a.csv.gz"), ("parquet", "a.parquet")):
        assert smtpsweep("convert", "in/sweep.jsonl", "--format", target, "-o", name, cwd=folder).code == 0


def remedy(folder: Path) -> None:
    (folder / "in/sendmail.mc").write_text(DEBIAN_MC)
    for arguments, code in (
        (("in/sweep.jsonl", "-o", "new/plan"), 0),
        (("in/sweep.jsonl", "-o", "new/plan", "--overwrite"), 0),
        (("in/sweep.jsonl", "--ansible", "playbook"), 0),
        (("--mc", "in/sendmail.mc", "-o", "review"), 1),
        (("--mc", "in/sendmail.mc", "-o", "review", "--overwrite"), 1),
    ):
        assert smtpsweep("remedy", *arguments, cwd=folder).code == code


def verify(folder: Path) -> None:
    reports = ("--junit", "r.xml", "--sarif", "r.sarif")
    assert smtpsweep("verify", *TARGET, "--no-second-reader", "--samples", "1", *reports, cwd=folder).code != 2


def policy(folder: Path) -> None:
    assert (
        smtpsweep("policy", "check", "in/sweep.jsonl", "--junit", "r.xml", "--sarif", "r.sarif", cwd=folder).code != 2
    )


def vulns(folder: Path) -> None:
    (folder / "in/feed.json").write_bytes(orjson.dumps(nvd("CVE-2026-90031", cpe("exim:exim:9.0:*"))))
    assert smtpsweep("vulns", "--update", "in/feed.json", "--data", "new/data.json", cwd=folder).code == 0


def smoke(folder: Path) -> None:
    box = folder / "in/box"
    (box / "new").mkdir(parents=True)

    def deliver(message: bytes) -> None:
        (box / "new/1").write_bytes(message)

    with serving(ScriptedServer(on_message=deliver)) as running:
        done = smtpsweep(
            "smoke", "127.0.0.1", "--from", "a@example.com", "--to", "b@example.com", "--receive", "maildir:in/box",
            "-p", str(running.port), "-y", "--timeout", "20", "--save-headers", "headers.txt", cwd=folder,
        )  # fmt: skip
    assert done.code == 0, done.err


def lab(folder: Path) -> None:
    with LabProcess(LabSettings(port=0)) as running:
        assert mode_of(running._statistics_path()) == 0o600
        occupied = ("--port", str(running.port))
        truth = ("--truth", "truth.jsonl", "--truth-for", "127.1.0.0/30")
        assert smtpsweep("lab", *occupied, *truth, "--statistics", "s.json", cwd=folder).code == 2


COMMANDS: Final[dict[str, Callable[[Path], None]]] = {
    each.__name__: each for each in (sweep, demo, convert, remedy, verify, policy, vulns, smoke, lab)
}


@pytest.mark.parametrize("name", COMMANDS)
def test_everything_that_a_command_writes_is_its_owners_only(tmp_path: Path, name: str, umask: int) -> None:
    (tmp_path / "in").mkdir()
    write(tmp_path / "in/sweep.jsonl", [visit("192.0.2.1", "Sendmail", "8.14.7")])

    COMMANDS[name](tmp_path)

    written = {path: mode for path, mode in modes_below(tmp_path).items() if path.partition("/")[0] != "in"}
    wanted = {path: 0o700 if (tmp_path / path).is_dir() else 0o600 for path in written}
    if name == "sweep":
        wanted["sweep.prom"] = 0o644 & ~umask  # counts only, for the node exporter
        assert {"state.run/run.json", "state", "summary.json", "out.jsonl", "packed.jsonl.zst"} <= written.keys()
        assert any(path.startswith("out.0001") for path in written)
    assert written == wanted
    assert written


def test_every_command_is_looked_at_here() -> None:
    assert _COMMANDS.keys() - COMMANDS.keys() <= PRINT_ONLY
