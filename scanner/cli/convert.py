"""`smtpsweep convert`: write stored records in another format, without a network."""

import click

from scanner.analysis.conversion import TARGETS
from scanner.analysis.conversion import convert as convert_files
from scanner.cli import streams
from scanner.cli.codes import INCOMPLETE
from scanner.cli.commands import complete_files
from scanner.cli.entry import complain
from scanner.text.counted import counted


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", shell_complete=complete_files)
@click.option("--format", "target", type=click.Choice(TARGETS), required=True, help="Format to write.")
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="FILE",
    shell_complete=complete_files,
    help="File to write, or - for standard output.",
)
@click.option("--overwrite", is_flag=True, help="Replace a file that exists.")
@click.option("-q", "--quiet", is_flag=True, help="Print no totals.")
def convert(files: tuple[str, ...], target: str, output: str, *, overwrite: bool, quiet: bool) -> int:
    """Convert the records in FILE (JSON Lines, also compressed; - for standard input) into one file.

    The output is compressed if its name ends in .gz or .zst. It appears only when it is complete.

    Exit codes: 0 done, 2 usage or input error, 3 lines were left out (each one that is not a record, or cannot be
    written in this format, is named), 4 no disk space.
    """
    done = convert_files(files, target, output, overwrite=overwrite)
    for line in done.reasons:
        complain(f"{line}: left out")
    if not quiet:
        streams.say(f"{counted(done.read, 'line')} read, {done.written:,} written")
    if done.left_out:
        complain(f"incomplete: {done.left_out:,} of {counted(done.read, 'line')} were left out")
        return INCOMPLETE
    return 0
