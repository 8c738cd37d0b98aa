"""The `smtpsweep` command: its sub-commands, and how every error becomes one line and an exit code.

Exit codes: 0 complete; 1 a check found something (commands that check say so); 2 usage or input error, nothing was
done; 3 incomplete: interrupted, or a sink failed (`--state` says where it stands); 4 trouble of this machine only.
"""

import errno
import os
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import click

from scanner.cli import signals, streams
from scanner.cli.codes import ALL_LOCAL, INCOMPLETE, USAGE_ERROR
from scanner.cli.commands import COMPLETE, unknown_name
from scanner.cli.machine import machine_trouble, require_descriptors
from scanner.errors import InputError, LedgerError, LocalError, SinkError, SmtpsweepError
from scanner.version import VERSION

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_EXIT_CODES: Mapping[type[BaseException], int] = {
    click.ClickException: USAGE_ERROR,
    InputError: USAGE_ERROR,
    click.Abort: INCOMPLETE,
    KeyboardInterrupt: INCOMPLETE,
    SinkError: INCOMPLETE,
    LedgerError: INCOMPLETE,
    LocalError: ALL_LOCAL,
}

#: Command -> module. Imported when used: `smtpsweep schema` does not load the engine.
_COMMANDS = {
    "sweep": "Visit address ranges and write one JSON line for each mail server.",
    "identify": "Identify greetings that were collected earlier; no network.",
    "check": "Visit one host and show the dialogue, then the verdict.",
    "demo": "Sweep a simulated network on loopback and show what was found.",
    "lab": "Run the simulated network of mail servers.",
    "vulns": "Show what is known about a release of a mail server; take newer facts in.",
    "convert": "Convert stored records: ECS, OCSF, CEF, LEEF, GELF, CSV, Parquet.",
    "diff": "Show what changed between two stored sweeps.",
    "smoke": "Send one test message and see it arrive, and whether its headers show a version.",
    "remedy": "Write what mends the findings: plans, a playbook, or changed Sendmail configuration.",
    "verify": "Look at hosts afresh: is the finding gone, from every place that showed it?",
    "policy": "Judge stored records by a policy, for pipelines; no network.",
    "sinks": "List the kinds of sinks; send one record through one of them.",
    "replay": "Deliver the records of an earlier sweep to the sinks that lack them.",
    "logs": "Say whose traces are in a mail server's logs: our sweep's, and who else is looking.",
    "schema": "Print the JSON Schema of a record.",
    "bench": "Measure throughput, recall and memory on the simulated network.",
    "completion": "Print a script that lets bash, zsh or fish complete commands and options.",
}


class _Commands(click.Group):
    """Loads a command's module when it is called for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"scanner.cli.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem[str]]":
        """Offer the commands without loading them all, as click would for their help."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415  only a shell at Tab waits for it

        offered = [CompletionItem(name, help=text) for name, text in _COMMANDS.items() if name.startswith(incomplete)]
        return [*offered, *click.Command.shell_complete(self, ctx, incomplete)]


#: What Click calls the values of options, and what they are.
_PLAIN: Final = {"float range": "a number", "integer range": "a whole number"}


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(VERSION, "-V", "--version", prog_name="smtpsweep", message="%(prog)s %(version)s")
def smtpsweep() -> None:
    """Find out which mail servers answer in your networks, what they are and which version they give away.

    For networks you are responsible for. Nothing is sent but QUIT, unless --probe asks for a dialogue.
    """


def main() -> None:
    """Run the command line and exit."""
    _fill_standard_descriptors()
    streams.install()
    signals.install()
    try:
        code = _complete(request) if (request := os.environ.get(COMPLETE)) else run(sys.argv[1:])
    except KeyboardInterrupt:  # in the moment between the end of the command and of the program
        code = INCOMPLETE
    signals.leave(code)


def _complete(request: str) -> int:
    """Answer a shell that asks what may come next."""
    from scanner.cli.completion import answered  # noqa: PLC0415  only a shell at Tab waits for it

    if answered(smtpsweep, request):
        return 0
    complain(f"{COMPLETE} is set, and is not a shell's request: unset it")
    return USAGE_ERROR


def run(arguments: list[str]) -> int:
    """Run one command; return its exit code. Whatever the user can mend is one line on stderr."""
    code = _run(arguments)
    if (failure := streams.output_failure()) is None:
        return code
    # Whatever became of it inside: results are missing, and a reader that left early has found nothing out.
    complain(_output_text(failure))
    return INCOMPLETE


def _run(arguments: list[str]) -> int:
    try:
        require_descriptors()
        # What `smtpsweep.main` does, without its own ways to end on Ctrl-C and on a pipe that nobody reads.
        with smtpsweep.make_context("smtpsweep", list(arguments)) as context:
            result: Any = smtpsweep.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as end:  # --help and --version
        with streams.unheard():
            sys.stdout.flush()
        return end.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return USAGE_ERROR
    except (click.ClickException, click.Abort, KeyboardInterrupt, SmtpsweepError) as error:
        complain(_message(error))
        return _exit_code(error)
    except (
        OSError,
        ImportError,
        MemoryError,
        RuntimeError,
        ExceptionGroup,
    ) as error:  # ours are translated where they happen
        return _unexpected(error)
    return result if isinstance(result, int) else 0


def _unexpected(error: Exception) -> int:
    """Say what this machine has run out of, or what failed; standard output is said by our caller."""
    if (trouble := machine_trouble(error)) is not None:
        complain(trouble)
        return ALL_LOCAL
    if not isinstance(error, OSError):
        raise error
    if error is not streams.output_failure():
        complain(str(error))
    return INCOMPLETE


def complain(message: str) -> None:
    """Write one line to stderr, whatever is in the message."""
    streams.say(f"smtpsweep: {message}")


def _output_text(error: OSError) -> str:
    if error.errno == errno.EPIPE:
        return "stdout: the reader closed the pipe"
    if error.errno == errno.EBADF:
        return "stdout: is closed: redirect it, or name a file"
    return f"stdout: cannot write: {error.strerror or error}"


def _fill_standard_descriptors() -> None:
    """Give 0, 1 and 2 to nobody else when we were started without them: libuv aborts when it gets one of them."""
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(fd)


def _message(error: BaseException) -> str:
    if isinstance(error, click.UsageError):
        command = error.ctx.command_path if error.ctx else "smtpsweep"
        message = " ".join(_usage_message(error).split())
        for words, plain in _PLAIN.items():
            message = message.replace(f"is not a valid {words}.", f"is not {plain}.")
        return f"{message} (see '{command} --help')"
    if isinstance(error, click.ClickException):
        return error.format_message()
    return str(error) if isinstance(error, SmtpsweepError) else "interrupted"


def _usage_message(error: click.UsageError) -> str:
    return (
        unknown_name(error) if isinstance(error, click.NoSuchOption | click.NoSuchCommand) else error.format_message()
    )


def _exit_code(error: BaseException) -> int:
    for kind, code in _EXIT_CODES.items():
        if isinstance(error, kind):
            return code
    return 1
