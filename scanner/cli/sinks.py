"""`smtpsweep sinks`: which kinds of sinks there are, and one record through one of them."""

import time
import uuid
from collections.abc import Callable
from typing import Any

import click

from scanner.cli import logging, running
from scanner.cli.entry import complain
from scanner.cli.options import log_level_option
from scanner.cli.values import Duration, Seconds
from scanner.delivery.receivers.options import COMMON, UrlOption, url_options
from scanner.delivery.receivers.urls import SinkKind
from scanner.delivery.relay.destination import kinds, make_destinations
from scanner.delivery.relay.trial import try_sink
from scanner.importers import ImportedBanner
from scanner.record import encode
from scanner.settings import Settings
from scanner.sweeps.record_builder import RecordBuilder

_DIRECT = {
    "-": "standard output",
    "PATH, file:///PATH": "JSON Lines; .gz and .zst are compressed; --rotate-size, --append, --overwrite",
}

#: An address for documentation (RFC 5737): nobody takes the record for one of a real host.
_IP = "192.0.2.25"
_GREETING = b"220 smtpsweep-test.example ESMTP Sendmail 8.14.7/8.13.8; Sun, 22 Nov 2026 10:16:56 GMT\r\n"


@click.group(invoke_without_command=True)
@click.pass_context
def sinks(ctx: click.Context) -> int:
    """List every kind of sink with its options and secrets, or test one."""
    if ctx.invoked_subcommand is None:
        click.echo(listing())
    return 0


@sinks.command("test", short_help="Send one made-up record to a sink, and explain the answer.")
@click.argument("url")
@click.option(
    "--timeout", "timeout_s", type=Duration(), default=Seconds(30.0), show_default=True, help="Time limit for the test."
)
@log_level_option
def test_sink(url: str, timeout_s: float, log_level: str) -> int:
    """Send one made-up record to the sink at URL, and explain the answer.

    Exit codes: 0 the sink took the record, 1 it did not, 2 usage or input error.
    """
    logging.configure(log_level)
    destination = make_destinations([url])[0]
    destination.redaction.guard_logs()
    trial = running.run(try_sink(destination, sample_line(), timeout_s))
    if trial.ok:
        click.echo(f"{destination.shown}: {trial.text}")
        return 0
    complain(f"{destination.shown}: {trial.text}")
    return 1


def sample_line() -> bytes:
    """Return a record of a server that does not exist, as a sweep would write it, without its line end."""
    banner = ImportedBanner(_GREETING, _IP, 25, time.time())
    return encode(RecordBuilder(str(uuid.uuid4()), Settings()).imported(banner, 0)).rstrip(b"\n")


def listing(on_broken: Callable[[str], None] = complain) -> str:
    """Describe every kind of sink for people; `on_broken` is told of those that cannot be loaded."""
    parts = [f"{name}\n    {text}" for name, text in _DIRECT.items()]
    parts += [_described(scheme, kind) for scheme, kind in kinds(on_broken).items()]
    parts.append("Options of every URL:\n" + "\n".join(map(_option, COMMON)))
    return "\n\n".join(parts)


def _described(scheme: str, kind: SinkKind[Any]) -> str:
    lines = [
        f"{scheme}://",
        f"    {kind.summary}",
        f"    example: {kind.example}",
        f"    formats: {', '.join(kind.formats)}",
    ]
    lines += (_option(option) for option in url_options(kind.options) if option not in COMMON)
    lines += [
        f"    {name}_env, {name}_file: where the secret is (environment variable, or file)" for name in kind.secrets
    ]
    return "\n".join(lines)


def _option(option: UrlOption) -> str:
    default = f" (default: {option.default})" if option.default else ""
    return f"    {option.name}: {option.help}{default}"
