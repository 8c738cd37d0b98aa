r"""Read Sendmail's configuration files and report what shows the version: line, reason, and what to do about it.

Four kinds of file: `sendmail.mc` and `submit.mc`, which m4 turns into `sendmail.cf` and `submit.cf`, which can be read
too. Each finding carries the edits that fix it, so that findings and changes always match; `rewrite`
applies them.

Any text is read, also one that is not a configuration at all. Give it as `bytes.decode("latin-1")`, so that every byte
is one character and comes back the same.

Nothing is read from this machine: other files are named by the configuration, but belong to the server it is for. The
help file alone can be handed in.

Left out: what a site's own OSTYPE, DOMAIN and include files set, and conditions in `.mc` files: each branch counts.
"""

from collections.abc import Iterator
from enum import StrEnum

from scanner.remediation.sendmail import facts, values
from scanner.remediation.sendmail.cf import read_cf
from scanner.remediation.sendmail.lines import Lines
from scanner.remediation.sendmail.m4 import Call, RawLine, Unfinished
from scanner.remediation.sendmail.mc import SETTINGS, Configuration, Definition, read_configuration
from scanner.remediation.sendmail.options import option_of, option_problems
from scanner.remediation.sendmail.values import ConfigFinding, ConfigSeverity, Edit, HelpFile, Problem


class ConfigKind(StrEnum):
    """The kinds of configuration files, by their usual names."""

    SENDMAIL_MC = "sendmail.mc"
    SENDMAIL_CF = "sendmail.cf"
    SUBMIT_MC = "submit.mc"
    SUBMIT_CF = "submit.cf"


def read(kind: ConfigKind, text: str, help_file: HelpFile | None = None) -> list[ConfigFinding]:
    """Return what is found in a configuration file, in the order of its lines; what is missing comes last.

    Args:
        kind: Which file it is; the two for submission serve no greeting, so only Received: is read.
        text: The file, one character for each byte.
        help_file: The file that HELP answers from, if somebody looked at it.
    """
    is_submit = kind in (ConfigKind.SUBMIT_MC, ConfigKind.SUBMIT_CF)
    if kind in (ConfigKind.SENDMAIL_CF, ConfigKind.SUBMIT_CF):
        found = read_cf(text, help_file, is_submit=is_submit)
    else:
        found = _McFindings(text, help_file, is_submit=is_submit).all()
    return sorted(found, key=lambda finding: (finding.line is None, finding.line or 0))


