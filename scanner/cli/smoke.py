"""`smtpsweep smoke`: send one test message, wait for it where it should arrive, and show what its headers reveal."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click
import orjson
from rich.text import Text

from scanner.cli import logging, running, streams
from scanner.cli.commands import Command, group
from scanner.cli.console import Console
from scanner.cli.options import log_level_option
from scanner.cli.values import Count, Duration, Seconds
from scanner.delivery.redaction import Redaction
from scanner.delivery.secrets import others_read, warn_when_open
from scanner.errors import InputError
from scanner.files.clashes import Named, named, refuse_clashes
from scanner.files.names import HEADERS, require_fitting_name
from scanner.files.places import FilePlace, always, never
from scanner.smoke.places import FORMS, SmokePlace, parse_where, place_maker
from scanner.smoke.request import SmokeTest
from scanner.smoke.result import SmokeResult, SmokeState, as_json
from scanner.smoke.sending import Login, StartTls
from scanner.smoke.smoke import smoke_test
from scanner.smoke.steps import SessionStep

_EXIT_CODES = {SmokeState.DELIVERED: 0, SmokeState.FAILED: 1, SmokeState.NOT_ARRIVED: 3}
_FILE = click.Path(dir_okay=False, path_type=Path)
#: Characters of a secret; anything longer is the wrong file.
_MAX_SECRET = 1024


@click.command(cls=Command)
@group(
    "Message",
    click.argument("host"),
    click.option("--from", "sender", required=True, metavar="ADDRESS", help="Sender; a bounce would go there."),
    click.option("--to", "recipient", required=True, metavar="ADDRESS", help="Recipient."),
    click.option("--receive", required=True, metavar="WHERE", help=f"Where to wait for the message: {FORMS}."),
    click.option("-y", "--yes-send-mail", is_flag=True,
                 help="Send the message; without this, only print what would be done."),
)  # fmt: skip
@group(
    "Connection",
    click.option("-p", "--port", type=Count(1, 65535), metavar="PORT", default=25, show_default=True,
                 help="Port to send to."),
    click.option("--starttls", type=click.Choice([each.value for each in StartTls]), default=StartTls.AUTO.value,
                 show_default=True, callback=lambda _ctx, _param, value: StartTls(value),
                 help="auto: use STARTTLS if it is offered. require: fail if it is not. never: do not use it."),
    click.option("--insecure-tls", is_flag=True, help="Accept any certificate from HOST."),
    click.option("--ca-file", type=_FILE, metavar="FILE", help="Verify certificates against these authorities (PEM)."),
    click.option("-x", "--exclude", multiple=True, metavar="TARGET",
                 help="Never connect to this target, in any form that sweep takes; may be repeated."),
    click.option("--ehlo-name", metavar="NAME",
                 help="Name to send in EHLO (default: this machine's name, or its address)."),
    click.option("--source-address", metavar="ADDRESS", help="Connect from this address of this machine."),
    click.option("--timeout", "timeout_s", type=Duration(), default=Seconds(60.0), show_default=True,
                 help="Time limit for sending, and again for arriving."),
)  # fmt: skip
@group(
    "Passwords",
    click.option("--user-env", metavar="NAME", help="Read the user for AUTH from this environment variable."),
    click.option("--password-env", metavar="NAME", help="Read the password for AUTH from this environment variable."),
    click.option("--password-file", type=_FILE, metavar="FILE", help="Read the password for AUTH from this file."),
    click.option("--imap-password-env", metavar="NAME",
                 help="Read the password for --receive imaps from this environment variable."),
    click.option("--imap-password-file", type=_FILE, metavar="FILE",
                 help="Read the password for --receive imaps from this file."),
)  # fmt: skip
@group(
    "Output",
    click.option("--json", "as_json_line", is_flag=True, help="Print the result as one JSON line."),
    click.option(
        "--save-headers", type=_FILE, metavar="FILE", help="Write the headers of the message as they arrived."
    ),
    click.option("--overwrite", is_flag=True, help="Replace the file of --save-headers if it exists."),
    log_level_option,
)
def smoke(
    receive: str, log_level: str, *, as_json_line: bool, yes_send_mail: bool, overwrite: bool, **options: Any
) -> int:
    """Send one test message through HOST and wait until it arrives.

    Prints each step with its time, and the header lines that show a version with their hop. Passwords are read from
    the environment or from files only.

    Exit codes: 0 it arrived, 1 it was not sent (the reply says why), 2 usage or input error, or --yes-send-mail is
    missing, 3 it was accepted but not seen in time, or its headers cannot be saved, 4 only this machine had trouble.
    """
    logging.configure(log_level)
    save_headers: Path | None = options.pop("save_headers")
    files = [options["password_file"], options["imap_password_file"], options["ca_file"]]
    imap_password = _secret("--imap-password", options.pop("imap_password_env"), options.pop("imap_password_file"))
    login = _login(options.pop("user_env"), options.pop("password_env"), options.pop("password_file"))
    redaction = Redaction(*([imap_password] if imap_password is not None else []))
    test = SmokeTest(login=login, redaction=redaction, **options).validated()
    where = parse_where(receive)
    make_place = place_maker(where, test, imap_password)
    headers = None
    if save_headers is not None:
        headers = _headers_place(save_headers, _read(where, files), overwrite=overwrite)
    if not yes_send_mail:
        _print_intention(test, where)
        raise InputError("nothing was sent: add --yes-send-mail to send this one message")
    result = running.run(smoke_test(test, make_place, _ignore if as_json_line else print_step))
    if as_json_line:
        click.echo(orjson.dumps(as_json(result)).decode())
    else:
        print_verdict(result)
    if headers is not None and result.headers is not None:
        headers.write(result.headers)
    return _EXIT_CODES[result.state]


def _login(user_env: str | None, password_env: str | None, password_file: Path | None) -> Login | None:
    user, password = _secret("--user", user_env, None), _secret("--password", password_env, password_file)
    if (user is None) != (password is None):
        raise InputError("AUTH needs a user and a password: give --user-env, and --password-env or --password-file")
    return None if user is None or password is None else Login(user, password)


def _secret(option: str, variable: str | None, file: Path | None) -> str | None:
    """Read a secret. No message shows it."""
    is_open = False
    if variable is not None and file is not None:
        raise InputError(f"{option}-env and {option}-file contradict each other: use one of them")
    if file is not None:
        try:
            with file.open(encoding="utf-8-sig") as stream:
                is_open = others_read(stream.fileno())
                text, source = (
                    stream.read(_MAX_SECRET + 2).removesuffix("\n").removesuffix("\r"),
                    f"{option}-file {file}",
                )
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "is not text"
            raise InputError(f"{option}-file {file}: cannot be read ({why})") from None
    elif variable is not None:
        text, source = os.environ.get(variable, ""), f"{option}-env {variable}"
    else:
        return None
    if not text or len(text) > _MAX_SECRET or not text.isprintable():
        raise InputError(f"{source}: must hold one line of 1 to {_MAX_SECRET:,} printable characters")
    warn_when_open(source, is_open=is_open)
    return text


def _console() -> Console:
    return Console(markup=False, highlight=False, emoji=False, soft_wrap=True)


def _print_intention(test: SmokeTest, where: SmokePlace) -> None:
    tls = f"{test.starttls}{', any certificate' if test.insecure_tls else ''}"
    lines = {
        "would send": f"one message from {test.sender} to {test.recipient}",
        "through": f"{test.host} port {test.port} (STARTTLS: {tls}; AUTH: {'yes' if test.login else 'no'})",
        "subject": f"smtpsweep smoke test {test.token}",
        "would wait": f"at most {test.timeout_s:g} s at {where}",
    }
    for name, value in lines.items():
        _console().print(Text.assemble((f"{name:<12}", "bold"), ascii(value)[1:-1]))


def _ignore(step: SessionStep) -> None:
    del step


def print_step(step: SessionStep) -> None:
    """Print one step: its time, its name and its result."""
    mark = "" if step.ok else "FAILED  "
    line = f"{step.took_s:8.3f} s  {step.name:<12} {mark}{step.detail or ''}"
    with streams.unheard():  # a message may be on its way: wait for it even if nobody reads this
        _console().print(Text(line.rstrip(), style="" if step.ok else "red"))


def print_verdict(result: SmokeResult) -> None:
    """Print the result, and which header lines name software."""
    console = _console()
    console.print()
    for name, value in verdict(result):
        console.print(Text.assemble((f"{name:<12}", "bold"), value))


def verdict(result: SmokeResult) -> list[tuple[str, str]]:
    """Describe a result for people, in lines of name and value."""
    lines = [("result", result.state.value.replace("_", " "))]
    if result.arrived_s is not None:
        lines.append(("arrived", f"{result.arrived_s:.2f} s after it was accepted"))
    if result.queue_id is not None:
        lines.append(("queue id", result.queue_id))
    if result.headers is None:
        return lines
    count = len(result.versions)
    if count:
        lines.append(("headers", f"{count} {'line shows' if count == 1 else 'lines show'} a version"))
    else:
        lines.append(("headers", "no version" if result.shows_version is False else "a number that may be a version"))
    for leak in result.leaks:
        who = "" if leak.hop is None else f"hop {leak.hop}, by {leak.by}: "
        named = " ".join(filter(None, (leak.product or "an unnamed product", leak.version)))
        named += "" if leak.is_sure else " (may be a version)"
        lines.append((f"  line {leak.number}", f"{who}{named}"))
        lines.append(("", leak.text))
    return lines


def _headers_place(path: Path, files: Sequence[Named], *, overwrite: bool) -> FilePlace:
    """Refuse a file that exists, and one that is read or delivered to, before anything is sent."""
    label = f"--save-headers {path}"
    require_fitting_name(label, path, HEADERS)
    refuse_clashes([Named("--save-headers", path)], files)
    return FilePlace(path, label=label, may_replace=always if overwrite else never)


def _read(where: SmokePlace, files: Iterable[Path | None]) -> list[Named]:
    mailbox = [] if where.path is None else [Named("--receive", where.path, is_folder=where.kind == "maildir")]
    return [*mailbox, *named("the secret or certificate in", *files)]
