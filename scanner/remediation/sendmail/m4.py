"""Find the macro calls in an `.mc` file, as m4 finds them: quotes, comments, `dnl` and nested arguments included.

An `.mc` file is a program, not a list of settings: `define` can span lines with `dnl` inside its arguments (Debian's
own file has one), quoted text is not looked at, and `#` starts a comment only until cf.m4 has been included, which
switches comments off. So this is a scanner for m4's lexical rules and no evaluator: it knows where each call begins
and ends and what its arguments are, one level of quotes taken off.

The bodies of `ifdef` and `ifelse` are scanned too, and their calls are marked conditional: which branch is taken is
not worked out. Time is linear in the text for each level of such nesting, and levels are bounded.

Left out: macros that a site defines itself to call `define`, and other quotes (`changequote`): scanning ends there.

Sources: the manual of GNU m4, chapters "Lexical and syntactic conventions" and "How to invoke macros"; cfhead.m4 of
Sendmail 8.17 (`changecom()`), and m4 itself, asked.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

#: Calls that change settings or the place where text goes. Other names are text like any other.
_SETTERS = ("define", "undefine", "pushdef", "popdef")
_CONDITIONS = ("ifdef", "ifelse")
_FILES = ("include", "sinclude", "OSTYPE", "DOMAIN", "FEATURE", "HACK", "VERSIONID")
#: What begins the parts of the `.cf` file that come after its options; text there is copied to those parts.
LATE_PARTS = frozenset(
    {"MAILER", "MAILER_DEFINITIONS", "LOCAL_RULE_0", "LOCAL_RULE_1", "LOCAL_RULE_2", "LOCAL_RULE_3", "LOCAL_RULESETS",
     "LOCAL_NET_CONFIG"}
)  # fmt: skip
#: ... and before them.
EARLY_PARTS = frozenset({"LOCAL_CONFIG", "LOCAL_USER"})
_WITH_ARGUMENTS = frozenset({*_SETTERS, *_CONDITIONS, *_FILES, "changequote", "changecom", "MAILER"})
_BARE = LATE_PARTS | EARLY_PARTS
_MAX_DEPTH = 6

_TOKEN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[`#]")
_ARGUMENT_TOKEN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[`#(),]")
_QUOTE = re.compile(r"[`']")
_SPACE = re.compile(r"[ \t\n\r\f\v]*")
_CF_M4 = re.compile(r"\bs?include\([^()\n]{0,500}\bcf\.m4'?\)")


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument: `value` without its outer quotes and `dnl`; `quoted` when all of it was in m4's quotes."""

    start: int
    end: int
    value: str
    quoted: bool


@dataclass(frozen=True, slots=True)
class Call:
    """One call, from the first character of its name up to `end`."""

    name: str
    start: int
    end: int
    arguments: tuple[Argument, ...] = ()
    conditional: bool = False

    def value(self, index: int) -> str:
        """Return an argument's value; m4 takes a missing one for empty."""
        return self.arguments[index].value if index < len(self.arguments) else ""


