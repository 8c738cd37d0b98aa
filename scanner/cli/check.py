"""`smtpsweep check`: visit one host, print the dialogue as telnet would show it, then what it means."""

import sys
from typing import TYPE_CHECKING, Any

import click

from scanner.cli import logging, running
from scanner.cli.codes import ALL_LOCAL
from scanner.cli.commands import Command, group
from scanner.cli.description import describe
from scanner.cli.entry import complain
from scanner.cli.options import identity_options, log_level_option, visit_options
from scanner.cli.values import Count
from scanner.model import GREETED, Record, Target
from scanner.record import encode
from scanner.settings import Settings
from scanner.sweeps.single_check import Transcript, check_host

if TYPE_CHECKING:
    from scanner.cli.console import Console


@click.command(cls=Command)
@group(
    "Host",
    click.argument("host"),
    click.option("-p", "--port", type=Count(1, 65535), metavar="PORT", default=25, show_default=True,
                 help="Port to visit."),
    click.option("-x", "--exclude", multiple=True, metavar="TARGET",
                 help="Never visit this target, in any form that sweep takes; may be repeated."),
)  # fmt: skip
@visit_options
@identity_options
@group(
    "Output",
    click.option("--json", "as_json", is_flag=True, help="Print one JSON record for each address instead."),
    log_level_option,
)
def check(host: str, port: int, exclude: tuple[str, ...], log_level: str, *, as_json: bool, **options: Any) -> int:
    """Visit HOST, a name (all of its addresses) or an address, and show the dialogue.

    Exit codes: 0 every address sent an SMTP greeting, 1 at least one did not, 2 usage or input error, 4 this machine
    has no route to an address.
    """
    logging.configure(log_level)
    settings = Settings(ports=(port,), rate=0, subnet_rate=0, **options).validated()
    view = None if as_json else Transcript(_print_line)
    unvisited: list[str] = []
    records = running.run(check_host(host, settings, exclude=exclude, trace=view, on_unvisited=unvisited.append))
    if view is not None and view.failure is not None:
        raise view.failure
    for record in records:
        if as_json:
            sys.stdout.buffer.write(encode(record))
        else:
            print_description(record)
    for line in unvisited:
        complain(line)
    if not all(record.status in GREETED for record in records):
        return 1
    return ALL_LOCAL if unvisited else 0


_STYLES = {"<": "cyan", ">": "magenta"}


def _print_line(target: Target, kind: str, text: str, seconds: float) -> None:
    """Print one line of the dialogue: when, in which direction, what."""
    from rich.text import Text  # noqa: PLC0415  see `_console`

    address = f"{target.ip} port {target.port}"
    moments = {
        "connected": f"connected to {address}",
        "closed": f"closed {address}",
        "failed": f"no connection to {address}",
    }
    line = moments.get(kind, f"{kind} {text}")
    _console().print(Text(f"{seconds:8.3f} s  {line}", style=_STYLES.get(kind, "dim")))


def print_description(record: Record) -> None:
    """Print what the dialogue means."""
    from rich.text import Text  # noqa: PLC0415  see `_console`

    console = _console()
    console.print()
    for name, value in describe(record).items():
        console.print(Text.assemble((f"{name:<12}", "bold"), value))


def _console() -> "Console":
    """Return where people read; what prints JSON does not load it, a tenth of the time of a start."""
    from scanner.cli.console import Console  # noqa: PLC0415

    return Console(markup=False, highlight=False, emoji=False, soft_wrap=True)
