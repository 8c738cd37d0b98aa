r"""Write Markdown in which a server's text cannot act as markup.

A server's text appears in two forms only. In a line or a table it is a code span without backticks and pipes
(written `\x60` and `\x7c`, as records write other bytes), so no renderer can end the span or the cell early. In a
transcript it is a line of a fenced block whose fence is longer than any run of backticks inside, behind the mark
`S: `, so that it never begins a line: there it could also be a command to a CI system that shows the file. In
both forms everything but printable ASCII is escaped once more, whatever the record holds, and the openings of template
languages (two braces, brace and percent sign), which site generators would run before they read the Markdown.

Left out: a server's text in prose, headings and links. It is never put there.

Sources: CommonMark 0.31, sections 4.5 and 6.1; GitHub Flavored Markdown, 4.10 (a pipe ends a cell even in a code
span).
"""

import re
from collections.abc import Iterable
from typing import Final

#: A code span in a table is cut here; the transcript has the whole text.
SPAN_LENGTH: Final = 160

_NOT_PRINTABLE = re.compile(r"[^ -~]")
_TEMPLATE_OPENING = re.compile(r"\{(?=[{%#])")
_BACKTICKS = re.compile(r"`+")
_NOT_IN_ANCHOR = re.compile(r"[^a-z0-9 -]")


def neutral(text: str) -> str:
    """Return the text as printable ASCII that no template language takes for its own."""
    ascii_text = _NOT_PRINTABLE.sub(_escaped, text)
    return _TEMPLATE_OPENING.sub(r"\\x7b", ascii_text)


def _escaped(match: re.Match[str]) -> str:
    ordinal = ord(match[0])
    return f"\\x{ordinal:02x}" if ordinal < 0x100 else f"\\u{{{ordinal:x}}}"


def code(text: str | None) -> str:
    """Return a server's text as a code span for a line or a table cell; a dash when there is none."""
    if not text or not text.strip():
        return "-"
    safe = neutral(text).replace("`", r"\x60").replace("|", r"\x7c")
    return f"`{safe if len(safe) <= SPAN_LENGTH else f'{safe[:SPAN_LENGTH]}...'}`"


def transcript(lines: Iterable[str]) -> str:
    """Return a fenced block with what a server said, one reply line each."""
    return fenced("\n".join(f"S: {neutral(line)}" for line in lines))


def fenced(text: str, info: str = "text") -> str:
    """Return a fenced block, its fence longer than any run of backticks in the text; the text is taken as it is."""
    longest = max((len(run) for run in _BACKTICKS.findall(text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{info}\n{text.rstrip(chr(10))}\n{fence}\n"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table; the cells are Markdown already (`code` for a server's text)."""
    names = list(head)
    lines = [row(names), row(["---"] * len(names)), *map(row, rows)]
    return "".join(lines)


def row(cells: Iterable[str]) -> str:
    """Return one line of a table."""
    return f"| {' | '.join(cells)} |\n"


def bullets(items: Iterable[str]) -> str:
    """Return a list; each item is Markdown of one line."""
    return "".join(f"- {item}\n" for item in items)


def anchor(heading: str) -> str:
    """Return the anchor that GitHub and most site generators give a heading of ours."""
    return _NOT_IN_ANCHOR.sub("", heading.lower()).replace(" ", "-")
