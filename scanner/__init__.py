"""smtpsweep: find the mail servers in your networks, what software they run, and which version they reveal.

The public API. `sweep` and `check` do the work:

    import asyncio
    from scanner import Settings, sweep

    async def main() -> None:
        async for record in sweep("192.0.2.0/24", exclude="192.0.2.128/25", settings=Settings(rate=100)):
            if record.software is not None:
                print(record.ip, record.software.product, record.software.version)

    asyncio.run(main())

What is not listed in `__all__` or described in docs/ may change from one version to the next.

Names are imported at their first use: every command imports this package, and most need little of it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scanner.api import check, sweep
    from scanner.delivery import Sink
    from scanner.errors import InputError, LocalError, SinkError, SmtpsweepError
    from scanner.model import Answer, Assessment, Banner, Finding, Record, Software, Status, Target
    from scanner.record import decode, encode, json_schema
    from scanner.settings import Settings
    from scanner.sweeps.summary import Summary
    from scanner.version import VERSION

__all__ = [
    "VERSION",
    "Answer",
    "Assessment",
    "Banner",
    "Finding",
    "InputError",
    "LocalError",
    "Record",
    "Settings",
    "Sink",
    "SinkError",
    "SmtpsweepError",
    "Software",
    "Status",
    "Summary",
    "Target",
    "check",
    "decode",
    "encode",
    "json_schema",
    "sweep",
]

#: Where the names are, in groups as above.
_HOMES = {
    **dict.fromkeys(("InputError", "LocalError", "SinkError", "SmtpsweepError"), "errors"),
    **dict.fromkeys(("Answer", "Assessment", "Finding", "Banner", "Record", "Software", "Status", "Target"), "model"),
    **dict.fromkeys(("check", "sweep"), "api"),
    **dict.fromkeys(("decode", "encode", "json_schema"), "record"),
    "Settings": "settings",
    "Sink": "delivery",
    "Summary": "sweeps.summary",
    "VERSION": "version",
}


def __getattr__(name: str) -> object:
    """Import a public name at its first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'scanner' has no attribute {name!r}")
    value: object = getattr(import_module(f"scanner.{_HOMES[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
