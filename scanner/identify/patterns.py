"""The regular expressions of rules: short to write, and unable to take long on hostile text.

A pattern may use fragments: `%{HOST}ESMTP Exim (?P<version>%{VERSION})`. It is matched from the beginning of a line of
the greeting (never searched for), and these checks bound the work on a greeting of any content:

- every repetition has an upper bound, so that its cost does not grow with the text (no `*`, `+` or `{n,}`);
- no repetition holds another one, so that bounds do not multiply;
- no bound is above `MAX_REPEAT`, and no pattern has more than `MAX_REPEATS` repetitions.

Left out: patterns that need more. A form that a bounded pattern cannot read gets a grammar in code (see `sendmail`).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from scanner import lazy
from scanner.identify.systems import SYSTEM

#: RFC 5321 (4.5.3.1.2) lets a domain have 255 octets; nothing that identifies software is longer.
MAX_REPEAT: Final = 255
#: The longest shipped pattern has a third of this.
MAX_REPEATS: Final = 60

# A word of a text that is printable ASCII, as all texts from the parser are: found faster than what is neither a blank
# nor the end of a line, because it is one range.
_WORD = "[!-~]{1,255}"
# What may stand between the host name and the product without naming one: the protocol, polite words, a bracket. Each
# text has one reading (two dashes are never one and one), so that the eight steps do not become eight times two.
_FILLER = (
    r"(?:(?:--?(?!-)|[|(\[<:*]) ?|(?i:E?SMTPS?|LMTP|Mail|MTA|MX|Server|Service|System|Welcome|to|the|this|is|at|"
    r"running|powered by|hi|hello|using|ready)[:,.!]?  ?){0,8}"
)
# A version that is told by its dot or by a word before it, and is neither a date, a time nor an address.
_VERSIONED = (
    r"(?:[ /_:,-] ?)?[(\[]?(?:(?i:V(?:er(?:sion|\.)?)?|Release|Rel\.?)[.:]? ?(?=[0-9])|(?=[0-9]{1,4}\.[0-9]))"
    r"(?![0-9]{1,2}\.[0-9]{1,2}\.(?:19|20)[0-9]{2}(?![0-9.]))"
    r"(?![0-9.]{1,40}\.[A-Za-z][0-9A-Za-z-]{0,62}\.[A-Za-z])"
    r"(?P<version>[0-9][0-9A-Za-z._-]{0,40}(?<=[0-9A-Za-z]))(?![0-9A-Za-z@:_-])"
)
# The end of a product's name: neither within a longer word or a host name, nor before a further word of a proper name
# ("Courier Services Ltd"), unless that word is one that products have.
_ENDED = (
    r"(?=$|[,;:!()\[\]|/>]|\.(?:$| )| (?![A-Z][a-z])|"
    r" (?:Mail|Server|Service|System|Gateway|Ready|Version|Mon|Tue|Wed|Thu|Fri|Sat|Sun)(?![a-z]))"
)

# The mark of a release candidate, or of a step that its maker did not count with a number.
_STEP = r"(?:[-_.]?(?i:alpha|beta|rc|pre|dev)[-.]?[0-9]{0,4}|[a-cp][0-9]{0,3})(?![0-9A-Za-z])"

_DAY = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}"
# What servers say that say nothing of their own, to the end of the line or a date.
_PLAIN = (
    r"(?i:E?SMTP(?: (?:mail )?(?:server|service))?(?:,? (?:is )?(?:ready|not available))?"
    r"|(?:mail )?(?:server|service) (?:is )?ready|ready)[.!]?"
    rf"(?=$|;$|;? {{1,2}}(?:at |on )?(?:{_DAY}|[0-9]{{1,4}}[/ -][0-9A-Z]|{_MONTH} [0-9]))"
)

#: Fragments for every rule file; a file may define more in its `[fragments]` table.
FRAGMENTS: Final = {
    # The host name, which some servers leave out, with the space after it.
    # A word ends at a blank, so none of it is tried again with fewer characters ("?>").
    "HOST": rf"(?:(?>{_WORD}) {{1,3}}|)",
    # Any first word, where one must be there.
    "NAME": _WORD,
    # A version number: digits and dots, a digit at both ends, and the mark of a candidate or of a smaller step, which
    # is part of the number: 4.97-RC1, 2.0b3, 8.9.3p2, 5.0.13a.
    "VERSION": rf"[0-9][0-9.]{{0,30}}(?<=[0-9])(?!\.?[0-9])(?:{_STEP})?",
    # A version number with letters, underscores and dashes in it: 4.90_RC3, 2.8-20100306, 3.01a.
    "RELEASE": r"[0-9][0-9A-Za-z._-]{0,40}(?<=[0-9A-Za-z])",
    # The end of a word: what follows is not part of it.
    "END": r"(?![0-9A-Za-z_-])",
    # The end of a name in a sentence; a dot must end the sentence, else it is a host name.
    "STOP": r"(?=$|[ ,;!(]|\.(?:$| ))",
    # An operating system and its version, captured as `os` and `os_version`: once in a pattern.
    "SYSTEM": SYSTEM,
    # What Sun and Netscape write behind a version: a patch, and the day of the build, captured as `patch` and `build`.
    "BUILT": r"(?: (?P<patch>(?:Patch|HotFix) [0-9.]{1,8}))?(?: (?:32|64)bit)?(?: \((?P<build>built [^\n)]{1,60})\)?)?",
    # Any first word and polite ones: what stands before a product's name in a greeting that names it in its own way.
    "AFTER": rf"(?:(?i:welcome (?:to|at)|this is) {{1,2}})?(?>{_WORD}) {{1,3}}{_FILLER}",
    # What may follow such a name: a version, or nothing that belongs to it.
    "VERSIONED": _VERSIONED,
    "ENDED": _ENDED,
    "TAIL": rf"(?:{_VERSIONED}(?=$|[^0-9A-Za-z])|{_ENDED})",
    # The first word of a date.
    "DAY": _DAY,
    # Words that name nothing: a rule needs something else, such as the host, to go by.
    "PLAIN": _PLAIN,
}

_FRAGMENT = lazy.pattern(r"%\{([^{}]{1,40})\}")
_TOKEN = lazy.pattern(
    r"""
      (?P<literal> \\. | \[\^?\]?(?:\\.|[^\]\\])*\] | \(\?[a-zA-Z-]+\) )
    | (?P<open> \((?:\?(?:P?<\w+>|<[=!]|[a-zA-Z-]*:|[=!>]))? )
    | (?P<close> \) )
    | (?P<repeat> [*+] | \{[0-9]*,?[0-9]*\} | \? )
    | .
    """,
    re.VERBOSE | re.DOTALL,
)


def compile_pattern(text: str, fragments: Mapping[str, str]) -> re.Pattern[str]:
    """Compile a rule's pattern.

    Raises:
        ValueError: for an unknown fragment, an invalid expression, unnamed groups, or work without a bound.
    """
    expanded = _FRAGMENT.sub(lambda found: _fragment(found[1], fragments), text)
    try:
        pattern = re.compile(expanded, re.MULTILINE)
    except re.error as error:
        raise ValueError(f"the pattern is not a regular expression: {error}") from error
    if pattern.groups != len(pattern.groupindex):
        raise ValueError("the pattern has a group without a name: write (?:...) or (?P<field>...)")
    if pattern.match("") is not None:
        raise ValueError("the pattern matches an empty greeting, so it matches every greeting")
    _check_bounds(expanded)
    return pattern


def _fragment(name: str, fragments: Mapping[str, str]) -> str:
    text = fragments.get(name, FRAGMENTS.get(name))
    if text is None:
        raise ValueError(f"the pattern uses an unknown fragment %{{{name}}}")
    return text


def repetitions(expanded: str) -> Iterator[tuple[str, bool]]:
    """Yield each repetition of an expression but "?", and whether it is of a group that holds another one.

    One walk over the expression, with one flag for each open group: whether it holds a repetition.
    """
    holds = [False]
    closed_holds = False
    for token in _TOKEN.finditer(expanded):
        kind, text = token.lastgroup, token[0]
        if kind == "repeat" and text != "?":
            yield text, closed_holds
            holds[-1] = True
        elif kind == "open":
            holds.append(False)
        closed_holds = False
        if kind == "close":
            closed_holds = holds.pop()
            holds[-1] = holds[-1] or closed_holds


def required_text(expanded: str) -> str:
    """Return the longest text that whatever matches must hold, in lower case; "" when none is sure.

    Only what stands outside of all groups counts, and an expression with alternatives there has none.
    """
    depth, run, runs = 0, "", [""]
    for token in _TOKEN.finditer(expanded):
        kind, text = token.lastgroup, token[0]
        depth += (kind == "open") - (kind == "close")
        character = text[1:] if len(text) == 2 and text[0] == "\\" and not text[1].isalnum() else text
        if depth == 0 and text == "|":
            return ""
        if kind == "repeat":
            runs.append(run[:-1])  # the character before may be left out
            run = ""
        elif depth == 0 and len(character) == 1 and (kind == "literal" or character not in ".^$()"):
            run += character
        else:
            runs.append(run)
            run = ""
    return max([*runs, run], key=len).lower()


def _check_bounds(expanded: str) -> None:
    found = list(repetitions(expanded))
    for text, holds in found:
        _check_repeat(text, holds=holds)
    if len(found) > MAX_REPEATS:
        raise ValueError(f"the pattern has {len(found)} repetitions, more than {MAX_REPEATS}")


def _check_repeat(text: str, *, holds: bool) -> None:
    """Refuse one repetition; `holds` says that it is of a group which holds another one."""
    bound = text.strip("{}").rpartition(",")[2]
    if not bound.isdigit() or int(bound) > MAX_REPEAT:
        raise ValueError(f"the repetition {text} has no upper bound up to {MAX_REPEAT}: write {{0,80}} or the like")
    if holds and int(bound) > 1:
        raise ValueError(f"the repetition {text} holds another repetition: their bounds would multiply")
