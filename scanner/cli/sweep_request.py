"""The options of `smtpsweep sweep` apart from its settings, as one typed object."""

from dataclasses import dataclass
from pathlib import Path

from scanner.cli.outputs import OutputRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRequest(OutputRequest):
    """What was asked for on the command line, apart from the settings of the sweep."""

    targets: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    exclude_file: tuple[Path, ...] = ()
    summary_file: Path | None = None
    metrics_address: tuple[str, int] | None = None
    metrics_file: Path | None = None
    plan_only: bool = False
    quiet: bool = False
