#!/usr/bin/env python3
"""Write the parts of the documentation that come from the program, so that they cannot go stale.

`python docs/generate.py` rewrites docs/options.md and docs/man from the commands as click knows them, docs/coverage.md
from the facts about vulnerabilities, the look at a host in README.md and the records in docs/record-schema.md from two
greetings, through parser, identification and encoder. A test fails while one of them says something else. `--terminal`
also draws docs/terminal.svg again, from the real output of `smtpsweep demo`, which takes a quarter of a minute. Times
differ from run to run, so no test compares the picture.

Left out: the tables and the plot of docs/performance.md, which `make bench` writes.
"""

import io
import os
import re
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from docs.man_pages import write_man_pages
from scanner.assess import shipped_facts
from scanner.cli import signals
from scanner.cli.codes import ALL_LOCAL, INCOMPLETE, USAGE_ERROR
from scanner.cli.commands import UNGROUPED, option_groups
from scanner.cli.description import describe
from scanner.cli.entry import smtpsweep
from scanner.cli.values import Duration, Shard
from scanner.lab import personality
from scanner.model import Attempt, Record, Target
from scanner.record import encode
from scanner.settings import Settings
from scanner.sweeps.record_builder import RecordBuilder

DOCS = Path(__file__).parent
OPTIONS = DOCS / "options.md"
COVERAGE = DOCS / "coverage.md"
MAN = DOCS / "man"
TERMINAL = DOCS / "terminal.svg"
README = DOCS.parent / "README.md"
RECORD_PAGE = DOCS / "record-schema.md"

#: Columns of the picture.
_WIDTH = 100
#: Wraps prose between words only, so that options and paths stay whole.
_WRAPPED = textwrap.TextWrapper(120, break_long_words=False, break_on_hyphens=False)
#: A host of the lab as a real sweep saw it, kept so that the pages do not change each time.
_HOST = IPv4Address("127.1.0.249")
_SCAN = "a7beac8b-4691-4f55-ab97-ed7cfecb7a80"
_VISITED_AT = datetime(2026, 11, 23, 17, 39, 38, 627_000, UTC).timestamp()
_TIMES_S = (0.0431, 0.0431, 0.0431)
#: The shorter record: a release without a known flaw.
_CLEAR_GREETING = b"220 mail1.example.com ESMTP Sendmail 8.18.2/8.18.2; Mon, 23 Nov 2026 17:39:38 GMT\r\n"
_CLEAR_HOST = "192.0.2.10"
_LOOK = re.compile(r"(?<=<!-- begin look: make docs -->\n).*?(?=<!-- end look -->)", re.DOTALL)
#: What the README shows of the verdict of `smtpsweep check`.
_LOOK_LINES = ("address", "product", "discloses")
_RECORD = re.compile(r"(?<=<!-- begin record: make docs -->\n).*?(?=<!-- end record -->)", re.DOTALL)
#: A comma before a key: where a line may be broken.
_BEFORE_KEY = re.compile(r',(?="[a-z_]+":)')
#: Keys that begin a line.
_PARTS = ('"banner":', '"software":', '"disclosure":')

#: A default that a help text names itself; it has a column of its own here.
_DEFAULT_NOTE = re.compile(r"\s*\[default: [^]]*\]")
#: rich fetches its font from the network, which pages that show pictures forbid; without it the viewer's own is used.
_FONT_FACE = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)

