"""`smtpsweep convert`: stored records in another format; no network."""

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
@click.option("--format", "target", type=click.Choice(TARGETS), required=True, help="What to make of the records.")
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="FILE",
    shell_complete=complete_files,
    help="The file to make, or - for standard output.",
)
@click.option("--overwrite", is_flag=True, help="Replace a file that exists.")
@click.option("-q", "--quiet", is_flag=True, help="Do not say how much was converted.")
def convert(files: tuple[str, ...], target: str, output: str, *, overwrite: bool, quiet: bool) -> int:
    """Convert records from FILE... (JSON Lines, also packed; - is standard input) into one file.

    The output is packed when its name ends in .gz or .zst. It appears when all is well, and not at all otherwise.

    Exit codes: 0 done, 2 usage or input error, 3 lines were left out (a line that is not a record, or cannot be written
    in this format, is named), 4 no room.
    """
    done = convert_files(files, target, output, overwrite=overwrite)
    for line in done.said:
        complain(f"{line}: left out")
    if not quiet:
        streams.say(f"{counted(done.read, 'line')} read, {done.written:,} written")
    if done.left_out:
        complain(f"incomplete: {done.left_out:,} of {counted(done.read, 'line')} were left out")
        return INCOMPLETE
    return 0
