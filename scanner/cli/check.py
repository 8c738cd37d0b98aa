"""`smtpsweep check`: visit one host, print the dialogue as telnet would show it, then what it means."""

import sys
from typing import TYPE_CHECKING, Any

import click

from scanner.cli import logging, running
from scanner.cli.codes import ALL_LOCAL
from scanner.cli.commands import Command, group
from scanner.cli.entry import complain
from scanner.cli.options import identity_options, log_level_option, visit_options
from scanner.cli.values import Count
from scanner.identify.leaks import versions_in_greeting
from scanner.identify.unconfirmed import possible_disclosures, possible_products
from scanner.model import GREETED, USUAL_GREETING, Assessment, Banner, Record, Status, Target
from scanner.policy.judges import why_not_seen
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
            print_verdict(record)
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


def print_verdict(record: Record) -> None:
    """Print what the dialogue means."""
    from rich.text import Text  # noqa: PLC0415  see `_console`

    console = _console()
    console.print()
    for name, value in verdict(record).items():
        console.print(Text.assemble((f"{name:<12}", "bold"), value))


def _console() -> "Console":
    """Return where people read; what prints JSON does not load it, a tenth of the time of a start."""
    from scanner.cli.console import Console  # noqa: PLC0415

    return Console(markup=False, highlight=False, emoji=False, soft_wrap=True)


def _clock(skew_s: int) -> str:
    """Say how the time in a greeting differs from ours."""
    if not skew_s:
        return "as ours"
    return f"{abs(skew_s):,} s {'ahead of' if skew_s > 0 else 'behind'} ours, by the time in the greeting"


def _others(assessment: Assessment) -> str:
    """Say whether there may be other flaws than those listed."""
    if assessment.is_known:
        return f"no others known ({assessment.basis})"
    return f"there may be more: {assessment}"


def _is_seen(record: Record) -> bool:
    """Say whether the usual greeting of a mail server was read, whole."""
    return record.status in USUAL_GREETING and why_not_seen(record) is None


def _product_unknown(record: Record, banner: Banner) -> str:
    """Say what the greeting names where we know no product of it."""
    if record.status is Status.NOT_SMTP:
        return "no mail server"
    if not _is_seen(record):
        return "not seen"
    names = possible_products(banner, None)
    words = dict.fromkeys((*names, *versions_in_greeting(banner, record.ip)))
    return f"not known here (perhaps {' '.join(words)})" if names else "not named in the greeting"


def _discloses_nothing(record: Record) -> str:
    """Say why nothing is listed of what a greeting gives away."""
    if record.banner is None or not (_is_seen(record) or record.status is Status.NOT_SMTP):
        return "not seen"
    perhaps = possible_disclosures(record.banner, record.software, record.ip)
    return f"perhaps {', '.join(perhaps)}" if perhaps else "nothing"


def verdict(record: Record) -> dict[str, str]:
    """Describe a record for people; only what is known."""
    banner, software = record.banner, record.software
    lines = {
        "host": record.host,
        "address": f"{record.ip} port {record.port}",
        "status": record.status.value + (f" ({record.error})" if record.error else ""),
    }
    if banner is not None:
        lines["greets as"] = banner.hostname
        lines["flags"] = ", ".join(banner.flags)
    if record.refusal is not None:
        lines["refusal"] = record.refusal.kind.value + (", of this address" if record.refusal.refused_us else "")
    if record.clock_skew_s is not None:
        lines["clock"] = _clock(record.clock_skew_s)
    if software is not None:
        lines["product"] = " ".join(filter(None, (software.product, software.version)))
        lines["kind"] = software.kind if software.kind == "service" else None
        lines["line"] = software.product_line if software.product_line != software.product else None
        lines["config"] = software.config_version
        lines["patch"] = software.patch
        lines["vendor tag"] = software.vendor_tag
        lines["package"] = software.package
        lines["system"] = " ".join(filter(None, (software.os, software.os_version)))
        lines["CPE"] = software.cpe
        lines["confidence"] = f"{software.confidence:.0%} (rule {software.evidence})"
    elif banner is not None:
        lines["product"] = _product_unknown(record, banner)
    flaws = [finding for finding in record.findings if finding.verdict is not None]
    if record.assessment is not None:
        lines["flaws"] = str(record.assessment)
    if flaws and software is not None:
        listed = ", ".join(f"{flaw.id} ({flaw.verdict})" for flaw in flaws)
        lines["flaws"] = listed if record.assessment is None else f"{listed}; {_others(record.assessment)}"
        lines["more"] = f"smtpsweep vulns {software.product.lower()} {software.version}"
    elif software is None and "version" in record.disclosure:
        lines["flaws"] = "nothing is known of this product"
    lines["discloses"] = ", ".join(record.disclosure) or _discloses_nothing(record)
    return {name: value for name, value in lines.items() if value}