_HEAD = f"""# Commands and options

`make docs` makes this page from the program. `smtpsweep COMMAND --help` and the [man pages](man), such as
`man smtpsweep-sweep`, have the same content.

Every command ends with one of these exit codes. With 2, 3 and 4 a line on stderr says why. The exit code stays the same
when stderr is closed, full or without a reader. When standard output does not take the results, the exit code is 3.

| exit code | meaning |
|--:|---|
| 0 | done; of a sweep: every planned target has its status, and every record is delivered |
| 1 | `verify`, `policy check`, `diff`, `remedy --mc`, `smoke`, `bench` or `logs` found something, `check` read no greeting, `sinks test` was refused |
| {USAGE_ERROR} | usage or input error; nothing was visited |
| {INCOMPLETE} | incomplete: interrupted, an output failed, or not all could be visited (networks, names); `--state` says how far it got |
| {ALL_LOCAL} | trouble of this machine only: no descriptors, no network |

**Stopping.** Ctrl-C, SIGTERM and SIGHUP are one request each, whichever it is:

| request | `sweep` | every other command |
|--:|---|---|
| first | begins no further visit; visits get `--grace`, then sinks `--drain`; writes summary and state, exit code 3 | is interrupted: exit code 3 (`lab` 0), within {signals.BOUND_S:g} s |
| second | gives everything up at once, writes summary and state, exit code 3 | the same |
| third | ends on the spot, without a summary; so does the process when it has not ended {signals.AT_ONCE_S:g} s after the second | the same |

What still waits after `--grace` and `--drain` together is given up. It was not acknowledged, so the same command with the
same `--state` does it again.
SIGQUIT keeps its meaning, and a signal that was ignored when the command was started stays ignored (`nohup`).
A sweep that is stopped before its sinks are opened (while it reads targets or looks names up) has done nothing: there is no
summary and no state then, only exit code 3. A slow disk can delay the end of a process even after the third request.
A service manager must wait longer than `--grace` and `--drain` together (35 s by default) before it kills:
`docker stop -t 45`, `TimeoutStopSec=45`. Or set shorter bounds.

Durations are seconds (`4`, `0.5`) or carry a unit (`500ms`, `2m`, `1h`).
Sizes are bytes or carry one (`100MB`, `64KiB`).
"""  # noqa: E501  rows of a table

_TAIL = """
## Options from a file

`--config` takes a TOML file with the long options as keys, without the dashes:

```toml
rate = 200
subnet-rate = 20
exclude = ["192.0.2.128/25", "198.51.100.7"]
greeting-timeout = "45s"
output = ["sweep.jsonl"]
```

The command line wins, with one exception: exclusions of both are honoured.
A key that is not an option is an error, so that a misspelt `exclude` is not overlooked.

Without `--config`, `sweep` reads `$XDG_CONFIG_HOME/smtpsweep/config.toml` when it exists
(`~/.config/smtpsweep/config.toml` without that variable), and prints a notice. It is the same file in a cron job or a
service: where HOME is not set, the home folder comes from the system's list of users. The file must belong to you or
root and must not be writable for everybody, or nothing is visited. `--config` names another file instead. `--no-config`
reads none; use it in scripts that must not depend on the user. A file in the working folder is never read, because
anybody who can write there would decide what root visits.

## Completion in the shell

`smtpsweep completion bash` (or `zsh`, `fish`) prints a script that completes commands, options and their values.

```sh
eval "$(smtpsweep completion bash)"                                   # this session; zsh in the same way
smtpsweep completion bash > ~/.local/share/bash-completion/completions/smtpsweep
smtpsweep completion zsh > ~/.zfunc/_smtpsweep                        # with ~/.zfunc in fpath, before compinit
smtpsweep completion fish > ~/.config/fish/completions/smtpsweep.fish
```
"""

_COVERAGE_HEAD = """# What the facts cover

Made from `scanner/assess/data/vulnerabilities.json`, compiled on {compiled}, by `make docs`.
What the answers mean: [what follows from a version](vulnerabilities.md#what-an-empty-list-means).

A product is covered from the release named here, if its flaws were searched for. An earlier release, and every product
that is not listed, is `not_covered`: nothing is claimed about it.
"""
_COVERED_HEAD = """
## Covered

| product | covered since | flaws known | of them exploited | newest release known | newest record |
|---|---|--:|--:|---|---|
"""
_NOT_COVERED_HEAD = """
## Not covered

Known flaws of these products are shown, but the search for them has gaps. An empty list proves nothing.

| product | flaws known | of them exploited | newest record |
|---|--:|--:|---|
"""
_COVERAGE_TAIL = """
Exploited means listed by CISA as known to be exploited (KEV). The newest record is the day of the newest row.
Rows follow upstream's notes where those have more detail than NVD; each row names its sources.
"""


