"""`smtpsweep remedy`: write plans, a playbook or corrected configuration from findings; no server is changed."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scanner.cli.commands import complete_files
from scanner.cli.entry import complain
from scanner.errors import InputError
from scanner.files.clashes import Named, named, refuse_clashes, standard_output

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scanner.model import Record
    from scanner.remediation.sendmail.review import Review

CLEAN, FOUND = 0, 1
_FILE = click.Path(dir_okay=False, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.argument("sweeps", nargs=-1, metavar="[SWEEP.JSONL|-]...", shell_complete=complete_files)
@click.option("--mc", type=_FILE, metavar="FILE", help="Review this sendmail.mc.")
@click.option("--cf", type=_FILE, metavar="FILE", help="Review this sendmail.cf.")
@click.option("--submit-mc", type=_FILE, metavar="FILE", help="Review this submit.mc.")
@click.option("--submit-cf", type=_FILE, metavar="FILE", help="Review this submit.cf.")
@click.option("--helpfile", type=click.Path(path_type=Path), metavar="FILE",
              help="Review the file that HELP answers from (default: judge only its name).")  # fmt: skip
@click.option("-o", "--output", type=_FOLDER, metavar="FOLDER",
              help="Write the plans, or the changed files, to this folder.")  # fmt: skip
@click.option("--ansible", type=_FOLDER, metavar="FOLDER",
              help="Write an Ansible playbook for the hosts to this folder.")  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace files of an earlier run in the folder.")
def remedy(
    sweeps: tuple[str, ...],
    mc: Path | None,
    cf: Path | None,
    submit_mc: Path | None,
    submit_cf: Path | None,
    helpfile: Path | None,
    output: Path | None,
    ansible: Path | None,
    *,
    overwrite: bool,
) -> int:
    """Write what fixes the findings: plans for the hosts of a sweep, a playbook, or changed configuration files.

    From sweeps, -o gets a plan for each product and host, and --ansible an inventory, a playbook and a role. From
    configuration files, it prints which line reveals what and why, and writes the changed files and their diffs to -o,
    or the diffs to standard output. It never changes a server or a file that it reads.

    Exit codes: 0 nothing is revealed, or the plans are written; 1 something was found in a configuration file; 2 usage
    or input error; 3 the disk does not take the output.
    """
    files = {"sendmail.mc": mc, "sendmail.cf": cf, "submit.mc": submit_mc, "submit.cf": submit_cf}
    given = {name: path for name, path in files.items() if path is not None}
    _refuse_contradictions(sweeps, given=bool(given or helpfile), output=output, ansible=ansible, overwrite=overwrite)
    if sweeps:
        return _from_sweeps(sweeps, output, ansible, overwrite=overwrite)
    return _from_configuration(given, helpfile, output, overwrite=overwrite)


def _refuse_contradictions(
    sweeps: tuple[str, ...], *, given: bool, output: Path | None, ansible: Path | None, overwrite: bool
) -> None:
    if not sweeps and not given:
        raise InputError("nothing to fix: name a sweep (a file of records), or a configuration file with --mc or --cf")
    if sweeps and given:
        raise InputError("a sweep and configuration files cannot be combined: run the command once for each")
    if ansible is not None and not sweeps:
        raise InputError("--ansible needs a sweep: the playbook is for its hosts")
    if ansible is not None and output is not None:
        raise InputError("-o and --ansible cannot be combined: run the command once for each")
    if sweeps and ansible is None and output is None:
        raise InputError("no output folder: give -o FOLDER for plans or --ansible FOLDER for a playbook")
    if overwrite and ansible is None and output is None:
        raise InputError("--overwrite needs a folder: -o FOLDER")


def _from_sweeps(sweeps: tuple[str, ...], output: Path | None, ansible: Path | None, *, overwrite: bool) -> int:
    folders = [Named(option, path, is_folder=True) for option, path in (("-o", output), ("--ansible", ansible)) if path]
    refuse_clashes(folders, named("FILE", *sweeps))
    records = _records(sweeps)
    if output is not None:
        from scanner.remediation.plans.writing import write_plans  # noqa: PLC0415  only when needed

        complain(write_plans(records, output, overwrite=overwrite).describe())
    elif ansible is not None:
        from scanner.remediation.ansible.playbook import write_playbook  # noqa: PLC0415  only when needed

        complain(write_playbook(records, ansible, overwrite=overwrite).describe())
    return CLEAN


def _records(sweeps: tuple[str, ...]) -> "Iterator[Record]":
    from scanner.analysis import read_records  # noqa: PLC0415  only when needed

    for file in sweeps:
        yield from read_records(file)


def _from_configuration(given: dict[str, Path], helpfile: Path | None, output: Path | None, *, overwrite: bool) -> int:
    from scanner.remediation.sendmail.reader import ConfigKind  # noqa: PLC0415
    from scanner.remediation.sendmail.review import review, write_review  # noqa: PLC0415  only when needed

    refuse_clashes(standard_output(), [*named("the configuration", *given.values()), *named("--helpfile", helpfile)])
    done = review({ConfigKind(name): path for name, path in given.items()}, helpfile)
    if output is not None:
        write_review(done, output, overwrite=overwrite)
    _print(done, with_diff=output is None)
    complain(done.describe() + (f"; written to {output}" if output is not None else ""))
    return CLEAN if done.is_clean else FOUND


def _print(done: "Review", *, with_diff: bool) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in done.lines()))
    sys.stdout.flush()
    if not with_diff or not done.diff:
        return
    if sys.stdout.isatty():  # a patch must hold every byte; a terminal would obey some of them
        text = done.diff.decode("latin-1")
        shown = (c if c in "\n\t" or " " <= c <= "~" else f"\\x{ord(c):02x}" for c in text)
        sys.stdout.write("\n" + "".join(shown))
    else:
        sys.stdout.buffer.write(b"\n" + done.diff)
    sys.stdout.flush()
