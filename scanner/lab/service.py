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
from scanner.files.clashes import named, refuse_clashes
from scanner.files.names import JSON_DOCUMENT, RECORDS, Content, require_fitting_name
from scanner.files.places import FilePlace, always, never
from scanner.lab.server import Lab, LabSettings
from scanner.lab.truth import truths, write_truths

READY_PREFIX = "lab: listening on "
WRITTEN_LINE = "lab: statistics written"


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """The files a lab writes: its statistics (JSON), and the truth (JSON Lines) about some networks.

    `overwrite` says that they may replace files that exist.
    """

    statistics: str | None = None
    truth: str | None = None
    truth_for: tuple[str, ...] = ()
    overwrite: bool = False


def serve(settings: LabSettings, files: Files) -> None:
    """Run a lab until SIGINT, SIGTERM or SIGHUP.

    Raises:
        InputError: when a setting makes no sense, an address cannot be listened on, or a file cannot be written there.
        SinkError: when the disk does not take a file.
    """
    if bool(files.truth) != bool(files.truth_for):
        raise InputError("lab: --truth and --truth-for belong together: give both or none")
    refuse_clashes([*named("--truth", files.truth), *named("--statistics", files.statistics)])
    truth = _place("--truth", files.truth, RECORDS, overwrite=files.overwrite)
    statistics = _place("--statistics", files.statistics, JSON_DOCUMENT, overwrite=files.overwrite)
    if truth is not None:
        write_truths(truth, truths(files.truth_for, settings.seed, settings.profile, settings.silent))
    with Lab(settings) as lab:
        _write_statistics(lab, statistics)  # now, so that it is there before the first client
        wanted = _Wanted()
        _handle_signals(lab, wanted)
        _tell(f"{READY_PREFIX}{', '.join(settings.bind)} port {lab.port} ({settings.profile}, seed {settings.seed})")
        lab.run(lambda: _write_if(lab, statistics, wanted))
        _write_statistics(lab, statistics)


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


def _write_if(lab: Lab, statistics: FilePlace | None, wanted: _Wanted) -> None:
    if wanted.statistics:
        wanted.statistics = False
        _write_statistics(lab, statistics)
        _tell(WRITTEN_LINE)


def _write_statistics(lab: Lab, place: FilePlace | None) -> None:
    """Replace the statistics file as a whole, so that a reader never sees half of it."""
    if place is not None:
        place.write(orjson.dumps(lab.statistics.as_dict(), option=orjson.OPT_APPEND_NEWLINE))


def _place(option: str, file: str | None, content: Content, *, overwrite: bool) -> FilePlace | None:
    if file is None:
        return None
    require_fitting_name(f"lab: {option} {file}", Path(file), content)
    return FilePlace(file, label=f"lab: {option} {file}", may_replace=always if overwrite else never)


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
