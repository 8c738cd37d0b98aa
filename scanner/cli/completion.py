"""`smtpsweep completion SHELL`: the script that lets bash, zsh or fish complete commands, options and values.

At each Tab the script asks the program itself: it starts `smtpsweep` with `_SMTPSWEEP_COMPLETE` and the words so far in
the environment, and `answered` prints what could come next. Click does both, but starts it from `Command.main`, which
this program does not use (see `scanner.cli.entry`).
"""

import os
from typing import Final

import click
from click.shell_completion import ShellComplete, get_completion_class

from scanner.cli.commands import COMPLETE

PROGRAM: Final = "smtpsweep"
SHELLS: Final = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", metavar="SHELL", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print a script that completes commands, options and values in SHELL: bash, zsh or fish.

    For this session: eval "$(smtpsweep completion bash)", the same with zsh, or smtpsweep completion fish | source.

    To keep it, save it as ~/.local/share/bash-completion/completions/smtpsweep for bash,
    ~/.config/fish/completions/smtpsweep.fish for fish, or _smtpsweep in a folder of fpath for zsh.
    """
    click.echo(script(shell), nl=False)


def script(shell: str) -> str:
    """Return the script of a shell, one of `SHELLS`."""
    kind = get_completion_class(shell)
    assert kind is not None, shell  # noqa: S101  click has these three
    # Not the method of the class itself: for bash, that one starts bash to look at its version.
    return ShellComplete.source(kind(click.Command(PROGRAM), {}, PROGRAM, COMPLETE))


def answered(command: click.Command, instruction: str) -> bool:
    """Print what may come next; `instruction` is `bash_complete` or the like.

    Returns False, and prints nothing, if the request is not from such a script.
    """
    shell, _, what = instruction.partition("_")
    kind = get_completion_class(shell) if shell in SHELLS and what == "complete" else None
    if kind is None or not {"COMP_WORDS", "COMP_CWORD"} <= os.environ.keys():
        return False
    try:
        text = kind(command, {}, PROGRAM, COMPLETE).complete()
    except (ValueError, IndexError):  # COMP_CWORD that is not a number, or beyond the words
        return False
    click.echo(text)
    return True
