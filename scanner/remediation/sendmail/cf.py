"""Read a `.cf` file: the options that count, the Received: header, and lines that keep Sendmail from starting.

A line that begins with a space or a tab goes on with the line before it, comments included. The first character says
what a line is. Of two lines that set an option the last wins; an option that no line sets has its built-in value,
which is worse than the one that m4 writes.

The line that a common note on this finding puts here (a `define` for m4) is unknown to Sendmail: it exits with 70 and
does not start again. So is every other line of an `.mc` file, except two that are silently taken for something else.

Left out: rule sets and mailers, and configuration levels below 8, which read lines otherwise.

Sources: readcf.c and op.me chapter 5 of Sendmail 8.17; Sendmail itself, asked with each first character.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from scanner.remediation.sendmail import facts, values
from scanner.remediation.sendmail.lines import Lines
from scanner.remediation.sendmail.options import OPTIONS, mended_option, option_of, option_problems
from scanner.remediation.sendmail.values import ConfigFinding, ConfigSeverity, Edit, HelpFile, Problem

_FIRST_CHARACTERS: Final = frozenset("#RSDHCTFPVKMOEQX")
_M4_LINE: Final = re.compile(
    r"dnl\b|(?:define|undefine|pushdef|popdef|divert|include|sinclude|ifdef|ifelse|changequote|FEATURE|OSTYPE|DOMAIN|"
    r"MAILER|HACK|VERSIONID|DAEMON_OPTIONS|INPUT_MAIL_FILTER|MASQUERADE_AS)[ \t]*\(|"
    r"(?:MAILER_DEFINITIONS|LOCAL_(?:CONFIG|RULE_[0-3]|RULESETS|NET_CONFIG|USER))\s*$"
)
_TAKEN_OTHERWISE: Final = re.compile(r"OSTYPE|DOMAIN")
_RECEIVED: Final = re.compile(r"H(?:\?[^?\n]*\?)?Received[ \t]*:", re.IGNORECASE)
_MAX_M4_LINES: Final = 10


@dataclass(frozen=True, slots=True)
class _Logical:
    """A line and those that go on with it: the characters from `start` up to `end`, the last line end left out."""

    start: int
    end: int
    text: str


def read_cf(text: str, help_file: HelpFile | None = None, *, is_submit: bool = False) -> list[ConfigFinding]:
    """Return what is found in a `.cf` file; a submit.cf greets nobody, so its options are not looked at."""
    return list(_CfFindings(text, help_file, is_submit=is_submit).all())


class _CfFindings:
    def __init__(self, text: str, help_file: HelpFile | None, *, is_submit: bool) -> None:
        self.lines = Lines(text)
        self.help_file = help_file
        self.is_submit = is_submit
        self.last: dict[str, _Logical] = {}
        self.commented: dict[str, _Logical] = {}
        self.insert_at: int | None = None

    def all(self) -> Iterator[ConfigFinding]:
        for logical in self._logical():
            first = logical.text.partition("\n")[0].rstrip("\r")
            if _M4_LINE.match(first):
                yield self._m4_line(logical, first)
            elif first.startswith("O"):
                yield from self._option(logical)
            elif first.startswith("#"):
                self._comment(logical, first)
            elif _RECEIVED.match(first):
                yield from self._received(logical)
            elif first.startswith("DZ"):
                yield self._at(logical, _CONFIGURATION_VERSION, "nothing, once neither greeting nor header shows $Z")
            elif logical.text.strip() and first[:1] not in _FIRST_CHARACTERS:
                yield self._at(logical, _UNKNOWN, "remove the line, or begin it with #")
        if not self.is_submit:
            for name in OPTIONS:
                yield from self._result(name)

    def _logical(self) -> Iterator[_Logical]:
        text, at = self.lines.text, 0
        while at < len(text):
            end = self.lines.next(at)
            while text.startswith((" ", "\t"), end):
                end = self.lines.next(end)
            yield _Logical(at, end, text[at:end].rstrip("\r\n"))
            at = end

    def _m4_line(self, logical: _Logical, first: str) -> ConfigFinding:
        start, lines = logical.start, self.lines
        end, opened = lines.next(start), first.count("(") - first.count(")")
        for _ in range(_MAX_M4_LINES):  # the rest of one call; other lines that go on belong to the line above
            if opened <= 0 or not lines.text.startswith((" ", "\t"), end):
                break
            opened += lines.line(end).count("(") - lines.line(end).count(")")
            end = lines.next(end)
        problem = _M4_TAKEN_OTHERWISE if _TAKEN_OTHERWISE.match(first) else _M4_IN_CF
        todo = f"remove the line; in a .cf file the greeting is: {mended_option(facts.GREETING_OPTION)}"
        return self._at(logical, problem, todo, (Edit(start, end, ""),))

    def _option(self, logical: _Logical) -> Iterator[ConfigFinding]:
        option = option_of(logical.text)
        if option is None or self.is_submit:
            return
        if option.wrong is not None:
            edits = (Edit(logical.start, logical.end, ""),)
            yield self._at(logical, option.wrong, "remove the line, or write the option as it is called", edits)
            return
        self.insert_at = logical.end
        if option.name is not None:
            self.last[option.name] = logical

    def _comment(self, logical: _Logical, first: str) -> None:
        option = option_of(first.lstrip("#").lstrip())
        if option is not None and option.name is not None and first.lstrip("#").lstrip().startswith("O "):
            self.commented[option.name] = logical

    def _result(self, name: str) -> Iterator[ConfigFinding]:
        """Yield what is wrong with the option line that counts, or that there is no such line."""
        logical = self.last.get(name)
        if logical is None:
            yield self._absent(name)
            return
        option = option_of(logical.text)
        new = mended_option(name, option.value if option is not None else "")
        for problem in option_problems(logical.text, self.help_file):
            end = logical.start + len(logical.text)
            edits = (Edit(logical.start, end, new),) if logical.text != new and problem.id != "help-unseen" else ()
            yield self._at(logical, problem, f"write {new}" if edits else _HELP_TODO, edits)

    def _absent(self, name: str) -> ConfigFinding:
        problem, new = _ABSENT[name], mended_option(name)
        if (comment := self.commented.get(name)) is not None:
            edit = Edit(comment.start, comment.start + len(comment.text), new)
            return self._at(comment, problem, f"write {new}", (edit,))
        at = len(self.lines.text) if self.insert_at is None else self.insert_at
        edits = (self.lines.inserted(at, new),)
        return ConfigFinding(problem.id, problem.severity, None, "", problem.why, f"add {new}", edits)

    def _received(self, logical: _Logical) -> Iterator[ConfigFinding]:
        if (problem := values.received_problem(logical.text)) is None:
            return
        new = values.without_version(logical.text)
        # The line of the macro, not the first one of the header.
        found = values.VERSION_MACRO.search(logical.text)
        at = logical.start + (found.start() if found else 0)
        edits = (Edit(logical.start, logical.start + len(logical.text), new),) if new != logical.text else ()
        todo = "take the macros and their parentheses out" if edits else "take the words out by hand"
        number, line = self.lines.number(at), self.lines.line(at)
        yield ConfigFinding(problem.id, problem.severity, number, line, problem.why, todo, edits)

    def _at(self, logical: _Logical, problem: Problem, todo: str, edits: tuple[Edit, ...] = ()) -> ConfigFinding:
        number, line = self.lines.number(logical.start), self.lines.line(logical.start)
        return ConfigFinding(problem.id, problem.severity, number, line, problem.why, todo, edits)


_M4_IN_CF = Problem(
    "m4-in-cf",
    ConfigSeverity.ERROR,
    "a .cf file is not read by m4: this is an unknown configuration line, Sendmail exits with 70 and does not start "
    "again, and a running one ends at its next SIGHUP",
)
_M4_TAKEN_OTHERWISE = Problem(
    "m4-in-cf",
    ConfigSeverity.WARNING,
    "a .cf file is not read by m4: Sendmail takes this line for something else by its first letters (an option, a "
    "macro)",
)
_UNKNOWN = Problem(
    "line-unknown",
    ConfigSeverity.ERROR,
    "this is an unknown configuration line: Sendmail exits with 70 and does not start",
)
_CONFIGURATION_VERSION = Problem(
    "configuration-version", ConfigSeverity.NOTE, "this line sets $Z, the version that some greetings and headers show"
)
_ABSENT: Final = {
    facts.GREETING_OPTION: Problem(
        "greeting-absent",
        ConfigSeverity.LEAK,
        'no line sets the greeting, so the built-in one is used: "ESMTP Sendmail 8.17.1.9 ready at", with its own '
        "version",
    ),
    facts.HELP_OPTION: Problem(
        "help-missing",
        ConfigSeverity.LEAK,
        'no line names a help file, so each HELP is answered "502 5.3.0 Sendmail 8.17.1.9 -- HELP not implemented", '
        "with its own version",
    ),
    facts.PRIVACY_OPTION: Problem(
        "privacy-flags",
        ConfigSeverity.WARNING,
        "no line sets privacy flags, so EXPN, VERB, ETRN and VRFY are offered to strangers",
    ),
}
_HELP_TODO: Final = "look at the help file that it names: --helpfile FILE; one that is safe is written beside"