def options_page() -> str:
    """Return docs/options.md as it must be for the commands of today."""
    return _HEAD + "".join(map(_section, _commands())) + _TAIL


def _commands() -> Iterator[click.Context]:
    parent = click.Context(smtpsweep, info_name="smtpsweep", **smtpsweep.context_settings)
    for name in smtpsweep.list_commands(parent):
        command = smtpsweep.get_command(parent, name)
        assert command is not None, name  # noqa: S101  it is listed
        ctx = click.Context(command, info_name=name, parent=parent)
        yield ctx
        if isinstance(command, click.Group):
            for below, each in command.commands.items():
                yield click.Context(each, info_name=below, parent=ctx)


def _section(ctx: click.Context) -> str:
    """Describe one command."""
    usage = " ".join([ctx.command_path, *ctx.command.collect_usage_pieces(ctx)])
    paragraphs = (" ".join(paragraph.split()) for paragraph in (ctx.command.help or "").split("\n\n"))
    text = "\n\n".join(_WRAPPED.fill(paragraph.replace("*", "\\*")) for paragraph in paragraphs)
    groups = {
        heading: [each for each in group if each in ctx.command.params] for heading, group in option_groups(ctx).items()
    }
    tables = [_table(ctx, heading, group) for heading, group in groups.items() if group]
    return f"\n## `{ctx.command_path}`\n\n```text\n{usage}\n```\n\n{text}\n" + "".join(tables)


def _table(ctx: click.Context, heading: str, group: list[click.Option]) -> str:
    head = [] if heading == UNGROUPED else [f"**{heading}**", ""]
    rows = [_row(ctx, option) for option in group]
    return "\n" + "\n".join([*head, "| option | default | meaning |", "|---|---|---|", *rows, ""])


def _row(ctx: click.Context, option: click.Option) -> str:
    kind = "" if option.is_flag else " " + option.make_metavar(ctx).removesuffix(" RANGE")
    limits = option.get_help_extra(ctx).get("range")
    meaning = (
        _DEFAULT_NOTE.sub("", option.help or ""),
        f"`{limits}`." if limits else "",
        "May be repeated." if option.multiple and "repeated" not in (option.help or "") else "",
    )
    default = _default(option, option.get_default(ctx))
    names = ", ".join([*option.opts, *option.secondary_opts])
    cells = (f"`{names}{kind}`", f"`{default}`" if default else "", " ".join(filter(None, meaning)))
    return f"| {' | '.join(map(_cell, cells))} |"


def _default(option: click.Option, value: Any) -> str:
    """Write a default as a user would."""
    if option.secondary_opts:
        return (option.opts if value else option.secondary_opts)[0]
    if option.is_flag or value is None or value == () or not isinstance(value, str | int | float | tuple | Path):
        return ""
    if isinstance(option.type, Shard) and isinstance(value, tuple):
        return f"{value[0] + 1}/{value[1]}"
    if isinstance(option.type, Duration):
        return f"{value:g}s"
    values = value if isinstance(value, tuple) else (value,)
    return ", ".join(f"{each:g}" if isinstance(each, float) else str(each) for each in values)


def _cell(text: str) -> str:
    """Keep what would end a cell of the table from doing so."""
    return text.replace("|", "\\|")


def coverage_page() -> str:
    """Return docs/coverage.md as it must be for the facts of today."""
    document = shipped_facts().document
    covered, not_covered = [], []
    for key, product in sorted(document["products"].items(), key=lambda each: each[1]["name"].casefold()):
        rows = [row for row in document["vulnerabilities"] if row["product"] == key]
        counts = [str(len(rows)), str(sum("kev" in row for row in rows))]
        newest = max((row["as_of"] for row in rows), default="none")
        if "covered_since" not in product:
            not_covered.append([product["name"], *counts, newest])
            continue
        since = product["covered_since"]
        if "flaws_from" in product:
            since += f", flaws published from {product['flaws_from']} on"
        latest = " of ".join(filter(None, (product.get("latest"), product.get("latest_date"))))
        covered.append([product["name"], since, *counts, latest or "not looked up", newest])
    tables = ("".join(f"| {' | '.join(map(_cell, row))} |\n" for row in rows) for rows in (covered, not_covered))
    first, second = tables
    head = _COVERAGE_HEAD.format(compiled=document["compiled"])
    return f"{head}{_COVERED_HEAD}{first}{_NOT_COVERED_HEAD}{second}{_COVERAGE_TAIL}"


