"""The summary and metrics files of a sweep, and the check that none of its files overwrites another.

All of it is checked before anything is opened. Every output is compared with every other and with every input
(`clashes`). A file that exists is replaced only if it is empty, if its content shows that it is ours (the summary of
the sweep that is resumed, metrics of an earlier sweep), or with --overwrite.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import click
import orjson

from scanner.cli.config import CONFIG_FILE
from scanner.cli.outputs import is_remote, run_folder
from scanner.cli.sweep_request import SweepRequest
from scanner.delivery.local.paths import is_part_of, path_of_url
from scanner.delivery.registry import scheme_of
from scanner.files.clashes import Named, refuse_clashes, standard_input, standard_output
from scanner.files.names import JSON_DOCUMENT, METRICS, require_fitting_name
from scanner.files.places import FilePlace, always
from scanner.files.whole import PUBLIC_FILE
from scanner.sweeps.saved_state import Saved
from scanner.sweeps.summary import SUMMARY_SCHEMA, Summary

#: No summary is longer; of a longer file only this much is read.
_MAX_SUMMARY_BYTES: Final = 64 << 20
#: What every metrics file of ours begins with.
_METRICS_START: Final = b"# HELP smtpsweep_"


@dataclass(frozen=True, slots=True)
class SweepFiles:
    """Where summary and metrics go; None for one that was not requested."""

    summary: FilePlace | None
    metrics: FilePlace | None

    def write_summary(self, summary: Summary) -> None:
        """Write the summary, if one was requested.

        Raises:
            SinkError: if it cannot be written.
        """
        if self.summary is not None:
            self.summary.write(orjson.dumps(summary.document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def checked_files(request: SweepRequest, fingerprints: str | None = None) -> SweepFiles:
    """Check before the sweep that its files can be written, and return them.

    Raises:
        InputError: if one is an input or another output, exists already, or cannot be written.
    """
    inputs = [*_inputs(request), *map(_database, filter(None, [fingerprints]))]
    refuse_clashes(list(_outputs(request)), inputs)
    return SweepFiles(_summary_place(request), _metrics_place(request))


def _summary_place(request: SweepRequest) -> FilePlace | None:
    file = request.summary_file
    if file is None:
        return None
    label = f"--summary {file}"
    require_fitting_name(label, file, JSON_DOCUMENT)
    scan = _scan_resumed(request.state)
    replaced = always if request.if_exists == "overwrite" else lambda path: scan is not None and _scan_of(path) == scan
    return FilePlace(
        file, label=label, may_replace=replaced, advice="use --overwrite, another name, or the --state of its sweep"
    )


def _metrics_place(request: SweepRequest) -> FilePlace | None:
    file = request.metrics_file
    if file is None:
        return None
    label = f"--metrics-file {file}"
    require_fitting_name(label, file, METRICS)
    replaced = always if request.if_exists == "overwrite" else _holds_metrics
    # The one file that other users may read, for their collector: it holds only counts and names of sinks.
    return FilePlace(file, label=label, may_replace=replaced, mode=PUBLIC_FILE)


def _scan_resumed(state: Path | None) -> str | None:
    saved = Saved.read(state) if state is not None else None
    return saved.identity.scan_id if saved is not None else None


def _scan_of(file: Path) -> str | None:
    """Return the scan id in a summary; None if the file is not a summary."""
    try:
        document: Any = orjson.loads(_start_of(file, _MAX_SUMMARY_BYTES))
    except orjson.JSONDecodeError:
        return None
    is_summary = isinstance(document, dict) and document.get("schema") == SUMMARY_SCHEMA
    return str(document.get("scan_id")) if is_summary else None


def _holds_metrics(file: Path) -> bool:
    return _start_of(file, len(_METRICS_START)) == _METRICS_START


def _start_of(file: Path, size: int) -> bytes:
    with file.open("rb") as content:
        return content.read(size)


def _outputs(request: SweepRequest) -> Iterator[Named]:
    for output in request.outputs:
        yield from _output(output, in_parts=request.rotate_size is not None)
    if not request.outputs:
        yield from standard_output()
    if request.state is not None:
        yield Named("--state", request.state)
    if request.summary_file is not None:
        yield Named("--summary", request.summary_file)
    if request.metrics_file is not None:
        yield Named("--metrics-file", request.metrics_file)
    if any(map(is_remote, request.outputs)):
        yield Named("--run", run_folder(request), is_folder=True)


def _output(output: str, *, in_parts: bool) -> Iterator[Named]:
    if output == "-":
        yield from standard_output()
        return
    path = path_of_url(output) if scheme_of(output) == "file" else Path(output) if scheme_of(output) is None else None
    if path is not None and "\0" not in output:
        yield Named("-o", path, is_part=is_part_of(path) if in_parts and path.name else None)


def _inputs(request: SweepRequest) -> Iterator[Named]:
    for option, texts in (("TARGETS", request.targets), ("--exclude", request.exclude)):
        yield from (Named(option, Path(text[1:])) for text in texts if text.startswith("@"))
        if "-" in texts:
            yield from standard_input()
    yield from (Named("--exclude-file", path) for path in request.exclude_file)
    yield from _named_in(request.outputs)
    context = click.get_current_context(silent=True)
    if context is not None and CONFIG_FILE in context.meta:
        yield Named("--config", context.meta[CONFIG_FILE])


def _database(fingerprints: str) -> Named:
    from scanner.identify.recog import FILE_NAME  # noqa: PLC0415  with it comes a reader of XML

    return Named("--fingerprints", Path(fingerprints.removeprefix("recog:"), FILE_NAME))


def _named_in(outputs: Iterable[str]) -> Iterator[Named]:
    """Yield the files that URLs name: tokens, certificates, keys."""
    for output in filter(is_remote, outputs):
        for key, value in parse_qsl(urlsplit(output).query):
            if key.endswith("_file"):
                yield Named(f"-o {scheme_of(output)}://... {key}", Path(value))