class _McFindings:
    def __init__(self, text: str, help_file: HelpFile | None, *, is_submit: bool) -> None:
        self.lines = Lines(text)
        self.help_file = help_file
        self.is_submit = is_submit
        self.found: Configuration = read_configuration(text, is_submit=is_submit)

    def all(self) -> list[ConfigFinding]:
        if self.found.unfinished is not None:
            return [self._unfinished(self.found.unfinished)]
        findings = [self._misnamed(call, kind) for call, kind in self.found.misnamed]
        findings += [self._overridden(lost, call) for lost, call in self.found.overridden]
        findings += self._raw_lines()
        set_later = {option.name for raw in self.found.late if (option := option_of(raw.text)) is not None}
        for name in _HEADERS if self.is_submit else SETTINGS:
            if name in _HEADERS or _OPTIONS[name] not in set_later:
                findings += self._setting(name)
        return findings

    def _setting(self, name: str) -> Iterator[ConfigFinding]:
        """Yield what is wrong with one setting: its value, or that it is missing."""
        for conditional in self.found.conditional.get(name, []):
            yield from self._definition(conditional)
        removed, final = self.found.removed.get(name), self.found.final.get(name)
        if removed is not None and name in _UNDEFINED:
            gone = Problem("setting-removed", ConfigSeverity.LEAK, _UNDEFINED[name])
            yield self._at(removed, gone, "remove the line", self._commented(removed, "takes a setting away"))
        if final is not None:
            yield from self._definition(final)
        elif removed is None and (problem := self._default_problem(name)) is not None:
            line = facts.mc_line(name, facts.MC_VALUES[name])
            edits = (self.lines.inserted(self.found.insert_at, line),)
            yield ConfigFinding(problem.id, problem.severity, None, "", problem.why, f"add {line}", edits)

    def _default_problem(self, name: str) -> Problem | None:
        """Return what is wrong with Sendmail's own value of a setting."""
        if name == facts.GREETING_SETTING:
            return values.greeting_problems(facts.BUILT_IN_GREETING)[0]
        if name == facts.HELP_SETTING:
            return values.help_problem("helpfile", self.help_file)
        if name == facts.PRIVACY_SETTING:
            return values.privacy_problem("authwarnings")
        if name == facts.RECEIVED_HEADER_SETTING:
            return None  # it is made of _REC_BY_, which has its own turn
        header = self.found.final.get(facts.RECEIVED_HEADER_SETTING)
        if header is not None and facts.RECEIVED_SETTING not in header.call.value(1):
            return None  # it does not matter: the whole header is the site's own
        return values.received_problem("$v")

    def _definition(self, definition: Definition) -> Iterator[ConfigFinding]:
        for problem in self._problems(definition):
            new = _mended(definition)
            edits: tuple[Edit, ...] = (Edit(definition.call.start, definition.call.end, new),)
            if not problem.id.startswith("received-version") and definition.name in _HEADERS:
                edits = ()  # free words; only a person knows which are needed
            if problem.id == "help-unseen" or new == self.lines.text[definition.call.start : definition.call.end]:
                edits = ()
            yield self._at(definition.call, problem, f"write {new}" if edits else _TODO[problem.id], edits)

    def _problems(self, definition: Definition) -> list[Problem]:
        name, value = definition.name, definition.value
        if name == facts.GREETING_SETTING:
            found = values.greeting_problems(value)
            return [*found, _SEVERAL_LINES] if "\n" in value else found
        if name == facts.HELP_SETTING:
            problem = values.help_problem(value, self.help_file)
        elif name == facts.PRIVACY_SETTING:
            problem = values.privacy_problem(value)
        else:
            # The names in a header's value have their own turn.
            problem = values.received_problem(definition.call.value(1))
        return [problem] if problem is not None else []

    def _misnamed(self, call: Call, kind: str) -> ConfigFinding:
        severity, why = _MISNAMED[kind]
        todo = f"use {facts.GREETING_SETTING} for the greeting; remove this line"
        return self._at(call, Problem(f"name-{kind}", severity, why), todo, self._commented(call, _REASONS[kind]))

    def _overridden(self, lost: Definition, by: Call) -> ConfigFinding:
        where = f"{by.name} in line {self.lines.number(by.start)}"
        why = f"{where} sets {lost.name} again, so this line has no effect"
        edits = self._commented(lost.call, "has no effect here")
        problem = Problem("overridden", ConfigSeverity.WARNING, why)
        return self._at(lost.call, problem, "move it below OSTYPE and DOMAIN", edits)

    def _raw_lines(self) -> Iterator[ConfigFinding]:
        for raw in self.found.early:
            if (option := option_of(raw.text)) is not None and option.name is not None and not self.is_submit:
                why = "m4 writes its own line for this option after this one, and the last one wins"
                yield self._raw(raw, Problem("raw-option-lost", ConfigSeverity.WARNING, why))
        for raw in self.found.late:
            for problem in option_problems(raw.text, self.help_file) if not self.is_submit else ():
                yield self._raw(raw, problem)
        for raw in [*self.found.early, *self.found.late]:
            if raw.text.startswith(("define", "undefine", "pushdef", "popdef")):
                yield self._raw(raw, _SPACE_BEFORE)
            elif raw.text.startswith("H") and (leak := values.received_problem(raw.text)) is not None:
                yield self._at(raw, leak, _TODO[leak.id])

    def _raw(self, raw: RawLine, problem: Problem) -> ConfigFinding:
        edits = (
            () if problem.severity is ConfigSeverity.NOTE else self._commented(raw, "is set by define below or above")
        )
        return self._at(raw, problem, "remove the line; set the option with define", edits)

    def _unfinished(self, end: Unfinished) -> ConfigFinding:
        why, todo = _UNFINISHED[end.what]
        number = self.lines.number(end.start)
        return ConfigFinding(
            f"unfinished-{end.what}", ConfigSeverity.ERROR, number, self.lines.line(end.start), why, todo
        )

    def _at(self, place: Call | RawLine, problem: Problem, todo: str, edits: tuple[Edit, ...] = ()) -> ConfigFinding:
        number, line = self.lines.number(place.start), self.lines.line(place.start)
        return ConfigFinding(problem.id, problem.severity, number, line, problem.why, todo, edits)

    def _commented(self, place: Call | RawLine, reason: str) -> tuple[Edit, ...]:
        """Return the edits that turn whole lines into comments, or take a part of a line away."""
        lines = self.lines
        start, end = lines.start(place.start), lines.next(place.end - 1)
        rest = lines.text[place.end : end].strip()
        is_conditional = isinstance(place, Call) and place.conditional
        if is_conditional or lines.text[start : place.start].strip() or (rest and not rest.startswith("dnl")):
            return (Edit(place.start, place.end, ""),)
        edits = [Edit(start, start, f"dnl The next line {reason}.{lines.end}dnl ")]
        at = lines.next(start)
        while at < end:
            edits.append(Edit(at, at, "dnl "))
            at = lines.next(at)
        return tuple(edits)


