"""Sweeps of loopback addresses, with a sink that keeps what it gets."""

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson
from jsonschema import Draft202012Validator, FormatChecker

from scanner.delivery import Position
from scanner.errors import SinkError
from scanner.settings import Settings
from scanner.sweeps.pipeline import Sweep
from scanner.sweeps.plan import Plan, make_plan
from scanner.sweeps.summary import Summary
from scanner.sweeps.summary_schema import summary_schema
from scanner.targets import COMMAND_LINE, TextSource, parse_spec

SUMMARY = Draft202012Validator(summary_schema(), format_checker=FormatChecker())


def settings(port: int, **changes: Any) -> Settings:
    defaults: dict[str, Any] = {"rate": 0, "subnet_rate": 0, "seed": 7, "retry_delay_s": 0.02, "greeting_timeout_s": 1}
    return Settings(ports=(port,), **{**defaults, **changes})


async def plan(targets: str, options: Settings, exclude: str = "") -> Plan:
    return await make_plan(
        parse_spec([TextSource(COMMAND_LINE, [targets])]),
        parse_spec([TextSource(COMMAND_LINE, exclude.split())]),
        options,
    )


class MemorySink:
    """Keeps what it gets, and can fail or hold on request."""

    def __init__(self, *, fail_after: int | None = None, gate: asyncio.Event | None = None) -> None:
        self.name = "memory"
        self.lines: list[bytes] = []
        self.opened_with: Position | None = None
        self.closed = False
        self._fail_after = fail_after
        self._gate = gate

    async def open(self, resume: Position | None) -> None:
        self.opened_with = resume

    async def write(self, lines: Sequence[bytes]) -> None:
        if not lines:
            return
        if self._gate is not None:
            await self._gate.wait()
        if self._fail_after is not None and len(self.lines) >= self._fail_after:
            raise SinkError("memory: full; empty it")
        self.lines += lines

    def position(self) -> Position | None:
        return None

    async def close(self) -> None:
        self.closed = True

    @property
    def records(self) -> list[dict[str, Any]]:
        return [orjson.loads(line) for line in self.lines]


async def run(sweep: Sweep) -> Summary:
    """Run a sweep, and hold its summary against the schema."""
    await sweep.prepare()
    summary = await sweep.run()
    SUMMARY.validate(orjson.loads(orjson.dumps(summary.document)))
    return summary
