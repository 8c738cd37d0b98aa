"""Pages for man, from the commands as click knows them: one for the program and one for each command.

`docs/generate.py` writes them to docs/man, and a test fails while one of them says something else than `--help`. The
wheel installs them into share/man. They are in the simple language of man(7), which every renderer knows. There is no
date in them, so that the same program always makes the same pages.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import click

from scanner.cli.commands import option_groups
from scanner.version import VERSION

_NAME = "smtpsweep"
#: What a dot or an apostrophe at the start of a line, and a backslash or a hyphen anywhere, would mean to man.
_ESCAPES = str.maketrans(
    {"\\": r"\e", '"': r"\(dq", "-": r"\-", "'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti"}
)
_EXIT_CODES = (
    ("0", "Done; of a sweep: every planned target has its status, and every record is delivered."),
    ("1", "A command that checks found something."),
    ("2", "Usage or input error; nothing was visited."),
    ("3", "Incomplete: interrupted, an output failed, or not all could be visited."),
    ("4", "Trouble of this machine only: no descriptors, no network."),
)
_FILES = (
    ("$XDG_CONFIG_HOME/smtpsweep/config.toml", "Options of sweep, when --config names no other file."),
    ("$XDG_DATA_HOME/smtpsweep/vulnerabilities.json", "Newer facts about vulnerabilities, from vulns --update."),
)


def man_pages(program: click.Group) -> dict[str, str]:
    """Return the pages by file name."""
    top = click.Context(program, info_name=_NAME, **program.context_settings)
    commands = list(_commands(program, top))
    pages = {f"{_page_name(ctx)}.1": _command_page(ctx) for ctx in commands}
    return {f"{_NAME}.1": _main_page(top, commands), **pages}


def write_man_pages(program: click.Group, folder: Path) -> None:
    """Write the pages, and remove those of commands that are gone."""
    pages = man_pages(program)
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.1"):
        if old.name not in pages:
            old.unlink()
    for name, text in pages.items():
        (folder / name).write_text(text, encoding="utf-8")


def _commands(group: click.Group, above: click.Context) -> Iterator[click.Context]:
    for name in group.list_commands(above):
        command = group.get_command(above, name)
        assert command is not None, name  # noqa: S101  it is listed
        ctx = click.Context(command, info_name=name, parent=above)
        yield ctx
        if isinstance(command, click.Group):
            yield from _commands(command, ctx)


def _main_page(top: click.Context, commands: list[click.Context]) -> str:
    listed = [(_page_name(ctx), _first_sentence(ctx)) for ctx in commands]
    return "".join(
        [
            _head(_NAME, "which mail servers answer, what they are, and which version they give away"),
            _synopsis(top),
            ".SH DESCRIPTION\n",
            _paragraphs(top.command.help or ""),
            ".SH COMMANDS\nEach has a page of its own.\n",
            *(f".TP\n.BR {_text(name)} (1)\n{_text(what)}\n" for name, what in listed),
            _options(top),
            _listed("EXIT STATUS", _EXIT_CODES),
            _listed("FILES", _FILES),
        ]
    )


def _command_page(ctx: click.Context) -> str:
    return "".join(
        [
            _head(_page_name(ctx), _first_sentence(ctx).removesuffix(".").removesuffix(":")),
            _synopsis(ctx),
            ".SH DESCRIPTION\n",
            _paragraphs(ctx.command.help or ""),
            _options(ctx),
            f".SH SEE ALSO\n.BR {_NAME} (1)\n",
        ]
    )


def _head(name: str, what: str) -> str:
    title = name.upper().replace("-", r"\-")
    head = f'.TH "{title}" 1 "" "{_NAME} {VERSION}" "User Commands"\n.nh\n.ad l\n'
    return f"{head}.SH NAME\n{_text(name)} \\- {_text(what)}\n"


def _synopsis(ctx: click.Context) -> str:
    pieces = " ".join(ctx.command.collect_usage_pieces(ctx))
    return f".SH SYNOPSIS\n{_bold(ctx.command_path)}\n{_text(pieces)}\n"


def _options(ctx: click.Context) -> str:
    groups = option_groups(ctx)
    parts = [".SH OPTIONS\n"]
    for heading, group in groups.items():
        parts += [f".SS {_text(heading)}\n"] if len(groups) > 1 else []
        for option in group:
            record = option.get_help_record(ctx)
            if record is not None:
                parts.append(f".TP\n{_bold(record[0])}\n{_text(record[1]) or '.br'}\n")
    return "".join(parts)


def _listed(heading: str, rows: tuple[tuple[str, str], ...]) -> str:
    return f".SH {heading}\n" + "".join(f".TP\n{_bold(name)}\n{_text(what)}\n" for name, what in rows)


def _paragraphs(text: str) -> str:
    return ".PP\n".join(f"{_text(paragraph)}\n" for paragraph in text.split("\n\n"))


def _first_sentence(ctx: click.Context) -> str:
    return re.split(r"(?<=[.?!])\s|\n\n", " ".join((ctx.command.help or "").split("\n\n")[0].split()))[0]


def _page_name(ctx: click.Context) -> str:
    return ctx.command_path.replace(" ", "-")


def _bold(text: str) -> str:
    return rf"\fB{_text(text)}\fR"


def _text(text: str) -> str:
    """Return a text as man reads it: one line, with nothing in it that is a request."""
    line = " ".join(text.split()).translate(_ESCAPES)
    return rf"\&{line}" if line.startswith(".") else line
