"""The double of Splunk's collector as a process of its own, to be killed; and what it has indexed."""

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from tests.receivers.splunk_double import config_of
from tests.receivers.splunk_rules import Behaviour, event_id

_ROOT = Path(__file__).parents[2]


class SplunkServer:
    """One collector on loopback; its journal outlives it. Every start draws other faults, from the same seed."""

    def __init__(self, folder: Path, port: int, behaviour: Behaviour) -> None:
        self.journal, self.port, self.behaviour = folder / "splunk.jsonl", port, behaviour
        self._starts = 0
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> "SplunkServer":
        """Start it and return when it answers."""
        behaviour = replace(self.behaviour, seed=self.behaviour.seed + self._starts)
        self._starts += 1
        self._process = subprocess.Popen(  # noqa: ASYNC220  starts at once
            [sys.executable, "-m", "tests.receivers.splunk_double", config_of(self.journal, behaviour, self.port)],
            stdin=subprocess.DEVNULL,
            cwd=_ROOT,
        )
        async with asyncio.timeout(30):
            while not await self._is_ready():
                assert self._process.poll() is None
                await asyncio.sleep(0.05)  # it has no event for being ready, and each question costs it work
        return self

    def kill(self) -> None:
        """End it at once."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    async def _is_ready(self) -> bool:
        url = f"http://127.0.0.1:{self.port}/services/collector/health"
        try:
            async with aiohttp.ClientSession() as session, session.get(url) as response:
                return response.status == 200
        except (aiohttp.ClientError, OSError):
            return False


def indexed(journal: Path) -> list[dict[str, Any]]:
    """Return every event that is indexed, as the object that was sent, in the order of indexing."""
    return [event for line in _lines(journal) for event in line.get("events", ())]


def copies(journal: Path) -> Counter[str]:
    """Count how often each event id is indexed."""
    return Counter(event_id(event) for event in indexed(journal))


def safe(journal: Path) -> set[str]:
    """Return the ids of events of which the client has been told that they are safe."""
    batches = {line["batch"]: line["events"] for line in _lines(journal) if "batch" in line}
    answered = [line["answered"] for line in _lines(journal) if "answered" in line]
    return {event_id(event) for batch in answered for event in batches[batch]}


def needless_copies(journal: Path) -> Counter[str]:
    """Count copies that came after the client had been told that the event is safe."""
    batches: dict[str, list[str]] = {}
    safe: set[str] = set()
    needless: Counter[str] = Counter()
    for line in _lines(journal):
        if "answered" in line:
            safe.update(batches[line["answered"]])
        else:
            batches[line["batch"]] = [event_id(event) for event in line["events"]]
            needless.update(safe.intersection(batches[line["batch"]]))
    return needless


def _lines(journal: Path) -> Iterator[dict[str, Any]]:
    with journal.open("rb") as stream:
        for line in stream:
            if line.endswith(b"\n"):
                yield orjson.loads(line)
