"""Option lines of Sendmail's `.cf` files: which option a line sets, and what is wrong with it.

Sendmail takes the name in any case and as any beginning that only one option has; a second blank after the O, a tab,
or a wrong letter makes it an unknown option, and Sendmail does not start (exit 70). Without the blank it is a short
form: one character, then the value (`OH/etc/mail/helpfile`). So `OSmtpGreetingMessage=$j` sets the status file `S` to
"mtpGreetingMessage=$j". A `#` after white space starts a comment.

Left out: unknown options that resemble none of ours.

Sources: readcf.c (`setoption`) and op.me 5.6 of Sendmail 8.17, and Sendmail itself, asked.
"""

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from scanner.remediation.sendmail import facts, values
from scanner.remediation.sendmail.values import ConfigSeverity, HelpFile, Problem

OPTIONS: Final = (facts.GREETING_OPTION, facts.HELP_OPTION, facts.PRIVACY_OPTION)
#: The shortest beginning that no other option of 8.17 has: SmtpUTF8, HeloName, ProcessTitlePrefix are others.
_SHORTEST: Final = {facts.GREETING_OPTION: 5, facts.HELP_OPTION: 4, facts.PRIVACY_OPTION: 3}
_SHORT_FORMS: Final = {"H": facts.HELP_OPTION, "p": facts.PRIVACY_OPTION, "\x90": facts.GREETING_OPTION}
_COMMENT: Final = re.compile(r"[ \t]+#.*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class OptionLine:
    """One option line: `name` is one of ours, or None; `wrong` says what keeps the line from setting it."""

    name: str | None
    value: str
    wrong: Problem | None = None


def option_of(line: str) -> OptionLine | None:
    """Return what a line of a `.cf` file, without its end, sets; None when it is not an option line."""
    if not line.startswith("O"):
        return None
    if line[1:2] in (" ", "\t"):
        return _long(line)
    if any(line[1:].lower().startswith(name.lower()) for name in OPTIONS):
        return OptionLine(None, "", _NO_SPACE)
    return OptionLine(_SHORT_FORMS.get(line[1:2]), _COMMENT.sub("", line[2:]))


def _long(line: str) -> OptionLine:
    name, _, value = line[2:].partition("=")
    name = name.rstrip(" ").partition(".")[0]
    value = _COMMENT.sub("", value.lstrip(" "))
    if line[1] == " ":
        for ours in OPTIONS:
            if len(name) >= _SHORTEST[ours] and ours.lower().startswith(name.lower()):
                return OptionLine(ours, value)
    meant = get_close_matches(name.strip().lower()[:64], [ours.lower() for ours in OPTIONS], 1, 0.85)
    return OptionLine(None, "", _MISSPELT if meant else None)


_MISSPELT = Problem(
    "option-unknown",
    ConfigSeverity.ERROR,
    "Sendmail does not know an option of this spelling (readcf: unknown option name), exits with 70 and does not start",
)
_NO_SPACE = Problem(
    "option-no-space",
    ConfigSeverity.WARNING,
    "without a space after the O this is the one-letter form and sets another option: S the status file, H the help "
    "file, P something else",
)


def option_problems(line: str, help_file: HelpFile | None) -> list[Problem]:
    """Return what is wrong with an option line; nothing for lines that are none of ours."""
    option = option_of(line)
    if option is None:
        return []
    if option.wrong is not None:
        return [option.wrong]
    problem: Problem | None = None
    match option.name:
        case facts.GREETING_OPTION:
            return values.greeting_problems(option.value)
        case facts.HELP_OPTION:
            problem = values.help_problem(option.value, help_file)
        case facts.PRIVACY_OPTION:
            problem = values.privacy_problem(option.value)
    return [problem] if problem is not None else []


def mended_option(name: str, value: str = "") -> str:
    """Return the line that one of our options should have, in the place of one with `value`."""
    if name == facts.GREETING_OPTION:
        return f"O {name}={facts.GREETING_VALUE}"
    if name == facts.HELP_OPTION:
        return f"O {name}={facts.HELP_FILE}"
    return f"O {name}={values.privacy_flags(value)}"
