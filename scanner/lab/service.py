"""A lab as a program: truth file, ready line, signals, statistics file.

SIGINT, SIGTERM and SIGHUP stop it cleanly; SIGUSR1 writes the statistics file now. Each message is one line on stderr,
so that a parent can wait for it instead of sleeping: `lab: listening on ... port N`, then `lab: statistics written`
for each SIGUSR1.
"""

import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import orjson

from scanner.errors import InputError
from scanner.lab.server import Lab, LabSettings
from scanner.lab.truth import truths, write_truths

READY_PREFIX = "lab: listening on "
WRITTEN_LINE = "lab: statistics written"


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """The files a lab writes: its statistics (JSON), and the truth (JSON Lines) about some networks."""

    statistics: str | None = None
    truth: str | None = None
    truth_for: tuple[str, ...] = ()


def serve(settings: LabSettings, files: Files) -> None:
    """Run a lab until SIGINT, SIGTERM or SIGHUP.

    Raises:
        InputError: when a setting makes no sense, an address cannot be listened on, or a file cannot be written.
    """
    if bool(files.truth) != bool(files.truth_for):
        raise InputError("lab: --truth and --truth-for belong together: give both or none")
    if files.truth:
        hosts = truths(files.truth_for, settings.seed, settings.profile, settings.silent)
        write_truths(Path(files.truth), hosts)
    with Lab(settings) as lab:
        _write_statistics(lab, files)  # now, so that a bad path is known before the first client
        wanted = _Wanted()
        _handle_signals(lab, wanted)
        _tell(f"{READY_PREFIX}{', '.join(settings.bind)} port {lab.port} ({settings.profile}, seed {settings.seed})")
        lab.run(lambda: _write_if(lab, files, wanted))
        _write_statistics(lab, files)


@dataclass(slots=True)
class _Wanted:
    statistics: bool = False


def _handle_signals(lab: Lab, wanted: _Wanted) -> None:
    def want_statistics(*_: object) -> None:
        wanted.statistics = True
        lab.wake()

    signal.signal(signal.SIGUSR1, want_statistics)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: lab.stop())


def _write_if(lab: Lab, files: Files, wanted: _Wanted) -> None:
    if wanted.statistics:
        wanted.statistics = False
        _write_statistics(lab, files)
        _tell(WRITTEN_LINE)


def _write_statistics(lab: Lab, files: Files) -> None:
    """Replace the statistics file as a whole, so that a reader never sees half of it."""
    if files.statistics is None:
        return
    path = Path(files.statistics)
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_bytes(orjson.dumps(lab.statistics.as_dict(), option=orjson.OPT_APPEND_NEWLINE))
        part.replace(path)
    except OSError as error:
        raise InputError(f"lab: --statistics {path}: {error.strerror}") from None


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
