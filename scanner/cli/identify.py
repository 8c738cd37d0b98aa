"""`smtpsweep identify`: write records for greetings that were collected earlier, without a network."""

import sys
import uuid
from collections import Counter
from collections.abc import Iterator

import click

from scanner.analysis import open_stored
from scanner.cli import logging
from scanner.cli.commands import complete_files
from scanner.cli.entry import complain
from scanner.cli.options import identity_options, log_level_option
from scanner.errors import InputError
from scanner.files.clashes import named, refuse_clashes, standard_output
from scanner.files.packed import DamagedError
from scanner.importers import FORMATS, BadLine, ImportedBanner, parse_text, read_banners
from scanner.record import encode
from scanner.settings import Settings
from scanner.sweeps.record_builder import RecordBuilder
from scanner.text.counted import counted

DONE, NOTHING_READ = 0, 2
#: Problems and notes that are shown one by one; the rest are counted.
_SHOWN_PROBLEMS = 20


@click.command()
@click.argument("files", nargs=-1, metavar="[FILE|-]...", shell_complete=complete_files)
@click.option("--text", "texts", multiple=True, metavar="GREETING",
              help="Identify this greeting, written as in a text file; may be repeated.")  # fmt: skip
@click.option("--format", "kind", type=click.Choice(list(FORMATS)), default="text", show_default=True,
              help="Format of the files: one greeting per line, or the output of another scanner.")  # fmt: skip
@click.option("--strict", is_flag=True, help="Stop at the first line that cannot be read.")
@identity_options
@log_level_option
def identify(
    files: tuple[str, ...], texts: tuple[str, ...], kind: str, fingerprints: str | None, log_level: str, *, strict: bool
) -> int:
    r"""Write one JSON record for each greeting in FILE (- for standard input), in order, without a network.

    A text file has one greeting per line, with or without its code; \xNN, \r and \n stand for bytes, so a greeting of
    several lines fits. Lines that cannot be read are reported and skipped. Files may be compressed (gzip, bzip2, xz,
    Zstandard), and in UTF-8 or UTF-16.

    Exit codes: 0 done, 2 usage or input error (a file of another format, no greeting in any file, or with --strict a
    line that cannot be read).
    """
    logging.configure(log_level)
    if not files and not texts:
        raise InputError("nothing to identify: name a file, - for standard input, or give --text")
    refuse_clashes(standard_output(), named("FILE", *files))  # it would grow while it is read
    builder = RecordBuilder(str(uuid.uuid4()), Settings(fingerprints=fingerprints))
    counts: Counter[str] = Counter()
    for number, banner in enumerate(_good(_greetings(files, texts, kind), counts, strict=strict)):
        sys.stdout.buffer.write(encode(builder.imported(banner, number)))
    sys.stdout.buffer.flush()
    if counts["noted"] > _SHOWN_PROBLEMS:
        complain(f"{counts['noted']:,} greetings have a note in all")
    if counts["bad"] > 1 or (counts["bad"] and counts["good"]):
        complain(f"{counted(counts['bad'], 'line')} could not be read; {counted(counts['good'], 'greeting')} could")
    return DONE if counts["good"] else NOTHING_READ


def _greetings(files: tuple[str, ...], texts: tuple[str, ...], kind: str) -> Iterator[ImportedBanner | BadLine]:
    for text in texts:
        yield parse_text(text.encode("utf-8", "surrogateescape"))
    for file in files:
        yield from _file_greetings(file, kind)


def _file_greetings(file: str, kind: str) -> Iterator[ImportedBanner | BadLine]:
    name = "standard input" if file == "-" else file
    try:
        with open_stored(file) as stream:
            yield from read_banners(kind, stream, name)
    except DamagedError as error:
        raise InputError(f"{name}: is damaged ({error})") from None
    except OSError as error:
        raise InputError(f"{name}: cannot be read ({error.strerror})") from None


def _good(found: Iterator[ImportedBanner | BadLine], counts: Counter[str], *, strict: bool) -> Iterator[ImportedBanner]:
    """Yield the greetings; report and count what cannot be read."""
    for each in found:
        if isinstance(each, ImportedBanner):
            counts["good"] += 1
            if each.notes:
                counts["noted"] += 1
                if counts["noted"] <= _SHOWN_PROBLEMS:
                    complain(f"note: {each.ip or 'greeting ' + str(counts['good'])}: {'; '.join(each.notes)}")
            yield each
            continue
        if strict:
            raise InputError(f"{each.where}: {each.problem}")
        counts["bad"] += 1
        if counts["bad"] <= _SHOWN_PROBLEMS:
            complain(f"{each.where}: {each.problem}")
