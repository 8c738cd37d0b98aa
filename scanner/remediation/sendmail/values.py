"""Judge one value of Sendmail's configuration, in `.mc` and `.cf` files alike: what is wrong, and what it should be.

A value is judged by what the server sends because of it, not by its form: macros that carry a version, words that name
the product, and what makes a greeting unfit for SMTP. Each judgement was compared with the real server's answer.

Left out: macros that a site defines itself in `.cf` (a D line) to carry a version under another name.

Sources: RFC 5321, sections 4.2 and 4.4; op.me 5.6; sendmail.h of Sendmail 8.13 (`PRIV_GOAWAY` covers the flags of the
SMTP dialogue and none of the others).
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from scanner.remediation.sendmail import facts


class ConfigSeverity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"  # Sendmail does not start with this file, or m4 does not read it
    LEAK = "leak"  # product or version are shown to strangers
    WARNING = "warning"  # the line does not do what it seems to do, or harms something else
    NOTE = "note"  # worth knowing; nothing has to be done


@dataclass(frozen=True, slots=True)
class Edit:
    """One change: the characters from `start` up to `end` become `text`."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class ConfigFinding:
    """One thing found in a configuration file.

    `line` counts from 1 and is None when the finding is that a line is missing; `text` is that line, without its end,
    and may hold any character. `why` and `todo` are ours, one sentence each. `edits` mend it; without any, a person
    has to.
    """

    id: str
    severity: ConfigSeverity
    line: int | None
    text: str
    why: str
    todo: str
    edits: tuple[Edit, ...] = ()

    @property
    def counts(self) -> bool:
        """Whether this is more than a note."""
        return self.severity is not ConfigSeverity.NOTE


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a value, wherever it stands."""

    id: str
    severity: ConfigSeverity
    why: str


#: `$v`, `$Z`, also as `${v}` and, expanded late, `$&v`. `$$` is a dollar sign. A macro's name is one character unless
#: it is in braces, so `$version` is `$v` and "ersion".
VERSION_MACRO: Final = re.compile(r"(?<!\$)\$&?(?:[vZ]|\{[vZ]\})")
_VERSION_NUMBER: Final = re.compile(r"(?<![\w.])\d+\.\d+[\w.+/-]*")
_PRODUCT: Final = re.compile(r"sendmail", re.IGNORECASE)
_ESMTP: Final = re.compile(r"(?<![\w.$])ESMTP(?![\w.])", re.IGNORECASE)
#: A host name, or a macro, which may be one.
_HOST_FIRST: Final = re.compile(r"\$|[A-Za-z0-9-]+\.[A-Za-z0-9.-]+(?:\s|$)")
_STRAIGHT_QUOTES: Final = re.compile(r"['\"]|\xe2\x80[\x98\x99\x9c\x9d]|[\u2018\u2019\u201c\u201d]")


def greeting_problems(value: str) -> list[Problem]:
    """Return what is wrong with a greeting, the worst first; nothing for `$j` and the like."""
    if not value.strip():
        return [_EMPTY_GREETING]
    found = []
    if VERSION_MACRO.search(value) or _VERSION_NUMBER.search(value):
        found.append(_GREETING_VERSION)
    elif _PRODUCT.search(value):
        found.append(_GREETING_PRODUCT)
    if _STRAIGHT_QUOTES.match(value):
        found.append(_GREETING_QUOTES)
    elif not _HOST_FIRST.match(value):
        found.append(_GREETING_HOST)
    if _ESMTP.search(value):
        found.append(_GREETING_ESMTP)
    return found


_EMPTY_GREETING = Problem(
    "greeting-empty",
    ConfigSeverity.WARNING,
    'an empty or blank greeting gives "220  ESMTP" without a host name, which RFC 5321 section 4.2 does not allow',
)
_GREETING_VERSION = Problem("greeting-version", ConfigSeverity.LEAK, "the greeting shows the version to every client")
_GREETING_PRODUCT = Problem("greeting-product", ConfigSeverity.LEAK, "the greeting names the product to every client")
_GREETING_QUOTES = Problem(
    "greeting-quotes",
    ConfigSeverity.WARNING,
    "these quotes are not m4's (` opens, ' closes), so they become a part of the greeting: ' ' gives \"220 ' ESMTP '\"",
)
_GREETING_HOST = Problem(
    "greeting-no-host",
    ConfigSeverity.WARNING,
    "the greeting does not begin with the host's name, as RFC 5321 section 4.2 demands; $j is that name",
)
_GREETING_ESMTP = Problem(
    "greeting-esmtp-twice",
    ConfigSeverity.WARNING,
    "Sendmail inserts the word ESMTP itself, after the first word, so this greeting has it twice",
)


def received_problem(value: str) -> Problem | None:
    """Return what is wrong with (a part of) the Received: header."""
    if VERSION_MACRO.search(value):
        return _RECEIVED_VERSION
    return _RECEIVED_PRODUCT if re.search(r"sendmail|(?<![\w.])8\.\d+\.\d+", value, re.IGNORECASE) else None


_RECEIVED_VERSION = Problem(
    "received-version", ConfigSeverity.LEAK, "the Received: line of every message that passes shows the version"
)
_RECEIVED_PRODUCT = Problem(
    "received-product",
    ConfigSeverity.LEAK,
    "the Received: line of every message that passes names the product or a version",
)

_MACRO: Final = VERSION_MACRO.pattern
_VERSION_COMMENT: Final = re.compile(rf" ?\([^()\n]*{_MACRO}[^()\n]*\)")
_VERSION_REST: Final = re.compile(rf"/?{_MACRO}")


def without_version(header: str) -> str:
    """Return (a part of) the Received: header without the macros that carry a version, and their parentheses."""
    return _VERSION_REST.sub("", _VERSION_COMMENT.sub("", header))


_BESIDE_GOAWAY: Final = ("restrictmailq", "nobodyreturn", "noreceipts", "noactualrecipient")


def privacy_problem(value: str) -> Problem | None:
    """Return what is wrong with privacy flags: EHLO, VRFY and EXPN tell more than they need to."""
    flags = _flags(value)
    if ("goaway" in flags or flags >= {"noexpn", "novrfy", "noverb"}) and "noetrn" in flags:
        return None
    return _PRIVACY


_PRIVACY = Problem(
    "privacy-flags",
    ConfigSeverity.WARNING,
    "EXPN, VERB, ETRN or VRFY are offered to strangers: a fingerprint, and VRFY and EXPN name the users",
)


def privacy_flags(value: str) -> str:
    """Return the flags to set where `value` stood: ours, and those of the site that ours do not cover."""
    kept = _flags(value)
    return ",".join([facts.PRIVACY_FLAGS, *(flag for flag in _BESIDE_GOAWAY if flag in kept)])


def _flags(value: str) -> set[str]:
    return set(re.split(r"[,\s]+", value.strip().lower()))


@dataclass(frozen=True, slots=True)
class HelpFile:
    """A help file that was looked at: `text` is None when there is no regular file in its place."""

    text: str | None


def help_problem(path: str, file: HelpFile | None) -> Problem | None:
    """Return what is wrong with the help file that the configuration names; a note when nobody looked at it."""
    if path.strip() in ("", "/dev/null"):
        return Problem("help-missing", ConfigSeverity.LEAK, f"without a regular help file {_NO_HELP}")
    if file is not None:
        return help_text_problem(file)
    if path.rpartition("/")[2] in ("helpfile", "sendmail.hf"):
        return Problem("help-version", ConfigSeverity.LEAK, "Sendmail's own help file answers HELP with its version")
    return Problem(
        "help-unseen", ConfigSeverity.NOTE, f"this help file was not looked at; if it is missing, {_NO_HELP}"
    )


_NO_HELP = 'each HELP is answered "502 5.3.0 Sendmail 8.17.1.9 -- HELP not implemented", with its own version'


def help_text_problem(file: HelpFile) -> Problem | None:
    """Return what is wrong with the contents of a help file; None when HELP then gives nothing away."""
    if file.text is None:
        return Problem(
            "help-missing", ConfigSeverity.LEAK, f"the help file is missing or no regular file, so {_NO_HELP}"
        )
    topics = [line for line in file.text.split("\n") if line and not line.startswith("#")]
    if not topics:
        return None
    version = re.match(r"#vers[ \t]+(\d{1,9})", file.text)
    if version is None or int(version[1]) < facts.HELP_FILE_VERSION:
        return Problem(
            "help-old",
            ConfigSeverity.LEAK,
            "the help file's first line is not #vers<TAB>2, so Sendmail puts its version before the help text",
        )
    said = "\n".join(topics)
    if VERSION_MACRO.search(said) or _PRODUCT.search(said) or "$Id" in said:
        return Problem("help-version", ConfigSeverity.LEAK, "the help file's text names the product or its version")
    return None
