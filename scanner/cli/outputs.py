"""Make the sinks for every `-o` of a sweep: local ones that it writes itself, and remote ones served from a spool.

The relay is imported only for remote sinks.
"""

import os
import stat
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from scanner.delivery import Sink, SinkOptions, make_sink
from scanner.delivery.registry import scheme_of
from scanner.errors import InputError
from scanner.settings import DEFAULT_DRAIN_S, DEFAULT_QUOTA_BYTES
from scanner.sweeps.plan import Plan
from scanner.version import VERSION

if TYPE_CHECKING:
    from scanner.delivery.relay.spool_sink import SpoolSink

#: Linux's numbers of terminals: consoles, /dev/tty, pseudo-terminals.
_TERMINALS = frozenset({4, 5, *range(136, 144)})
#: Ordinary records fit. A larger one (a greeting of 8 KiB, escaped) is kept, too, with a warning.
LEAST_QUOTA_BYTES: Final = 16 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputRequest:
    """The options about outputs."""

    outputs: tuple[str, ...] = ()
    rotate_size: int | None = None
    if_exists: Literal["refuse", "append", "overwrite"] | None = None
    state: Path | None = None
    run_folder: Path | None = None
    spool_limit: int = DEFAULT_QUOTA_BYTES
    drain_s: float = DEFAULT_DRAIN_S
    keep_run: bool = False


@dataclass(frozen=True, slots=True)
class Outputs:
    """All sinks of a sweep. `remote` is the one that serves all remote ones, if there are any."""

    sinks: list[Sink]
    remote: "SpoolSink | None" = None


def make_outputs(request: OutputRequest, plan: Plan) -> Outputs:
    """Return the requested sinks, not yet opened.

    Raises:
        InputError: if one cannot be used as given.
    """
    options = SinkOptions(rotate_size=request.rotate_size, if_exists=request.if_exists or "refuse")
    remote_urls = [output for output in request.outputs if is_remote(output)]
    direct: list[Sink] = [
        make_sink(output, options) for output in request.outputs or ("-",) if output not in remote_urls
    ]
    if not remote_urls:
        return Outputs(direct)
    if request.spool_limit < LEAST_QUOTA_BYTES:
        least = LEAST_QUOTA_BYTES >> 10
        raise InputError(f"--spool-limit {request.spool_limit}: must be at least {least} KiB, so that a record fits")
    remote = _make_remote(request, remote_urls, plan)
    return Outputs([*direct, remote], remote)


def shares_terminal(outputs: Sequence[str]) -> bool:
    """Return whether records go to a terminal, where a block that is redrawn would tear them."""
    return any(map(_is_terminal, outputs or ("-",)))


def _is_terminal(output: str) -> bool:
    try:
        if output == "-":
            return sys.stdout.isatty()
        status = Path(output.removeprefix("file://")).stat()
    except (OSError, ValueError, AttributeError):  # not there yet, no path at all, or no standard output
        return False
    return stat.S_ISCHR(status.st_mode) and os.major(status.st_rdev) in _TERMINALS


def is_remote(output: str) -> bool:
    """Return whether an output is served from the spool of the run."""
    if scheme_of(output) in (None, "file"):
        return False
    from scanner.delivery.relay import destination  # noqa: PLC0415  not small, and most outputs are paths

    return destination.is_remote(output)


def _make_remote(request: OutputRequest, urls: Sequence[str], plan: Plan) -> "SpoolSink":
    from scanner.delivery.relay.destination import make_destinations  # noqa: PLC0415  as above
    from scanner.delivery.relay.spool_sink import SpoolSink  # noqa: PLC0415  as above
    from scanner.delivery.spool import Quota, RunFolder  # noqa: PLC0415  as above

    folder = RunFolder(run_folder(request))
    destinations = make_destinations(urls)
    for destination in destinations:
        destination.redaction.guard_logs()
    return SpoolSink(
        folder,
        destinations,
        _about(plan),
        Quota(request.spool_limit),
        state=request.state,
        drain_s=request.drain_s,
        keep_run=request.keep_run,
        named_by_us=request.run_folder is None,
    )


def _about(plan: Plan) -> dict[str, object]:
    """Return what the spool's description says about the sweep."""
    return {
        "version": VERSION,
        "planned": plan.planned,
        "excluded": plan.excluded_count,
        "seed": str(plan.settings.seed),
        "shard": f"{plan.settings.shard + 1}/{plan.settings.shards}",
        "digest": plan.digest,
    }


def run_folder(request: OutputRequest) -> Path:
    """Return where the spool for remote sinks is kept."""
    if request.run_folder is not None:
        return request.run_folder
    if request.state is not None:
        return request.state.with_name(f"{request.state.name}.run")
    return Path(f"smtpsweep-{datetime.now().astimezone():%Y%m%d-%H%M%S}.run")
