"""Options in groups with headings, and "did you mean" for commands and options.

Click shows all options of a command as one list. `group` gives the options that it applies a heading, and `Command`
shows them under it, in the order in which the headings first occur. Options without a heading come last. The generated
documentation and the man pages use the same groups.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

#: Set by the scripts of `smtpsweep completion` when Tab is pressed; click prescribes the name.
COMPLETE: Final = "_SMTPSWEEP_COMPLETE"
#: The heading of options without their own: beside options that have one, and alone.
_REST, UNGROUPED = "General", "Options"
#: How alike two names must be, from 0 to 1, and the longest text to compare.
_ALIKE, _LONGEST = 0.7, 60
_HEADINGS: Final[WeakKeyDictionary[click.Parameter, str]] = WeakKeyDictionary()


class Command(click.Command):
    """A command that shows its options in groups."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each group under its heading (called by click)."""
        for heading, options in option_groups(ctx).items():
            records = [record for option in options if (record := option.get_help_record(ctx)) is not None]
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)


def options(*decorators: Decorator) -> Decorator:
    """Apply options in the order in which they are written here."""

    def apply(function: Callable[..., Any]) -> Callable[..., Any]:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return apply


def group(heading: str, *decorators: Decorator) -> Decorator:
    """Apply options to show under this heading, except those that already have one."""

    def apply(function: Callable[..., Any]) -> Callable[..., Any]:
        before = len(_declared(function))
        function = options(*decorators)(function)
        for parameter in _declared(function)[before:]:
            if isinstance(parameter, click.Option):
                _HEADINGS.setdefault(parameter, heading)
        return function

    return apply


def _declared(function: Callable[..., Any]) -> list[click.Parameter]:
    return list(getattr(function, "__click_params__", ()))


def option_groups(ctx: click.Context) -> dict[str, list[click.Option]]:
    """Return the options of a command by heading, `--help` among them."""
    groups: dict[str, list[click.Option]] = {}
    rest: list[click.Option] = []
    for parameter in ctx.command.get_params(ctx):
        if isinstance(parameter, click.Option):
            heading = _HEADINGS.get(parameter)
            (rest if heading is None else groups.setdefault(heading, [])).append(parameter)
    if rest:
        groups[_REST if groups else UNGROUPED] = rest
    return groups


def complete_files(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> "list[CompletionItem[str]]":
    """Let the shell offer files for a value that may also be something else, such as `-` (`shell_complete`)."""
    from click.shell_completion import CompletionItem  # noqa: PLC0415  only a shell at Tab waits for it

    del ctx, parameter
    return [CompletionItem(incomplete, type="file")]


def unknown_name(error: click.NoSuchOption | click.NoSuchCommand) -> str:
    """Return the message for an option or a command that does not exist, with the nearest one that does."""
    command = error.ctx.command if error.ctx is not None else None
    if isinstance(error, click.NoSuchOption):
        known = command.get_params(error.ctx) if command is not None and error.ctx is not None else []
        names = {name.lstrip("-"): name for each in known for name in (*each.opts, *each.secondary_opts)}
        nearest = names.get(maybe_meant(error.option_name.lstrip("-"), names) or "")
        what = f"No such option {error.option_name!r}"
    else:
        listed = command.list_commands(error.ctx) if isinstance(command, click.Group) and error.ctx is not None else []
        nearest = maybe_meant(error.command_name, listed)
        what = f"No such command {error.command_name!r}"
    return f"{what}; did you mean {nearest!r}?" if nearest else f"{what}."


def maybe_meant(name: str, known: Iterable[str]) -> str | None:
    """Return the nearest name, None if there is none.

    Short names may differ at their beginning; for names of products `scanner.text.nearest` does not allow that.
    """
    if len(name) > _LONGEST:
        return None
    from difflib import get_close_matches  # noqa: PLC0415  only a misspelt name waits for it

    by_key = {each.casefold(): each for each in known}
    return next((by_key[key] for key in get_close_matches(name.casefold(), by_key, 1, _ALIKE)), None)
