"""A receiver for tests: answers from a script, keeps what it took; and a kind that other processes can load.

`provided(folder)` makes a distribution of it, so that `scriptfile://` is found by entry point, also in the process of
the relay: put the folder on PYTHONPATH. That receiver appends bodies to the file that its URL names. A file of the same
name with an ending beside it changes what it does: `.down` and `.denied` refuse everything, `.slow` takes half a second
for each batch, `.stuck` an hour, `.gone` ends the process, and what `.prints` holds is printed to standard output
first. It makes one with `.asked` when something is asked of it.
"""

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from scanner.delivery.receivers.options import CommonOptions, option, whole
from scanner.delivery.receivers.receiver import TAKEN, AccessDeniedError, BatchLimits, Receipt, TryLaterError
from scanner.delivery.receivers.urls import SinkKind, SinkUrl
from scanner.errors import InputError
from scanner.formats import Event

Answer = Callable[[Sequence[Event]], Receipt]


class FakeReceiver:
    """Takes everything unless the script says otherwise: each batch consumes one answer, the last one stays."""

    name = "fake"

    def __init__(self, *script: Answer | Exception, limits: BatchLimits | None = None) -> None:
        self.limits = limits or BatchLimits(max_events=10, linger_s=0)
        self.script = list(script)
        self.batches: list[list[Event]] = []
        self.taken: list[Event] = []
        self.opened_for: list[str] = []
        self.closed = 0
        self.let_go = asyncio.Event()
        self.let_go.set()

    async def open(self, run: str) -> None:
        self.opened_for.append(run)

    async def send(self, batch: Sequence[Event]) -> Receipt:
        self.batches.append(list(batch))
        answer = self.script.pop(0) if self.script else None
        await self.let_go.wait()
        if isinstance(answer, Exception):
            raise answer
        receipt = TAKEN if answer is None else answer(batch)
        out = {refused.place for refused in receipt.refused} | set(receipt.retry)
        self.taken += [event for place, event in enumerate(batch) if place not in out]
        return receipt

    async def close(self) -> None:
        self.closed += 1


@dataclass(frozen=True, kw_only=True)
class FileOptions(CommonOptions):
    batch: int = option("events a batch", "100", whole(1, 1000))


class FileReceiver:
    """Appends bodies to a file."""

    def __init__(self, url: SinkUrl[FileOptions]) -> None:
        if url.path.endswith("/never"):
            raise InputError(f"-o {url.shown}: never")
        self.name = url.shown
        self.limits = BatchLimits(max_events=url.options.batch, linger_s=0.01)
        self._path = Path(url.path)
        self._hopeless = url.path.endswith("/hopeless")

    async def open(self, run: str) -> None:
        if self._hopeless:
            raise InputError("it can never work")
        self._check()

    async def send(self, batch: Sequence[Event]) -> Receipt:
        self._check()
        if self._is("slow") or self._is("stuck"):
            await asyncio.sleep(0.5 if self._is("slow") else 3600)  # how a slow or stuck receiver behaves
        with self._path.open("ab") as out:
            out.write(b"".join(event.body + b"\n" for event in batch))
        return TAKEN

    async def close(self) -> None:
        pass

    def _check(self) -> None:
        Path(f"{self._path}.asked").touch()
        if self._is("prints"):
            os.write(1, Path(f"{self._path}.prints").read_bytes())
        if self._is("gone"):
            os._exit(9)
        if self._is("denied"):
            raise AccessDeniedError("it denies access")
        if self._is("down"):
            raise TryLaterError("it is down")

    def _is(self, what: str) -> bool:
        return Path(f"{self._path}.{what}").exists()


KIND = SinkKind(
    summary="a file, for tests",
    example="scriptfile://localhost/path",
    formats=("native", "ecs"),
    make=FileReceiver,
    options=FileOptions,
    secrets=("token",),
)


def provided(folder: Path) -> Path:
    """Make a distribution that offers `scriptfile://`; return the folder for PYTHONPATH."""
    info = folder / "their_sink-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-sink\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[smtpsweep.receivers]\nscriptfile = tests.support.receivers_fake:KIND\n")
    return folder


def taken(file: Path) -> list[int]:
    if not file.exists():
        return []
    return [int(orjson.loads(line)["event_id"], 16) for line in file.read_bytes().splitlines()]
