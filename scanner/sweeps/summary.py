"""How a sweep ended, as a value: for the command line, for the file of `--summary`, and for programs."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from scanner.settings import Settings

SUMMARY_SCHEMA = "smtpsweep.summary/1"
#: The settings that are written into summary and state, for people to read.
_SHOWN = ("ports", "rate", "subnet_rate", "concurrency", "connect_timeout_s", "greeting_timeout_s", "idle_timeout_s",
          "total_timeout_s", "retries", "passive", "probe", "source_address", "all_statuses", "refusal_limit",
          "refusal_action", "fingerprints", "dns", "samples")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Summary:
    """How a sweep ended. It is `complete` when every target has its status and every record is delivered."""

    complete: bool
    reason: str | None
    document: Mapping[str, Any]


def shown_options(settings: Settings) -> dict[str, Any]:
    """Return the settings that are written into summaries and states."""
    return {name: getattr(settings, name) for name in _SHOWN}


def iso(seconds: float) -> str:
    """Write Unix seconds as RFC 3339 in UTC with milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
