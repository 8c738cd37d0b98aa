"""`smtpsweep demo`: sweep a simulated network on loopback, and print a table of what was found."""

from dataclasses import replace
from pathlib import Path

import click

from scanner.analysis import read_records
from scanner.cli import logging, streams
from scanner.cli.sweep import run_sweep
from scanner.cli.sweep_request import SweepRequest
from scanner.cli.table import print_table
from scanner.errors import InputError
from scanner.files.places import FilePlace
from scanner.files.whole import make_folders
from scanner.lab.process import LabProcess
from scanner.lab.server import LabSettings
from scanner.settings import Settings
from scanner.targets import Ranges, TextSource, parse_spec

#: 1,024 hosts, every kind of server and every odd behaviour of the lab.
_NETWORK = "127.20.0.0/22"
#: Where the simulated network is. Every other address may be a real host.
_LOOPBACK = Ranges.from_pairs(v4=[(0x7F000000, 0x7FFFFFFF)])
#: Quick and repeatable: the hosts that never speak, and the networks that refuse us, would take half a minute.
_SETTINGS = Settings(
    rate=400,
    subnet_rate=0,
    refusal_limit=0,
    seed=1,
    greeting_timeout_s=8,
    idle_timeout_s=8,
    total_timeout_s=10,
    grace_s=1,
)


@click.command()
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), default=Path("demo/sweep.jsonl"),
              show_default=True, help="Write records to this file; replaced if it holds records.")  # fmt: skip
@click.option(
    "--network",
    metavar="TARGET",
    default=_NETWORK,
    show_default=True,
    help="Part of 127.0.0.0/8 to sweep; every address is a host.",
)
def demo(output: Path, network: str) -> int:
    """Sweep a simulated network on loopback and show what was found."""
    logging.configure("warning")
    _require_loopback(network)
    _make_room(output)
    with LabProcess(LabSettings(port=0, profile="mixed")) as lab:
        settings = replace(_SETTINGS, ports=(lab.port,))
        request = SweepRequest(targets=(network,), outputs=(str(output),), if_exists="overwrite")
        streams.say(f"a simulated network is listening on loopback, port {lab.port}")
        code = run_sweep(request, settings)
    print_table(read_records(output))
    click.echo(f"{output}: one JSON record per line")
    return code


def _make_room(output: Path) -> None:
    """Make the folder; refuse to replace anything but records, as those of an earlier demonstration."""
    try:
        make_folders(output.parent)
    except OSError as error:
        raise InputError(f"-o {output}: its folder cannot be made ({error.strerror})") from None
    FilePlace(
        output,
        label=f"-o {output}",
        may_replace=_holds_records,
        advice="it does not hold records, so it is not replaced: use another name",
    )


def _holds_records(file: Path) -> bool:
    try:
        return next(read_records(file), None) is not None
    except InputError:
        return False


def _require_loopback(network: str) -> None:
    """Refuse addresses outside the simulated network: a demonstration connects to no real host.

    Raises:
        InputError: saying so.
    """
    asked = parse_spec([TextSource("--network", [network])], allow_names=False, allow_large_v6=True).ranges
    if asked.minus(_LOOPBACK):
        raise InputError(
            f"--network {network!a}: is not part of 127.0.0.0/8, the simulated network: use sweep for real addresses"
        )