_OPTIONS = {
    facts.GREETING_SETTING: facts.GREETING_OPTION,
    facts.HELP_SETTING: facts.HELP_OPTION,
    facts.PRIVACY_SETTING: facts.PRIVACY_OPTION,
}
_HEADERS = (facts.RECEIVED_SETTING, facts.RECEIVED_HEADER_SETTING)


def _mended(definition: Definition) -> str:
    """Return the call that takes a definition's place."""
    name = definition.name
    if name in _HEADERS:
        argument = definition.argument
        return f"define(`{name}', `{values.without_version(argument.value if argument else '')}')"
    value = values.privacy_flags(definition.value) if name == facts.PRIVACY_SETTING else facts.MC_VALUES[name]
    return facts.mc_line(name, value).removesuffix("dnl")


_UNDEFINED = {
    facts.GREETING_SETTING: (
        'without this setting the built-in greeting is used: "ESMTP Sendmail 8.17.1.9 ready at", with its own version'
    ),
    facts.RECEIVED_SETTING: "without this setting the Received: header is damaged",
    facts.RECEIVED_HEADER_SETTING: "without this setting the Received: header is damaged",
    facts.HELP_SETTING: "without this setting Sendmail's own help file answers HELP with its version",
    facts.PRIVACY_SETTING: "without this setting EXPN, VERB, ETRN and VRFY are offered to strangers",
}
_MISNAMED = {
    "unknown": (
        ConfigSeverity.WARNING,
        "there is no such setting: m4 defines the name and nothing uses it, so the greeting and all else stay the same",
    ),
    "quotes": (
        ConfigSeverity.WARNING,
        "these quotes are not m4's (` opens, ' closes), so another name is defined and the setting stays as it was",
    ),
    "unquoted": (
        ConfigSeverity.WARNING,
        "the name is not in quotes (` and '), so m4 replaces it by its value and defines something else",
    ),
}
_REASONS = {
    "unknown": "names no setting of Sendmail",
    "quotes": "has the wrong quotes",
    "unquoted": "lacks quotes round the name",
}
_TODO = {
    "received-product": "take the words out by hand",
    "received-version": "take $v and $Z out by hand",
    "help-unseen": "look at it: --helpfile FILE",
    "help-version": f"put the help file that is written beside in the place of this one, or name {facts.HELP_FILE}",
    "help-old": f"put the help file that is written beside in the place of this one, or name {facts.HELP_FILE}",
    "help-missing": "put the help file that is written beside in its place",
}
_UNFINISHED = {
    "quote": ("the quote that opens here is never closed, so m4 stops with an error", "close it with '"),
    "parenthesis": ("the parenthesis that opens here is never closed, so m4 stops with an error", "close it with )"),
    "changequote": (
        "m4's quotes are changed here, and what follows was not read",
        "look at the rest of the file by hand",
    ),
}
_SEVERAL_LINES = Problem(
    "greeting-lines",
    ConfigSeverity.ERROR,
    "the greeting has a line end in it, so its rest becomes an unknown configuration line and Sendmail does not start",
)
_SPACE_BEFORE = Problem(
    "space-before-parenthesis",
    ConfigSeverity.ERROR,
    "m4 does not see a call because of the space before (, so the text becomes an unknown configuration line "
    "(exit 70) and Sendmail does not start",
)
