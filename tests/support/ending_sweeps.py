"""Sweeps to be stopped, for other tests: 64 hosts, a file and a remote sink in a state, and what must hold afterwards.

A sweep that is to be stopped cannot end by itself: some of its hosts are silent for half a minute.
"""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from scanner.lab.process import LabProcess
from tests.support.receivers_fake import provided
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
HOSTS, NETWORK = 64, "127.30.0.0/26"
#: Everything ends long before; a wait that has no bound does not.
PATIENCE_S = 40.0


@dataclass
class EndingSweep:
    """One command line and its files; started again and again, as a user would."""

    lab: LabProcess
    folder: Path
    more: tuple[str, ...] = ()
    sink: str = ""
    outputs: tuple[str, ...] | None = None
    network: str = NETWORK
    rate: int = 0
    environment: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.environment = {**os.environ, "PYTHONPATH": f"{provided(self.folder / 'site')}:{ROOT}"}

    @property
    def remote(self) -> Path:
        return self.folder / "remote"

    def file(self, name: str) -> Path:
        return self.folder / name

    def arguments(self, *more: str) -> list[str]:
        pace = ("--port", str(self.lab.port), "--rate", str(self.rate), "--subnet-rate", "0", "--seed", "5")
        remote = (f"scriptfile://h{self.remote}?batch=10&name=siem{self.sink}",)
        outputs = self.outputs if self.outputs is not None else (str(self.file("out.jsonl")), *remote)
        named = [word for output in outputs for word in ("-o", output)]
        files = ("--state", str(self.file("state")), "--summary", str(self.file("summary.json")))
        return [sys.executable, "-m", "scanner", "sweep", self.network, *pace, *named, *files, *self.more, *more]

    def start(self, *more: str, **options: Any) -> "subprocess.Popen[bytes]":
        options.setdefault("stdout", subprocess.DEVNULL)
        return subprocess.Popen(
            self.arguments(*more),
            stderr=subprocess.PIPE,
            env=self.environment,
            preexec_fn=hear_signals,  # noqa: PLW1509  it takes no lock
            **options,
        )

    def run(self, *more: str) -> "subprocess.CompletedProcess[bytes]":
        """Run it to its end, with patience for the sink and none for the silent hosts."""
        return subprocess.run(
            self.arguments("--drain", "30s", "--greeting-timeout", "0.3s", "--idle-timeout", "0.3s", *more),
            capture_output=True, env=self.environment, timeout=PATIENCE_S, check=False,
        )  # fmt: skip

    def summary(self) -> dict[str, Any]:
        document: dict[str, Any] = orjson.loads(self.file("summary.json").read_bytes())
        return document

    def let_the_sink_be_well(self) -> None:
        for name in ("down", "denied", "slow", "gone", "prints"):
            Path(f"{self.remote}.{name}").unlink(missing_ok=True)


def hear_signals() -> None:
    """Let a child hear the signals that the tests themselves may have been told to ignore (`nohup`)."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def event_ids(lines: Iterable[bytes]) -> Counter[str]:
    """Return the ids of records; every line must be a whole record."""
    return Counter(orjson.loads(line)["event_id"] for line in lines)


def ids_in(file: Path) -> Counter[str]:
    raw = file.read_bytes()
    assert raw.endswith(b"\n") or not raw
    return event_ids(raw.splitlines())


def read_until(process: "subprocess.Popen[bytes]", *wanted: bytes) -> list[bytes]:
    """Read what a process says until it has said one of these, or has ended."""
    assert process.stderr is not None
    said = []
    while line := process.stderr.readline():
        said.append(line)
        if any(text in line for text in wanted):
            break
    return said


def wait_for_records(process: "subprocess.Popen[bytes]", file: Path, count: int = 1) -> None:
    """Return when a file has so many lines, or its writer has ended."""
    wait_until(lambda: process.poll() is not None or (file.exists() and file.read_bytes().count(b"\n") >= count))


def end(process: "subprocess.Popen[bytes]") -> str:
    """Return what a process says until it ends; it must end by itself."""
    return end_of(process)[1]


def end_of(process: "subprocess.Popen[bytes]") -> tuple[bytes, str]:
    """Return what a process writes and says until it ends; it must end by itself."""
    try:
        out, said = process.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.communicate()
        raise
    return out, said.decode()
