"""What only a whole sweep can show, and no single record: something in between, and pools behind one address.

It sees every record once, on its way to the sinks, and puts two parts into the summary: `interception` and `samples`.
A resumed sweep knows only what its last run saw.
"""

from collections.abc import Mapping
from typing import Any

from scanner.model import Record
from scanner.settings import Settings
from scanner.sweeps.interception import Interception, describe
from scanner.sweeps.samples import Pools


class Overview:
    """Gathers what the summary says about the sweep as a whole; `observe` every record."""

    def __init__(self, settings: Settings) -> None:
        self._interception = Interception()
        self._pools = Pools() if settings.samples > 1 else None

    def observe(self, record: Record) -> None:
        """Take note of one record; cheap, since it is called for all of them."""
        self._interception.observe(record)
        if self._pools is not None:
            self._pools.observe(record)

    def document(self) -> dict[str, Any]:
        """Return the parts of the summary; `samples` is null without `--samples`."""
        return {
            "interception": self._interception.suspects(),
            "samples": None if self._pools is None else self._pools.document(),
        }


def remarks(document: Mapping[str, Any]) -> list[str]:
    """Return what people should be told of these parts of a summary, a line each; nothing of what it does not have."""
    found = [describe(suspect) for suspect in document.get("interception") or ()]
    pools = (document.get("samples") or {}).get("found", 0)
    if pools:
        found.append(f"targets that gave different answers, so that more than one server is behind each: {pools:,}")
    return found