def readme() -> str:
    """Return README.md with the look at a host as it must be today."""
    shown = describe(_lab_record())
    look = "".join(f"{name:<12}{shown[name]}\n" for name in _LOOK_LINES)
    return _LOOK.sub(lambda _: f"```text\n{look}```\n", README.read_text(encoding="utf-8"))


def record_page() -> str:
    """Return docs/record-schema.md with its two examples as they must be today."""
    lines = iter((_line(_record(_CLEAR_GREETING, Target(0, _CLEAR_HOST, 25))), example_record()))
    page = RECORD_PAGE.read_text(encoding="utf-8")
    return _RECORD.sub(lambda _: f"```json\n{_folded(next(lines))}\n```\n", page)


def example_record() -> str:
    """Return the line that a sweep writes for one host of the lab."""
    return _line(_lab_record())


def _lab_record() -> Record:
    return _record(personality(int(_HOST)).greeting, Target(0, str(_HOST), 2525))


def _record(greeting: bytes, target: Target) -> Record:
    return RecordBuilder(_SCAN, Settings()).record(Attempt(target, None, greeting, _VISITED_AT, *_TIMES_S))


def _line(record: Record) -> str:
    return encode(record).decode().rstrip()


def _folded(line: str) -> str:
    """Break a record into lines that fit on a page; without the line ends it is the same again."""
    pieces = _BEFORE_KEY.split(line)
    lines = [pieces[0]]
    for piece in pieces[1:]:
        lines[-1] += ","
        if len(lines[-1]) + len(piece) > _WIDTH or piece.startswith(_PARTS):
            lines.append(f" {piece}")
        else:
            lines[-1] += piece
    return "\n".join(lines)


def terminal_picture() -> str:
    """Run the demo and return its output, drawn as a terminal of 100 columns (SVG)."""
    colours = {"FORCE_COLOR": "1", "COLUMNS": str(_WIDTH), "TERM": "xterm-256color"}
    with tempfile.TemporaryDirectory(prefix="smtpsweep-docs-") as folder:
        done = subprocess.run(
            [sys.executable, "-m", "scanner", "demo"],
            cwd=folder,
            env=os.environ | colours | {"PYTHONPATH": str(DOCS.parent)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=True,
        )
    console = Console(record=True, width=_WIDTH, file=io.StringIO(), markup=False, highlight=False)
    console.print(Text("$ make demo", style="bold"))
    console.print(Text.from_ansi(done.stdout))
    # The id makes equal output an equal file, and keeps two pictures on a page apart.
    drawn = console.export_svg(title="smtpsweep", unique_id="smtpsweep-demo")
    return "\n".join(line.rstrip() for line in _FONT_FACE.sub("", drawn).splitlines()) + "\n"


@click.command()
@click.option("--terminal", is_flag=True, help="Run the demo and make docs/terminal.svg again, too.")
def main(*, terminal: bool) -> None:
    """Rewrite the parts of docs/ that come from the program."""
    OPTIONS.write_text(options_page(), encoding="utf-8")
    COVERAGE.write_text(coverage_page(), encoding="utf-8")
    README.write_text(readme(), encoding="utf-8")
    RECORD_PAGE.write_text(record_page(), encoding="utf-8")
    write_man_pages(smtpsweep, MAN)
    if terminal:
        TERMINAL.write_text(terminal_picture(), encoding="utf-8")


if __name__ == "__main__":
    main()