@dataclass(frozen=True, slots=True)
class RawLine:
    """A line of `.cf` text that is copied as it is, from the first character of a line up to `end`."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Comment:
    """A line that is a comment from its first character, `dnl`, on."""

    start: int


class Unfinished(Exception):  # noqa: N818  it ends the scan and is a finding, not an error of the caller
    """The text ends, or stops being understood, inside what begins at `start`."""

    def __init__(self, start: int, what: str) -> None:
        super().__init__(start, what)
        self.start = start
        self.what = what


def scan(text: str) -> Iterator[Call | RawLine | Comment]:
    """Yield calls, comment lines and lines of `.cf` text in their order.

    Raises:
        Unfinished: after the last of them, when m4 would not read the text to its end, or we cannot.
    """
    included = _CF_M4.search(text)
    # Upstream's files do not include cf.m4: m4 is given it before them, and comments are off from the start.
    yield from _scan(text, 0, len(text), included.start() if included else 0, 0)


def _scan(text: str, at: int, end: int, comments_end: int, depth: int) -> Iterator[Call | RawLine | Comment]:
    while (token := _TOKEN.search(text, at, end)) is not None:
        word, at = token[0], token.end()
        if word == "`":
            at = _quote_end(text, token.start(), end)
        elif word == "#":
            at = _line_end(text, at, end) if token.start() < comments_end else at
        elif word == "dnl":
            if depth == 0 and _is_line_start(text, token.start()):
                yield Comment(token.start())
            at = min(_line_end(text, at, end) + 1, end)
        elif word in _WITH_ARGUMENTS and text.startswith("(", at, end):
            call = _call(text, token.start(), at, end, comments_end, conditional=depth > 0)
            yield call
            if word == "changequote" and any(argument.value for argument in call.arguments):
                raise Unfinished(call.start, "changequote")
            if word in _CONDITIONS and depth < _MAX_DEPTH:
                yield from _branches(text, call, comments_end, depth)
            at = call.end
        elif word in _BARE:
            yield Call(word, token.start(), at, conditional=depth > 0)
        elif depth == 0 and _is_line_start(text, token.start()) and _is_cf_text(text, word, at):
            line_end = _line_end(text, at, end)
            yield RawLine(token.start(), line_end, text[token.start() : line_end])


def _branches(text: str, call: Call, comments_end: int, depth: int) -> Iterator[Call | RawLine | Comment]:
    for argument in call.arguments[1:]:
        start, end = argument.start, argument.end
        if argument.quoted and _quote_end(text, start, end) == end:
            start, end = start + 1, end - 1
        yield from _scan(text, start, end, comments_end, depth + 1)


def _call(text: str, start: int, at: int, end: int, comments_end: int, *, conditional: bool) -> Call:
    """Read the arguments of a call whose "(" is at `at`."""
    arguments = []
    while True:
        argument, at = _argument(text, start, at + 1, end, comments_end)
        arguments.append(argument)
        if text[at] == ")":
            return Call(text[start : text.index("(", start)], start, at + 1, tuple(arguments), conditional)


def _argument(text: str, call_start: int, at: int, end: int, comments_end: int) -> tuple[Argument, int]:
    """Return one argument and where it ended: at its comma or closing parenthesis."""
    space = _SPACE.match(text, at, end)
    at = start = space.end() if space else at
    pieces: list[str] = []
    depth, kept, bare = 0, at, False
    while (token := _ARGUMENT_TOKEN.search(text, at, end)) is not None:
        word, at = token[0], token.end()
        if word in ("`", "dnl") or (word == "#" and token.start() < comments_end):
            pieces.append(text[kept : token.start()])
            bare = bare or bool(pieces[-1].strip())
        if word == "`":
            at = kept = _quote_end(text, token.start(), end)
            pieces.append(text[token.end() : at - 1])
        elif word == "dnl":
            at = kept = min(_line_end(text, at, end) + 1, end)
            if not any(pieces):  # m4 takes white space off the front of what is left
                space = _SPACE.match(text, at, end)
                at = start = kept = space.end() if space else at
        elif word == "#" and token.start() < comments_end:
            at = kept = _line_end(text, at, end)
        elif word == "(":
            depth += 1
        elif word in ",)" and depth == 0:
            pieces.append(text[kept : token.start()])
            bare = bare or bool(pieces[-1].strip())
            return Argument(start, token.start(), "".join(pieces), not bare), token.start()
        elif word == ")":
            depth -= 1
    raise Unfinished(call_start, "parenthesis")


def _quote_end(text: str, start: int, end: int) -> int:
    """Return the place after the quote that closes the one at `start`; quotes nest."""
    depth = 0
    for quote in _QUOTE.finditer(text, start, end):
        depth += 1 if quote[0] == "`" else -1
        if depth == 0:
            return quote.end()
    raise Unfinished(start, "quote")


def _line_end(text: str, at: int, end: int) -> int:
    found = text.find("\n", at, end)
    return end if found < 0 else found


def _is_line_start(text: str, at: int) -> bool:
    return at == 0 or text[at - 1] == "\n"


def _is_cf_text(text: str, word: str, at: int) -> bool:
    """Whether a line is an option (O), a header (H), or a setter that m4 does not see: a space before its "("."""
    if word in _SETTERS:
        return re.compile(r"[ \t]+\(").match(text, at) is not None
    return word[0] == "O" or (word[0] == "H" and text[at : at + 1] in "?:")
