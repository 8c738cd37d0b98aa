"""Read what an `.mc` file sets: the last value of each setting that shows the version, and the values it overrides.

m4 reads from the top, so the last `define` wins, and whatever is included later may set a name again: cf.m4 sets the
greeting and the Received: header, Debian's OSTYPE the greeting once more. A `define` above those is lost without a
word. Below them the place does not matter, even after MAILER: the `.cf` text is written at the very end.

Text that is not a macro call is copied into the `.cf` file. An option line among it comes before m4's own option lines
(and loses) unless it stands in a part that is written after them, such as LOCAL_RULESETS.

Left out: what a site's own OSTYPE, DOMAIN and include files set; they are not read.

Sources: cf/README, cfhead.m4, proto.m4, ostype/debian.m4, domain/debian-mta.m4, feature/msp.m4, hack/virthost_by_ip.m4
of Sendmail 8.17; m4 and Sendmail themselves, asked.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from scanner.remediation.sendmail import facts
from scanner.remediation.sendmail.m4 import EARLY_PARTS, LATE_PARTS, Argument, Call, Comment, RawLine, Unfinished, scan

#: What sets names of ours, whatever stood there before: (call, its first argument) -> names.
_GREETING, _HELP, _BY = facts.GREETING_SETTING, facts.HELP_SETTING, facts.RECEIVED_SETTING
_HEADER, _PRIVACY = facts.RECEIVED_HEADER_SETTING, facts.PRIVACY_SETTING
SETTINGS: Final = (_GREETING, _HELP, _BY, _HEADER, _PRIVACY)
_OVERRIDES: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("OSTYPE", "debian"): (_GREETING,),
    ("DOMAIN", "debian-mta"): (_PRIVACY,),
    ("HACK", "virthost_by_ip"): (_GREETING, _BY, _HEADER),
    ("FEATURE", "msp"): (_PRIVACY,),
}
_BY_CF_M4: Final = (_GREETING, _BY, _HEADER, _PRIVACY)
#: Names that sound like a setting of ours. m4 accepts any name and says nothing.
_SOUNDS_LIKE: Final = re.compile(
    r"conf_?\w*(?:banner|greet|login_?msg|smtp_?msg|help_?file|privacy|received_?header|smtp_\w+)\w*|"
    r"smtp_?(?:login_?msg|banner|greeting)|help_?file|_?rec_?by_?",
    re.IGNORECASE,
)
_REAL: Final = frozenset({*SETTINGS, "confSMTP_MAILER"})
_NAME: Final = re.compile(r"defn\((\w+)\)|[A-Za-z_]\w*")
_MAX_VALUE: Final = 512


@dataclass(frozen=True, slots=True)
class Definition:
    """One value given to one of our settings; `value` has the names of other definitions replaced."""

    name: str
    value: str
    call: Call

    @property
    def argument(self) -> Argument | None:
        """The value as it stands in the text; None when there is none."""
        return self.call.arguments[1] if len(self.call.arguments) > 1 else None


@dataclass(slots=True)
class Configuration:
    """What was found in one `.mc` file, in the order of the text."""

    #: The value that counts, by name; a name that is not here has Sendmail's own value, or none.
    final: dict[str, Definition] = field(default_factory=dict)
    #: Definitions that may count as well: it depends on a condition.
    conditional: dict[str, list[Definition]] = field(default_factory=dict)
    #: Definitions that something later made void, and that call.
    overridden: list[tuple[Definition, Call]] = field(default_factory=list)
    #: Calls of `undefine` and `popdef` that took a value away which counted until then; Sendmail's own included.
    removed: dict[str, Call] = field(default_factory=dict)
    #: Calls of `define` whose first argument is not the setting that it looks like.
    misnamed: list[tuple[Call, str]] = field(default_factory=list)
    #: Lines of `.cf` text before m4's own options, and after them.
    early: list[RawLine] = field(default_factory=list)
    late: list[RawLine] = field(default_factory=list)
    unfinished: Unfinished | None = None
    #: Where new definitions go.
    insert_at: int = 0


def read_configuration(text: str, *, is_submit: bool = False) -> Configuration:
    """Read an `.mc` file of any characters; in a submit.mc, new definitions go above FEATURE(`msp')."""
    return _McReader(text, is_submit=is_submit).read()


class _McReader:
    def __init__(self, text: str, *, is_submit: bool) -> None:
        self.text = text
        self.is_submit = is_submit
        self.found = Configuration()
        self.values: dict[str, str] = {}
        self.is_late = False
        self.ceiling: int | None = None  # new definitions go above this
        self.comments: set[int] = set()

    def read(self) -> Configuration:
        try:
            for event in scan(self.text):
                if isinstance(event, Comment):
                    self.comments.add(event.start)
                elif isinstance(event, RawLine):
                    (self.found.late if self.is_late else self.found.early).append(event)
                else:
                    self._call(event)
        except Unfinished as end:
            self.found.unfinished = end
        self.found.insert_at = self._insert_at()
        return self.found

    def _call(self, call: Call) -> None:
        name = call.name
        if name in ("define", "pushdef"):
            self._define(call)
        elif name in ("undefine", "popdef"):
            self._undefine(call)
        elif call.conditional:
            return
        elif name in LATE_PARTS | EARLY_PARTS:
            self.is_late = name in LATE_PARTS
            self._mark_ceiling(call)
        elif name in ("include", "sinclude", "OSTYPE", "DOMAIN", "HACK", "FEATURE"):
            self._override(call)

    def _define(self, call: Call) -> None:
        name = call.value(0)
        if not call.arguments[0].quoted and (name in SETTINGS[2:] or name == _GREETING or name in self.values):
            if name in SETTINGS:
                self.found.misnamed.append((call, "unquoted"))
            return
        if name not in SETTINGS:
            self.values[name] = self._expanded(call.value(1))
            if name not in _REAL and (kind := _misnamed(name)):
                self.found.misnamed.append((call, kind))
            return
        definition = Definition(name, self._expanded(call.value(1)), call)
        if call.conditional:
            self.found.conditional.setdefault(name, []).append(definition)
            return
        self.values[name] = definition.value
        self.found.final[name] = definition
        self.found.removed.pop(name, None)
        self.found.conditional.pop(name, None)

    def _undefine(self, call: Call) -> None:
        for argument in call.arguments:
            if argument.value in SETTINGS:
                self.found.removed[argument.value] = call
                if not call.conditional:
                    self.found.final.pop(argument.value, None)
            self.values.pop(argument.value, None)

    def _override(self, call: Call) -> None:
        argument = call.value(0)
        names = _OVERRIDES.get((call.name, argument), ())
        if call.name.endswith("include") and argument.endswith("cf.m4"):
            names = _BY_CF_M4
        if (call.name, argument) == ("FEATURE", "msp") and self.is_submit:
            self._mark_ceiling(call)
        elif call.name != "FEATURE" or names:
            self.ceiling = None  # it may set our names: below it, then
        for name in names:
            if (lost := self.found.final.pop(name, None)) is not None:
                self.found.overridden.append((lost, call))
            self.found.overridden += [(each, call) for each in self.found.conditional.pop(name, [])]
            self.found.removed.pop(name, None)

    def _mark_ceiling(self, call: Call) -> None:
        if self.ceiling is None:
            self.ceiling = call.start

    def _expanded(self, value: str) -> str:
        """Replace names that the file defines, as m4 does when it writes the value; bounded."""
        for _ in range(4):
            before = value
            value = _NAME.sub(lambda name: self.values.get(name[1] or name[0], name[0]), before[:_MAX_VALUE])
            if value == before:
                break
        return value[:_MAX_VALUE]

    def _insert_at(self) -> int:
        """Return the place for new lines: above the first MAILER and the comment lines that belong to it."""
        if self.ceiling is None:
            return len(self.text)
        at = self.text.rfind("\n", 0, self.ceiling) + 1
        if self.text[at : self.ceiling].strip():
            return self.ceiling  # something else begins on the same line
        while at > 0 and (above := self.text.rfind("\n", 0, at - 1) + 1) in self.comments:
            at = above
        return at


def _misnamed(name: str) -> str | None:
    """Return why a name that looks like one of our settings is not a setting of Sendmail."""
    bare = name.strip(" \t\n'\"`\xe2\x80\x98\x99\x9c\x9d\u2018\u2019\u201c\u201d")
    if bare != name and (bare in SETTINGS or _SOUNDS_LIKE.fullmatch(bare)):
        return "quotes"
    return "unknown" if _SOUNDS_LIKE.fullmatch(name) else None
