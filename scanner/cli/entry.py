"""The `smtpsweep` command: its subcommands, and how every error becomes one line and an exit code.

Exit codes: 0 complete; 1 a check found something (only commands that check); 2 usage or input error, nothing was done;
3 incomplete: interrupted, or a sink failed (`--state` holds how far it got); 4 only this machine had trouble.
"""

import errno
import os
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

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

#: Commands; each is a module of this package, imported when used: `smtpsweep schema` does not load the engine.
_COMMANDS = {
    "sweep": "Visit address ranges and write one JSON line for each mail server.",
    "identify": "Identify greetings that were collected earlier, without a network.",
    "check": "Visit one host, and show the dialogue and what it means.",
    "demo": "Sweep a simulated network on loopback and show what was found.",
    "lab": "Run the simulated network of mail servers.",
    "vulns": "Show the known flaws of a mail server release; import newer facts.",
    "convert": "Convert stored records to ECS, OCSF, CEF, LEEF, GELF, CSV or Parquet.",
    "diff": "Show what changed between two stored sweeps.",
    "smoke": "Send one test message, and show whether its headers reveal a version.",
    "remedy": "Write plans, a playbook or corrected configuration that fix findings.",
    "verify": "Visit hosts again, and report whether their findings are fixed.",
    "policy": "Judge stored records by a policy, for pipelines, without a network.",
    "sinks": "List the kinds of sinks; send one test record to a sink.",
    "replay": "Deliver the records of an earlier sweep to sinks that lack them.",
    "logs": "Find our sweep, and other scanners, in a mail server's logs.",
    "schema": "Print the JSON Schema of a record, a summary or a change.",
    "bench": "Measure throughput, recall and memory on the simulated network.",
    "completion": "Print a script for command completion in bash, zsh or fish.",
}


class _Commands(click.Group):
    """Loads a command's module when the command is used."""

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
        """Offer the commands without loading them all; click would load them for their help."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415  only a shell at Tab waits for it

        offered = [CompletionItem(name, help=text) for name, text in _COMMANDS.items() if name.startswith(incomplete)]
        return [*offered, *click.Command.shell_complete(self, ctx, incomplete)]


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(VERSION, "-V", "--version", prog_name="smtpsweep", message="%(prog)s %(version)s")
def smtpsweep() -> None:
    """Find the mail servers in your networks, what software they run, and which version they reveal.

    Only for networks you are responsible for. Sends nothing but QUIT, unless --probe asks for a dialogue.
    """


def main() -> None:
    """Run the command line and exit."""
    _fill_standard_descriptors()
    streams.install()
    signals.install()
    try:
        code = _complete(request) if (request := os.environ.get(COMPLETE)) else run(sys.argv[1:])
    except KeyboardInterrupt:  # between the end of the command and that of the program
        code = INCOMPLETE
    signals.leave(code)


def _complete(request: str) -> int:
    """Answer a shell that asks what may come next."""
    from scanner.cli.completion import answered  # noqa: PLC0415  only a shell at Tab waits for it

    if answered(smtpsweep, request):
        return 0
    complain(f"{COMPLETE} is set, but not by a completion script: unset it")
    return USAGE_ERROR


def run(arguments: list[str]) -> int:
    """Run one command; return its exit code. An error that the user can fix is one line on stderr."""
    code = _run(arguments)
    if (failure := streams.output_failure()) is None:
        return code
    # Whatever the command returned: results are missing, so its exit code would mislead.
    complain(_output_text(failure))
    return INCOMPLETE


def _run(arguments: list[str]) -> int:
    try:
        require_descriptors()
        # What `smtpsweep.main` does, but without its own handling of Ctrl-C and of closed pipes.
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
    """Report what this machine has run out of, or what failed; our caller reports standard output."""
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
        return "stdout: is closed: redirect it, or name an output file"
    return f"stdout: cannot write: {error.strerror or error}"


def _fill_standard_descriptors() -> None:
    """Open 0, 1 and 2 if we were started without them: libuv aborts when a socket gets one of these numbers."""
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(fd)


def _message(error: BaseException) -> str:
    if isinstance(error, click.UsageError):
        command = error.ctx.command_path if error.ctx else "smtpsweep"
        return f"{' '.join(_usage_message(error).split())} (see '{command} --help')"
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
